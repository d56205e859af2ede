"""`race`: every method at its best rate, found by the same budget, side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.arguments import whole
from descend.descent.courses import Course, courses_of, distinct
from descend.descent.interrupts import Interrupts
from descend.descent.lanes import repeated, run_lanes
from descend.descent.options import ready
from descend.descent.outcome import has_no_bound
from descend.descent.race_result import Entry, Race
from descend.descent.report import described
from descend.fields import Range
from descend.methods import Around, Method, Rule, as_rule, catalogue
from descend.stepsizes import StepSize

__all__ = ["race"]

_RATES = np.geomspace(1e-6, 1e2, 64)
_MOST_RANGES = 3  # as wide as that, which are tried further where the best lies at an end
_AT_END = 2  # rates from the end of a range
_LATE = 10  # the last tenth of a run tells where it has settled
_ROWS = 1_001
_NEVER = -1.0  # the gradient norm at which a lane ends: a fair race is one of equal length


class _Lap(NamedTuple):
    """All rates of one method on one problem, before the target is known."""

    rule: Rule
    name: str  # of the number that is the rate; empty if there is none
    rates: np.ndarray
    step: np.ndarray
    costs: np.ndarray  # (rows, lanes), as they are minimised
    per_step: np.ndarray  # evaluations a step, of each lane

    @property
    def settled(self) -> np.ndarray:
        """The highest cost in the last part of each lane, infinite where it failed: a low one among others is luck."""
        late = self.costs[-max(1, len(self.costs) // _LATE) :]
        return np.where(np.isfinite(late).all(axis=0), late.max(axis=0), np.inf)

    @property
    def end(self) -> int:
        """Where the best rate lies among those tried: -1 at the lower end, 1 at the upper one, 0 between."""
        settled, place = self.settled, int(self.settled.argmin())
        if len(settled) < 2 * _AT_END:
            return 0
        if not np.isfinite(settled[place]) or place < _AT_END:
            return -1
        return int(place >= len(settled) - _AT_END)


def race(
    objectives: Any,
    x0: Any = None,
    methods: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    steps: int = 1_000,
    rates: Any = None,
    target: float = 1e-6,
    maximize: bool = False,
) -> Race:
    """Give every method its best rate, found by the same budget, and rank them.

    Parameters
    ----------
    objectives
        One objective as in `minimize`, or a list of names of landscapes, each from its own start.
    x0
        The start, for one objective.
    methods
        Methods, their classes or names. A class is taken with its defaults; in each the rate is replaced by all
        `rates` in turn, unless it is a step size without one. Default: every method that is declared, yours too.
        With names of your own as a dictionary, `{"adam of optax": optax.adam(0.1)}`.
    steps
        So many steps for each lane.
    rates
        The rates that are tried, shape (k,); default 64 from 1e-6 to 100, and of a method whose best lies at an end of
        these, or that diverges with all, 64 more beyond it.
    target
        The goal is reached where, to the end, no more than this share is left of the possible fall, from the cost
        at the start to the lowest cost known: that of the landscape, or the lowest at which any run has settled.
    maximize
        Race uphill.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came, what is legal and the cure.
    """
    begin = time.perf_counter()
    if not (isinstance(target, int | float) and 0 < target < 1):
        raise ValueError(f"target must be a share in (0, 1), got {target!r}")
    whole("steps", steps)
    last = int(steps)
    tried = np.asarray(_RATES if rates is None else rates, dtype=float)
    if tried.ndim != 1 or tried.size == 0:
        raise ValueError(f"rates must be an array of shape (k,) with at least one number, got shape {tried.shape}")
    if isinstance(methods, str | Rule | type):
        methods = [methods]
    given = methods.values() if isinstance(methods, Mapping) else methods
    rules = [as_rule(method) for method in (catalogue().values() if given is None else given)]
    if not rules:
        raise ValueError("methods is empty: give at least one, or None for all")
    for rule in rules:
        _check_can_race(rule)
    courses = courses_of(objectives, x0, maximize=maximize)
    names = [*map(str, methods)] if isinstance(methods, Mapping) else distinct([_name_of(rule) for rule in rules])
    laps: dict[tuple[str, str], _Lap] = {}
    with Interrupts() as interrupts:
        for name, rule in zip(names, rules, strict=True):
            for course in courses:
                lap = _lap(course, rule, tried, last)
                laps[course.name, name] = lap if rates is not None else _beyond(lap, course, last)
                if interrupts.came():
                    raise KeyboardInterrupt
    entries = {}
    for course in courses:
        lowest = min([course.known, *(float(laps[course.name, name].settled.min()) for name in names)])
        for name in names:
            entries[course.name, name] = _entry(laps[course.name, name], lowest, target, course.problem.sign)
    return Race(courses, names, entries, last, target, time.perf_counter() - begin)


def _check_can_race(rule: Rule) -> None:
    for part in rule.parts():
        if isinstance(part, Around) and part.hands_out:
            raise ValueError(
                f"a race compares the costs on the way, and {type(part).__name__} hands out another point: race the "
                "method inside"
            )
    rates = _rates_of(rule)
    if len(rates) > 1:
        raise ValueError(f"{type(rule).__name__} has {len(rates)} rates ({', '.join(rates)}); a race looks for one")


def _name_of(rule: Rule) -> str:
    """The class alone where its numbers are the defaults; else all numbers but the rate that is looked for."""
    return described(rule, but="lr") if _is_varied(rule) else type(rule).__name__


def _is_varied(rule: Rule) -> bool:
    """Whether the rule has numbers other than its defaults, its rate aside."""
    if not isinstance(rule, Method) or isinstance(getattr(rule, "lr", None), StepSize):
        return True
    return rule != type(rule)(**({"lr": rule.lr} if hasattr(rule, "lr") else {}))


def _rates_of(rule: Rule) -> dict[str, tuple[Any, Range]]:
    """Name → value and legal range of each number that is a rate, wherever in the rule it stands."""
    return {name: (value, legal) for name, value, legal in rule.numbers() if name.split(".")[-1] == "lr"}


def _with_rate(rule: Rule, name: str, value: Any) -> Rule:
    return rule.with_numbers(lambda other, number: value if other == name else number)


def _lap(course: Course, rule: Rule, rates: np.ndarray, last: int) -> _Lap:
    name, tried = "", np.array([np.nan])
    for name, (_, legal) in _rates_of(rule).items():  # at most one
        legal.check(name, rates)
        tried = rates

    ready(_with_rate(rule, name, float(tried[0])), None, course.x0)
    ends = run_lanes(
        course.problem,
        None,
        _with_rate(rule, name, tried),
        {name},
        repeated(course.x0, len(tried)),
        _NEVER,
        rows=_ROWS,
        last=last,
        quickly=course.quickly,
    )
    costs = ends.rows[:, :, 0].astype(np.float64)
    costs[ends.step[:, None] > ends.steps] = np.nan  # a lane that failed has no cost from there on
    per_step = course.problem.evaluations_per_gradient + ends.searched / np.maximum(ends.steps, 1)
    return _Lap(rule, name, tried, ends.step, costs, per_step)


def _beyond(lap: _Lap, course: Course, last: int) -> _Lap:
    """With further rates, as long as the best lies at an end of those that were tried."""
    for _ in range(_MOST_RANGES):
        if not lap.end:
            break
        step = _RATES[1] / _RATES[0]
        moved = lap.rates[0] / _RATES[-1] / step if lap.end < 0 else lap.rates[-1] / _RATES[0] * step
        rates = _RATES * moved
        lap = _joined(lap, _lap(course, lap.rule, rates, last))
    return lap


def _joined(one: _Lap, other: _Lap) -> _Lap:
    """Both, in the order of their rates; where all lanes of one have failed, it has fewer rows."""
    rates = np.concatenate([one.rates, other.rates])
    order = np.argsort(rates)
    longer = max(one, other, key=lambda lap: len(lap.step))
    costs = np.full((len(longer.step), len(rates)), np.nan)
    costs[: len(one.costs), : len(one.rates)] = one.costs
    costs[: len(other.costs), len(one.rates) :] = other.costs
    per_step = np.concatenate([one.per_step, other.per_step])[order]
    return longer._replace(rates=rates[order], costs=costs[:, order], per_step=per_step)


def _entry(lap: _Lap, lowest: float, target: float, sign: int) -> Entry:
    fall = lap.costs[0, 0] - lowest
    # Where it falls for ever, or no run has settled, there is nothing to reach.
    has_goal = np.isfinite(lowest) and not has_no_bound(lowest, lap.costs[0, 0])
    goal = lowest + target * fall if has_goal else -np.inf
    missed = ~(lap.costs <= goal)  # also where there is no cost any more
    rows = len(lap.step)
    first = np.where(missed.any(axis=0), rows - missed[::-1].argmax(axis=0), 0)  # from there on it stays
    reached = np.where(first < rows, lap.step[np.minimum(first, rows - 1)], np.inf)
    cost = (reached + 1) * lap.per_step
    finals = np.where(np.isnan(lap.costs[-1]), np.inf, lap.costs[-1])
    lane = int(np.lexsort((lap.settled, cost))[0])
    rate = float(lap.rates[lane])

    best = _with_rate(lap.rule, lap.name, rate)
    curve = sign * lap.costs[:, lane]
    return Entry(
        best, rate, len(lap.rates), float(cost[lane]), sign * float(finals[lane]), lap.step, curve,
        sign * float(goal), float(reached[lane]),
    )  # fmt: skip
