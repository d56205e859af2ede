"""Ctrl-C as a request: the run ends between steps and is returned; a second Ctrl-C raises at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts", "remember"]

_raised: list[int] = []  # signals whose KeyboardInterrupt may have been lost


def remember() -> Any:
    """From now on a SIGINT that raises is remembered by the next run, too; returns what dealt with it before.

    Where a KeyboardInterrupt comes up in a callback of compiled code, Python prints it and goes on.
    """
    return signal.signal(signal.SIGINT, _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    _raised.append(number)
    raise KeyboardInterrupt


class Interrupts:
    """While open, the first SIGINT is noted instead of raised. Outside the main thread it does nothing."""

    def __init__(self) -> None:
        self._came = bool(_raised)
        _raised.clear()
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
