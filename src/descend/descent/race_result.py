"""What a race has found: the table, the ranking, its pictures, each run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from descend.columns import Columns
from descend.descent.courses import Course
from descend.descent.minimize import minimize
from descend.descent.run import Run
from descend.descent.saving import saved
from descend.methods import Rule

__all__ = ["Entry", "Race"]


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
    goal
        The cost that was to be reached, in the user's sign; infinite where it falls for ever.
    reached
        The step from which on it was reached; inf where it was not.
    """

    method: Rule
    rate: float
    lanes: int
    evaluations: float
    fun: float
    step: np.ndarray
    curve: np.ndarray
    goal: float
    reached: float


class Race(Columns):
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
        courses: list[Course],
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
                course.objective, course.x0, entry.method, steps=self.steps, maximize=course.problem.sign < 0
            )
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
        about = {name: value for name, value in self.summary().items() if name != "ranking"}  # that is the table
        return saved(self.columns(), about, Path(path), name="table")

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
