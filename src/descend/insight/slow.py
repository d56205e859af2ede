"""Runs that were on their way: too slow, to and fro, decayed, ill-conditioned, noisy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import Finding, at_kink, has_no_bound, length, surroundings
from descend.insight.curvature import Curvature
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.edge import edge_along
from descend.insight.stability import convergence_factor, is_linear_map, stability_limit
from descend.insight.trials import (
    TRIED,
    again,
    cost,
    curvature_at,
    fixed_rate,
    improved,
    onward,
    start_cost,
    told,
    unbounded,
    with_rate,
)
from descend.methods import Adam
from descend.objectives.parameters import as_vector
from descend.stepsizes import StepSize

__all__ = ["circling", "decayed", "on_its_way", "sampled", "swinging", "tires", "too_large", "too_small", "vanished"]

_ILL = 50.0  # condition from which on it is called bad
_NEAR = 0.8  # of the limit of stability, from where on it is told
_SLOW = 0.02  # of the limit of stability, below which a rate is called small


def circling(run: Run) -> Diagnosis | None:
    """Whether the last moves go to and fro without getting lower."""
    if run.trace.x is None or len(run.trace) < 12:
        return None
    cosines = [cosine for points in (onward(run), run.trace.x[-12:]) if (cosine := _to_and_fro(points)) is not None]
    if not cosines or not (_is_idle(run, 0.5) or (cosines[0] < -0.9 and _is_idle(run, 0.8))):
        return None
    evidence: dict[str, Any] = {"cosine between successive moves": cosines[0]}
    edge = edge_along(run, [len(run.trace) - 1])
    if edge.product[0] > _NEAR * edge.edge:
        scaled = "curvature as the method scales it" if edge.is_adaptive else "curvature"
        evidence |= {f"rate times the largest {scaled}": float(edge.product[0]), "limit of stability": edge.edge}
    lr = fixed_rate(run)
    if lr is not None:
        for smaller in (lr / 10, lr / 100):
            tried = improved(run, with_rate(run.method, smaller), x0=run.x, below=cost(run))
            if tried is not None:
                cure = f"let the rate fall at the end, from lr={lr:.3g} to {smaller:.3g} or less"
                return Diagnosis(Cause.OSCILLATING, evidence, cure, f"going on with lr={smaller:.3g}, {told(tried)}")
    point = as_vector(run.x_array).astype(float)
    is_seen = float(np.abs(_moves(run)).max()) > 1e-9 * max(1.0, float(np.abs(point).max()))
    return Diagnosis(Cause.OSCILLATING, evidence) if is_seen else None


def _moves(run: Run) -> np.ndarray:
    """The last moves between kept rows."""
    assert run.trace.x is not None  # noqa: S101 - was looked at
    return np.diff(run.trace.x[-12:].astype(float), axis=0)


def swinging(run: Run) -> Diagnosis | None:
    """Whether momentum carries it past the minimum and back: with less of it it gets much lower."""
    name = next((n for n in ("mu", "beta1") if n in run.method.names()), "")
    costs = run.problem.sign * run.trace.f
    moves = np.diff(costs)
    if not name or len(moves) < 20 or not moves[moves > 0].sum() > 0.2 * np.abs(moves).sum():
        return None
    value = float(getattr(run.method, name))
    numbers = {n: getattr(run.method, n) for n in run.method.names()}
    calmer = type(run.method)(**{**numbers, name: min(0.9, max(0.0, 1 - 10 * (1 - value)))})
    tried = improved(run, calmer, steps=max(50, run.nit), below=cost(run)) if value > 0.9 else None
    if tried is None or not (
        cost(run) - cost(tried) > 0.01 * (start_cost(run) - cost(tried))
        or tried.cost_and_gradient()[2] < 0.1 * run.cost_and_gradient()[2]
    ):
        return None
    share = float(moves[moves > 0].sum() / np.abs(moves).sum())
    evidence = {"share of the moves of the cost that go up": share, name: value}
    return Diagnosis(Cause.OSCILLATING, evidence, f"{name}={getattr(calmer, name):.3g}", told(tried))


def too_large(run: Run) -> Diagnosis | None:
    """Whether a smaller rate gets much lower from the start in as many steps."""
    lr = fixed_rate(run)
    if lr is None:
        return None
    for factor in (0.1, 0.03, 0.01):
        tried = improved(run, with_rate(run.method, factor * lr), steps=max(50, run.nit), below=cost(run))
        if tried is not None and cost(run) - cost(tried) > 0.1 * (start_cost(run) - cost(tried)):
            evidence = {"learning rate": lr, "cost": run.fun}
            return Diagnosis(Cause.RATE_TOO_LARGE, evidence, f"lr={factor * lr:.3g}", told(tried))
    return None


def _is_idle(run: Run, share: float) -> bool:
    """Whether the lowest cost after that share of the run is hardly lower than before."""
    costs = run.problem.sign * run.trace.f
    rows = int(share * len(costs))
    before = costs[:rows].min()
    return bool(costs[rows:].min() >= before - 1e-3 * abs(costs[0] - before))


def _to_and_fro(points: np.ndarray | None) -> float | None:
    """The median cosine between successive moves along these points, if they lead nowhere and do not fade."""
    if points is None:
        return None
    moves = np.diff(points.astype(float), axis=0)
    sizes = np.linalg.norm(moves, axis=1)
    if not (sizes > 0).all() or not np.isfinite(sizes).all() or sizes[-1] <= 0.2 * sizes[0]:
        return None
    cosine = float(np.median(np.sum(moves[1:] * moves[:-1], axis=1) / (sizes[1:] * sizes[:-1])))
    returns = float(np.linalg.norm(moves.sum(axis=0))) < 0.2 * float(sizes.sum())
    return cosine if cosine < -0.3 or returns else None


def sampled(run: Run) -> Diagnosis | None:
    """A run on batches: has the noise of their gradients got the upper hand?"""
    if run.sampling is None or not run.sampling.samples:
        return None
    if cost(run) > start_cost(run):
        return too_large(run)
    problem, size = run.problem, run.sampling.size
    _, grad, whole = run.cost_and_gradient()
    draw, distances = np.random.default_rng(0), []

    for _ in range(16):
        rows = draw.choice(run.sampling.rows, size, replace=False)
        part = jax.tree.map(lambda a, rows=rows: a[rows], problem.data)
        of_batch = problem.value_and_grad(run.x_array, *part)[1]
        distances.append(length(jax.tree.map(lambda a, b: a - b, of_batch, grad)))
    noise = float(np.sqrt(np.mean(np.square(distances))))
    evidence = {"gradient norm of all rows": whole, "deviation of a batch's gradient": noise, "batch size": size}
    lr = fixed_rate(run)
    if noise <= whole or lr is None:
        return None
    steps = min(2_000, max(run.nit, 50))
    small, same = (again(run, with_rate(run.method, rate), x0=run.x, steps=steps) for rate in (lr / 10, lr))
    if small is None or small.outcome is Outcome.DIVERGED or not cost(small) < cost(run):
        return None
    if same is not None and cost(same) < cost(small):  # it is not the noise that holds it up
        return None
    cure = f"larger batches, an average of the points (Averaged), or a rate that falls from {lr:.3g} to {lr / 10:.3g}"
    return Diagnosis(Cause.NOISE_FLOOR, evidence, cure, f"going on with lr={lr / 10:.3g}, {told(small)}")


def on_its_way(run: Run) -> Diagnosis | None:
    """Of a run that has used up its steps: what has held it back."""
    if run.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.OUT_OF_TIME, Outcome.INTERRUPTED}:
        return None
    bend = curvature_at(run, run.x_array)
    looks: tuple[Callable[[], Diagnosis | None], ...] = (
        lambda: _unbounded(run),
        lambda: swinging(run),
        lambda: circling(run),
        lambda: _in_a_kink(run),
        lambda: decayed(run),
        lambda: vanished(run),
        lambda: too_small(run, bend),
        lambda: _ill_conditioned(run, bend),
        lambda: _more_steps(run),
        lambda: too_large(run),
    )
    for look in looks:
        found = look()
        if found is not None:
            return found
    return None


def _in_a_kink(run: Run) -> Diagnosis | None:
    """Whether it stands where the cost rises on all sides, with a kink instead of a level place."""
    f, grad, _ = run.cost_and_gradient()
    if run.sampling is not None and run.sampling.samples:
        return None
    go, zero = run.method.reach, run.problem.zero_gradient()
    if not at_kink(run.problem, run.x_array, f, grad, go) or surroundings(run.problem, run.x_array, f, zero, go)[1]:
        return None
    return Diagnosis(Cause.HEALTHY, {"cost": run.fun, "at": "a kink, from which the cost rises on all sides"})


def _unbounded(run: Run) -> Diagnosis | None:
    """Whether the default method, which goes as far as it can, finds no bound either."""
    tried = again(run, None)
    if tried is None or not (has_no_bound(cost(tried), start_cost(run)) or tried.finding is Finding.NO_BOUND):
        return None
    return unbounded({"cost": run.fun, "cost after a longer way": tried.fun})


def decayed(run: Run) -> Diagnosis | None:
    """Whether the schedule took the rate down before the run was there."""
    rates = run.trace.lr[np.isfinite(run.trace.lr)]
    stepsize = getattr(run.method, "lr", None)
    if not isinstance(stepsize, StepSize) or stepsize.compares or not len(rates) or rates[-1] > 0.05 * rates.max():
        return None
    method = with_rate(run.method, float(rates.max()))
    tried = improved(run, method, x0=run.x, steps=min(TRIED, max(50, run.nit)), below=cost(run))
    if tried is None or not _gains(run, tried):
        return None
    evidence = {"rate at its highest": float(rates.max()), "rate at the end": float(rates[-1])}
    cure = f"let {type(stepsize).__name__} take more steps to decay"
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, f"going on with lr={rates.max():.3g}, {told(tried)}")


def _gains(run: Run, tried: Run) -> bool:
    """Whether a run from its end gains more than a hundredth of what was gained so far, or quarters the gradient."""
    won = cost(run) - cost(tried)
    return won > 0.01 * max(start_cost(run) - cost(run), 0) or (
        tried.cost_and_gradient()[2] < 0.25 * run.cost_and_gradient()[2]
    )


def tires(method: Any) -> bool:
    """Whether the method makes ever smaller steps along one and the same slope."""
    state, g = method.init(np.zeros(1)), np.ones(1)
    moves = []
    for _ in range(200):
        change, state = method.update(g, state, np.zeros(1))
        moves.append(float(np.abs(change[0])))
    return moves[-1] < 0.5 * moves[9]


def vanished(run: Run) -> Diagnosis | None:
    """Whether an adaptive method goes much faster once it has forgotten what it has seen."""
    lr = fixed_rate(run)
    if lr is None or not tires(run.method) or run.nit < 20 or run.trace.x is None:
        return None
    count = max(20, run.nit // 10)
    row = int(np.searchsorted(run.trace.step, run.nit - count, side="right")) - 1
    late = float(np.linalg.norm(as_vector(run.x_array) - run.trace.x[max(row, 0)])) / count
    tried = improved(run, run.method, x0=run.x, steps=count, below=cost(run))
    if tried is None:
        return None
    fresh = float(np.linalg.norm(as_vector(tried.x_array).astype(float) - as_vector(run.x_array))) / max(1, tried.nit)
    won_late = run.problem.sign * (run.trace.f[max(row, 0)] - run.trace.f[-1])
    if not (fresh > 5 * late and cost(run) - cost(tried) > 3 * max(won_late, 0)):
        return None
    evidence = {"move per step at the end": late, "after forgetting the past": fresh}
    cure = "Adam or RMSProp, which forget old gradients, or a larger lr"
    for method in (with_rate(run.method, 10 * lr), Adam(lr=lr)):
        better = improved(run, method, steps=max(run.nit, 50), below=cost(run))
        if better is not None:
            which = f"lr={10 * lr:.3g}" if type(method) is type(run.method) else f"Adam(lr={lr:.3g})"
            return Diagnosis(Cause.STEP_VANISHED, evidence, f"{cure}: {which}", told(better))
    return Diagnosis(Cause.STEP_VANISHED, evidence)


def too_small(run: Run, bend: Curvature | None) -> Diagnosis | None:
    """Whether the rate is far below what the method stands, or a much larger one goes much farther."""
    lr = fixed_rate(run)
    if lr is None or run.nit == 0:  # without a step nothing speaks against the rate
        return None
    limit = np.nan if bend is None else stability_limit(run.method, bend.largest)
    steps = min(max(run.nit, 20), 2_000)
    if np.isfinite(limit) and lr >= _SLOW * limit:
        return None
    evidence: dict[str, Any] = {"learning rate": lr}
    evidence |= {"limit of stability": limit} if np.isfinite(limit) else {}
    larger = [0.5 * limit, 0.1 * limit, _SLOW * limit] if np.isfinite(limit) else [100 * lr, 10 * lr]
    if run.sampling is not None and run.sampling.samples:  # what all rows stand, one may not
        larger += [10_000 * lr, 100 * lr]
    for rate in larger:
        tried = improved(run, with_rate(run.method, float(rate)), steps=steps, below=start_cost(run))
        if tried is None:
            continue
        won, before = start_cost(run) - cost(tried), start_cost(run) - cost(run)
        if won > 1.5 * max(before, 0) or tried.outcome is Outcome.CONVERGED:
            return Diagnosis(Cause.RATE_TOO_SMALL, evidence, f"lr={rate:.3g}", told(tried))
    return None


def _ill_conditioned(run: Run, bend: Curvature | None) -> Diagnosis | None:
    if bend is None or not bend.smallest > 0 or not bend.condition > _ILL:
        return None
    evidence: dict[str, Any] = {
        "condition κ" if bend.is_exact else "condition κ, at least": bend.condition,
        "largest curvature L": bend.largest,
        "lowest": bend.smallest,
    }
    lr = fixed_rate(run)
    if lr is not None and is_linear_map(run.method):
        factor = convergence_factor(run.method, lr, bend.smallest)
        if factor < 1:
            evidence["steps for each digit, predicted"] = float(np.log(0.1) / np.log(factor))
    tried = improved(run, None, steps=max(run.nit, 100), below=cost(run))
    has_momentum = bool({"mu", "beta1"} & {*run.method.names()})
    if tried is None:
        return Diagnosis(Cause.ILL_CONDITIONED, evidence)
    return Diagnosis(
        Cause.ILL_CONDITIONED,
        evidence,
        "leave the method out: the default (Barzilai–Borwein steps)" + ("" if has_momentum else ", or momentum"),
        told(tried),
    )


def _more_steps(run: Run) -> Diagnosis | None:
    steps = min(max(4 * run.nit, 100), 50_000)
    tried = improved(run, run.method, steps=steps, below=cost(run))
    if tried is None:
        return None
    evidence = {"gradient norm": run.cost_and_gradient()[2], "steps": run.nit}
    more = {Outcome.OUT_OF_TIME: "more time", Outcome.INTERRUPTED: "let it go on"}
    if run.sampling is not None and run.sampling.samples:
        cure = f"epochs={-(-steps // run.sampling.batches):,}"
    else:
        cure = more.get(run.outcome, f"steps={steps:,}")  # type: ignore[arg-type]
    return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, told(tried))
