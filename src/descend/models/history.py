"""How training went: the loss on the way, on training and validation rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.columns import Columns

__all__ = ["History"]


class History(Columns):
    """One row for each look at the loss.

    Attributes
    ----------
    epoch, steps
        Passes over the data (a fraction inside a pass) and steps made.
    loss, validation
        The mean loss of training rows, and of validation rows; nan without. In batches of a fixed sample of the rows,
        a penalty left out; on all rows it is the cost that is made small, with its penalty.
    score, validation_score
        R², or the share of classes told right, of the same rows; nan where training looks at all rows at each step.
    gradient
        The norm of the gradient of that loss.
    rate
        The learning rate.
    speed
        Rows gone through in a second since the last look, the looking itself left out.
    seconds
        Since the beginning.
    """

    _COLUMNS = (
        "epoch",
        "steps",
        "loss",
        "validation",
        "score",
        "validation_score",
        "gradient",
        "rate",
        "speed",
        "seconds",
    )

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []

    def add(self, **row: float) -> None:
        """One more row; what is not given is nan."""
        self._rows.append(tuple(float(row.get(name, np.nan)) for name in self._COLUMNS))

    @staticmethod
    def of_table(table: np.ndarray) -> History:
        """A history from its columns, shape (columns, rows)."""
        made = History()
        made.go_on_from(table)
        return made

    def go_on_from(self, table: np.ndarray) -> None:
        """Hold these columns, shape (columns, rows), instead."""
        self._rows = [tuple(row) for row in table.T.tolist()]

    def __len__(self) -> int:
        return len(self._rows)

    def __getattr__(self, name: str) -> np.ndarray:
        if name not in self._COLUMNS:
            raise AttributeError(f"a history has {', '.join(self._COLUMNS)}, not {name!r}")
        return self.columns()[name]

    def columns(self) -> dict[str, np.ndarray]:
        """The table, name → column."""
        table = np.array(self._rows, float).reshape(-1, len(self._COLUMNS))
        return dict(zip(self._COLUMNS, table.T, strict=True))

    def plot(self, ax: Any = None) -> Any:
        """The losses against the epoch; returns the Axes."""
        from descend import plots

        return plots.training(self, ax)
