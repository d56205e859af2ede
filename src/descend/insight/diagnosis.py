"""Why a run ended as it did: a cause, with the numbers that speak for it, and a cure that was tried."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.outcome import has_no_bound, length, surroundings
from descend.descent.sweep import sweep
from descend.insight.curvature import Curvature, curvature_of
from descend.insight.gradient_check import check_gradient
from descend.insight.stability import convergence_factor, is_linear_map, stability_limit
from descend.insight.stationary import sobol
from descend.methods import Adam, GradientDescent, Method
from descend.objectives.parameters import as_vector, from_vector
from descend.stepsizes import BarzilaiBorwein, StepSize

__all__ = ["Cause", "Diagnosis", "explain"]

_TRIED = 500  # steps for which a cure is tried
_CURVED = 100_000  # variables up to which curvature is looked at
_STARTS, _FEW = 64, 10  # other starts, of at most so many variables, in the search for a better minimum
_ILL = 50.0  # condition from which on it is called bad
_SLOW = 0.02  # of the limit of stability, below which a rate is called small


class Cause(enum.Enum):
    """What a run suffers from; the value is the sentence for the user."""

    HEALTHY = "nothing is wrong"
    RATE_TOO_LARGE = "the learning rate is too large"
    RATE_TOO_SMALL = "the learning rate is too small"
    ILL_CONDITIONED = "the cost is ill-conditioned: steep across, flat along"
    OSCILLATING = "the steps go to and fro across the minimum"
    STEP_VANISHED = "the adaptive step has become too small"
    DECAYED_TOO_EARLY = "the learning rate has decayed before the minimum was reached"
    TOO_FEW_STEPS = "it was on its way, and needs more steps"
    SADDLE = "it rests on a saddle or a maximum"
    PLATEAU = "it rests on a plateau"
    LOCAL_MINIMUM = "it is in a local minimum, and there is a lower one"
    UNBOUNDED = "the cost has no lower bound"
    LEFT_DOMAIN = "a step led to where the cost is not finite"
    WRONG_GRADIENT = "the gradient is wrong"
    PRECISION_FLOOR = "it has reached the precision of the numbers"
    NOISE_FLOOR = "the noise of the batches keeps it from going lower"
    OVERFITTING = "it learns the training rows by heart"
    UNKNOWN = "I cannot tell"


@dataclass(frozen=True)
class Diagnosis:
    """What a run suffers from.

    Attributes
    ----------
    cause
        One of `Cause`.
    evidence
        Name → number or text that speaks for it.
    cure
        What to change; empty where nothing needs to be, or nothing that was tried has helped.
    seen
        What a short run with the cure showed.
    outcome
        How the run had ended.
    """

    cause: Cause
    evidence: dict[str, Any] = field(default_factory=dict)
    cure: str = ""
    seen: str = ""
    outcome: Outcome | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        found = {name: _plain(value) for name, value in self.evidence.items()}
        return {"cause": self.cause.name, "evidence": found, "cure": self.cure, "seen": self.seen}

    def __str__(self) -> str:
        """The diagnosis in a few lines."""
        text = self.cause.value
        lines = [text[0].upper() + text[1:] + "."]
        lines += [f"  {name}: {_shown(value)}" for name, value in self.evidence.items()]
        lines += [f"Cure: {self.cure}."] * bool(self.cure)
        lines += [f"Tried: {self.seen}."] * bool(self.seen)
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        shown = np.array2string(value[:6], precision=4, suppress_small=True)
        return shown if value.size <= 6 else f"{shown[:-1]} …]"
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def explain(run: Run) -> Diagnosis:
    """Find out why a run ended as it did.

    What is said was measured: curvature where the run has been, the limit of stability of its method, the gradient,
    other starts. A cure was tried in a short run of its own, from the start of the run, before it is given.

    Raises
    ------
    ValueError
        The run has not ended.
    """
    if run.outcome is None:
        raise ValueError("the run has not ended: explain it afterwards")
    with np.errstate(all="ignore"):
        for look in (_gradient, _diverged, _converged, _floor, _stalled, _sampled, _on_its_way):
            found = look(run)
            if found is not None:
                return Diagnosis(found.cause, found.evidence, found.cure, found.seen, run.outcome)
    return Diagnosis(Cause.UNKNOWN, outcome=run.outcome)


# -- what is measured ---------------------------------------------------------------------------------------


def _curvature_at(run: Run, x: Any) -> Curvature | None:
    """The curvature there; None where it cannot be had."""
    size = as_vector(run.problem.x0).size
    if size > (_CURVED if run.problem.is_traced else 200):
        return None
    try:
        return curvature_of(run.problem, x)
    except ValueError:
        return None


def _points(run: Run) -> Iterator[tuple[int, Any]]:
    """The start, the first points after it, and some more on the way: (row, point)."""
    if run.trace.x is None:
        yield 0, run.problem.x0
        return
    rows = len(run.trace)
    for row in sorted({*range(min(4, rows)), *np.linspace(0, rows - 1, 8).astype(int).tolist()}):
        yield row, from_vector(run.trace.x[row], run.problem.x0)


def _fixed_rate(run: Run) -> float | None:
    return run.lr if isinstance(run.method, Method) else None


def _with_rate(method: Any, lr: float) -> Any:
    return type(method)(**{**{name: getattr(method, name) for name in method.names()}, "lr": lr})


def _again(run: Run, method: Any, *, x0: Any = None, steps: int = _TRIED) -> Run | None:
    """A run with something changed; None where it cannot be made."""
    problem = run.problem
    start = problem.x0 if x0 is None else x0
    how = {"maximize": problem.sign < 0, "data": problem.data or None, "steps": steps, "progress": False}
    try:
        return minimize(run.objective, start, method, **how)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None


def _cost(run: Run) -> float:
    """The cost that is minimised, at the end."""
    value = run.cost_and_gradient()[0]
    return value if np.isfinite(value) else np.inf


def _told(tried: Run) -> str:
    outcome = tried.outcome.name if tried.outcome is not None else ""
    return f"{tried.nit:,} steps end at cost {tried.fun:.6g} ({outcome})"


def _start_cost(run: Run) -> float:
    return float(run.problem.sign * run.trace.f[0])


# -- causes -------------------------------------------------------------------------------------------------


def _gradient(run: Run) -> Diagnosis | None:
    problem = run.problem
    if problem.grad is None:
        return None
    for _, x in reversed([*_points(run)]):
        try:
            check = check_gradient(problem.call, lambda p, *d: _unsigned(problem, p, d), x, data=problem.data)
        except (ValueError, TypeError):
            continue
        if not check.is_right:
            worst = check.wrong[0]
            evidence = {
                "wrong coordinates": len(check.wrong), "of": check.size, "at x": as_vector(x),
                f"given, in {worst.name}": worst.given, f"right, in {worst.name}": worst.right,
            }  # fmt: skip
            tried = _again(run, run.method)
            better = tried is not None and _cost(tried) < _cost(run)
            cure = "leave grad= out: the gradient is then derived from the function" if better else "mend grad="
            return Diagnosis(Cause.WRONG_GRADIENT, evidence, cure, _told(tried) if better and tried else "")
    return None


def _unsigned(problem: Any, x: Any, data: Any) -> Any:
    import jax

    return jax.tree.map(lambda g: problem.sign * g, problem.grad(x, *data))


def _diverged(run: Run) -> Diagnosis | None:
    if run.outcome is not Outcome.DIVERGED:
        return None
    first, last = _start_cost(run), float(run.problem.sign * run.trace.f[-1])
    falls = last < first
    if falls and (has_no_bound(last, first) or (run.bad_x is None and "no bound" in run.message)):
        evidence = {"cost at the start": run.problem.sign * first, "cost at the end": run.problem.sign * last}
        return Diagnosis(Cause.UNBOUNDED, evidence, "bound the cost, e.g. by a penalty, or look for a wrong sign in it")
    return _above_the_limit(run) or _edge(run) or _smaller_helps(run)


def _above_the_limit(run: Run) -> Diagnosis | None:
    """Whether the rate was above the limit of stability at a point where the run has been, before it went astray."""
    first, costs = _start_cost(run), run.problem.sign * run.trace.f
    used = float(np.nanmax(run.trace.lr)) if np.isfinite(run.trace.lr).any() else run.lr
    for row, x in _points(run):
        if used is None or (row and costs[row] > max(first, 0) * 1e3 + 1e3 * abs(first)):
            return None  # by then it was astray already
        bend = _curvature_at(run, x)
        limit = np.nan if bend is None else stability_limit(run.method, bend.largest)
        if bend is not None and used > limit:
            evidence = {"learning rate": used, "largest curvature L": bend.largest, "limit of stability": limit}
            return _smaller(run, limit / 2, {**evidence, "step": int(run.trace.step[row])})
    return None


def _smaller(run: Run, lr: float, evidence: dict[str, Any]) -> Diagnosis | None:
    """The cure is a smaller rate: the first of a few, each half the one before, that works."""
    fixed = _fixed_rate(run) is not None
    for _ in range(10 if fixed else 0):
        tried = _again(run, _with_rate(run.method, lr))
        if tried is not None and tried.outcome is not Outcome.DIVERGED and _cost(tried) <= _start_cost(run):
            return Diagnosis(Cause.RATE_TOO_LARGE, evidence, f"lr={lr:.3g}", _told(tried))
        lr /= 2
    tried = _again(run, None)
    if tried is not None and tried.outcome is not Outcome.DIVERGED and _cost(tried) <= _start_cost(run):
        return Diagnosis(
            Cause.RATE_TOO_LARGE, evidence, "leave the method out: the default finds its steps", _told(tried)
        )
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence)


def _edge(run: Run) -> Diagnosis | None:
    if run.bad_x is None:
        return None
    cost = float(run.problem.value(run.bad_x, *run.problem.data))
    bad, last = as_vector(run.bad_x), as_vector(run.x_array)
    far = float(np.abs(bad).max()) > 1e3 * (1 + float(np.abs(last).max()))
    if np.isfinite(cost) or far or (abs(cost) == np.inf and float(np.abs(bad).max()) > 1e3):
        return None
    evidence = {"last finite x": last, "then x": bad, "cost there": cost}
    for method in (None, *([_with_rate(run.method, run.lr / 10)] if _fixed_rate(run) and run.lr else [])):
        tried = _again(run, method)
        if tried is not None and tried.outcome in {Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED}:
            cure = (
                "leave the method out: the default does not step beyond the edge"
                if method is None
                else "a tenth of the rate"
            )
            return Diagnosis(Cause.LEFT_DOMAIN, evidence, cure, _told(tried))
    return Diagnosis(Cause.LEFT_DOMAIN, evidence, "keep x inside, e.g. with Projected(method, Box(low, high))")


def _smaller_helps(run: Run) -> Diagnosis | None:
    """Where no limit is known: whether a smaller rate ends well."""
    lr = _fixed_rate(run)
    if lr is None:
        return None
    evidence = {"learning rate": lr, "limit of stability": "not known for this method: smaller rates were tried"}
    found = _smaller(run, lr / 4, evidence)
    return found if found is not None and found.cure else None


def _converged(run: Run) -> Diagnosis | None:
    if run.outcome is not Outcome.CONVERGED:
        return None
    better = _better_minimum(run)
    if better is None:
        size = run.cost_and_gradient()[2]
        return Diagnosis(Cause.HEALTHY, {"cost": run.fun, "gradient norm": size, "steps": run.nit})
    evidence = {"cost": run.fun, "lower cost": better.fun, "found at x": as_vector(better.x_array)}
    start = np.array2string(as_vector(better.x_array), precision=3, separator=", ")
    return Diagnosis(Cause.LOCAL_MINIMUM, evidence, f"start elsewhere, e.g. near {start}", _told(better))


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
    margin = 1e-6 * max(1.0, abs(_cost(run)))
    for lane in np.argsort(costs)[:4]:
        if not costs[lane] < _cost(run) - margin:
            break
        tried = _again(run, None, x0=lanes[int(lane)].x, steps=2_000)
        if tried is not None and tried.outcome is Outcome.CONVERGED and _cost(tried) < _cost(run) - margin:
            return tried
    return None


def _floor(run: Run) -> Diagnosis | None:
    if run.outcome is not Outcome.PRECISION_FLOOR:
        return None
    evidence = {"dtype": run.dtype, "gradient norm": run.cost_and_gradient()[2], "cost": run.fun}
    if run.dtype == "float64":
        return Diagnosis(Cause.PRECISION_FLOOR, evidence)
    wide = as_vector(run.problem.x0).astype(np.float64)
    tried = _again(
        run, None, x0=wide.reshape(np.shape(run.problem.x0)) if isinstance(run.problem.x0, np.ndarray) else None
    )
    if tried is None or not _cost(tried) <= _cost(run):
        return Diagnosis(Cause.PRECISION_FLOOR, evidence)
    return Diagnosis(Cause.PRECISION_FLOOR, evidence, "start in float64", _told(tried))


def _stalled(run: Run) -> Diagnosis | None:
    if run.outcome is not Outcome.STALLED:
        return None
    f, grad, size = run.cost_and_gradient()
    bend = _curvature_at(run, run.x_array)
    slope = run.method.slope(run.x_array, grad)
    flat, toward = surroundings(run.problem, run.x_array, f, slope, run.method.reach)
    moved = _cost(run) < _start_cost(run)
    sharp = bend is not None and bend.smallest < -1e-4 * max(1e-3, bend.sharpness)
    if "it seems to have no" in run.message and not sharp:
        return Diagnosis(
            Cause.UNBOUNDED, {"cost": run.fun, "x": as_vector(run.x_array)}, "bound the cost, e.g. by a penalty"
        )
    scale = max(1.0, float(np.abs(as_vector(run.x_array)).max()))
    if size <= 1e-5 * max(1.0, abs(f)) and bend is not None and (toward or flat):
        if sharp:
            return _saddle(run, bend, scale)
        if (toward and bend.smallest < 0 and moved) or ("saddle" in run.message and not flat):
            return _saddle(run, bend, scale)
        return _plateau(run, bend, size)
    return _decayed(run) or _circling(run) or _vanished(run) or _too_small(run, bend)


def _saddle(run: Run, bend: Curvature, scale: float) -> Diagnosis:
    evidence = {
        "gradient norm": run.cost_and_gradient()[2],
        "lowest curvature": bend.smallest,
        "along": bend.of_smallest,
    }
    place = as_vector(run.x_array).astype(float)
    for far in (1e-2, 0.1, -0.1, 0.5):
        tried = _again(run, None, x0=from_vector(place + far * scale * bend.of_smallest, run.problem.x0))
        if tried is not None and _cost(tried) < _cost(run):
            shown = np.array2string(place + far * scale * bend.of_smallest, precision=3, separator=", ")
            return Diagnosis(Cause.SADDLE, evidence, f"start a little beside it, at {shown}", _told(tried))
    return Diagnosis(Cause.SADDLE, evidence)


def _plateau(run: Run, bend: Curvature, size: float) -> Diagnosis:
    evidence = {"gradient norm": size, "largest curvature": bend.sharpness, "cost": run.fun}
    better = _better_minimum(run)
    if better is None:
        return Diagnosis(Cause.PLATEAU, evidence)
    start = np.array2string(as_vector(better.x_array), precision=3, separator=", ")
    return Diagnosis(Cause.PLATEAU, evidence, f"start elsewhere, e.g. near {start}", _told(better))


def _circling(run: Run) -> Diagnosis | None:
    """Whether the last moves go to and fro without getting lower."""
    if run.trace.x is None or len(run.trace) < 12:
        return None
    moves = np.diff(run.trace.x[-12:].astype(float), axis=0)
    sizes = np.linalg.norm(moves, axis=1)
    if not (sizes > 0).all():
        return None
    turns = np.sum(moves[1:] * moves[:-1], axis=1) / (sizes[1:] * sizes[:-1])
    costs = run.problem.sign * run.trace.f
    rows = len(costs) // 2
    idle = costs[rows:].min() >= costs[:rows].min() - 1e-3 * abs(costs[0] - costs[:rows].min())
    returns = float(np.linalg.norm(moves.sum(axis=0))) < 0.2 * float(sizes.sum())
    if not ((np.median(turns) < -0.3 or returns) and idle and sizes[-1] > 0.2 * sizes[0]):
        return None
    evidence = {"cosine between successive moves": float(np.median(turns)), "length of a move": float(sizes[-1])}
    lr = _fixed_rate(run)
    if lr is not None:
        for smaller in (lr / 10, lr / 100):
            tried = _again(run, _with_rate(run.method, smaller), x0=run.x, steps=_TRIED)
            if tried is not None and _cost(tried) < _cost(run) and tried.outcome is not Outcome.DIVERGED:
                cure = f"let the rate fall at the end, from lr={lr:.3g} to {smaller:.3g} or less"
                return Diagnosis(Cause.OSCILLATING, evidence, cure, f"going on with lr={smaller:.3g}, {_told(tried)}")
    return Diagnosis(Cause.OSCILLATING, evidence)


def _sampled(run: Run) -> Diagnosis | None:
    """A run on batches: has the noise of their gradients got the upper hand?"""
    if run.sampling is None or not run.sampling.samples:
        return None
    problem, size = run.problem, run.sampling.size
    _, grad, whole = run.cost_and_gradient()
    draw, distances = np.random.default_rng(0), []
    import jax

    for _ in range(16):
        rows = draw.choice(run.sampling.rows, size, replace=False)
        part = jax.tree.map(lambda a, rows=rows: a[rows], problem.data)
        of_batch = problem.value_and_grad(run.x_array, *part)[1]
        distances.append(length(jax.tree.map(lambda a, b: a - b, of_batch, grad)))
    noise = float(np.sqrt(np.mean(np.square(distances))))
    evidence = {"gradient norm of all rows": whole, "deviation of a batch's gradient": noise, "batch size": size}
    lr = _fixed_rate(run)
    if noise <= whole or lr is None:
        return None
    how: dict[str, Any] = {"data": problem.data, "batch_size": size, "seed": run.seed + 1, "progress": False}
    epochs = max(1, min(20, int(np.ceil(2_000 * size / run.sampling.rows))))
    tried = minimize(
        run.objective, run.x, _with_rate(run.method, lr / 10), epochs=epochs, maximize=problem.sign < 0, **how
    )
    if not _cost(tried) < _cost(run):
        return None
    cure = f"larger batches, an average of the points (Averaged), or a rate that falls from {lr:.3g} to {lr / 10:.3g}"
    return Diagnosis(Cause.NOISE_FLOOR, evidence, cure, f"going on with lr={lr / 10:.3g}, {_told(tried)}")


def _on_its_way(run: Run) -> Diagnosis | None:
    if run.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.OUT_OF_TIME, Outcome.INTERRUPTED}:
        return None
    bend = _curvature_at(run, run.x_array)
    looks: tuple[Callable[[], Diagnosis | None], ...] = (
        lambda: _circling(run),
        lambda: _decayed(run),
        lambda: _vanished(run),
        lambda: _too_small(run, bend),
        lambda: _ill_conditioned(run, bend),
        lambda: _more_steps(run),
    )
    for look in looks:
        found = look()
        if found is not None:
            return found
    return None


def _decayed(run: Run) -> Diagnosis | None:
    """Whether the schedule took the rate down before the run was there."""
    rates = run.trace.lr[np.isfinite(run.trace.lr)]
    stepsize = getattr(run.method, "lr", None)
    if not isinstance(stepsize, StepSize) or stepsize.compares or not len(rates) or rates[-1] > 0.05 * rates.max():
        return None
    method = _with_rate(run.method, float(rates.max()))
    tried = _again(run, method, x0=run.x, steps=min(_TRIED, max(50, run.nit)))
    if tried is None or not _gains(run, tried):
        return None
    evidence = {"rate at its highest": float(rates.max()), "rate at the end": float(rates[-1])}
    cure = f"let {type(stepsize).__name__} take more steps to decay"
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, f"going on with lr={rates.max():.3g}, {_told(tried)}")


def _gains(run: Run, tried: Run) -> bool:
    """Whether a run from its end gains more than a hundredth of what was gained so far, or quarters the gradient."""
    won = _cost(run) - _cost(tried)
    return won > 0.01 * max(_start_cost(run) - _cost(run), 0) or (
        won > 0 and tried.cost_and_gradient()[2] < 0.25 * run.cost_and_gradient()[2]
    )


def _vanished(run: Run) -> Diagnosis | None:
    """Whether an adaptive method goes much faster once it has forgotten what it has seen."""
    lr = _fixed_rate(run)
    if lr is None or not run.method.slots or is_linear_map(run.method) or run.nit < 20 or run.trace.x is None:  # type: ignore[attr-defined]
        return None
    count = max(20, run.nit // 10)
    row = int(np.searchsorted(run.trace.step, run.nit - count, side="right")) - 1
    late = float(np.linalg.norm(as_vector(run.x_array) - run.trace.x[max(row, 0)])) / count
    tried = _again(run, run.method, x0=run.x, steps=count)
    if tried is None or not _cost(tried) < _cost(run):
        return None
    fresh = float(np.linalg.norm(as_vector(tried.x_array).astype(float) - as_vector(run.x_array))) / max(1, tried.nit)
    won_late = run.problem.sign * (run.trace.f[max(row, 0)] - run.trace.f[-1])
    if not (fresh > 5 * late and _cost(run) - _cost(tried) > 3 * max(won_late, 0)):
        return None
    evidence = {"move per step at the end": late, "after forgetting the past": fresh}
    cure = "Adam or RMSProp, which forget old gradients, or a larger lr"
    for method in (_with_rate(run.method, 10 * lr), Adam(lr=lr)):
        better = _again(run, method, steps=max(run.nit, 50))
        if better is not None and better.outcome is not Outcome.DIVERGED and _cost(better) < _cost(run):
            which = f"lr={10 * lr:.3g}" if type(method) is type(run.method) else f"Adam(lr={lr:.3g})"
            return Diagnosis(Cause.STEP_VANISHED, evidence, f"{cure}: {which}", _told(better))
    return Diagnosis(Cause.STEP_VANISHED, evidence)


def _too_small(run: Run, bend: Curvature | None) -> Diagnosis | None:
    """Whether the rate is far below what the method stands, or a much larger one goes much farther."""
    lr = _fixed_rate(run)
    if lr is None:
        return None
    limit = np.nan if bend is None else stability_limit(run.method, bend.largest)
    steps = min(max(run.nit, 20), 2_000)
    if np.isfinite(limit) and lr >= _SLOW * limit:
        return None
    evidence: dict[str, Any] = {"learning rate": lr}
    evidence |= {"limit of stability": limit} if np.isfinite(limit) else {}
    larger = [0.5 * limit, 0.1 * limit] if np.isfinite(limit) else [100 * lr, 10 * lr]
    for rate in larger:
        tried = _again(run, _with_rate(run.method, float(rate)), steps=steps)
        ends_well = tried is not None and tried.outcome is not Outcome.DIVERGED
        if tried is None or not ends_well:
            continue
        won, before = _start_cost(run) - _cost(tried), _start_cost(run) - _cost(run)
        if won > 1.5 * max(before, 0) or tried.outcome is Outcome.CONVERGED:
            return Diagnosis(Cause.RATE_TOO_SMALL, evidence, f"lr={rate:.3g}", _told(tried))
    return None


def _ill_conditioned(run: Run, bend: Curvature | None) -> Diagnosis | None:
    if bend is None or not bend.condition > _ILL or (not bend.is_exact and bend.smallest < 0):
        return None
    evidence: dict[str, Any] = {
        "condition κ": bend.condition,
        "largest curvature L": bend.largest,
        "lowest": bend.smallest,
    }
    lr = _fixed_rate(run)
    if lr is not None and is_linear_map(run.method):
        factor = convergence_factor(run.method, lr, bend.smallest)
        if factor < 1:
            evidence["steps for each digit, predicted"] = float(np.log(0.1) / np.log(factor))
    tried = _again(run, None, steps=max(run.nit, 100))
    if tried is None or not _cost(tried) < _cost(run):
        return Diagnosis(Cause.ILL_CONDITIONED, evidence)
    return Diagnosis(
        Cause.ILL_CONDITIONED,
        evidence,
        "leave the method out: the default (Barzilai–Borwein steps), or momentum",
        _told(tried),
    )


def _more_steps(run: Run) -> Diagnosis | None:
    steps = max(4 * run.nit, 100)
    if run.sampling is not None and run.sampling.samples:
        return None
    tried = _again(run, run.method, steps=min(steps, 50_000))
    if tried is None or tried.outcome is Outcome.DIVERGED or not _cost(tried) < _cost(run):
        return None
    evidence = {"gradient norm": run.cost_and_gradient()[2], "steps": run.nit}
    return Diagnosis(Cause.TOO_FEW_STEPS, evidence, f"steps={min(steps, 50_000):,}", _told(tried))
