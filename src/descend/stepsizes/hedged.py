"""Rates fixed in advance for gradient descent on costs of known curvature: faster together than any one rate.

Single steps may raise the cost; only the whole block has a guarantee.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.fields import REQUIRED, Number, in_order, positive, whole
from descend.stepsizes.schedule import Schedule
from descend.stepsizes.stepsize import Asks
from descend.words import cos, floor, sqrt, where

__all__ = ["Chebyshev", "Silver", "SilverStronglyConvex"]

_MOST_DOUBLINGS = 31  # blocks of up to 2³¹ steps


def _curvature(what: str) -> Any:
    return positive(REQUIRED, what)


class Silver(Schedule):
    """Silver steps for convex costs: 1 + ρ^(ν−1) over L, where 2^ν divides the number of the step, ρ = 1 + √2.

    After n = 2ᵏ − 1 steps the error is of order n^(−log₂ρ) ≈ n^(−1.27), where one constant rate has n^(−1).
    """

    asks = Asks.GRADIENT
    paper = "Altschuler & Parrilo (2024), Math. Program., arXiv:2309.16530, equation 1.2"

    L: Number = _curvature("largest curvature")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return (1 + (1 + np.sqrt(2)) ** (_twos(k + 1) - 1)) / self.L


class SilverStronglyConvex(Schedule):
    """Silver steps for costs with curvatures between μ and L: blocks of n steps, n a power of two.

    About κ^0.79 steps a digit, where the best constant rate needs κ.
    """

    asks = Asks.GRADIENT
    paper = "Altschuler & Parrilo (2025), J. ACM 72, arXiv:2309.07879, section 3"

    L: Number = _curvature("largest curvature")
    mu: Number = _curvature("smallest curvature")
    steps: Number = whole(1, 64, "length of a block, a power of two")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_order("mu", self.mu, "L", self.L)
        _check_power_of_two(self.steps)

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        kappa = self.L / self.mu
        place = k % self.steps + 1
        is_last = place == self.steps
        doublings = _twos(place) + where(is_last, 0, 1)  # the length of the sub-block that this step closes or joins
        y = z = 1 / kappa + 0 * place
        for i in range(_MOST_DOUBLINGS):
            root = sqrt(1 + (1 - z) ** 2)
            goes_on = i < doublings
            y, z = where(goes_on, z / (1 - z + root), y), where(goes_on, z * (1 - z + root), z)
        t = where(is_last, z, y)
        return (1 + kappa * t) / (1 + t) / self.L


class Chebyshev(Schedule):
    """The inverse zeros of the Chebyshev polynomial on [μ, L]: the best n rates for a quadratic.

    A block of n steps contracts like heavy ball, without memory. The zeros are taken in the fractal order of
    the paper, in which rounding does not grow; n is a power of two.
    """

    asks = Asks.GRADIENT
    paper = "Young (1953), J. Math. Phys. 32; order: Agarwal, Goel & Zhang (2021), arXiv:2103.01338"

    L: Number = _curvature("largest curvature")
    mu: Number = _curvature("smallest curvature")
    steps: Number = whole(1, 16, "length of a block, a power of two")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_order("mu", self.mu, "L", self.L)
        _check_power_of_two(self.steps)

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        k = k % self.steps
        place = 1 + 0 * k  # in σ₂ₙ each j of σₙ is followed by 2n + 1 − j
        for i in reversed(range(_MOST_DOUBLINGS)):
            length = 2.0 ** (-i) * self.steps  # of the block in which this bit of k decides
            is_odd = floor(k / 2.0**i) % 2 == 1
            place = where((length >= 2) & is_odd, length + 1 - place, place)
        angle = (2 * place - 1) * np.pi / (2 * self.steps)
        return 2 / (self.L + self.mu + (self.L - self.mu) * cos(angle))


def _twos(n: Any) -> Any:
    """How often 2 divides n."""
    count = 0 * n
    for i in range(1, _MOST_DOUBLINGS):
        count = count + where(n % 2.0**i == 0, 1, 0)
    return count


def _check_power_of_two(steps: Any) -> None:
    for n in np.ravel(steps).tolist():
        if n != 2 ** round(np.log2(n)):
            raise ValueError(f"steps must be a power of two, got {n:g}: try {2 ** round(np.log2(n)):g}")
