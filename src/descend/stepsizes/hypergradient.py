"""Hypergradient descent: gradient descent on the learning rate itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from descend.fields import Number, nonnegative, positive
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import dot, like, maximum, zeros_like

__all__ = ["Hypergradient"]


class _Last(NamedTuple):
    lr: Any
    d: Any


class Hypergradient(StepSize):
    """Raises the rate while successive steps agree, lowers it when they oppose: lr ← lr − hyper · g·d₋₁.

    d₋₁ is the last change at lr = 1, so that g·d₋₁ is the derivative of the cost by the last rate. Departs from
    the paper in one point: the rate does not become negative.
    """

    asks = Asks.PROPORTIONAL
    paper = "Baydin et al. (2018), ICLR, arXiv:1703.04782, algorithms 4 to 6"

    lr: Number = positive(0.01, "the first rate")
    hyper: Number = nonnegative(1e-4, "the rate at which the rate is learned")

    def init(self, x: Any) -> _Last:
        """The first rate; no change yet."""
        return _Last(like(self.lr, jax.tree.leaves(x)[0]), jax.tree.map(zeros_like, x))

    def next(self, state: _Last, at: At) -> tuple[Any, _Last, int]:
        """See `StepSize.next`."""
        lr = maximum(state.lr - like(self.hyper, state.lr) * dot(at.g, state.d), 0)
        return lr, _Last(like(lr, state.lr), at.d), 0
