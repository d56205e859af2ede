"""Which rows of the data each step sees: all of them, or the next batch of a shuffled epoch.

Stochastic, mini-batch and full gradient descent are one loop with three samplings. The order of an epoch
depends on nothing but the seed and the number of the epoch.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from descend.objectives.parameters import dtype_of

__all__ = ["Sampling", "as_data"]

_MOST_PLACES = 2**20  # places of shuffled orders handed to the engine at a time


@dataclass(frozen=True)
class Sampling:
    """How a run draws its rows. `batch_size` is None where each step sees all data."""

    rows: int
    batch_size: int | None
    seed: int

    @property
    def samples(self) -> bool:
        """Whether each step sees a batch instead of all data."""
        return self.batch_size is not None

    @property
    def size(self) -> int:
        """Rows in a whole batch."""
        return self.batch_size or self.rows

    @property
    def batches(self) -> int:
        """Steps per epoch; the last batch of an epoch is shorter where the rows do not divide evenly."""
        return -(-self.rows // self.size)

    @property
    def short(self) -> int:
        """Rows in the last batch of an epoch."""
        return self.rows - (self.batches - 1) * self.size

    def orders(self, step: int) -> tuple[int, np.ndarray, int]:
        """From the epoch of `step` on: its number, some epochs' orders (epochs, rows), their last step."""
        epoch = step // self.batches
        count = max(1, _MOST_PLACES // self.rows)
        places = np.stack([self.order(epoch + i) for i in range(min(count, 64))])
        return epoch, places, (epoch + len(places)) * self.batches - 1

    def order(self, epoch: int) -> np.ndarray:
        """The rows in the order in which that epoch sees them, shape (rows,), int32."""
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        return random.permutation(self.rows).astype(np.int32)

    def seen(self, steps: np.ndarray) -> np.ndarray:
        """How many rows were used before each of these steps."""
        epochs, batches = np.divmod(steps, self.batches)
        return np.asarray(epochs * self.rows + batches * self.size)


def as_data(data: Any, x: Any) -> tuple[Any, ...]:
    """The user's data as a tuple of NumPy arrays (or pytrees of them) with one row per sample.

    A tuple or list of arrays is several parts; an array, or a list of numbers, is one. A tuple of arrays within is a
    pytree, a list of arrays its rows. Floats are cast to the dtype of `x`; so are whole numbers too long for its bits,
    with a warning where that rounds them.

    Raises
    ------
    ValueError
        No rows, different numbers of rows, or numbers that are not finite (with the row).
    TypeError
        Columns that are not numbers.
    """
    is_one_part = not isinstance(data, tuple | list) or all(map(_is_number, data))
    parts = (data,) if is_one_part else data
    kind = dtype_of(x)
    arrays = tuple(jax.tree.map(lambda part: _as_rows(part, kind), part) for part in map(_plain, parts))
    counts = [len(leaf) for leaf in jax.tree.leaves(arrays)]
    if not counts or min(counts) == 0:
        raise ValueError("data has no rows")
    if len(set(counts)) > 1:
        raise ValueError(f"the parts of data have different numbers of rows: {', '.join(map(str, counts))}")
    return arrays


def _is_number(part: Any) -> bool:
    return jax.tree_util.all_leaves([part]) and np.ndim(part) == 0


def _plain(part: Any) -> Any:
    if hasattr(part, "to_numpy"):
        return part.to_numpy()
    if isinstance(part, tuple) and any(np.ndim(leaf) > 0 for leaf in jax.tree.leaves(part)):
        return part
    return np.asarray(part) if isinstance(part, list | tuple | range) else part


def _as_rows(part: Any, kind: np.dtype[Any]) -> np.ndarray:
    array = np.asarray(part)
    if array.ndim == 0:
        raise ValueError(f"data must have rows, got the single value {part!r}")
    if len(array) == 0:
        raise ValueError("data has no rows")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"data must be numbers, got an array of {array.dtype}; encode text and dates first")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ValueError(f"data holds {array[tuple(bad)]} at {bad}; fill or drop such rows first")
        return array.astype(kind)
    if array.dtype.kind in "iu" and kind == np.float32 and np.abs(array).max() > np.iinfo(np.int32).max:
        rounded = array.astype(kind)  # in a float32 run whole numbers have 32 bits, and would wrap around
        if (rounded.astype(np.float64) != array.astype(np.float64)).any():
            warnings.warn(
                f"data holds whole numbers up to {array.max()}, too long for the 32 bits of this run: they are rounded "
                "to float32, about 7 digits. Give the parameters in float64 to have them as they are",
                stacklevel=2,
            )
        return rounded
    return array
