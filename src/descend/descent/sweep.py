"""`sweep`: one objective, many hyperparameters and starts, in one compiled call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Never

import jax
import numpy as np

from descend.arguments import no_others, whole
from descend.descent.interrupts import Interrupts
from descend.descent.lanes import Ends, run_lanes
from descend.descent.options import check_options, check_rates, last_step, ready, samples, sampling_of
from descend.descent.outcome import gradient_scale
from descend.descent.sampling import as_data
from descend.descent.sweep_result import Sweep, picked
from descend.descent.watch import Tolerances
from descend.methods import GradientDescent, Rule, as_rule
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of

__all__ = ["sweep"]

_ROWS = 200  # rows of the trace of each lane
_MOST_LANES = 4_096  # in one call; more are made in several


def sweep(
    objective: Callable[..., Any] | str,
    x0: Any = None,
    method: Any = None,
    *,
    starts: Any = None,
    steps: int | None = None,
    grad: Callable[..., Any] | None = None,
    maximize: bool = False,
    data: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    gtol: float | None = None,
    rows: int = _ROWS,
    **others: Never,
) -> Sweep:
    """Minimise a function with many hyperparameters, from many starts, in one compiled call.

    Parameters
    ----------
    objective, x0, grad, maximize, data, batch_size, epochs, seed, gtol
        As in `minimize`. All lanes see the same batches.
    method
        A method in which one or more hyperparameters are arrays of shape (k,):
        `Adam(lr=np.logspace(-4, 0, 100))`, `Adam(lr=Cosine(np.logspace(-4, 0, 9), steps=500))`. The sweep runs over
        the product of all of them. Default: `GradientDescent` with 61 rates from 1e-4 to 100.
    starts
        Many starts instead of x0: an array whose first axis counts them, or a list of starts. Another axis.
    steps
        So many steps at most; default 1,000.
    rows
        How many rows of each lane's trace are kept; 2 keeps the final values alone. Fewer, and without x, where they
        would need more than 64 MiB.

    Returns
    -------
    Sweep
        One lane for each combination, in the order of the product, the last axis fastest.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came, what is legal and the cure.
    """
    begin = time.perf_counter()
    no_others(sweep, others)
    tolerances = Tolerances(gtol, None, None)
    check_options(grad=grad, callback=None, time_limit=None, maximize=maximize)
    whole("rows", rows, least=2)
    rule = as_rule(GradientDescent(lr=np.logspace(-4, 2, 61)) if method is None else method)
    many, x0 = _starts(objective, x0, starts)
    objective, x0, in_words = named(objective, x0)
    x0 = as_parameters(x0)
    parts = as_data(data, x0) if data is not None else ()
    sampling = sampling_of(parts, batch_size, epochs, seed)
    axes = _axes(rule)
    if not axes and many is None:
        raise ValueError(
            "there is nothing to sweep: give an array for a hyperparameter, Adam(lr=np.logspace(-4, 0, 50)), or "
            "starts=; on the command line --lr 1e-4:1:50"
        )
    last = last_step(sampling, 1_000 if steps is None and epochs is None and not samples(sampling) else steps, epochs)
    check_rates(ready(picked(rule, dict.fromkeys(axes, 0)), sampling, x0), last)
    problem = prepare(objective, x0, grad=grad, data=parts, maximize=maximize, written_in_words=in_words)
    names = dict(axes) if many is None else {**axes, "start": np.arange(len(many))}
    lanes = np.indices([len(values) for values in names.values()]).reshape(len(names), -1)
    chosen = dict(zip(names, lanes, strict=True))
    points = [x0] if many is None else many
    scale = [_scale_at(problem, i, point) for i, point in enumerate(points)]
    small = np.array([-1.0 if samples(sampling) else tolerances.gradient(dtype_of(x0), s) for s in scale])
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *points)
    ends = []
    with Interrupts() as interrupts:
        for group in _groups(lanes.shape[1]):
            here = {name: places[group] for name, places in chosen.items()}
            which = here.get("start", np.zeros(len(group), int))
            ends.append(
                run_lanes(
                    problem,
                    sampling,
                    picked(rule, here),
                    axes,
                    jax.tree.map(lambda leaf, which=which: leaf[which], stacked),
                    small[which],
                    rows=rows,
                    last=last,
                )
            )
            if interrupts.came():
                raise KeyboardInterrupt
    done = Ends.joined(ends)[: lanes.shape[1]]
    return Sweep(objective, problem, rule, names, points, sampling, seed, tolerances, done, time.perf_counter() - begin)


def _scale_at(problem: Problem, i: int, point: Any) -> float:
    value, grad = problem.value_and_grad(point, *problem.data)
    if not np.isfinite(value):
        raise ValueError(f"the objective is {problem.sign * value} at start {i}, {point}: leave that start out")
    return gradient_scale(problem, point, grad)


def _groups(lanes: int) -> list[np.ndarray]:
    """The lanes in groups of one size, so that one program runs them all; the last is filled up with its last lane."""
    size = min(lanes, _MOST_LANES)
    return [np.minimum(np.arange(i, i + size), lanes - 1) for i in range(0, lanes, size)]


def _starts(objective: Any, x0: Any, starts: Any) -> tuple[list[Any] | None, Any]:
    if starts is None:
        return None, x0
    if x0 is not None:
        raise ValueError("give x0 or starts=, not both")
    given = list(starts) if isinstance(starts, Sequence | np.ndarray) else None
    if not given:
        raise ValueError(f"starts must be an array or a list of starts, with at least one, got {starts!r}")
    many = [as_parameters(start) for start in given]
    kinds = {(jax.tree.structure(start), *(leaf.shape for leaf in jax.tree.leaves(start))) for start in many}
    if len(kinds) > 1:
        raise ValueError(f"all starts must have one structure and shape, got {', '.join(sorted(map(str, kinds)))}")
    return many, many[0]


def _axes(rule: Rule) -> dict[str, np.ndarray]:
    """Name → values of each hyperparameter that is an array."""
    axes = {}
    for name, value, legal in rule.numbers():
        if np.ndim(value) == 0 or legal.any_rank:
            continue
        if np.ndim(value) > 1:
            raise ValueError(f"{name} has shape {np.shape(value)}; an axis of a sweep has one dimension")
        axes[name] = np.asarray(value, dtype=float)
    return axes
