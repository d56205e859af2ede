"""Schedules: rates that depend on nothing but the number of the step.

Each is also a plain function of k = 0, 1, … (numbers or arrays), to be plotted or handed to optax.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import jax
import numpy as np

from descend.fields import REQUIRED, Number, between, nonnegative, part, positive, whole
from descend.stepsizes.stepsize import At, StepSize
from descend.words import cos, floor, like, log, maximum, minimum, where

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseTime",
    "Joined",
    "OneCycle",
    "Polynomial",
    "Schedule",
    "StepDecay",
    "Warmup",
]


class Schedule(StepSize):
    """A rate that is a function of the number of steps made so far. A subclass writes only `__call__`."""

    @abstractmethod
    def __call__(self, k: Any) -> Any:
        """The rate after k steps, k = 0, 1, …; number or array."""

    def init(self, x: Any) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def next(self, state: tuple[()], at: At) -> tuple[Any, tuple[()], int]:
        """See `StepSize.next`."""
        return self(like(at.t - 1, jax.tree.leaves(at.g)[0])), state, 0


def _rate() -> Any:
    return positive(REQUIRED, "the rate at the start")


def _end() -> Any:
    return nonnegative(0.0, "the rate at the end, and from then on")


def _steps() -> Any:
    return whole(1, REQUIRED, "how many steps it takes")


class Constant(Schedule):
    """The same rate always: a number, as a part of `Joined`."""

    lr: Number = _rate()

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return self.lr + 0 * k


class StepDecay(Schedule):
    """The rate times `factor` after each `every` steps. torch: `StepLR`."""

    lr: Number = _rate()
    every: Number = whole(1, REQUIRED, "steps between two drops")
    factor: Number = between(0, 1, 0.1, "what is left of the rate after a drop")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return self.lr * self.factor ** floor(k / self.every)


class ExponentialDecay(Schedule):
    """The rate times `factor` after each step. torch: `ExponentialLR`."""

    lr: Number = _rate()
    factor: Number = between(0, 1, 0.99, "what is left of the rate after a step")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return self.lr * self.factor**k


class InverseTime(Schedule):
    """The rate divided by (1 + decay·k)^power: with 1/2 < power ≤ 1 it meets the conditions of Robbins and Monro.

    keras: `InverseTimeDecay`.
    """

    paper = "Robbins & Monro (1951), Ann. Math. Stat. 22"

    lr: Number = _rate()
    decay: Number = nonnegative(0.01, "how fast it falls")
    power: Number = positive(1.0, "1 falls as 1/k, 0.5 as 1/√k")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return self.lr / (1 + self.decay * k) ** self.power


class Polynomial(Schedule):
    """From `lr` to `end` in `steps` steps, along (1 − k/steps)^power; linear with power 1.

    torch: `PolynomialLR` (to 0), keras: `PolynomialDecay`, optax: `polynomial_schedule`.
    """

    lr: Number = _rate()
    steps: Number = _steps()
    power: Number = positive(1.0, "1 is a straight line")
    end: Number = _end()

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        left = 1 - minimum(k / self.steps, 1)
        return self.end + (self.lr - self.end) * left**self.power


class Cosine(Schedule):
    """From `lr` to `end` in `steps` steps along half a cosine. torch: `CosineAnnealingLR`, keras: `CosineDecay`."""

    paper = "Loshchilov & Hutter (2017), arXiv:1608.03983, equation 5"

    lr: Number = _rate()
    steps: Number = _steps()
    end: Number = _end()

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return _half_wave(self.lr, self.end, minimum(k / self.steps, 1))


class CosineRestarts(Schedule):
    """`Cosine` that starts again after `steps` steps, each time `growth` times as long.

    torch: `CosineAnnealingWarmRestarts`.
    """

    paper = "Loshchilov & Hutter (2017), arXiv:1608.03983"

    lr: Number = _rate()
    steps: Number = whole(1, REQUIRED, "length of the first wave")
    growth: Number = whole(1, 2, "each wave is so many times as long as the one before")
    end: Number = _end()

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        steps, growth = self.steps, self.growth
        grows = growth > 1
        base = where(grows, growth, 2)  # so that no logarithm of 1 divides where it is not used
        ratio = 1 + (k / steps) * (base - 1)
        wave = floor(log(ratio) / log(base) + 1e-6)  # the slack is for the rounding of a quotient of logarithms
        before, length = steps * (base**wave - 1) / (base - 1), steps * base**wave
        share = where(grows, (k - before) / length, (k % steps) / steps)
        return _half_wave(self.lr, self.end, maximum(share, 0))


class Warmup(Schedule):
    """From `start`·lr to lr in `steps` steps in a straight line, then lr. torch: `LinearLR`.

    It does not start at 0: such a step would be wasted, and some methods (FTRL) divide by the rate.
    """

    paper = "Goyal et al. (2017), arXiv:1706.02677, section 2.2"

    lr: Number = _rate()
    steps: Number = _steps()
    start: Number = positive(0.01, "the first rate, as a share of lr")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        return self.lr * (self.start + (1 - self.start) * minimum(k / self.steps, 1))


class OneCycle(Schedule):
    """Up from lr/first to lr along half a cosine for a `rise` of the steps, then down to lr/(first·last).

    torch: `OneCycleLR`.
    """

    paper = "Smith & Topin (2019), arXiv:1708.07120"

    lr: Number = positive(REQUIRED, "the highest rate")
    steps: Number = whole(2, REQUIRED, "length of the cycle")
    rise: Number = between(0, 1, 0.3, "share of the steps in which the rate rises")
    first: Number = positive(25.0, "the highest rate divided by the first")
    last: Number = positive(1e4, "the first rate divided by the last")

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        low = self.lr / self.first
        top, end = self.rise * self.steps - 1, self.steps - 1
        up = _half_wave(low, self.lr, minimum(k / where(top > 0, top, 1), 1))
        down = _half_wave(self.lr, low / self.last, minimum((k - top) / (end - top), 1))
        return where(k <= top, up, down)


_NUMBERS = (int, float, np.number)  # a file, or the dtype of a run, makes floats of whole numbers


class Joined(Schedule):
    """Schedules one after the other: the i-th from step `at[i-1]` on, with steps counted from there.

    `Joined((Warmup(0.1, 100), Cosine(0.1, 900)), at=(100,))`. optax: `join_schedules`.
    """

    schedules: tuple[Schedule, ...] = part(
        lambda v: isinstance(v, tuple | list) and len(v) > 0 and all(isinstance(p, Schedule) for p in v),
        "a tuple of schedules",
        "the schedules, in order",
    )
    at: tuple[int, ...] = part(
        lambda v: isinstance(v, tuple | list) and all(isinstance(k, _NUMBERS) and k > 0 and k == int(k) for k in v),
        "a tuple of whole numbers > 0",
        "the steps at which the next schedule takes over",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "schedules", tuple(self.schedules))
        object.__setattr__(self, "at", tuple(int(k) for k in self.at))
        if len(self.at) != len(self.schedules) - 1 or list(self.at) != sorted(set(self.at)):
            raise ValueError(
                f"{len(self.schedules)} schedules need {len(self.schedules) - 1} growing steps at which the next "
                f"takes over, got at={self.at}"
            )

    def __call__(self, k: Any) -> Any:
        """The rate after k steps."""
        result = self.schedules[0](k)
        for schedule, begin in zip(self.schedules[1:], self.at, strict=True):
            result = where(k < begin, result, schedule(maximum(k - begin, 0)))
        return result


def _half_wave(begin: Any, end: Any, share: Any) -> Any:
    """From `begin` to `end` along half a cosine as `share` goes from 0 to 1."""
    return end + (begin - end) * (1 + cos(np.pi * share)) / 2
