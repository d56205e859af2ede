"""Rows that come in blocks, more than memory holds: a first look at them, and the chunks of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import _check_feature_names

from descend.models.kernels import places, shuffled
from descend.models.pieces import Parts, Pieces
from descend.models.some_rows import SomeRows, blocks_of
from descend.models.training import Chunk, Chunks

__all__ = ["Blocks", "chunks_of_blocks", "first_look"]

_PIECE = 64 << 20  # bytes of rows that are read from the disk together

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


@contextmanager
def chunks_of_blocks(
    estimator: Any, come: Callable[[], Iterator[Parts]], rows_of: Callable[[Parts], Any], total: int
) -> Iterator[Chunks]:
    """The chunks of an epoch: in an order of its own from pieces on disk, or as the blocks come.

    `come()` goes through arrays with one row per sample, of which `rows_of` makes what the trainer takes.
    """
    seed = int(estimator.seed)
    if not estimator.shuffle:

        def in_order(epoch: int) -> Iterator[Chunk]:
            done = 0
            for rows in map(rows_of, come()):
                done += len(rows)
                yield Chunk(rows, places(0, len(rows), len(rows)), done / total)

        yield in_order
        return
    with Pieces(come(), total, _PIECE, np.random.default_rng(seed)) as pieces:

        def mixed(epoch: int) -> Iterator[Chunk]:
            done = 0
            for number, piece in enumerate(np.random.default_rng([seed, epoch]).permutation(len(pieces)).tolist()):
                rows = rows_of(pieces[piece])
                done += len(rows)
                yield Chunk(rows, shuffled(len(rows), seed, (epoch << 20) + number), done / total)

        yield mixed
