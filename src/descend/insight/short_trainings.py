"""Trainings of one model with one learning rate or another, short ones on some of its rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import check_consistent_length, resample

from descend.descent import Outcome
from descend.insight.changed_methods import at_pace
from descend.insight.short_runs import Ended, is_steady, rate_of, with_values
from descend.methods import Rule, as_rule
from descend.methods.in_files import known

__all__ = ["ShortTrainings"]


class ShortTrainings:
    """See `rates.Trials`; a step is one update: of a batch, or of all rows where the model knows no batches."""

    first = np.inf  # a training that does not get below its start says so itself
    limit = np.nan

    def __init__(self, model: Any, data: Any) -> None:
        if not hasattr(model, "planned_epochs"):
            raise TypeError(f"find_lr knows the models of this library and objectives, not {type(model).__name__}")
        if not isinstance(data, tuple) or len(data) != 2:
            raise ValueError("give the rows of the model as data=(X, y)")
        check_consistent_length(*data)
        self._model, self._data = model, data
        self.rule = _rule_of(model)
        self._name = rate_of(self.rule)
        self._rows = np.shape(data[0])[0]
        self._batch = None if model.batch_size is None else min(int(model.batch_size), self._rows)
        self.is_noisy, self.is_steady = self._batch is not None, is_steady(self._name)
        self._in_an_epoch = 1 if self._batch is None else -(-self._rows // self._batch)
        self.last = model.planned_epochs(self._rows) * self._in_an_epoch

    def costs(self, rates: np.ndarray, length: int) -> np.ndarray:
        """See `rates.Trials.costs`: of some rows where an epoch has more steps; a schedule goes as much faster."""
        epochs, data = max(1, round(length / self._in_an_epoch)), self._data
        if self._batch is not None and length < self._in_an_epoch:
            options = {"stratify": data[1]} if is_classifier(self._model) else {}
            data = resample(*data, replace=False, n_samples=length * self._batch, random_state=0, **options)
        rule = at_pace(self.rule, length / self.last)
        return np.array([self._fitted(rule, float(lr), data, epochs).cost for lr in rates])

    def whole(self, lr: float) -> Ended:
        """See `rates.Trials.whole`."""
        return self._fitted(self.rule, lr, self._data, None)

    def limit_of(self, ended: Ended) -> float:
        """See `rates.Trials.limit_of`; not known."""
        return np.nan

    def _fitted(self, rule: Rule, lr: float, data: Any, epochs: int | None) -> Ended:
        made = clone(self._model).set_params(
            method=with_values(rule, [self._name], [lr]), checkpoint=None, resume=False, warm_start=False
        )
        if epochs is not None:
            made.set_params(epochs=epochs, patience=None)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            made.fit(*data)
        losses = made.history_.loss
        has_fallen = made.outcome_ is not Outcome.DIVERGED and losses[-1] < losses[0]
        cost = float(losses[-1]) if has_fallen else np.inf
        return Ended(cost, int(made.history_.steps[-1]), made, made.message_, losses)


def _rule_of(model: Any) -> Rule:
    """The method of a model, whatever its rate."""
    method = known(model.method)
    if method is None and model.batch_size is None:
        raise TypeError(
            f"{type(model).__name__} fits all rows at once with a step size of its own: nothing is to be found. Give "
            "it a method, GradientDescent(), or a batch_size"
        )
    return as_rule(model.default_method if method is None else method)
