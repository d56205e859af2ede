"""The trainer of networks: any rule on any JAX loss, with all batches of a chunk of rows in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.methods import Rule
from descend.models.samples import Samples
from descend.models.trainers import OfRule
from descend.objectives.checks import warn_of_a_column
from descend.objectives.parameters import as_vector, dtype_of
from descend.objectives.tracing import NEWER_LOOPS, Traced, trace
from descend.words import isfinite, largest, precision

__all__ = ["Descending"]

Loss = Callable[..., Any]  # (params, *rows, key) → the mean cost of the rows, traced by JAX


class Descending(OfRule):
    """Goes through batches of rows on the device, compiled; the rows stay there from epoch to epoch.

    What was compiled is found again by what was traced: other rows of the same shapes, another learning rate, another
    network of the same form do not compile anew. Random numbers of step t are those of `fold_in(key, t)`, so that the
    number of the step is all there is to remember.

    Parameters
    ----------
    loss
        (params, *rows, key) → number: the mean cost of a batch.
    devices
        Over so many devices the rows of each batch are spread; parameters are on all of them.
    weighted
        The last part of the rows is what each counts, by which the loss multiplies before it takes the mean. Then the
        short batch at the end of an epoch is filled up with rows that count nothing, and no program is compiled for it.
    """

    is_compiled = True

    def __init__(
        self, rule: Rule, loss: Loss, params: Any, seed: int, devices: int = 1, *, weighted: bool = False
    ) -> None:
        super().__init__(rule, params)
        self._loss, self._devices, self._weighted = loss, devices, weighted
        self._key = np.asarray(jax.random.key_data(jax.random.key(seed)))
        self._kind = dtype_of(self._x)
        self._programs: dict[Any, tuple[Traced, Any]] = {}  # batch size and shapes → the loss, and what makes steps
        self._held: tuple[Samples | None, Any, Any] = (None, None, None)  # rows, where they are on the device, shapes
        self._spread = _spread_over(devices)

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to this process; arrays are NumPy's: JAX would read its own in another precision."""
        state = {name: jax.tree.map(np.asarray, getattr(self, name)) for name in ("_x", "_state")}
        return {**vars(self), **state, "_programs": {}, "_held": (None, None, None), "_spread": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._spread = _spread_over(self._devices)

    def _as_weights(self, x: Any) -> np.ndarray:
        return as_vector(x)

    def run(self, rows: Any, order: np.ndarray, batch_size: int) -> None:
        """See `Trainer.run`; `rows` are Samples."""
        if self._held[0] is not rows:
            with precision(self._kind):
                there = jax.device_put(rows.parts, self._spread and self._spread[1])
            shapes = tuple((leaf.shape[1:], str(leaf.dtype)) for leaf in jax.tree.leaves(there))
            self._held = (rows, there, shapes)
        if self._weighted:
            size = min(batch_size, len(order))
            self._steps(*_filled_up(order, size, self._kind), size)
            return
        whole, short = divmod(len(order), batch_size)
        if whole:
            self._steps(order[: whole * batch_size], None, batch_size)
        if self.broke_at is None and short:
            self._steps(order[whole * batch_size :], None, short)

    def _steps(self, order: np.ndarray, counts: np.ndarray | None, size: int) -> None:
        data, count = self._held[1], len(order) // size
        with precision(self._kind):
            program, chunk = self._program(size)

            def go(last: Any = None) -> Any:
                return chunk(
                    program.consts, self._rule, self._x, self._state, data, order.astype(np.int32), counts, self._key,
                    last,
                )  # fmt: skip

            x, state, bad = go()
            bad = int(bad)
            if bad < count:  # go the same way again, as far as the cost was finite
                x, state, _ = go(np.int32(max(bad - 1, 0)))
                self.broke_at = self.steps + bad + 1
        self._x, self._state = x, state
        self.steps += count if self.broke_at is None else max(bad - 1, 0)

    def _program(self, size: int) -> tuple[Traced, Any]:
        _, data, shapes = self._held
        if (size, shapes) not in self._programs:
            batch = jax.tree.map(lambda part: np.zeros((size, *part.shape[1:]), part.dtype), data)  # not compiled
            program = trace(self._loss, None, self._x, *batch, self._key)
            warn_of_a_column(program)
            purpose = ("training", self._rule.program_key(), size, self._devices)
            chunk = program.compiled(purpose, lambda: _chunk_of(program, size, self._spread), options=NEWER_LOOPS)
            self._programs[size, shapes] = program, chunk
        return self._programs[size, shapes]


def _filled_up(order: np.ndarray, size: int, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """The order with its last batch as long as the others, and how often the row in each place counts."""
    missing = -len(order) % size
    counts = np.ones(len(order) + missing, kind)
    counts[-size:] = size / (size - missing)
    counts[len(order) :] = 0
    return np.append(order, np.repeat(order[-1], missing)), counts


def _chunk_of(program: Traced, size: int, spread: Any) -> Callable[..., Any]:
    def chunk(consts, rule, x, state, data, order, counts, key, last):  # type: ignore[no-untyped-def]
        def one(i: Any, carry: Any) -> Any:
            x, state, bad = carry
            places = jax.lax.dynamic_slice(order, (i * size,), (size,))
            batch = jax.tree.map(lambda part: part[places], data)
            if counts is not None:
                batch = *batch[:-1], batch[-1] * jax.lax.dynamic_slice(counts, (i * size,), (size,))
            if spread is not None:
                batch = jax.lax.with_sharding_constraint(batch, spread[0])  # type: ignore[no-untyped-call]
            of_step = jax.random.key_data(jax.random.fold_in(jax.random.wrap_key_data(key), state.t))
            evaluate = partial(program, consts)
            f, g = evaluate(x, *batch, of_step)
            change, state = rule.update(
                g, state, x, value=f, value_fn=lambda p: evaluate(p, *batch, of_step)[0],
                grad_fn=lambda p: evaluate(p, *batch, of_step)[1],
            )  # fmt: skip
            x = jax.tree.map(jnp.add, x, change)
            return x, state, jnp.where(isfinite(f), bad, jnp.minimum(bad, i))

        # Where the number of steps belongs to the program, a GPU need not ask after each whether it was the last.
        last = np.int32(len(order) // size) if last is None else last
        x, state, bad = jax.lax.fori_loop(0, last, one, (x, state, jnp.int32(2**31 - 1)))
        return x, state, jnp.where(isfinite(largest(x)), bad, jnp.minimum(bad, last - 1))

    return chunk


def _spread_over(devices: int) -> Any:
    """How the rows of a batch, and all else, lie on so many devices; None for one."""
    if devices == 1:
        return None
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    there = jax.devices()
    if devices > len(there):
        raise ValueError(f"devices={devices}, but this machine has {len(there)} ({there[0].platform})")
    mesh = Mesh(np.array(there[:devices]), ("rows",))
    of_rows, whole = PartitionSpec("rows"), PartitionSpec()  # type: ignore[no-untyped-call]
    return NamedSharding(mesh, of_rows), NamedSharding(mesh, whole)
