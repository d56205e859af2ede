"""Runs that have come to a kink of the cost: a minimum, or a place along which it falls."""

from __future__ import annotations

import numpy as np

from descend.descent import Outcome, Run
from descend.descent.kinks import fall_from_kink
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.elsewhere import unless_lower
from descend.insight.trials import HARDLY, TRIED, bottomless, cost, cured, improved, lies_far_off, start_cost
from descend.methods import AdaGrad
from descend.objectives.parameters import as_vector

__all__ = ["along_a_kink", "in_a_kink", "nothing_left", "rests_in_a_kink"]

_SHARES = (1.0, 0.1, 0.01, 1e-3, 1e-4)  # of the size of x: rates of AdaGrad


def rests_in_a_kink(run: Run) -> bool:
    """Whether it stands on a kink from which the cost rises on all sides."""
    return _fall(run) == ""


def _fall(run: Run) -> str | None:
    """See `fall_from_kink`, at the end of a run; None of sampled data."""
    if run.sampling is not None and run.sampling.samples:
        return None
    f, grad, _ = run.cost_and_gradient()
    return fall_from_kink(run.problem, run.x_array, f, grad, run.method.reach)


def in_a_kink(run: Run) -> Diagnosis | None:
    """Of a run that stands on a kink."""
    toward = _fall(run)
    if toward:
        return along_a_kink(run)
    if toward is None:
        return None
    evidence = {"cost": run.fun, "at": "a kink, from which the cost rises on all sides"}
    return unless_lower(run, Diagnosis(Cause.HEALTHY, evidence))


def nothing_left(run: Run) -> Diagnosis | None:
    """Of a run that nothing else explains: whether no steps from its end get lower by more than a trifle.

    Those of AdaGrad do between kinks, where the default ones do not.
    """
    gained = start_cost(run) - cost(run)
    if run.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.STALLED} or not gained > 0:
        return None
    if (endless := bottomless(run, run.x)) is not None:
        return endless
    size = max(1.0, float(np.abs(as_vector(run.x_array)).max()))
    methods = (None, *(AdaGrad(share * size) for share in _SHARES))
    tried = [made for method in methods if (made := improved(run, method, x0=run.x, below=cost(run))) is not None]
    left = max((cost(run) - cost(made) for made in tried), default=0.0)
    if not left <= HARDLY * gained or any(lies_far_off(run, made) for made in tried):
        return None
    evidence = {"cost": run.fun, "what other steps from its end win, of what was gained": left / gained}
    return unless_lower(run, Diagnosis(Cause.HEALTHY, evidence))


def along_a_kink(run: Run) -> Diagnosis:
    """Steps that decay reach what lies along the kink: AdaGrad's do, at a rate of the size of x."""
    evidence = {"cost": run.fun, "at": "a kink: the cost rises to both sides, and falls along the kink"}
    size = max(1.0, float(np.abs(as_vector(run.x_array)).max()))
    found = None
    for lr in (size, 0.1 * size, 0.01 * size):
        tried = improved(run, AdaGrad(lr), steps=max(TRIED, run.nit), below=cost(run if found is None else found[1]))
        found = found if tried is None else (lr, tried)
    if found is None:
        return nothing_left(run) or Diagnosis(Cause.OSCILLATING, evidence)
    return cured(run, Cause.OSCILLATING, evidence, f"take AdaGrad(lr={found[0]:.3g})", found[1])
