"""The IDX files in which MNIST and its relatives come: a header of sizes, then the numbers, raw or in gzip.

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits" (the format is told on its page).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from descend.data.errors import DataError

__all__ = ["read_idx"]

_KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 8


def read_idx(path: str | Path) -> np.ndarray:
    """The array of an IDX file, in the shape and the kind of numbers that its header tells.

    Raises
    ------
    DataError
        It is no IDX file, or it is cut off, damaged, or longer than its header says.
    FileNotFoundError, OSError
        It cannot be read.
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is cut off or damaged ({error}): fetch it again") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _KINDS or not 0 < content[3] <= _MOST_DIMENSIONS:
        raise DataError(
            f"{path} is no IDX file: it begins with {content[:4].hex(' ') or 'nothing'}, "
            "where one of images begins with 00 00 08 03 and one of labels with 00 00 08 01"
        )
    kind, dimensions = np.dtype(_KINDS[content[2]]), content[3]
    begin = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(content[4:begin], ">u4")) if len(content) >= begin else ()
    wanted = begin + kind.itemsize * int(np.prod([float(size) for size in shape]))
    if len(shape) != dimensions or len(content) != wanted:
        state = "is cut off" if len(shape) != dimensions or len(content) < wanted else "goes on after its end"
        raise DataError(
            f"{path} {state}: its header tells of {' × '.join(map(str, shape)) or 'more'} numbers, "
            f"{wanted:,} bytes in all, and there are {len(content):,}"
        )
    numbers = np.frombuffer(content, kind, offset=begin).reshape(shape)
    return numbers.astype(kind.newbyteorder("="))  # a copy, which may be written to
