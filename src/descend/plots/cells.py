"""The cells of a heat map: where they lie, and how wide they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

__all__ = ["Cells"]

_DECADE = 10  # from the smallest to the largest by more than this: an axis by ratios


class Cells:
    """The cells of a heat map along one axis, as wide as the numbers are apart; over decades by ratios."""

    def __init__(self, values: np.ndarray) -> None:
        self.order = np.argsort(values)
        self._values, known = values, values[self.order]
        apart = len(np.unique(known)) == len(known) > 1
        self._is_even = not apart or not np.isfinite(known).all()  # what has no place of its own gets one
        self._is_log = not self._is_even and known[0] > 0 and known[-1] > _DECADE * known[0]
        places = np.arange(len(known)) if self._is_even else np.log(known) if self._is_log else known
        between = (places[1:] + places[:-1]) / 2
        first, last = (between[0], between[-1]) if len(between) else (0.5, -0.5)
        edges = np.concatenate([[2 * places[0] - first], between, [2 * places[-1] - last]])
        self.edges = np.exp(edges) if self._is_log else edges

    def at(self, index: Any) -> float:
        """Where the value of that index lies."""
        return float(np.flatnonzero(self.order == index)[0] if self._is_even else self._values[index])

    def scale(self, ax: Axes, axis: str) -> None:
        """Ticks at round numbers; where each value got a place of its own, its number."""
        if self._is_even:
            places = np.unique(np.linspace(0, len(self.order) - 1, min(len(self.order), 7)).round().astype(int))
            getattr(ax, f"set_{axis}ticks")(places, [f"{self._values[self.order[i]]:.3g}" for i in places])
        elif self._is_log:
            getattr(ax, f"set_{axis}scale")("log")
