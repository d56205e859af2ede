"""Why training of a model ended as it did, as far as its losses tell, or with its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from descend.descent.outcome import Finding, Outcome
from descend.insight.changed_schedules import has_decayed
from descend.insight.diagnosis import ENDLESS, NO_MORE, WRONG_SIGN, Cause, Diagnosis
from descend.models.all_rows import BOUNDING_L2
from descend.models.judging import beats_a_constant, judged_of

__all__ = ["explain_fit", "explain_training"]

_WITH_ROWS = "explain(X, y), with the rows that it was fitted on, finds out by training again with one thing changed"
_LEARNT = 0.2  # share of the first loss, which has to be gained where nothing else tells that all is well
_BY_HEART, _HARDLY_LOWER = 0.1, 0.25  # shares of the loss of rows held out, and of what that was at the start
_BY_HEART_AT_LEAST = 0.02  # share of the loss that is gained where rows are learnt by heart
_STILL_WELL = 0.9  # of the loss at the start
_NO_BETTER = 0.01  # R² of rows held out, below which a constant does as well, but for chance
_FAR = 1e3  # times as far from the median as usual


def explain_training(history: Any, outcome: Outcome, finding: Finding | None = None) -> Diagnosis:
    """Why training ended as it did, as far as the losses on the way tell. No cure is tried.

    Parameters
    ----------
    history
        A `History`.
    outcome, finding
        How training ended, and what was found there.
    """
    return replace(_read(history, outcome, finding), explained=history)


def _read(history: Any, outcome: Outcome, finding: Finding | None) -> Diagnosis:
    loss, validation = history.loss, history.validation
    whole = np.flatnonzero(history.epoch == np.floor(history.epoch))
    rates = history.rate[np.isfinite(history.rate)]
    if len(loss) and not np.isfinite(loss[0]):
        evidence: dict[str, Any] = {"loss at the start": float(loss[0])}
        return Diagnosis(Cause.LEFT_DOMAIN, evidence, "begin where the loss is finite", outcome=outcome)
    if outcome is Outcome.STALLED and np.isfinite(validation).any() and finding is not Finding.RESTLESS:
        evidence = {"validation loss at the start": float(validation[0]), "at the end": float(validation[-1])}
        if not loss[0] - loss[-1] > _BY_HEART_AT_LEAST * abs(loss[0]):
            evidence |= {"training loss at the start": float(loss[0]), "then": float(loss[-1])}
            return Diagnosis(Cause.UNKNOWN, evidence, outcome=outcome)
        return Diagnosis(Cause.OVERFITTING, evidence, "l2, more rows, or other columns", outcome=outcome)
    if len(loss) > 1 and loss[-1] < -ENDLESS * max(1.0, abs(loss[0])):
        evidence = {"loss at the start": float(loss[0]), "at the end": float(loss[-1])}
        return Diagnosis(Cause.UNBOUNDED, evidence, WRONG_SIGN, outcome=outcome)
    if outcome is Outcome.DIVERGED:
        if finding is Finding.NO_BOUND:
            return Diagnosis(Cause.UNBOUNDED, {"loss": float(loss[-1])}, f"l2={BOUNDING_L2:g}", outcome=outcome)
        if finding is Finding.NOT_FINITE and loss[-1] < _STILL_WELL * loss[0]:  # a rate that is too large drives it up
            evidence = {"loss at the start": float(loss[0]), "just before": float(loss[-1])}
            cure = "write the loss so that it is finite there, or keep the parameters from where it is not"
            return Diagnosis(Cause.LEFT_DOMAIN, evidence, cure, outcome=outcome)
        evidence = {"learning rate": float(rates[-1])} if len(rates) else {}
        evidence |= {"loss at the start": float(loss[0]), "at the end": float(loss[-1])}
        return Diagnosis(Cause.RATE_TOO_LARGE, evidence, "a tenth of the rate", outcome=outcome)
    if outcome is Outcome.CONVERGED:  # also where it was stopped early: the best parameters were kept
        kept = int(np.nanargmin(validation)) if np.isfinite(validation).any() else -1
        return Diagnosis(Cause.HEALTHY, {"loss": float(loss[kept])}, outcome=outcome)
    if outcome is Outcome.PRECISION_FLOOR:
        return Diagnosis(Cause.PRECISION_FLOOR, {"loss": float(loss[-1])}, outcome=outcome)
    seen = validation[whole]
    if len(whole) > 3 and np.isfinite(seen).all() and outcome is not Outcome.NOTHING_LEARNT:
        best = int(np.argmin(seen))
        worse = seen[-1] - seen[best]
        fell = loss[whole[best]] - loss[whole[-1]]
        if (
            best < len(seen) - 2
            and worse > max(0.02 * abs(seen[best]), 0.01 * (seen[0] - seen[best]))
            and fell > 0.02 * abs(loss[whole[best]])
        ):
            at = {"epoch of the lowest validation loss": float(history.epoch[whole[best]])}
            evidence = {**at, "validation loss there": float(seen[best]), "at the end": float(seen[-1])}
            stops = f"patience={_patience_for(seen)}, which stops there and keeps those parameters; or "
            cure = f"{stops if best else ''}l2, more rows, or other columns"
            return Diagnosis(Cause.OVERFITTING, evidence, cure, outcome=outcome)
    is_small = 0 < loss[-1] < _BY_HEART * validation[-1]  # false where nothing was held out
    knows_its_own = outcome is Outcome.NOTHING_LEARNT and _falls_apart(loss, validation)
    if knows_its_own or (is_small and validation[-1] > _HARDLY_LOWER * validation[0]):
        evidence = {"loss": float(loss[-1]), "loss of the rows held out": float(validation[-1])}
        evidence["which was at the start"] = float(validation[0])
        return Diagnosis(Cause.OVERFITTING, evidence, "more rows, a smaller model, or a penalty", outcome=outcome)
    if len(loss) < 3:
        return Diagnosis(Cause.UNKNOWN, {"looks at the loss": len(loss)}, outcome=outcome)
    gained = float(loss[0] - loss[-1])
    if not gained > _LEARNT * abs(loss[0]):  # at the level of chance, for all that is known without rows
        evidence = {"loss at the start": float(loss[0]), "at the end": float(loss[-1])}
        return Diagnosis(Cause.UNKNOWN, evidence, outcome=outcome)
    back = max(2, len(loss) // 5)
    late = float(loss[-1 - back] - loss[-1])
    if late > 0.05 * gained:
        evidence = {"share of all gain in the last fifth": min(1.0, late / gained), "loss": float(loss[-1])}
        cure = f"epochs={4 * int(np.ceil(history.epoch[-1]))}, or a larger rate"
        return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, outcome=outcome)
    if outcome is not Outcome.STEPS_EXHAUSTED or (len(rates) and has_decayed(rates, rates.max())):
        evidence = {"loss": float(loss[-1]), "rate at the end": float(rates[-1]) if len(rates) else np.nan}
        return Diagnosis(Cause.UNKNOWN, evidence, outcome=outcome)
    if late < -0.02 * gained:
        evidence = {"loss": float(loss[-1]), "lowest on the way": float(loss.min())}
        return Diagnosis(Cause.UNKNOWN, evidence, outcome=outcome)
    return Diagnosis(Cause.HEALTHY, {"loss": float(loss[-1]), "gain in the last fifth": late}, outcome=outcome)


def _falls_apart(loss: np.ndarray, validation: np.ndarray) -> bool:
    """Whether the loss fell by much, and that of rows held out ends far above it; false where there are none."""
    return bool(loss[0] - loss[-1] > _LEARNT * abs(loss[0]) and validation[-1] - loss[-1] > _LEARNT * abs(loss[0]))


def _patience_for(losses: np.ndarray) -> int:
    """The least patience, from 3 on, that does not stop before the lowest of these losses, one an epoch."""
    lowest = np.flatnonzero(losses == np.minimum.accumulate(losses))
    return max(3, int(np.diff(lowest).max(initial=0)))


def explain_fit(
    model: Any,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    names: Sequence[str] | None = None,
    held_out: tuple[Any, Any] | None = None,
) -> Diagnosis:
    """Why the fit of an estimator ended as it did.

    With the rows that it was fitted on it is trained again for a moment with one thing changed, which tells the causes
    apart and tries the cure. Without rows the losses on the way must do. `names` are those of the columns; rows that
    were held out, (X, y), tell whether it knows more than those it was fitted on.
    """
    check_is_fitted(model, "history_")
    found = _explained(model, X, y, sample_weight, names, held_out)
    began = _where_it_went_on(model)
    return found if began is None else replace(found, evidence={**found.evidence, "where the warm start began": began})


def _where_it_went_on(model: Any) -> float | None:
    """The loss where the last fit began, where one before had ended; trials begin at the start of all."""
    epoch, loss = model.history_.epoch, model.history_.loss
    again = np.flatnonzero(np.diff(epoch) == 0) + 1  # a fit looks at the loss where it begins
    begins = again[epoch[-1] - epoch[again] > model.n_iter_ - 1] if len(epoch) else again
    return float(loss[begins[-1]]) if len(begins) else None


def _explained(
    model: Any, X: Any, y: Any, sample_weight: Any, names: Sequence[str] | None, held_out: tuple[Any, Any] | None
) -> Diagnosis:
    if not len(model.history_):
        cure = "use fit, which looks at the loss on the way; partial_fit does not"
        return Diagnosis(Cause.UNKNOWN, {"looks at the loss": 0}, cure, outcome=model.outcome_)
    read = explain_training(model.history_, model.outcome_, model._finding)
    if X is None:
        return replace(read, cure=_WITH_ROWS) if read.cause is Cause.UNKNOWN else read
    from descend.insight.by_heart import learnt_by_heart
    from descend.insight.by_retraining import explain_by_retraining
    from descend.insight.retrained_models import OfModel

    trials = OfModel(model, X, y, sample_weight, names)
    if held_out is not None and not len(held_out[1]):
        held_out = None
    # Of one that was stopped early the best parameters were kept, before it learnt by heart.
    has_diverged = model.outcome_ is Outcome.DIVERGED
    looks = model.outcome_ is Outcome.STEPS_EXHAUSTED or (held_out is not None and not has_diverged)
    if looks and read.cause is not Cause.OVERFITTING and (by_heart := learnt_by_heart(trials, held_out)) is not None:
        return replace(by_heart, explained=model.history_)
    if held_out is None or has_diverged:
        return explain_by_retraining(trials, read)
    found, of_others = explain_by_retraining(trials, read), float(model.score(*held_out))
    evidence = {**found.evidence, "score of the rows held out": of_others}
    speaks_well = found.cause in {Cause.HEALTHY, Cause.PRECISION_FLOOR}
    if hasattr(model, "classes_"):
        judged = judged_of(model, np.asarray(held_out[1]), model.predict(held_out[0]))
        if speaks_well and not beats_a_constant(model, judged):
            evidence["of the most frequent class alone"] = judged.baseline
            return replace(found, cause=Cause.UNKNOWN, evidence=evidence)
    elif speaks_well and of_others < _NO_BETTER:
        evidence["what it knows"] = NO_MORE
        return replace(found, cause=Cause.UNKNOWN, evidence={**evidence, **_far_target(y, held_out[1])})
    return replace(found, evidence=evidence)


def _far_target(*targets: Any) -> dict[str, float]:
    """The target that is far from all others, if there is one."""
    y = np.concatenate([np.asarray(part, float) for part in targets])
    away = np.abs(y - np.median(y))
    is_far = away.max() > _FAR * max(float(np.median(away)), 1e-300)
    return {"one target is far from all others": float(y[away.argmax()])} if is_far else {}
