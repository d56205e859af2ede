"""Runs that were on their way: too slow, decayed, ill-conditioned, tired."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import Finding, has_no_bound, noise_of, reach_of
from descend.descent.report import described
from descend.insight.changed_methods import (
    Rescaled,
    each_rescaled,
    innermost,
    limits_of,
    loosened,
    rescaled,
    risen,
    round_rate,
    with_rate,
)
from descend.insight.curvature import Curvature
from descend.insight.decay import decayed
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.elsewhere import better_minimum, local
from descend.insight.kinks import in_a_kink, nothing_left
from descend.insight.stability import convergence_factor, is_linear_map, stability_limit
from descend.insight.tired import tires, vanished
from descend.insight.to_and_fro import ILL, circling, swinging, too_large
from descend.insight.trials import (
    HARDLY,
    TRIED,
    again,
    as_asked,
    as_start,
    at_a_tenth,
    cost,
    cured,
    curvature_at,
    fixed_rate,
    gains,
    improved,
    shown,
    start_cost,
    told,
    unbounded,
)
from descend.methods import GradientDescent, Momentum, Optax
from descend.objectives.parameters import as_vector, from_vector
from descend.stepsizes import BarzilaiBorwein, Hypergradient
from descend.stepsizes.schedule import Schedule

__all__ = ["on_its_way", "too_small"]

_AHEAD = np.linspace(0, 12, 301)  # of the way that was gone since half of the steps, ahead of the end
_FACTORS, _FARTHER = (100.0, 1e4, 1e6), 10  # larger rates, and times what was gained that they must gain
_OF_A_REST = 1e-4  # of what was gained
_PLACES, _AS_NEAR, _AS_FAR = 1_500, 1e-3, 1e3  # on a straight way; of the size of x, the first and the last
_FAR_BELOW = 10.0  # times the cost at the start, below zero
_TIMES, _MANY_TIMES = 100.0, 10.0  # as steep, or as much to be won; as much won
_TRIFLE = 1e-3  # share of what was gained, and of the cost, beside which a lower minimum is more
_NEAR_A_TOP = 1e-4  # share of the size of x, within which a slope that is so bent begins at an extreme
_SLOW = 0.02  # of the limit of stability, below which a rate is called small


def on_its_way(run: Run) -> Diagnosis | None:
    """Of a run that has used up its steps: what has held it back."""
    if run.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.OUT_OF_TIME, Outcome.INTERRUPTED}:
        return None
    bend = curvature_at(run, run.x_array)
    looks: tuple[Callable[[], Diagnosis | None], ...] = (
        lambda: _unbounded(run),
        lambda: swinging(run),
        lambda: circling(run),
        lambda: in_a_kink(run),
        lambda: _rises_too_slowly(run),
        lambda: _clipped(run),
        lambda: _far_too_small(run),
        lambda: _one_far_too_small(run),
        lambda: decayed(run),
        lambda: vanished(run),
        lambda: _before_a_pass(run),
        lambda: too_small(run, bend),
        lambda: too_large(run),
        lambda: _ill_conditioned(run, bend),
        lambda: _more_steps(run, bend),
        lambda: _along_a_valley(run, bend),
    )
    without_cure = None
    for look in looks:
        found = look()
        if found is not None and found.cure:
            return found
        without_cure = without_cure or found
    return without_cure


def _unbounded(run: Run) -> Diagnosis | None:
    """Whether the default method, which goes as far as it can, finds no bound either."""
    tried = again(run, None)
    if tried is None or not (has_no_bound(cost(tried), start_cost(run)) or tried.finding is Finding.NO_BOUND):
        return None
    if _is_beyond_a_barrier(run, tried):  # a pole, which the long steps have leapt over
        return None
    return unbounded({"cost": run.fun, "cost after a longer way": tried.fun})


def _is_beyond_a_barrier(run: Run, there: Run) -> bool:
    """Whether the cost rises above that of the start on the straight way from the end of a run to that of another."""
    if not run.problem.is_traced:  # so many evaluations would take longer than the run
        return False
    begin = as_vector(run.x_array).astype(float)
    way = as_vector(there.x_array).astype(float) - begin
    highest = max(start_cost(run), cost(run))
    highest += HARDLY * abs(highest)
    far = float(np.abs(way).max()) / max(1.0, float(np.abs(begin).max()))
    shares = np.geomspace(_AS_NEAR, min(far, _AS_FAR), _PLACES) / far if far > _AS_NEAR else ()
    places = (from_vector(begin + share * way, run.problem.x0) for share in shares)
    return any(not run.problem.value(place, *run.problem.data) <= highest for place in places)


def _rises_too_slowly(run: Run) -> Diagnosis | None:
    """Whether a schedule that warms up is still far from the rate it leads to."""
    rates = run.trace.lr[np.isfinite(run.trace.lr)]
    if (found := risen(run.method, rates, run.nit)) is None:
        return None
    (method, cure), highest = found
    tried = improved(run, method, steps=min(max(run.nit, 50), 2_000), below=cost(run))
    if tried is None or not gains(run, tried):
        return None
    evidence = {"rate at the end": float(rates[-1]), "rate that it rises to": highest}
    return cured(run, Cause.RATE_TOO_SMALL, evidence, cure, tried)


def _clipped(run: Run) -> Diagnosis | None:
    """Whether a limit of the gradient, or of a step, is what keeps its steps short."""
    return _much_farther(run, partial(loosened, run.method), limits_of(run.method))


def _far_too_small(run: Run) -> Diagnosis | None:
    """Whether the rates of a schedule, or of a method that tires, are so small that it has hardly begun."""
    schedule = getattr(run.method, "lr", None)
    has_one = fixed_rate(run) is not None
    is_known = (
        isinstance(schedule, Schedule | Hypergradient)
        or (has_one and tires(run.method))
        or isinstance(run.method, Optax)
    )
    if run.nit == 0 or not is_known:
        return None
    return _much_farther(run, partial(rescaled, run.method), {} if run.lr is None else {"learning rate": run.lr})


def _one_far_too_small(run: Run) -> Diagnosis | None:
    """Whether one of several rates is so small that what it moves has hardly begun: a larger one wins as much again."""
    changed = (one for factor in _FACTORS for one in each_rescaled(run.method, factor))
    best = _best_of(run, changed, lambda tried: cost(run) - cost(tried) > 0.5 * max(start_cost(run) - cost(run), 0))
    return best and cured(run, Cause.RATE_TOO_SMALL, {"cost": run.fun}, best[0], best[1])


def _much_farther(run: Run, larger: Callable[[float], Rescaled | None], evidence: dict[str, float]) -> Diagnosis | None:
    """Whether a number times a large factor gets many times as far in as many steps."""
    gained = max(start_cost(run) - cost(run), 0)
    changed = filter(None, map(larger, _FACTORS))
    best = _best_of(run, changed, lambda tried: start_cost(run) - cost(tried) > _FARTHER * gained)
    if best is None:
        return None
    costs = {"cost at the start": run.problem.sign * start_cost(run), "cost": run.fun}
    return cured(run, Cause.RATE_TOO_SMALL, {**evidence, **costs}, best[0], best[1])


def _best_of(
    run: Run, changed: Iterable[Rescaled], is_much: Callable[[Run], bool]
) -> tuple[str, Run] | None:  # fmt: skip
    """Of changed methods the one that gets lowest in as many steps, of those that win much; what was changed."""
    best: tuple[str, Run] | None = None
    for method, how in changed:
        steps, below = min(max(run.nit, 20), 2_000), cost(run if best is None else best[1])
        tried = improved(run, method, steps=steps, below=below)
        if tried is not None and is_much(tried):
            best = how, tried
            if tried.outcome is Outcome.CONVERGED:  # a still larger one would begin with a leap
                break
    return best


def too_small(run: Run, bend: Curvature | None) -> Diagnosis | None:
    """Whether the rate is far below what the method stands, or a much larger one goes much farther."""
    lr = fixed_rate(run)
    if lr is None or run.nit == 0:  # without a step nothing speaks against the rate
        return None
    limit = np.fmin(_limit(run, bend), _limit_ahead(run))
    steps = min(max(run.nit, 20), 2_000)
    if np.isfinite(limit) and lr >= _SLOW * limit:
        return None
    evidence: dict[str, Any] = {"learning rate": lr}
    evidence |= {"limit of stability": limit} if np.isfinite(limit) else {}
    larger = [10_000 * lr, 100 * lr]
    # What all rows stand, one may not; and what a place stands, those on the way may not.
    larger = [0.5 * limit, 0.1 * limit, _SLOW * limit, *larger] if np.isfinite(limit) else [*larger, 10 * lr]
    best: tuple[float, Run] | None = None
    for rate in map(round_rate, larger):
        tried = improved(run, with_rate(run.method, rate), steps=steps, below=min(start_cost(run), cost(run)))
        if tried is not None and cost(tried) < -_FAR_BELOW * abs(start_cost(run)) and _is_beyond_a_barrier(run, tried):
            continue
        if tried is not None and (best is None or cost(tried) < cost(best[1])):
            best = rate, tried
        if tried is not None and tried.outcome is Outcome.CONVERGED:
            break
    if best is None:
        return None
    rate, tried = best
    won, before = start_cost(run) - cost(tried), start_cost(run) - cost(run)
    matters = won > 1e-6 * abs(start_cost(run))
    is_much = won > 1.5 * max(before, 0) or cost(run) - cost(tried) > 0.5 * abs(cost(run))
    if not ((is_much and matters) or tried.outcome is Outcome.CONVERGED):
        return None
    return cured(run, Cause.RATE_TOO_SMALL, evidence, f"lr={rate:.3g}", tried)


def _limit(run: Run, bend: Curvature | None) -> float:
    return np.nan if bend is None else stability_limit(run.method, bend.largest)


def _limit_ahead(run: Run) -> float:
    """The limit of stability where the default steps lead to from the end: there a rate must hold, too."""
    ahead = again(run, None, x0=run.x) if is_linear_map(run.method) else None
    return np.nan if ahead is None or not ahead.success else _limit(run, curvature_at(run, ahead.x_array))


def _ill_conditioned(run: Run, bend: Curvature | None) -> Diagnosis | None:
    if bend is None or not bend.smallest > 0 or not bend.condition > ILL:
        return None
    longer = improved(run, run.method, steps=max(4 * run.nit, TRIED), below=cost(run)) if run.nit < TRIED else None
    if longer is not None and longer.success:  # soon there, whatever the condition is
        return None
    if isinstance(getattr(run.method, "lr", None), BarzilaiBorwein):  # it is the cure
        return None
    evidence: dict[str, Any] = {
        "condition κ" if bend.is_exact else "condition κ, at least": bend.condition,
        "largest curvature L": bend.largest,
        "lowest" if bend.is_exact else "lowest, at most": bend.smallest,
    }
    lr = fixed_rate(run)
    if lr is not None and is_linear_map(run.method):
        factor = max(convergence_factor(run.method, lr, edge) for edge in (bend.smallest, bend.largest))
        if factor < 1:
            how = "predicted" if bend.is_exact else "at least"
            evidence[f"steps for each digit, {how}"] = float(np.log(0.1) / np.log(factor))
    tried = improved(run, None, steps=max(run.nit, 100), below=cost(run))
    if tried is None:
        return Diagnosis(Cause.ILL_CONDITIONED, evidence)
    won = cost(run) - cost(tried)
    is_trifle = won < _TRIFLE * min(start_cost(run) - cost(run), abs(cost(run)))
    if is_trifle and not gains(run, tried) and (there := nothing_left(run)) is not None:  # whatever the condition is
        return there
    if is_trifle and (better := better_minimum(run, tried)) is not None:
        return local(run, better)
    return cured(run, Cause.ILL_CONDITIONED, evidence, _faster(run), tried)


def _faster(run: Run) -> str:
    """A cure for a bad condition: also momentum at the same rate, where that gets lower."""
    cure = "leave the method out: the default (Barzilai–Borwein steps)"
    if type(run.method) is not GradientDescent or run.lr is None:
        return cure
    carried = Momentum(run.lr, mu=0.9)
    is_lower = improved(run, carried, steps=max(run.nit, 100), below=cost(run)) is not None
    return f"{cure}, or {described(carried)}" if is_lower else cure


def _along_a_valley(run: Run, bend: Curvature | None, longer: Run | None = None) -> Diagnosis | None:
    """Whether it creeps along a floor that bends hardly, be it downwards, between steep sides: as Rosenbrock's.

    The default steps must win many times as much as a `longer` run, if there is one.
    """
    if bend is None or not ILL * abs(bend.smallest) < bend.largest:
        return None
    evidence = {"largest curvature L": bend.largest, "lowest": bend.smallest, "cost": run.fun}
    by_more = 0.0 if longer is None else cost(run) - cost(longer)
    tried = improved(run, None, steps=max(run.nit, 100), below=cost(run) - _MANY_TIMES * by_more)
    if tried is not None and gains(run, tried):
        return cured(run, Cause.ILL_CONDITIONED, evidence, _faster(run), tried)
    if longer is not None:
        return None
    onward = improved(run, None, x0=run.x, steps=max(run.nit, 100), below=cost(run))
    if onward is None or not gains(run, onward):
        return None
    cure = "go on from its end without the method, with the default (Barzilai–Borwein steps)"
    return Diagnosis(Cause.ILL_CONDITIONED, evidence, cure, told(onward, "from there"))


def _before_a_pass(run: Run) -> Diagnosis | None:
    """Whether it creeps to a level place beyond which the cost falls on, as that of x³ does: a pass, no minimum."""
    if run.trace.x is None or run.nit < 4 or (run.sampling is not None and run.sampling.samples):
        return None
    problem, place = run.problem, as_vector(run.x_array).astype(float)
    if not problem.is_traced and run.nit < len(_AHEAD):  # so many evaluations would take longer than the run
        return None
    row = int(np.searchsorted(run.trace.step, run.nit / 2, side="right")) - 1
    way = place - run.trace.x[max(row, 0)]
    points = [from_vector(place + far * way, problem.x0) for far in _AHEAD]

    def slope(x: Any) -> float:
        with np.errstate(all="ignore"):
            return float(as_vector(problem.value_and_grad(x, *problem.data)[1]) @ way)

    here, far = slope(points[0]), slope(points[-1])
    if not far < here < 0:  # it rises there, as beyond a minimum, or gets no steeper
        return None
    slopes = np.array([slope(x) for x in points])
    level = int(np.argmin(np.abs(slopes)))
    if not (np.all(slopes <= 0) and slopes[level] > 1e-3 * here):
        return None
    evidence = {"gradient norm": run.cost_and_gradient()[2], "it is level at": shown(as_vector(points[level]))}
    tried = again(run, None, x0=points[-1])
    if tried is None or not cost(tried) < cost(run):
        return Diagnosis(Cause.SADDLE, evidence)
    if has_no_bound(cost(tried), start_cost(run)) or tried.finding is Finding.NO_BOUND:
        return unbounded({**evidence, "cost beyond it": tried.fun})
    return cured(run, Cause.SADDLE, evidence, f"start beyond it, at {as_start(as_vector(points[-1]))}", tried)


def _thrown(run: Run, longer: Run) -> Diagnosis | None:
    """Whether a tenth of the rate gets lower in as many steps than many more do: a step has led far astray."""
    found = at_a_tenth(run, steps=run.nit, below=cost(longer))
    if found is None or not gains(run, found[1]):
        return None
    return cured(run, Cause.RATE_TOO_LARGE, {"learning rate": run.lr, "cost": run.fun}, *found)


def _on_level_ground(run: Run, bend: Curvature | None, longer: Run) -> Diagnosis | None:
    """Whether the default steps find a much steeper slope, and get so far that more steps are nothing beside it.

    Such ground is level because it is far from all slopes, or because an extreme of the wrong kind is near.
    """
    tried = again(run, None)
    if tried is None or not cost(run) - cost(tried) > _TIMES * (cost(run) - cost(longer)):
        return None
    here, steepest = run.cost_and_gradient()[2], float(tried.trace.gradient_norm.max())
    if not steepest > _TIMES * here:
        return None
    evidence = {"gradient norm": here, "the steepest that the default steps met": steepest, "cost": run.fun}
    if bend is not None and bend.smallest < 0 and here < _NEAR_A_TOP * -bend.smallest * reach_of(run.x_array):
        cure = "leave the method out, or start farther from where the cost is highest, at least in one direction"
        return cured(run, Cause.SADDLE, {**evidence, "smallest curvature": bend.smallest}, cure, tried)
    cure = "leave the method out, or start elsewhere: it is nearly level here"
    return cured(run, Cause.PLATEAU, evidence, cure, tried)


def _more_steps(run: Run, bend: Curvature | None) -> Diagnosis | None:
    steps = min(max(4 * run.nit, 100), 50_000)
    planned = getattr(getattr(innermost(run.method), "lr", None), "steps", None)  # of a schedule, which then ends
    if planned is not None and run.nit < float(planned) < steps:
        steps = int(planned)
    # So near to the end the cost itself may be rounded already.
    tried = improved(run, run.method, steps=steps, below=cost(run) + noise_of(run.problem, run.x_array, cost(run)))
    if tried is None or tried.outcome is Outcome.STALLED:
        return None
    if not gains(run, tried):
        return None
    if (led := _on_level_ground(run, bend, tried)) is not None:
        return led
    if (thrown := _thrown(run, tried)) is not None:
        return thrown
    if (crept := _along_a_valley(run, bend, tried)) is not None:
        return crept
    evidence = {"gradient norm": run.cost_and_gradient()[2], "steps": run.nit}
    more = {Outcome.OUT_OF_TIME: "more time", Outcome.INTERRUPTED: "let it go on"}
    cure = more.get(run.outcome, as_asked(run, steps))  # type: ignore[arg-type]
    return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, told(tried))
