"""Ways out of a local minimum, compared: each may evaluate the gradient equally often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.arguments import whole
from descend.descent.lanes import run_lanes
from descend.descent.options import ready
from descend.insight.stationary import sobol
from descend.methods import GradientDescent, GradientNoise, Momentum, Rule, as_rule
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, as_vector, from_vector

__all__ = ["Escape", "Way", "escape"]

_HOPS = 8  # descents of basin-hopping, one after the other, and restarts
_MUCH_MOMENTUM = 0.9
_AS_LOW = 1e-3  # share of the way from the start to the lowest, from which on a repetition is as low


@dataclass(frozen=True)
class Way:
    """One way, tried several times.

    Attributes
    ----------
    name, what
        Its name, and what was done.
    costs
        The lowest cost that each repetition found, shape (repetitions,).
    x
        Where the lowest of them is.
    share
        The share of the repetitions that came as low as the best of all ways.
    """

    name: str
    what: str
    costs: np.ndarray
    x: Any
    share: float


@dataclass(frozen=True)
class Escape:
    """The ways, the best first, and the budget of each repetition in evaluations of the gradient."""

    ways: list[Way]
    budget: int
    maximize: bool

    def plot(self, ax: Any = None) -> Any:
        """The cost that each repetition of each way has found."""
        from descend import plots

        return plots.escape(self, ax)

    def __repr__(self) -> str:
        """A line for each way."""
        best, how = (max, "high") if self.maximize else (min, "low")
        return "\n".join(
            f"{way.name:<17} {100 * way.share:3.0f} % as {how} as any   best {best(way.costs):<12.6g} "
            f"median {np.median(way.costs):<12.6g} {way.what}"
            for way in self.ways
        )


def escape(
    objective: Callable[..., Any] | str,
    x0: Any = None,
    method: Any = None,
    *,
    domain: Sequence[tuple[float, float]] | None = None,
    steps: int = 2_000,
    repetitions: int = 32,
    noise: float | None = None,
    seed: int = 0,
    maximize: bool = False,
) -> Escape:
    """Compare ways to get out of the minimum into which a descent falls: from restarts to momentum.

    Ways: the plain method; *restarts* from points spread over the domain; *noise* in the gradients (Neelakantan et
    al. 2015); *momentum*, which may carry x over a barrier; *basin-hopping*, which jumps from the minimum it is in and
    keeps the jump if it leads lower. Each repetition of each way makes as many steps. Repetitions of the plain method
    and of momentum start a little beside x0.

    Parameters
    ----------
    objective, x0, maximize
        As in `minimize`; x0 a number or an array.
    method
        A method with a fixed rate. Default: gradient descent at a hundredth of the domain's width over the slope at the
        start, or 0.01 if that is smaller.
    domain
        (low, high) of each variable: where restarts begin, and how far a hop goes. Default: that of a landscape, else
        x0 ± 5.
    steps
        So many evaluations of the gradient in each repetition.
    noise
        The deviation of the noise in the gradient in the first step. Default: the size of the gradient at the start.
    seed
        Of starts, noise and hops.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came and what is legal.

    Source: Wales & Doye (1997), J. Phys. Chem. A 101 (basin-hopping); Neelakantan et al. (2015), arXiv:1511.06807.
    """
    for name, count, least in (("steps", steps, _HOPS), ("repetitions", repetitions, 2)):
        whole(name, count, least=least)
    objective, x0, in_words = named(objective, x0)
    x0 = as_parameters(x0)
    if not isinstance(x0, np.ndarray):
        raise TypeError("x0 must be a number or an array: a domain has a width for each variable")
    problem = prepare(objective, x0, maximize=maximize, written_in_words=in_words)
    box = _box(objective, x0, domain)
    _, grad = problem.value_and_grad(x0)
    slope = float(np.linalg.norm(as_vector(grad)))
    width = float((box[:, 1] - box[:, 0]).max())
    rule = as_rule(GradientDescent(min(0.01, 0.01 * width / max(slope, 1e-300))) if method is None else method)
    ready(rule, None, x0)
    rate = getattr(rule, "lr", None)
    if not isinstance(rate, float | int | np.number):
        raise ValueError(f"escape compares ways at one fixed rate: give a method with a number as lr, got {rule!r}")
    lanes = _Lanes(problem, box, int(seed), int(repetitions), int(steps))
    size = max(slope, 1e-3) if noise is None else float(noise)
    shaken = GradientNoise(rule, eta=size**2)
    carried = Momentum(float(rate), mu=_MUCH_MOMENTUM)
    found = {
        "plain": (f"{type(rule).__name__} from x0", lanes.from_x0(rule)),
        "momentum": (f"Momentum(lr={float(rate):.3g}, mu={_MUCH_MOMENTUM:g}) from x0", lanes.from_x0(carried)),
        "noise": (f"gradients with noise of deviation {size:.3g}, which fades", lanes.shaken(shaken, rule)),
        "restarts": (f"{_HOPS} descents from points of the domain", lanes.restarts(rule)),
        "basin-hopping": (f"{_HOPS} descents, each from a jump of the best so far", lanes.hopping(rule)),
    }
    return _compared(found, float(problem.value(x0)), problem, int(steps))


_Found = tuple[np.ndarray, np.ndarray]  # the lowest cost of each repetition, and where


def _box(objective: Any, x0: np.ndarray, domain: Sequence[tuple[float, float]] | None) -> np.ndarray:
    known = getattr(objective, "domain", None) if domain is None else domain
    start = np.atleast_1d(as_vector(x0)).astype(float)
    box = np.stack([start - 5, start + 5], axis=1) if known is None else np.array(known, float).reshape(-1, 2)
    if len(box) != len(start) or not (np.isfinite(box).all() and (box[:, 0] < box[:, 1]).all()):
        raise ValueError(f"domain must be (low, high) of each of {len(start)} variables, low < high, got {domain!r}")
    return box


def _compared(found: dict[str, tuple[str, _Found]], start: float, problem: Problem, steps: int) -> Escape:
    lowest = min(float(costs.min()) for _, (costs, _) in found.values())
    as_low = lowest + _AS_LOW * max(start - lowest, 0)
    ways = [
        Way(
            name, what, problem.sign * costs, from_vector(points[int(np.argmin(costs))], problem.x0)[()],
            float((costs <= as_low).mean()),
        )
        for name, (what, (costs, points)) in found.items()
    ]  # fmt: skip
    ways.sort(key=lambda way: (-way.share, float(np.median(problem.sign * way.costs))))
    return Escape(ways, steps, problem.sign < 0)


class _Lanes:
    """The repetitions of a way, as lanes of one compiled call."""

    def __init__(self, problem: Problem, box: np.ndarray, seed: int, repetitions: int, steps: int) -> None:
        self._problem, self._box, self._steps = problem, box, steps
        self._draw, self._seed, self._count = np.random.default_rng(seed), seed, repetitions
        self._x0 = np.atleast_1d(as_vector(problem.x0)).astype(float)

    def _run(self, rule: Rule, starts: np.ndarray, steps: int, names: tuple[str, ...] = ()) -> _Found:
        """Costs and points where descents from these starts end; infinite where they diverge."""
        x0 = self._problem.x0
        points = starts.astype(x0.dtype).reshape(len(starts), *x0.shape)
        made = run_lanes(self._problem, None, rule, names, points, -1.0, rows=2, last=steps)
        costs = np.array([float(self._problem.value(from_vector(x, x0))) for x in made.x])
        return np.where(np.isfinite(costs), costs, np.inf), made.x.astype(float)

    def _beside(self) -> np.ndarray:
        width = self._box[:, 1] - self._box[:, 0]
        beside: np.ndarray = self._x0 + 1e-3 * width * self._draw.normal(size=(self._count, len(width)))
        return beside

    def from_x0(self, rule: Rule) -> _Found:
        """Descents that start a little beside x0."""
        return self._run(rule, self._beside(), self._steps)

    def shaken(self, noisy: Rule, plain: Rule) -> _Found:
        """Descents with noise, each with another, followed by a fifth of the steps without."""
        calm, seeds = self._steps // 5, self._seed + np.arange(self._count)
        own = noisy.with_numbers(lambda name, number: seeds if name == "seed" else number)
        _, points = self._run(own, self._beside(), self._steps - calm, ("seed",))
        return self._run(plain, points, calm)

    def restarts(self, rule: Rule) -> _Found:
        """The lowest of a few descents from points spread over the box."""
        spread = sobol([*map(tuple, self._box)], self._count * _HOPS, self._seed)[: self._count * _HOPS]
        costs, points = self._run(rule, spread, self._steps // _HOPS)
        costs, points = costs.reshape(self._count, _HOPS), points.reshape(self._count, _HOPS, -1)
        best = np.argmin(costs, axis=1)
        every = np.arange(self._count)
        return costs[every, best], points[every, best]

    def hopping(self, rule: Rule) -> _Found:
        """Descents one after the other, each from a jump of the lowest point so far."""
        width = self._box[:, 1] - self._box[:, 0]
        costs, points = self._run(rule, self._beside(), self._steps // _HOPS)
        for _ in range(_HOPS - 1):
            jumped = points + self._draw.uniform(-0.5, 0.5, points.shape) * width
            tried, there = self._run(rule, jumped, self._steps // _HOPS)
            better = tried < costs
            costs, points = np.where(better, tried, costs), np.where(better[:, None], there, points)
        return costs, points
