"""The curvature of an objective at a point: the extreme eigenvalues of its Hessian, from products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.descent import Run
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, as_vector, dtype_of, from_vector

__all__ = ["Curvature", "curvature", "curvature_of", "hessian_product", "whole_hessian"]

_DENSE = 32  # up to so many variables the whole Hessian is made, column by column
_MOST_PRODUCTS = 29
_SETTLED = 3e-3  # relative residual of the largest eigenvalue at which Lanczos' method stops


@dataclass(frozen=True)
class Curvature:
    """Extreme eigenvalues of the Hessian of the cost that is minimised.

    Attributes
    ----------
    largest, smallest
        The highest and the lowest eigenvalue; `largest` may be negative at a maximum.
    of_largest, of_smallest
        Their unit vectors, shape (n,).
    products
        How many products of the Hessian with a vector it took.
    is_exact
        Whether the whole Hessian was made. If not, `largest` is within about a percent, and `smallest` an upper bound.
    """

    largest: float
    smallest: float
    of_largest: np.ndarray
    of_smallest: np.ndarray
    products: int
    is_exact: bool

    @property
    def sharpness(self) -> float:
        """The largest magnitude of an eigenvalue: L, where the cost is convex."""
        return max(abs(self.largest), abs(self.smallest))

    @property
    def condition(self) -> float:
        """κ = largest / smallest; infinite where the smallest is not positive."""
        return self.largest / self.smallest if self.smallest > 0 else np.inf

    def __repr__(self) -> str:
        """The two ends, and which of the numbers are bounds."""
        low, of_condition = ("", "") if self.is_exact else ("at most ", ", at least")
        ends = f"curvature from {low}{self.smallest:.4g} to {self.largest:.4g}"
        return f"{ends}; condition κ{of_condition}: {self.condition:.4g}" if self.smallest > 0 else ends


def curvature(objective: Callable[..., Any] | str | Run, x: Any = None, *, data: Any = ()) -> Curvature:
    """The extreme eigenvalues of the Hessian at `x`.

    Parameters
    ----------
    objective
        A function, formula or landscape as in `minimize`; or a run, whose end is meant unless `x` is given.
    x
        The point.
    data
        Arrays that the objective takes after x.

    Raises
    ------
    ValueError
        The second derivatives are not finite there.

    Source: Lanczos (1950); products by forward over reverse differentiation, Pearlmutter (1994), Neural Comput. 6.
    """
    if isinstance(objective, Run):
        return curvature_of(objective.problem, objective.x_array if x is None else as_parameters(x))
    function, start, in_words = named(objective, x)
    start = as_parameters(start)
    return curvature_of(prepare(function, start, data=tuple(data), written_in_words=in_words), start)


def hessian_product(problem: Problem, x: Any) -> Callable[[np.ndarray], np.ndarray]:
    """v → Hv at `x`, as vectors of float64: exact where the objective is traced, else by differences of gradients."""
    data, kind = problem.data, dtype_of(problem.x0)
    if problem.is_traced and problem.grad is None:
        traced = problem.traced(*data)

        def build() -> Callable[..., Any]:
            def product(consts: Any, x: Any, v: Any, *data: Any) -> Any:
                return jax.jvp(lambda p: traced(consts, p, *data)[1], (x,), (v,))[1]

            return product

        def exact(v: np.ndarray) -> np.ndarray:
            with problem.computing():
                executable = traced.compiled("hessian product", build)
                return as_vector(executable(traced.consts, x, from_vector(v.astype(kind), x), *data)).astype(np.float64)

        return exact

    point = as_vector(x).astype(np.float64)
    reach = float(np.finfo(kind).eps) ** (1 / 3) * max(1.0, float(np.abs(point).max()))

    def differenced(v: np.ndarray) -> np.ndarray:
        h = reach / max(float(np.abs(v).max()), 1e-300)
        ahead, behind = (problem.value_and_grad(from_vector(point + s * h * v, x), *data)[1] for s in (1, -1))
        moved: np.ndarray = (as_vector(ahead).astype(np.float64) - as_vector(behind)) / (2 * h)
        return moved

    return differenced


def curvature_of(problem: Problem, x: Any, shrink: np.ndarray | None = None) -> Curvature:
    """See `curvature`; with `shrink`, shape (n,), that of the cost as a function of x / shrink."""
    n = as_vector(x).size
    by = np.ones(n) if shrink is None else shrink
    if n <= _DENSE:
        values, vectors = np.linalg.eigh(by[:, None] * whole_hessian(problem, x) * by)
        return Curvature(float(values[-1]), float(values[0]), vectors[:, -1], vectors[:, 0], n, True)
    product = hessian_product(problem, x)
    return _by_lanczos(lambda v: by * product(by * v), n)


def whole_hessian(problem: Problem, x: Any) -> np.ndarray:
    """The Hessian at `x`, column by column, shape (n, n), float64, symmetric."""
    product = hessian_product(problem, x)
    columns = np.stack([product(way) for way in np.eye(as_vector(x).size)])
    _check_finite(columns)
    return np.asarray((columns + columns.T) / 2)


def _check_finite(products: np.ndarray) -> None:
    if not np.isfinite(products).all():
        raise ValueError("the second derivatives are not finite at this point: there is no curvature to speak of")


def _by_lanczos(product: Callable[[np.ndarray], np.ndarray], n: int) -> Curvature:
    """Lanczos' method with full reorthogonalisation, until the largest eigenvalue has settled."""
    q = np.random.default_rng(0).normal(size=n)
    basis = [q / np.linalg.norm(q)]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(n, _MOST_PRODUCTS)):
        w = product(basis[-1])
        _check_finite(w)
        diagonal.append(float(basis[-1] @ w))
        for _ in range(2):  # once is not enough where eigenvalues lie close together
            for known in basis:
                w = w - (known @ w) * known
        left = float(np.linalg.norm(w))
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        size = float(np.abs(values).max())
        if left <= 1e-12 * size or (len(diagonal) > 4 and left * np.abs(vectors[-1, [0, -1]]).max() <= _SETTLED * size):
            break
        beside.append(left)
        basis.append(w / left)
    made = np.stack(basis[: len(diagonal)], axis=1)
    top, bottom = made @ vectors[:, -1], made @ vectors[:, 0]
    return Curvature(float(values[-1]), float(values[0]), top, bottom, len(diagonal), False)
