"""The trace of a run: one row per kept step, thinned so that it never outgrows its bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from descend.columns import Columns
from descend.descent.sampling import Sampling
from descend.objectives.parameters import as_vector, variables_of
from descend.sentences import counted

__all__ = ["MOST_ROWS", "Rows", "Trace"]

MOST_ROWS = 1_024  # a run of a thousand steps keeps them all
MOST_BYTES_OF_X = 64 * 2**20
_THINNER = 3  # so many times fewer rows are kept: with an even number a zigzag would look like a straight line


@dataclass
class Rows:
    """Some rows, as arrays of one length: what an engine hands over after each chunk."""

    step: np.ndarray
    f: np.ndarray
    gradient_norm: np.ndarray
    lr: np.ndarray
    evaluations: np.ndarray
    x: np.ndarray | None


@dataclass
class Trace(Columns):
    """What happened at each kept step. All arrays have one length, at most about 1,000; float64 unless said.

    Attributes
    ----------
    step
        Number of the step, int64. Step 0 (the start) and the last step are always there; between them every
        `stride`-th step, with the stride tripled whenever the rows become too many: it stays odd, so that what goes to
        and fro from step to step is seen to do so.
    f
        Cost at that step: of the batch, where the run samples.
    gradient_norm
        Euclidean length of the gradient there.
    lr
        The step size really used to get there; nan at step 0.
    evaluations
        How often the objective had been called, int64.
    seconds
        Time since the start of the run, interpolated within a chunk.
    x
        The parameters, shape (rows, n), flattened, in their own dtype; None where they would need more
        than 64 MiB.
    epoch, rows_seen
        Passes over the data and rows of data used before that step; None where the run has no data.
    """

    step: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    f: np.ndarray = field(default_factory=lambda: np.empty(0))
    gradient_norm: np.ndarray = field(default_factory=lambda: np.empty(0))
    lr: np.ndarray = field(default_factory=lambda: np.empty(0))
    evaluations: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    seconds: np.ndarray = field(default_factory=lambda: np.empty(0))
    x: np.ndarray | None = None
    stride: int = 1
    sampling: Sampling | None = None

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        """How much of the run it holds; `to_pandas()` and `columns()` have the numbers."""
        if not len(self):
            return "<Trace: 0 rows>"
        which = "each step" if self.stride == 1 else f"one of {self.stride:,} steps"
        last = f"to step {self.step[-1]:,}, cost {self.f[-1]:.6g}"
        return f"<Trace: {counted(len(self), 'row')}, {which}, {last}{'' if self.x is not None else ', without x'}>"

    @property
    def rows_seen(self) -> np.ndarray | None:
        """Rows of data used before each step, int64."""
        return None if self.sampling is None else self.sampling.seen(self.step)

    @property
    def epoch(self) -> np.ndarray | None:
        """Passes over the data before each step."""
        return None if self.sampling is None else self.sampling.seen(self.step) / self.sampling.rows

    @property
    def room(self) -> int:
        """How many rows may come before the stride grows. No chunk crosses that: it is always the same step."""
        return MOST_ROWS + 1 - len(self)

    def extend(self, rows: Rows, since: float, until: float) -> None:
        """Append the rows that are new (a run that stops repeats its last), made between two times."""
        if len(self) and self.step[-1] % self.stride:  # the end of a chunk between two strides
            self.end_at(len(self) - 2)
        last = self.step[-1] if len(self) else -1
        new = rows.step > np.concatenate([[last], rows.step[:-1]])
        if new.any():
            steps = rows.step[new]
            share = (steps - last) / (steps[-1] - last)
            self.seconds = np.concatenate([self.seconds, since + share * (until - since)])
            for name in ("step", "f", "gradient_norm", "lr", "evaluations"):
                setattr(self, name, np.concatenate([getattr(self, name), getattr(rows, name)[new]]))
            if rows.x is not None:
                self.x = rows.x[new] if self.x is None else np.concatenate([self.x, rows.x[new]])

    def thin(self) -> None:
        """Keep within the bound. Between `extend` and this all new rows can be looked at."""
        while len(self) > MOST_ROWS:
            self.stride *= _THINNER
            chosen = self.step % self.stride == 0
            chosen[-1] = True  # the point where the run stands
            self._keep(chosen)

    def begin_at(self, x: Any, f: float, gradient_norm: float) -> None:
        """A trace of the start alone."""
        once = np.ones(1)
        start = None if x is None else as_vector(x)[None]
        self.extend(
            Rows(np.zeros(1, np.int64), f * once, gradient_norm * once, np.nan * once, once.astype(np.int64), start),
            0.0,
            0.0,
        )

    def end_at(self, row: int) -> None:
        """Forget the rows after this one."""
        self._keep(np.arange(len(self)) <= row)

    def _keep(self, chosen: np.ndarray) -> None:
        places = np.flatnonzero(chosen)
        for name in ("step", "f", "gradient_norm", "lr", "evaluations", "seconds", "x"):
            if (column := getattr(self, name)) is not None:
                setattr(self, name, column[places])

    def columns(self) -> dict[str, np.ndarray]:
        """Name → column, the parameters as x (one number) or x1, x2, …."""
        table = {"step": self.step, "f": self.f, "gradient_norm": self.gradient_norm, "lr": self.lr}
        table |= {"evaluations": self.evaluations, "seconds": self.seconds}
        if self.epoch is not None and self.rows_seen is not None:
            table |= {"epoch": self.epoch, "rows_seen": self.rows_seen}
        if self.x is not None:
            table |= dict(zip(variables_of(None, self.x.shape[1]), self.x.T, strict=True))
        return table
