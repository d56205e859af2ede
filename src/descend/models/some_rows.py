"""A sample of rows that come in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SomeRows"]


class SomeRows:
    """Some rows from all blocks: what of all rows must be known before training begins is found on them."""

    _MOST = 16_384

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._share = 1.0  # of the rows that are kept
        self._parts: list[tuple[Any, Any]] = []

    def look(self, X: Any, y: Any) -> None:
        """Keep some of these rows; of the others fewer, once there are many."""
        self._keep(X, y, self._share)
        if sum(len(part[1]) for part in self._parts) > self._MOST:
            whole, self._parts, self._share = self._parts, [], self._share / 2
            for part in whole:
                self._keep(*part, 0.5)

    def _keep(self, X: Any, y: Any, share: float) -> None:
        chosen = self._draw.random(len(y)) < share
        self._parts.append((np.asarray(X)[chosen], np.asarray(y)[chosen]))

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that were kept."""
        X, y = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        return X, y
