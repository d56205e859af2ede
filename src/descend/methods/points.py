"""Around a method: the change is altered after the method has made it, or another point is handed out."""

from __future__ import annotations

from typing import Any

import jax

from descend.fields import Number, between, fraction, nonnegative, whole
from descend.methods.around import Around, Wrapped, inner
from descend.methods.means import decayed, running
from descend.methods.rule import Rule
from descend.stepsizes import StepSize
from descend.words import along, difference, like, maximum, where

__all__ = ["Averaged", "DecoupledWeightDecay", "ExponentialAverage", "Lookahead", "ScheduleFree"]


class DecoupledWeightDecay(Around):
    """The parameters shrink by lr·decay in each step, beside what the method does: SGDW of SGD, AdamW of Adam.

    optax: `add_decayed_weights` before the rate.
    """

    paper = "Loshchilov & Hutter (2019), arXiv:1711.05101, algorithms 1 and 2"

    leaves_sets = True

    method: Rule = inner()
    decay: Number = nonnegative(0.01, "weight decay λ, times lr")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.lr is None:
            raise ValueError(
                f"the decay is a share of the rate, and {type(self.method).__name__} has no one rate: put it inside, "
                "around a method that has one, or use WeightDecay"
            )
        if isinstance(self.lr, StepSize) and self.lr.compares:
            raise ValueError(
                f"{type(self.lr).__name__} measures the cost, of which this decay is no part: use WeightDecay, whose "
                "penalty it does see, or a number as lr"
            )
        for part in self.method.parts():
            if isinstance(part, Around) and part.hands_out:
                raise ValueError(
                    f"{type(part).__name__} hands out a point of its own, which would not shrink as it should: put the "
                    f"decay inside, {type(part).__name__}(DecoupledWeightDecay(...))"
                )

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        change, new = super().update(grads, state, params, **extra)
        shrunk = jax.tree.map(lambda d, p: decayed(d, p, like(new.lr, p), like(self.decay, p)), change, params)
        return shrunk, new


class Averaged(Around):
    """Hands out the mean of all points from step `after` on: Polyak–Ruppert averaging.

    The path is the method's own; the mean is for runs that end by their number of steps, with sampled
    gradients. A run that converges hands out the point at which it did. torch: `ASGD`, `AveragedModel`.
    """

    paper = "Polyak & Juditsky (1992), SIAM J. Control Optim. 30; Ruppert (1988)"
    hands_out = True

    method: Rule = inner()
    after: Number = whole(0, 0, "the step from which on points are averaged")

    def init(self, params: Any) -> Wrapped:
        """See `Rule.init`."""
        return Wrapped(self.method.init(params), params)

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        change, new = super().update(grads, state, params, **extra)
        count = maximum(new.t - like(self.after, new.t), 0) + 1
        mean = jax.tree.map(lambda m, p: self._mean(m, p, like(count, p)), state.own, along(params, 1.0, change))
        return change, new._replace(own=mean)

    def _mean(self, mean: Any, point: Any, count: Any) -> Any:
        """The mean with one more point, which is the `count`-th."""
        return mean + (point - mean) / count

    def answer(self, state: Wrapped, x: Any) -> Any:
        """The mean."""
        return state.own


class ExponentialAverage(Averaged):
    """Hands out a running mean of the points, which forgets by the factor `decay`; it starts at the start.

    As `Averaged`, but what is handed out follows the last few points. optax: `ema` of the parameters.
    """

    paper = "Polyak & Juditsky (1992), SIAM J. Control Optim. 30"

    method: Rule = inner()
    after: Number = whole(0, 0, "the step from which on points are averaged")
    decay: Number = between(0, 1, 0.99, "what is kept of the mean in each step")

    def _mean(self, mean: Any, point: Any, count: Any) -> Any:
        return where(count == 1, point, running(mean, like(self.decay, point), point))


class Lookahead(Around):
    """After each `every` steps goes back to a `share` of the way from where these began.

    Wins by steadying a restless method; costs a copy of the parameters. optax: `lookahead`.
    """

    paper = "Zhang et al. (2019), NeurIPS, arXiv:1907.08610, algorithm 1"

    method: Rule = inner()
    every: Number = whole(1, 5, "fast steps between two slow ones")
    share: Number = fraction(0.5, "of the way that the slow step goes")

    def init(self, params: Any) -> Wrapped:
        """See `Rule.init`."""
        return Wrapped(self.method.init(params), params)

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        change, new = super().update(grads, state, params, **extra)
        fast = along(params, 1.0, change)
        is_slow = new.t % like(self.every, new.t) == 0
        slow = along(state.own, self.share, difference(fast, state.own))
        point, own = (
            jax.tree.map(lambda s, other: where(is_slow, s, other), slow, others) for others in (fast, state.own)
        )
        return difference(point, params), new._replace(own=own)


class ScheduleFree(Around):
    """The gradient is taken between the method's own point z and the mean of these, x, which is handed out.

    As good as a well-chosen schedule without one. The parameters are y = (1 − beta)·z + beta·x. As in the authors'
    code the mean begins with the first step: the start has no weight in it.
    optax: `contrib.schedule_free`.
    """

    paper = "Defazio et al. (2024), NeurIPS, arXiv:2405.15682, equations 3 to 5"
    hands_out = True
    leaves_sets = True

    method: Rule = inner()
    beta: Number = between(0.01, 1, 0.9, "share of the mean in the point at which the gradient is taken")

    def init(self, params: Any) -> Wrapped:
        """See `Rule.init`."""
        return Wrapped(self.method.init(params), params)

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        change, new = super().update(grads, state, params, **extra)
        z = along(state.own, 1.0, change)
        mean = jax.tree.map(lambda x, p: x + (p - x) / like(new.t, p), self.answer(state, params), z)
        y = jax.tree.map(lambda p, x: running(p, like(1 - self.beta, p), x), z, mean)
        return difference(y, params), new._replace(own=z)

    def answer(self, state: Wrapped, x: Any) -> Any:
        """The mean, which is not stored but follows from y and z."""
        return jax.tree.map(lambda z, y: (y - like(1 - self.beta, y) * z) / like(self.beta, y), state.own, x)
