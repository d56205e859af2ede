"""Where the gradient is zero: minima, saddles and maxima of a domain, found from many starts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, root
from scipy.stats import qmc

from descend.arguments import whole
from descend.insight.curvature import Curvature, curvature_of, hessian_product
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters

__all__ = ["StationaryPoint", "critical_points", "kind_of", "prepared_within", "sobol"]

_TRIED = 32  # points at which an objective may be undefined
_FLAT = 1e-12  # times the largest gradient at a start: none, as far as rounding lets one tell
_BESIDE = 0.01  # of the box: so far around a point the gradient is looked at, and another may be the same
_LEVEL = 1e-6  # times the usual gradient at a start: between two points that near there is no slope
_ANEW = 8  # starts from which a point is sought downhill, and so many from which it is sought uphill
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

    Of the starts that lead it nowhere, it begins anew where L-BFGS-B ends below the lowest and above the highest.
    Points amid a plateau, where all gradients around are zero, too, are left out, and warned of.

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
    whole("starts", starts)
    points = sobol([*zip(low, high, strict=True)], starts, seed)
    problem = prepared_within(objective, box)
    start, span = problem.x0, high - low
    field = _Field(problem, box, points)
    found: list[tuple[np.ndarray, int]] = []
    for x in field.stationary_points():
        for k, (known, count) in enumerate(found):
            if (np.abs(known - x) <= 1e-4 * span).all() or field.is_level_between(known, x):
                found[k] = (min(known, x, key=field.size), count + 1)
                break
        else:
            found.append((x, 1))
    if field.flat:
        warnings.warn(
            f"the gradient is zero to rounding at {field.flat} of {len(points)} starts: a plateau, whose points are "
            "left out",
            stacklevel=2,
        )
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


class _Field:
    """The gradient in a box, and the starts in it."""

    def __init__(self, problem: Problem, box: np.ndarray, starts: np.ndarray) -> None:
        self._problem, self._box, self._span = problem, box, box[:, 1] - box[:, 0]
        with np.errstate(all="ignore"):
            seen = [self._at(start) for start in starts]
        sizes = np.array([np.linalg.norm(gradient) for _, gradient in seen])
        self._least = _FLAT * max(sizes[np.isfinite(sizes)], default=0.0)
        self.flat = int((sizes <= self._least).sum())
        self._usual = float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else 0.0
        lowest_first = np.argsort([value for value, _ in seen])
        self._starts = [starts[i] for i in lowest_first if sizes[i] > self._least]

    def stationary_points(self) -> Iterator[np.ndarray]:
        """Those to which the starts lead, with repetitions."""
        with np.errstate(all="ignore"):
            failed = []
            for start in self._starts:
                x = self._newton(start)
                if x is None:
                    failed.append(start)
                else:
                    yield x
            for sign, some in ((1.0, failed[:_ANEW]), (-1.0, failed[-_ANEW:])):
                for start in some:
                    end = minimize(self._at, start, (sign,), "L-BFGS-B", jac=True, bounds=self._box).x
                    x = self._newton(end)
                    if x is not None:
                        yield x

    def _at(self, x: np.ndarray, sign: float = 1.0) -> tuple[float, np.ndarray]:
        """Value and gradient, times the sign."""
        problem = self._problem
        value, gradient = problem.value_and_grad(x.reshape(problem.x0.shape), *problem.data)
        return sign * float(value), sign * np.asarray(gradient, float).ravel()

    def size(self, x: np.ndarray) -> float:
        """The norm of the gradient there."""
        return float(np.linalg.norm(self._at(x)[1]))

    def is_level_between(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether two near points are one that Newton's method did not quite reach, where nothing bends."""
        is_near = bool((np.abs(one - other) <= _BESIDE * self._span).all())
        return is_near and self.size((one + other) / 2) <= _LEVEL * self._usual

    def _newton(self, start: np.ndarray) -> np.ndarray | None:
        def hessian(x: np.ndarray) -> np.ndarray:
            product = hessian_product(self._problem, x.reshape(self._problem.x0.shape))
            return np.stack([product(way) for way in np.eye(x.size)])

        ended = root(lambda x: self._at(x)[1], start, jac=hessian, tol=1e-12, options={"maxfev": 100})
        x, (low, high), slack = np.asarray(ended.x), self._box.T, 1e-6 * self._span
        is_within = ((x >= low - slack) & (x <= high + slack)).all()
        left = self.size(x)
        is_zero = left <= 1e-8 * self.size(start) or (ended.success and left <= self._least)
        return x if is_within and is_zero and self._stands_out(x, left) else None

    def _stands_out(self, x: np.ndarray, left: float) -> bool:
        """Whether the gradient grows around the point: on the way down a tail it does so on one side only."""
        steps = np.diag(_BESIDE * self._span)
        pairs = [(self.size(x - step), self.size(x + step)) for step in steps]
        flat = [max(pair) <= self._least for pair in pairs]
        grows = [left <= min(pair) for pair in pairs]
        return not all(flat) and all(f or g for f, g in zip(flat, grows, strict=True))


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
