"""How a run can end, and how to find out what is around the point where it ended.

The loop only knows that a gradient was small, that x stood still, that the cost stopped falling, or that a
number was not finite. What that means is found by evaluating the objective a few times around the last point:
whether the cost falls along some direction (then it is no minimum), and whether a longer or a shorter step
would lower it (then the rate is at fault, not the precision).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, dtype_of, from_vector
from descend.words import along, difference, norm

__all__ = [
    "FAR_DOWN",
    "Finding",
    "Judgement",
    "Outcome",
    "Reach",
    "anywhere",
    "gradient_scale",
    "has_no_bound",
    "in_words",
    "length",
    "margin",
    "noise_of",
    "reach_of",
    "runs_away",
    "step_that_helps",
    "surroundings",
]

_TRIFLE = 1e-6  # share of what was gained
FAR_DOWN = 1e30  # so many times its first size a cost must have fallen, where nothing else speaks for no bound

_DENSE = {True: 64, False: 8}  # up to so many variables the whole Hessian is differenced, by whether traced
_KRYLOV = 10_000  # up to so many variables, if traced, its lowest eigenvector is sought by Lanczos' method
_FEW = 32  # coordinates that are looked at where there are too many
_NEAR = 0.1  # of the scale of x: what is flat so far around is no minimum


Reach = Callable[[Any, Any], Any]  # (from, to) -> the nearest point to which the rule may go


def anywhere(x: Any, to: Any) -> Any:
    """The `Reach` of a rule without a projection."""
    return to


class Outcome(enum.Enum):
    """How a run ended; the value is the sentence for the user."""

    CONVERGED = "converged"
    STEPS_EXHAUSTED = "all steps made, not yet converged"
    OUT_OF_TIME = "out of time"
    STALLED = "stalled"
    DIVERGED = "diverged"
    PRECISION_FLOOR = "stopped at the precision of the numbers"
    INTERRUPTED = "interrupted"
    NOTHING_LEARNT = "nothing learnt"  # of a model: a constant has a lower loss


class Finding(enum.Enum):
    """What was found around the end of a run, for a diagnosis to start from."""

    NO_BOUND = "the cost falls without end"
    NO_EXTREME = "without a slope, and no extreme"
    JUMPS = "on a level step, beside which the cost falls by a jump"
    EDGE = "the cost would fall further, but a little ahead it is no number"
    KINK = "at a kink, along which the cost falls"
    LEAPT_OVER = "on flat ground, beyond a lower place that a step has led across"
    NOT_FINITE = "at a step the loss of a batch was no number"
    RESTLESS = "past its best on rows held out, the training loss rose, too"


@dataclass(frozen=True)
class Judgement:
    """An outcome with what was seen, as one sentence."""

    outcome: Outcome
    detail: str
    finding: Finding | None = None

    @property
    def message(self) -> str:
        """The sentence for the user."""
        text = f"{self.outcome.value}: {self.detail}"
        return text[0].upper() + text[1:]


def gradient_scale(problem: Problem, x: Any, grad: Any, gone: float = 0.0) -> float:
    """How large a gradient this objective has within the distances that matter: a number with its units.

    It is the larger of the gradient here and the curvature along it times a distance: that of the minimum of a
    parabola from here, or what has been `gone`, or |x|, whichever is largest, but at most max(1, |x|). A gradient
    tolerance is meant relative to it where it is below 1, so that x² · 1e-10, or (x - 1e-9)² from 0, or the tail of a
    bump, is not called minimised because its gradients are small numbers everywhere.
    """
    size = length(grad)
    if size == 0:
        return 0.0
    reach, near = reach_of(x), max(gone, float(np.abs(as_vector(x)).max()))
    h = float(np.finfo(dtype_of(x)).eps) ** (1 / 3) * min(reach, near or reach)
    value, ahead = problem.value_and_grad(along(x, h / size, grad), *problem.data)
    bend = length(difference(ahead, grad)) / h
    if not np.isfinite(bend) or bend == 0:
        return size
    rounding = float(np.finfo(dtype_of(x)).eps) * abs(float(value))
    if size * size / 2 > bend * rounding:  # else the cost cannot fall visibly, wherever x goes
        reach = min(reach, max(size / bend, near))
    return float(max(size, bend * reach))


def noise_of(problem: Problem, x: Any, f: float) -> float:
    """How far rounding alone moves the cost: the largest change over a few moves by some spacings of x.

    Where the values of the objective are less exact than that, it is what `Problem.noise` says.
    """
    point = as_vector(x)
    spacing = np.spacing(np.maximum(np.abs(point), np.finfo(point.dtype).tiny ** 0.5))
    draw = np.random.default_rng(0)
    values = [
        float(problem.value(from_vector(point + spacing * draw.integers(-4, 5, point.size), x), *problem.data))
        for _ in range(6)
    ]
    moved = [abs(value - f) for value in values if np.isfinite(value)]
    return max([4 * float(np.finfo(point.dtype).eps) * abs(f), 4 * problem.noise, *moved])


def surroundings(
    problem: Problem,
    x: Any,
    f: float,
    grad: Any,
    go: Reach = anywhere,
    least: float = 0.0,
    far: float = 0.0,
    gained: float | None = None,
) -> tuple[bool, str]:
    """What is around x, where the gradient is as good as zero: is it flat, and where does the cost fall?

    Looked at are the direction of lowest curvature and the coordinates, in growing steps for as long as the
    cost does not rise: beyond a barrier a lower cost is another valley, not this one. Only points to which
    `go` lets x go count, and only falls of more than `least`. Steps grow to the size of x, or `far` if that is longer.
    Where it is told what was `gained` they begin with the last digit of x, so that what is bent within less than a
    usual step shows; so near a fall must be more than a trifle of that, for a gradient may be inexact.

    Returns
    -------
    flat
        Whether no value near x differs from f by more than rounding.
    fall
        The direction in which the cost falls, as text; empty if no fall was found. Then x is no minimum.
    """
    point = as_vector(x)
    eps = float(np.finfo(point.dtype).eps)
    slope, rounding, flat = length(grad), 4 * noise_of(problem, x, f) + least, True
    slope = slope if np.isfinite(slope) else 0.0

    def at(step: np.ndarray) -> float:
        return float(problem.value(go(x, from_vector(point + step, x)), *problem.data))

    for direction in _directions(problem, x):
        reach = max(1.0, float(np.abs(point * direction).max()))
        usual = eps**0.25 * reach
        for way in (direction, -direction):
            before, h = f, usual if gained is None else 4 * eps * reach
            while h <= max(reach, far):
                value = at(h * way)
                flat = flat and (h > _NEAR * reach or abs(value - f) <= rounding)
                if not value <= before + rounding:
                    break
                enough = f - 2 * slope * h - rounding
                if gained is not None and h < usual:  # two places: of many that are looked at, one is lower by rounding
                    enough -= _TRIFLE * gained
                    value = max(value, at(0.75 * h * way)) if value < enough else value
                if value < enough:
                    return False, in_words(way)
                before, h = value, h * (2 if h > usual else 8)
    return flat, ""


def in_words(direction: np.ndarray) -> str:
    """A direction; of many variables its largest parts."""
    direction = direction + 0.0  # no -0.0
    if direction.size <= 6:
        return np.array2string(direction, precision=3, suppress_small=True)
    largest = np.argsort(-np.abs(direction))[:3]
    parts = [f"{direction[i]:+.2g} in x[{i}]" for i in largest if abs(direction[i]) > 0.05]
    if not parts:
        return f"a direction in which {direction.size:,} variables have a part"
    return ", ".join(parts) + (", …" if (np.abs(direction) > 0.05).sum() > 3 else "")


def has_no_bound(f: Any, first: Any, times: float = 1e12) -> Any:
    """Whether a cost that still moves has fallen by so many times its first size that it seems to have no bound."""
    return (first - f) / times > np.maximum(1.0, np.abs(first))


def margin(first: Any, kind: np.dtype[Any], batches: np.ndarray | None = None) -> Any:
    """How much worse than the first cost an end may be without being called so: rounding, or the noise of batches.

    `batches` are the costs on the way where each step saw a batch, shape (rows,) or (rows, lanes). They tell the noise
    and may tell of a divergence, so that twice the first cost is worse whatever they are.
    """
    if batches is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            noise = np.std(batches[:100], axis=0)
        return np.fmin(noise, np.abs(first)) + 1e-3 * np.abs(first)
    return 64 * float(np.finfo(kind).eps) * np.abs(first)


def runs_away(problem: Problem, x: Any, f: float, grad: Any, start: Any, go: Reach = anywhere) -> float:
    """By how much the cost still falls where x has gone a thousand times as far as the start; 0 if it does not.

    The slope of a cost without a minimum, such as -log(x), becomes small far out. A minimum that is far away is
    told from that by a few steps of growing length, up to the distance itself: they would rise.
    """
    reach, size = reach_of(x), length(grad)
    if reach < 1e3 * reach_of(start) or size == 0:
        return 0.0
    rounding, before = noise_of(problem, x, f), f
    for k in range(5, -1, -1):
        value = float(problem.value(go(x, along(x, -reach * 0.5**k / size, grad)), *problem.data))
        if not value < before - rounding:
            return 0.0
        before = value
    return f - before


def reach_of(x: Any) -> float:
    """The scale of x: its largest magnitude, at least 1."""
    return max(1.0, float(np.abs(as_vector(x)).max()))


def _directions(problem: Problem, x: Any) -> list[np.ndarray]:
    point = as_vector(x)
    n = point.size
    h = np.maximum(1, np.abs(point)) * np.finfo(point.dtype).eps ** (1 / 3)

    def gradient(at: np.ndarray) -> np.ndarray:
        return as_vector(problem.value_and_grad(from_vector(at, x), *problem.data)[1]).astype(np.float64)

    def bend(way: np.ndarray) -> np.ndarray:
        """The Hessian times a direction, by differences of the gradient."""
        scale = h.max() / np.abs(way).max()
        with np.errstate(invalid="ignore"):  # where both are infinite it is not known
            return np.asarray((gradient(point + scale * way) - gradient(point - scale * way)) / (2 * scale))

    if n <= _DENSE[problem.is_traced]:
        hessian = np.array([bend(way) for way in np.eye(n)])
        lowest = np.linalg.eigh((hessian + hessian.T) / 2)[1][:, 0] if np.isfinite(hessian).all() else None
    else:
        lowest = _lowest_by_lanczos(bend, n) if problem.is_traced and n <= _KRYLOV else None
    coordinates = list(np.eye(n)) if n <= _DENSE[True] else [_unit(i, n) for i in _spread_indices(n)]
    return coordinates if lowest is None else [lowest, *coordinates]


def _lowest_by_lanczos(bend: Any, n: int) -> np.ndarray | None:
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

    vectors: np.ndarray
    start = np.random.default_rng(0).normal(size=n)
    operator = LinearOperator((n, n), matvec=lambda v: bend(v.ravel()), dtype=np.float64)
    try:
        vectors = eigsh(operator, k=1, which="SA", v0=start, maxiter=30, tol=1e-2)[1]
    except ArpackNoConvergence as partial:
        vectors = partial.eigenvectors
    except ArpackError:  # e.g. a Hessian of zeros: no direction stands out
        return None
    return vectors[:, 0] if vectors.size and np.isfinite(vectors).all() else None


def _spread_indices(n: int) -> list[int]:
    return sorted({*range(_FEW // 2), *range(n - _FEW // 2, n)})


def _unit(i: int, n: int) -> np.ndarray:
    way = np.zeros(n)
    way[i] = 1.0
    return way


def step_that_helps(problem: Problem, x: Any, f: float, grad: Any, go: Reach = anywhere) -> tuple[float, float]:
    """The length of the step along -gradient that lowers the cost most, and the cost there.

    Lengths from the spacing of the numbers up to 10 · max(1, |x|) are tried; f itself comes back if none
    lowers the cost by more than rounding. The step ends where `go` lets it.
    """
    size = length(grad)
    best = (0.0, f)
    if size == 0 or not np.isfinite(size):
        return best
    eps = float(np.finfo(dtype_of(x)).eps)
    reach, rounding = reach_of(x), 2 * noise_of(problem, x, f)
    for k in range(60):
        far = 10 * reach * 0.5**k
        if far < eps * reach:
            break
        value = float(problem.value(go(x, along(x, -far / size, grad)), *problem.data))
        if value < best[1] - rounding:
            best = (far, value)
    return best


def length(tree: Any) -> float:
    """The Euclidean length of a pytree of NumPy arrays, in float64; not finite where they are not."""
    with np.errstate(invalid="ignore"):
        return float(norm(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)))
