"""What makes the steps of training in batches: a streaming kernel where the method fits one, else the method itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from descend.methods import Method, Rule, catalogue
from descend.models.costs import Cost, Scaling
from descend.models.kernels import each_row, in_batches
from descend.models.losses import Loss
from descend.models.reading import read_method, streams
from descend.models.rows import Rows
from descend.stepsizes.stepsize import Asks

__all__ = ["Streaming", "Trainer", "Updating", "check_fits_sparse_rows"]


class Trainer(ABC):
    """Parameters on their way, with all that the next step needs."""

    steps: int  # made so far

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

    @abstractmethod
    def move_to(self, weights: np.ndarray, scaling: Scaling) -> None:
        """Go on from other parameters, which belong to another scaling, with what is remembered of the steps."""


class Streaming(Trainer):
    """A method inlined into a kernel that walks over the rows."""

    def __init__(
        self, method: Method, loss: Loss, scaling: Scaling, l2: float, weights: np.ndarray, rows: Rows
    ) -> None:
        self._method, self._loss, self._scaling, self._l2 = method, loss, scaling, l2
        self._sparse = rows.is_sparse
        reader = read_method(type(method))
        slots = reader.start(method, weights)
        state = np.concatenate([weights[None], slots]).astype(weights.dtype)
        self._state = np.ascontiguousarray(state.T if self._sparse else state)
        self._numbers = np.array([*(float(getattr(method, name)) for name in reader.numbers), 0.0])
        self._loss_numbers = np.array([*loss.arguments, 0.0])
        self._powers = np.ones(max(1, len(reader.bases)))
        self._buffer = np.zeros(len(weights), weights.dtype)
        self._met, self._rows_seen = np.zeros(len(weights) - 1), 0
        self._counted: Rows | None = None
        self.steps = 0

    @property
    def weights(self) -> np.ndarray:
        """See `Trainer.weights`."""
        return np.array(self._state[:, 0] if self._sparse else self._state[0])

    def move_to(self, weights: np.ndarray, scaling: Scaling) -> None:
        """See `Trainer.move_to`."""
        self._scaling = scaling
        (self._state[:, 0] if self._sparse else self._state[0])[:] = weights

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        return {"state": self._state, "powers": self._powers, "steps": np.array(self.steps)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """See `Trainer.restore`."""
        self._state, self._powers = arrays["state"].copy(), arrays["powers"].copy()
        self.steps = int(arrays["steps"])

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
        return np.broadcast_to(np.asarray(made, np.float64), count).copy()

    def rate(self) -> float:
        """See `Trainer.rate`."""
        return float(self._rates(1)[0])

    def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
        """See `Trainer.run`."""
        kind, n = rows.kind.type, len(self._buffer)
        if (rows.is_sparse, rows.kind, rows.features) != (self._sparse, self._buffer.dtype, n - 1):
            raise ValueError("the rows are not of the form, dtype or width with which the training began")
        penalty = np.full(n, self._l2, rows.kind)
        count = -(-len(order) // batch_size)
        rates = self._rates(count)
        if self._sparse and self._l2:
            # A coordinate is penalised only when it is met, and so much the more the rarer that is.
            self._count(rows)
            share = np.maximum(self._met, 1) / self._rows_seen
            penalty[:-1] = self._l2 / (1 - (1 - np.minimum(share, 1)) ** batch_size)
            if type(self._method).fits(Asks.GRADIENT):  # no step leads beyond zero
                penalty = np.minimum(penalty, kind(1 / rates.max()))
        penalty[-1] = 0
        common = (
            rows.values, rows.columns, rows.starts, rows.y, rows.weights, np.ascontiguousarray(order, np.int64),
            self._scaling.shift, self._scaling.scale, self._state, self._numbers, self._loss_numbers, self._powers,
        )  # fmt: skip
        end = (rates, self.steps, penalty, kind(self._scaling.intercept))
        if batch_size == 1:
            each_row(type(self._method), type(self._loss), sparse=self._sparse)(*common, *end)
        else:
            kernel = in_batches(type(self._method), type(self._loss), sparse=self._sparse)
            kernel(*common, *end, batch_size, self._buffer)
        self.steps += count


class Updating(Trainer):
    """Any rule: the gradient of each batch, then one update."""

    def __init__(self, rule: Rule, cost_of: Callable[[Rows], Cost], weights: np.ndarray) -> None:
        self._rule, self._cost_of = rule, cost_of
        self._x = np.array(weights)
        self._state = rule.init(self._x)
        self.steps = 0

    @property
    def hands_out_another(self) -> bool:
        """Whether the parameters that are handed out are not those that the steps start from."""
        return not isinstance(self._rule.answer(self._state, self._x), tuple)

    @property
    def weights(self) -> np.ndarray:
        """See `Trainer.weights`."""
        answer = self._rule.answer(self._state, self._x)
        return np.array(self._x if isinstance(answer, tuple) else answer)

    def move_to(self, weights: np.ndarray, scaling: Scaling) -> None:
        """See `Trainer.move_to`."""
        self._x = np.array(weights)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        leaves = {f"leaf {i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(self._state))}
        return {**leaves, "x": self._x, "steps": np.array(self.steps)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """See `Trainer.restore`."""
        leaves, structure = jax.tree.flatten(self._state)
        found = [np.asarray(arrays[f"leaf {i}"], np.asarray(leaf).dtype)[()] for i, leaf in enumerate(leaves)]
        self._state = jax.tree.unflatten(structure, found)
        self._x, self.steps = arrays["x"].copy(), int(arrays["steps"])

    def rate(self) -> float:
        """See `Trainer.rate`."""
        return float(self._state.lr)

    def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
        """See `Trainer.run`."""
        cost = self._cost_of(rows)
        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            g = cost.grad(self._x, batch).astype(self._x.dtype)
            with np.errstate(all="ignore"):
                change, self._state = self._rule.update(
                    g, self._state, self._x, value=cost(self._x, batch), value_fn=partial(cost, batch=batch),
                    grad_fn=partial(cost.grad, batch=batch),
                )  # fmt: skip
                self._x = np.asarray(self._x + change, self._x.dtype)
            self.steps += 1


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
