"""Checks of an objective at its start: they cost a few evaluations and unmask what cannot be trusted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from descend.objectives.parameters import as_vector, dtype_of, from_vector

if TYPE_CHECKING:
    from descend.objectives.function import Problem

__all__ = [
    "RANDOM",
    "check_given_gradient",
    "check_start",
    "disagreement_with_numpy",
    "has_slope_where_gradient_is_nan",
    "is_random",
    "slopes",
    "warn_of_a_column",
    "warn_of_a_loop",
    "warn_of_float32_constants",
]

RANDOM = (
    "the objective gives different values for the same x: it is random or keeps state. "
    "Draw the random numbers once, outside of it; sampled data is data=(X, y) with batch_size="
)


def check_start(problem: Problem) -> None:
    """Raise a ValueError where cost or gradient is not finite at the start."""
    value, grad = problem.value_and_grad(problem.x0, *problem.data)
    start = _short_point(problem.x0)
    if not np.isfinite(value):
        double = jax.tree.map(lambda leaf: leaf.astype(np.float64), problem.x0)
        wider = (
            problem.is_traced
            and dtype_of(problem.x0) != np.float64
            and np.isfinite(problem.plain(double, *problem.data))
        )
        cure = "in float64 it is finite: give x0 in float64" if wider else "start where it is finite"
        raise ValueError(f"the objective is {problem.sign * value} at the start x0 = {start}; {cure}")
    for path, leaf in jax.tree_util.tree_leaves_with_path(grad):
        if not np.isfinite(leaf).all():
            bad = np.argwhere(~np.isfinite(leaf))[0].tolist() if leaf.ndim else ""
            raise ValueError(
                f"the gradient{jax.tree_util.keystr(path)}{bad or ''} is {leaf[tuple(bad)] if leaf.ndim else leaf} "
                f"at the start x0 = {start}, where the objective is {problem.sign * value:g}: it is not "
                "differentiable there; move the start a little"
            )


def has_slope_where_gradient_is_nan(problem: Problem) -> bool:
    """Whether the gradient at the start is not finite although differences from both sides agree on a slope."""
    value, grad = problem.value_and_grad(problem.x0, *problem.data)
    point, slopes = as_vector(problem.x0).astype(np.float64), as_vector(grad)
    bad = np.nonzero(~np.isfinite(slopes))[0]
    if not np.isfinite(value) or not bad.size or bad.size > 100:
        return False
    double = jax.tree.map(lambda leaf: leaf.astype(np.float64), problem.x0)
    here = problem.plain(double, *problem.data)
    for i in bad:
        h = 1e-6 * max(1.0, abs(point[i]))
        sides = []
        for sign in (1, -1):
            moved = point.copy()
            moved[i] += sign * h
            sides.append(sign * (problem.plain(from_vector(moved, double), *problem.data) - here) / h)
        if not np.isfinite(sides).all() or abs(sides[0] - sides[1]) > 1e-3 * (1 + abs(sides[0]) + abs(sides[1])):
            return False
    return True


def is_random(problem: Problem, first: float) -> bool:
    """Whether a call at the start gives another value than the first, by more than the order of a sum can make it."""
    second = problem.plain(problem.x0, *problem.data)
    return bool(abs(first - second) > 64 * np.finfo(np.float64).eps * max(abs(first), abs(second)))


def disagreement_with_numpy(problem: Problem) -> str:
    """Why the traced function is not the NumPy function; empty if it is, as far as the start shows."""
    x0, data = problem.x0, problem.data
    first = problem.plain(x0, *data)
    if is_random(problem, first):
        if problem.grad is None:
            raise ValueError(RANDOM)
        return "the objective gives different values for the same x"
    value, grad = problem.value_and_grad(x0, *data)
    if not np.isfinite([first, value, *(leaf.sum() for leaf in jax.tree.leaves(grad))]).all():
        return ""  # not a matter of tracing: the check of the start has a message for it
    scale = abs(first) + float(np.abs(as_vector(grad) * as_vector(x0)).sum())
    tolerance = {"float64": 1e-9, "float32": 1e-3}[dtype_of(x0).name]
    if not abs(problem.sign * value - first) <= tolerance * scale:
        return (
            f"traced, the function gives {problem.sign * value:.17g} at the start, in plain NumPy {first:.17g}: "
            "it depends on the type of its argument or writes through a slice"
        )
    slope, quotient, allowed = slopes(problem, grad, first)
    if abs(slope - quotient) > allowed:
        return f"traced, the slope at the start is {slope:.6g}, differences in plain NumPy give {quotient:.6g}"
    return ""


def check_given_gradient(problem: Problem) -> None:
    """Raise a ValueError where the user's gradient is not that of the objective."""
    _, grad = problem.value_and_grad(problem.x0, *problem.data)
    value = problem.sign * float(problem.value(problem.x0, *problem.data))
    slope, quotient, allowed = slopes(problem, grad, value)
    if abs(slope - quotient) > allowed:
        again = slopes(problem, problem.value_and_grad(problem.x0, *problem.data)[1], value)[0]
        if again != slope:
            raise ValueError(
                "grad gives different values for the same x: it is random or keeps state. "
                "Sampled data is data=(X, y) with batch_size=; else draw the random numbers once, outside of it"
            )
        raise ValueError(
            f"grad disagrees with the objective: along a random direction at x0 its slope is {slope:.6g}, "
            f"differences of the objective give {quotient:.6g}; leave grad out, or correct it"
        )


def slopes(problem: Problem, grad: Any, value: float) -> tuple[float, float, float]:
    """The slope at x0 along one direction by gradient and by differences of the user's values, and what may differ.

    Two lengths of the difference are tried: what they differ by is not held against the gradient.
    """
    x0 = as_vector(problem.x0).astype(np.float64)
    double = jax.tree.map(lambda leaf: leaf.astype(np.float64), problem.x0)
    way = np.random.default_rng(0).normal(size=x0.size) * np.maximum(1, np.abs(x0))
    way *= problem.units / np.linalg.norm(way)
    parts = problem.sign * as_vector(grad).astype(np.float64) * way
    slope, size = float(parts.sum()), float(np.abs(parts).sum())
    eps = float(np.finfo(np.float64).eps)
    center = problem.plain(double, *problem.data)
    quotients, sides, rounding = [], [], 0.0
    longest = max(eps, problem.exactness) ** (1 / 3)
    for h in (longest, longest / (2 if problem.noise else 32)):
        step = h * max(1.0, float(np.linalg.norm(x0)) / x0.size**0.5)
        ahead, behind = (problem.plain(from_vector(x0 + by * way, double), *problem.data) for by in (step, -step))
        if not (np.isfinite(ahead) and np.isfinite(behind)):
            return slope, slope, np.inf
        quotients.append((ahead - behind) / (2 * step))
        sides = [(ahead - center) / step, (center - behind) / step]
        rounding = max(100 * eps * max(abs(value), abs(ahead), abs(behind)), 10 * problem.noise) / step
    # What the two lengths differ by is the bend of the function; at a kink any slope between the sides is right.
    nearest = float(np.clip(slope, min(sides), max(sides)))
    spread = 2 * abs(quotients[0] - quotients[1])
    allowed = {"float64": 1e-4, "float32": 2e-2}[dtype_of(problem.x0).name] * size + rounding + spread
    return (slope, nearest, allowed) if abs(slope - nearest) <= allowed else (slope, quotients[1], allowed)


def warn_of_float32_constants(problem: Problem) -> None:
    """Warn where a constant made in float32 spoils a float64 run."""
    if problem.is_traced and dtype_of(problem.x0) == np.float64:
        consts = problem.traced(*problem.data).consts
        if any(str(getattr(c, "dtype", "")) in {"float32", "float16", "bfloat16"} for c in consts):
            warnings.warn(
                "the objective holds a float32 constant in a float64 run, so its values are only right to about "
                "7 digits: make the constant in float64 with NumPy, or inside the function",
                stacklevel=5,
            )


def warn_of_a_loop(problem: Problem) -> None:
    """Warn where the objective is a program of very many small operations."""
    if problem.is_traced and (program := problem.traced(*problem.data)).is_unrolled:
        warnings.warn(
            f"the objective makes {len(program.jaxpr.eqns):,} small operations, as a loop of Python over coordinates "
            "does: they take long to compile, and are then left unoptimised. Operations on whole arrays are far "
            "quicker, np.sum(np.diff(x)**2) in the place of a loop",
            stacklevel=5,
        )


def warn_of_a_column(program: Any) -> None:
    """Warn where a traced program sets numbers of one shape against those of another, each against each."""
    if n := program.crossed:
        warnings.warn(
            f"an operation takes numbers of shape ({n},) and of shape ({n}, 1), and makes ({n}, {n}) of them: each is "
            "set against each. If they belong together, as predictions and targets, bring them to one shape: y.ravel()",
            stacklevel=5,
        )


def _short_point(x: Any) -> str:
    text = np.array2string(x, threshold=6, precision=6, separator=", ") if hasattr(x, "shape") else repr(x)
    return text if len(text) < 80 else f"{text[:77]}..."
