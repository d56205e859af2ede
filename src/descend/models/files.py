"""Arrays and a header in one file (safetensors), written so that a crash leaves the old file or the new one, whole.

No pickle is read, or written. All of it is vouched for by a checksum, the form by its number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

__all__ = ["ModelFileError", "in_place_of", "load_file", "save_file"]

FORM = 1  # of the file; a reader refuses a higher one
_MOST_HEADER = 16 << 20  # bytes


class ModelFileError(ValueError):
    """The file is no model of this library, is damaged, or was made by a newer version."""


def save_file(path: str | Path, kind: str, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Path:
    """Write arrays and a header of plain values; in the place of `path` there is always a whole file.

    Raises
    ------
    OSError
        The folder cannot be written to, or the disk is full; an older file is left as it was.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}: make it first")
    header = json.loads(json.dumps(header, default=lambda number: number.item()))  # as it will be read
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # strided ones come out wrong
    about = {"form": FORM, "kind": kind, "checksum": _checksum(plain, header), "header": header}
    content = safetensors.numpy.save(plain, metadata={"descend": json.dumps(about)})
    with in_place_of(path) as temporary, temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


@contextlib.contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place where that went well, and else leaves nothing behind."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # of a full disk
            error.filename = str(path)
        raise


def load_file(path: str | Path, *kinds: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file of one of those kinds.

    Raises
    ------
    FileNotFoundError, ModelFileError
        There is no such file, or it cannot be trusted; the message says why.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: give the file that a model was saved to")
    content = path.read_bytes()
    is_json = content[8:9] == b"{"  # before it stands the length of the header, which may begin as a pickle does
    if not is_json and (content[:1] == b"\x80" or content[:4] == b"PK\x03\x04"):
        raise ModelFileError(f"{path} is a pickle or an archive, which may hold anything and is not opened")
    size = int.from_bytes(content[:8], "little") if len(content) >= 8 else 0
    if not 0 < size <= min(_MOST_HEADER, len(content) - 8):
        raise ModelFileError(f"{path} is no model file, or only the beginning of one")
    try:
        about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["descend"])
        arrays = safetensors.numpy.load(content)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise ModelFileError(f"{path} is no model file of this library, or damaged ({error})") from None
    if not isinstance(about, dict) or not isinstance(about.get("form"), int) or about["form"] > FORM:
        raise ModelFileError(f"{path} was written by a newer version of descend: update it to read this file")
    if about.get("kind") not in kinds:
        raise ModelFileError(f"{path} holds a {about.get('kind')!r}, not a {' or a '.join(map(repr, kinds))}")
    if about.get("checksum") != _checksum(arrays, about.get("header")):
        raise ModelFileError(f"{path} is damaged: it does not hold what was written")
    return arrays, about["header"]


def _checksum(arrays: dict[str, np.ndarray], header: Any) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
