"""Lower minima elsewhere, found from other starts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run
from descend.descent.sweep import sweep
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.stationary import sobol
from descend.insight.trials import (
    HARDLY,
    TRIED,
    again,
    as_start,
    at_a_tenth,
    cost,
    cured,
    curvature_at,
    improved,
    shown,
    start_cost,
)
from descend.insight.without_end import falls_for_ever
from descend.methods import GradientDescent
from descend.objectives import Landscape
from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, from_vector
from descend.stepsizes import BarzilaiBorwein

__all__ = [
    "better_minimum",
    "downhill",
    "elsewhere",
    "is_beyond_a_rise",
    "local",
    "typed",
    "unless_lower",
    "with_default",
]

_ELSEWHERE = 1e-4  # of the box in which starts lie: another minimum is further away
_STEPS = 300  # from each start
_BETWEEN = 65  # places on the way to a lower minimum
_MUCH = 0.01  # of what the run has gained: more to gain down the same slope is what a tolerance must not hide
_SECONDS = 0.5  # after which no fifth trial is begun to reach a lower minimum that other starts hint at
_NEARER = (0.0, 0.01, 0.1)  # of x: starts that are nearer to 0
_THROWN = 5.0  # times as far from the start
_NEAR = 0.95  # of the way from the start to a minimum that is known
_STARTS, _FEW = 64, 10  # other starts, of at most so many variables, in the search for a better minimum


def better_minimum(run: Run, near: Run | None = None) -> Run | None:
    """A minimum found from other starts around that is lower than a run, or than what is near its end."""
    problem = run.problem
    x, start = as_vector(run.x_array).astype(float), as_vector(problem.x0).astype(float)
    if x.size > _FEW:
        return None
    reach, count = np.maximum(3.0, 2 * np.abs(x - start)), _STARTS if problem.is_traced else _STARTS // 4
    boxes = [reach, *([2 * np.abs(x)] if (2 * np.abs(x) > reach).any() else [])]  # |x| tells its units, too
    points = np.concatenate([sobol([*zip(x - box, x + box, strict=True)], count) for box in boxes])
    points = np.concatenate([points, np.outer(_NEARER, x)])  # what is saturated is so on all sides, but not near 0
    starts = [run.method.reach(problem.x0, from_vector(typed(point), problem.x0)) for point in points]
    starts = [start for start in starts if _is_finite_at(problem, start)]
    if not starts:
        return None
    within = run.method if run.method.restricts else None  # it alone knows where it may go
    method = within or GradientDescent(lr=BarzilaiBorwein())
    steps = _STEPS if problem.is_traced else _STEPS // 4
    try:
        lanes = sweep(
            run.objective, None, method, starts=starts, steps=steps, rows=2, maximize=problem.sign < 0,
            data=problem.data or None,
        )  # fmt: skip
    except ValueError:  # it is random, and only its given gradient is not
        return None
    costs = np.where(np.isfinite(lanes.fun), problem.sign * lanes.fun, np.inf)
    margin = 1e-6 * abs(start_cost(run) - cost(run)) + 64 * float(np.finfo(run.dtype).eps) * abs(cost(run))
    margin += 4 * problem.noise
    lowest = cost(run if near is None else near) - margin
    until, made = time.perf_counter() + _SECONDS, 0
    for lane in np.argsort(costs)[:4]:
        if not costs[lane] < lowest:
            break
        there = jax.tree.map(lambda a, b: typed(0.9 * a + 0.1 * b).astype(a.dtype), lanes[int(lane)].x, starts[lane])
        for begin, own in ((starts[lane], run.method), (there, run.method), (starts[lane], within), (there, within)):
            made += 1
            if made > 4 and time.perf_counter() > until:
                return None
            tried = improved(run, own, x0=begin, steps=2_000, below=lowest)
            if tried is None:
                continue
            there_x = as_vector(tried.x_array).astype(float)
            if not float(np.abs(there_x - x).max()) > _ELSEWHERE * float(reach.max()):
                continue
            is_much = cost(run) - cost(tried) > _MUCH * abs(start_cost(run) - cost(run))
            is_beyond = _rises_between(problem, x, there_x, margin)
            if tried.outcome is Outcome.CONVERGED:
                is_another = is_much or is_beyond  # and not the same minimum, reached more exactly
            else:  # on its way to one, or beside a kink
                rests = run.outcome is Outcome.CONVERGED or near is not None
                is_another = rests and is_much and is_beyond and falls_for_ever(tried) is None
            if is_another:
                return tried
    return None


def _rises_between(problem: Problem, x: np.ndarray, there: np.ndarray, margin: float) -> bool:
    """Whether the cost rises on the straight way from x to a lower place: else it is further down the same slope."""
    way = [from_vector(x + by * (there - x), problem.x0) for by in np.linspace(0, 1, _BETWEEN)]
    costs = np.array([float(problem.value(point, *problem.data)) for point in way])
    return not bool((costs <= costs[0] + margin).all())  # nan is a barrier, too


def _is_finite_at(problem: Problem, x: Any) -> bool:
    with np.errstate(all="ignore"):
        value, grad = problem.value_and_grad(x, *problem.data)
    return bool(np.isfinite(value) and np.isfinite(as_vector(grad)).all())


def is_beyond_a_rise(run: Run, better: Run) -> bool:
    """Whether the cost rises on the straight way from the end of a run to that of another."""
    here, there = (as_vector(x).astype(float) for x in (run.x_array, better.x_array))
    return _rises_between(run.problem, here, there, 0.0)


def downhill(run: Run) -> Run | None:
    """Where the default steps lead from the end of a run: to what is next to it, if short ones come to rest there.

    The first of these steps has a length that nothing has told, and may lead across a rise; then they begin with one
    that fits the curvature. None of batches.
    """
    if run.sampling is not None and run.sampling.samples:
        return None
    tried = again(run, None, x0=run.x)
    bend = curvature_at(run, run.x_array) if tried is not None and is_beyond_a_rise(run, tried) else None
    if bend is not None and bend.largest > 0:
        first = float(np.abs(as_vector(run.cost_and_gradient()[1])).max()) / bend.largest
        near = again(run, GradientDescent(BarzilaiBorwein(first=first)), x0=run.x) if 0 < first < 1 else None
        tried = tried if near is None or not near.success else near
    return tried


def _known_minimum(run: Run) -> dict[str, Any] | None:
    """The lowest cost of a landscape that knows it, where the run is well above; as evidence."""
    found = run.objective
    if not isinstance(found, Landscape) or run.problem.sign < 0:
        return None
    if not cost(run) - found.fmin > _MUCH * (start_cost(run) - found.fmin):
        return None
    return {"lowest cost that is known": found.fmin, "at x": np.ravel(found.minima[0])}


def unless_lower(run: Run, healthy: Diagnosis, near: Run | None = None) -> Diagnosis:
    """What is to be said of a run that has arrived in a minimum, or near one: that, unless there is a lower one."""
    better, known = better_minimum(run, near), _known_minimum(run)
    if better is not None:
        return _thrown(run, better) or local(run, better, known)
    if known is not None:
        return _below(run, known)
    many = as_vector(run.x_array).size > _FEW
    told = {"whether there is a lower minimum": "not looked for in so many variables"} if many else {}
    return replace(healthy, evidence={**healthy.evidence, **told})


def _thrown(run: Run, better: Run) -> Diagnosis | None:
    """Whether a tenth of the rate leads from the same start to a place as low, that is nearer by far."""
    as_low = cost(better) + HARDLY * abs(start_cost(run) - cost(better))
    found = at_a_tenth(run, steps=max(run.nit, TRIED), below=as_low)
    start, end = (as_vector(x).astype(float) for x in (run.problem.x0, run.x_array))
    if found is None or not np.abs(end - start).max() > _THROWN * np.abs(as_vector(found[1].x_array) - start).max():
        return None
    return cured(run, Cause.RATE_TOO_LARGE, {"learning rate": run.lr, "cost": run.fun, "x": end}, *found)


def _below(run: Run, known: dict[str, Any]) -> Diagnosis:
    """Of a run that ended above the minimum of a landscape: a start near to that leads there, if one does."""
    near = typed(_NEAR * known["at x"] + (1 - _NEAR) * as_vector(run.problem.x0))
    for method in (run.method, None):
        tried = improved(run, method, x0=from_vector(near, run.problem.x0), below=cost(run))
        if tried is not None:
            return local(run, tried, known)
    return Diagnosis(Cause.LOCAL_MINIMUM, {"cost": run.fun, **known}, "start elsewhere, nearer to it")


def local(run: Run, better: Run, known: dict[str, Any] | None = None) -> Diagnosis:
    """Of a run that ended above a minimum to which another start has led."""
    evidence = {"cost": run.fun, **(known or {}), "better cost": better.fun, "found at x": as_vector(better.x_array)}
    evidence["from x0"] = as_vector(better.problem.x0)
    return cured(run, Cause.LOCAL_MINIMUM, evidence, elsewhere(run, better), better)


def elsewhere(run: Run, better: Run) -> str:
    """A cure: another start, and where it leads to."""
    return (
        f"start elsewhere, e.g. at {as_start(better.problem.x0)}{with_default(run, better)}, which leads "
        f"{'to' if better.outcome is Outcome.CONVERGED else 'towards'} {shown(better.x_array)}"
    )


def with_default(run: Run, tried: Run) -> str:
    """What is to be said of the method where another start was tried with the default one."""
    return "" if tried.method == run.method else " and leave the method out"


def typed(point: Any) -> np.ndarray:
    """A point as it is told, with four digits, so that what was tried is what the user will try."""
    flat = np.atleast_1d(np.asarray(point, float))
    return np.array([float(f"{value:.4g}") for value in flat.ravel()]).reshape(np.shape(point))
