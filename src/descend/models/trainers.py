"""What makes the steps of training in batches: a streaming kernel where the method fits one, else the method itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from descend.methods import Method, Rule, catalogue
from descend.models.costs import Cost, Scaling
from descend.models.kernels import Kind, each_row, in_batches, kind_of_places, on_lines
from descend.models.l1 import kept, pulled
from descend.models.losses import Loss
from descend.models.reading import read_method, streams
from descend.models.rows import Rows
from descend.models.softmax import in_batches_of_classes
from descend.models.threads import threads
from descend.stepsizes.stepsize import Asks

__all__ = ["OfRule", "Penalty", "Streaming", "Trainer", "Updating", "check_fits_sparse_rows"]


class Penalty(NamedTuple):
    """What is added to the mean loss: l2/2·|w|² and l1·Σ|w|, of the scaled coefficients."""

    l2: float = 0.0
    l1: float = 0.0


class Trainer(ABC):
    """Parameters on their way, with all that the next step needs."""

    steps: int  # made so far
    is_compiled = False
    broke_at: int | None = None  # the step at which the cost was not finite; `weights` are those before it

    @property
    @abstractmethod
    def weights(self) -> np.ndarray:
        """The parameters, shape (d + 1,) or (classes, d + 1); a copy."""

    @abstractmethod
    def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
        """One step for each batch of the rows in this order."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next step depends on."""

    @abstractmethod
    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `arrays` gave."""

    @abstractmethod
    def rate(self) -> float:
        """The rate of the last step; nan where the method has none."""


class Streaming(Trainer):
    """A method inlined into a kernel that walks over the rows.

    With several jobs each walks over a part of them, and all change the same parameters without a lock. Steps get
    lost where two meet, and the result depends on timing. Source: Niu, Recht, Ré & Wright (2011), "Hogwild!", NIPS.
    """

    is_compiled = True

    def __init__(
        self, method: Method, loss: Loss, scaling: Scaling, penalty: Penalty, weights: np.ndarray, rows: Rows,
        jobs: int = 1,
    ) -> None:  # fmt: skip
        self._method, self._loss, self._scaling, self._penalty, self._jobs = method, loss, scaling, penalty, jobs
        self._sparse = rows.is_sparse
        reader = read_method(type(method))
        self._shape = weights.shape
        parts = np.concatenate([weights[None], reader.start(method, weights)]).astype(weights.dtype)
        state = np.stack([self._flat(part) for part in parts])
        self._hold(state.T if self._sparse else state)
        self._numbers = np.array([*(float(getattr(method, name)) for name in reader.numbers), 0.0])
        self._loss_numbers = () if self._several else (np.array([*loss.arguments, 0.0]),)
        self._powers = np.ones(max(1, len(reader.bases)))
        self._met, self._rows_seen = np.zeros(self._shape[-1] - 1), 0
        self._counted: Rows | None = None
        self._could_leap = self._sparse and penalty.l2 > 0 and type(method).fits(Asks.GRADIENT)
        self.steps = 0

    @property
    def weights(self) -> np.ndarray:
        """See `Trainer.weights`."""
        return np.array(self._in_shape(self._parameters))

    @property
    def _parameters(self) -> np.ndarray:
        """Where they lie in the state."""
        return np.asarray(self._held[:, 0] if self._sparse else self._held[0])

    @property
    def _held(self) -> np.ndarray:
        """The state without what fills up its lines of memory."""
        return self._state if self._sparse else self._state[:, : math.prod(self._shape)]

    def _hold(self, state: np.ndarray) -> None:
        """Keep a copy of a state where the kernels want it."""
        self._state = np.array(state, order="C") if self._sparse else on_lines(state)

    @property
    def _several(self) -> bool:
        """Whether there is a row of parameters for each of several classes."""
        return len(self._shape) > 1

    def _flat(self, weights: np.ndarray) -> np.ndarray:
        """Parameters in the order of the state: class by class, or column by column where rows are sparse."""
        return weights.T.reshape(-1) if self._sparse else weights.reshape(-1)

    def _in_shape(self, flat: np.ndarray) -> np.ndarray:
        return flat.reshape(self._shape[::-1]).T if self._sparse else flat.reshape(self._shape)

    def move_to(self, weights: np.ndarray, scaling: Scaling) -> None:
        """Go on from other parameters, which belong to another scaling, with what is remembered of the steps."""
        self._scaling = scaling
        self._parameters[:] = self._flat(weights)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        seen = {"met": self._met, "rows": np.array(self._rows_seen)} if self._sparse else {}
        return {"state": self._held, "powers": self._powers, "steps": np.array(self.steps), **seen}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """See `Trainer.restore`."""
        self._hold(arrays["state"])
        self._powers = arrays["powers"].copy()
        self.steps = int(arrays["steps"])
        if self._sparse:
            self._met, self._rows_seen = arrays["met"].copy(), int(arrays["rows"])

    def _count(self, rows: Rows) -> None:
        """In how many of the rows seen so far each column was met."""
        if rows is not self._counted:
            self._met = self._met + np.bincount(rows.columns, minlength=rows.features)
            self._rows_seen, self._counted = self._rows_seen + len(rows), rows

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows."""
        return {**vars(self), "_counted": None}

    def _rates(self, count: int) -> np.ndarray:
        lr = getattr(self._method, "lr", np.nan)
        made = lr(np.arange(self.steps, self.steps + count, dtype=np.float64)) if callable(lr) else lr
        return np.atleast_1d(np.asarray(made, np.float64))

    def rate(self) -> float:
        """See `Trainer.rate`."""
        return float(self._rates(1)[0])

    def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
        """See `Trainer.run`."""
        kind, n = rows.kind.type, self._shape[-1]
        if (rows.is_sparse, rows.kind, rows.features) != (self._sparse, self._state.dtype, n - 1):
            raise ValueError("the rows are not of the form, dtype or width with which the training began")
        count = -(-len(order) // batch_size)
        rates = self._rates(count)
        met = np.ones(n)
        if self._sparse and any(self._penalty):
            # A coordinate is penalised only when it is met, and so much the more the rarer that is.
            self._count(rows)
            share = np.maximum(self._met, 1) / self._rows_seen
            met[:-1] = 1 - (1 - np.minimum(share, 1)) ** batch_size
        l2, l1 = (np.asarray(size / met, rows.kind) for size in self._penalty)
        if self._could_leap:  # no step leads beyond zero
            l2 = np.minimum(l2, kind(1 / rates.max()))
        l2[-1] = l1[-1] = 0
        which = Kind(
            self._sparse, self._scaling.changes, self._penalty.l2 > 0, self._penalty.l1 > 0, rows.is_weighted,
            bool(self._scaling.intercept),
        )  # fmt: skip
        l2, l1 = (self._flat(np.broadcast_to(size, self._shape)) for size in (l2, l1))
        method, loss = type(self._method), type(self._loss)
        if self._several:
            made = in_batches_of_classes(method, which)
        else:
            made = (each_row if batch_size == 1 else in_batches)(method, loss, which)
        order = np.ascontiguousarray(order, kind_of_places(len(rows)))
        bases = self._numbers[read_method(method).bases]
        is_fixed = len(rates) == 1
        edges = np.linspace(0, count, min(self._jobs, count) + 1).astype(np.int64)

        def part(first: int, last: int) -> np.ndarray:
            powers = self._powers.copy()
            powers[: len(bases)] *= bases**first
            batches = (batch_size, np.zeros(self._shape, rows.kind)) if batch_size > 1 or self._several else ()
            made(
                rows.values, rows.columns, rows.starts, rows.y, rows.weights,
                order[first * batch_size : last * batch_size], self._scaling.shift, self._scaling.scale, self._state,
                self._numbers, *self._loss_numbers, powers, rates if is_fixed else rates[first:last],
                self.steps + first, l2, l1, *batches,
            )  # fmt: skip
            return powers

        if len(edges) == 2:
            self._powers = part(0, count)
        else:
            self._powers = [*threads().map(part, edges[:-1].tolist(), edges[1:].tolist())][-1]
        self.steps += count


class OfRule(Trainer):
    """Any rule, with its state: what is common to those that compute a gradient and then make an update."""

    def __init__(self, rule: Rule, x: Any) -> None:
        self._rule = rule
        self._x = jax.tree.map(np.array, x)
        self._state = rule.init(self._x)
        self.steps = 0

    @property
    def rule(self) -> Rule:
        """The rule that makes the steps."""
        return self._rule

    @property
    def state(self) -> Any:
        """What the rule remembers."""
        return self._state

    @property
    def hands_out_another(self) -> bool:
        """Whether the parameters that are handed out are not those that the steps start from."""
        return self._rule.hands_out_another(self._x)

    @property
    def weights(self) -> np.ndarray:
        """See `Trainer.weights`."""
        answer = self._rule.answer(self._state, self._x)
        handed_out = answer if jax.tree.leaves(answer) else self._x
        return self._as_weights(jax.tree.map(np.array, handed_out))

    def _as_weights(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        parts = {"leaf": self._state, "x": self._x}
        leaves = {f"{n} {i}": np.asarray(v) for n, p in parts.items() for i, v in enumerate(jax.tree.leaves(p))}
        return {**leaves, "steps": np.array(self.steps)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """See `Trainer.restore`."""

        def found(name: str, tree: Any) -> Any:
            leaves, structure = jax.tree.flatten(tree)
            kept = [np.array(arrays[f"{name} {i}"], np.asarray(leaf).dtype)[()] for i, leaf in enumerate(leaves)]
            return jax.tree.unflatten(structure, kept)

        self._state, self._x, self.steps = found("leaf", self._state), found("x", self._x), int(arrays["steps"])

    def rate(self) -> float:
        """See `Trainer.rate`."""
        return float(str(np.asarray(self._state.lr)[()]))  # 0.01 as it was given, not 0.009999999776


class Updating(OfRule):
    """Any rule: the gradient of each batch, then one update, in NumPy."""

    def __init__(self, rule: Rule, cost_of: Callable[[Rows], Cost], l1: float, weights: np.ndarray) -> None:
        super().__init__(rule, weights)
        self._cost_of = cost_of
        self._l1 = np.full(weights.shape, l1, weights.dtype)
        self._l1[..., -1] = 0

    def move_to(self, weights: np.ndarray, scaling: Scaling) -> None:
        """See `Streaming.move_to`."""
        self._x = np.array(weights)

    def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
        """See `Trainer.run`."""
        cost = self._cost_of(rows)
        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            value, slope = partial(cost, batch=batch), partial(cost.grad, batch=batch)
            if self._l1.any():
                value, slope = self._penalised(value, slope)
            g = slope(self._x).astype(self._x.dtype, copy=False)
            with np.errstate(all="ignore"):
                change, self._state = self._rule.update(
                    g, self._state, self._x, value=value(self._x), value_fn=value, grad_fn=slope
                )
                if self._l1.any():
                    change = kept(self._x, change, g, self._l1)
                self._x = np.asarray(self._x + change, self._x.dtype)
            self.steps += 1

    def _penalised(self, cost: Any, grad: Any) -> tuple[Any, Any]:
        def value(x: Any) -> float:
            return float(cost(x) + (self._l1 * abs(x)).sum())

        def slope(x: Any) -> Any:
            return pulled(grad(x).astype(self._x.dtype), x, self._l1)

        return value, slope


def check_fits_sparse_rows(rule: Rule) -> None:
    """Refuse a method that would have to change all coordinates for each sparse row."""
    if not streams(rule) or read_method(type(rule)).is_exact_on_sparse_rows:
        return
    ours = [method for method in catalogue().values() if method.__module__.startswith("descend.") and streams(method())]
    fitting = [method.__name__ for method in ours if read_method(method).is_exact_on_sparse_rows]
    raise ValueError(
        f"{type(rule).__name__} moves coordinates whose gradient is zero: on sparse rows it would have to touch all "
        f"columns for each batch. Use {', '.join(fitting)}, or batch_size=None, or X.toarray()"
    )
