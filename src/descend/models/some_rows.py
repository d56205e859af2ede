"""Rows that come in blocks: a sample of them, and what is wrong with blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse

__all__ = ["SomeRows", "blocks_of"]


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


def blocks_of(blocks: Callable[[], Iterator[Any]], rows: int | None = None) -> Iterator[tuple[Any, Any]]:
    """The blocks that hold rows, checked; `rows` is how many there were the first time."""
    if not callable(blocks):
        raise TypeError(
            "blocks must be a function that goes through the rows anew each time it is called, "
            f"lambda: ((X, y) for X, y in …), got {type(blocks).__name__}"
        )
    count, width = 0, None
    for number, block in enumerate(blocks(), 1):
        if not isinstance(block, tuple | list) or len(block) != 2:
            came = f"{len(block)} parts" if isinstance(block, tuple | list) else f"a {type(block).__name__}"
            raise ValueError(f"each block must be a pair (X, y), got {came} as block {number}")
        X, y = block
        if scipy.sparse.issparse(X):
            raise TypeError("fit_blocks takes dense blocks: X.toarray() of each, or partial_fit for sparse ones")
        if len(X) != len(y):
            raise ValueError(f"block {number} has {len(X):,} rows of features and {len(y):,} targets")
        width = width or np.shape(X)[1:]
        if len(y) and np.shape(X)[1:] != width:
            before, now = (" × ".join(map(str, shape)) or "no" for shape in (width, np.shape(X)[1:]))
            raise ValueError(f"block {number} has {now} columns, those before have {before}")
        count += len(y)
        if len(y):
            yield X, y
    if rows is not None and count != rows:
        raise ValueError(
            f"blocks() gave {rows:,} rows the first time and {count:,} now: it must go through all of them anew each "
            "time it is called, which an iterator that is used up does not"
        )
