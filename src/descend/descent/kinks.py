"""Kinks: where the gradient jumps, so that the cost rises along it although it may fall along the kink."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.descent.outcome import Reach, anywhere, in_words, length, noise_of, reach_of, surroundings
from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, dtype_of, from_vector
from descend.words import along

__all__ = ["at_kink", "fall_from_kink"]

_MOST_GRADIENTS = 100  # that are looked at around a point
_STEEP = 0.1  # of the slope from afar, from near: of a smooth cost it would be a fiftieth at most


def at_kink(problem: Problem, x: Any, f: float, grad: Any, go: Reach = anywhere) -> bool:
    """Whether the cost rises on both sides along the gradient, about as steeply from near as from nearer.

    Around a smooth minimum the rise per length shrinks with the length; at a kink it does not.
    """
    size = length(grad)
    if not 0 < size < np.inf:
        return False
    eps, reach, rounding = float(np.finfo(dtype_of(x)).eps), reach_of(x), 10 * noise_of(problem, x, f)
    rises = []
    for h in (eps**0.25 * reach, eps**0.5 * reach):
        sides = [float(problem.value(go(x, along(x, by * h / size, grad)), *problem.data)) - f for by in (1, -1)]
        if not (np.isfinite(sides).all() and min(sides) > rounding):
            return False
        rises.append(min(sides) / h)
    return bool(rises[1] > _STEEP * rises[0])


def fall_from_kink(
    problem: Problem, x: Any, f: float, grad: Any, go: Reach = anywhere, gained: float | None = None
) -> str | None:
    """None where x is on no kink; else the direction in which the cost falls there, in words, empty at a minimum.

    Where it is told what was `gained` a kink nearby is told from one at x, see `surroundings`.
    """
    if not at_kink(problem, x, f, grad, go):
        return None
    way = _way_along_kink(problem, x, f, go)
    return surroundings(problem, x, f, problem.zero_gradient(), go, gained=gained)[1] if way is None else in_words(way)


def _way_along_kink(problem: Problem, x: Any, f: float, go: Reach = anywhere) -> np.ndarray | None:
    """A direction of length 1 in which the cost falls although no gradient points there, shape (n,); None at a minimum.

    It is minus the shortest vector among the mixtures of the gradients around x: where that is zero, x is stationary.
    Source: Burke, Lewis & Overton (2005), SIAM J. Optim. 15(3), "gradient sampling".
    """
    from scipy.optimize import nnls

    point, draw = as_vector(x).astype(np.float64), np.random.default_rng(0)
    near = 10 * float(np.finfo(dtype_of(x)).eps) ** 0.5 * reach_of(x)
    rounding = 4 * noise_of(problem, x, f)
    places = point + near * draw.uniform(-1, 1, (min(2 * point.size + 2, _MOST_GRADIENTS), point.size))
    grads = np.array([as_vector(problem.value_and_grad(from_vector(p, x), *problem.data)[1]) for p in places], float)
    grads = grads[np.isfinite(grads).all(axis=1)]
    largest = float(np.abs(grads).max(initial=0.0))
    if largest == 0:
        return None
    # The mixture with the shortest sum: weights >= 0 that are made to add up to 1 by a row of their own.
    heavy = 1e3
    rows = np.vstack([grads.T / largest, np.full(len(grads), heavy)])
    shares = nnls(rows, np.append(np.zeros(point.size), heavy))[0]
    shortest = shares @ grads
    size = float(np.linalg.norm(shortest))
    if size <= 1e-6 * largest:
        return None
    way, h = -shortest / size, near
    while h <= reach_of(x):
        there = go(x, from_vector(point + h * way, x))
        if float(problem.value(there, *problem.data)) < f - rounding:
            return np.asarray(way)
        h *= 4
    return None
