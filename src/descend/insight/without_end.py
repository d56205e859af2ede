"""Whether a cost falls for ever on the way that a run has taken: then there is no minimum to reach."""

from __future__ import annotations

import numpy as np

from descend.descent import Run
from descend.descent.outcome import noise_of, reach_of
from descend.objectives.parameters import as_vector, from_vector

__all__ = ["falls_for_ever"]

_FARTHEST = 1e9  # times the length of the way, or the size of x where that is more
_LOOKS = 28  # places on the way there, three a decade


def falls_for_ever(run: Run) -> dict[str, float]:
    """What a cost comes to that never rises straight on, however far, as evidence; empty where it rises, or is level.

    It is followed along the way since half of the steps, and along all of it.
    """
    problem, trace = run.problem, run.trace
    if trace.x is None or run.nit < 2 or run.method.restricts:
        return {}
    end = as_vector(run.x_array).astype(np.float64)
    here = float(problem.value(run.x_array, *problem.data))
    rounding = noise_of(problem, run.x_array, here)
    half = int(np.searchsorted(trace.step, run.nit / 2, side="right")) - 1
    for row in (max(half, 0), 0):
        way = end - trace.x[row]
        length = float(np.abs(way).max())
        if not 0 < length < np.inf:
            continue
        farthest = _FARTHEST * max(1.0, reach_of(run.x_array) / length)
        before = here
        for far in np.geomspace(1, farthest, _LOOKS):
            value = float(problem.value(from_vector(end + far * way, problem.x0), *problem.data))
            if not value <= before + rounding:  # nor is it a number
                break
            before = value
            if value == -np.inf:
                break
        else:
            far = np.inf
        if before < here - rounding and (np.isinf(far) or before == -np.inf):
            return {"cost": run.fun, "cost far beyond, straight on": problem.sign * before}
    return {}
