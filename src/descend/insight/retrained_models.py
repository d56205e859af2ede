"""Short trainings of an estimator, on the rows that it was fitted on."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone

from descend.descent import Outcome
from descend.descent.outcome import Finding
from descend.insight.chance import is_beyond_chance, knows_nothing, loss_of_a_constant
from descend.insight.retraining import MUCH, STEPS, Retraining, largest
from descend.insight.to_and_fro import ILL
from descend.methods import method_named
from descend.methods.foreign import read_optax
from descend.methods.in_files import known
from descend.models.finite import finite_rows
from descend.models.history import History
from descend.models.linear import LinearModel
from descend.models.losses import Log

__all__ = ["OfModel"]

_MOST_NUMBERS = 1_000_000  # in rows that the default steps go through in a moment
_COLUMNS, _MOST_ROWS = 500, 5_000  # of which the condition is computed


class OfModel(Retraining):
    """Of an estimator, on the rows that it was fitted on."""

    def __init__(
        self, model: Any, X: Any, y: Any, sample_weight: Any = None, names: Sequence[str] | None = None
    ) -> None:
        size, rows = model.get_params().get("batch_size"), np.shape(X)[0]
        super().__init__(model.history_, model.outcome_, _method_of(model), rows, size, model.planned_epochs(rows))
        self.model, self.rows, self.names = model, (X, y, sample_weight), names
        self._latest: Any = None
        _check_rows(model, X, y)

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = copy.copy(self.model) if onward else clone(self.model)
        if onward:
            made.history_ = History()
            made._forget_steps()
        plain = {"checkpoint": None, "resume": False, "patience": None, "warm_start": onward}
        self._latest = made.set_params(**{**plain, **changes}).fit(*self.rows)
        return made.outcome_, made.history_

    def _holds_elsewhere(self, tried: History) -> bool:
        is_held_out = np.isfinite(tried.validation).any()
        return super()._holds_elsewhere(tried) and not (is_held_out and knows_nothing(self._latest, *self.rows[1:]))

    @property
    def level(self) -> float:
        """See `Retraining.level`."""
        return loss_of_a_constant(self.model, *self.rows[1:])

    @property
    def _some_rows(self) -> np.ndarray | None:
        """Some of the rows, from all over; None where they are sparse, no table, or too wide."""
        X = self.rows[0]
        if hasattr(X, "tocsr") or np.ndim(X) != 2 or np.shape(X)[1] > _COLUMNS:
            return None
        return np.asarray(X, float)[:: max(1, len(X) // _MOST_ROWS)]

    @property
    def condition(self) -> float:
        """The condition of the columns as they are trained on, from some of the rows: largest to least spread."""
        if (some := self._some_rows) is None:
            return np.nan
        some = some - some.mean(axis=0)
        spread = some.std(axis=0)
        some = some[:, spread > 0] / (spread[spread > 0] if self.model.scale else 1)
        if not some.size:
            return np.nan
        squares = np.linalg.svd(some, compute_uv=False) ** 2
        above = squares[squares > squares[0] * np.finfo(float).eps * len(some)]
        return float(above[0] / above[-1])

    @property
    def knows_rows_held_out(self) -> bool:
        """See `Retraining.knows_rows_held_out`."""
        return not knows_nothing(self.model, *self.rows[1:])

    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.scaled`."""
        if getattr(self.model, "scale", True) or self._are_alike:
            return []
        return [("scale=True", {"scale": True}), ("scale=True, and leave method out", {"scale": True, "method": None})]

    @property
    def _are_alike(self) -> bool:
        """Whether the columns as they are, and a constant, are of one size and have little in common."""
        if (some := self._some_rows) is None:
            return False
        lengths = np.linalg.svd(np.column_stack([some, np.ones(len(some))]), compute_uv=False)
        return bool(lengths[0] ** 2 <= ILL * lengths[-1] ** 2)

    def largest_columns(self) -> dict[str, str]:
        """See `Retraining.largest_columns`."""
        X = self.rows[0]
        plain = X if hasattr(X, "tocsr") else np.asarray(X, float).reshape(np.shape(X)[0], -1)
        numbered = [f"column {j}" for j in range(plain.shape[1])]
        return largest(plain, self.names or getattr(self.model, "feature_names_in_", numbered))

    def fitted(self, **changes: Any) -> Any:
        """The model of a training from the start; None where it diverges, cannot be made, or time is up."""
        return None if self._tried(changes, onward=False) is None else self._latest

    def is_much_of_a_signal(self, before: float, after: float) -> bool:
        """See `Retraining.is_much_of_a_signal`; of a linear model it is known."""
        is_much = before - after > MUCH * (self.level - after)
        is_linear = isinstance(self.model, LinearModel)
        return is_linear and is_much and is_beyond_chance(self.model, before, after, len(self.rows[1]))

    @cached_property
    def has_no_end(self) -> bool:
        """Whether the loss of classes falls for ever, as the default steps find out on rows that are no great many."""
        model = self.model
        if not (isinstance(model, LinearModel) and isinstance(model._loss(), Log)) or model.l2 or model.l1:
            return False
        if np.prod(np.shape(self.rows[0])) > _MOST_NUMBERS:
            return False
        alone = {"method": None, "batch_size": None, "validation": 0.0, "epochs": STEPS}
        self._quietly(alone, onward=False)
        return self._latest is not None and self._latest._finding is Finding.NO_BOUND

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.other_ways`."""
        has = self.model.get_params()
        if "activation" not in has:
            return []
        ways: list[tuple[str, dict[str, Any]]] = [] if has["scale"] else [("scale=True", {"scale": True})]
        hidden = np.atleast_1d(np.asarray(has["hidden"]))
        ways += [] if hidden.size else [("hidden=(128,)", {"hidden": (128,)})]
        ways += [] if has["activation"] == "relu" else [('activation="relu"', {"activation": "relu"})]
        ways.append((f"seed={has['seed'] + 1}, another start", {"seed": has["seed"] + 1}))
        return ways + ([('activation="tanh"', {"activation": "tanh"})] if has["activation"] == "relu" else [])


def _method_of(model: Any) -> Any:
    """The method of an estimator, with the rate that was found for it."""
    method: Any = read_optax(known(model.method))
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
