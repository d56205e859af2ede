"""Is a gradient right? Each wrong coordinate with both values, judged by differentiation where that can be had."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.objectives.checks import slopes
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, as_vector, dtype_of, from_vector, spread_over
from descend.sentences import counted

__all__ = ["GradientCheck", "WrongCoordinate", "check_gradient"]

_MOST_BY_DIFFERENCES = 200  # coordinates
_JUMP = 0.01  # share of the gradient nearby: a change by more than this is no rounding
_MOST_KINKS = 50  # coordinates that are looked at for one


@dataclass(frozen=True)
class WrongCoordinate:
    """One coordinate of a gradient that is not what it should be."""

    name: str
    given: float
    right: float


@dataclass(frozen=True)
class GradientCheck:
    """What was found of a gradient.

    Attributes
    ----------
    wrong
        The coordinates that differ by more than can be rounding, the worst first.
    worst
        The largest difference, relative to the largest element of the gradient.
    judge
        What the gradient was compared with.
    checked, size
        How many coordinates were looked at, and how many there are.
    """

    wrong: list[WrongCoordinate]
    worst: float
    judge: str
    checked: int
    size: int

    @property
    def is_right(self) -> bool:
        """Whether no coordinate was found wrong."""
        return not self.wrong

    def __repr__(self) -> str:
        """The finding in sentences."""
        seen = f"{self.checked:,} of {self.size:,} coordinates" if self.checked < self.size else f"{self.size:,}"
        if self.is_right:
            many = counted(self.size, "coordinate") if self.checked == self.size else f"{seen} looked at"
            differ = "differs" if self.size == 1 else "differ"
            return f"The gradient is right: {many}, compared with {self.judge}, {differ} by {self.worst:.1g} at most."
        lines = [f"  {w.name}: given {w.given:.9g}, right {w.right:.9g}" for w in self.wrong[:10]]
        more = [f"  and {len(self.wrong) - 10:,} more"] if len(self.wrong) > 10 else []
        head = f"The gradient is wrong in {len(self.wrong):,} of {self.checked:,} coordinates ({self.judge}):"
        return "\n".join([head, *lines, *more])


def check_gradient(fun: Callable[..., Any] | str, grad: Callable[..., Any], x: Any, *, data: Any = ()) -> GradientCheck:
    """Compare a gradient with the right one at `x`, coordinate by coordinate.

    Parameters
    ----------
    fun, grad
        The cost and its gradient, called alike, as in `minimize`.
    x
        A number, array or pytree of float32 or float64. Where the cost has a kink, any slope between those of its two
        sides is right.
    data
        Arrays that both take after x.

    Returns
    -------
    GradientCheck
        Judged by automatic differentiation in float64 where the cost can be traced, and no `jax.custom_vjp` in it is
        wrong. Else by central differences with
        two steps, whose disagreement tells how far they can be trusted; of more than 200 coordinates some are drawn.

    Raises
    ------
    ValueError, TypeError
        The gradient has another shape than x, or the cost is no number.
    """
    if not callable(grad):
        raise TypeError(f"grad must be a function, got {grad!r}; to check what JAX derives, give jax.grad(fun)")
    fun, x, in_words = named(fun, x)
    x = as_parameters(x)
    kind = dtype_of(x)
    is_spread = not data and spread_over(fun, x)

    def called(at: Any) -> Any:
        point = jax.tree.map(lambda leaf: leaf.copy()[()], at)
        return grad(*point) if is_spread else grad(point, *data)

    given_tree = called(x)
    if isinstance(x, np.ndarray):
        given_tree = np.asarray(given_tree, np.float64)
        if given_tree.shape != x.shape and not (given_tree.size == x.size == 1):
            raise ValueError(f"grad returned shape {given_tree.shape}, x has shape {x.shape}")
    elif str(jax.tree.structure(given_tree)) != str(jax.tree.structure(x)):
        raise ValueError(f"grad must return what x is, {jax.tree.structure(x)}, got {jax.tree.structure(given_tree)}")
    given = _as_numbers(given_tree)
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float64), x)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the objective holds a float32 constant")  # it is we who want float64
        problem = prepare(fun, wide, data=tuple(data), written_in_words=in_words)

    def value(p: Any) -> float:
        return float(problem.value(p, *problem.data))

    is_exact = problem.is_traced and not _has_wrong_rule(problem)
    if is_exact:
        right = as_vector(problem.value_and_grad(wide, *problem.data)[1])
        places, doubt, judge = np.arange(right.size), np.zeros(right.size), "automatic differentiation in float64"
    else:
        places = np.arange(given.size)
        if given.size > _MOST_BY_DIFFERENCES:
            places = np.sort(np.random.default_rng(0).choice(given.size, _MOST_BY_DIFFERENCES, replace=False))
        right, doubt = _differences(value, wide, places, problem)
        judge = "central differences with two steps"
    names = _names(x)
    off = np.abs(given[places] - right)
    scale = max(float(np.abs(right).max(initial=0)), float(np.abs(given[places]).max(initial=0)), 1e-300)
    eps = float(np.finfo(kind).eps)
    rounding = 20 * eps ** (0.5 if kind == np.float32 else 0.45)
    least = min(1e-3 * rounding, 1e3 * eps) if is_exact else 1e-3 * rounding  # of the largest
    allowed = np.maximum(rounding * np.abs(right), least * scale) + 4 * doubt + _rounding_of(called, x)[places]
    bad = np.flatnonzero(~(off <= allowed) & np.isfinite(right))
    bad = bad[np.argsort(-np.nan_to_num(off[bad], nan=np.inf))]
    in_kink = {
        i
        for i in bad[:_MOST_KINKS]
        if _fits_a_kink(value, wide, int(places[i]), float(given[places[i]]), problem.units[places[i]])
    }
    bad = np.array([i for i in bad if i not in in_kink], int)
    off = np.where(np.isin(np.arange(len(off)), [*in_kink]), 0.0, off)
    wrong = [WrongCoordinate(names[places[i]], float(given[places[i]]), float(right[i])) for i in bad]
    return GradientCheck(wrong, float(np.max(off, initial=0)) / scale, judge, len(places), given.size)


def _has_wrong_rule(problem: Problem) -> bool:
    """Whether a derivative rule of the user's own is not that of the cost, so that it is no judge."""
    if not problem.traced(*problem.data).has_rules:
        return False
    value, grad = problem.value_and_grad(problem.x0, *problem.data)
    slope, quotient, allowed = slopes(problem, grad, float(value))
    return abs(slope - quotient) > allowed


def _as_numbers(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


def _rounding_of(gradient: Callable[[Any], Any], x: Any) -> np.ndarray:
    """How far rounding alone moves each coordinate of a gradient: its change over moves of x by a few spacings."""
    point, here = as_vector(x), _as_numbers(gradient(x))
    draw, spacing = np.random.default_rng(0), np.spacing(np.maximum(np.abs(point), np.finfo(point.dtype).tiny ** 0.5))
    moved = [
        np.abs(_as_numbers(gradient(from_vector(point + spacing * draw.integers(-4, 5, point.size), x))) - here)
        for _ in range(6)
    ]
    largest = np.max(moved, axis=0)
    # In a minimum the gradient is nothing but rounding: how large it is a little away is the measure.
    away = point + (1e-3 * np.maximum(1, np.abs(point)) * draw.normal(size=point.size)).astype(point.dtype)
    usual = np.abs(_as_numbers(gradient(from_vector(away, x))))
    is_jump = ~(largest <= _JUMP * np.max(usual[np.isfinite(usual)], initial=0))  # a kink, of which more is asked
    return np.where(is_jump, 0.0, 8 * largest)


def _fits_a_kink(value: Callable[[Any], float], x: Any, place: int, given: float, unit: float) -> bool:
    """Whether the cost has a kink there, with another slope on each side, and the one given lies between them."""
    point, here, slopes = as_vector(x), value(x), []
    for h in (1e-6, 1e-7):
        sides = []
        for sign in (1, -1):
            moved = point.copy()
            moved[place] += sign * h * unit * max(1.0, abs(point[place]))
            sides.append((value(from_vector(moved, x)) - here) / (moved[place] - point[place]))
        slopes.append(sorted(sides))
    (low, high), (near_low, near_high) = slopes
    width = high - low
    # At a kink the sides stay apart as the step shrinks; where the cost is smooth they come together.
    stays = near_high - near_low > 0.5 * width and width > 1e-4 * max(abs(low), abs(high), 1e-300)
    return bool(stays and low - 1e-3 * width <= given <= high + 1e-3 * width)


def _differences(
    value: Callable[[Any], float], x: Any, places: np.ndarray, problem: Problem
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives in these coordinates, and how far they can be trusted: the difference of two steps, and rounding."""
    point, f = as_vector(x), abs(value(x))
    longer = max(1e-5, 2 * problem.exactness ** (1 / 3)) * problem.units * np.maximum(1, np.abs(point))
    found, doubt = np.empty(len(places)), np.empty(len(places))
    for k, i in enumerate(places):
        both = []
        for h in (longer[i], longer[i] / 4):
            ahead, behind = point.copy(), point.copy()
            ahead[i], behind[i] = point[i] + h, point[i] - h
            slope = (value(from_vector(ahead, x)) - value(from_vector(behind, x))) / (ahead[i] - behind[i])
            both.append(slope)
        found[k] = (16 * both[1] - both[0]) / 15  # Richardson: the error of the second is a sixteenth of the first's
        doubt[k] = abs(both[0] - both[1]) + (np.finfo(float).eps * f + problem.noise) / h
    return found, doubt


def _names(x: Any) -> list[str]:
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(x):
        for place in np.ndindex(leaf.shape):
            inside = f"[{', '.join(map(str, place))}]" if place else ""
            found.append(f"x{jax.tree_util.keystr(path)}{inside}")
    return found
