"""Training a linear model with all rows at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.outcome import gradient_scale
from descend.methods import GradientDescent, Projected, Rule
from descend.models.axes import Axes
from descend.models.costs import Cost, Parted, RowsCost, Turned
from descend.models.unbounded import falls_for_ever
from descend.objectives.function import prepare
from descend.stepsizes import AdaptiveBarzilaiBorwein

__all__ = ["BOUNDING_L2", "train_around_corners", "train_in_turns", "train_on_all_rows"]

_FIRST = 30  # steps, after which the axes of the curvature are taken
_NARROWER = 10.0  # so much less is rounded off each time
_EXACT = 5e-4  # share of the cost by which it may be larger for what is rounded off
_NARROWEST = 1e-6  # of the first width
BOUNDING_L2 = 1e-4  # a penalty that gives a loss that falls for ever a lowest place


def train_on_all_rows(
    of_rows: Any,
    weights: np.ndarray,
    rule: Rule | None,
    steps: int,
    gtol: float,
    l1: float = 0.0,
    axes: Axes | None = None,
) -> tuple[Run, np.ndarray]:
    """The run of `minimize` on the cost of all rows, and its parameters; `rule` defaults to one without tuning.

    With `axes` it goes along these, and so do the points and gradients of the run.

    `gtol` is relative to the gradient at the start, or without coefficients where that is larger: a start in the
    minimum itself is none to measure by.
    """
    rule = GradientDescent(lr=AdaptiveBarzilaiBorwein()) if rule is None else rule
    cost: Any = of_rows
    start, empty = weights, np.concatenate([np.zeros_like(weights[..., :-1]), weights[..., -1:]], axis=-1)
    farthest = float(np.abs(empty).max())
    if l1:
        cost = Parted(of_rows, l1, weights)
        start, rule = cost.start, Projected(rule, cost.box)
        empty = np.concatenate([np.zeros_like(start[..., :-1]), start[..., -1:]], axis=-1)
    elif axes is not None:
        cost, start, empty = of_rows.along(axes), axes.coordinates(weights), axes.coordinates(empty)
    with np.errstate(all="ignore"):
        first = cost.grad(start)
        size = max(float(np.linalg.norm(g)) for g in (first, cost.grad(empty)))
        # Residuals are rounded as they are large themselves, and as the predictions are that they are taken from.
        sizes = 4 * abs(2 * float(cost(empty))) ** 0.5, farthest
        rounding = float(np.finfo(start.dtype).eps) * max(sizes)
    if not np.isfinite(size):
        raise ValueError("the cost is beyond all numbers at the start: give the target, or the columns, in other units")
    problem = prepare(cost, start, grad=cost.grad)
    # `minimize` measures the gradient in units of 1; here the first gradient is the unit, whatever the target's.
    scale = gradient_scale(problem, start, first.astype(start.dtype))
    unit = size / min(1.0, scale) if scale else max(size, 1.0)
    run = minimize(cost, start, rule, grad=cost.grad, steps=steps, gtol=max(gtol * unit, rounding))
    if l1:
        return run, Parted.joined(run.x)
    return run, np.asarray(run.x) if axes is None else axes.weights(np.asarray(run.x))


def train_in_turns(
    cost: RowsCost, weights: np.ndarray, steps: int, gtol: float, axes: Axes | None
) -> tuple[list[Run], np.ndarray]:
    """The runs of the default steps, each along the axes of the curvature where the last has ended; the parameters.

    The axes of the columns are those of the loss where all rows bend alike. They do not, where some are told for
    certain: there a loss of classes is flat. The runs are ever longer, and at most `steps` together.
    """
    base: Any = cost
    w, turn, in_the_end = weights, axes, None
    if axes is not None and not cost.rows.is_sparse:  # the rows themselves are turned, once
        base, w, turn, in_the_end = cost.along(axes), axes.coordinates(weights), None, axes
    runs, length = [], _FIRST if cost.knows_its_axes else steps
    while True:
        here, start = (base, w) if turn is None else (Turned(base, turn), turn.coordinates(w))
        run, found = train_on_all_rows(here, start, None, min(length, steps), gtol)
        w = found if turn is None else turn.weights(found)
        runs.append(run)
        steps, length = steps - run.nit, 2 * length
        found = w if in_the_end is None else in_the_end.weights(w)
        if run.outcome is not Outcome.STEPS_EXHAUSTED or steps < 1 or falls_for_ever(cost, found, has_converged=False):
            return runs, found
        turn = base.axes_at(w)


def train_around_corners(
    cost_at: Callable[[float], Cost],
    weights: np.ndarray,
    steps: int,
    gtol: float,
    l1: float = 0.0,
    axes: Axes | None = None,
    typical: Callable[[np.ndarray], float] | None = None,
) -> tuple[list[Run], np.ndarray, float, bool]:
    """The runs on a cost whose corners are rounded off, each time less, from where the last ended; the parameters, the
    last width, and whether it is so small that the cost is as good as that with its corners.

    A run on the cost itself would end on a kink that leads down. Steps of all runs together are at most `steps`. It
    ends, too, where a run gets no lower than the one before, whose parameters are kept. What little is beside the cost
    of a row, `typical(parameters)` tells; by default it is the mean.

    Source: Nesterov (2005), Math. Program. 103, smoothing; Chen (2007), J. Comput. Graph. Stat. 16(1), for quantiles.
    """
    typical = typical or cost_at(0.0)
    runs: list[Run] = []
    first = typical(weights)
    width = first / _NARROWER
    while True:
        run, found = train_on_all_rows(cost_at(width), weights, None, steps, gtol, l1, axes)
        if runs and run.outcome is Outcome.DIVERGED:
            return runs, weights, width * _NARROWER, False
        runs.append(run)
        weights = found
        steps -= run.nit
        is_exact = width / 2 <= max(_EXACT * typical(weights), _NARROWEST * first)
        if is_exact or steps < 1 or run.outcome in {Outcome.DIVERGED, Outcome.INTERRUPTED}:
            return runs, weights, width, is_exact
        width /= _NARROWER
