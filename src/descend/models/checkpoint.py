"""The whole state of training in one file, so that a run that was stopped goes on as if it had not been.

Everything that the next step depends on is there: the parameters and slots of the method, its step count and running
products, the place in the data, the history, the best parameters so far. The order of the rows follows from seed and
epoch alone.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout

from descend.methods import Rule, as_rule
from descend.models.files import load_file, save_file
from descend.models.history import History
from descend.models.trainers import Trainer

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Progress",
    "about",
    "check_resume",
    "goes_on_in_form",
    "state_in",
    "state_of",
    "written",
]

_KIND = "training"
_OF_TRAINER = "trainer."  # before the names of its arrays in a file
_HASHED = 65_536  # numbers at the beginning and at the end of the data by which a checkpoint knows them


def check_resume(checkpoint: Any, resume: Any) -> None:
    """Refuse to go on from nothing."""
    if resume and checkpoint is None:
        raise ValueError("resume goes on from a checkpoint: give checkpoint=FILE, too")


def goes_on_in_form(before: dict[str, str], now: dict[str, str], names: Iterable[str]) -> bool:
    """Whether a warm start can go on with what was learnt; where the form has changed it is told that it cannot."""
    changed = [name for name in names if now[name] != before[name]]
    if changed:
        warnings.warn(f"warm_start begins anew: {', '.join(changed)} changed since the last fit", stacklevel=3)
    return not changed


def written(estimator: Any, *free: str) -> dict[str, str]:
    """The parameters of an estimator as text, but for those that may change where training goes on."""
    may_change = {"checkpoint", "resume", "epochs", "warm_start", *free}
    given = {name: value for name, value in estimator.get_params().items() if name not in may_change}
    method = given.get("method")
    if hasattr(method, "init") and not isinstance(method, Rule | type):  # optax's, whose text names addresses
        given["method"] = as_rule(method)
    return {name: repr(value) for name, value in given.items()}


def about(parameters: dict[str, str], arrays: Iterable[np.ndarray]) -> dict[str, str]:
    """What must be the same where training goes on from a checkpoint: the parameters, and the data as a checksum."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype} ".encode())
        flat = np.ascontiguousarray(array).reshape(-1)
        for part in (flat[:_HASHED], flat[-_HASHED:]):
            digest.update(part.tobytes())
    return {**parameters, "data": digest.hexdigest()}


def state_of(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `Trainer.arrays` gave, named as it is among the arrays of a file."""
    return {f"{_OF_TRAINER}{name}": array for name, array in arrays.items()}


def state_in(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `state_of` put among the arrays of a file, for `Trainer.restore`."""
    return {name.removeprefix(_OF_TRAINER): a for name, a in arrays.items() if name.startswith(_OF_TRAINER)}


class CheckpointError(ValueError):
    """The checkpoint does not belong to this training, or another run is using it."""


class Progress:
    """Where training stands between two chunks of rows."""

    def __init__(self, first: float, worst: float, good: np.ndarray) -> None:
        self.epoch, self.chunk = 0, 0  # those that come next
        self.first, self.worst, self.good = first, worst, good
        self.best_loss, self.best, self.best_epoch = np.nan, good, 0


class Checkpoint:
    """A file that is written on the way, at most every so many seconds, and at the end of each epoch.

    Parameters
    ----------
    path
        The file. While it is open a lock beside it keeps other runs away.
    about
        What must be the same where training goes on: parameters and data, as plain values.
    resume
        Whether to go on from the file, if there is one. If not, a file that is there is refused.
    every
        Seconds between two writings.
    """

    def __init__(self, path: str | Path, about: dict[str, Any], *, resume: bool, every: float = 5.0) -> None:
        self.path = Path(path)
        self._about = json.loads(json.dumps(about))
        self._resume, self._every = resume, every
        self._lock = FileLock(f"{self.path}.lock")
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"the folder of the checkpoint does not exist: {self.path.parent}")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CheckpointError(f"another run is writing {self.path}: give this one a file of its own") from None
        if self.path.exists() and not self._resume:
            self._lock.release()
            raise CheckpointError(f"{self.path} is there already: resume=True goes on from it, or remove it")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()  # its file stays: to remove it would let two others in at once

    def load(self, trainer: Trainer, history: History, progress: Progress) -> bool:
        """Bring all three to where the file left them; False if there is no file yet.

        Raises
        ------
        CheckpointError, ModelFileError
            The file is of another training, or damaged.
        """
        if not self.path.exists():
            return False
        arrays, header = load_file(self.path, _KIND)
        differing = [name for name in self._about if header["about"].get(name) != self._about[name]]
        if differing:
            changes = "; ".join(
                "other data" if n == "data" else f"{n}: {header['about'].get(n)!r} → {self._about[n]!r}"
                for n in differing
            )
            raise CheckpointError(f"{self.path} is of another training ({changes}): make them equal, or begin anew")
        of_trainer = state_in(arrays)
        if of_trainer.keys() != trainer.arrays().keys():
            raise CheckpointError(
                f"{self.path} was written by a version of descend that trained in another way: begin anew"
            )
        progress.epoch, progress.chunk, progress.best_epoch = header["epoch"], header["chunk"], header["best_epoch"]
        progress.first, progress.worst, progress.best_loss = map(float, arrays["losses"])
        progress.good, progress.best = arrays["good"], arrays["best"]
        history.go_on_from(arrays["history"])
        trainer.restore(of_trainer)
        return True

    def save(self, trainer: Trainer, history: History, progress: Progress, *, at_once: bool) -> None:
        """Write the file, unless it was written a short while ago and this is not the end of something."""
        if not at_once and time.monotonic() - self._written < self._every:
            return
        arrays = state_of(trainer.arrays()) | {
            "good": progress.good,
            "best": progress.best,
            "history": np.array([*history.columns().values()]),
        }
        arrays["losses"] = np.array([progress.first, progress.worst, progress.best_loss])
        header = {"epoch": progress.epoch, "chunk": progress.chunk, "best_epoch": progress.best_epoch}
        save_file(self.path, _KIND, arrays, {**header, "about": self._about})
        self._written = time.monotonic()
