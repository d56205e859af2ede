"""Rates from the local curvature of the cost, for plain gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from descend.fields import Number, above, positive
from descend.stepsizes.backtracking import backtrack
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import difference, dot, like, minimum, norm, sqrt, where, zeros_like

__all__ = ["AdGD", "AdGD2", "InverseLipschitz"]


class _Last(NamedTuple):
    x: Any
    g: Any
    lr: Any
    ratio: Any  # of the last two rates


class AdGD(StepSize):
    """Adaptive gradient descent without descent: half the inverse of the local curvature, growing with care.

    Two rules: do not grow the rate too fast, and do not overstep the curvature of the last step. There is no
    line search and nothing to tune; converges for every convex cost that is locally smooth. The first step is a
    short one, only to feel the curvature.
    """

    asks = Asks.GRADIENT
    compares = True
    paper = "Malitsky & Mishchenko (2020), ICML, arXiv:1910.09529, algorithm 1"

    first: Number = positive(1e-4, "length of the first step, as a share of 1 + |x|")

    def init(self, x: Any) -> _Last:
        """No past."""
        zeros, zero = jax.tree.map(zeros_like, x), zeros_like(norm(x))
        return _Last(zeros, zeros, zero, zero)

    def next(self, state: _Last, at: At) -> tuple[Any, _Last, int]:
        """See `StepSize.next`."""
        size, moved = norm(at.g), norm(difference(at.x, state.x))
        curvature = norm(difference(at.g, state.g)) / where(moved > 0, moved, 1)
        opening = like(self.first, size) * (1 + norm(at.x)) / where(size > 0, size, 1)
        second = where(curvature > 0, self._share / where(curvature > 0, curvature, 1), 10 * state.lr)
        known = where(at.t > 2, state.lr, 1)  # so that nothing divides by 0 where it is not used
        later = self._rate(state._replace(lr=known), curvature)
        lr = where(at.t == 1, opening, where(at.t == 2, second, later))
        before = where(state.lr > 0, state.lr, 1)
        ratio = where(at.t > 2, lr / known, self._second_ratio(lr / before))
        return lr, _Last(at.x, at.g, like(lr, state.lr), like(ratio, state.lr)), 0

    _share = 0.5  # of the inverse of the curvature, in the second step

    @staticmethod
    def _second_ratio(ratio: Any) -> Any:
        return ratio

    @staticmethod
    def _rate(last: _Last, curvature: Any) -> Any:
        bent = curvature > 0
        inverse = where(bent, 1 / (2 * where(bent, curvature, 1)), float("inf"))
        return minimum(sqrt(1 + last.ratio) * last.lr, inverse)


class AdGD2(AdGD):
    """`AdGD` with longer steps: its refinement of 2024."""

    paper = "Malitsky & Mishchenko (2024), NeurIPS, arXiv:2308.02261, algorithm 1"

    _share = 0.5**0.5  # the shortest first rate that the paper allows

    @staticmethod
    def _second_ratio(ratio: Any) -> Any:
        return 1 / 3  # θ₀ of the paper

    @staticmethod
    def _rate(last: _Last, curvature: Any) -> Any:
        excess = 2 * (last.lr * curvature) ** 2 - 1
        steep = excess > 0
        bound = where(steep, last.lr / sqrt(where(steep, excess, 1)), float("inf"))
        return minimum(sqrt(2 / 3 + last.ratio) * last.lr, bound)


class InverseLipschitz(StepSize):
    """1/L, with L found by trying: the rate shrinks until the parabola of curvature 1/lr lies above the cost.

    The rate grows a little before each search, so that it follows the local curvature.

    Source: Beck & Teboulle (2009), SIAM J. Imaging Sci. 2, with backtracking; growth as in Nesterov (2013).
    """

    asks = Asks.GRADIENT
    compares = True
    paper = "Beck & Teboulle (2009), SIAM J. Imaging Sci. 2(1), section 4; Nesterov (2013), Math. Program. 140"

    first: Number = positive(1.0, "the first rate that is tried")
    growth: Number = above(0.99, 1.5, "factor on the rate before each search")

    def init(self, x: Any) -> Any:
        """The rate at which the first search begins."""
        return like(self.first, jax.tree.leaves(x)[0])

    def next(self, state: Any, at: At) -> tuple[Any, Any, Any]:
        """See `StepSize.next`; needs the cost and the function."""
        promised = dot(at.g, at.g) / 2

        found = backtrack(at, state, lambda rate: at.f - rate * promised)
        return found.lr, found.lr * like(self.growth, found.lr), found.count
