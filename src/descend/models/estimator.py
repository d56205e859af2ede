"""What all estimators have in common: parameters, the loop of training in batches, what is known after it."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.callback import CallbackSupportMixin

from descend.arguments import flag, nonnegative, share, whole
from descend.descent.outcome import Finding, Outcome
from descend.methods import Method, Rule
from descend.models.callbacks import told_of_epochs
from descend.models.checkpoint import Checkpoint, about, check_resume, state_in, state_of
from descend.models.drift import FEWEST, Drift
from descend.models.files import load_file, save_file
from descend.models.history import History
from descend.models.parameters import WithMethod
from descend.models.training import Chunks, Ending, Measured, train_in_batches

__all__ = ["Estimator"]


class Estimator(CallbackSupportMixin, WithMethod, ABC):  # type: ignore[misc]
    """What linear models and networks have in common."""

    _FILE: ClassVar[str]  # what a file of it is called

    l2: float
    epochs: int | None
    scale: bool
    shuffle: bool
    validation: float
    patience: int | None
    warm_start: bool
    checkpoint: Any
    resume: bool
    seed: int

    history_: History
    outcome_: Outcome
    message_: str
    n_iter_: int
    _finding: Finding | None  # for a diagnosis to start from
    _trainer: Any  # goes on where training in batches ended; None where it cannot
    _kept: dict[str, np.ndarray]  # in its place where it came from a file: its arrays
    _drift: Drift | None = None  # of a stream, as far as its scale is followed
    _made_with: dict[str, str]  # the parameters with which it began
    _names: Sequence[str] = ()  # of the columns of a table, whose rows come without

    @abstractmethod
    def _attributes(self, weights: np.ndarray) -> dict[str, Any]:
        """What `predict` needs, by name."""

    @abstractmethod
    def _written(self) -> dict[str, str]:
        """The parameters as text, but for those that may change where training goes on."""

    @abstractmethod
    def to_file(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values from which `of_file` makes it again."""

    @classmethod
    @abstractmethod
    def of_file(cls, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Self:
        """What `to_file` gave these."""

    def _steps_written(self) -> dict[str, np.ndarray]:
        """What the method remembers of the steps made, and of the scale of a stream, as arrays for a file."""
        of_trainer = state_of(self._kept if self._trainer is None else self._trainer.arrays())
        return of_trainer | ({} if self._drift is None else self._drift.arrays())

    def _read_steps(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over what `_steps_written` gave."""
        self._trainer, self._kept, self._drift = None, state_in(arrays), Drift.of_arrays(arrays)

    def _ending_written(self) -> dict[str, Any]:
        """How training ended, as plain values for a file."""
        return {
            "outcome": self.outcome_.name,
            "message": self.message_,
            "finding": None if self._finding is None else self._finding.name,
            "epochs": self.n_iter_,
            "rate": getattr(self, "rate_", None),
        }

    def _read_ending(self, header: dict[str, Any]) -> None:
        """Take over what `_ending_written` gave; files of the first form know no finding."""
        self.outcome_, self.message_, self.n_iter_ = Outcome[header["outcome"]], header["message"], header["epochs"]
        self._finding = Finding[header["finding"]] if header.get("finding") else None
        if header.get("rate") is not None:
            self.rate_ = header["rate"]

    def _check_common(self) -> None:
        """Refuse parameters that make no sense, as far as all estimators have them."""
        for name in ("epochs", "patience"):
            whole(name, getattr(self, name), optional=True)
        whole("seed", self.seed, least=0)
        for name in ("scale", "shuffle", "warm_start", "resume"):
            flag(name, getattr(self, name))
        nonnegative("l2", self.l2)
        share("validation", self.validation)
        if self.patience is not None and not self.validation:
            raise ValueError("patience looks at the validation loss: give validation=0.2, too")
        check_resume(self.checkpoint, self.resume)

    def _take_classes(self, classes: Any, *, first: bool) -> None:
        raise ValueError("classes is for classifiers")

    @abstractmethod
    def _found_rate(self, kind: type[Method], *rows: Any, **how: Any) -> float:
        """The rate with which that method is best on these rows; or, `is_stream`, on a stream that begins with them."""

    def _row_weights(self, y: Any, sample_weight: Any) -> Any:
        return sample_weight

    def _train(
        self,
        chunks: Chunks,
        size: int,
        epochs: int,
        measure: Callable[[np.ndarray], Measured],
        of_rows: dict[str, Any],
        arrays: Iterable[np.ndarray],
        **free: Any,
    ) -> Ending:
        """Go through the chunks epoch by epoch, told to scikit-learn's callbacks and kept in a checkpoint if wanted.

        `of_rows` and `arrays` are what a checkpoint knows the rows by; `free` is handed to `train_in_batches`.
        """
        common = (self._trainer, chunks, size, epochs, measure, self.history_, self.patience)
        with told_of_epochs(self, epochs, self._attributes) as wants_to_stop:
            if self.checkpoint is None:
                return train_in_batches(*common, wants_to_stop=wants_to_stop, **free)
            same = about({**self._written(), **{name: str(value) for name, value in of_rows.items()}}, arrays)
            with Checkpoint(self.checkpoint, same, resume=bool(self.resume)) as checkpoint:
                return train_in_batches(*common, checkpoint, wants_to_stop, **free)

    def _trainer_or(self, make: Callable[[], Any]) -> Any:
        """What makes the steps: that which there is, or a new one, which goes on from what a file held."""
        if self._trainer is None:
            self._trainer = make()
            if self._kept and self._kept.keys() != self._trainer.arrays().keys():
                warnings.warn(
                    "the file is of a version of descend that trained in another way: the method begins from the "
                    "weights that it holds",
                    stacklevel=3,
                )
            elif self._kept:
                self._trainer.restore(self._kept)
            self._kept = {}
        return self._trainer

    def _forget_steps(self) -> None:
        """Let the method begin from the weights there are."""
        self._trainer, self._kept = None, {}

    def _begin_anew(self) -> None:
        """Let the method begin, with a rate that is found once more where it is to be found."""
        self._forget_steps()
        self.__dict__.pop("rate_", None)

    def _take_changes(self) -> None:
        """Where parameters have changed the method begins from the weights there are; another one with its own rate."""
        now = self._written()
        if now["method"] != self._made_with["method"]:
            self._begin_anew()
        elif now != self._made_with:
            self._forget_steps()

    def _with_rate(self, kind: type[Method], *rows: Any, is_stream: bool = False) -> Rule:
        """The method of that class: with the rate that was found before, or is found on these rows, if it has one."""
        if "lr" not in kind.names():
            return kind()
        if not hasattr(self, "rate_"):
            self.rate_ = self._found_rate(kind, *rows, is_stream=is_stream)
            if is_stream and (count := len(rows[0])) < FEWEST:
                warnings.warn(
                    f"the learning rate, {self.rate_:.3g}, was found on {count} row{'s' * (count > 1)}, too few to "
                    f"tell. Begin with {FEWEST} or more, or give the method with its rate, {kind.__name__}(0.01)",
                    stacklevel=6,
                )
        return kind(lr=self.rate_)

    def _take_over(self, ending: Ending) -> None:
        """Make what training ended with what the estimator knows."""
        self._made_with = self._written()
        if ending.outcome is Outcome.DIVERGED or ending.has_gone_back:
            self._forget_steps()  # its state is not that of the parameters that are kept
        for name, value in self._attributes(ending.weights).items():
            setattr(self, name, value)
        self.n_iter_ = max(1, round(ending.epochs))
        self.outcome_, self.message_, self._finding = ending.outcome, ending.message, ending.finding

    def explain(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Any:
        """Why training ended as it did: a `Diagnosis`.

        With the rows that it was fitted on, trainings with one thing changed tell the causes apart, and the cure was
        tried; they take as long as the fit, or two seconds, and what compilers take. Without rows, what the losses on
        the way tell.
        """
        from descend.insight import explain_fit

        return explain_fit(self, X, y, sample_weight)

    def save(self, path: str | Path) -> Path:
        """Write it, with all that it needs to predict, to one file (safetensors, checksummed, no pickle).

        Raises
        ------
        NotFittedError, OSError
            It has learnt nothing yet; the file cannot be written.
        """
        return save_file(path, self._FILE, *self.to_file())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What was saved to a file.

        Raises
        ------
        FileNotFoundError, ModelFileError
            There is no such file, or it is none that can be trusted.
        TypeError
            It holds an estimator of another class.
        """
        arrays, header = load_file(path, cls._FILE)
        if header["model"] != cls.__name__:
            held = header["model"]
            raise TypeError(f"{Path(path).name} holds {_with_article(held)}: {held}.load reads it")
        return cls.of_file(arrays, header)


def _with_article(name: str) -> str:
    return f"{'an' if name[:3] == 'MLP' else 'a'} {name}"
