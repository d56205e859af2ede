"""Whether a model has learnt anything at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr
from scipy.stats import chi2

from descend.models.linear import LinearModel
from descend.models.losses import Log, Poisson

__all__ = ["KNOWS", "is_beyond_chance", "knows_nothing", "loss_of_a_constant"]

KNOWS = 0.98  # share of the loss of a prediction that is the same for all rows, below which something was learnt
_BY_CHANCE = 1e-3  # that coefficients of columns which say nothing lower the loss by as much
_MEASURED = 4_096  # rows, in batches


def knows_nothing(model: Any, y: Any, sample_weight: Any = None) -> bool:
    """Whether a model fitted on the targets `y` (n,) does no better than a prediction that is the same for all rows.

    Rows that it has held out are the judges, where there are any. Else a linear model knows something, too, where its
    loss is lower than chance would make it.
    """
    history = model.history_
    is_held_out = np.isfinite(history.validation).any()
    if isinstance(model, LinearModel) and not is_held_out:
        before, after = loss_of_a_constant(model, y, sample_weight), float(history.loss[-1])
        if is_beyond_chance(model, before, after, len(y)):
            return False
    if is_held_out and not hasattr(model, "classes_"):
        return bool(np.nanmax(history.validation_score) < 1 - KNOWS)
    if hasattr(model, "classes_") and not hasattr(model, "predict_proba"):
        return False
    loss = np.nanmin(history.validation) if is_held_out else history.loss[-1]
    return bool(loss > KNOWS * loss_of_a_constant(model, y, sample_weight))


def is_beyond_chance(model: LinearModel, before: float, after: float, rows: int) -> bool:
    """Whether the likelihood of so many rows rises by more than coefficients of columns that say nothing raise it.

    A loss that is no likelihood is taken for the error of a normal distribution of unknown width, which is cautious.
    Source: Wilks (1938), "The large-sample distribution of the likelihood ratio", Ann. Math. Stat. 9.
    """
    if not after < before:
        return False
    rows = rows if model.batch_size is None else min(rows, _MEASURED)
    is_likelihood = hasattr(model, "predict_proba") or isinstance(model._loss(), Log | Poisson)
    gained = before - after if is_likelihood else np.log(before / max(after, 1e-300)) / 2
    return bool(2 * rows * gained > chi2.isf(_BY_CHANCE, np.size(model.coef_)))


def loss_of_a_constant(model: Any, y: Any, sample_weight: Any = None) -> float:
    """The loss of the best prediction that is the same for all rows; of a margin that at the start."""
    if hasattr(model, "predict_proba"):
        _, places = np.unique(np.asarray(y), return_inverse=True)
        counts = np.bincount(places, model._row_weights(y, sample_weight))
        return float(entr(counts / counts.sum()).sum())
    history = model.history_
    if hasattr(model, "activation"):  # least squares, begun anywhere
        return float(history.loss[-1] / max(1 - history.score[-1], 1e-300))
    if hasattr(model, "classes_"):
        return float(history.loss[0])
    loss, y = model._loss(), np.asarray(y, np.float64)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    constant = np.full(len(y), loss.constant(y, weights))
    return float(weights @ loss.values(constant, y) / weights.sum())
