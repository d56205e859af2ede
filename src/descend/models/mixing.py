"""Rows that come in blocks in another order, without holding more than a pool of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["mixed_up"]

_Parts = tuple[np.ndarray, ...]  # arrays with one row per sample


def mixed_up(blocks: Iterator[_Parts], room: int, draw: np.random.Generator) -> Iterator[_Parts]:
    """The rows of all blocks, each once: a new block takes random places of the pool, whose rows go on.

    `room` is the number of rows in the pool. A row may come as early as it did without it, and much later: what lies
    further apart than the pool is wide stays in its order by and large.
    """
    pool: _Parts = ()
    filled = 0
    for given in blocks:
        count = len(given[0])
        pool = pool or tuple(np.empty((room, *part.shape[1:]), part.dtype) for part in given)
        fits = min(count, room - filled)
        for held, part in zip(pool, given, strict=True):
            held[filled : filled + fits] = part[:fits]
        filled += fits
        for begin in range(fits, count, room):
            places = draw.choice(room, min(room, count - begin), replace=False)
            leaving = tuple(held[places] for held in pool)
            for held, part in zip(pool, given, strict=True):
                held[places] = part[begin : begin + room]
            yield leaving
    if filled:
        yield tuple(held[:filled] for held in pool)
