"""Runs whose steps go to and fro: across the minimum, carried by momentum, driven by the noise of batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.descent import Outcome, Run
from descend.insight.changed_methods import calmer, calmer_of_optax, falling, rescaled, round_rate, with_rate
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.edge import edge_along
from descend.insight.trials import (
    HARDLY,
    again,
    cost,
    cured,
    fixed_rate,
    gains,
    improved,
    onward,
    rises,
    start_cost,
    told,
)
from descend.methods import GradientNoise, Optax
from descend.stepsizes.schedule import Schedule

__all__ = ["ILL", "RISING", "circling", "noisy", "swinging", "too_large"]

RISING = 0.2  # share of the moves of a cost that go up, from where on it is said to swing
_FEW_ROWS = 20  # of a trace, in which one cannot see it
_AT_EDGE = 0.97  # of the limit of stability: what flips its sign there hardly fades
ILL = 50.0  # condition from which on it is called bad
_MUCH = 0.2  # of the cost
_UP_AND_DOWN = 0.4  # share of the moves of a cost that go up, where it gets nowhere
_LUCK = 0.1  # of what was gained, by which the lowest cost of some that go up and down may be lower
_COMES_IN = 0.1  # of the smallest gradient so far: it is about to settle
_COSINE = "cosine between successive moves"  # the median
_NEAR = 0.8  # of the limit of stability, from where on it is told


def circling(run: Run) -> Diagnosis | None:
    """Whether the last moves go to and fro without getting lower."""
    if run.trace.x is None or len(run.trace) < 12 or run.method.hands_out_another(run.problem.x0):
        return None
    ways = [points.astype(float) for points in (onward(run), run.trace.x[-12:]) if points is not None]
    seen = [found for points in ways if (found := _to_and_fro(points)) is not None]
    if not seen:
        return None
    edge = edge_along(run, [len(run.trace) - 1])
    flips = seen[0].get(_COSINE, 0.0) < -0.9
    is_at_edge = flips and edge.product[0] > _AT_EDGE * edge.edge
    if not (_is_idle(run, 0.5) or (flips and _is_idle(run, 0.8)) or is_at_edge):
        return None
    evidence: dict[str, Any] = dict(seen[0])
    if edge.product[0] > _NEAR * edge.edge:
        scaled = "curvature as the method scales it" if edge.is_adaptive else "curvature"
        evidence |= {f"rate times the largest {scaled}": float(edge.product[0]), "limit of stability": edge.edge}
    lr = fixed_rate(run)
    if not (lr is not None and is_at_edge) and _is_all_won(run):
        return None
    if lr is not None and is_at_edge:
        half = round_rate(lr / 2)
        tried = improved(run, with_rate(run.method, half), steps=max(50, run.nit), below=cost(run))
        if tried is not None:
            return cured(run, Cause.OSCILLATING, evidence, f"lr={half:.3g}", tried)
    if isinstance(run.method, Optax):
        for slower in filter(None, (rescaled(run.method, share) for share in (0.1, 0.01))):
            tried = improved(run, slower.method, steps=max(50, run.nit), below=cost(run))
            if tried is not None:
                return cured(run, Cause.OSCILLATING, evidence, slower.how, tried)
            tried = improved(run, slower.method, x0=run.x, below=cost(run))
            if tried is not None:
                cure = f"let the rate fall at the end, by a schedule of optax, or go on with {slower.how}"
                return Diagnosis(Cause.OSCILLATING, evidence, cure, told(tried, "going on with it"))
    if lr is not None:
        for smaller in map(round_rate, (lr / 10, lr / 100)):
            tried = improved(run, with_rate(run.method, smaller), x0=run.x, below=cost(run))
            same = None if tried is None else again(run, run.method, x0=run.x)
            if tried is not None and (same is None or cost(tried) < cost(same)):
                falls = falling(run.method, run.nit)
                made = falls and improved(run, falls.method, steps=run.nit, below=(cost(run) + cost(tried)) / 2)
                if falls and made:
                    return cured(run, Cause.OSCILLATING, evidence, falls.how, made)
                cure = f"let the rate fall at the end, from lr={lr:.3g} to {smaller:.3g} or less"
                return Diagnosis(Cause.OSCILLATING, evidence, cure, told(tried, f"going on with lr={smaller:.3g}"))
    if isinstance(getattr(run.method, "lr", None), Schedule):  # its steps may be meant to go to and fro
        return None
    is_seen = any(float(np.ptp(points, axis=0).max()) > 1e-9 * max(1.0, float(np.abs(points).max())) for points in ways)
    return Diagnosis(Cause.OSCILLATING, evidence) if is_seen else None


def _is_all_won(run: Run) -> bool:
    """Whether the default steps, which come to rest, get hardly lower from its end."""
    ahead = again(run, None, x0=run.x)
    return ahead is not None and ahead.success and cost(run) - cost(ahead) <= HARDLY * (start_cost(run) - cost(ahead))


def swinging(run: Run) -> Diagnosis | None:
    """Whether momentum carries it past the minimum and back: with less of it it gets much lower."""
    costs = run.problem.sign * run.trace.f
    if len(costs) < _FEW_ROWS or not rises(costs) > RISING:
        return None
    if isinstance(run.method, Optax):
        first, share = run.method.carries_on(run.problem.x0)
        momentum, ways = {"share of a move that is left a step later": share}, calmer_of_optax(first, share)
    elif (found := calmer(run.method)) is not None:
        name, method = found
        momentum = {name: float(getattr(run.method, name))}
        ways = {f"{name}={getattr(method, name):.3g}": method}
    else:
        return None
    for cure, method in ways.items():
        tried = improved(run, method, steps=max(50, run.nit), below=cost(run))
        if tried is not None and (
            cost(run) - cost(tried) > 0.01 * (start_cost(run) - cost(tried))
            or tried.cost_and_gradient()[2] < 0.1 * run.cost_and_gradient()[2]
        ):
            evidence = {"share of the moves of the cost that go up": rises(costs), **momentum}
            return cured(run, Cause.OSCILLATING, evidence, cure, tried)
    return None


def noisy(run: Run) -> Diagnosis | None:
    """Whether the noise that its method adds to each gradient keeps it up: without it gets lower, more steps do not."""
    noise = next((part for part in run.method.parts() if isinstance(part, GradientNoise)), None)
    if noise is None or run.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.STALLED}:
        return None
    quiet = run.method.with_numbers(lambda name, number: 0.0 if name.split(".")[-1] == "eta" else number)
    tried = improved(run, quiet, steps=max(50, run.nit), below=cost(run))
    if tried is None or not gains(run, tried):
        return None
    more = again(run, run.method, x0=run.x, steps=max(50, run.nit))
    if more is not None and cost(run) - cost(more) > 0.5 * (cost(run) - cost(tried)):
        return None
    left = float(noise.variance(run.nit))
    evidence = {"variance of the noise that GradientNoise adds, at the end": left, "cost": run.fun}
    return cured(run, Cause.NOISE_FLOOR, evidence, "leave GradientNoise out", tried)


def too_large(run: Run) -> Diagnosis | None:
    """Whether a smaller rate gets much lower from the start in as many steps."""
    lr = fixed_rate(run)
    if lr is None or run.nit == 0:  # without a step nothing speaks against the rate
        return None
    steps, below = max(50, run.nit), cost(run)
    if steps > run.nit and (longer := again(run, run.method, steps=steps)) is not None:  # else more steps are the cure
        below = min(below, cost(longer))
    for factor in (0.1, 0.03, 0.01):
        smaller = round_rate(factor * lr)
        tried = improved(run, with_rate(run.method, smaller), steps=steps, below=below)
        if tried is None:
            continue
        won, fall = cost(run) - cost(tried), start_cost(run) - cost(tried)
        size = max(abs(cost(run)), abs(cost(tried)))
        if won > 0.1 * fall or (won > _MUCH * size and won > 1e-3 * fall):
            evidence: dict[str, Any] = {"learning rate": lr, "cost": run.fun}
            return cured(run, Cause.RATE_TOO_LARGE, evidence, f"lr={smaller:.3g}", tried)
    return None


def _is_idle(run: Run, share: float) -> bool:
    """Whether the lowest cost after that share of the run is hardly lower, nor the gradient much smaller."""
    costs, sizes = run.problem.sign * run.trace.f, run.trace.gradient_norm
    rows = int(share * len(costs))
    before = costs[:rows].min()
    if sizes[rows:].min() < _COMES_IN * sizes[:rows].min():
        return False
    late, gained = costs[rows:], abs(costs[0] - before)
    if late.min() >= before - 1e-3 * gained:
        return True
    if not rises(late) > _UP_AND_DOWN or late.min() <= before - _LUCK * gained:
        return False
    half = len(late) // 2  # a low cost among many that go up and down is luck
    return bool(np.median(late[half:]) >= np.median(late[:half]) - 1e-3 * gained)


def _to_and_fro(points: np.ndarray) -> dict[str, float] | None:
    """What tells that successive moves along these points lead nowhere, if they do so and do not fade."""
    moves = np.diff(points, axis=0)
    sizes = np.linalg.norm(moves, axis=1)
    if not (sizes > 0).all() or not np.isfinite(sizes).all() or sizes[-1] <= 0.2 * sizes[0]:
        return None
    cosine = float(np.median(np.sum(moves[1:] * moves[:-1], axis=1) / (sizes[1:] * sizes[:-1])))
    if cosine < -0.3:
        return {_COSINE: cosine}
    onward = float(np.linalg.norm(moves.sum(axis=0))) / float(sizes.sum())
    return {"net way of the last moves, as a share of their length": onward} if onward < 0.2 else None
