"""Runs that have come to rest: in the minimum, a lower one elsewhere, a saddle, a plateau, the last digit."""

from __future__ import annotations

import jax
import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import Finding, surroundings
from descend.descent.sweep import sweep
from descend.insight.curvature import Curvature
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.slow import circling, decayed, too_small, vanished
from descend.insight.stationary import sobol
from descend.insight.trials import TRIED, cost, curvature_at, improved, start_cost, told, unbounded
from descend.methods import GradientDescent
from descend.objectives.parameters import as_vector, from_vector
from descend.stepsizes import BarzilaiBorwein

__all__ = ["converged", "floor", "stalled"]

_STARTS, _FEW = 64, 10  # other starts, of at most so many variables, in the search for a better minimum


def converged(run: Run) -> Diagnosis | None:
    """Of a run that converged: whether there is a lower minimum."""
    if run.outcome is not Outcome.CONVERGED:
        return None
    better = _better_minimum(run)
    if better is None:
        size = run.cost_and_gradient()[2]
        return Diagnosis(Cause.HEALTHY, {"cost": run.fun, "gradient norm": size, "steps": run.nit})
    evidence = {"cost": run.fun, "better cost": better.fun, "found at x": as_vector(better.x_array)}
    start = np.array2string(as_vector(better.x_array), precision=3, separator=", ")
    return Diagnosis(Cause.LOCAL_MINIMUM, evidence, f"start elsewhere, e.g. near {start}", told(better))


def _better_minimum(run: Run) -> Run | None:
    """A lower minimum found from other starts around."""
    x, start = as_vector(run.x_array).astype(float), as_vector(run.problem.x0).astype(float)
    if x.size > _FEW or not run.problem.is_traced or not isinstance(run.problem.x0, np.ndarray) or run.problem.data:
        return None
    reach = np.maximum(3.0, 2 * np.abs(x - start))
    points = sobol([*zip(x - reach, x + reach, strict=True)], _STARTS)
    starts = points.astype(run.problem.x0.dtype).reshape(-1, *run.problem.x0.shape)
    method = GradientDescent(lr=BarzilaiBorwein())
    lanes = sweep(run.objective, None, method, starts=starts, steps=300, rows=2, maximize=run.problem.sign < 0)
    costs = np.where(np.isfinite(lanes.fun), run.problem.sign * lanes.fun, np.inf)
    margin = 1e-6 * max(1.0, abs(cost(run)))
    for lane in np.argsort(costs)[:4]:
        if not costs[lane] < cost(run) - margin:
            break
        tried = improved(run, None, x0=lanes[int(lane)].x, steps=2_000, below=cost(run) - margin)
        if tried is not None and tried.outcome is Outcome.CONVERGED:
            return tried
    return None


def floor(run: Run) -> Diagnosis | None:
    """Of a run that ended at the precision of its numbers."""
    if run.outcome is not Outcome.PRECISION_FLOOR:
        return None
    evidence = {"dtype": run.dtype, "gradient norm": run.cost_and_gradient()[2], "cost": run.fun}
    if run.dtype == "float64":
        return Diagnosis(Cause.PRECISION_FLOOR, evidence)
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float64), run.problem.x0)
    tried = improved(run, run.method, x0=wide, steps=max(TRIED, run.nit), below=cost(run))
    if tried is None:
        return Diagnosis(Cause.PRECISION_FLOOR, evidence)
    return Diagnosis(Cause.PRECISION_FLOOR, evidence, "start in float64", told(tried))


def stalled(run: Run) -> Diagnosis | None:
    """Of a run that came to rest where it should not: why."""
    if run.outcome is not Outcome.STALLED:
        return None
    f, grad, size = run.cost_and_gradient()
    bend = curvature_at(run, run.x_array)
    slope = run.method.slope(run.x_array, grad)
    flat, toward = surroundings(run.problem, run.x_array, f, slope, run.method.reach)
    moved = cost(run) < start_cost(run)
    sharp = bend is not None and bend.smallest < -1e-4 * max(1e-3, bend.sharpness)
    if run.finding is Finding.NO_BOUND and not sharp:
        return unbounded({"cost": run.fun, "x": as_vector(run.x_array)})
    scale = max(1.0, float(np.abs(as_vector(run.x_array)).max()))
    if size <= 1e-5 * max(1.0, abs(f)) and bend is not None and (toward or flat):
        if sharp:
            return _saddle(run, bend, scale)
        if (toward and bend.smallest < 0 and moved) or (run.finding is Finding.NO_EXTREME and not flat):
            return _saddle(run, bend, scale)
        return _plateau(run, bend, size)
    return decayed(run) or circling(run) or vanished(run) or too_small(run, bend)


def _saddle(run: Run, bend: Curvature, scale: float) -> Diagnosis:
    evidence = {
        "gradient norm": run.cost_and_gradient()[2],
        "lowest curvature": bend.smallest,
        "along": bend.of_smallest,
    }
    place = as_vector(run.x_array).astype(float)
    for far in (1e-2, 0.1, -0.1, 0.5):
        beside = place + far * scale * bend.of_smallest
        tried = improved(run, None, x0=from_vector(beside, run.problem.x0), below=cost(run))
        if tried is not None:
            shown = np.array2string(beside, precision=3, separator=", ")
            return Diagnosis(Cause.SADDLE, evidence, f"start a little beside it, at {shown}", told(tried))
    return Diagnosis(Cause.SADDLE, evidence)


def _plateau(run: Run, bend: Curvature, size: float) -> Diagnosis:
    evidence = {"gradient norm": size, "largest curvature": bend.sharpness, "cost": run.fun}
    better = _better_minimum(run)
    if better is None:
        return Diagnosis(Cause.PLATEAU, evidence)
    start = np.array2string(as_vector(better.x_array), precision=3, separator=", ")
    return Diagnosis(Cause.PLATEAU, evidence, f"start elsewhere, e.g. near {start}", told(better))
