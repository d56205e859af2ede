"""Costs that change in jumps, or by less than their numbers can tell: what is seen of them around a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from descend.descent.outcome import length, noise_of, reach_of
from descend.objectives.parameters import as_vector, from_vector

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["falls_without_slope", "has_no_slope_near", "is_lower_near", "jumps_beside", "stands_in_steps"]

_NEAREST = 30  # halvings of the size of x
_FARTHER = 0.5 ** np.arange(10, -1, -1)  # of the size of x: so far it is looked
_BETWEEN = np.linspace(0, 1, 12)[1:] - 0.02  # of the way: no jump is met exactly
_HALVINGS = 40  # of that part of the way in which it falls
_FEW_WAYS = 8  # coordinates along which it is looked around


def _cost_at(run: Run, point: np.ndarray) -> float:
    """The cost, as it is minimised, where the method may go to from there."""
    there = run.method.reach(run.x_array, from_vector(point, run.x_array))
    return float(run.problem.value(there, *run.problem.data))


def has_no_slope_near(run: Run, f: float) -> bool:
    """Whether all gradients around are zero, not nearly so but exactly."""
    point = as_vector(run.x_array)
    draw = np.random.default_rng(0)
    moves = (point + 1e-4 * np.maximum(1, np.abs(point)) * draw.normal(size=point.size) for _ in range(4))
    grads = (run.problem.value_and_grad(from_vector(move, run.x_array), *run.problem.data)[1] for move in moves)
    return abs(f) < 1e6 and all(length(grad) == 0 for grad in grads)


def stands_in_steps(run: Run, f: float) -> bool:
    """Whether the cost of a function that is only called stands still around, and is lower a little further on."""
    point = as_vector(run.x_array)
    way = np.random.default_rng(0).normal(size=point.size)
    way *= reach_of(run.x_array) / np.abs(way).max()
    values = np.array([_cost_at(run, point + far * way) for far in np.linspace(-0.5, 0.5, 41)])
    return bool((np.diff(values) == 0).mean() > 0.5 and (values < f).any())


def _first_ways(n: int) -> np.ndarray:
    """The directions of the first coordinates, of however many there are, shape (at most `_FEW_WAYS`, n)."""
    return np.eye(min(_FEW_WAYS, n), n)


def jumps_beside(run: Run, f: float) -> bool:
    """Whether along one of the first coordinates the cost is lower as soon as x moves, and hardly more further on."""
    point, reach = as_vector(run.x_array), reach_of(run.x_array)
    short, rounding = 8 * float(np.finfo(point.dtype).eps) ** 0.5, 10 * noise_of(run.problem, run.x_array, f)

    def fall(way: np.ndarray, far: float) -> float:
        return f - _cost_at(run, point + far * reach * way)

    ways = [by * way for way in _first_ways(point.size) for by in (1, -1)]
    return any(
        (near := fall(way, short)) > rounding and all(near > 0.5 * fall(way, by * short) for by in (10, 1e3))
        for way in ways
    )


def falls_without_slope(run: Run, f: float) -> bool:
    """Whether along one of the first coordinates the cost is lower a little further on: level up to there, by a jump.

    No slope on the way alone might be a wrong rule for it.
    """
    point, reach, rounding = as_vector(run.x_array), reach_of(run.x_array), 10 * noise_of(run.problem, run.x_array, f)

    def has_slope(way: np.ndarray, far: float) -> bool:
        there = from_vector(point + far * way, run.x_array)
        return float(as_vector(run.problem.value_and_grad(there, *run.problem.data)[1]) @ way) != 0

    for way in (by * way for way in _first_ways(point.size) for by in (1, -1)):
        lower = next((far for far in reach * _FARTHER if _cost_at(run, point + far * way) < f - rounding), None)
        if lower is None or any(has_slope(way, far) for far in lower * _BETWEEN):
            continue
        costs = np.array([_cost_at(run, point + far * way) for far in lower * _BETWEEN])
        if np.mean(np.abs(np.diff(costs)) <= rounding) > 0.5 and _falls_at_once(run, f - rounding, way, lower):
            return True
    return False


def _falls_at_once(run: Run, level: float, way: np.ndarray, lower: float) -> bool:
    """Whether the cost falls below a level, which it does within the last part of a way, by a jump and no kink."""
    point = as_vector(run.x_array)
    before, after = _BETWEEN[-1] * lower, lower
    for _ in range(_HALVINGS):
        middle = (before + after) / 2
        is_below = _cost_at(run, point + middle * way) < level
        before, after = (before, middle) if is_below else (middle, after)
    return level - _cost_at(run, point + after * way) > 0.5 * (level - _cost_at(run, point + lower * way))


def is_lower_near(run: Run, f: float) -> bool:
    """Whether the cost is lower by a few digits' last places somewhere around, along the first coordinates.

    What lies beyond a rise does not count.
    """
    point, reach, few = as_vector(run.x_array), reach_of(run.x_array), 3 * float(np.spacing(abs(f)))
    for way in (by * way for way in _first_ways(point.size) for by in (1, -1)):
        for k in range(_NEAREST, -1, -1):
            change = _cost_at(run, point + 0.5**k * reach * way) - f
            if change < -few:
                return True
            if change > few:
                break
    return False
