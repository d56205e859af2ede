"""Steps that lead past a lower place on to flat ground, from where there is no way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from descend.descent.outcome import length, noise_of
from descend.objectives.parameters import as_vector, from_vector
from descend.words import along, dot

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["leapt_over"]

_AROUND = 0.1  # of the way from the start: so far before and behind the end the ground is to be flat
_SHORT = 1e-3  # share of x at the start: who has gone no farther has leapt over nothing
_FLAT = 1e-9  # share of the cost, and of what was gained, by which it may change there
_LOWER = 1e-6  # share of the same: what is lower by less was no place to reach
_SLOPE = 0.5  # share of the slope that is left after a short step: it follows the ground
_EVALUATIONS = 200  # of the cost, on a way in short steps


def leapt_over(run: Run, f: float, first: float) -> float | None:
    """The cost that short steps reach, from the start or from where the longest kept step began.

    None where it is not lower than that of the run, or where the run has not ended amid a wide flat. Costs as they are
    minimised.
    """
    start, end = as_vector(run.problem.x0).astype(np.float64), as_vector(run.x_array).astype(np.float64)
    if np.abs(end - start).max() <= _SHORT * np.abs(start).max():
        return None
    rounding, size = noise_of(run.problem, run.x_array, f), min(first - f, abs(f))
    level = max(_FLAT * size, rounding)
    places = (from_vector(end + by * (end - start), run.x_array) for by in (_AROUND, -_AROUND))
    if not all(abs(float(run.problem.value(place, *run.problem.data)) - f) <= level for place in places):
        return None
    begins = [run.problem.x0]
    if run.trace.x is not None and len(run.trace) > 1:
        moves = np.abs(np.diff(run.trace.x.astype(np.float64), axis=0)).max(axis=1)
        begins.append(from_vector(run.trace.x[moves.argmax()], run.problem.x0))
    lowest = min(_in_short_steps(run, begin) for begin in begins)
    return lowest if lowest < f - max(_LOWER * size, 10 * rounding) else None


def _in_short_steps(run: Run, x: Any) -> float:
    """The cost that gradient descent reaches whose steps end before the slope along them has gone."""
    problem, go = run.problem, run.method.reach
    value, grad = problem.value_and_grad(x, *problem.data)
    size = length(grad)
    lr = 1 / size if size > 0 else 0.0
    for _ in range(_EVALUATIONS):
        if size == 0:
            break
        there = go(x, along(x, -lr, grad))
        ahead, slope = problem.value_and_grad(there, *problem.data)
        if ahead < value and dot(slope, grad) >= _SLOPE * size**2:
            x, value, grad, size, lr = there, ahead, slope, length(slope), 4 * lr
        lr /= 2
    return float(value)
