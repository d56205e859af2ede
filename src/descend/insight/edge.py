"""How near a run is to the edge of stability: the rate times the largest curvature, as its method sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.descent import Run
from descend.insight.curvature import curvature_of
from descend.insight.stability import edge_of_stability, is_linear_map, preconditioner
from descend.insight.trials import again
from descend.objectives.parameters import from_vector

__all__ = ["Edge", "edge_along", "is_known_adaptive", "shrink_of"]


@dataclass(frozen=True)
class Edge:
    """The rate times the largest curvature along a run or a training, and where the method goes unstable.

    Attributes
    ----------
    step
        The steps that were looked at, shape (k,).
    product
        lr · λ there, where λ is the largest eigenvalue of the Hessian, of an adaptive method of P^(-1/2) H P^(-1/2)
        with its preconditioner P; nan where it cannot be had.
    edge
        Above it the method diverges on a quadratic: 2 for gradient descent, 38 for Adam; nan where that is not known.
    is_adaptive
        Whether P is not one.
    """

    step: np.ndarray
    product: np.ndarray
    edge: float
    is_adaptive: bool


def edge_along(run: Run, rows: Iterable[int]) -> Edge:
    """How near to the edge of stability a run was at some rows of its trace.

    What an adaptive method had seen by then is found by running it again to that step.

    Raises
    ------
    ValueError
        The run kept no path, or its method is from elsewhere.
    """
    if run.trace.x is None:
        raise ValueError("this run kept no path: it has too many parameters")
    places = np.unique([*rows])
    rates = run.trace.lr[np.minimum(places + 1, len(run.trace) - 1)]  # the rate of a row is that of the step to it
    rates = np.where(np.isfinite(rates), rates, np.nan if run.lr is None else run.lr)
    edge = edge_of_stability(run.method)
    is_adaptive = is_known_adaptive(run.method)
    product = np.array([rate * _largest(run, int(row), is_adaptive) for row, rate in zip(places, rates, strict=True)])
    return Edge(run.trace.step[places], product, edge, is_adaptive)


def is_known_adaptive(method: Any) -> bool:
    """Whether the method divides by a preconditioner, and its edge of stability is known."""
    return bool(np.isfinite(edge_of_stability(method)) and not is_linear_map(method))


def shrink_of(method: Any, state: Any, x: Any) -> np.ndarray:
    """1/√P of a method that is known to be adaptive, in that state, for all parameters x as one vector."""
    divisors = [preconditioner(method, state, leaf) for leaf in range(len(jax.tree.leaves(x)))]
    return 1 / np.sqrt(np.concatenate(divisors))  # type: ignore[arg-type]


def _largest(run: Run, row: int, is_adaptive: bool) -> float:
    assert run.trace.x is not None  # noqa: S101 - was looked at
    x, shrink = from_vector(run.trace.x[row], run.problem.x0), None
    if is_adaptive:
        carry = run.carry if row == len(run.trace) - 1 else None
        if carry is None:
            made = again(run, run.method, steps=max(1, int(run.trace.step[row])), gtol=0, xtol=0, ftol=0)
            carry = None if made is None else made.carry
        if carry is None:
            return np.nan
        shrink = shrink_of(run.method, carry.state, x)
    try:
        return curvature_of(run.problem, x, shrink).largest
    except ValueError:
        return np.nan
