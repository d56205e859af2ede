"""Polyak's step: as far as the linear model of the cost needs to reach the minimum's value."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from descend.fields import Number, anything, between, positive
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import dot, like, maximum, minimum, norm, where

__all__ = ["Polyak", "PolyakEstimated"]

_LEAST_COSINE = 0.5  # of the angle between the change of a method and the way straight down


class Polyak(StepSize):
    """The rate (f − f*) / |g|², for a known lowest cost f*; of a method's change d in the place of −g, (f − f*) / −g·d.

    Needs no other constant and is optimal for convex costs, smooth or not. With f* too low the steps are too
    long; with f* too high the run stops above the minimum.
    """

    asks = Asks.PROPORTIONAL
    takes_slopes = True
    paper = "Polyak (1969), USSR Comp. Math. 9(3)"

    fmin: Number = anything(0.0, "the lowest cost f*; of a maximum, with the sign turned")

    def init(self, x: Any) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def next(self, state: tuple[()], at: At) -> tuple[Any, tuple[()], int]:
        """See `StepSize.next`; needs the cost."""
        return _to_level(at, self.fmin), state, 0


class _Level(NamedTuple):
    best: Any
    gap: Any


class PolyakEstimated(StepSize):
    """`Polyak` toward a level a little below the best cost so far: the gap to it grows or shrinks by success.

    Source: Bertsekas (2015), Convex Optimization Algorithms, section 3.2, the dynamic rule. It departs from it in
    one point: half of the gap counts as success, because a step toward a level never quite gets there where the
    cost is convex.
    """

    asks = Asks.PROPORTIONAL
    takes_slopes = True
    paper = "Bertsekas (2015), Convex Optimization Algorithms, section 3.2"

    gap: Number = positive(1.0, "how far below the best cost the first level lies")
    growth: Number = positive(1.5, "factor on the gap after a level was reached")
    shrink: Number = between(0, 1, 0.7, "factor on the gap after it was not")

    def init(self, x: Any) -> _Level:
        """No best cost yet."""
        leaf = jax.tree.leaves(x)[0]
        return _Level(like(float("inf"), leaf), like(self.gap, leaf))

    def next(self, state: _Level, at: At) -> tuple[Any, _Level, int]:
        """See `StepSize.next`; needs the cost."""
        reached = at.f <= state.best - state.gap / 2
        resized = state.gap * where(reached, self.growth, self.shrink)
        gap = like(where(at.t == 1, state.gap, resized), state.gap)
        best = minimum(state.best, at.f)
        return _to_level(at, best - gap), _Level(like(best, gap), gap), 0


def _to_level(at: At, level: Any) -> Any:
    # Across the gradient, or up, as momentum may point, a change promises next to nothing: no end to how far it goes.
    slope = maximum(-dot(at.g, at.d), _LEAST_COSINE * norm(at.g) * norm(at.d))
    return maximum(at.f - level, 0) / where(slope > 0, slope, 1)
