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
_SMALL = 1e-2  # beside which a difference is long
_ONE_BY_ONE = 64  # coordinates that are looked at each for itself
_SHORTEST = 1e-7  # unit, relative to the smallest coordinate
_SEEN = 1e3  # times rounding
_LONGER, _MUCH_LESS = (10.0, 100.0, 1e3, 1e4), 0.1
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
        above, below = value(from_vector(ahead, x)), value(from_vector(behind, x))
        if np.isfinite(above) and not np.isfinite(below):  # beside the edge of the domain: from the side inside
            below, behind[i] = value(from_vector(point, x)), here
        elif np.isfinite(below) and not np.isfinite(above):
            above, ahead[i] = value(from_vector(point, x)), here
        gradient[i] = (above - below) / (ahead[i] - behind[i])  # the distance as it was rounded
    return from_vector(gradient, x)


def units_of_values(
    value: Callable[[np.ndarray], float], point: np.ndarray, otherwise: np.ndarray | float = 1.0
) -> np.ndarray:
    """What differences are relative to, shape (n,), in units of max(1, |xᵢ|): 1, or less where that is too long.

    So it is where a function varies within a small part of x: 1e6 + an angle, seconds since 1970, distances of atoms in
    metres. It is too long where the function is no parabola over the length of a difference, as far as one direction
    shows; what is short for all together is so for each coordinate that is no parabola by itself. Where no length shows
    a parabola, as at a kink, it is `otherwise`; where longer ones show it better there is noise, which shorter ones
    would differentiate, and it is 1. Where all of x is small beside 1, it is the length that shows it best.
    """
    way = _some_way(point)
    missed = _missed(value, point, way)
    is_small = 0 < np.abs(point).max(initial=0) < _SMALL
    if missed <= 0 or (not is_small and min(_missed(value, point, by * way) for by in _LONGER) < _MUCH_LESS * missed):
        return np.ones(point.size)
    smallest = np.abs(point[point != 0]).min(initial=1.0)
    found, least = np.nan, _MUCH_LESS * missed
    for shorter in 10.0 ** np.arange(-1, np.log10(_SHORTEST * smallest), -1):
        now = _missed(value, point, shorter * way, is_seen=True)
        if now <= 0 or (is_small and now < least):
            found, least = shorter, now
        if now <= 0:
            break
    if np.isnan(found):
        return np.full(point.size, otherwise, float)
    if point.size > _ONE_BY_ONE:
        return np.full(point.size, found)
    alone = [_missed(value, point, way * part) for part in np.eye(point.size)]
    return np.where(np.array(alone) > 0, found, 1.0)


def _some_way(point: np.ndarray) -> np.ndarray:
    """A direction of about max(1, |xᵢ|) in which no two coordinates go alike: their difference may be what counts."""
    draw = np.random.default_rng(0)
    signs, sizes = draw.choice([-1.0, 1.0], point.size), draw.uniform(0.5, 1, point.size)
    return np.asarray(np.maximum(1, np.abs(point)) * signs * sizes / sizes.max(initial=0.5))


def _missed(
    value: Callable[[np.ndarray], float], point: np.ndarray, way: np.ndarray, *, is_seen: bool = False
) -> float:
    """By how much a function misses a parabola over the length of a difference, relative to how much it varies there.

    Less than 0 where it is one but for rounding; infinite where it has no values, or, with `is_seen`, shows no more
    than rounding.
    """
    eps = float(np.finfo(np.float64).eps)
    here, h = value(point), eps ** (1 / 3)
    sides = np.array([[value(point + by * way), value(point - by * way)] for by in (h, h / 4, h / 16)])
    odd, even = (sides[:, 0] - sides[:, 1]) / 2, sides.mean(axis=1) - here
    varies = float(abs(odd[0]) + abs(even[0]))
    rounding = 64 * eps * float(np.abs(sides).max() + abs(here))
    if not np.isfinite(varies) or (is_seen and not varies > _SEEN * rounding):
        return np.inf
    moved = way != 0
    of_x = eps * float(np.max(np.abs(point[moved]) / np.abs(h * way[moved]), initial=0))  # where x itself is rounded
    allowed = (_SMOOTH + 4 * of_x) * varies + rounding
    missed = max(max(abs(odd[i] - 4 * odd[i + 1]), abs(even[i] - 16 * even[i + 1]) / 4) for i in (0, 1))
    return float((missed - allowed) / varies) if varies else 0.0


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

    def varies(way: np.ndarray) -> float:
        """How much the values vary along it, for each unit of it."""
        moved = [value(point + by * units * way) for by in (-_LONGEST, _LONGEST)]
        return max((abs(v - here) for v in moved if np.isfinite(v)), default=0.0) / _LONGEST

    along = [varies(np.maximum(1, np.abs(point))), varies(_some_way(point))]  # moved as a whole it may be the same
    least = min((v for v in along if v > _SEEN * eps * abs(here)), default=max(along))
    found = max(noise, eps * abs(here)) / least if least else 0.0
    return min(found, 1.0) if found > _ROUNDING * eps else 0.0


def _levels(values: np.ndarray) -> list[tuple[float, bool]]:
    """For each order of difference the noise that it speaks for, and whether the differences change their sign."""
    levels, scale = [], 1.0
    for k in range(1, len(values) - 1):
        values = np.diff(values)
        scale *= k / (2 * (2 * k - 1))
        levels.append((float(np.sqrt(scale * np.mean(values**2))), bool(values.min() < 0 < values.max())))
    return levels
