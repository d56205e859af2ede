"""Runs that went astray: a rate that is too large, an edge, no bound, a wrong gradient."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import Finding, has_no_bound
from descend.insight.changed_methods import rescaled, round_rate, with_rate
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.gradient_check import check_gradient
from descend.insight.stability import stability_limit
from descend.insight.trials import (
    RIGHT_RULE,
    TRIED,
    again,
    bottomless,
    cost,
    cured,
    curvature_at,
    false_slopes,
    fixed_rate,
    improved,
    points,
    start_cost,
    unbounded,
)
from descend.insight.without_end import falls_to_the_edge
from descend.objectives.parameters import as_vector, from_vector

__all__ = ["at_an_edge", "diverged", "wrong_gradient"]

_INSIDE = "keep x inside, e.g. with Projected(method, Box(low, high))"  # a cure
_INEXACT = 1e-5  # of the first gradient: differences that a user makes are as inexact as that
_FEWEST = 50  # steps for which a cure is tried
_TINY, _LARGER = 1e-6, 10.0  # share of a step; times the cost at the start, which is much more
_LATE = 3  # points before the end, at which a rule for the derivative is looked at
_FALLS_IN = 10  # times as many steps, in which a cure must not diverge
_AS_LONG = 5_000  # steps: a cure is tried for longer than it took to diverge, up to so many


def wrong_gradient(run: Run) -> Diagnosis | None:
    """Whether `grad=` differs from the derivative, somewhere on the way."""
    problem = run.problem
    if problem.grad is None:
        return _wrong_rule(run)
    first = float(run.trace.gradient_norm[0])
    for _, x in reversed([*points(run)]):
        try:
            check = check_gradient(problem.call, lambda p, *d: _unsigned(problem, p, d), x, data=problem.data)
        except (ValueError, TypeError):
            continue
        if not check.is_right and abs(check.wrong[0].given - check.wrong[0].right) > _INEXACT * first:
            worst = check.wrong[0]
            evidence = {
                "wrong coordinates": len(check.wrong), "of": check.size, "at x": as_vector(x),
                f"given, in {worst.name}": worst.given, f"right, in {worst.name}": worst.right,
            }  # fmt: skip
            better = improved(run, run.method, below=cost(run))
            if better is None:
                return Diagnosis(Cause.WRONG_GRADIENT, evidence, "mend grad=")
            cure = "leave grad= out: the gradient is then derived from the function"
            return cured(run, Cause.WRONG_GRADIENT, evidence, cure, better)
    return None


def _wrong_rule(run: Run) -> Diagnosis | None:
    """Whether a rule of the user's own for the derivative is wrong where the run began, or where it led."""
    if run.success:
        return None
    problem = run.problem
    has_rules = problem.is_traced and problem.traced(*problem.data).has_rules
    late = () if run.trace.x is None else run.trace.x[-_LATE:]  # it may go to and fro
    places = (problem.x0, run.x_array, *(from_vector(x, problem.x0) for x in late))
    for x in places if has_rules else places[:1]:
        if false := false_slopes(run, x):
            return Diagnosis(Cause.WRONG_GRADIENT, false, RIGHT_RULE)
    return None


def _unsigned(problem: Any, x: Any, data: Any) -> Any:
    return jax.tree.map(lambda g: problem.sign * g, problem.grad(x, *data))


def diverged(run: Run) -> Diagnosis | None:
    """Of a run that diverged, or was thrown past a minimum on to flat ground: why."""
    if run.finding is Finding.LEAPT_OVER:
        return None if fixed_rate(run) is None else _above_the_limit(run) or _smaller_helps(run)
    if run.outcome is not Outcome.DIVERGED:
        return None
    first, last = start_cost(run), float(run.problem.sign * run.trace.f[-1])
    if run.finding is Finding.NO_BOUND or (last < first and has_no_bound(last, first)):
        evidence = {"cost at the start": run.problem.sign * first, "cost at the end": run.problem.sign * last}
        if run.bad_x is not None:
            evidence["cost a step later"] = run.problem.sign * _beyond(run)[0]
        return unbounded(evidence)
    return _above_the_limit(run) or _edge(run) or _smaller_helps(run)


def _above_the_limit(run: Run) -> Diagnosis | None:
    """Whether the rate was above the limit of stability at a point where the run has been, before it went astray."""
    first, costs = start_cost(run), run.problem.sign * run.trace.f
    used = float(np.nanmax(run.trace.lr)) if np.isfinite(run.trace.lr).any() else run.lr
    for row, x in points(run):
        if used is None or (row and costs[row] > max(first, 0) * 1e3 + 1e3 * abs(first)):
            return None  # by then it was astray already
        bend = curvature_at(run, x)
        limit = np.nan if bend is None else stability_limit(run.method, bend.largest)
        if bend is not None and used > limit:
            evidence = {"learning rate": used, "largest curvature L": bend.largest, "limit of stability": limit}
            return _smaller(run, limit / 2, {**evidence, "step": int(run.trace.step[row])})
    return None


def _smaller(run: Run, lr: float, evidence: dict[str, Any]) -> Diagnosis | None:
    """The cure is a smaller rate: of a few, the first that works, or one that halves the cost once more."""
    was_cut = run.bad_x is not None or run.finding is Finding.LEAPT_OVER  # before all steps were made
    steps = min(max(TRIED, 4 * run.nit), _AS_LONG) if was_cut else max(run.nit, _FEWEST)
    fixed = fixed_rate(run) is not None
    best: tuple[float, Run] | None = None
    for _ in range(10 if fixed else 0):
        below = min(start_cost(run), cost(run)) if best is None else cost(best[1]) - 0.5 * abs(cost(best[1]))
        lr = round_rate(lr)
        tried = improved(run, with_rate(run.method, lr), below=below, steps=steps)
        if tried is not None:
            best = lr, tried
        elif best is not None:  # the first that ends lower may only have come by
            break
        lr /= 2 if best is None else 4
    if best is not None:
        if best[1].outcome is Outcome.STEPS_EXHAUSTED:  # with more steps it may fall in, too
            longer = again(run, with_rate(run.method, best[0]), x0=best[1].x, steps=_FALLS_IN * steps)
            falls = longer is not None and longer.outcome in {Outcome.DIVERGED, Outcome.STALLED}
            if falls and (endless := bottomless(run, best[1].x)) is not None:
                return endless
        return cured(run, Cause.RATE_TOO_LARGE, evidence, f"lr={best[0]:.3g}", best[1])
    tried = improved(run, None, below=start_cost(run))
    if tried is not None:
        cure = "leave the method out: the default finds its steps"
        return cured(run, Cause.RATE_TOO_LARGE, evidence, cure, tried)
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence)


def _beyond(run: Run) -> tuple[float, bool]:
    """The cost, as it is minimised, at the point that was not kept; and whether its gradient is finite there."""
    value, grad = run.problem.value_and_grad(run.bad_x, *run.problem.data)
    return float(value), bool(np.isfinite(as_vector(grad)).all())


def _edge(run: Run) -> Diagnosis | None:
    if run.bad_x is None:
        return None
    there, has_slope = _beyond(run)
    bad, last = as_vector(run.bad_x), as_vector(run.x_array)
    far = float(np.abs(bad).max()) > 1e3 * (1 + float(np.abs(last).max()))
    if (np.isfinite(there) and has_slope) or far or (abs(there) == np.inf and float(np.abs(bad).max()) > 1e3):
        return None
    evidence = {"last finite x": last, "then x": bad, "cost there": run.problem.sign * there}
    evidence |= {} if has_slope else {"gradient there": "not finite"}
    if there == -np.inf and cost(run) <= start_cost(run):
        return unbounded(evidence)
    if abs(there) == np.inf and _overflows(run):
        return None
    if (endless := falls_to_the_edge(run, bad)) is not None:
        return endless
    lr = fixed_rate(run)
    cures = {"leave the method out: the default does not step beyond the edge": None}
    cures |= {} if lr is None else {f"lr={lr / 10:.3g}": with_rate(run.method, round_rate(lr / 10))}
    for cure, method in cures.items():
        tried = improved(run, method, below=min(start_cost(run), cost(run)))
        if tried is not None:
            return cured(run, Cause.LEFT_DOMAIN, evidence, cure, tried)
    return Diagnosis(Cause.LEFT_DOMAIN, evidence, _INSIDE)


def at_an_edge(run: Run) -> Diagnosis:
    """Of a run that stands where the cost is no number a little ahead, down its slope."""
    here, grad = as_vector(run.x_array), as_vector(run.cost_and_gradient()[1])
    size = float(np.abs(here).max())
    for far in (2 * size, 1.0 + size):
        ahead = here - far * grad / np.abs(grad).max()
        is_past = not np.isfinite(run.problem.value(from_vector(ahead, run.problem.x0), *run.problem.data))
        if is_past and (endless := falls_to_the_edge(run, ahead)) is not None:
            return endless
    evidence = {"x": as_vector(run.x_array), "cost": run.fun, "gradient norm": run.cost_and_gradient()[2]}
    return Diagnosis(Cause.LEFT_DOMAIN, {**evidence, "a little ahead": "the cost is no number"}, _INSIDE)


def _overflows(run: Run) -> bool:
    """Whether the cost had become much larger than at the start, or does so on half of the way to where it is inf."""
    inside, way = as_vector(run.x_array).astype(float), as_vector(run.bad_x) - as_vector(run.x_array).astype(float)

    def cost_at(share: float) -> float:
        return float(run.problem.value(from_vector(inside + share * way, run.problem.x0), *run.problem.data))

    share = 1.0
    while not np.isfinite(cost_at(share)) and share > _TINY:
        share /= 2
    return max(cost(run), cost_at(share / 2)) > _LARGER * max(1.0, abs(start_cost(run)))


def _smaller_of_many(run: Run) -> Diagnosis | None:
    """The same of a schedule, or of a method from elsewhere, whose updates can be scaled."""
    evidence = {"limit of stability": "not known here: smaller rates were tried"}
    for k in range(1, 8):
        smaller = rescaled(run.method, 0.25**k)
        tried = None if smaller is None else improved(run, smaller.method, below=start_cost(run))
        if smaller is not None and tried is not None:
            return cured(run, Cause.RATE_TOO_LARGE, evidence, smaller.how, tried)
    return None


def _smaller_helps(run: Run) -> Diagnosis | None:
    """Where no limit is known: whether a smaller rate ends well."""
    lr = fixed_rate(run)
    if lr is None:
        return _smaller_of_many(run)
    evidence = {"learning rate": lr, "limit of stability": "not known here: smaller rates were tried"}
    found = _smaller(run, lr / 4, evidence)
    return found if found is not None and found.cure else None
