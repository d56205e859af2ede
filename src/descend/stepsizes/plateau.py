"""Reduce on plateau: a smaller rate when the cost stops falling."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from descend.fields import REQUIRED, Number, between, nonnegative, positive, whole
from descend.stepsizes.stepsize import At, StepSize
from descend.words import isfinite, like, where

__all__ = ["ReduceOnPlateau"]


class _Memory(NamedTuple):
    lr: Any
    best: Any
    waited: Any  # steps since the best cost


class ReduceOnPlateau(StepSize):
    """Multiplies the rate by `factor` when the cost has not improved for `patience` steps.

    An improvement is one by more than `threshold` of the size of the best cost, whatever its sign. (torch's
    relative mode multiplies the best cost by 1 − threshold, and so takes a negative cost that rises a little
    for one that improves.) torch, keras: `ReduceLROnPlateau`, there counted in epochs.
    """

    waits = True

    lr: Number = positive(REQUIRED, "the rate at the start")
    factor: Number = between(0, 1, 0.1, "what is left of the rate after a reduction")
    patience: Number = whole(1, 10, "steps without improvement that are granted")
    threshold: Number = nonnegative(1e-4, "the least improvement, as a share of the best cost")
    smallest: Number = nonnegative(0.0, "the rate is not reduced below this")

    def init(self, x: Any) -> _Memory:
        """The first rate; no cost yet."""
        leaf = jax.tree.leaves(x)[0]
        return _Memory(like(self.lr, leaf), like(float("inf"), leaf), like(0.0, leaf))

    def next(self, state: _Memory, at: At) -> tuple[Any, _Memory, int]:
        """See `StepSize.next`; needs the cost."""
        margin = self.threshold * where(isfinite(state.best), abs(state.best), 0)
        better = at.f < state.best - margin
        waited = where(better, 0, state.waited + 1)
        reduced = state.lr * self.factor
        out_of_patience = waited > self.patience
        lr = where(out_of_patience, where(reduced > self.smallest, reduced, self.smallest), state.lr)
        lr = where(state.lr < lr, state.lr, lr)
        memory = (lr, where(better, at.f, state.best), where(out_of_patience, 0, waited))
        return lr, _Memory(*(like(new, old) for new, old in zip(memory, state, strict=True))), 0
