"""What theory guarantees a run on a quadratic, to be held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.descent import Run
from descend.insight.curvature import whole_hessian
from descend.insight.stability import is_linear_map
from descend.methods import GradientDescent, Method
from descend.objectives.landscapes import Landscape
from descend.objectives.parameters import as_vector, from_vector
from descend.sentences import counted
from descend.stepsizes import StepSize
from descend.stepsizes.schedule import Schedule

__all__ = ["Guarantee", "guarantee"]

_MOST = 500  # variables of which the whole Hessian is made
_SAME = 1e-4  # relative difference of two Hessians that still counts as rounding
_PLACES = 1_000  # curvatures between the smallest and the largest on which the method is followed


@dataclass(frozen=True)
class Guarantee:
    """The cost above the minimum: what was measured, and what no quadratic of these curvatures exceeds.

    Attributes
    ----------
    step
        The steps of the kept rows, shape (rows,).
    measured
        The cost there less that of the minimum, shape (rows,); rounding may take it to zero or below.
    bound
        The most that it can be from this start, for any quadratic, or other landscape, with curvatures from `smallest`
        to `largest`.
    largest, smallest
        The extreme curvatures L and μ.
    """

    step: np.ndarray
    measured: np.ndarray
    bound: np.ndarray
    largest: float
    smallest: float

    def __repr__(self) -> str:
        """What is guaranteed and what was measured, in one sentence."""
        return (
            f"after {counted(int(self.step[-1]), 'step')} the cost is {self.measured[-1]:.3g} above the minimum, and "
            f"never more than {self.bound[-1]:.3g}, with curvatures from {self.smallest:.4g} to {self.largest:.4g}"
        )

    def plot(self, ax: Any = None) -> Any:
        """Both against the step."""
        from descend import plots

        return plots.guarantee(self, ax)


def guarantee(run: Run) -> Guarantee:
    """What theory guarantees this run: the bound on its cost at each kept step, and the cost that was measured.

    On a quadratic each component of the way to the minimum along an eigenvector of curvature λ shrinks by a polynomial
    p(λ) of the method alone, so that cost(k) - min ≤ max p(λ)² · (cost(0) - min). The polynomials are those of the
    method's own formula, which is run on curvatures between μ and L and on those of this objective.

    On another landscape whose curvature is known to stay between μ and L it is the theorem for gradient descent,
    ‖x(k) - x*‖ ≤ Π max(|1 - lr·μ|, |1 - lr·L|) ‖x(0) - x*‖ and cost(k) - min ≤ L/2 ‖x(k) - x*‖².

    Raises
    ------
    ValueError
        The objective is neither, or the method's steps are not known beforehand.

    Source: Polyak (1964), USSR Comput. Math. Math. Phys. 4(5); d'Aspremont, Scieur & Taylor (2021), section 2; Nesterov
    (2018), Lectures on Convex Optimization, theorem 2.1.15.
    """
    method = run.method
    rate = getattr(method, "lr", None)
    if not isinstance(method, Method):
        raise ValueError(f"the guarantees are for methods by themselves, not for {type(method).__name__} around one")
    if not is_linear_map(method):
        raise ValueError(f"{type(method).__name__} is no linear map on a quadratic: nothing is guaranteed for it")
    if isinstance(rate, StepSize) and not isinstance(rate, Schedule):
        raise ValueError(f"the rates of {type(rate).__name__} are not known beforehand: give a number or a schedule")
    if run.sampling is not None and run.sampling.samples:
        raise ValueError("this run saw batches: the guarantee is for steps that see all data")
    hessian, known = _constant_hessian(run), run.objective
    if hessian is None:
        if isinstance(known, Landscape) and known.L and known.mu and run.problem.sign > 0:
            return _of_convex(run, known, known.L, known.mu)
        rough = "" if run.problem.is_traced else ", or too rough: of a function that can only be called, take float64"
        raise ValueError(f"the objective is no quadratic{rough}: its curvature is not the same everywhere")
    curvatures, lowest = _quadratic(run, hessian)
    smallest, largest = float(curvatures[0]), float(curvatures[-1])
    between = (1 - np.cos(np.linspace(0, np.pi, _PLACES))) / 2  # dense at both ends, where the polynomials are steep
    shares = _shares(method, np.concatenate([curvatures, smallest + (largest - smallest) * between]), run.trace.step)
    measured = run.problem.sign * run.trace.f.astype(float) - lowest
    return Guarantee(run.trace.step, measured, shares * measured[0], largest, smallest)


def _of_convex(run: Run, known: Landscape, largest: float, smallest: float) -> Guarantee:
    """The theorem for gradient descent on a landscape of known curvature."""
    if type(run.method) is not GradientDescent:
        raise ValueError(f"on {known.name}, which is no quadratic, the guarantee is for GradientDescent alone")
    steps = np.arange(int(run.trace.step[-1]))
    rate: Any = run.method.lr
    rates = np.asarray(rate(steps) if isinstance(rate, Schedule) else np.full(len(steps), rate), float)
    factors = np.maximum(np.abs(1 - rates * smallest), np.abs(1 - rates * largest))
    with np.errstate(over="ignore"):
        shrunk = np.concatenate([[1.0], np.cumprod(factors)])[run.trace.step]
        far = float(np.linalg.norm(as_vector(run.problem.x0) - np.atleast_1d(known.minima[0])))
        bound = largest / 2 * (shrunk * far) ** 2
    return Guarantee(run.trace.step, run.trace.f.astype(float) - known.fmin, bound, largest, smallest)


def _constant_hessian(run: Run) -> np.ndarray | None:
    """The Hessian, if it is the same at the start, at the end and beside them."""
    problem, start = run.problem, run.problem.x0
    at = as_vector(start)
    if at.size > _MOST:
        raise ValueError(f"the guarantee needs all curvatures: at most {_MOST} variables, got {at.size:,}")
    beside = at + np.random.default_rng(0).normal(size=at.size) * (1 + np.abs(at))
    hessian = whole_hessian(problem, start)
    others = (whole_hessian(problem, x) for x in (run.x_array, from_vector(beside.astype(at.dtype), start)))
    is_same = all(np.abs(other - hessian).max() <= _SAME * np.abs(hessian).max() for other in others)
    return hessian if is_same else None


def _quadratic(run: Run, hessian: np.ndarray) -> tuple[np.ndarray, float]:
    """The curvatures of a quadratic, in order, and its lowest cost."""
    problem, start = run.problem, run.problem.x0
    at = as_vector(start)
    curvatures = np.linalg.eigvalsh(hessian)
    if not curvatures[0] > _SAME**2 * curvatures[-1]:
        raise ValueError(f"a quadratic with the curvature {curvatures[0]:.3g} has no single minimum")
    for _ in range(2):  # Newton's steps from the start, which a run that diverged has left far behind
        slope = as_vector(problem.value_and_grad(from_vector(at, start), *problem.data)[1])
        at = (at - np.linalg.solve(hessian, slope.astype(float))).astype(at.dtype)
    return curvatures, float(problem.value(from_vector(at, start), *problem.data))


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
