"""What a sweep has found: the table of its lanes, each lane as a run, the best one, its pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from descend.columns import Columns
from descend.descent.ending import judge
from descend.descent.engine import NOT_FINITE
from descend.descent.lanes import Ends
from descend.descent.options import cast, samples
from descend.descent.outcome import FAR_DOWN, Outcome, has_no_bound, margin
from descend.descent.run import Run
from descend.descent.sampling import Sampling
from descend.descent.saving import saved
from descend.descent.trace import Rows, Trace
from descend.descent.watch import REASONS, Ended, Tolerances, Watch
from descend.methods import Rule
from descend.objectives.function import Problem
from descend.objectives.parameters import dtype_of, from_vector

__all__ = ["Sweep", "picked"]

_EQUAL = 1e-12  # share of what was gained: by no more do lanes differ that are told equal


def picked(rule: Rule, index: dict[str, Any]) -> Rule:
    """The rule with the swept numbers at these places of their axes (numbers, or arrays of places)."""
    return rule.with_numbers(lambda name, value: np.asarray(value)[index[name]] if name in index else value)


class Sweep(Columns):
    """Many runs of one objective, one lane for each combination of the axes, in the order of their product.

    Attributes
    ----------
    axes
        Name → values: the swept hyperparameters, then "start" (an index) where there are many starts.
    shape
        The lengths of the axes; all arrays below are flat, of `len(sweep)` lanes.
    ends
        What the lanes left, as plain arrays, with the rows of their traces.
    objective, method, seed, seconds
        What ran, with the arrays as given, and how long it took.

    `sweep[i]` is lane i as a `Run` with its outcome, and `sweep.best` the one with the lowest cost.
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        problem: Problem,
        method: Rule,
        axes: dict[str, np.ndarray],
        starts: list[Any],
        sampling: Sampling | None,
        seed: int,
        tolerances: Tolerances,
        ends: Ends,
        seconds: float,
    ) -> None:
        self.objective = objective
        self.problem = problem
        self.method = method
        self.axes = axes
        self.starts = starts
        self.sampling = sampling
        self.seed = seed
        self.seconds = seconds
        self.ends = ends
        self._tolerances = tolerances
        self._runs: dict[int, Run] = {}

    def __len__(self) -> int:
        return len(self.ends.code)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def x(self) -> np.ndarray:
        """The last finite point of each lane, or what its method hands out, shape (lanes, n)."""
        return self.ends.x

    @property
    def steps(self) -> np.ndarray:
        """The steps made to reach it, shape (lanes,), int64."""
        return self.ends.steps

    @cached_property
    def fun(self) -> np.ndarray:
        """The cost there, shape (lanes,): of all data, also where the lanes saw batches."""
        if samples(self.sampling) or self.method.hands_out_another(self.starts[0]):
            costs = [self.problem.value(from_vector(x, self.starts[0]), *self.problem.data) for x in self.x]
            return self.problem.sign * np.array(costs, np.float64)
        return self.problem.sign * self.ends.last[:, 0]

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Name → the value of each lane on each axis."""
        grids = np.meshgrid(*self.axes.values(), indexing="ij")
        return {name: grid.ravel() for name, grid in zip(self.axes, grids, strict=True)}

    @property
    def has_diverged(self) -> np.ndarray:
        """Which lanes met a cost that is not finite, ended at a worse one than they began, or fell without a bound.

        Shape (lanes,).
        """
        first = self._first_costs[self._start_of_lane]
        batches = self.ends.rows[:, :, 0] if samples(self.sampling) else None
        cost = self.problem.sign * self.fun
        with np.errstate(invalid="ignore"):
            astray = (cost - first > margin(first, self.x.dtype, batches)) | has_no_bound(cost, first, FAR_DOWN)
        return np.asarray((self.ends.code == NOT_FINITE) | astray | ~np.isfinite(cost))

    def __getitem__(self, lane: int) -> Run:
        """Lane `lane` as a run, with its outcome; its trace has the rows that were kept."""
        if not isinstance(lane, int | np.integer):
            raise TypeError(
                f"a lane is one number, got {lane!r}: lanes are in the order of the product of "
                f"{', '.join(self.axes)}, of which `values` tells those of each"
            )
        if not -len(self) <= lane < len(self):
            raise IndexError(f"there are {len(self)} lanes, 0 to {len(self) - 1}; got {lane}")
        lane %= len(self)
        if lane not in self._runs:
            self._runs[lane] = self._run_of(lane)
        return self._runs[lane]

    @property
    def _start_of_lane(self) -> np.ndarray:
        return self.values.get("start", np.zeros(len(self))).astype(int)

    @cached_property
    def _first_costs(self) -> np.ndarray:
        """The cost of each start, on all data, as it is minimised."""
        return np.array([self.problem.value(start, *self.problem.data) for start in self.starts], np.float64)

    @property
    def best(self) -> Run:
        """The lane with the lowest cost (the highest, if a maximum is sought) of those that have not diverged.

        Of lanes that are equal but for last digits, relative to what was gained, it is the one that got there first.
        Where all have, it is a run whose outcome says so.
        """
        return self[self.best_lane]

    @property
    def best_lane(self) -> int:
        """The place of `best`."""
        costs = np.where(np.isfinite(self.fun), self.problem.sign * self.fun, np.inf)
        if not self.has_diverged.all():
            costs = np.where(self.has_diverged, np.inf, costs)
        # Of those that came down to the lowest but for the last digits, the one that got there first.
        first = float(np.nanmin(self.problem.sign * self.ends.rows[0, :, 0]))
        equal = costs <= costs.min() + _EQUAL * max(first - costs.min(), 0.0)
        return int(np.lexsort((costs, self.steps, ~equal))[0])

    @property
    def outcomes(self) -> list[Outcome]:
        """How each lane ended; found out when it is asked for, at about a millisecond a lane."""
        return [self[i].judgement.outcome for i in range(len(self))]  # type: ignore[union-attr]

    def _place(self, lane: int) -> dict[str, int]:
        return dict(zip(self.axes, map(int, np.unravel_index(lane, self.shape)), strict=True))

    def _run_of(self, lane: int) -> Run:
        place = self._place(lane)
        x0 = self.starts[place.get("start", 0)]
        problem = dataclasses.replace(self.problem, x0=x0)
        method = cast(picked(self.method, place), dtype_of(x0))
        point = from_vector(self.x[lane], x0)
        run = Run(self.objective, problem, method, point, self._trace_of(lane), self.sampling, self.seed, self.seconds)
        run.settle()
        first = problem.value_and_grad(x0, *problem.data)
        ended = REASONS[int(self.ends.code[lane])]
        if ended is Ended.ALL_STEPS:  # lanes go on where a run alone would have been stopped
            watch = Watch(dtype_of(x0), self._tolerances, method, sampled=samples(self.sampling), since=-1)
            _, ended = watch.stuck(run.trace) or (None, ended)
        run.judgement = judge(run, ended, self._tolerances, first=first)
        return run

    def _trace_of(self, lane: int) -> Trace:
        """The rows up to the end of the lane, and that itself."""
        end = int(self.steps[lane])
        before = self.ends.step < end
        rows = self.ends.rows[before, lane].astype(np.float64)
        last = self.ends.last[lane]
        step = np.append(self.ends.step[before], end)
        f, size, rate = np.vstack([rows[:, :3], last]).T
        evaluations = (step + 1) * self.problem.evaluations_per_gradient
        evaluations[-1] += self.ends.searched[lane]
        xs = None
        if self.ends.rows.shape[2] > 3:
            xs = np.vstack([self.ends.rows[before, lane, 3:], self.x[lane]]).astype(self.x.dtype)
        trace = Trace(sampling=self.sampling)
        trace.extend(Rows(step, self.problem.sign * f, size, rate, evaluations, xs), 0.0, self.seconds)
        return trace

    # -- to look at it --------------------------------------------------------------------------------------

    def columns(self) -> dict[str, np.ndarray]:
        """The table of the lanes: the axes, final cost, gradient norm, steps, and whether it diverged."""
        return {
            **self.values,
            "fun": self.fun,
            "gradient_norm": self.ends.last[:, 1],
            "steps": self.steps,
            "diverged": self.has_diverged,
        }

    def plot(self, ax: Any = None) -> Any:
        """Final cost against the swept number, or a heat map over two; returns the Axes."""
        from descend import plots

        return plots.sweep(self, ax)

    def summary(self) -> dict[str, Any]:
        """The result as plain numbers and text, as `descend sweep --json` prints it."""
        return {
            "axes": {name: values.tolist() for name, values in self.axes.items()},
            "lanes": len(self),
            "diverged": int(self.has_diverged.sum()),
            "best": {**{name: float(v[self.best_lane]) for name, v in self.values.items()}, **self.best.summary()},
            "seconds": self.seconds,
        }

    def save(self, path: str | Path) -> Path:
        """Write the table, with the summary as metadata, to a .parquet, .csv or .json file."""
        return saved(self.columns(), self.summary(), Path(path), name="lanes")

    def __repr__(self) -> str:
        best, values = self.best, self.values
        place = ", ".join(f"{name} = {v[self.best_lane]:.6g}" for name, v in values.items())
        return (
            f"{len(self):,} lanes over {', '.join(f'{len(v)} × {name}' for name, v in self.axes.items())} in "
            f"{self.seconds:.2g} s, {int(self.has_diverged.sum()):,} diverged\n"
            f"  best     {place}\n" + "\n".join(f"  {line.strip()}" for line in repr(best).splitlines())
        )
