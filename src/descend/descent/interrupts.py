"""Ctrl-C as a request: the run ends between steps and is returned; a second Ctrl-C raises at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """While open, the first SIGINT is noted instead of raised. Outside the main thread it does nothing."""

    def __init__(self) -> None:
        self._came = False
        self._before: Any = None

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) not in {signal.SIG_IGN, None}:  # None: not Python's to restore
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True

    def came(self) -> bool:
        """Whether there was one."""
        return self._came
