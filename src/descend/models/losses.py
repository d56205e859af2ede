"""What a linear model minimises: the cost of one prediction, written once; slope and curvature are derived from it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import jax
import numpy as np
from scipy.optimize import minimize_scalar

from descend.fields import Declared, Number, between, nearest, nonnegative, positive
from descend.words import exp, maximum, softplus, where

__all__ = [
    "Absolute",
    "Cornered",
    "Hinge",
    "Huber",
    "Log",
    "Loss",
    "Poisson",
    "Quantile",
    "Squared",
    "SquaredHinge",
    "loss_named",
]

_SURE = 30.0  # a side of the boundary so far away is certain
_LOOKED_AT = 4_096  # targets that tell where the best constant is


class Loss(Declared):
    """The cost of predicting `p` where `y` was seen. A subclass writes `value` in words, its numbers after p and y.

    Attributes
    ----------
    of_classes
        Whether y is -1 or 1, and p the side of the boundary; else y is any number.
    bends
        Whether it bends wherever it has a slope.
    """

    of_classes: ClassVar[bool] = False
    bends: ClassVar[bool] = False
    paper: ClassVar[str] = ""

    @staticmethod
    @abstractmethod
    def value(p: Any, y: Any, *numbers: Any) -> Any:
        """The cost of one prediction."""

    @property
    def arguments(self) -> tuple[float, ...]:
        """The numbers that `value` takes after p and y."""
        return tuple(float(getattr(self, name)) for name in self.names())

    def values(self, p: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The costs of many predictions, of the shape of `p`."""
        return np.asarray(type(self).value(p, y, *self.arguments))

    def mean(self, p: np.ndarray) -> np.ndarray:
        """What is expected of y where the prediction is `p`."""
        return p

    def floor(self, y: np.ndarray) -> np.ndarray:
        """What the best prediction of each row costs, (n,): how much of a cost there is to lose."""
        return np.zeros(len(y))

    def constant(self, y: np.ndarray, weights: np.ndarray) -> float:
        """The prediction that costs least where it is the same for all rows.

        Of many numbers some tell it. Of classes each is counted once more than it was seen: of few rows of one class
        nobody can tell that there is no other.
        """
        if self.of_classes:
            y, weights = np.array([-1.0, 1.0]), 1.0 + np.array([weights @ (y < 0), weights @ (y > 0)])
            low, high = -_SURE, _SURE
        else:
            some = np.random.default_rng(0).permutation(len(y))[:_LOOKED_AT]
            y, weights = y[some], weights[some]
            low, high = self._around_the_lowest(y, weights)
        reach = high - low
        if not reach > 0:
            return low
        size = float(weights @ self.values(np.full(len(y), low), y)) or 1.0  # numbers of 1e100 have no squares

        def cost(share: float) -> float:
            return float(weights @ self.values(np.full(len(y), low + share * reach), y)) / size

        return low + reach * float(minimize_scalar(cost, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x)

    def _around_the_lowest(self, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """Two targets between which the best constant is, with one between them at most: one that is far off is none.

        The cost is convex: of two places inside, what is beyond the dearer one cannot hold the lowest.
        """
        places = np.unique(y)
        low, high = 0, len(places) - 1
        while high - low > 2:
            left, right = low + (high - low) // 3, high - (high - low) // 3
            of_left, of_right = (float(weights @ self.values(np.full(len(y), places[i]), y)) for i in (left, right))
            low, high = (low, right) if of_left < of_right else (left, high)
        return float(places[low]), float(places[high])

    def curvature(self, p: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The second derivative in each prediction, by differences."""
        h = 1e-3 * np.maximum(1, abs(p))
        ahead, here, behind = (self.values(at, y) for at in (p + h, p, p - h))
        return np.asarray(np.maximum(ahead - 2 * here + behind, 0) / h**2)

    @classmethod
    def slope(cls, p: Any, y: Any, *numbers: Any) -> Any:
        """The derivative of `value` in p, as JAX derives it."""
        return jax.grad(cls.value)(p, y, *numbers)


class Squared(Loss):
    """Half the squared error: least squares."""

    bends = True

    @staticmethod
    def value(p: Any, y: Any) -> Any:
        """The cost of one prediction."""
        return (p - y) ** 2 / 2

    def constant(self, y: np.ndarray, weights: np.ndarray) -> float:
        """See `Loss.constant`: the mean."""
        return float(weights @ y) / max(float(weights.sum()), 1e-300)


class Cornered(Loss):
    """A loss of straight pieces, whose slope jumps from one to the next; within `width` the corner is rounded off.

    Rounded off, the cost of a prediction is larger by half the width at most.
    """

    @property
    def has_corner(self) -> bool:
        """Whether it is not rounded off."""
        return self == self.rounded(0.0)

    def rounded(self, width: float) -> Self:
        """The same with another width."""
        return self.with_numbers(lambda name, number: width if name == "width" else number)


def _width() -> Any:
    return nonnegative(0.0, "how far from its corner the cost is rounded off, in units of the target or the margin")


def _bent(u: Any, width: Any) -> Any:
    """|u|, its corner rounded off."""
    size = abs(u)
    return where(size < width, (u**2 / where(width > 0, width, 1) + width) / 2, size)


class Absolute(Cornered):
    """The error itself: the median is predicted, and outliers count little."""

    width: Number = _width()

    @staticmethod
    def value(p: Any, y: Any, width: Any) -> Any:
        """The cost of one prediction."""
        return _bent(p - y, width)


class Huber(Loss):
    """Squared for small errors, straight beyond `delta`: least squares that outliers cannot bend."""

    paper = "Huber (1964), Ann. Math. Stat. 35(1)"

    delta: Number = positive(1.35, "the error from which on the cost is straight, in units of the target")

    @staticmethod
    def value(p: Any, y: Any, delta: Any) -> Any:
        """The cost of one prediction."""
        error = abs(p - y)
        return where(error <= delta, error**2 / 2, delta * (error - delta / 2))


class Quantile(Cornered):
    """Tilted absolute error: predicts the value below which a share `q` of the targets lies."""

    paper = "Koenker & Bassett (1978), Econometrica 46(1)"

    q: Number = between(0.0, 1, 0.5, "the share of targets below the prediction")
    width: Number = _width()

    @staticmethod
    def value(p: Any, y: Any, q: Any, width: Any) -> Any:
        """The cost of one prediction."""
        return (q - 0.5) * (y - p) + _bent(y - p, width) / 2


class Poisson(Loss):
    """For counts: the logarithm of their expected number is linear."""

    bends = True

    @staticmethod
    def value(p: Any, y: Any) -> Any:
        """The cost of one prediction, but for a constant."""
        return exp(p) - y * p

    def mean(self, p: np.ndarray) -> np.ndarray:
        """The expected count."""
        return np.asarray(exp(p))

    def floor(self, y: np.ndarray) -> np.ndarray:
        """See `Loss.floor`: that of the prediction log(y)."""
        is_met = y > 0
        return np.where(is_met, self.values(np.log(np.where(is_met, y, 1)), y), 0.0)

    def constant(self, y: np.ndarray, weights: np.ndarray) -> float:
        """See `Loss.constant`: the logarithm of the mean, which is no less than half a count: that may yet come."""
        return float(np.log(max(float(weights @ y), 0.5) / max(float(weights.sum()), 1e-300)))


class Log(Loss):
    """Logistic regression: minus the logarithm of the probability that was given to the class."""

    of_classes = True
    bends = True

    @staticmethod
    def value(p: Any, y: Any) -> Any:
        """The cost of one prediction."""
        return softplus(-y * p)


class Hinge(Cornered):
    """The support vector machine: no cost from a margin of 1 on."""

    of_classes = True
    paper = "Cortes & Vapnik (1995), Machine Learning 20"

    width: Number = _width()

    @staticmethod
    def value(p: Any, y: Any, width: Any) -> Any:
        """The cost of one prediction."""
        short = 1 - y * p
        return (short + _bent(short, width)) / 2


class SquaredHinge(Loss):
    """The hinge squared: smooth, and harder on what lies far on the wrong side."""

    of_classes = True
    bends = True

    @staticmethod
    def value(p: Any, y: Any) -> Any:
        """The cost of one prediction."""
        return maximum(1 - y * p, 0) ** 2


_NAMED: dict[str, type[Loss]] = {
    "squared": Squared,
    "absolute": Absolute,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "log": Log,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
}


def loss_named(loss: Any, *, of_classes: bool) -> Loss:
    """The loss of that name, with its numbers if they are given, "quantile:0.9"; or the loss itself.

    Raises
    ------
    ValueError, TypeError
        No such loss, or one for the other kind of target, or numbers that make no sense.
    """
    legal = [name for name, kind in _NAMED.items() if kind.of_classes == of_classes]
    if isinstance(loss, str):
        name, _, numbers = loss.partition(":")
        if name not in _NAMED:
            raise ValueError(f"loss must be one of {', '.join(legal)}, got {loss!r}.{nearest(name, legal)}")
        loss = _NAMED[name](*_numbers(loss, numbers))
    if not isinstance(loss, Loss):
        raise TypeError(f"loss must be a name ({', '.join(legal)}) or a Loss such as Huber(1.35), got {loss!r}")
    if loss.of_classes != of_classes:
        target = "classes" if of_classes else "numbers"
        raise ValueError(f"{type(loss).__name__} is not a loss for {target}; legal: {', '.join(legal)}")
    return loss


def _numbers(loss: str, given: str) -> list[float]:
    try:
        return [float(number) for number in given.split(",")] if given else []
    except ValueError:
        raise ValueError(f"after the colon of a loss come its numbers, as in quantile:0.9, got {loss!r}") from None
