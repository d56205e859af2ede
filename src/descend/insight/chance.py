"""Whether a model has learnt anything at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

__all__ = ["KNOWS", "knows_nothing", "loss_of_a_constant"]

KNOWS = 0.98  # share of the loss of a prediction that is the same for all rows, below which something was learnt


def knows_nothing(model: Any, y: Any, sample_weight: Any = None) -> bool:
    """Whether a model fitted on the targets `y` (n,) does no better than a prediction that is the same for all rows.

    Rows that it has held out are the judges, where there are any.
    """
    history = model.history_
    is_held_out = np.isfinite(history.validation).any()
    if not hasattr(model, "classes_"):
        return bool((np.nanmax(history.validation_score) if is_held_out else history.score[-1]) < 1 - KNOWS)
    if not hasattr(model, "predict_proba"):
        return False
    loss = np.nanmin(history.validation) if is_held_out else history.loss[-1]
    return bool(loss > KNOWS * loss_of_a_constant(model, y, sample_weight))


def loss_of_a_constant(model: Any, y: Any, sample_weight: Any = None) -> float:
    """The loss of the best prediction that is the same for all rows; of other losses than these that at the start."""
    if hasattr(model, "predict_proba"):
        _, places = np.unique(np.asarray(y), return_inverse=True)
        counts = np.bincount(places, model._row_weights(y, sample_weight))
        return float(entr(counts / counts.sum()).sum())
    history = model.history_
    if hasattr(model, "activation"):  # least squares, begun anywhere
        return float(history.loss[-1] / max(1 - history.score[-1], 1e-300))
    return float(history.loss[0])
