"""Rows that come in blocks, more than memory holds: a first look at them, and the chunks of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import _check_feature_names

from descend.models.kernels import places, shuffled
from descend.models.mixing import mixed_up
from descend.models.some_rows import SomeRows, blocks_of
from descend.models.training import Chunk, Chunks

__all__ = ["Blocks", "chunks_of_blocks", "first_look"]

_POOL = 64 << 20  # bytes of rows from several blocks that are mixed

Blocks = Callable[[], Iterator[tuple[Any, Any]]]  # goes through all rows anew, as pairs (X, y) of some of them


def first_look(estimator: Any, blocks: Blocks, look: Callable[[Any, Any], None]) -> tuple[int, tuple[Any, Any]]:
    """How many rows there are, and some of them, (X, y); a classifier takes its classes. `look` sees each block."""
    if estimator.validation:
        raise ValueError("fit_blocks holds no rows out: leave validation at 0, and give blocks without those rows")
    some, total, classes = SomeRows(int(estimator.seed)), 0, set[Any]()
    for X, y in blocks_of(blocks):
        _check_feature_names(estimator, X, reset=total == 0)
        total += len(y)
        if isinstance(estimator, ClassifierMixin):
            classes.update(np.unique(y).tolist())
        look(X, y)
        some.look(X, y)
    if not total:
        raise ValueError("there are no rows")
    if classes:
        estimator._take_classes(sorted(classes), first=True)
    return total, some.rows()


def chunks_of_blocks(
    estimator: Any,
    parts: Callable[[], Iterator[tuple[np.ndarray, ...]]],
    rows_of: Callable[[tuple[np.ndarray, ...]], Any],
    total: int,
) -> Chunks:
    """The chunks of an epoch: arrays with one row per sample, mixed within a pool, made into rows by `rows_of`."""
    seed = int(estimator.seed)

    def chunks(epoch: int) -> Iterator[Chunk]:
        done, come = 0, parts()
        if estimator.shuffle:
            come = _mixed(come, total, np.random.default_rng([seed, epoch]))
        for number, arrays in enumerate(come):
            rows = rows_of(arrays)
            done += len(rows)
            in_order = places(0, len(rows), len(rows))
            order = shuffled(len(rows), seed, (epoch << 20) + number) if estimator.shuffle else in_order
            yield Chunk(rows, order, done / total)

    return chunks


def _mixed(come: Iterator[tuple[np.ndarray, ...]], total: int, draw: np.random.Generator) -> Any:
    first = next(come)
    room = max(1, _POOL // max(1, sum(array[:1].nbytes for array in first)))
    return mixed_up(chain([first], come), min(room, total), draw)
