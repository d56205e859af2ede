"""Rows that come in blocks, more than memory holds: in a temporary file, in pieces of which each is a part of them all.

Where rows lie sorted, by class or by time, no pool that they go through mixes them. Of each block here each piece gets
its share, drawn at random, so that a piece is like the whole; an epoch takes the pieces in an order of its own.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

__all__ = ["Parts", "Pieces"]

Parts = tuple[np.ndarray, ...]  # arrays with one row per sample

_TOGETHER = 4  # of so many blocks' worth is a piece, at least


class Pieces:
    """Rows in pieces, which are read from the disk one at a time.

    Parameters
    ----------
    blocks
        The rows.
    total
        How many there are.
    room
        Bytes of a piece, at most. Where all rows take no more they stay in memory.
    draw
        Decides which row goes where.

    Raises
    ------
    OSError
        There is no room on the disk.
    """

    def __init__(self, blocks: Iterator[Parts], total: int, room: int, draw: np.random.Generator) -> None:
        first = next(blocks)
        self._kinds = [(part.dtype, part.shape[1:]) for part in first]
        row = max(1, sum(kind.itemsize * math.prod(shape) for kind, shape in self._kinds))
        self._count = -(-total // max(1, room // row))
        self._blocks: list[tuple[int, np.ndarray]] = []  # where it begins in the file, and each piece in it
        folder = _folder()
        if total * row > room:
            _check_room(folder, total * row)
        self._file = tempfile.SpooledTemporaryFile(max_size=room, dir=folder)  # noqa: SIM115 - closed by __exit__
        try:
            self._put(_gathered(chain([first], blocks), max(1, room // row // _TOGETHER)), draw)
        except BaseException:
            self._file.close()
            raise

    def _put(self, blocks: Iterator[Parts], draw: np.random.Generator) -> None:
        begin = 0
        for parts in blocks:
            of_piece = (begin + np.arange(len(parts[0]))) % self._count
            begin += len(of_piece)
            order = draw.permutation(len(of_piece))[np.argsort(of_piece, kind="stable")]
            sizes = np.bincount(of_piece, minlength=self._count)
            self._blocks.append((self._file.tell(), np.append(0, sizes.cumsum())))
            for part in parts:
                self._file.write(_bytes_of(part[order]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Parts:
        rows = sum(int(bounds[number + 1] - bounds[number]) for _, bounds in self._blocks)
        parts = tuple(np.empty((rows, *shape), kind) for kind, shape in self._kinds)
        filled = 0
        for begin, bounds in self._blocks:
            low, high, count = (int(bounds[i]) for i in (number, number + 1, -1))
            place = begin
            for part in parts:
                width = part.itemsize * math.prod(part.shape[1:])
                self._file.seek(place + low * width)
                self._file.readinto(_bytes_of(part[filled : filled + high - low]))
                place += count * width
            filled += high - low
        return parts


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _gathered(blocks: Iterator[Parts], least: int) -> Iterator[Parts]:
    """The blocks, small ones together, so that each but the last has so many rows."""
    waiting: list[Parts] = []
    for block in blocks:
        waiting.append(block)
        if sum(len(parts[0]) for parts in waiting) >= least:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(blocks: list[Parts]) -> Parts:
    return blocks[0] if len(blocks) == 1 else tuple(map(np.concatenate, zip(*blocks, strict=True)))


def _folder() -> str:
    """Where temporary files go: that which the environment names, or a disk rather than memory."""
    named = any(name in os.environ for name in ("TMPDIR", "TEMP", "TMP"))
    return "/var/tmp" if not named and os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _check_room(folder: str, needed: int) -> None:
    free = shutil.disk_usage(Path(folder)).free
    if needed > free:
        raise OSError(
            f"the rows take {needed / 1e9:.3g} GB in a temporary file, and {folder} has {free / 1e9:.3g}: name a "
            "folder with more in TMPDIR, or take the rows in the order in which they come, shuffle=False"
        )
