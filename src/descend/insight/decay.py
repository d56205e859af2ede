"""Runs whose learning rate had fallen before they were there."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.descent import Outcome, Run
from descend.descent.report import described
from descend.insight.changed_methods import round_rate, with_rate
from descend.insight.changed_schedules import FADED, faded, has_ended, highest_rate, prolonged, slower
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.trials import TRIED, as_asked, cost, cured, gains, improved, start_cost, told
from descend.stepsizes import Polyak, PolyakEstimated, StepSize

__all__ = ["decayed", "left_astray"]


def decayed(run: Run) -> Diagnosis | None:
    """Whether the schedule took the rate down before the run was there."""
    if (left := faded(run.method, run.problem.x0, run.nit)) is not None:
        tried = improved(run, run.method, x0=run.x, steps=run.nit, below=cost(run))
        if tried is None or not gains(run, tried):
            return None
        return Diagnosis(Cause.DECAYED_TOO_EARLY, left, FADED, told(tried, "going on with the method begun anew"))
    found = _ended(run)
    if found is None:
        return None
    stepsize, highest, evidence = found
    onward = _onward(run, highest)
    if onward is None:
        return None
    rate, tried = onward
    if isinstance(stepsize, Polyak):  # whose rate is zero where the cost is at fmin
        estimated = improved(run, with_rate(run.method, PolyakEstimated()), steps=max(TRIED, run.nit), below=cost(run))
        if estimated is not None:
            evidence |= {"fmin": float(stepsize.fmin), "cost": run.fun}
            cure = "a lower fmin, for this one is above the minimum; or lr=PolyakEstimated(), which needs none"
            return cured(run, Cause.DECAYED_TOO_EARLY, evidence, cure, estimated)
    if run.outcome is not Outcome.STALLED and (twice := prolonged(stepsize, run.nit, 2)) is not None:
        longer = improved(run, with_rate(run.method, twice), steps=2 * run.nit, below=cost(run))
        if longer is None or not gains(run, longer):
            return None
        cure = f"{as_asked(run, 2 * run.nit)}, lr={described(twice)}"
        return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, told(longer))
    cure, seen = f"lr={rate:.3g} in the place of {type(stepsize).__name__}", told(tried, "going on with it")
    best = run
    for slow in slower(stepsize, run.nit):
        longer = improved(run, with_rate(run.method, slow), steps=max(TRIED, run.nit), below=cost(best))
        if longer is not None:
            cure, seen, best = f"lr={described(slow)}", told(longer), longer
        if best.outcome is Outcome.CONVERGED:
            break
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, seen)


def _onward(run: Run, highest: float) -> tuple[float, Run] | None:
    """A run that goes on with the highest rate, or with a part of it where that leads astray, and what it was."""
    for rate in (highest, *(round_rate(highest / by) for by in (10, 100))):
        tried = improved(
            run, with_rate(run.method, rate), x0=run.x, steps=min(TRIED, max(50, run.nit)), below=cost(run)
        )
        if tried is not None:
            return (rate, tried) if gains(run, tried) else None
    return None


def left_astray(run: Run) -> Diagnosis | None:
    """Of a run that ended above its start: whether its rate had fallen before it could come back."""
    if run.outcome is not Outcome.DIVERGED or (found := _ended(run)) is None:
        return None
    stepsize, highest, evidence = found
    others: list[StepSize | float] = [*slower(stepsize, run.nit), highest]
    for other in others:
        tried = improved(run, with_rate(run.method, other), steps=max(TRIED, run.nit), below=start_cost(run))
        if tried is not None:
            return cured(run, Cause.DECAYED_TOO_EARLY, evidence, f"lr={described(other)}", tried)
    return None


def _ended(run: Run) -> tuple[StepSize, float, dict[str, Any]] | None:
    """The step sizes of a run that have come down, the highest of them, and both ends as evidence."""
    rates = run.trace.lr[np.isfinite(run.trace.lr)]
    stepsize = getattr(run.method, "lr", None)
    if not isinstance(stepsize, StepSize) or stepsize.compares or not len(rates):
        return None
    highest = highest_rate(stepsize, run.nit, rates)
    if not has_ended(stepsize, run.nit, rates, highest):
        return None
    return stepsize, highest, {"rate at its highest": highest, "rate at the end": float(rates[-1])}
