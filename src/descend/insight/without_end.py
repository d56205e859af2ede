"""Whether a cost falls for ever on the way that a run has taken: then there is no minimum to reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from descend.descent import Outcome, Run
from descend.descent.outcome import reach_of
from descend.insight.diagnosis import Diagnosis
from descend.insight.trials import start_cost, unbounded, without_a_minimum
from descend.objectives.parameters import as_vector, dtype_of, from_vector

__all__ = ["falls_for_ever", "falls_to_the_edge"]

_FARTHEST = 1e9  # times the length of the way, or the size of x where that is more
_LOOKS, _LOOKS_A_DECADE = 28, 3  # places on the way there
_BETWEEN = 17  # places from one of them to the next: it may have a minimum in between
_FEWEST = 4  # of them that are numbers
_HALVINGS = 64  # of the way to a point beyond the edge of where a cost is a number
_NEARER = 14  # times ten times as near to the edge of where a cost is a number
_AS_FAST = 0.9  # share of what the cost fell by at half of these, by which it falls at the last
_AT_ONCE = 1e-3  # share of the whole fall that ten times the way must bring, where the cost comes to a level


def falls_for_ever(run: Run) -> Diagnosis | None:
    """Whether the cost of a run that got lower never rises straight on, however far.

    It is followed along the way since half of the steps, and along all of it. A lower level beyond a step, as on the
    other side of a plateau, is no end without a minimum; one that is reached little by little is.
    """
    problem, trace = run.problem, run.trace
    if trace.x is None or run.nit < 2 or run.method.restricts or run.outcome is Outcome.DIVERGED:
        return None
    end = as_vector(run.x_array).astype(np.float64)
    here = float(problem.value(run.x_array, *problem.data))
    gained = start_cost(run) - here
    if gained < 0:
        return None
    digits = float(np.finfo(dtype_of(run.x_array)).eps) ** 0.75
    rounding = digits * abs(here) + 4 * problem.noise
    half = int(np.searchsorted(trace.step, run.nit / 2, side="right")) - 1
    for row in (max(half, 0), 0):
        way = end - trace.x[row]
        length = float(np.abs(way).max())
        if not 0 < length < np.inf:
            continue
        farthest = _FARTHEST * max(1.0, reach_of(run.x_array) / length)
        far = np.concatenate([[0.0], np.geomspace(1, farthest, _LOOKS)])

        def cost(by: float, way: np.ndarray = way) -> float:
            return float(problem.value(from_vector(end + by * way, problem.x0), *problem.data))

        values = np.array([here, *map(cost, far[1:])])
        if _never_rises(values, rounding, gained) and not _rises_between(far, values, cost, digits):
            lowest = problem.sign * float(np.nanmin(values))
            has_level = np.isfinite(values).all() and not values[-1] < values[-2] - rounding
            named = without_a_minimum if has_level else unbounded
            return named({"cost": run.fun, "cost far beyond, straight on": lowest})
    return None


def falls_to_the_edge(run: Run, beyond: np.ndarray) -> Diagnosis | None:
    """Whether the cost falls without end as x nears the edge of where it is a number, which a point `beyond` is past.

    Of a root, which ends somewhere, it falls ever less with each time ten times as near; of a logarithm it does not.
    """
    problem, inside = run.problem, as_vector(run.x_array).astype(np.float64)
    way = np.asarray(beyond, np.float64) - inside

    def cost(share: float) -> float:
        return float(problem.value(from_vector(inside + share * way, problem.x0), *problem.data))

    within, past = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (within + past) / 2
        within, past = (middle, past) if np.isfinite(cost(middle)) else (within, middle)
    values = np.array([cost(within - within * 10.0**-k) for k in range(1, _NEARER)])
    falls = -np.diff(values[np.isfinite(values)])
    if len(falls) < _NEARER // 2 or not falls[-1] > _AS_FAST * falls[len(falls) // 2] > 0:
        return None
    lowest = problem.sign * float(np.nanmin(values))
    return unbounded({"cost": run.fun, "cost nearest to where it is no number": lowest})


def _rises_between(far: np.ndarray, values: np.ndarray, cost: Callable[[float], float], digits: float) -> bool:
    """Whether the cost rises between two looks, by more than its own digits, up to the first that is no number."""
    seen = len(values) if np.isfinite(values).all() else int(np.argmin(np.isfinite(values))) + 1
    for k in range(1, seen):
        between = np.array([values[k - 1], *map(cost, np.linspace(far[k - 1], far[k], _BETWEEN)[1:])])
        between = between[np.isfinite(between)]
        if (np.diff(between) > digits * np.abs(between[:-1])).any():
            return True
    return False


def _never_rises(values: np.ndarray, rounding: float, gained: float) -> bool:
    """Whether a cost falls all the way, until it leaves the numbers or comes to a level little by little."""
    if (values == -np.inf).any():
        values = values[: int(np.argmax(values == -np.inf)) + 1]
        return not bool((np.diff(values) > rounding).any())
    finite = np.isfinite(values)
    seen = values[: len(values) if finite.all() else int(np.argmin(finite))]
    if len(seen) < _FEWEST or (np.diff(seen) > rounding).any() or not seen[-1] < seen[0] - rounding:
        return False
    if len(seen) < len(values):  # beyond that the numbers end
        return bool(seen[0] - seen[-1] > gained)
    still_falls = seen[-1] < seen[-2] - rounding
    return bool(still_falls or seen[0] - seen[_LOOKS_A_DECADE] > _AT_ONCE * (seen[0] - seen[-1]))
