"""Whether what comes in a stream is of the scale that it had where the method began."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from descend.models.rows import Moments, rows_of

__all__ = ["FEWEST", "OTHER_SCALE", "Drift", "followed"]

FEWEST = 100  # rows of a stream on which a rate can be found
OTHER_SCALE = 10.0  # times as large, or as small
_REMEMBERED = 1_000  # rows: what lies further back counts ever less


@dataclass(frozen=True)
class Drift:
    """Columns as they were where the method began, and as they were in the rows that came last.

    Attributes
    ----------
    moments
        Of those rows.
    begun
        The deviations with which the method began, shape (d,); 1 of columns that did not vary.
    shrinks
        Which columns may become smaller: those that varied then, and are not zero in most rows.
    """

    moments: Moments
    begun: np.ndarray
    shrinks: np.ndarray

    @property
    def is_far(self) -> bool:
        """Whether a column has ten times that deviation, or a tenth."""
        ratio = self.moments.deviation / self.begun
        return bool(((ratio > OTHER_SCALE) | (self.shrinks & (ratio < 1 / OTHER_SCALE))).any())

    def anew(self) -> Self:
        """The same, where the method begins now."""
        return replace(self, begun=self.moments.deviation)

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays for a file, from which `of_arrays` makes it again."""
        of_moments = {"count": np.array(self.moments.count), "mean": self.moments.mean, "squares": self.moments.squares}
        return {f"drift.{n}": a for n, a in {**of_moments, "begun": self.begun, "shrinks": self.shrinks}.items()}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Self | None:
        """What a file holds; None where that was written without one."""
        if "drift.count" not in arrays:
            return None
        count, mean, squares, begun, shrinks = (
            arrays[f"drift.{name}"] for name in ("count", "mean", "squares", "begun", "shrinks")
        )
        return cls(Moments(float(count), mean, squares), begun, shrinks)


def followed(
    before: Drift | None, targets: np.ndarray, columns: np.ndarray | None = None, begun: np.ndarray | None = None
) -> Drift:
    """With some more rows: targets (n, k), and columns (n, d), which may be zero in many rows.

    Without a `before` these are the rows with which the method begins, unless that was with the deviations `begun`.
    """
    table = targets if columns is None else np.hstack([targets, columns])
    seen = rows_of(np.asarray(table, np.float64), np.zeros(len(table))).moments()
    if before is None:
        is_target = np.arange(table.shape[1]) < targets.shape[1]
        return Drift(seen, seen.deviation if begun is None else begun, is_target & (seen.squares > 0))
    past = before.moments
    share = min(1.0, _REMEMBERED / past.count)
    past = replace(past, count=share * past.count, squares=share * past.squares)
    return replace(before, moments=past.with_more(seen))
