"""A progress bar for runs that take longer than about a second."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

__all__ = ["Progress"]

_PATIENCE = 1.0  # seconds of silence


class Progress:
    """Shows on standard error how far a run is, and some numbers; nothing at all in the first second."""

    def __init__(
        self,
        wanted: bool | None,
        last: int,
        place: str = "step {task.completed:,} of {task.total:,}",
        numbers: str = "cost {0:.6g}",
    ) -> None:
        self._place, self._numbers = place, numbers
        self._forced = wanted is True
        self._wanted = sys.stderr.isatty() if wanted is None else wanted
        self._last = last
        self._begin = time.perf_counter()
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def show(self, step: float, *numbers: float) -> None:
        """Tell how far the run is; the numbers are those that the text names by their places."""
        if self._wanted and self._bar is None and time.perf_counter() - self._begin > _PATIENCE:
            self._bar = self._open()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, numbers=self._numbers.format(*numbers))

    def _open(self) -> Any:
        from rich import progress
        from rich.console import Console

        bar = progress.Progress(
            progress.TextColumn(self._place),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[numbers]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=self._forced or None),
            transient=True,
        )
        bar.add_task("", total=self._last, numbers="")
        bar.start()
        return bar

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
