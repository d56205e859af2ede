"""Which rows of a table are held out, and the rows in two parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.data import Encoder
from descend.data.source import Source
from descend.models.kernels import mixed

__all__ = ["AT_ONCE", "Rows", "are_out", "bytes_of", "held_out_of", "in_two"]

Rows = tuple[Any, np.ndarray]  # features and targets
_FEWEST, _FEW = 2, 5  # rows to learn from; and a table of so few may be held out by chance
AT_ONCE = 512 << 20  # bytes of features that are taken where all are needed


def bytes_of(rows: int, columns: int) -> int:
    """What so many numbers take in memory."""
    return rows * columns * 8


def held_out_of(rows: int, share: float) -> np.ndarray:
    """Which of so many rows are held out: not all of them."""
    out = are_out(np.arange(rows), share)
    if out.all() and rows <= _FEW:
        return np.zeros(rows, bool)
    left = int((~out).sum())
    if left < _FEWEST and out.any():
        raise ValueError(f"validation={share:g} leaves {left} of {rows:,} rows to learn from: give a smaller share")
    return out


def are_out(rows: np.ndarray, share: float) -> np.ndarray:
    """Whether a row is held out: a hash of its number decides, so that they are the same in each run."""
    return np.asarray(mixed(rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) < np.uint64(share * 2**64))


def in_two(encoder: Encoder, source: Source, out: np.ndarray) -> tuple[Rows, Rows]:
    """The rows to learn from and those held out, each put where it stays: memory holds no row twice."""
    X = [np.empty(((out == which).sum(), len(encoder.features))) for which in (False, True)]
    y: list[list[np.ndarray]] = [[], []]
    done, filled = 0, [0, 0]
    for block, targets in encoder.blocks(source):
        assert targets is not None  # noqa: S101 - targets were asked for
        here = out[done : done + len(block)]
        done += len(block)
        for which in (0, 1):
            chosen = here == bool(which)
            count = int(chosen.sum())
            X[which][filled[which] : filled[which] + count] = block[chosen]
            filled[which] += count
            y[which].append(targets[chosen])
    return (X[0], np.concatenate(y[0])), (X[1], np.concatenate(y[1]))
