"""Compiled kernels kept on disk, so that the next process need not compile them.

Numba's own cache never hits for kernels that are closures over a method and a loss. Here a kernel is looked up by a
fingerprint of everything that it was made of. The files are machine code and are read by pickle, as in Numba's
cache: they lie in a folder that only its owner can write to, and one that is damaged is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

__all__ = ["cached_on_disk", "folder"]

_DIGEST = 32  # bytes of SHA-256 in front of each file


def cached_on_disk(dispatcher: Any, fingerprint: str) -> Any:
    """The jitted function, whose machine code is looked up on disk before it is compiled."""
    place = folder()
    if place is not None:
        dispatcher._cache = _KernelCache(place, f"{_makers()}{fingerprint}")
    return dispatcher


@cache
def folder() -> Path | None:
    """The user's folder of kernels; None, with a warning, where there is none that only the user can write to."""
    place = Path(platformdirs.user_cache_dir("descend")) / "kernels"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            seen = place.stat()
            if seen.st_uid != os.getuid() or seen.st_mode & 0o022:
                raise PermissionError("others may write to it")
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        warnings.warn(
            f"compiled kernels cannot be kept in {place} ({error}): each new process compiles them anew, which takes "
            "about a second",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return place


@cache
def _makers() -> str:
    """What turns a formula into machine code: the sources of the library, and the versions of the compilers."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return f"{numba.__version__} {llvmlite.__version__} {sys.version} {hashlib.sha256(sources).hexdigest()}"


class _KernelCache(_Cache):  # type: ignore[misc]
    def __init__(self, place: Path, fingerprint: str) -> None:
        self._place = place
        self._fingerprint = fingerprint

    @property
    def cache_path(self) -> str:
        return str(self._place)

    def enable(self) -> None:
        """It is always on."""

    def disable(self) -> None:
        """It is always on."""

    def flush(self) -> None:
        """Files are named by what they hold: none is ever out of date."""

    def _path(self, sig: Any, codegen: Any) -> Path:
        key = f"{self._fingerprint} {sig} {codegen.magic_tuple()}"
        return self._place / f"{hashlib.sha256(key.encode()).hexdigest()}.kernel"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        try:
            content = self._path(sig, target_context.codegen()).read_bytes()
        except OSError:
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:  # cut short, or altered: it is compiled again
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301

    def save_overload(self, sig: Any, data: Any) -> None:
        payload = dumps(data._reduce())
        path = self._path(sig, data.codegen)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
            temporary.replace(path)
        except OSError as error:  # a full disk must not stop a training run
            temporary.unlink(missing_ok=True)
            warnings.warn(f"a compiled kernel could not be kept ({error})", RuntimeWarning, stacklevel=2)
