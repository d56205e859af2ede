"""Runs that have come to rest: in the minimum, a lower one elsewhere, a saddle, a plateau, the last digit."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import Finding, has_no_bound, length, noise_of, reach_of, surroundings
from descend.insight.astray import at_an_edge
from descend.insight.changed_methods import lighter
from descend.insight.curvature import Curvature
from descend.insight.decay import decayed
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.elsewhere import (
    better_minimum,
    downhill,
    elsewhere,
    is_beyond_a_rise,
    local,
    typed,
    unless_lower,
    with_default,
)
from descend.insight.kinks import along_a_kink, rests_in_a_kink
from descend.insight.slow import too_small
from descend.insight.tired import vanished
from descend.insight.to_and_fro import circling, swinging, too_large
from descend.insight.trials import (
    FROZEN,
    HARDLY,
    RIGHT_RULE,
    TRIED,
    again,
    as_start,
    cost,
    cured,
    curvature_at,
    false_slopes,
    improved,
    lies_far_off,
    start_cost,
    unbounded,
    way_to,
)
from descend.methods import Frozen
from descend.objectives.parameters import as_vector, from_vector

__all__ = [
    "all_but_there",
    "arrived",
    "converged",
    "floor",
    "frozen",
    "held_up",
    "level",
    "penalised",
    "rounded",
    "stalled",
]

_LIGHTER = 0.1  # of the gradient is left where it balances a hundredth of the decay
_LIGHTER_BY = (1e2, 1e4)  # times as light, a decay is tried: with the first it may still pull above the start
_PENALISED, _AT_REST = 0.1, 1e-3  # shares of what could be gained without a penalty; of a run that rests
_OF_THE_COST = 0.25  # that goes without the penalty
_LITTLE = 0.1  # of what there is to win: a slope that leads no farther over the size of x is next to level
_SLOPE, _SPACINGS = 1e-5, 4  # no next to nothing; of the cost: a step down it wins no more than these
_STEEPER = 2.5  # times as much at twice the distance: 2 along a slope, 1 beyond a jump
_NO_SLOPE = 1e-30  # of a slope as small as that nothing is left after a step or two
_LARGE_CONSTANT = 1e6  # in a cost as large as that curvature may drown
_FLAT = 1e-9  # share of the cost by which it changes over the size of x
_WIDER = "start in float64"  # a cure
_LEFT = 1e-4  # share of what was gained that may be left where all is well
_NEXT_TO_NOTHING, _NEAR = 1e-8, 0.01  # share of what was gained; of the size of x


def converged(run: Run) -> Diagnosis | None:
    """Of a run that converged: whether there is a lower minimum."""
    if run.outcome is not Outcome.CONVERGED:
        return None
    evidence = {"cost": run.fun, "gradient norm": run.cost_and_gradient()[2], "steps": run.nit}
    return unless_lower(run, Diagnosis(Cause.HEALTHY, evidence))


def held_up(run: Run) -> Diagnosis | None:
    """Of a run that still moves, but wins nothing: whether a much lower place lies down its slope, or elsewhere."""
    if run.outcome is not Outcome.STEPS_EXHAUSTED or not cost(run) < start_cost(run):
        return None
    near = downhill(run)
    near = near if near is not None and near.success else None
    better = better_minimum(run, near)
    if better is None:
        return None
    if is_beyond_a_rise(run, better):  # it may get there round the bend of a valley, unless it comes to rest before
        return None if near is None else local(run, better)
    size = run.cost_and_gradient()[2]
    if not size * reach_of(run.x_array) < _LITTLE * (cost(run) - cost(better)):
        return None
    return cured(run, Cause.PLATEAU, {"gradient norm": size, "cost": run.fun}, elsewhere(run, better), better)


def _beyond_a_rise(run: Run) -> Diagnosis | None:
    """Of a run that rests in a valley with a level floor: whether a lower minimum lies beyond a rise."""
    better = better_minimum(run)
    return local(run, better) if better is not None and is_beyond_a_rise(run, better) else None


def frozen(run: Run) -> Diagnosis | None:
    """Of a run whose parameters may not move."""
    if not any(isinstance(part, Frozen) for part in run.method.parts()) or run.outcome is Outcome.CONVERGED:
        return None
    grad = run.cost_and_gradient()[1]
    if length(grad) == 0 or length(run.method.slope(run.x_array, grad)) > 0:
        return None
    evidence = {"message": run.message, "gradient norm of what is frozen": length(grad)}
    return Diagnosis(Cause.UNKNOWN, evidence, FROZEN)


def penalised(run: Run) -> Diagnosis | None:
    """Whether a decay of the parameters, which the method has, holds the run away from where the cost is lowest."""
    if run.outcome in {Outcome.CONVERGED, Outcome.INTERRUPTED, Outcome.OUT_OF_TIME}:
        return None
    tried, cure = None, ""
    for times in _LIGHTER_BY:
        if tried is None and (found := lighter(run.method, run.problem.x0, times)) is not None:
            tried, cure = improved(run, found[0], steps=min(max(TRIED, run.nit), 20_000), below=cost(run)), found[1]
    costs = run.trace.f[len(run.trace) // 2 :]
    rests = run.outcome is Outcome.STALLED or float(np.ptp(costs)) <= HARDLY * abs(start_cost(run) - cost(run))
    share = _AT_REST if rests else _PENALISED
    if tried is None:
        return None
    evidence = run.method.pulls(run.problem.x0) | {"cost": run.fun}
    won, all_there_is = cost(run) - cost(tried), max(start_cost(run), cost(run)) - cost(tried)
    if won > share * all_there_is or won > max(_OF_THE_COST * abs(cost(run)), _AT_REST * all_there_is):
        return cured(run, Cause.PENALTY, evidence, cure, tried)
    slope, lighter_slope = run.cost_and_gradient()[2], tried.cost_and_gradient()[2]
    if rests and lighter_slope < _LIGHTER * slope:  # where gradient and decay balance, as was wanted
        return Diagnosis(Cause.HEALTHY, {**evidence, f"with {cure}": tried.fun})
    return None


def floor(run: Run) -> Diagnosis | None:
    """Of a run that ended at the precision of its numbers."""
    if run.outcome is not Outcome.PRECISION_FLOOR:
        return None
    evidence = {"dtype": run.dtype, "gradient norm": run.cost_and_gradient()[2], "cost": run.fun}
    if run.problem.noise:
        evidence["values of the objective are exact to about"] = run.problem.noise
    if run.dtype == "float64":
        return unless_lower(run, Diagnosis(Cause.PRECISION_FLOOR, evidence))
    tried = _in_float64(run)
    if tried is None or not cost(tried) < cost(run) - noise_of(run.problem, run.x_array, cost(run)):
        return Diagnosis(Cause.PRECISION_FLOOR, evidence)
    return cured(run, Cause.PRECISION_FLOOR, evidence, _WIDER, tried)


def _in_float64(run: Run) -> Run | None:
    """The same run in float64, if it does not go astray."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the data are of float32, as they are
        return improved(run, run.method, x0=_widened(run.problem.x0), steps=max(TRIED, run.nit), below=np.inf)


def _widened(x: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(np.float64), x)


def rounded(run: Run) -> Diagnosis | None:
    """Of a run in float32 that has stalled: whether the cost is rounded by more than is left to win.

    As it is where large parts of it cancel each other: what it seems to be around x is no plateau and no saddle.
    """
    if run.outcome is not Outcome.STALLED or run.dtype != "float32" or not run.problem.is_traced:
        return None
    tried = _in_float64(run)
    if tried is None or tried.outcome is not Outcome.CONVERGED:
        return None
    exact = float(tried.problem.value(_widened(run.x_array), *tried.problem.data))
    if not abs(cost(run) - exact) > abs(exact - cost(tried)):
        return None
    evidence = {"dtype": run.dtype, "cost": run.fun, "cost at the same point in float64": run.problem.sign * exact}
    return cured(run, Cause.PRECISION_FLOOR, evidence, _WIDER, tried)


def stalled(run: Run) -> Diagnosis | None:
    """Of a run that came to rest where it should not: why."""
    if run.outcome is not Outcome.STALLED:
        return None
    if run.finding is Finding.KINK:
        return along_a_kink(run)
    if run.finding is Finding.EDGE:
        return at_an_edge(run)
    if run.finding is Finding.JUMPS:
        evidence = {"cost": run.fun, "the cost": "changes in jumps, which no gradient can see"}
        return Diagnosis(Cause.PLATEAU, evidence, "put a smooth cost in the place of floor, round or a comparison")
    f, grad, size = run.cost_and_gradient()
    bend = curvature_at(run, run.x_array)
    slope = run.method.slope(run.x_array, grad)
    flat, toward = surroundings(run.problem, run.x_array, f, slope, run.method.reach)
    moved = cost(run) < start_cost(run)
    sharp = bend is not None and bend.smallest < -1e-4 * max(1e-3, bend.sharpness)
    if run.finding is Finding.NO_BOUND and not sharp:
        return unbounded({"cost": run.fun, "x": as_vector(run.x_array)})
    scale = max(1.0, float(np.abs(as_vector(run.x_array)).max()))
    rests = run.finding is Finding.NO_EXTREME or size <= 1e-5 * max(1.0, abs(f))
    if run.finding is Finding.NO_EXTREME and not sharp and (false := false_slopes(run, run.x_array)):
        return Diagnosis(Cause.WRONG_GRADIENT, false, RIGHT_RULE)
    falls_at_once = rests and bend is not None and _falls_at_once(run, bend, scale)
    may_be_level = abs(f) <= _LARGE_CONSTANT and not falls_at_once
    if rests and bend is not None and may_be_level and bend.sharpness * scale**2 <= _FLAT * abs(f):
        return _plateau(run, bend, size)
    if rests and bend is not None and (toward or flat):
        if sharp:
            return _saddle(run, bend, scale)
        is_valley = bend.smallest >= -HARDLY * bend.sharpness and bend.sharpness * scale**2 > abs(start_cost(run) - f)
        if is_valley and moved and (found := _beyond_a_rise(run)) is not None:
            return found
        bends_down = falls_at_once or bend.smallest == 0 or bend.smallest < -HARDLY * bend.sharpness  # not by rounding
        if bends_down and ((toward and moved) or (run.finding is Finding.NO_EXTREME and not flat)):
            return _saddle(run, bend, scale)
        if flat and bend.smallest > 0:
            return _drowned(run, bend)
        return _plateau(run, bend, size)
    return swinging(run) or decayed(run) or circling(run) or vanished(run) or too_small(run, bend) or too_large(run)


def _falls_at_once(run: Run, bend: Curvature, scale: float) -> bool:
    """Whether the cost falls close by, ever more steeply, however little it bends here: as x³ does beside 0."""
    f, _, size = run.cost_and_gradient()
    far = float(np.finfo(run.dtype).eps) ** 0.25 * scale
    least = 2 * size * far + 4 * noise_of(run.problem, run.x_array, f)

    def fall(by: float) -> float:
        there = from_vector(as_vector(run.x_array) + by * bend.of_smallest, run.problem.x0)
        return f - float(run.problem.value(there, *run.problem.data))

    return any(fall(by) > max(least, _STEEPER * fall(by / 2)) for by in (far, -far))


def _saddle(run: Run, bend: Curvature, scale: float) -> Diagnosis:
    sign = run.problem.sign
    which = "lowest curvature" if sign > 0 else "highest curvature"
    evidence: dict[str, Any] = {"gradient norm": run.cost_and_gradient()[2], which: sign * bend.smallest}
    if bend.smallest < 0:
        evidence["along"] = bend.of_smallest
    mixed = np.random.default_rng(0).normal(size=bend.of_smallest.size)  # leads off other saddles, too
    found = [tried for way in (bend.of_smallest, mixed / np.linalg.norm(mixed)) if (tried := _beside(run, way, scale))]
    if not found:
        return Diagnosis(Cause.SADDLE, evidence)
    if any(has_no_bound(cost(tried), start_cost(run)) or tried.finding is Finding.NO_BOUND for tried in found):
        return Diagnosis(Cause.SADDLE, {**evidence, "beside it": "the cost has no bound"})  # no place to go to
    lowest = min(found, key=cost)
    best = found[0] if cost(found[0]) - cost(lowest) <= HARDLY * (cost(run) - cost(lowest)) else lowest
    beside = as_vector(best.problem.x0)
    cure = f"start a little beside it, at {as_start(best.problem.x0)}{with_default(run, best)}"
    return cured(run, Cause.SADDLE, {**evidence, "beside it": beside}, cure, best)


def _beside(run: Run, way: np.ndarray, scale: float) -> Run | None:
    """A run from a little beside the end of another, that way, which goes on down from there."""
    place = as_vector(run.x_array).astype(float)
    ways = (1e-2, -1e-2, 0.1, -0.1, 0.5)
    for method, far in (*((run.method, far) for far in ways), *((None, far) for far in ways)):
        tried = again(run, method, x0=from_vector(typed(place + far * scale * way), run.problem.x0))
        if tried is None or not cost(tried) < cost(run):
            continue
        if not start_cost(tried) - cost(tried) > abs(cost(run) - start_cost(tried)):
            continue  # beside it is lower as such: what counts is that it goes on from there
        is_endless = has_no_bound(cost(tried), start_cost(run)) or tried.finding is Finding.NO_BOUND
        if is_endless or tried.outcome is not Outcome.DIVERGED:
            return tried
    return None


def _plateau(run: Run, bend: Curvature, size: float) -> Diagnosis:
    evidence = {"gradient norm": size, "largest curvature": bend.sharpness, "cost": run.fun}
    better = better_minimum(run)
    if better is None:
        return Diagnosis(Cause.PLATEAU, evidence)
    return cured(run, Cause.PLATEAU, evidence, elsewhere(run, better), better)


def level(run: Run) -> Diagnosis | None:
    """Of a run that has hardly gained anything: whether it stands on a plateau."""
    f, _, size = run.cost_and_gradient()
    first, at_start = start_cost(run), float(run.trace.gradient_norm[0]) * reach_of(run.problem.x0)
    if run.outcome is Outcome.DIVERGED and run.lr is None and float(run.trace.gradient_norm[0]) < _NO_SLOPE:
        evidence = {"cost at the start": start_cost(run), "gradient norm there": float(run.trace.gradient_norm[0])}
        return Diagnosis(Cause.PLATEAU, evidence, "start elsewhere: such a slope leads nowhere")
    if run.outcome is Outcome.DIVERGED:  # a step size that is to be found may be anything there
        is_level = run.lr is None and at_start <= _FLAT * abs(first)
    else:
        rests = run.outcome is Outcome.STALLED and run.finding is None
        may_be = rests or run.outcome in {Outcome.STEPS_EXHAUSTED, Outcome.OUT_OF_TIME, Outcome.INTERRUPTED}
        shrinks = size < 0.5 * float(run.trace.gradient_norm[0])  # as it does on a way down beside a large constant
        is_level = may_be and not shrinks and max(abs(first - f), size * reach_of(run.x_array)) <= HARDLY * abs(f)
    bend = curvature_at(run, run.x_array) if is_level else None
    if bend is None:
        return None
    to_win = size**2 / (2 * bend.smallest) if bend.smallest > 0 else np.inf
    if size > _SLOPE and to_win <= _SPACINGS * float(np.spacing(np.asarray(abs(f), run.dtype))):
        return _drowned(run, bend)
    return _plateau(run, bend, size)


def _drowned(run: Run, bend: Curvature) -> Diagnosis:
    """It rises on all sides, by less than the numbers can tell."""
    constant = "leave the large constant part of the cost out" if abs(cost(run)) > 1e3 * bend.largest else ""
    evidence = {"dtype": run.dtype, "cost": run.fun, "lowest curvature": bend.smallest}
    return Diagnosis(Cause.PRECISION_FLOOR, evidence, constant)


def arrived(run: Run) -> Diagnosis | None:
    """Of a run in which nothing was found: whether the default steps get hardly lower from its end."""
    if run.outcome is Outcome.DIVERGED or not cost(run) < start_cost(run):
        return None
    tried = downhill(run)
    if tried is None or not (tried.success or rests_in_a_kink(tried)):
        return None
    if cost(run) - cost(tried) > _LEFT * (start_cost(run) - cost(tried)) or lies_far_off(run, tried):
        return None
    evidence = {"cost": run.fun, "lowest near": tried.fun, "gradient norm": run.cost_and_gradient()[2]}
    return unless_lower(run, Diagnosis(Cause.HEALTHY, evidence), tried)


def all_but_there(run: Run) -> Diagnosis | None:
    """Of a run that has used up its steps: whether what is left to win, and the way there, are next to nothing."""
    if run.outcome is not Outcome.STEPS_EXHAUSTED or not cost(run) < start_cost(run):
        return None
    tried = downhill(run)
    if tried is None or not tried.success:
        return None
    left, gained = cost(run) - cost(tried), start_cost(run) - cost(tried)
    if left > _NEXT_TO_NOTHING * gained or way_to(run, tried) > _NEAR * reach_of(run.x_array):
        return None
    if (at_the_edge := circling(run)) is not None and at_the_edge.cure:
        return at_the_edge
    share = {"what is left to win, of what was gained": max(left, 0.0) / gained}
    evidence = {"cost": run.fun, "lowest near": tried.fun, **share}
    return unless_lower(run, Diagnosis(Cause.HEALTHY, evidence), tried)
