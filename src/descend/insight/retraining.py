"""Short trainings of what was trained, with one thing changed: of an estimator, and of `train`."""

from __future__ import annotations

import copy
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from sklearn.base import clone

from descend.descent import Outcome
from descend.insight.chance import knows_nothing, loss_of_a_constant
from descend.insight.changed_methods import has_decayed, rescaled
from descend.methods import method_named
from descend.methods.in_files import known
from descend.models.finite import finite_rows
from descend.models.history import History
from descend.models.linear import LinearModel
from descend.models.rows import rows_of
from descend.objectives.parameters import as_parameters

__all__ = ["FEW_LOOKS", "REST", "STEPS", "OfModel", "OfTraining", "Retraining", "settled", "told"]

FEW_LOOKS = 7  # looks at the loss: the start and up to five epochs

_SECONDS = 2.0  # that all trials together may take, or as long as training took
_TRIALS = 8  # so many are to find room in the time that training took
_ROWS, STEPS = 50_000, 5_000  # in batches, on all rows: that one trial may go through in any case
_OTHER_SCALE = 10.0  # times as large, or so many deviations from zero
_STEPS_ASIDE = (0.02, 0.01, 0.005)  # of the length of an array: by differences over these its slope is measured
_USUAL, _REPEATED = 4.0, 0.5  # times as large or small as usual; share of numbers that are their own
_COLUMNS, _MOST_ROWS = 500, 5_000  # of which the condition is computed
_ARRAYS, _LEAST_SIZE = 16, 0.1  # so many are looked at; the size of numbers that are zero
_AGREE, _DIFFER = 0.03, 0.1  # shares by which slopes that are one agree, and by which two slopes differ
_HOLDS = 0.01  # share by which the loss of rows held out must become lower, where there are any
REST = 0.005  # share of the loss at the start: what is left is no trifle
_OF_REST, _OF_REST_OF_LINEAR = 0.2, 0.05  # and this is much of it; of a linear model one expects the best there is


class Retraining(ABC):
    """Short trainings of what was trained, with one thing changed."""

    model: Any = None  # the estimator; None where a function of one's own was trained

    def __init__(self, history: History, outcome: Outcome, method: Any, rows: int, batch_size: int | None) -> None:
        self.history, self.outcome, self.method = history, outcome, method
        self.batch_size, self.in_batches = batch_size, batch_size is not None
        self._whole = max(1, round(float(history.epoch[-1])))
        self._ends = time.perf_counter() + max(_SECONDS, float(history.seconds[-1]))
        room = _ROWS / rows if self.in_batches else STEPS
        lasts = max(float(history.seconds[-1]), 1e-9)
        in_time = 1.0 if self.in_batches else max(1.0, _SECONDS / lasts) / _TRIALS
        share = min(in_time, max(1 / _TRIALS, min(1.0, room / self._whole)))
        self.epochs = max(1, round(share * self._whole))
        self.made, self.was_cut, self.lowest = 0, False, np.inf

    @abstractmethod
    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        """A training from the start, or from where training ended with the method begun anew."""

    @abstractmethod
    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """What may make it learn where it does not for what it is, or for where it began: the cure, and the changes."""

    @property
    def unreached(self) -> list[str]:
        """The parameters that no gradient reaches, by name, as far as that is known."""
        return []

    @property
    def never_reached(self) -> list[str]:
        """Those on which the loss depends, and that no gradient reaches at the start or elsewhere either."""
        return []

    @property
    def lost(self) -> list[str]:
        """The parameters whose gradient is not finite at the start, by name, as far as that is known."""
        return []

    @property
    def false_slopes(self) -> dict[str, float]:
        """A slope by differences of the loss that the gradient does not have, as evidence, as far as that is known."""
        return {}

    @abstractmethod
    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """What brings columns of different scale to one, where they are not: the cure, and the changes."""

    @abstractmethod
    def largest_columns(self) -> dict[str, str]:
        """The columns whose numbers are largest, where columns differ in scale, as evidence."""

    def anew(self, **changes: Any) -> History | None:
        """The history of a training from the start; None where it diverges, cannot be made, or time is up."""
        return self._tried(changes, onward=False)

    def onward(self, **changes: Any) -> History | None:
        """The history of going on from where training ended, the method begun anew."""
        return self._tried(changes, onward=True)

    def _tried(self, changes: dict[str, Any], *, onward: bool) -> History | None:
        if self.made > 1 and time.perf_counter() > self._ends:
            self.was_cut = True
            return None
        self.made += 1
        outcome, history = self._quietly(changes, onward=onward)
        if outcome is Outcome.INTERRUPTED:  # the trial has caught Ctrl-C, which was meant for all of this
            raise KeyboardInterrupt
        if history is None or outcome is Outcome.DIVERGED or not np.isfinite(history.loss[-1]):
            return None
        if not self._holds_elsewhere(history):
            return None
        self.lowest = min(self.lowest, float(history.loss[-1]))
        return history

    def _holds_elsewhere(self, tried: History) -> bool:
        """Whether what a trial has learnt holds for the rows held out, too; true where there are none."""
        before, after = self.history.validation, tried.validation
        if not (np.isfinite(before).any() and np.isfinite(after).any()):
            return True
        lowest = float(np.nanmin(before))
        return bool(after[-1] < lowest - _HOLDS * abs(lowest))

    def _quietly(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome | None, History | None]:
        """How a training ended, and its history; None where it cannot be made."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return self._made({"epochs": self.epochs, **changes}, onward=onward)
            except (ValueError, TypeError):
                return None, None

    @property
    def gained(self) -> tuple[float, float, float]:
        """The loss at the start, that of the parameters that were kept, and what was gained."""
        loss, validation = self.history.loss, self.history.validation
        was_stopped = self.outcome in {Outcome.CONVERGED, Outcome.STALLED} and np.isfinite(validation).any()
        end = float(loss[int(np.nanargmin(validation)) if was_stopped else -1])
        return float(loss[0]), end, max(float(loss[0]) - end, 0.0)

    @property
    def has_decayed(self) -> bool:
        """Whether a schedule took the rate down."""
        rates = self.history.rate[np.isfinite(self.history.rate)]
        return bool(len(rates)) and has_decayed(rates[-1], rates.max())

    @property
    def is_restless(self) -> bool:
        """Whether it was stopped because the validation loss rose, and the training loss with it."""
        return self.outcome is Outcome.STALLED and self.in_batches

    @property
    def is_at_rest(self) -> bool:
        """Whether it ended by itself on all rows, and would again."""
        return self.outcome is Outcome.STALLED and not self.in_batches

    @property
    def level(self) -> float:
        """The loss of what has learnt nothing."""
        first = np.searchsorted(self.history.epoch, 1.0)
        return float(np.min(self.history.loss[: first + 1]))

    def lowest_on_the_way(self, **changes: Any) -> float:
        """The lowest loss of a training from the start, also of one that diverges; infinite where it cannot be made."""
        _, history = self._quietly(changes, onward=False)
        return np.inf if history is None else float(np.nanmin(history.loss))

    def is_much_of_rest(self, won: float) -> bool:
        """Whether so much is a large share of the loss that is left, and that is no trifle."""
        start, end = float(self.history.loss[0]), float(self.history.loss[-1])
        share = _OF_REST_OF_LINEAR if isinstance(self.model, LinearModel) else _OF_REST
        return won > share * end and end > REST * start

    def beside(self, tried: History) -> float:
        """What training had come to in as many epochs as a trial; at its end, where the trial came to rest itself."""
        epochs = float(tried.epoch[-1])
        came_to_rest = not self.in_batches and epochs < self.epochs
        row = int(np.searchsorted(self.history.epoch, np.inf if came_to_rest else epochs, side="right")) - 1
        return float(self.history.loss[max(row, 0)])


class OfModel(Retraining):
    """Of an estimator, on the rows that it was fitted on."""

    def __init__(
        self, model: Any, X: Any, y: Any, sample_weight: Any = None, names: Sequence[str] | None = None
    ) -> None:
        size = model.get_params().get("batch_size")
        super().__init__(model.history_, model.outcome_, _method_of(model), np.shape(X)[0], size)
        self.model, self.rows, self.names = model, (X, y, sample_weight), names
        self._latest: Any = None
        _check_rows(model, X, y)

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = copy.copy(self.model) if onward else clone(self.model)
        if onward:
            made.history_, made._trainer = History(), None
        plain = {"checkpoint": None, "resume": False, "patience": None, "warm_start": onward}
        self._latest = made.set_params(**{**plain, **changes}).fit(*self.rows)
        return made.outcome_, made.history_

    def _holds_elsewhere(self, tried: History) -> bool:
        is_held_out = np.isfinite(tried.validation).any()
        return super()._holds_elsewhere(tried) and not (is_held_out and knows_nothing(self._latest, self.rows[1]))

    @property
    def level(self) -> float:
        """See `Retraining.level`."""
        return loss_of_a_constant(self.model, self.rows[1])

    @property
    def condition(self) -> float:
        """The condition of the columns as they are trained on, from some of the rows: largest to least spread."""
        X = self.rows[0]
        if hasattr(X, "tocsr") or np.shape(X)[1] > _COLUMNS:
            return np.nan
        some = np.asarray(X, float)[:: max(1, len(X) // _MOST_ROWS)]
        some = some - some.mean(axis=0)
        spread = some.std(axis=0)
        some = some[:, spread > 0] / (spread[spread > 0] if self.model.scale else 1)
        if not some.size:
            return np.nan
        squares = np.linalg.svd(some, compute_uv=False) ** 2
        above = squares[squares > squares[0] * np.finfo(float).eps * len(some)]
        return float(above[0] / above[-1])

    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.scaled`."""
        if getattr(self.model, "scale", True):
            return []
        return [("scale=True", {"scale": True}), ("scale=True, and leave method out", {"scale": True, "method": None})]

    def largest_columns(self) -> dict[str, str]:
        """See `Retraining.largest_columns`."""
        X = self.rows[0]
        plain = X if hasattr(X, "tocsr") else np.asarray(X, float).reshape(np.shape(X)[0], -1)
        numbered = [f"column {j}" for j in range(plain.shape[1])]
        return _largest(plain, self.names or getattr(self.model, "feature_names_in_", numbered))

    def fitted(self, **changes: Any) -> Any:
        """The model of a training from the start; None where it diverges, cannot be made, or time is up."""
        return None if self.anew(**changes) is None else self._latest

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.other_ways`."""
        has = self.model.get_params()
        if "activation" not in has:
            return []
        ways: list[tuple[str, dict[str, Any]]] = [] if has["scale"] else [("scale=True", {"scale": True})]
        hidden = np.atleast_1d(np.asarray(has["hidden"]))
        ways += [] if hidden.size else [("hidden=(128,)", {"hidden": (128,)})]
        ways += [] if has["activation"] == "relu" else [('activation="relu"', {"activation": "relu"})]
        return [*ways, (f"seed={has['seed'] + 1}, another start", {"seed": has["seed"] + 1})]


def _method_of(model: Any) -> Any:
    """The method of an estimator, with the rate that was found for it."""
    method: Any = known(model.method)
    if not isinstance(method, str | type) or not hasattr(model, "rate_"):
        return method
    kind: Any = method_named(method) if isinstance(method, str) else method
    return kind(lr=model.rate_) if "lr" in kind.names() else kind()


def _check_rows(model: Any, X: Any, y: Any) -> None:
    """Refuse what the model would refuse: a trial that cannot be made proves nothing."""
    flat = X if hasattr(X, "tocsr") or np.ndim(X) < 3 else np.asarray(X).reshape(len(X), -1)
    finite_rows(model, flat, y, reset=False, accept_sparse="csr", multi_output=True)
    if hasattr(model, "classes_") and len(strange := np.setdiff1d(np.asarray(y), model.classes_)):
        raise ValueError(
            f"explain takes the rows that the model was fitted on: {strange.tolist()[0]!r} is none of its classes, "
            f"{', '.join(map(repr, model.classes_[:5].tolist()))}"
        )


class OfTraining(Retraining):
    """Of what `train` has trained."""

    def __init__(self, training: Any) -> None:
        size = training.again.keywords["batch_size"]
        super().__init__(training.history, training.outcome, training.method, training.rows, size)
        self._training = training

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = self._training.again(**({"params": self._training.params} if onward else {}), **changes)
        return made.outcome, made.history

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """Matrices drawn at random. Source: Glorot & Bengio (2010), AISTATS."""
        draw, leaves = np.random.default_rng(0), jax.tree.leaves(self._training.again.keywords["params"])
        if not self.unreached and all(_is_drawn(leaf) for leaf in leaves if np.ndim(leaf) >= 2):
            return []

        def begun(leaf: Any) -> Any:
            if np.ndim(leaf) < 2:
                return np.zeros_like(leaf)
            return draw.uniform(-1, 1, np.shape(leaf)).astype(leaf.dtype) * leaf.dtype.type(_bound_of(leaf))

        cure = "begin with random matrices, ±√(6/(rows + columns)), and zeros in the rest"
        return [(cure, {"params": jax.tree.map(begun, self._training.params)})]

    @property
    def never_reached(self) -> list[str]:
        """See `Retraining.never_reached`."""
        start = as_parameters(self._training.again.keywords["params"])
        elsewhere = jax.tree.map(self._moved, start)  # units that have died are alive there
        there = self._training.gradient(elsewhere)
        cut = [
            (place, name)
            for place, (name, slope) in enumerate(self._training.gradient(start))
            if name in self.unreached and not np.any(slope) and not np.any(there[place][1])
        ]
        return [name for place, name in cut if self._matters(elsewhere, place)]

    def _moved(self, leaf: Any) -> np.ndarray:
        draw = np.random.default_rng(0)
        return np.asarray(leaf + draw.normal(size=np.shape(leaf)) * (0.5 + np.abs(leaf)), leaf.dtype)

    def _matters(self, params: Any, place: int) -> bool:
        """Whether the loss depends on the array at that place."""
        leaves, structure = jax.tree.flatten(params)
        leaves[place] = self._moved(leaves[place])
        return bool(self._training.loss(jax.tree.unflatten(structure, leaves)) != self._training.loss(params))

    @property
    def false_slopes(self) -> dict[str, float]:
        """See `Retraining.false_slopes`: array by array, along the gradient, at the start and at the end."""
        for params in (as_parameters(self._training.again.keywords["params"]), self._training.params):
            for place, (name, gradient) in enumerate(self._training.gradient(params)[:_ARRAYS]):
                slope = float(np.linalg.norm(gradient.astype(float)))
                quotients = self._quotients(params, place, gradient / slope) if 0 < slope < np.inf else []
                quotient = float(np.median(quotients)) if quotients else slope
                agree = bool(quotients) and np.ptp(quotients) <= _AGREE * abs(quotient)
                if agree and abs(slope - quotient) > _DIFFER * max(slope, abs(quotient)):
                    where = f"slope along {name}" if name else "slope"
                    return {f"{where}, by the gradient": slope, "by differences of the loss": quotient}
        return {}

    def _quotients(self, params: Any, place: int, way: np.ndarray) -> list[float]:
        """The slope of the loss along a way of one array, by differences over some lengths."""
        leaves, structure = jax.tree.flatten(params)
        at = leaves[place]
        reach = max(float(np.linalg.norm(at)), _LEAST_SIZE * at.size**0.5)

        def loss(far: float) -> float:
            leaves[place] = np.asarray(at + far * way, at.dtype)
            return float(self._training.loss(jax.tree.unflatten(structure, leaves)))

        return [(loss(by * reach) - loss(-by * reach)) / (2 * by * reach) for by in _STEPS_ASIDE]

    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.scaled`: of the first table among the data."""
        table = self._table
        if table is None or not _differ(table):
            return []
        spread = table.std(axis=0)
        made = ((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(table.dtype)
        data = self._training.again.keywords["data"]
        changed = tuple(made if part is table else part for part in data) if isinstance(data, tuple) else made
        cure = "scale the columns of the data, (X - X.mean(axis=0)) / X.std(axis=0)"
        ways: list[tuple[str, dict[str, Any]]] = [(cure, {"data": changed})]
        for factor in (1e4, 1e6):  # the rate was small because a column was large
            larger = rescaled(self.method, factor)
            if larger is not None:
                ways.append((f"{cure}, and {larger.how}", {"data": changed, "method": larger.method}))
        return [*ways, (f"{cure}, and leave method out", {"data": changed, "method": None})]

    def largest_columns(self) -> dict[str, str]:
        """See `Retraining.largest_columns`."""
        table = self._table
        return {} if table is None else _largest(table, [f"column {j}" for j in range(table.shape[1])])

    @property
    def _table(self) -> np.ndarray | None:
        data = self._training.again.keywords["data"]
        parts = data if isinstance(data, tuple) else (data,)
        first = next((part for part in parts if getattr(part, "ndim", 0) == 2), None)
        return first if isinstance(first, np.ndarray) and first.dtype.kind == "f" else None

    @cached_property
    def unreached(self) -> list[str]:
        """See `Retraining.unreached`."""
        return [name for name, leaf in self._training.gradient(self._training.params) if not np.any(leaf)]

    @property
    def lost(self) -> list[str]:
        """See `Retraining.lost`."""
        start = self._training.again.keywords["params"]
        return [name for name, leaf in self._training.gradient(start) if not np.isfinite(leaf).all()]


def told(history: History, how: str, before: float) -> str:
    """How a trial ended, as a phrase, beside the loss that there was."""
    epochs = float(history.epoch[-1])
    count = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.3g}"
    made = f"1 epoch {how} ends" if epochs == 1 else f"{count} epochs {how} end"
    return f"{made} at loss {history.loss[-1]:.4g}, where it was {before:.4g}"


def settled(history: History) -> float:
    """The loss at the end, in the middle of the last looks: a low one among high ones is luck."""
    return float(np.median(history.loss[-max(1, len(history) // 4) :]))


def _largest(table: Any, names: Any) -> dict[str, str]:
    largest = rows_of(table, np.zeros(table.shape[0])).moments().largest(names)
    return {"largest columns": largest} if largest else {}


def _differ(table: np.ndarray) -> bool:
    """Whether columns differ much in scale, or lie far from zero."""
    spread, size = table.std(axis=0), np.abs(table).max(axis=0)
    sizes = size[size > 0]
    is_far = np.abs(table.mean(axis=0)) > _OTHER_SCALE * spread
    return bool(len(sizes) and (sizes.max() > _OTHER_SCALE * sizes.min() or is_far.any()))


def _bound_of(leaf: Any) -> float:
    """How large the numbers of a matrix begin. Source: Glorot & Bengio (2010), AISTATS."""
    *field, inputs, outputs = np.shape(leaf)
    return float((6 / (np.prod(field) * (inputs + outputs))) ** 0.5)


def _is_drawn(leaf: Any) -> bool:
    """Whether a matrix looks as if it was drawn at random, with numbers of a usual size."""
    size = float(np.std(leaf)) * 3**0.5 / _bound_of(leaf)
    return 1 / _USUAL < size < _USUAL and len(np.unique(leaf)) > _REPEATED * np.size(leaf)
