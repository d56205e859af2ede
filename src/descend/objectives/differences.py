"""Gradients by central differences, for functions that can only be called, and how exact their values are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.objectives.parameters import as_vector, dtype_of, from_vector

__all__ = ["central_differences", "exactness_of_values", "noise_of_values", "units_of_values"]

_POINTS = 8  # at which a function is called to see its noise
_ROUNDING = 100  # spacings of the numbers: what is less is no noise of the function's own
_LONGEST = 0.1  # of a difference, relative to max(1, |x|)
_SMALL = 1e-2  # x that may have small units
_SMOOTH = 1e-7  # how far a function may be from a parabola within a difference, relative to how much it varies there


def central_differences(value: Callable[[Any], Any], x: Any, exactness: float = 0.0, units: Any = 1.0) -> Any:
    """(f(x + h eᵢ) - f(x - h eᵢ)) / 2h for each coordinate, in the structure, shape and dtype of x.

    h = ε^(1/3) · max(1, |xᵢ|) · uᵢ, with ε the relative exactness of the values, at best the spacing of the dtype at 1:
    the length that balances rounding and curvature (Press et al., Numerical Recipes, section 5.7). For the units u see
    `units_of_values`.
    """
    point = as_vector(x)
    eps = max(float(np.finfo(dtype_of(x)).eps), exactness)
    gradient, units = np.empty_like(point), np.broadcast_to(units, point.shape)
    for i, here in enumerate(point):
        h = min(eps ** (1 / 3), _LONGEST) * max(1, abs(here)) * units[i]
        ahead, behind = point.copy(), point.copy()
        ahead[i], behind[i] = here + h, here - h
        rise = value(from_vector(ahead, x)) - value(from_vector(behind, x))
        gradient[i] = rise / (ahead[i] - behind[i])  # the distance as it was rounded
    return from_vector(gradient, x)


def units_of_values(value: Callable[[np.ndarray], float], point: np.ndarray) -> np.ndarray:
    """What differences are relative to, shape (n,): 1, or |xᵢ| where x is small and the function varies as x does.

    So it is with distances of atoms in metres. As far as one direction shows.
    """
    size = float(np.abs(point).max(initial=0))
    own = np.where(point == 0, size, np.abs(point))
    draw = np.random.default_rng(0).choice([-1.0, 1.0], size=point.size)
    is_small = 0 < size < _SMALL
    if is_small and not _is_smooth(value, point, draw) and _is_smooth(value, point, own * draw):
        return own
    return np.ones(point.size)


def _is_smooth(value: Callable[[np.ndarray], float], point: np.ndarray, way: np.ndarray) -> bool:
    """Whether a function is a parabola, but for rounding, over the length of a difference."""
    eps = float(np.finfo(np.float64).eps)
    here, h = value(point), eps ** (1 / 3)
    sides = np.array([[value(point + by * way), value(point - by * way)] for by in (h, h / 4, h / 16)])
    odd, even = (sides[:, 0] - sides[:, 1]) / 2, sides.mean(axis=1) - here
    rounding = 64 * eps * float(np.abs(sides).max() + abs(here))
    allowed = _SMOOTH * (abs(odd[0]) + abs(even[0])) + rounding
    return bool(
        all(abs(odd[i] - 4 * odd[i + 1]) <= allowed and abs(even[i] - 16 * even[i + 1]) <= 4 * allowed for i in (0, 1))
    )


def noise_of_values(value: Callable[[np.ndarray], float], point: np.ndarray, units: Any = 1.0) -> float:
    """The standard deviation of what is not smooth in a function around a point of float64; 0 if it is rounding alone.

    Printed digits, a solver's tolerance, an inner float32: values at a few places along a line are differenced again
    and again, which takes away what is smooth. The places lie further apart where values stand still.

    Source: Moré & Wild (2011), "Estimating computational noise", SIAM J. Sci. Comput. 33(3), algorithm ECnoise.
    """
    way = np.random.default_rng(0).normal(size=point.size) * np.maximum(1, np.abs(point))
    way *= units / (np.linalg.norm(way) / max(1.0, float(np.abs(point).max(initial=0))))
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


def exactness_of_values(
    value: Callable[[np.ndarray], float], point: np.ndarray, noise: float, units: Any = 1.0
) -> float:
    """Noise and rounding relative to how much the values vary around a point; 0 if they are as exact as numbers are."""
    eps = float(np.finfo(np.float64).eps)
    here = value(point)
    moved = [value(point + by * units * np.maximum(1, np.abs(point))) for by in (-_LONGEST, _LONGEST)]
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
