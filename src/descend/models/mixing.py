"""Rows that come in blocks in another order, without holding more than a pool of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from descend.models.rows import Rows

__all__ = ["mixed_up"]


def mixed_up(blocks: Iterator[Rows], room: int, draw: np.random.Generator) -> Iterator[Rows]:
    """The dense rows of all blocks, each once: a new block takes random places of the pool, whose rows go on.

    `room` is the number of rows in the pool. A row may come as early as it did without it, and much later: what lies
    further apart than the pool is wide stays in its order by and large.
    """
    pool: tuple[np.ndarray, ...] = ()
    filled = 0
    for rows in blocks:
        given = (rows.values, rows.y, rows.weights)
        pool = pool or tuple(np.empty((room, *part.shape[1:]), part.dtype) for part in given)
        fits = min(len(rows), room - filled)
        for held, part in zip(pool, given, strict=True):
            held[filled : filled + fits] = part[:fits]
        filled += fits
        for begin in range(fits, len(rows), room):
            places = draw.choice(room, min(room, len(rows) - begin), replace=False)
            leaving = [held[places] for held in pool]
            for held, part in zip(pool, given, strict=True):
                held[places] = part[begin : begin + room]
            yield replace(rows, values=leaving[0], y=leaving[1], weights=leaving[2])
    if filled:
        yield replace(rows, values=pool[0][:filled], y=pool[1][:filled], weights=pool[2][:filled])
