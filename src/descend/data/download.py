"""Files fetched from the first mirror that has them whole: with a checksum, a progress bar, and going on where one
broke off."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from descend.data.errors import DataError
from descend.descent.progress import Progress

__all__ = ["fetch"]

_PIECE = 1 << 18  # bytes
_SECONDS = 30.0  # of silence after which a mirror is given up


def fetch(name: str, sha256: str, mirrors: Sequence[str], folder: Path) -> Path:
    """The file `name`, in `folder`, from the first of the mirrors (addresses that end in a slash) that has it whole.

    What has come when the connection breaks is kept beside it, and the next call goes on from there.

    Raises
    ------
    DataError
        No mirror has it, or none can be reached: with what to fetch by hand, and where to put it.
    OSError
        The folder cannot be written to.
    """
    target = folder / name
    by_hand = f"Fetch {name} by hand, e.g. from {mirrors[0]}{name}, and put it into {folder}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise PermissionError(f"{folder} cannot be written to. Give another directory, or put {name} there by hand")
    failures = []
    for mirror in mirrors:
        try:
            partial = _fetched(f"{mirror}{name}", target.with_name(f"{name}.part"))
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            failures.append(f"{mirror}: {getattr(error, 'reason', error)}")
            continue
        found = hashlib.sha256(partial.read_bytes()).hexdigest()
        if found == sha256:
            partial.replace(target)
            return target
        partial.unlink()
        failures.append(f"{mirror}: not the file that was expected (SHA-256 {found[:16]}…)")
    raise DataError(f"{name} could not be fetched ({'; '.join(failures)}). {by_hand}")


def _fetched(address: str, partial: Path) -> Path:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - https
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - the addresses are written below
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to fetch
            return partial
        raise
    with contextlib.closing(answer):
        goes_on = answer.status == 206
        expected = (have if goes_on else 0) + int(answer.headers.get("Content-Length", 0))
        done = have if goes_on else 0
        place = f"{partial.stem}: {{task.completed:,.0f}} of {{task.total:,.0f}} bytes"
        with partial.open("ab" if goes_on else "wb") as file, Progress(None, expected, place, "") as bar:
            while piece := answer.read(_PIECE):
                file.write(piece)
                done += len(piece)
                bar.show(done)
    if done < expected:
        raise ConnectionError(f"it broke off after {done:,} of {expected:,} bytes")
    return partial
