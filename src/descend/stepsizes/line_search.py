"""Line searches: the rate is found by looking at the cost along the method's change."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from descend.fields import Number, above, between, in_order, positive
from descend.stepsizes.backtracking import backtrack
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import dot, isfinite, like, repeat_while, where

__all__ = ["Armijo", "StrongWolfe"]

_MOST_LOOKS = 60


class Armijo(StepSize):
    """Backtracking: shrinks the rate until the cost falls by a share of what the slope promises.

    Each search begins at `growth` times the last rate, so that the rate can recover.

    Source: Armijo (1966), Pacific J. Math. 16; Nocedal & Wright (2006), algorithm 3.1.
    """

    asks = Asks.PROPORTIONAL
    compares = True
    paper = "Armijo (1966), Pacific J. Math. 16(1)"

    first: Number = positive(1.0, "the rate tried first")
    shrink: Number = between(0.01, 1, 0.5, "factor on the rate at each trial")
    sufficient: Number = between(0, 1, 1e-4, "share of the slope's promise that is enough (c₁)")
    growth: Number = above(0.99, 2.0, "the next search begins at so many times the rate found")

    def init(self, x: Any) -> Any:
        """The rate at which the first search begins."""
        return like(self.first, jax.tree.leaves(x)[0])

    def next(self, state: Any, at: At) -> tuple[Any, Any, Any]:
        """See `StepSize.next`; needs the cost and the function."""
        slope = dot(at.g, at.d)

        found = backtrack(at, state, lambda rate: at.f + self.sufficient * rate * slope, self.shrink)
        return found.lr, found.lr * like(self.growth, found.lr), found.count


class _Bracket(NamedTuple):
    low: Any  # the best rate so far that meets the first condition
    low_cost: Any
    high: Any  # the other end; infinite while none is known
    lr: Any  # the rate tried last
    done: Any
    count: Any


class StrongWolfe(StepSize):
    """A rate at which the cost has fallen enough, and the slope is flat enough, on either side.

    The bracket grows by doubling until it holds such a rate, then halves. Where none is found the best so far is
    taken; the rate is 0, and x stands still, where no rate that was tried lowers the cost: the next search begins at
    the last of them.

    Source: Wolfe (1969), SIAM Review 11; Nocedal & Wright (2006), algorithms 3.5 and 3.6, with bisection in
    the place of interpolation.
    """

    asks = Asks.PROPORTIONAL
    compares = True
    paper = "Wolfe (1969), SIAM Review 11(2); Nocedal & Wright (2006), algorithms 3.5 and 3.6"

    first: Number = positive(1.0, "the rate tried first")
    sufficient: Number = between(0, 1, 1e-4, "share of the slope's promise that is enough (c₁)")
    flatness: Number = between(0, 1, 0.9, "share of the first slope that may remain (c₂)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_order("sufficient", self.sufficient, "flatness", self.flatness)

    def init(self, x: Any) -> Any:
        """The rate at which the first search begins."""
        return like(self.first, jax.tree.leaves(x)[0])

    def next(self, state: Any, at: At) -> tuple[Any, Any, Any]:
        """See `StepSize.next`; needs the cost, the function and its gradient."""
        slope0 = dot(at.g, at.d)
        none = like(0, slope0)

        def look(b: _Bracket) -> _Bracket:
            lr, cost, slope = b.lr, at.value(b.lr), at.slope(b.lr)
            too_far = ~((cost <= at.f + self.sufficient * lr * slope0) & (cost <= b.low_cost) & isfinite(slope))
            flat = abs(slope) <= self.flatness * abs(slope0)
            # A good rate becomes the low end; where the slope there points back, the old one closes the bracket.
            back = slope * where(b.high >= b.low, 1, -1) >= 0
            high = where(too_far, lr, where(back, b.low, b.high))
            low, low_cost = where(too_far, b.low, lr), where(too_far, b.low_cost, cost)
            middle = (low + where(isfinite(high), high, low)) / 2
            return _Bracket(low, low_cost, high, where(isfinite(high), middle, 2 * low), ~too_far & flat, b.count + 2)

        def goes_on(b: _Bracket) -> Any:
            return ~b.done & (b.count < _MOST_LOOKS) & (slope0 < 0)

        begin = _Bracket(none, at.f, none + like(float("inf"), none), state, none > 1, like(0, at.t))
        found = repeat_while(goes_on, look, begin)
        return found.low, where(found.low > 0, found.low, where(found.lr > 0, found.lr, state)), found.count
