"""`sweep`: one objective, many hyperparameters and starts, in one compiled call."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from descend.descent.ending import judge
from descend.descent.engine import NOT_FINITE, RUNNING, SMALL_GRADIENT
from descend.descent.interrupts import Interrupts
from descend.descent.lanes import Ends, run_lanes
from descend.descent.minimize import one_step, start
from descend.descent.options import cast, check_options, last_step, ready, samples, sampling_of
from descend.descent.outcome import Outcome, gradient_scale, margin
from descend.descent.run import Run
from descend.descent.sampling import Sampling, as_data
from descend.descent.saving import saved
from descend.descent.trace import Rows, Trace
from descend.descent.watch import Ended, Tolerances
from descend.methods import GradientDescent, Rule, as_rule
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of, from_vector

__all__ = ["Sweep", "marked", "sweep"]

_ROWS = 200  # rows of the trace of each lane
_MOST_LANES = 4_096  # in one call; more are made in several


def sweep(
    objective: Callable[..., Any] | str,
    x0: Any = None,
    method: Any = None,
    *,
    starts: Any = None,
    steps: int | None = None,
    grad: Callable[..., Any] | None = None,
    maximize: bool = False,
    data: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    gtol: float | None = None,
    rows: int = _ROWS,
) -> Sweep:
    """Minimise a function with many hyperparameters, from many starts, in one compiled call.

    Parameters
    ----------
    objective, x0, grad, maximize, data, batch_size, epochs, seed, gtol
        As in `minimize`. All lanes see the same batches.
    method
        A method in which one or more hyperparameters are arrays of shape (k,):
        `Adam(lr=np.logspace(-4, 0, 100))`, `Adam(lr=Cosine(np.logspace(-4, 0, 9), steps=500))`. The sweep runs over
        the product of all of them. Default: `GradientDescent` with 61 rates from 1e-4 to 100.
    starts
        Many starts instead of x0: an array whose first axis counts them, or a list of starts. Another axis.
    steps
        So many steps at most; default 1,000.
    rows
        How many rows of each lane's trace are kept; 2 keeps the final values alone. Fewer, and without x, where they
        would need more than 64 MiB.

    Returns
    -------
    Sweep
        One lane for each combination, in the order of the product, the last axis fastest.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came, what is legal and the cure.
    """
    begin = time.perf_counter()
    tolerances = Tolerances(gtol, None, None)
    check_options(grad=grad, callback=None, time_limit=None, maximize=maximize)
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 2:
        raise ValueError(f"rows must be a whole number >= 2, got {rows!r}")
    rule = as_rule(GradientDescent(lr=np.logspace(-4, 2, 61)) if method is None else method)
    many, x0 = _starts(objective, x0, starts)
    objective, x0, in_words = named(objective, x0)
    x0 = as_parameters(x0)
    parts = as_data(data, x0) if data is not None else ()
    sampling = sampling_of(parts, batch_size, epochs, seed, steps)
    axes = _axes(rule)
    if not axes and many is None:
        raise ValueError(
            "there is nothing to sweep: give an array for a hyperparameter, Adam(lr=np.logspace(-4, 0, 50)), or "
            "starts=; on the command line --lr 1e-4:1:50"
        )
    last = last_step(sampling, 1_000 if steps is None and epochs is None and not samples(sampling) else steps, epochs)
    ready(_picked(rule, dict.fromkeys(axes, 0)), sampling, x0)
    problem = prepare(objective, x0, grad=grad, data=parts, maximize=maximize, written_in_words=in_words)
    names = dict(axes) if many is None else {**axes, "start": np.arange(len(many))}
    lanes = np.indices([len(values) for values in names.values()]).reshape(len(names), -1)
    chosen = dict(zip(names, lanes, strict=True))
    points = [x0] if many is None else many
    scale = [_scale_at(problem, i, point) for i, point in enumerate(points)]
    small = np.array([-1.0 if samples(sampling) else tolerances.gradient(dtype_of(x0), s) for s in scale])
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *points)
    ends = []
    with Interrupts() as interrupts:
        for group in _groups(lanes.shape[1]):
            here = {name: places[group] for name, places in chosen.items()}
            which = here.get("start", np.zeros(len(group), int))
            ends.append(
                run_lanes(
                    problem, sampling, one_step, start,
                    rules=cast(_picked(rule, here), dtype_of(x0)),
                    batched=marked(rule, set(axes)),
                    x0s=jax.tree.map(lambda leaf, which=which: leaf[which], stacked),
                    gtols=small[which].astype(dtype_of(x0)),
                    rows=rows,
                    last=last,
                )
            )  # fmt: skip
            if interrupts.came():
                raise KeyboardInterrupt
    done = Ends.joined(ends)[: lanes.shape[1]]
    return Sweep(objective, problem, rule, names, points, sampling, seed, tolerances, done, time.perf_counter() - begin)


def _scale_at(problem: Problem, i: int, point: Any) -> float:
    value, grad = problem.value_and_grad(point, *problem.data)
    if not np.isfinite(value):
        raise ValueError(f"the objective is {problem.sign * value} at start {i}, {point}: leave that start out")
    return gradient_scale(problem, point, grad)


def _groups(lanes: int) -> list[np.ndarray]:
    """The lanes in groups of one size, so that one program runs them all; the last is filled up with its last lane."""
    size = min(lanes, _MOST_LANES)
    return [np.minimum(np.arange(i, i + size), lanes - 1) for i in range(0, lanes, size)]


def _starts(objective: Any, x0: Any, starts: Any) -> tuple[list[Any] | None, Any]:
    if starts is None:
        return None, x0
    if x0 is not None:
        raise ValueError("give x0 or starts=, not both")
    given = list(starts) if isinstance(starts, Sequence | np.ndarray) else None
    if not given:
        raise ValueError(f"starts must be an array or a list of starts, with at least one, got {starts!r}")
    many = [as_parameters(start) for start in given]
    kinds = {(jax.tree.structure(start), *(leaf.shape for leaf in jax.tree.leaves(start))) for start in many}
    if len(kinds) > 1:
        raise ValueError(f"all starts must have one structure and shape, got {', '.join(sorted(map(str, kinds)))}")
    return many, many[0]


def _axes(rule: Rule) -> dict[str, np.ndarray]:
    """Name → values of each hyperparameter that is an array."""
    axes = {}
    for name, value, legal in rule.numbers():
        if np.ndim(value) == 0 or legal.any_rank:
            continue
        if np.ndim(value) > 1:
            raise ValueError(f"{name} has shape {np.shape(value)}; an axis of a sweep has one dimension")
        axes[name] = np.asarray(value, dtype=float)
    return axes


def marked(rule: Rule, names: set[str]) -> Rule:
    """The rule with 0, the axis of the lanes, in the places of these numbers, and None in all others."""

    def leaf(path: Any, _: Any) -> int | None:
        return 0 if jax.tree_util.keystr(path).removeprefix(".") in names else None

    made: Rule = jax.tree_util.tree_map_with_path(leaf, rule)
    return made


def _picked(rule: Rule, index: dict[str, Any]) -> Rule:
    """The rule with the swept numbers at these places of their axes (numbers, or arrays of places)."""

    def leaf(path: Any, value: Any) -> Any:
        name = jax.tree_util.keystr(path).removeprefix(".")
        return np.asarray(value)[index[name]] if name in index else value

    picked: Rule = jax.tree_util.tree_map_with_path(leaf, rule)
    return picked


class Sweep:
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
        hands_out_another = bool(jax.tree.leaves(self.method.answer(self.method.init(self.starts[0]), self.starts[0])))
        if samples(self.sampling) or hands_out_another:
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
        """Which lanes met a cost that is not finite, or ended at a worse one than they began; shape (lanes,)."""
        first = self._first_costs[self._start_of_lane]
        batches = self.ends.rows[:, :, 0] if samples(self.sampling) else None
        worse = self.problem.sign * self.fun - first > margin(first, self.x.dtype, batches)
        return np.asarray((self.ends.code == NOT_FINITE) | worse | ~np.isfinite(self.fun))

    def __getitem__(self, lane: int) -> Run:
        """Lane `lane` as a run, with its outcome; its trace has the rows that were kept."""
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

        Where all have, it is a run whose outcome says so.
        """
        return self[self.best_lane]

    @property
    def best_lane(self) -> int:
        """The place of `best`."""
        costs = np.where(np.isfinite(self.fun), self.problem.sign * self.fun, np.inf)
        if not self.has_diverged.all():
            costs = np.where(self.has_diverged, np.inf, costs)
        return int(np.lexsort((self.steps, costs))[0])  # of equal ones the one that got there first

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
        method = cast(_picked(self.method, place), dtype_of(x0))
        point = from_vector(self.x[lane], x0)
        run = Run(self.objective, problem, method, point, self._trace_of(lane), self.sampling, self.seed, 0.0)
        run.seconds = self.seconds
        run.settle()
        reasons = {RUNNING: Ended.ALL_STEPS, SMALL_GRADIENT: Ended.SMALL_GRADIENT, NOT_FINITE: Ended.NOT_FINITE}
        first = problem.value_and_grad(x0, *problem.data)
        run.judgement = judge(run, reasons[int(self.ends.code[lane])], self._tolerances, first=first)
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

    def to_pandas(self) -> Any:
        """The table of the lanes as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns())

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
