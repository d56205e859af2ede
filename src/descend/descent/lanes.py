"""Many runs of one objective in one compiled loop: the lanes of a sweep.

Each lane has numbers of its own (those of the method that are swept, the start), and freezes when it has ended:
nothing that happens in another lane touches it. The number of the step is shared by all, which is what makes the
loop cheap: a power like β₁ᵗ is computed once, not once a lane.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.descent.engine import (
    RUNNING,
    Carry,
    CompiledEngine,
    EagerEngine,
    Evaluations,
    handed_out,
    numbers_of,
)
from descend.descent.minimize import one_step, start
from descend.descent.options import cast
from descend.descent.sampling import Sampling
from descend.descent.trace import Rows
from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, dtype_of

__all__ = ["Ends", "repeated", "run_lanes"]

_MOST_BYTES = 64 * 2**20  # of the trace of all lanes in a call
# XLA's highest level of optimisation unrolls loops over lanes, which run slower for it.
_FOR_LANES: Mapping[str, Any] = {"xla_backend_optimization_level": 1}
_QUICKLY: Mapping[str, Any] = {"xla_backend_optimization_level": 0}
_FEWEST_ROWS = 64  # with fewer rows x is left out of them


@dataclass
class Ends:
    """Where each lane ended, and what its trace kept. Arrays of NumPy; costs as they are minimised.

    Attributes
    ----------
    step, rows
        The steps of the kept rows, shape (rows,), and what was seen there: (rows, lanes, 3 or 3 + n) with cost,
        gradient norm, rate and, where it is kept, x. A lane that has ended repeats its last row.
    code, steps, searched
        Why each lane ended, the step of its last finite point, evaluations by its step size: shape (lanes,).
    last
        Cost, gradient norm and rate there, shape (lanes, 3).
    x
        The point to hand out, shape (lanes, n).
    """

    step: np.ndarray
    rows: np.ndarray
    code: np.ndarray
    steps: np.ndarray
    searched: np.ndarray
    last: np.ndarray
    x: np.ndarray

    def __getitem__(self, lanes: slice) -> Ends:
        """Some of the lanes."""
        return Ends(self.step, self.rows[:, lanes], *(a[lanes] for a in self._by_lane()))

    def _by_lane(self) -> tuple[np.ndarray, ...]:
        return self.code, self.steps, self.searched, self.last, self.x

    @staticmethod
    def joined(parts: list[Ends]) -> Ends:
        """The lanes of several calls; one whose lanes had all ended before those of another repeats its last row."""
        columns = zip(*(part._by_lane() for part in parts), strict=True)
        longest = max(parts, key=lambda part: part.step[-1])
        seen = [part.rows[np.searchsorted(part.step, longest.step, side="right") - 1] for part in parts]
        return Ends(longest.step, np.concatenate(seen, axis=1), *(np.concatenate(column) for column in columns))


def run_lanes(
    problem: Problem,
    sampling: Sampling | None,
    rule: Any,
    names: Collection[str],
    x0s: Any,
    gtols: Any,
    *,
    rows: int,
    last: int,
    quickly: bool = False,
) -> Ends:
    """Run all lanes to their ends.

    Parameters
    ----------
    rule, names
        A rule in which the numbers of these names have shape (lanes,).
    x0s
        The starts, each leaf with the lanes along its first axis.
    gtols
        The gradient norm that counts as zero, of each lane or of all; below 0 none does.
    rows
        So many rows of the trace are wanted.
    last
        The last step.
    quickly
        Compile quickly rather than for speed.
    """
    kind = dtype_of(problem.x0)
    gtols = np.broadcast_to(np.asarray(gtols, kind), len(jax.tree.leaves(x0s)[0]))
    batched = rule.with_numbers(lambda name, _: 0 if name in names else None)  # the axis of the lanes in their places
    rules = cast(rule, kind)
    if not problem.is_traced:
        return _one_by_one(EagerEngine(problem, sampling, one_step), rules, batched, x0s, gtols, rows, last)
    lanes = _LaneEngine(problem, sampling, rules, batched, x0s, rows, quickly)
    return lanes.run_all(gtols, _stride(lanes.capacity, last), last)


def repeated(x0: Any, lanes: int) -> Any:
    """One start for so many lanes."""
    return jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], lanes, axis=0), x0)


def _rows_that_fit(rows: int, lanes: int, itemsize: int, bytes_of_x: int) -> tuple[int, bool]:
    """How many rows are kept, and whether with x."""
    with_x, without = (max(2, _MOST_BYTES // (lanes * width)) for width in (3 * itemsize + bytes_of_x, 3 * itemsize))
    keeps_x = with_x >= min(rows, _FEWEST_ROWS)
    return min(rows, with_x if keeps_x else without), keeps_x


class _LaneEngine(CompiledEngine):
    """All lanes at once in a compiled loop: a carry has the lanes along its first axis, and one step count."""

    def __init__(
        self, problem: Problem, sampling: Sampling | None, rules: Any, batched: Any, x0s: Any, rows: int, quickly: bool
    ) -> None:  # fmt: skip
        self._options = _QUICKLY if quickly else _FOR_LANES
        lanes = len(jax.tree.leaves(x0s)[0])
        self._lanes, self._wanted = lanes, rows
        self.rules = rules
        self._batched = batched
        one = _lane_of(rules, batched, 0)
        first = start(one, problem.x0)
        self._axes = _shared_between_lanes(first)
        of_all = jax.tree.map(
            lambda axis, leaf: np.asarray(leaf) if axis is None else repeated(leaf, lanes),
            self._axes, first, is_leaf=_is_none,
        )  # fmt: skip
        self._unbegun: Carry = of_all._replace(x=x0s)
        flags, structure = jax.tree.flatten(batched, is_leaf=_is_none)
        self._kind = ("lanes", tuple(flags), structure)
        super().__init__(problem, sampling, one_step, one.program_key())

    def run_all(self, gtols: np.ndarray, stride: int, last: int) -> Ends:
        """See `run_lanes`."""
        carry = self._unbegun
        tables, steps = [], []
        while True:
            begin = -(-int(carry.state.t) // stride) * stride
            carry, numbers = self.run(self.rules, carry, gtols, self.capacity, stride, last)
            tables.append(numbers)
            steps.append(np.append(begin + stride * np.arange(len(numbers) - 1), int(carry.state.t) - 1))
            if int(carry.state.t) > last or np.all(np.asarray(carry.ended) != RUNNING):
                break
        at_end: Carry = jax.tree.map(np.asarray, carry)
        kept = np.concatenate(steps), np.concatenate(tables)
        ends = np.sign(at_end.ended), _last_finite(at_end), at_end.searched.astype(np.int64)
        return Ends(*kept, *ends, at_end.seen.astype(np.float64), _as_rows(handed_out(at_end)))

    def rows_of(self, *parts: Any) -> Any:
        """The rows as they are."""
        (numbers,) = parts
        return numbers

    def _bounds(self, bytes_of_x: int) -> tuple[int, bool]:
        return _rows_that_fit(self._wanted, self._lanes, dtype_of(self.problem.x0).itemsize, bytes_of_x)

    def _begun(self, method: Any, c: Any) -> Any:
        lanes: Carry = jax.vmap(start, in_axes=(self._batched, 0), out_axes=self._axes)(method, c.x)
        begun = c._replace(state=lanes.state, kept=lanes.kept, answer=lanes.answer)
        if not self.samples:  # all steps are made in one call
            return begun
        is_first = c.state.t == 0
        return jax.tree.map(lambda new, old: jnp.where(is_first, new, old), begun, c)

    def _one_step(self, method: Any, at: Callable[[Any], Evaluations], gtol: Any, c: Any) -> Any:
        def lane(method: Any, old: Carry, gtol: Any) -> Any:
            return self.step(method, at(old.state.t), gtol, old, old.ended == RUNNING)

        return jax.vmap(lane, in_axes=(self._batched, self._axes, 0), out_axes=self._axes)(method, c, gtol)

    def _is_seen_to_run(self, c: Any) -> Any:
        return True

    def _row(self, c: Any) -> tuple[Any, ...]:
        numbers = jax.vmap(lambda carry: numbers_of(carry, keeps_x=self.keeps_x), in_axes=(self._axes,))(c)
        return (numbers,)


def _last_finite(carry: Carry) -> np.ndarray:
    """The step at which the kept point of each lane was reached."""
    ended = np.asarray(carry.ended, np.int64)
    return np.where(ended == RUNNING, int(carry.state.t) - 1, abs(ended) - 1 - (ended < 0))


def _one_by_one(
    engine: EagerEngine, rules: Any, batched: Any, x0s: Any, gtols: np.ndarray, rows: int, last: int
) -> Ends:
    """The lanes one after the other in plain Python, for an objective that can only be called."""
    stride = _stride(rows, last)
    steps = np.unique(np.append(np.arange(0, last + 1, stride), last))
    table, ends = [], []
    for i, gtol in enumerate(gtols):
        rule = _lane_of(rules, batched, i)
        carry = start(rule, jax.tree.map(lambda leaf, i=i: leaf[i], x0s))
        made = []
        while carry.ended == RUNNING and carry.state.t <= last:
            carry, lane_rows = engine.run(rule, carry, gtol, len(steps), stride, last)
            made.append(lane_rows)
        step = np.concatenate([part.step for part in made])
        numbers = np.concatenate([_numbers_of_rows(part) for part in made])
        table.append(numbers[np.searchsorted(step, steps, side="right").clip(1) - 1])
        why, x = int(np.sign(carry.ended)), as_vector(handed_out(carry))
        ends.append((why, step[-1], int(carry.searched), numbers[-1, :3], x))
    code, made_steps, searched, final, xs = (np.array(column) for column in zip(*ends, strict=True))
    return Ends(steps, np.stack(table, axis=1), code, made_steps, searched, final, xs)


def _stride(rows: int, last: int) -> int:
    """How many steps lie between two of so many rows: an odd number, see `Trace.stride`."""
    return max(1, -(-last // (rows - 1))) | 1


def _numbers_of_rows(rows: Rows) -> np.ndarray:
    xs = [] if rows.x is None else [rows.x]
    return np.column_stack([rows.f, rows.gradient_norm, rows.lr, *xs])


def _lane_of(rules: Any, batched: Any, i: int) -> Any:
    return jax.tree.map(
        lambda axis, leaf: leaf if axis is None else np.asarray(leaf)[i], batched, rules, is_leaf=_is_none
    )


def _as_rows(tree: Any) -> np.ndarray:
    leaves = jax.tree.leaves(tree)
    return np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in leaves], axis=1)


def _shared_between_lanes(carry: Carry) -> Any:
    """The axis of the lanes in each leaf of a carry: 0, or None for the step count, which all lanes share."""

    def axis(path: Any, leaf: Any) -> int | None:
        last = path[-1]
        is_time = isinstance(last, jax.tree_util.GetAttrKey) and last.name == "t" and leaf.dtype == np.int32
        return None if is_time else 0

    return jax.tree_util.tree_map_with_path(axis, carry)


def _is_none(value: object) -> bool:
    return value is None
