"""Gradients by central differences, for functions that can only be called, and how exact their values are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.objectives.parameters import as_vector, dtype_of, from_vector

__all__ = ["central_differences", "exactness_of_values", "noise_of_values"]

_POINTS = 8  # at which a function is called to see its noise
_ROUNDING = 100  # spacings of the numbers: what is less is no noise of the function's own
_LONGEST = 0.1  # of a difference, relative to max(1, |x|)


def central_differences(value: Callable[[Any], Any], x: Any, exactness: float = 0.0) -> Any:
    """(f(x + h eᵢ) - f(x - h eᵢ)) / 2h for each coordinate, in the structure, shape and dtype of x.

    h = ε^(1/3) · max(1, |xᵢ|), with ε the relative exactness of the values, at best the spacing of the dtype at 1: the
    length that balances rounding and curvature (Press et al., Numerical Recipes, section 5.7).
    """
    point = as_vector(x)
    eps = max(float(np.finfo(dtype_of(x)).eps), exactness)
    gradient = np.empty_like(point)
    for i, here in enumerate(point):
        h = min(eps ** (1 / 3), _LONGEST) * max(1, abs(here))
        ahead, behind = point.copy(), point.copy()
        ahead[i], behind[i] = here + h, here - h
        rise = value(from_vector(ahead, x)) - value(from_vector(behind, x))
        gradient[i] = rise / (ahead[i] - behind[i])  # the distance as it was rounded
    return from_vector(gradient, x)


def noise_of_values(value: Callable[[np.ndarray], float], point: np.ndarray) -> float:
    """The standard deviation of what is not smooth in a function around a point of float64; 0 if it is rounding alone.

    Printed digits, a solver's tolerance, an inner float32: values at a few places along a line are differenced again
    and again, which takes away what is smooth. The places lie further apart where values stand still.

    Source: Moré & Wild (2011), "Estimating computational noise", SIAM J. Sci. Comput. 33(3), algorithm ECnoise.
    """
    way = np.random.default_rng(0).normal(size=point.size) * np.maximum(1, np.abs(point))
    way /= np.linalg.norm(way) / max(1.0, float(np.abs(point).max(initial=0)))
    h = float(np.finfo(np.float64).eps) ** 0.5
    while h < _LONGEST:
        values = np.array([value(point + i * h * way) for i in range(_POINTS)])
        if not np.isfinite(values).all():
            return 0.0
        if (np.diff(values) == 0).sum() >= _POINTS // 2:
            h *= 100
            continue
        size = float(np.abs(values).max())
        levels = _levels(values)
        for k in range(len(levels) - 2):
            near = [level for level, _ in levels[k : k + 3]]
            if max(near) <= 4 * min(near) and levels[k][1]:
                noise = levels[k][0]
                return noise if noise > _ROUNDING * float(np.finfo(np.float64).eps) * size else 0.0
        return 0.0
    return 0.0


def exactness_of_values(value: Callable[[np.ndarray], float], point: np.ndarray, noise: float) -> float:
    """Noise and rounding relative to how much the values vary around a point; 0 if they are as exact as numbers are."""
    eps = float(np.finfo(np.float64).eps)
    here = value(point)
    moved = [value(point + by * np.maximum(1, np.abs(point))) for by in (-_LONGEST, _LONGEST)]
    varies = max((abs(v - here) for v in moved if np.isfinite(v)), default=0.0) / _LONGEST
    found = max(noise, eps * abs(here)) / varies if varies else 0.0
    return min(found, 1.0) if found > _ROUNDING * eps else 0.0


def _levels(values: np.ndarray) -> list[tuple[float, bool]]:
    """For each order of difference the noise that it speaks for, and whether the differences change their sign."""
    levels, scale = [], 1.0
    for k in range(1, len(values) - 1):
        values = np.diff(values)
        scale *= k / (2 * (2 * k - 1))
        levels.append((float(np.sqrt(scale * np.mean(values**2))), bool(values.min() < 0 < values.max())))
    return levels
