"""`explain`: from a run to its diagnosis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from descend.descent import Run
from descend.insight.astray import diverged, wrong_gradient
from descend.insight.decay import left_astray
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.kinks import nothing_left
from descend.insight.resting import (
    all_but_there,
    arrived,
    converged,
    floor,
    frozen,
    held_up,
    level,
    penalised,
    rounded,
    stalled,
)
from descend.insight.sampled import sampled
from descend.insight.slow import on_its_way
from descend.insight.to_and_fro import noisy
from descend.insight.trials import TRIED, cost, gains, improved, told
from descend.insight.without_end import falls_for_ever

__all__ = ["explain"]


_LOOKS = (
    wrong_gradient, frozen, penalised, rounded, level, left_astray, diverged, converged, floor, falls_for_ever, noisy,
    stalled, sampled, all_but_there, on_its_way, arrived, held_up, nothing_left,
)  # fmt: skip


def explain(run: Run) -> Diagnosis:
    """Find out why a run ended as it did.

    What is said was measured: curvature where the run has been, the limit of stability of its method, the gradient,
    other starts. A cure was tried in a short run of its own, from the start of the run, before it is given.

    Raises
    ------
    ValueError
        The run has not ended.
    """
    if run.outcome is None:
        raise ValueError("the run has not ended: explain it afterwards")
    with np.errstate(all="ignore"):
        found = _found(run)
    return replace(found, outcome=run.outcome, explained=run)


def _found(run: Run) -> Diagnosis:
    """What the first look that finds something says; what has held it up without a cure only after the others."""
    slow = None
    for look in _LOOKS:
        found = look(run)
        if look is on_its_way and found is not None and not found.cure and found.cause is not Cause.HEALTHY:
            slow = found  # nothing helps: it may be there already
        elif found is not None:
            return found
    if slow is not None:
        return slow
    tried = improved(run, None, steps=max(run.nit, TRIED), below=cost(run))
    evidence = {"cost": run.fun, "gradient norm": run.cost_and_gradient()[2]}
    if tried is None or not gains(run, tried):
        return Diagnosis(Cause.UNKNOWN, evidence)
    return Diagnosis(Cause.UNKNOWN, evidence, "leave the method out: the default finds its steps", told(tried))
