"""What theory promises a run on a quadratic, to be held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.descent import Run
from descend.insight.curvature import hessian_product
from descend.insight.stability import is_linear_map
from descend.methods import Method
from descend.objectives.parameters import as_vector, from_vector
from descend.stepsizes import StepSize
from descend.stepsizes.schedule import Schedule

__all__ = ["Promise", "promise"]

_MOST = 500  # variables of which the whole Hessian is made
_SAME = 1e-4  # relative difference of two Hessians that still counts as rounding
_PLACES = 1_000  # curvatures between the smallest and the largest on which the method is followed


@dataclass(frozen=True)
class Promise:
    """The cost above the minimum: what was measured, and what no quadratic of these curvatures exceeds.

    Attributes
    ----------
    step
        The steps of the kept rows, shape (rows,).
    measured
        The cost there less that of the minimum, shape (rows,); rounding may take it to zero or below.
    bound
        The most that it can be from this start value, for any quadratic with curvatures from `smallest` to `largest`.
    largest, smallest
        The extreme curvatures L and μ.
    """

    step: np.ndarray
    measured: np.ndarray
    bound: np.ndarray
    largest: float
    smallest: float

    def plot(self, ax: Any = None) -> Any:
        """Both against the step."""
        from descend import plots

        return plots.promised(self, ax)


def promise(run: Run) -> Promise:
    """What theory promises this run: the bound on its cost at each kept step, and the cost that was measured.

    On a quadratic each component of the way to the minimum along an eigenvector of curvature λ shrinks by a polynomial
    p(λ) of the method alone, so that cost(k) - min ≤ max p(λ)² · (cost(0) - min). The polynomials are those of the
    method's own formula, which is run on curvatures between μ and L and on those of this objective.

    Raises
    ------
    ValueError
        The objective is no quadratic with a minimum, or the method's steps are not known beforehand.

    Source: Polyak (1964), USSR Comput. Math. Math. Phys. 4(5); d'Aspremont, Scieur & Taylor (2021), section 2.
    """
    method = run.method
    rate = getattr(method, "lr", None)
    if not isinstance(method, Method) or not is_linear_map(method):
        raise ValueError(f"{type(method).__name__} is no linear map on a quadratic: there is no such promise for it")
    if isinstance(rate, StepSize) and not isinstance(rate, Schedule):
        raise ValueError(f"the rates of {type(rate).__name__} are not known beforehand: give a number or a schedule")
    if run.sampling is not None and run.sampling.samples:
        raise ValueError("this run saw batches: the promise is for steps that see all data")
    curvatures, lowest = _quadratic(run)
    smallest, largest = float(curvatures[0]), float(curvatures[-1])
    between = (1 - np.cos(np.linspace(0, np.pi, _PLACES))) / 2  # dense at both ends, where the polynomials are steep
    shares = _shares(method, np.concatenate([curvatures, smallest + (largest - smallest) * between]), run.trace.step)
    measured = run.problem.sign * run.trace.f.astype(float) - lowest
    return Promise(run.trace.step, measured, shares * measured[0], largest, smallest)


def _quadratic(run: Run) -> tuple[np.ndarray, float]:
    """The curvatures of a quadratic, in order, and its lowest cost."""
    problem, x = run.problem, run.x_array
    n = as_vector(x).size
    if n > _MOST:
        raise ValueError(f"the promise needs all curvatures: at most {_MOST} variables, got {n:,}")
    start = problem.x0
    draw = np.random.default_rng(0).normal(size=n) * (1 + np.abs(as_vector(start)))
    elsewhere = from_vector((as_vector(start) + draw).astype(as_vector(start).dtype), start)
    at_end, at_start, beside = (
        np.stack([hessian_product(problem, point)(way) for way in np.eye(n)]) for point in (x, start, elsewhere)
    )
    size = np.abs(at_end).max()
    if not all(np.abs(other - at_end).max() <= _SAME * size for other in (at_start, beside)):
        raise ValueError("the objective is no quadratic: its curvature is not the same everywhere")
    curvatures = np.linalg.eigvalsh((at_end + at_end.T) / 2)
    if not curvatures[0] > _SAME**2 * curvatures[-1]:
        raise ValueError(f"a quadratic with the curvature {curvatures[0]:.3g} has no single minimum")
    value, slope = problem.value_and_grad(x, *problem.data)
    g = as_vector(slope).astype(float)
    return curvatures, float(value) - float(g @ np.linalg.solve(at_end, g)) / 2


def _shares(method: Method, curvatures: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The largest p(λ)² after each of the steps."""
    x: Any = np.ones_like(curvatures)
    state = method.init(x)
    shares = np.empty(len(steps))
    with np.errstate(all="ignore"):
        for i, gap in enumerate(np.diff(steps, prepend=0)):
            for _ in range(int(gap)):
                change, state = method.update(curvatures * x, state, x)
                x = x + change
            shares[i] = (x**2).max()
    return shares
