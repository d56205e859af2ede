"""Around a method: after each step the nearest point of a set is taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.fields import REQUIRED, Declared, Number, anything, part, positive
from descend.methods.around import Around, Wrapped, inner
from descend.methods.foreign import Optax
from descend.methods.method import Method
from descend.methods.rule import Rule
from descend.stepsizes import Armijo, BarzilaiBorwein
from descend.words import along, difference, flat, like, maximum, minimum, norm, sign, sum, where

__all__ = ["Ball", "Box", "L1Ball", "Projected", "Set", "Simplex"]


class Set(Declared, ABC):
    """A closed convex set. A subclass writes `nearest(x)`, for a pytree x."""

    @abstractmethod
    def nearest(self, x: Any) -> Any:
        """The point of the set that is nearest to `x`."""


class Box(Set):
    """low ≤ x ≤ high, coordinate by coordinate; numbers, or arrays of the shape of x."""

    low: Number = anything(-np.inf, "the lowest value, -inf for none")
    high: Number = anything(np.inf, "the highest value, inf for none")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name, value in {**dict(zip(self.names(), args, strict=False)), **kwargs}.items():
            if name in self.names() and np.isnan(np.asarray(value, float)).any():
                raise ValueError(f"{name} holds nan: give a number, or inf for none")
        super().__init__(*map(_as_array, args), **{name: _as_array(value) for name, value in kwargs.items()})
        if np.any(np.asarray(self.low) > np.asarray(self.high)):
            raise ValueError(f"the box is empty: low = {self.low!r} lies above high = {self.high!r}")

    @classmethod
    def _check(cls, name: str, value: Any, legal: Any) -> None:
        legal.check(name, np.nan_to_num(np.asarray(value, float)))  # infinite bounds are legal here

    def nearest(self, x: Any) -> Any:
        """See `Set.nearest`."""
        for leaf in jax.tree.leaves(x):
            for bound in (self.low, self.high):
                if np.ndim(bound) > 0 and np.shape(bound) != np.shape(leaf):
                    raise ValueError(f"the box has bounds of shape {np.shape(bound)}, the parameters {np.shape(leaf)}")
        return jax.tree.map(lambda p: maximum(minimum(p, like(self.high, p)), like(self.low, p)), x)

    def free(self, x: Any, g: Any) -> Any:
        """The gradient without the coordinates at a bound that it would push beyond: of them nothing is to be had.

        A search that counted on them would shorten its steps for what they cannot keep.
        """

        def inside(p: Any, slope: Any) -> Any:
            is_held = ((p <= like(self.low, p)) & (slope > 0)) | ((p >= like(self.high, p)) & (slope < 0))
            return where(is_held, 0 * slope, slope)

        return jax.tree.map(inside, x, g)


def _as_array(bound: Any) -> Any:
    return np.asarray(bound, float) if isinstance(bound, list | tuple) else bound


class Ball(Set):
    """|x| ≤ radius, in Euclidean length."""

    radius: Number = positive(1.0, "the largest length of x")

    def nearest(self, x: Any) -> Any:
        """See `Set.nearest`."""
        size = norm(x)
        factor = minimum(1, like(self.radius, size) / where(size > 0, size, 1))
        return jax.tree.map(lambda p: p * like(factor, p), x)


class Simplex(Set):
    """x ≥ 0 with the sum `total`: probabilities, portfolios.

    Source: Held, Wolfe & Crowder (1974), Math. Program. 6, by sorting.
    """

    total: Number = positive(1.0, "the sum of all coordinates")

    def nearest(self, x: Any) -> Any:
        """See `Set.nearest`."""
        top, below = _threshold(flat(x), self.total)
        return jax.tree.map(lambda p: maximum(p - like(top, p) + like(below, p), 0), x)


class L1Ball(Set):
    """The sum of magnitudes is at most `radius`: sparse points.

    Source: Duchi et al. (2008), ICML, figure 1.
    """

    radius: Number = positive(1.0, "the largest sum of magnitudes")

    def nearest(self, x: Any) -> Any:
        """See `Set.nearest`."""
        sizes = abs(flat(x))
        top, below = _threshold(sizes, self.radius)
        is_outside = sum(sizes) > self.radius

        def cut(p: Any) -> Any:
            return where(is_outside, sign(p) * maximum(abs(p) - like(top, p) + like(below, p), 0), p)

        return jax.tree.map(cut, x)


class Projected(Around):
    """Each step ends at the nearest point of `onto`: `Projected(GradientDescent(0.1), Box(low=0))`.

    The run has converged where the step of the gradient, projected, leads nowhere. Start inside the set. Methods that
    scale each coordinate for itself (Adam, AdaGrad, signs) go with a Box alone.
    optax: `projections`.
    """

    paper = "Goldstein (1964), Bull. AMS 70; Levitin & Polyak (1966)"
    restricts = True

    method: Rule = inner()
    onto: Set = part(lambda v: isinstance(v, Set), "a set such as Box(low=0)", "the set", REQUIRED)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for inside in self.method.parts():
            if isinstance(inside, Around) and inside.hands_out:
                raise ValueError(
                    f"{type(inside).__name__} hands out a point of its own, which would not be projected: put the "
                    "projection inside, Averaged(Projected(...))"
                )
            if isinstance(inside, Projected):
                raise ValueError(
                    "the nearest point of one set need not lie in the other: a projection goes onto one set, so leave "
                    "one out, or write the set of both as a Set of your own"
                )
            if self.is_joint:
                self._check_keeps_directions(inside)

    @property
    def is_joint(self) -> bool:
        """See `Around.is_joint`: of a box each coordinate is moved for itself."""
        return not isinstance(self.onto, Box)

    def _check_keeps_directions(self, inside: Any) -> None:
        """Refuse what changes each coordinate for itself where coordinates are projected together."""
        bends = (
            (isinstance(inside, Method) and not inside.is_linear())
            or (isinstance(inside, Around) and inside.bends)
            or (isinstance(inside, Optax) and inside.bends())
        )
        if bends:
            raise ValueError(
                f"{type(inside).__name__} changes each coordinate for itself, for which the nearest point of "
                f"{type(self.onto).__name__} is the wrong one: use gradient descent or momentum, or a Box"
            )

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`; a line search looks inside the set, along the slope as far as the set lets it go."""
        box = self.onto if isinstance(self.onto, Box) and isinstance(self.lr, BarzilaiBorwein) else None
        if box is not None or isinstance(self.lr, Armijo):
            function = extra.get("value_fn")
            extra["value_fn"] = None if function is None else lambda x: function(self.onto.nearest(x))
            grads = self.slope(params, grads) if box is None else box.free(params, grads)
        change, new = super().update(grads, state, params, **extra)
        return difference(self.onto.nearest(along(params, 1.0, change)), params), new

    def reach(self, x: Any, to: Any) -> Any:
        """See `Rule.reach`."""
        return self.onto.nearest(self.method.reach(x, to))


def _threshold(values: Any, total: Any) -> tuple[Any, Any]:
    """What must be taken off all values, those that become negative being cut at 0, for the sum to be `total`.

    Given as the largest value and how far below it: the difference of the two would lose what matters.
    """
    space = jnp if isinstance(values, jax.Array) else np
    top = values.max()
    falling = space.sort(values - top)[::-1]
    excess = space.cumsum(falling) - like(total, values)
    counts = like(np.arange(1, values.size + 1), values)
    kept = sum(where(falling - excess / counts > 0, 1, 0))
    return top, -excess[kept - 1] / like(kept, values)
