"""Runs on batches: what the noise of their gradients, the rate and flat directions have to do with where they ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.outcome import length
from descend.insight.changed_methods import falling, less_noise, rescaled
from descend.insight.curvature import Curvature
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.elsewhere import unless_lower
from descend.insight.slow import too_small
from descend.insight.to_and_fro import ILL, too_large
from descend.insight.trials import TRIED, again, cost, curvature_at, fixed_rate, improved, start_cost, told
from descend.methods import Optax

__all__ = ["sampled"]

_SETTLED = 0.01  # of the gradient at the start
_TRIFLE, _TRIFLE_LEFT = 1e-3, 0.01  # shares of what was gained, and of what is left: less than both is no matter
_MUCH_LOWER = 0.1  # share of the cost
_MANY_ROWS = 5_000  # of more, other starts take too long


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
    lr, bend = fixed_rate(run), curvature_at(run, run.x_array)
    if lr is not None and (slow := too_small(run, bend)) is not None:
        return slow
    flat, least = _held_up(run, bend)
    smaller = rescaled(run.method, 0.1) if lr is not None or isinstance(run.method, Optax) else None
    if smaller is None or run.method.hands_out_another(problem.x0):  # no rate to be changed
        first = length(problem.value_and_grad(problem.x0, *problem.data)[1])
        settled = whole < _SETTLED * first and cost(run) < start_cost(run)
        if not settled or flat is not None:
            return flat
        return _settled(run, {**evidence, "gradient norm at the start": first})
    if noise <= whole:
        return flat
    steps = min(2_000, max(run.nit, 50))
    small, same = (again(run, method, x0=run.x, steps=steps) for method in (smaller.method, run.method))
    lowest = min((cost(tried) for tried in (small, same) if tried is not None), default=np.inf)
    if cost(run) - lowest < min(_TRIFLE * (start_cost(run) - cost(run)), _TRIFLE_LEFT * abs(cost(run))):
        return flat or _settled(run, evidence)
    if small is None or small.outcome is Outcome.DIVERGED or not cost(small) < cost(run):
        return flat
    if same is not None and cost(same) < cost(small):  # it is not the noise that holds it up
        return flat
    if flat is not None and cost(run) - cost(small) < 0.5 * (cost(run) - least):
        return flat
    how, seen = f"a rate that falls at the end, to {smaller.how}", told(small, f"going on with {smaller.how}")
    half = (cost(run) + cost(small)) / 2
    if (falls := falling(run.method, run.nit)) is not None:
        made = improved(run, falls.method, steps=run.nit, below=half)
        how, seen = (how, seen) if made is None else (falls.how, told(made))
    return Diagnosis(Cause.NOISE_FLOOR, evidence, ", or ".join([how, *_calmed(run, steps, half)]), seen)


def _settled(run: Run, evidence: dict[str, Any]) -> Diagnosis:
    """Of a run that goes about a minimum: that, unless there is a lower one, if the rows are few enough to look."""
    healthy = Diagnosis(Cause.HEALTHY, evidence)
    assert run.sampling is not None  # noqa: S101 - it has batches
    if run.sampling.rows > _MANY_ROWS:
        return replace(
            healthy, evidence={**evidence, "whether there is a lower minimum": "not looked for, of so many rows"}
        )
    near = _on_all_rows(run)
    return unless_lower(run, healthy, near) if near.success else healthy


def _on_all_rows(run: Run) -> Run:
    """Where the default steps on all rows lead from the end of a run."""
    problem = run.problem
    return minimize(
        run.objective, run.x, data=problem.data, maximize=problem.sign < 0, steps=TRIED, progress=False, time_limit=1.0
    )


def _calmed(run: Run, steps: int, below: float) -> list[str]:
    """What else lowers the noise so much that going on ends below a cost: larger batches, an average of the points."""
    assert run.sampling is not None  # noqa: S101 - it has batches
    ways = less_noise(run.method, run.sampling.size).items()
    tried = {cure: again(run, x0=run.x, steps=steps, **{"method": run.method, **changes}) for cure, changes in ways}
    return [cure for cure, made in tried.items() if made is not None and cost(made) < below]


def _held_up(run: Run, bend: Curvature | None) -> tuple[Diagnosis | None, float]:
    """Whether the default steps, which suit flat directions as well, get much lower from here on all rows; how low."""
    if bend is None or not ILL < bend.condition < np.inf:
        return None, np.inf
    tried = _on_all_rows(run)
    least = max(_MUCH_LOWER * abs(cost(run)), 0.01 * (start_cost(run) - cost(run)))
    if tried.outcome is Outcome.DIVERGED or not cost(run) - cost(tried) > least:
        return None, np.inf
    evidence = {"condition κ" if bend.is_exact else "condition κ, at least": bend.condition, "cost": run.fun}
    cure = "leave the method and batch_size out: the default steps (Barzilai–Borwein) on all rows"
    return Diagnosis(Cause.ILL_CONDITIONED, evidence, cure, told(tried, "going on so")), cost(tried)
