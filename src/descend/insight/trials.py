"""What a diagnosis looks at, and how it tries a cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.outcome import Finding, reach_of
from descend.insight.changed_methods import round_rate, with_rate
from descend.insight.curvature import Curvature, curvature_of
from descend.insight.diagnosis import Cause, Diagnosis, Trial
from descend.methods import Around, Method
from descend.objectives.checks import slopes
from descend.objectives.function import DIFFERENCES
from descend.objectives.parameters import as_vector, from_vector
from descend.sentences import counted

__all__ = [
    "FROZEN",
    "HARDLY",
    "RIGHT_RULE",
    "TRIED",
    "again",
    "as_asked",
    "as_start",
    "at_a_tenth",
    "bottomless",
    "cost",
    "cured",
    "curvature_at",
    "false_slopes",
    "fixed_rate",
    "gains",
    "improved",
    "lies_far_off",
    "onward",
    "points",
    "rises",
    "shown",
    "start_cost",
    "told",
    "unbounded",
    "way_to",
    "without_a_minimum",
]

RIGHT_RULE = "make the derivative that of the function: look for stop_gradient, a rule of your own, or grad="  # too
FROZEN = "let something move: what has a gradient is frozen"  # a cure
HARDLY = 1e-6  # share of the cost, or of what was gained: no more than a trifle
TRIED = 500  # steps for which a cure is tried
_TO_THE_END = 5_000  # steps in which a cost without end should be out of the numbers
_SECONDS = 1.0  # that a trial may take, or as long as the run
_OF_A_REST, _PART, _OF_ALL = 1e-4, 0.05, 1e-4  # shares: of what was gained, of the cost, of what was gained
_FAR_OFF = 0.1  # of the size of x
_SHOWN = 12  # numbers of a point
_CURVED = 100_000  # variables up to which curvature is looked at


def curvature_at(run: Run, x: Any) -> Curvature | None:
    """The curvature there; None where it cannot be had."""
    size = as_vector(run.problem.x0).size
    if size > (_CURVED if run.problem.is_traced else 200):
        return None
    try:
        return curvature_of(run.problem, x)
    except ValueError:
        return None


def points(run: Run) -> Iterator[tuple[int, Any]]:
    """The start, the first points after it, and some more on the way: (row, point)."""
    if run.trace.x is None:
        yield 0, run.problem.x0
        return
    rows = len(run.trace)
    for row in sorted({*range(min(4, rows)), *np.linspace(0, rows - 1, 8).astype(int).tolist()}):
        yield row, from_vector(run.trace.x[row], run.problem.x0)


def fixed_rate(run: Run) -> float | None:
    """The learning rate, where it is one number of a method of this library, also inside of others around it."""
    return run.lr if isinstance(run.method, Method | Around) else None


def rises(costs: np.ndarray) -> float:
    """The share of the moves of a cost that go up."""
    moves = np.diff(costs)
    return float(moves[moves > 0].sum() / max(np.abs(moves).sum(), 1e-300))


def again(run: Run, method: Any, *, x0: Any = None, steps: int = TRIED, **how: Any) -> Run | None:
    """A run with something changed; None where it cannot be made."""
    problem, sampling = run.problem, run.sampling
    start = problem.x0 if x0 is None else x0
    common: dict[str, Any] = {"maximize": problem.sign < 0, "data": problem.data or None, "progress": False}
    common |= {"time_limit": max(_SECONDS, run.seconds)}
    if sampling is not None and sampling.samples:
        common |= {"batch_size": sampling.size, "seed": run.seed, "epochs": max(1, -(-steps // sampling.batches))}
    else:
        common |= {"steps": steps}
    try:
        return minimize(run.objective, start, method, **{**common, **how})
    except (ValueError, TypeError):
        return None


def improved(run: Run, method: Any, *, below: float, x0: Any = None, steps: int = TRIED) -> Run | None:
    """A run with something changed, if it does not go astray and ends below a cost; else None: then it is no cure."""
    tried = again(run, method, x0=x0, steps=steps)
    astray = tried is None or tried.outcome is Outcome.DIVERGED or tried.finding is Finding.LEAPT_OVER
    return tried if tried is not None and not astray and cost(tried) < below else None


def bottomless(run: Run, x0: Any) -> Diagnosis | None:
    """Whether the default steps, which take any way down, fall from a point of a run without end."""
    tried = again(run, None, x0=x0, steps=_TO_THE_END)
    if tried is None or tried.finding is not Finding.NO_BOUND:
        return None
    return unbounded({"cost": run.fun, "cost to which the default steps fall": tried.fun})


def at_a_tenth(run: Run, *, below: float, steps: int) -> tuple[str, Run] | None:
    """The same at a tenth of its rate, as a cure, and what that came to, if it ends below a cost; else None."""
    lr = fixed_rate(run)
    if lr is None:
        return None
    smaller = round_rate(lr / 10)
    tried = improved(run, with_rate(run.method, smaller), steps=steps, below=below)
    return None if tried is None else (f"lr={smaller:.3g}", tried)


def onward(run: Run, count: int = 24) -> np.ndarray | None:
    """The points of so many further steps, one by one, shape (count, n); None where the loop's end is not known."""
    if run.carry is None:
        return None
    problem = run.problem
    state, x = jax.tree.map(np.asarray, (run.carry.state, run.carry.x))  # of NumPy, so that no loop inside is traced
    points = []
    with problem.computing():
        for _ in range(count):
            f, g = problem.value_and_grad(x, *problem.data)
            change, state = run.method.update(
                g, state, x, value=f, value_fn=lambda p: problem.value(p, *problem.data),
                grad_fn=lambda p: problem.value_and_grad(p, *problem.data)[1],
            )  # fmt: skip
            x = jax.tree.map(lambda p, d: np.asarray(p + d, p.dtype), x, change)
            points.append(as_vector(x))
    return np.stack(points)


def false_slopes(run: Run, x: Any) -> dict[str, Any]:
    """A slope by differences at x that the gradient does not have, as evidence; empty where there is none."""
    if run.problem.gradient == DIFFERENCES or run.method.restricts:
        return {}
    value, grad = run.problem.value_and_grad(x, *run.problem.data)
    slope, quotient, allowed = slopes(replace(run.problem, x0=x), grad, run.problem.sign * float(value))
    if abs(slope - quotient) <= allowed:
        return {}
    return {"slope along a direction, by the gradient": slope, "by differences of the cost": quotient}


def unbounded(evidence: dict[str, Any]) -> Diagnosis:
    """The diagnosis of a cost that falls for ever."""
    cure = "bound the cost, e.g. by a penalty, or look for a wrong sign in it; the largest value is for maximize=True"
    return Diagnosis(Cause.UNBOUNDED, evidence, cure)


def without_a_minimum(evidence: dict[str, Any]) -> Diagnosis:
    """That of one that comes ever nearer to a level, as far as one goes."""
    cure = "there is no minimum, only a level that it nears: bound x, add a penalty, or stop where it is low enough"
    return Diagnosis(Cause.UNBOUNDED, evidence, cure)


def cost(run: Run) -> float:
    """The cost that is minimised, at the end."""
    value = run.cost_and_gradient()[0]
    return value if np.isfinite(value) else np.inf


def cured(run: Run, cause: Cause, evidence: dict[str, Any], cure: str, tried: Run) -> Diagnosis:
    """The diagnosis with a cure that was tried; where that took more steps than the run had, the cure tells them."""
    has_more = run.outcome is Outcome.STEPS_EXHAUSTED and tried.nit > run.nit
    if has_more and (run.sampling is None or not run.sampling.samples):
        cure += f", with steps={tried.nit}"
    return Diagnosis(cause, evidence, cure, told(tried))


def gains(run: Run, tried: Run) -> bool:
    """Whether a run gets so much lower than another that this was not done yet.

    It gains more than a thousandth of what was gained so far, or quarters the gradient, or takes a twentieth of a cost
    away that is not next to nothing.
    """
    won, gained = cost(run) - cost(tried), max(start_cost(run) - cost(run), 0)
    is_nearer = tried.cost_and_gradient()[2] < 0.25 * run.cost_and_gradient()[2]
    least = _OF_A_REST if run.outcome is Outcome.STALLED else 1e-3  # which is no success, however little is left
    takes_a_part = won > max(_PART * abs(cost(run)), _OF_ALL * gained)
    return won > least * gained or takes_a_part or (is_nearer and won > HARDLY * gained)


def way_to(run: Run, there: Run) -> float:
    """How far it is from the end of a run to that of another, in the variable that moves most."""
    return float(np.abs(as_vector(there.x_array).astype(float) - as_vector(run.x_array)).max())


def lies_far_off(run: Run, there: Run) -> bool:
    """Whether a lower place, of less than half the cost, is far off: the cost at the start may have been anything."""
    is_lower = cost(run) - cost(there) > 0.5 * abs(cost(run))
    return is_lower and way_to(run, there) > _FAR_OFF * reach_of(run.x_array)


def as_asked(run: Run, steps: int) -> str:
    """So many steps, as one asks for them: of batches by epochs."""
    if run.sampling is not None and run.sampling.samples:
        return f"epochs={-(-steps // run.sampling.batches)}"
    return f"steps={steps}"


def told(tried: Run, going_on: str = "") -> Trial:
    """How a trial ended; `going_on` says how, where it began at the end of the run."""
    outcome = tried.outcome.name if tried.outcome is not None else ""
    ended = f"{counted(tried.nit, 'step')} end{'s' if tried.nit == 1 else ''} at cost {tried.fun:.6g} ({outcome})"
    return Trial(f"{going_on}, {ended}" if going_on else ended, tried, bool(going_on))


def as_start(x: Any) -> str:
    """The start of a trial as text, as it is given; of many variables, where it is to be had."""
    return shown(x) if as_vector(x).size <= _SHOWN else "explain().trial.x0"


def shown(x: Any) -> str:
    """A point as text, as it is given: a number, an array, a dictionary; of many variables the first."""
    if isinstance(x, dict) and as_vector(x).size <= _SHOWN:
        texts = {name: shown(part) if np.ndim(part) else f"{float(part):.4g}" for name, part in x.items()}
        return f"{{{', '.join(f'{name!r}: {text}' for name, text in texts.items())}}}"
    point = as_vector(x) + 0.0  # no -0.0
    point = np.where(np.abs(point) < 1e-12 * np.abs(point).max(initial=0), 0.0, point)
    text = np.array2string(point[:_SHOWN], precision=4, separator=", ", max_line_width=10**6)
    return text if point.size <= _SHOWN else f"{text[:-1]}, …]"


def start_cost(run: Run) -> float:
    """The cost that is minimised, at the start; of all data."""
    if run.sampling is not None and run.sampling.samples:  # the trace holds the costs of batches
        return float(run.problem.value(run.problem.x0, *run.problem.data))
    return float(run.problem.sign * run.trace.f[0])
