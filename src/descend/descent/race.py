"""`race`: every method at its best rate, found by the same budget, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from descend.descent.interrupts import Interrupts
from descend.descent.lanes import run_lanes
from descend.descent.minimize import minimize, one_step, start
from descend.descent.options import cast, last_step, ready
from descend.descent.outcome import has_no_bound
from descend.descent.report import described
from descend.descent.run import Run
from descend.descent.saving import saved
from descend.descent.sweep import marked
from descend.methods import Around, Method, Rule, as_rule, catalogue, method_named
from descend.objectives import Landscape
from descend.objectives.function import Problem, prepare
from descend.objectives.landscapes import is_landscape
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of
from descend.stepsizes import StepSize

__all__ = ["Entry", "Race", "race"]

_RATES = np.geomspace(1e-6, 1e2, 64)
_ROWS = 1_001


class Entry(NamedTuple):
    """What one method did on one problem, at its best rate.

    Attributes
    ----------
    method
        The method with that rate.
    rate
        The rate; nan where the method has none.
    lanes
        How many rates were tried.
    evaluations
        Evaluations of the cost until the target was reached for good; inf where it was not.
    fun
        The cost after the last step, in the user's sign; inf where it was not finite.
    step, curve
        Steps and costs on the way, one row each.
    """

    method: Rule
    rate: float
    lanes: int
    evaluations: float
    fun: float
    step: np.ndarray
    curve: np.ndarray


class _Lap(NamedTuple):
    """All rates of one method on one problem, before the target is known."""

    rule: Rule
    name: str  # of the number that is the rate; empty if there is none
    rates: np.ndarray
    step: np.ndarray
    costs: np.ndarray  # (rows, lanes), as they are minimised
    per_step: np.ndarray  # evaluations a step, of each lane


class _Course(NamedTuple):
    """One problem of a race."""

    name: str
    objective: Callable[..., Any]
    x0: Any
    problem: Problem
    known: float  # the lowest cost, where it is known
    quickly: bool


def race(
    objectives: Any,
    x0: Any = None,
    methods: Sequence[Any] | None = None,
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
    steps
        So many steps for each lane.
    rates
        The rates that are tried, shape (k,); default 64 from 1e-6 to 100.
    target
        The goal is reached where, to the end, no more than this share is left of the possible fall, from the cost
        at the start to the lowest cost known: that of the landscape, or the best that any method found.
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
    last = last_step(None, steps, None)
    if last < 1:
        raise ValueError(f"steps must be a whole number >= 1, got {steps!r}")
    tried = np.asarray(_RATES if rates is None else rates, dtype=float)
    if tried.ndim != 1 or tried.size == 0:
        raise ValueError(f"rates must be an array of shape (k,) with at least one number, got shape {tried.shape}")
    if isinstance(methods, str | Rule | type):
        methods = [methods]
    rules = [_as_rule(method) for method in (catalogue().values() if methods is None else methods)]
    if not rules:
        raise ValueError("methods is empty: give at least one, or None for all")
    for rule in rules:
        _check_can_race(rule)
    courses = _courses(objectives, x0, maximize=maximize)
    names = _distinct([_name_of(rule) for rule in rules])
    laps: dict[tuple[str, str], _Lap] = {}
    with Interrupts() as interrupts:
        for name, rule in zip(names, rules, strict=True):
            for course in courses:
                laps[course.name, name] = _lap(course, rule, tried, last)
                if interrupts.came():
                    raise KeyboardInterrupt
    entries = {}
    for course in courses:
        lowest = min([course.known, *(float(np.nanmin(laps[course.name, name].costs)) for name in names)])
        for name in names:
            entries[course.name, name] = _entry(laps[course.name, name], lowest, target, course.problem.sign)
    return Race(courses, names, entries, last, target, time.perf_counter() - begin)


def _as_rule(method: Any) -> Rule:
    if isinstance(method, str):
        method = method_named(method)
    return method() if isinstance(method, type) and issubclass(method, Method) else as_rule(method)


def _check_can_race(rule: Rule) -> None:
    for part in rule.parts():
        if isinstance(part, Around) and part.hands_out:
            raise ValueError(
                f"a race compares the costs on the way, and {type(part).__name__} hands out another point: race the "
                "method inside"
            )
    rates = [name for name, _, _ in rule.numbers() if name.split(".")[-1] == "lr"]
    if len(rates) > 1:
        raise ValueError(f"{type(rule).__name__} has {len(rates)} rates ({', '.join(rates)}); a race looks for one")


def _name_of(rule: Rule) -> str:
    """The class alone where its numbers are the defaults; else all numbers but the rate that is looked for."""
    if not _is_varied(rule):
        return type(rule).__name__
    rate = next((value for name, value, _ in rule.numbers() if name.split(".")[-1] == "lr"), None)
    text = described(rule)
    return (
        text
        if rate is None
        else text.replace(f"lr={float(rate):.6g}, ", "", 1).replace(f"(lr={float(rate):.6g})", "", 1)
    )


def _is_varied(rule: Rule) -> bool:
    """Whether the rule has numbers other than its defaults, its rate aside."""
    if not isinstance(rule, Method) or isinstance(getattr(rule, "lr", None), StepSize):
        return True
    return rule != type(rule)(**({"lr": rule.lr} if hasattr(rule, "lr") else {}))


def _distinct(names: list[str]) -> list[str]:
    return [f"{name} ({names[:i].count(name) + 1})" if names[:i].count(name) else name for i, name in enumerate(names)]


def _courses(objectives: Any, x0: Any, *, maximize: bool) -> list[_Course]:
    many = isinstance(objectives, list | tuple)
    if many and x0 is not None:
        raise ValueError("with a list of landscapes each has its own start: leave x0 out")
    if many and not objectives:
        raise ValueError("the list of landscapes is empty")
    for objective in objectives if many else []:
        if not isinstance(objective, Landscape) and not (isinstance(objective, str) and is_landscape(objective)):
            raise TypeError(
                f"several objectives must be landscapes or names of them, which have own starts; got {objective!r}"
            )
    found = [named(objective, x0) for objective in (objectives if many else [objectives])]
    if many:
        return _together([objective for objective, _, _ in found], maximize=maximize)
    objective, start_at, in_words = found[0]
    start_at = as_parameters(start_at)
    problem = prepare(objective, start_at, maximize=maximize, written_in_words=in_words)
    return [
        _Course(_name(objective), objective, start_at, problem, _known(objective, maximize=maximize), quickly=False)
    ]


def _together(landscapes: list[Any], *, maximize: bool) -> list[_Course]:
    """All landscapes of one shape as one function with a number for each, so that a method is compiled once."""
    courses, names = [], _distinct([_name(found) for found in landscapes])
    starts = [as_parameters(found.start) for found in landscapes]
    for i, (found, start_at) in enumerate(zip(landscapes, starts, strict=True)):
        alike = [k for k, other in enumerate(starts) if other.shape == start_at.shape]
        functions = [landscapes[k].__call__ for k in alike]

        def one_of(x: Any, which: Any, functions: Any = functions) -> Any:
            return jax.lax.switch(which, functions, x)

        which = np.asarray(alike.index(i), np.int32)
        problem = prepare(one_of, start_at, data=(which,), maximize=maximize, written_in_words=True)
        courses.append(_Course(names[i], found, start_at, problem, _known(found, maximize=maximize), quickly=True))
    return courses


def _name(objective: Any) -> str:
    known = (getattr(objective, attribute, None) for attribute in ("name", "text", "__name__"))
    return str(next((name for name in known if name), "objective"))


def _known(objective: Any, *, maximize: bool) -> float:
    is_known = isinstance(objective, Landscape) and not maximize and np.isfinite(objective.fmin)
    return float(objective.fmin) if is_known else np.inf


def _lap(course: _Course, rule: Rule, rates: np.ndarray, last: int) -> _Lap:
    kind = dtype_of(course.x0)
    name, legal = next(((n, legal) for n, _, legal in rule.numbers() if n.split(".")[-1] == "lr"), ("", None))
    if legal is not None:
        legal.check(name, rates)
    tried = rates if name else np.array([np.nan])

    def with_rate(value: Any) -> Rule:
        def leaf(path: Any, number: Any) -> Any:
            return value if jax.tree_util.keystr(path).removeprefix(".") == name else number

        made: Rule = jax.tree_util.tree_map_with_path(leaf, rule)
        return made

    ready(with_rate(float(tried[0])), None, course.x0)
    lanes = len(tried)
    ends = run_lanes(
        course.problem, None, one_step, start,
        rules=cast(with_rate(tried), kind),
        batched=marked(rule, {name}),
        x0s=jax.tree.map(lambda leaf: np.repeat(leaf[None], lanes, axis=0), course.x0),
        gtols=np.full(lanes, -1.0, kind),  # a fair race is one of equal length
        rows=_ROWS,
        last=last,
        quickly=course.quickly,
    )  # fmt: skip
    costs = ends.rows[:, :, 0].astype(np.float64)
    costs[ends.step[:, None] > ends.steps] = np.nan  # a lane that failed has no cost from there on
    per_step = course.problem.evaluations_per_gradient + ends.searched / np.maximum(ends.steps, 1)
    return _Lap(rule, name, tried, ends.step, costs, per_step)


def _entry(lap: _Lap, lowest: float, target: float, sign: int) -> Entry:
    fall = lap.costs[0, 0] - lowest
    # Where it falls for ever there is nothing to reach.
    goal = -np.inf if has_no_bound(lowest, lap.costs[0, 0]) else lowest + target * fall
    missed = ~(lap.costs <= goal)  # also where there is no cost any more
    rows = len(lap.step)
    first = np.where(missed.any(axis=0), rows - missed[::-1].argmax(axis=0), 0)  # from there on it stays
    cost = np.where(first < rows, (lap.step[np.minimum(first, rows - 1)] + 1) * lap.per_step, np.inf)
    finals = np.where(np.isnan(lap.costs[-1]), np.inf, lap.costs[-1])
    lane = int(np.lexsort((finals, cost))[0])
    rate = float(lap.rates[lane])

    def leaf(path: Any, number: Any) -> Any:
        return rate if lap.name and jax.tree_util.keystr(path).removeprefix(".") == lap.name else number

    best = jax.tree_util.tree_map_with_path(leaf, lap.rule)
    curve = sign * lap.costs[:, lane]
    return Entry(best, rate, len(lap.rates), float(cost[lane]), sign * float(finals[lane]), lap.step, curve)


class Race:
    """Methods side by side, each at its best rate.

    Attributes
    ----------
    problems, methods
        Their names; methods in the order of their rank.
    entries
        (problem, method) → `Entry`.
    steps, target, seconds
        The steps of each lane, the goal, and how long it took.
    """

    def __init__(
        self,
        courses: list[_Course],
        names: list[str],
        entries: dict[tuple[str, str], Entry],
        steps: int,
        target: float,
        seconds: float,
    ) -> None:
        self._courses = {course.name: course for course in courses}
        self.problems = list(self._courses)
        self.entries = entries
        self.steps = steps
        self.target = target
        self.seconds = seconds
        self.methods = names
        self.methods = sorted(names, key=self._rank)
        self._runs: dict[tuple[str, str], Run] = {}

    def _rank(self, name: str) -> tuple[Any, ...]:
        mine = [self.entries[problem, name] for problem in self.problems]
        solved = sum(np.isfinite(entry.evaluations) for entry in mine)
        return (-solved, float(np.mean(np.log(self.ratios(name)))), mine[0].evaluations, mine[0].fun)

    def ratios(self, name: str) -> np.ndarray:
        """The evaluations of a method over those of the best one, for each problem; inf where it failed."""
        best = [min(self.entries[problem, other].evaluations for other in self.methods) for problem in self.problems]
        mine = [self.entries[problem, name].evaluations for problem in self.problems]
        return np.array([m / b if np.isfinite(m) else np.inf for m, b in zip(mine, best, strict=True)])

    def profile(self, name: str, factors: np.ndarray) -> np.ndarray:
        """The share of problems that a method solves within so many times the evaluations of the best one.

        Source: Dolan & Moré (2002), Math. Program. 91.
        """
        ratios = self.ratios(name)
        return np.array([(ratios <= factor).mean() for factor in factors])

    def run(self, method: str | None = None, problem: str | None = None) -> Run:
        """The run of a method (the winner) on a problem (the first), made again at its best rate, with its outcome."""
        key = (problem or self.problems[0], method or self.methods[0])
        if key not in self.entries:
            raise ValueError(f"no {key[1]!r} on {key[0]!r} in this race; there are {', '.join(self.methods)}")
        if key not in self._runs:
            course, entry = self._courses[key[0]], self.entries[key]
            self._runs[key] = minimize(
                course.objective, course.x0, entry.method, steps=self.steps, gtol=0, xtol=0, ftol=0,
                maximize=course.problem.sign < 0,
            )  # fmt: skip
        return self._runs[key]

    def columns(self) -> dict[str, np.ndarray]:
        """The table, best first: one row for each method and problem."""
        rows = [(m, p, self.entries[p, m]) for m in self.methods for p in self.problems]
        return {
            "method": np.array([m for m, _, _ in rows]),
            "problem": np.array([p for _, p, _ in rows]),
            "rate": np.array([entry.rate for _, _, entry in rows]),
            "rates_tried": np.array([entry.lanes for _, _, entry in rows]),
            "evaluations": np.array([entry.evaluations for _, _, entry in rows]),
            "fun": np.array([entry.fun for _, _, entry in rows]),
        }

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns())

    def plot(self, ax: Any = None) -> Any:
        """The costs of the best methods against the step, or over many problems the performance profile."""
        from descend import plots

        return plots.race(self, ax) if len(self.problems) == 1 else plots.profile(self, ax)

    def summary(self) -> dict[str, Any]:
        """The result as plain numbers and text, as `descend race --json` prints it."""
        table = {key: column.tolist() for key, column in self.columns().items()}
        return {
            "problems": self.problems,
            "steps": self.steps,
            "target": self.target,
            "seconds": self.seconds,
            "ranking": [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
        }

    def save(self, path: str | Path) -> Path:
        """Write the table, with the summary as metadata, to a .parquet, .csv or .json file."""
        return saved(self.columns(), {**self.summary(), "ranking": None}, Path(path), name="table")

    def __repr__(self) -> str:
        head = (
            f"{len(self.methods)} methods on {', '.join(self.problems[:4])}{', …' if len(self.problems) > 4 else ''}: "
        )
        tried = max(entry.lanes for entry in self.entries.values())
        lines = [head + f"up to {tried} rates × {self.steps:,} steps each, in {self.seconds:.2g} s"]
        for place, name in enumerate(self.methods, 1):
            mine = [self.entries[problem, name] for problem in self.problems]
            solved = sum(np.isfinite(entry.evaluations) for entry in mine)
            if len(mine) == 1:
                goal = f"{mine[0].evaluations:,.0f} evaluations" if solved else "not reached"
                rate = "" if np.isnan(mine[0].rate) else f"lr = {mine[0].rate:.3g}"
                lines.append(f"  {place:>2}  {name:<20} {goal:<20} {rate:<16} cost {mine[0].fun:.4g}")
            else:
                first = int((self.ratios(name) == 1).sum())
                lines.append(f"  {place:>2}  {name:<20} reached {solved} of {len(mine)}, {first} of them first")
        return "\n".join(lines)
