"""The step-size protocol: `init(x) -> state` and `next(state, at) -> (lr, state, evaluations)`."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from descend.fields import Declared
from descend.words import along, dot

__all__ = ["Asks", "At", "StepSize"]


class Asks(enum.Enum):
    """What a step size needs a method to be. Which methods are that is found by trying their formula."""

    ANY = "any method"
    PROPORTIONAL = "a method whose change is proportional to lr, and whose slots do not depend on it"
    GRADIENT = "plain gradient descent, whose change is -lr·g"


class StepSize(Declared, ABC):
    """A rule for the learning rate. It stands wherever a number may: `GradientDescent(lr=BarzilaiBorwein())`.

    Attributes
    ----------
    asks
        Of which methods it makes sense.
    compares
        Whether it compares costs or gradients of successive steps, so that sampled batches, each with a cost
        of its own, would mislead it.
    waits
        Whether it waits for the cost to get lower, as that of one batch after another does not.
    takes_slopes
        Whether it reads off the gradient how far away a level of the cost is, so that a clipped one would mislead it.
    paper
        Where it comes from.
    """

    asks: ClassVar[Asks] = Asks.ANY
    compares: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    takes_slopes: ClassVar[bool] = False
    paper: ClassVar[str] = ""

    @abstractmethod
    def init(self, x: Any) -> Any:
        """The state before the first step from `x` (any pytree of numbers and arrays)."""

    @abstractmethod
    def next(self, state: Any, at: At) -> tuple[Any, Any, Any]:
        """The rate of the step that leaves `at.x`, the next state, and how often the objective was called."""


class At:
    """Where the descent stands, for a step size to look at; what it does not look at is not computed.

    Attributes
    ----------
    t
        The number of the step about to be made: 1, 2, …
    x, g
        The parameters and the gradient there: pytrees of one structure.
    f
        The cost at `x`.
    d
        The method's change at lr = 1.
    """

    def __init__(
        self,
        t: Any,
        x: Any,
        g: Any,
        change: Callable[[], Any],
        f: Any = None,
        value: Callable[[Any], Any] | None = None,
        grad: Callable[[Any], Any] | None = None,
    ) -> None:
        self.t = t
        self.x = x
        self.g = g
        self._change = change
        self._f = f
        self._value = value
        self._grad = grad

    @property
    def f(self) -> Any:
        """The cost at `x`; a TypeError where the caller of `update` did not give it."""
        if self._f is None:
            raise TypeError("this step size needs the value f(x): pass value= to update")
        return self._f

    @cached_property
    def d(self) -> Any:
        """The change that the method would make at lr = 1."""
        return self._change()

    def value(self, lr: Any) -> Any:
        """The cost at `x + lr * d`; a TypeError where the caller of `update` did not give the function."""
        if self._value is None:
            raise TypeError("this step size needs the function f: pass value_fn= to update")
        return self._value(along(self.x, lr, self.d))

    def slope(self, lr: Any) -> Any:
        """The derivative of the cost along `d` at `x + lr * d`; a TypeError without the gradient function."""
        if self._grad is None:
            raise TypeError("this step size needs the gradient as a function: pass grad_fn= to update")
        return dot(self._grad(along(self.x, lr, self.d)), self.d)
