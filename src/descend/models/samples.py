"""Rows of any arrays, as a compiled training loop takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

__all__ = ["Samples"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays, or pytrees of them, with one row per sample."""

    parts: tuple[Any, ...]

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.parts)[0])

    def taken(self, order: np.ndarray) -> Samples:
        """These rows alone, in this order."""
        return Samples(jax.tree.map(lambda part: part[order], self.parts))

    @property
    def y(self) -> np.ndarray:
        """The second part: the target."""
        return np.asarray(self.parts[1])
