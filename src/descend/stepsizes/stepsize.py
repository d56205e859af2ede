"""The step-size protocol: `init(x) -> state` and `next(state, at) -> (lr, state, evaluations)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

from descend.fields import Declared
from descend.words import along

__all__ = ["At", "Search", "StepSize"]


class StepSize(Declared, ABC):
    """A rule for the learning rate. It stands wherever a number may: `GradientDescent(lr=BarzilaiBorwein())`."""

    @abstractmethod
    def init(self, x: Any) -> Any:
        """The state before the first step from `x` (any pytree of numbers and arrays)."""

    @abstractmethod
    def next(self, state: Any, at: At) -> tuple[Any, Any, Any]:
        """The rate of the step that leaves `at.x`, the next state, and how often the objective was called."""


class Search(StepSize):
    """A step size that scales the method's change at lr = 1 and looks at the cost along it.

    It has a meaning only for a method whose change is proportional to `lr` and whose slots do not depend on
    it, and only where the cost is that of the whole problem, not of a sampled batch.
    """


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
    ) -> None:
        self.t = t
        self.x = x
        self.g = g
        self._change = change
        self._f = f
        self._value = value

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
