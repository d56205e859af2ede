"""Whether a model has learnt its rows by heart: what it knows of rows that were held out, and a penalty that helps."""

from __future__ import annotations

from typing import Any

from descend.insight.diagnosis import Cause, Diagnosis, Trial
from descend.insight.retrained_models import OfModel

__all__ = ["learnt_by_heart"]

_LOST, _AT_LEAST = 0.5, 0.1  # of what the score of the rows held out lacks, so much is the gap to that of its own
_KNOWN = 0.3  # a score of its own rows that is lower is not that of one who knows them
_REGAINED = 0.2  # share of the gap that a cure has to close
_PENALTIES = (1e-3, 0.03, 1.0)


def learnt_by_heart(trials: OfModel, held_out: tuple[Any, Any] | None) -> Diagnosis | None:
    """The diagnosis, where the score of rows held out is far below that of the rows which the model was fitted on.

    `held_out` are these rows, (X, y); where there are none, those that the model has held out itself.
    """
    model, (X, y, _) = trials.model, trials.rows
    count = round(len(y) * float(model.validation)) if held_out is None else len(held_out[1])
    if not count:
        return None

    def of_rows_held_out(fitted: Any) -> float:
        return float(fitted.history_.validation_score[-1] if held_out is None else fitted.score(*held_out))

    of_its_own = float(model.history_.score[-1] if held_out is None else model.score(X, y))
    of_others = of_rows_held_out(model)
    gap = of_its_own - of_others
    chance = count**-0.5  # about two deviations of a share of so few rows
    if of_its_own < _KNOWN or not gap > max(_LOST * (1 - of_others), _AT_LEAST, chance):
        return None
    evidence = {"score of the rows it learnt from": of_its_own, "score of the rows held out": of_others}
    tried, histories = {}, {}
    for l2 in _PENALTIES:
        made = trials.fitted(l2=l2)
        if made is not None:
            tried[l2], histories[l2] = of_rows_held_out(made), made.history_
    best = max(tried, key=lambda l2: tried[l2], default=0.0)
    if not tried or not tried[best] - of_others > _REGAINED * gap:
        return Diagnosis(Cause.OVERFITTING, evidence, "more rows, or fewer columns", outcome=trials.outcome)
    told = f"fitted with l2={best:g}, the score of the rows held out is {tried[best]:.4g}, where it was {of_others:.4g}"
    return Diagnosis(Cause.OVERFITTING, evidence, f"l2={best:g}", Trial(told, histories[best]), trials.outcome)
