"""Schedules of the learning rate: whether one has come to its end, and the same one at another pace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from descend.methods import Optax
from descend.stepsizes.schedule import Schedule

__all__ = ["FADED", "faded", "has_decayed", "has_ended", "highest_rate", "paced", "prolonged", "slower"]

FADED = "a schedule of optax that falls more slowly, or a constant rate"  # a cure
_DECAYED, _AT_THE_END = 0.05, 8  # share of the highest rate; one of so many rates belongs to the end
_PLANNED = 0.9  # share of the steps
_SLOWER = 10.0  # times, for a schedule of no fixed length


def highest_rate(stepsize: Any, steps: int, seen: np.ndarray) -> float:
    """The highest rate of so many steps, also between those at which it was seen."""
    made = stepsize(np.linspace(0, max(0, steps - 1), 1_000).round()) if isinstance(stepsize, Schedule) else seen
    return float(np.max(made))


def has_decayed(rates: np.ndarray, highest: float) -> bool:
    """Whether a schedule has taken the rate so far down, and kept it there, that it hardly moves anything any more."""
    return bool(rates[-max(1, len(rates) // _AT_THE_END) :].max() < _DECAYED * highest)


def has_ended(schedule: Any, steps: int, rates: np.ndarray, highest: float) -> bool:
    """Whether it has decayed, or has come down at last as it was to after so many steps."""
    was_to_end = rates[-1] < _DECAYED * highest and prolonged(schedule, steps, 2) is not None
    return was_to_end or has_decayed(rates, highest)


def faded(method: Any, params: Any, steps: int) -> dict[str, float] | None:
    """What is left after so many steps of the rate that optax hides, as evidence, where a schedule took it down."""
    left = method.rate_left(params, steps) if isinstance(method, Optax) else 1.0
    return {"share of its rate that optax has left": left} if left < _DECAYED else None


def paced(schedule: Any, times: float) -> Schedule | None:
    """A schedule that takes so many times as long, in numbers that can be told; None where it has no such number."""
    if not isinstance(schedule, Schedule):
        return None
    has = {name: float(value) for name, value, _ in schedule.numbers()}
    length = next((name for name in ("steps", "every") if name in has), None)
    if length is not None:
        return replace(schedule, **{length: max(2, round(times * has[length]))})
    if "decay" in has:
        return replace(schedule, **{"decay": float(f"{has['decay'] / times:.6g}")})
    if "factor" in has:
        return replace(schedule, **{"factor": float(f"{has['factor'] ** (1 / times):.6g}")})
    return None


def slower(schedule: Any, steps: int) -> list[Schedule]:
    """A schedule that does not come to its end in so many steps, and slower ones; none where it has no pace."""
    length = getattr(schedule, "steps", None)
    times = _SLOWER if length is None else max(2.0, steps / float(length))
    return [made for made in (paced(schedule, times * factor) for factor in (1, 10, 100)) if made is not None]


def prolonged(schedule: Any, steps: int, times: float) -> Schedule | None:
    """One so many times as long as a schedule that does not end before so many steps, as was planned; else None."""
    length = getattr(schedule, "steps", None)
    was_planned = length is not None and float(length) >= _PLANNED * steps
    return paced(schedule, times) if was_planned else None
