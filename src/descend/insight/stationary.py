"""Where the gradient is zero: minima, saddles and maxima of a domain, found from many starts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import root
from scipy.stats import qmc

from descend.insight.curvature import Curvature, curvature_of, hessian_product
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters

__all__ = ["StationaryPoint", "critical_points", "kind_of", "prepared_within", "sobol"]

_TRIED = 32  # points at which an objective may be undefined
_MISSED = 0.05  # share of further starts that would lead to new points, from which on it is warned of


@dataclass(frozen=True)
class StationaryPoint:
    """A point without slope.

    Attributes
    ----------
    x
        The point, shape (n,).
    fun
        The cost there.
    kind
        "minimum", "maximum", "saddle", or "flat" where the curvature does not tell.
    lowest, highest
        The extreme eigenvalues of the Hessian.
    found
        From how many starts it was reached.
    """

    x: np.ndarray
    fun: float
    kind: str
    lowest: float
    highest: float
    found: int


def sobol(domain: Sequence[tuple[float, float]], count: int, seed: int = 0) -> np.ndarray:
    """So many points (rounded up to a power of two) that fill a box evenly, shape (k, n)."""
    low, high = np.array(domain, float).T
    unit = qmc.Sobol(len(low), rng=np.random.default_rng(seed)).random_base2(max(0, int(np.ceil(np.log2(count)))))
    points: np.ndarray = low + unit * (high - low)
    return points


def critical_points(
    objective: Callable[..., Any] | str, domain: Sequence[tuple[float, float]] | tuple[float, float], *,
    starts: int = 256, seed: int = 0,
) -> list[StationaryPoint]:  # fmt: skip
    """The stationary points of a box that Newton's method finds from many starts, lowest cost first.

    Parameters
    ----------
    objective
        As in `minimize`, of x of shape (n,) or of n numbers.
    domain
        (low, high) of each variable; of one that pair alone will do.
    starts
        How many starts, spread evenly (Sobol). There may be points that none of them leads to: from how many were
        reached once only it is estimated how likely that is (Good 1953, Biometrika 40), and warned of.

    Raises
    ------
    ValueError
        The domain is empty or not finite.
    """
    box = np.array(domain, float).reshape(-1, 2)
    low, high = box.T
    if not (np.isfinite([low, high]).all() and (low < high).all()):
        raise ValueError(f"domain must be (low, high) of each variable, low < high, got {domain!r}")
    points = sobol([*zip(low, high, strict=True)], starts, seed)
    problem = prepared_within(objective, box)
    start = problem.x0
    found: list[tuple[np.ndarray, int]] = []
    span = high - low
    for point in points:
        x = _newton(problem, point, start.shape)
        if x is None or (x < low - 1e-6 * span).any() or (x > high + 1e-6 * span).any():
            continue
        for k, (known, count) in enumerate(found):
            if (np.abs(known - x) <= 1e-4 * span).all():
                found[k] = (known, count + 1)
                break
        else:
            found.append((x, 1))
    once, reached = sum(count == 1 for _, count in found), sum(count for _, count in found)
    if once > _MISSED * reached:
        warnings.warn(
            f"{len(found)} points were found, {once} of them from one start only: there are more, which about "
            f"{100 * once / reached:.0f} % of further starts would lead to. Give starts={4 * len(points):,}, or more",
            stacklevel=2,
        )
    made = [_classified(problem, x, start.shape, count) for x, count in found]
    return sorted(made, key=lambda point: point.fun)


def prepared_within(objective: Any, box: np.ndarray) -> Problem:
    """The objective, ready at the middle of a box (n, 2), or at a point where it and its gradient are finite."""
    first: Exception | None = None
    for point in (box.mean(axis=1), *sobol([*map(tuple, box)], _TRIED)):
        for x0 in (point,) if point.size > 1 else (float(point[0]), point):  # a function of a number, or of one in x[0]
            function, start, in_words = named(objective, x0)
            try:
                return prepare(function, as_parameters(start), written_in_words=in_words)
            except (ValueError, IndexError, TypeError) as error:
                first = first or error
    assert first is not None  # noqa: S101 - there is a point
    raise first


def _newton(problem: Problem, point: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    def gradient(x: np.ndarray) -> np.ndarray:
        return np.atleast_1d(problem.value_and_grad(np.asarray(x.reshape(shape)), *problem.data)[1]).astype(float)

    def hessian(x: np.ndarray) -> np.ndarray:
        product = hessian_product(problem, x.reshape(shape))
        return np.stack([product(way) for way in np.eye(x.size)])

    with np.errstate(all="ignore"):
        size = np.linalg.norm(gradient(point))
        ended = root(gradient, point, jac=hessian, tol=1e-12)
        left = np.linalg.norm(gradient(ended.x))
    is_zero = np.isfinite(left) and left <= 1e-8 * max(1.0, float(size))
    return np.asarray(ended.x) if is_zero else None


def kind_of(bend: Curvature) -> str:
    """Of a point without slope: minimum, maximum, saddle, or flat where the curvature does not tell."""
    slack = 1e-7 * max(bend.sharpness, 1e-12)
    if bend.smallest > slack:
        return "minimum"
    if bend.largest < -slack:
        return "maximum"
    return "saddle" if bend.smallest < -slack and bend.largest > slack else "flat"


def _classified(problem: Problem, x: np.ndarray, shape: tuple[int, ...], count: int) -> StationaryPoint:
    at = x.reshape(shape)
    bend = curvature_of(problem, at)
    fun = float(problem.value(at, *problem.data)) * problem.sign
    return StationaryPoint(x, fun, kind_of(bend), bend.smallest, bend.largest, count)
