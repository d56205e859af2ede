"""Whether a model has learnt anything at all."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["knows_nothing"]

_KNOWS = 0.98  # share of the loss of a prediction that is the same for all rows, below which something was learnt


def knows_nothing(model: Any, y: Any) -> bool:
    """Whether a model fitted on the targets `y` (n,) does no better than a prediction that is the same for all rows.

    Rows that it has held out are the judges, where there are any.
    """
    history = model.history_
    is_held_out = np.isfinite(history.validation).any()
    if not hasattr(model, "classes_"):
        return bool((np.nanmax(history.validation_score) if is_held_out else history.score[-1]) < 1 - _KNOWS)
    if not hasattr(model, "predict_proba"):
        return False
    _, counts = np.unique(np.asarray(y), return_counts=True)
    shares = counts / counts.sum()
    loss = np.nanmin(history.validation) if is_held_out else history.loss[-1]
    return bool(loss > -_KNOWS * float(shares @ np.log(shares)))
