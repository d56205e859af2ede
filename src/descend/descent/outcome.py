"""How a run ended, and the evidence for it. A failure is never called a success.

The loop only knows that a gradient was small, that x stood still, that the cost stopped falling, or that a
number was not finite. What that means is judged here, by evaluating the objective a few times around the last
point: whether the cost falls along some direction (then it is no minimum), and whether a longer or a shorter
step would lower it (then the rate is at fault, not the precision).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, dtype_of, from_vector

__all__ = ["Judgement", "Outcome", "gradient_scale", "length", "step_that_helps", "surroundings"]

_MOST_DIRECTIONS = {True: 64, False: 8}  # by whether the objective is traced: the Hessian costs 2n gradients


class Outcome(enum.Enum):
    """How a run ended; the value is the sentence for the user."""

    CONVERGED = "converged"
    STEPS_EXHAUSTED = "all steps made, not yet converged"
    OUT_OF_TIME = "out of time"
    STALLED = "stalled before a minimum"
    DIVERGED = "diverged"
    PRECISION_FLOOR = "stopped at the precision of the numbers"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Judgement:
    """An outcome with what was seen, as one sentence."""

    outcome: Outcome
    detail: str

    @property
    def message(self) -> str:
        """The sentence for the user."""
        text = f"{self.outcome.value}: {self.detail}"
        return text[0].upper() + text[1:]


def gradient_scale(problem: Problem, x: Any, grad: Any) -> float:
    """How large a gradient this objective has within a distance of max(1, |x|): a number with its units.

    It is the larger of the gradient here and the curvature along it times that distance. A gradient tolerance
    is meant relative to it where it is below 1, so that x² · 1e-10, or the tail of a bump, is not called
    minimised because its gradients are small numbers everywhere.
    """
    size = length(grad)
    if size == 0:
        return 0.0
    reach = max(1.0, float(np.abs(as_vector(x)).max()))
    h = float(np.finfo(dtype_of(x)).eps) ** (1 / 3) * reach
    _, ahead = problem.value_and_grad(_moved(x, grad, h / size), *problem.data)
    bend = length(jax.tree.map(lambda a, b: a - b, ahead, grad)) / h
    return max(size, bend * reach) if np.isfinite(bend) else size


def surroundings(problem: Problem, x: Any, f: float, grad: Any) -> tuple[bool, str]:
    """What is around x, where the gradient is as good as zero: is it flat, and where does the cost fall?

    Looked at are the coordinates and, from differences of the gradient, the direction of lowest curvature;
    where there are too many coordinates for that, some random directions.

    Returns
    -------
    flat
        Whether no value differs from f by more than rounding.
    fall
        The direction in which the cost falls, as text; empty if no fall was found. Then x is no minimum.
    """
    point = as_vector(x)
    eps = float(np.finfo(point.dtype).eps)
    slope, flat = length(grad), True
    for direction in _directions(problem, x):
        h = eps**0.25 * max(1.0, float(np.abs(point * direction).max()))
        rounding = 16 * eps * abs(f)
        for sign in (1, -1):
            value = float(problem.value(from_vector(point + sign * h * direction, x), *problem.data))
            if value < f - 2 * slope * h - rounding:
                toward = np.array2string(sign * direction, precision=3, suppress_small=True, threshold=6)
                return False, toward
            flat = flat and abs(value - f) <= rounding
    return flat, ""


def _directions(problem: Problem, x: Any) -> list[np.ndarray]:
    point = as_vector(x)
    n = point.size
    if n > _MOST_DIRECTIONS[problem.is_traced]:
        random = np.random.default_rng(0).normal(size=(8, n))
        return list(random / np.linalg.norm(random, axis=1, keepdims=True))

    def gradient(at: np.ndarray) -> np.ndarray:
        return as_vector(problem.value_and_grad(from_vector(at, x), *problem.data)[1]).astype(np.float64)

    reach = np.maximum(1, np.abs(point)) * np.finfo(point.dtype).eps ** (1 / 3)
    hessian = np.array([(gradient(point + h) - gradient(point - h)) / (2 * h.max()) for h in np.diag(reach)])
    directions = list(np.eye(n))
    if np.isfinite(hessian).all():
        directions.insert(0, np.linalg.eigh((hessian + hessian.T) / 2)[1][:, 0])
    return directions


def step_that_helps(problem: Problem, x: Any, f: float, grad: Any) -> tuple[float, float]:
    """The length of the step along -gradient that lowers the cost most, and the cost there.

    Lengths from the spacing of the numbers up to 10 · max(1, |x|) are tried; f itself comes back if none
    lowers the cost by more than rounding.
    """
    size = length(grad)
    best = (0.0, f)
    if size == 0 or not np.isfinite(size):
        return best
    eps = float(np.finfo(dtype_of(x)).eps)
    reach = max(1.0, float(np.abs(as_vector(x)).max()))
    for k in range(60):
        far = 10 * reach * 0.5**k
        if far < eps * reach:
            break
        value = float(problem.value(_moved(x, grad, -far / size), *problem.data))
        if value < best[1] - 8 * eps * abs(f):
            best = (far, value)
    return best


def length(tree: Any) -> float:
    """The Euclidean length of a pytree of NumPy arrays, which does not overflow where its elements do not."""
    vector = as_vector(tree).astype(np.float64)
    largest = float(np.abs(vector).max())
    return largest * float(np.linalg.norm(vector / largest)) if 0 < largest < np.inf else largest


def _moved(x: Any, direction: Any, by: float) -> Any:
    return jax.tree.map(lambda p, d: np.asarray(p + p.dtype.type(by) * d, p.dtype), x, direction)
