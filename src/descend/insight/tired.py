"""Adaptive methods whose steps have become too small, for what they have seen."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.descent import Run
from descend.insight.changed_methods import Rescaled, innermost, rescaled
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.trials import cost, cured, fixed_rate, improved
from descend.methods import Adam, AMSGrad, Optax
from descend.methods.foreign import NO_VALUES, AsksForValuesError
from descend.objectives.parameters import as_vector

__all__ = ["tires", "vanished"]

_ONE = np.zeros(1)  # a parameter to try a method on
_LONG = 100  # steps after which one that tires is tired


def tires(method: Any, params: Any = _ONE) -> bool:
    """Whether the method makes ever smaller steps along one and the same slope."""
    method, x, g = innermost(method), _filled(params, 0), _filled(params, 1)
    state = method.init(x)
    moves = []
    for _ in range(_LONG):
        change, state = method.update(g, state, x, **NO_VALUES)
        moves.append(float(np.abs(as_vector(change)).max()))
    return moves[-1] < 0.5 * moves[9]


def _never_forgets(method: Any, params: Any) -> bool:
    """Whether a steep place leaves something in its slots that level ground wears away hardly or not at all."""
    method, x = innermost(method), _filled(params, 0)
    state = method.update(_filled(params, 1e3), method.init(x), x, **NO_VALUES)[1]
    before = [np.array(slot) for slot in _slots(state)]
    for _ in range(50):
        _, state = method.update(x, state, x, **NO_VALUES)
    return any(
        bool((b != 0).any() and (abs(a) > 0.99 * abs(b)).all()) for a, b in zip(_slots(state), before, strict=True)
    )


def _filled(params: Any, value: float) -> Any:
    return jax.tree.map(lambda leaf: np.full_like(leaf, value), params)


def _slots(state: Any) -> list[Any]:
    """What the innermost method remembers, but for what it counts."""
    while hasattr(state, "inner"):
        state = state.inner
    slots = jax.tree.leaves(getattr(state, "slots", getattr(state, "theirs", ())))
    return [slot for slot in slots if jnp.issubdtype(slot.dtype, jnp.floating)]


def _may_tire(run: Run) -> bool:
    """Whether its method, which has no schedule, may have grown slow by what it has seen."""
    if fixed_rate(run) is None and not isinstance(run.method, Optax):
        return False
    try:
        return tires(run.method, run.problem.x0) or _never_forgets(run.method, run.problem.x0)
    except AsksForValuesError:
        return False


def _also_smaller(method: Any) -> list[Rescaled]:
    """The method as it is, and at a tenth and a hundredth of its rate."""
    return [made for factor in (1.0, 0.1, 0.01) if (made := rescaled(method, factor)) is not None]


def vanished(run: Run) -> Diagnosis | None:
    """Whether an adaptive method goes much faster once it has forgotten what it has seen."""
    if run.nit < 20 or run.trace.x is None or not _may_tire(run):
        return None
    count = max(20, run.nit // 10)
    row = int(np.searchsorted(run.trace.step, run.nit - count, side="right")) - 1
    late = float(np.linalg.norm(as_vector(run.x_array) - run.trace.x[max(row, 0)])) / count
    won_late = run.problem.sign * (run.trace.f[max(row, 0)] - run.trace.f[-1])
    fresh = 0.0
    for begun_anew in _also_smaller(run.method):
        tried = improved(run, begun_anew.method, x0=run.x, steps=count, below=cost(run) - 3 * max(won_late, 0))
        if tried is not None:
            gone = np.linalg.norm(as_vector(tried.x_array).astype(float) - as_vector(run.x_array))
            fresh = max(fresh, float(gone) / max(1, tried.nit))
    if not fresh > 5 * late:
        return None
    evidence = {"move per step at the end": late, "after forgetting the past": fresh}
    inside = innermost(run.method)
    keeps = "beta2" not in inside.names() or isinstance(inside, AMSGrad)  # the largest that it has seen
    other = "a method that forgets old gradients, as Adam or RMSProp" if keeps else "a smaller beta2"
    larger, lr = rescaled(run.method, 10), fixed_rate(run)
    ways = [] if larger is None else [larger]
    if lr is not None:
        ways += [Rescaled(adam.method, f"Adam({adam.how})") for adam in _also_smaller(Adam(lr=lr))]
    for method, how in ways:
        better = improved(run, method, steps=max(run.nit, 50), below=cost(run))
        if better is not None:
            return cured(run, Cause.STEP_VANISHED, evidence, f"{how}, or {other}", better)
    return Diagnosis(Cause.STEP_VANISHED, evidence)
