"""The Barzilai–Borwein step size, safeguarded so that it converges from anywhere."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from descend.fields import Number, between, positive
from descend.stepsizes.backtracking import backtrack
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import (
    difference,
    dot,
    largest,
    like,
    maximum,
    where,
    zeros_like,
)

__all__ = ["AdaptiveBarzilaiBorwein", "BarzilaiBorwein", "ShortBarzilaiBorwein"]

_MEMORY = 4  # how many costs a step may be compared with (Raydan's M, there 10: beside steep walls fewer are better)
_SUFFICIENT = 1e-4  # the share of the slope's promise that a step must keep (Raydan's γ)


class _Memory(NamedTuple):
    x: Any
    g: Any
    lr: Any
    costs: tuple[Any, ...]


class BarzilaiBorwein(StepSize):
    """The rate that makes I/lr the best Hessian for the last step: s·s / s·y.

    Here s is the last change of x and y the last change of the gradient (the "long" step). The rate is halved
    until the cost falls below the highest of the last four (which lets the cost rise for a while, as the rule
    needs). Where the curvature along s is not positive the rate doubles.

    Source: Barzilai & Borwein (1988), IMA J. Numer. Anal. 8; safeguard: Raydan (1997), SIAM J. Optim. 7,
    with the non-monotone condition of Grippo, Lampariello & Lucidi (1986).
    """

    asks = Asks.PROPORTIONAL
    compares = True
    paper = "Barzilai & Borwein (1988), IMA J. Numer. Anal. 8; Raydan (1997), SIAM J. Optim. 7"

    first: Number = positive(1.0, "the most that any coordinate moves in the first step, in units of x")

    def init(self, x: Any) -> _Memory:
        """No past: zero point, zero gradient, no costs."""
        zeros = jax.tree.map(zeros_like, x)
        number = dot(zeros, zeros)
        return _Memory(zeros, zeros, number, (number - like(np.inf, number),) * _MEMORY)

    def _secant(self, s: Any, y: Any, curvature: Any) -> Any:
        return dot(s, s) / curvature

    def next(self, state: _Memory, at: At) -> tuple[Any, _Memory, Any]:
        """See `StepSize.next`; needs the cost and the function."""
        s, y = difference(at.x, state.x), difference(at.g, state.g)
        curvature = dot(s, y)
        reach = maximum(largest(at.d), np.finfo(curvature.dtype).tiny.item())
        slope = dot(at.g, jax.tree.map(lambda leaf: leaf / like(reach, leaf), at.d))  # per unit of x: g·d may overflow
        costs = (at.f, *state.costs[:-1])
        ceiling = costs[0]
        for cost in costs[1:]:
            ceiling = maximum(ceiling, cost)
        # Near the minimum differences of costs are rounding: without slack no step would be good enough.
        ceiling = ceiling + 10 * np.finfo(ceiling.dtype).eps.item() * abs(ceiling)

        known = curvature > 0
        secant = self._secant(s, y, where(known, curvature, 1))
        opening = like(self.first, slope) / reach
        unknown = where(dot(s, s) > 0, 2 * state.lr, state.lr)  # where x rests nothing speaks for a longer step
        lr = where(at.t == 1, opening, where(known, secant, unknown))

        found = backtrack(at, lr, lambda rate: ceiling + _SUFFICIENT * (rate * reach) * slope, where_not_finite=0.1)
        return found.lr, _Memory(at.x, at.g, found.lr, costs), found.count


class ShortBarzilaiBorwein(BarzilaiBorwein):
    """The rate that makes lr·I the best inverse Hessian for the last step: s·y / y·y (the "short" step).

    More careful than `BarzilaiBorwein`, with the same safeguard.

    Source: Barzilai & Borwein (1988), IMA J. Numer. Anal. 8, equation 5.
    """

    def _secant(self, s: Any, y: Any, curvature: Any) -> Any:
        square = dot(y, y)
        return curvature / where(square > 0, square, 1)


class AdaptiveBarzilaiBorwein(ShortBarzilaiBorwein):
    """The long step, but the short one where the two differ much: then the last step met several curvatures.

    On ill-conditioned problems it takes a quarter to a half fewer steps than the long step alone.
    """

    paper = "Zhou, Gao & Dai (2006), Comput. Optim. Appl. 35, section 2"

    first: Number = positive(1.0, "the most that any coordinate moves in the first step, in units of x")
    share: Number = between(0, 1, 0.15, "the short step is taken where it is less than this share of the long one")

    def _secant(self, s: Any, y: Any, curvature: Any) -> Any:
        short, long = super()._secant(s, y, curvature), dot(s, s) / curvature
        return where(short < like(self.share, long) * long, short, long)
