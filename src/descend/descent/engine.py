"""How the steps of a run are executed: compiled in chunks, or one by one in plain Python.

Both engines run the same step function and hand over the same rows; the compiled one is for traced
objectives, the eager one for functions that can only be called.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from descend.descent.sampling import Sampling
from descend.descent.trace import MOST_BYTES_OF_X, MOST_ROWS, Rows
from descend.objectives.function import Problem
from descend.objectives.parameters import dtype_of
from descend.objectives.tracing import NO_OPTIONS
from descend.words import flat

__all__ = [
    "NOT_FINITE",
    "RUNNING",
    "SMALL_GRADIENT",
    "Carry",
    "CompiledEngine",
    "EagerEngine",
    "Evaluations",
    "engine_for",
    "handed_out",
    "numbers_of",
]

# Why the loop ended by itself: the sign of `Carry.ended`.
RUNNING, SMALL_GRADIENT, NOT_FINITE = 0, 1, -1

_ROWS_A_CHUNK = 1_024
_SECONDS_A_CHUNK = 0.1
_BYTES_A_CHUNK = 4 * 2**20
_STEPS_BETWEEN_LOOKS = 32  # at all lanes, whether any still runs


class Carry(NamedTuple):
    """What the loop hands from step to step. It is kept small: XLA runs only a small loop as one piece."""

    x: Any  # where the next evaluation is made
    state: Any  # of the method, for the step after it
    kept: Any  # the last point with finite cost and gradient
    seen: Any  # cost and gradient norm there, and the step size that led there
    searched: Any  # evaluations by step sizes so far
    ended: Any  # 0 while it runs; then how many evaluations it made, below 0 if the last was not finite
    answer: Any = ()  # what the rule hands out in the place of `kept`; () where that is `kept` itself


def handed_out(carry: Carry) -> Any:
    """The answer of the rule; the kept point where that has converged, or where there is no answer. Also of lanes."""
    if not jax.tree.leaves(carry.answer):
        return carry.kept
    converged = np.sign(carry.ended) == SMALL_GRADIENT

    def choose(kept: Any, answer: Any) -> np.ndarray:
        by_lane = converged.reshape(converged.shape + (1,) * (np.ndim(kept) - converged.ndim))
        return np.asarray(np.where(by_lane, kept, answer))

    return jax.tree.map(choose, carry.kept, carry.answer)


class Evaluations(NamedTuple):
    """The objective as one step sees it."""

    value_and_grad: Callable[[Any], tuple[Any, Any]]
    value: Callable[[Any], Any]


Step = Callable[..., Carry]  # (rule, evaluations, gtol, carry, and whether it runs) -> carry


def engine_for(problem: Problem, sampling: Sampling | None, step: Step, method: Any) -> CompiledEngine | EagerEngine:
    """The engine that fits the objective."""
    if problem.is_traced:
        return CompiledEngine(problem, sampling, step, method.program_key())
    return EagerEngine(problem, sampling, step)


class _Engine:
    def __init__(self, problem: Problem, sampling: Sampling | None, step: Step) -> None:
        self.problem = problem
        self.sampling = sampling
        self.step = step
        x0 = problem.x0
        self.size = sum(leaf.size for leaf in jax.tree.leaves(x0))
        self.capacity, self.keeps_x = self._bounds(self.size * dtype_of(x0).itemsize)

    def _bounds(self, bytes_of_x: int) -> tuple[int, bool]:
        """How many rows a chunk may have, and whether with x."""
        keeps_x = bytes_of_x * MOST_ROWS <= MOST_BYTES_OF_X
        return int(np.clip(_BYTES_A_CHUNK // bytes_of_x, 16, _ROWS_A_CHUNK)) if keeps_x else 256, keeps_x

    @property
    def samples(self) -> bool:
        """Whether each step sees a batch instead of all data."""
        return self.sampling is not None and self.sampling.samples

    def rows_of(self, counts: np.ndarray, numbers: np.ndarray) -> Rows:
        """The rows as the trace takes them: of (step, searched) and (f, gradient norm, lr, x…)."""
        steps, searched = counts.astype(np.int64).T
        f, size, lr = numbers[:, :3].astype(np.float64).T
        evaluations = searched + (steps + 1) * self.problem.evaluations_per_gradient
        return Rows(steps, f, size, lr, evaluations, numbers[:, 3:] if self.keeps_x else None)


class CompiledEngine(_Engine):
    """Runs many steps in one compiled call; lengths and hyperparameters are its arguments, not its shape."""

    def __init__(self, problem: Problem, sampling: Sampling | None, step: Step, method_key: Any) -> None:
        super().__init__(problem, sampling, step)
        with problem.computing(self._lanes):
            self._data = jax.device_put(problem.data)
            if sampling is not None and sampling.samples:
                whole, short = (
                    problem.traced(*jax.tree.map(lambda a, k=k: a[:k], problem.data))
                    for k in (sampling.size, sampling.short)
                )
                self._programs = (whole, short)
            else:
                self._programs = (problem.traced(*problem.data),) * 2
            self._consts = jax.device_put(tuple(p.consts for p in self._programs))
            shape = (sampling.rows, sampling.batch_size) if sampling is not None and self.samples else None
            purpose = (*self._kind, self.step, method_key, shape, self._programs[1].key, self.capacity, self.keeps_x)
            self._chunk = self._programs[0].compiled(purpose, self._chunk_of_steps, options=self._options)
        self._orders: tuple[int, Any, int] | None = None

    _options = NO_OPTIONS  # of XLA
    _lanes = 1  # runs that are made at once
    _kind: tuple[Any, ...] = ("one run",)  # what tells this engine's program from that of another kind of engine

    def run(self, method: Any, carry: Any, gtol: Any, rows: int, stride: int, last: int) -> tuple[Any, Any]:
        """Make up to `rows * stride` steps, not beyond step `last`; return where it stands and the rows."""
        with self.problem.computing(self._lanes):
            first_epoch, orders = 0, None
            if self.sampling is not None and self.samples:
                done = int(carry.state.t)
                if self._orders is None or done > self._orders[2]:
                    epoch, places, end = self.sampling.orders(done)
                    self._orders = (epoch, jax.device_put(places), end)
                first_epoch, orders, end = self._orders
                last = min(last, end)
            carry, count, table = self._chunk(
                self._consts, method, carry, gtol, self._data, orders, np.int32(first_epoch),
                np.int32(min(rows, self.capacity)), np.int32(stride), np.int32(last),
            )  # fmt: skip
            return carry, self.rows_of(*(np.asarray(part)[: int(count)] for part in table))

    def _chunk_of_steps(self) -> Callable[..., Any]:
        programs, sampling, samples, capacity = self._programs, self.sampling, self.samples, self.capacity

        def chunk(consts, method, carry, gtol, data, orders, first_epoch, rows, stride, last):  # type: ignore[no-untyped-def]
            def at(t: Any) -> Evaluations:
                if samples:
                    assert sampling is not None  # noqa: S101 - where it samples
                    evaluate = _batch(programs, consts, sampling, data, orders, t, first_epoch)
                else:
                    evaluate = partial(_on_all, programs[0], consts[0], data)
                # Asked for the value alone, the compiler leaves the gradient out.
                return Evaluations(evaluate, lambda x: evaluate(x)[0])

            def one(c: Any) -> Any:
                return self._one_step(method, at, gtol, c)

            def towards_a_row(loop: Any) -> Any:
                c, _, i, table = loop
                target = jnp.minimum(jax.lax.div(c.state.t + stride - 1, stride) * stride, last) + 1
                here = jnp.minimum(target, c.state.t + _STEPS_BETWEEN_LOOKS)
                c = jax.lax.while_loop(lambda c: self._is_seen_to_run(c) & (c.state.t < here), one, c)
                runs = (c.ended == RUNNING).any()
                write = partial(jax.lax.dynamic_update_index_in_dim, index=i, axis=0)  # in place; .at[] is not
                return c, runs, i + ((c.state.t == target) | ~runs), tuple(map(write, table, self._row(c)))

            row = jax.eval_shape(self._row, carry)
            table = tuple(jnp.zeros((capacity, *part.shape), part.dtype) for part in row)
            carry, _, count, table = jax.lax.while_loop(
                lambda loop: loop[1] & (loop[0].state.t <= last) & (loop[2] < rows),
                towards_a_row,
                (self._begun(method, carry), jnp.bool_(True), jnp.int32(0), table),
            )
            return carry, count, table

        return chunk

    # What an engine of many lanes does in another way:

    def _begun(self, method: Any, c: Any) -> Any:
        return c

    def _one_step(self, method: Any, at: Callable[[Any], Evaluations], gtol: Any, c: Any) -> Any:
        return self.step(method, at(c.state.t), gtol, c)

    def _is_seen_to_run(self, c: Any) -> Any:
        """Asked before each step, so it must cost next to nothing."""
        return c.ended == RUNNING

    def _row(self, c: Any) -> tuple[Any, ...]:
        """What the trace keeps of a step: (step, searched) and (f, gradient norm, lr, x…)."""
        return jnp.stack([_step_of(c), c.searched]), numbers_of(c, keeps_x=self.keeps_x)


def numbers_of(c: Carry, *, keeps_x: bool) -> Any:
    """Cost, gradient norm, rate and, if it is kept, x, as one vector."""
    return jnp.concatenate([c.seen, flat(c.kept)]) if keeps_x else c.seen


def _on_all(program: Any, consts: Any, data: Any, x: Any) -> Any:
    return program(consts, x, *data)


def _batch(
    programs: Any, consts: Any, sampling: Sampling, data: Any, orders: Any, t: Any, first_epoch: Any
) -> Callable[[Any], Any]:
    """Value and gradient on the batch of step `t`; the short batch that ends an epoch has its own program."""
    epoch, place = t // sampling.batches - first_epoch, t % sampling.batches
    size = sampling.size

    def on(k: int, length: int) -> Callable[[Any], Any]:
        def evaluate(x: Any) -> Any:
            rows = jax.lax.dynamic_slice(orders, (epoch, place * size), (1, length))[0]
            return programs[k](consts[k], x, *jax.tree.map(lambda part: part[rows], data))

        return evaluate

    if sampling.short == size:
        return on(0, size)
    return lambda x: jax.lax.cond(place == sampling.batches - 1, on(1, sampling.short), on(0, size), x)


class EagerEngine(_Engine):
    """Runs the same step in plain Python, for objectives that can only be called."""

    interrupted: Callable[[], bool] = staticmethod(lambda: False)
    _order: tuple[int, Any] = (-1, None)  # the epoch under way and the order of its rows

    def run(self, method: Any, carry: Carry, gtol: Any, rows: int, stride: int, last: int) -> tuple[Carry, Rows]:
        """See `CompiledEngine.run`; besides, it stops after a tenth of a second, or at an interrupt."""
        counts: list[Any] = []
        numbers: list[Any] = []
        begin = time.perf_counter()
        with np.errstate(all="ignore"):
            while carry.ended == RUNNING and carry.state.t <= last and len(counts) < rows:
                carry = self.step(method, self._at(int(carry.state.t)), gtol, carry)
                ends = carry.ended != RUNNING or carry.state.t > last
                is_row, is_interrupted = (carry.state.t - 1) % stride == 0, self.interrupted()
                if is_row or ends or is_interrupted:
                    counts.append((_step_of(carry), carry.searched))
                    numbers.append(np.concatenate([carry.seen, flat(carry.kept)]))
                if is_interrupted or (is_row and time.perf_counter() - begin > _SECONDS_A_CHUNK):
                    break
        return carry, self.rows_of(np.array(counts), np.array(numbers))

    def _at(self, t: int) -> Evaluations:
        data = self.problem.data
        if self.sampling is not None and self.samples:
            epoch, place = divmod(t, self.sampling.batches)
            size = self.sampling.size
            if epoch != self._order[0]:
                self._order = (epoch, self.sampling.order(epoch))
            rows = self._order[1][place * size : (place + 1) * size]
            data = jax.tree.map(lambda part: part[rows], data)
        return Evaluations(lambda x: self.problem.value_and_grad(x, *data), lambda x: self.problem.value(x, *data))


def _step_of(carry: Carry) -> Any:
    """The number of the step at which `kept` was reached: one earlier where the newest point was not kept."""
    return carry.state.t - 1 - (carry.ended < 0)
