"""Around a method: the gradient is changed before the method sees it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.fields import Number, nonnegative, positive, whole
from descend.methods.around import Around, Wrapped, inner
from descend.methods.rule import Rule
from descend.words import along, dot, like, maximum, minimum, norm, precision, where

__all__ = ["ClipGlobalNorm", "ClipNorm", "ClipValue", "GradientNoise", "SharpnessAware", "WeightDecay"]


class OfGradient(Around):
    """What is inside sees another gradient: in each step, and wherever else it asks for one."""

    @abstractmethod
    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """The gradient at `x` that is seen instead, after `t` steps."""

    def cost(self, f: Any, x: Any) -> Any:
        """The cost whose gradient that is, where there is one."""
        return f

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        value, function, slope = (extra.get(name) for name in ("value", "value_fn", "grad_fn"))
        if value is not None:
            extra["value"] = self.cost(value, params)
        if function is not None:
            extra["value_fn"] = lambda x: self.cost(function(x), x)
        if slope is not None:
            extra["grad_fn"] = lambda x: self.altered(slope(x), x, state.t)
        return super().update(self.altered(grads, params, state.t), state, params, **extra)


class _Clip(OfGradient):
    """The gradient is made smaller where it is large."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stepsize = getattr(self.method, "lr", None)
        if getattr(stepsize, "takes_slopes", False):
            name, inside = type(stepsize).__name__, type(self.method).__name__
            raise ValueError(
                f"{type(self).__name__}({inside}(lr={name}())) has no meaning: {name} divides by the gradient, and "
                "would take the longest steps where that was clipped. Leave the clipping out, or give a number"
            )


class ClipValue(_Clip):
    """Each coordinate of the gradient is kept within ±limit. torch: `clip_grad_value_`, optax: `clip`."""

    bends = True

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest magnitude of a coordinate")

    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """See `OfGradient.altered`."""
        return jax.tree.map(lambda leaf: maximum(minimum(leaf, like(self.limit, leaf)), like(-self.limit, leaf)), g)


class ClipNorm(_Clip):
    """The gradient of each array of the parameters is shortened to a length of at most `limit`. keras: `clipnorm`."""

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest length")

    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """See `OfGradient.altered`."""
        return jax.tree.map(lambda leaf: _shortened(leaf, self.limit), g)


class ClipGlobalNorm(_Clip):
    """The whole gradient is shortened to a length of at most `limit`, its direction kept.

    torch: `clip_grad_norm_`, keras: `global_clipnorm`, optax: `clip_by_global_norm`.
    """

    paper = "Pascanu, Mikolov & Bengio (2013), ICML, arXiv:1211.5063, algorithm 1"

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest length")

    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """See `OfGradient.altered`."""
        return _shortened(g, self.limit)


class WeightDecay(OfGradient):
    """Adds decay·x to the gradient: the gradient of an L2 penalty decay/2·|x|², which the method then sees, too.

    torch: `weight_decay` of all but AdamW. Decay beside the gradient is `DecoupledWeightDecay`.
    """

    method: Rule = inner()
    decay: Number = nonnegative(0.01, "weight decay λ")

    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """See `OfGradient.altered`."""
        return along(g, self.decay, x)

    def cost(self, f: Any, x: Any) -> Any:
        """With the penalty."""
        return f + like(self.decay, f) / 2 * dot(x, x)


class GradientNoise(OfGradient):
    """Adds normal noise of variance eta/(1 + t)^gamma to the gradient; the seed and t alone determine it.

    optax: `add_noise`.
    """

    paper = "Neelakantan et al. (2015), arXiv:1511.06807, section 3"

    method: Rule = inner()
    eta: Number = nonnegative(0.01, "variance at the start")
    gamma: Number = nonnegative(0.55, "how fast it falls")
    seed: Number = whole(0, 0, "of the random numbers")

    def variance(self, t: Any) -> Any:
        """The variance of the noise at step t."""
        return self.eta / (1 + t) ** self.gamma

    def altered(self, g: Any, x: Any, t: Any) -> Any:
        """See `OfGradient.altered`; of one step it is the same wherever the gradient is asked for."""
        structure: Any
        leaves, structure = jax.tree.flatten(g)
        noisy = []
        for i, leaf in enumerate(leaves):
            deviation = self.variance(like(t, leaf)) ** 0.5
            with precision(leaf.dtype):
                key = jax.random.fold_in(jax.random.key(jnp.asarray(self.seed).astype(jnp.uint32)), t)
                noise: Any = jax.random.normal(jax.random.fold_in(key, i), leaf.shape, leaf.dtype)
                noise = noise if isinstance(leaf, jax.Array) else np.asarray(noise)
            noisy.append(leaf + like(deviation, leaf) * noise)
        return structure.unflatten(noisy)


class SharpnessAware(Around):
    """Takes the gradient at the worst point within a distance rho: SAM seeks minima with flat surroundings.

    Costs a second gradient per step. optax: `contrib.sam`.
    """

    paper = "Foret et al. (2021), ICLR, arXiv:2010.01412, algorithm 1"

    method: Rule = inner()
    rho: Number = positive(0.05, "the distance")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`; needs the gradient as a function."""
        if extra.get("grad_fn") is None:
            raise TypeError("SharpnessAware needs the gradient as a function: pass grad_fn= to update")
        size = norm(grads)
        worst = along(params, self.rho / where(size > 0, size, 1), grads)
        change, new = super().update(extra["grad_fn"](worst), state, params, **extra)
        return change, new._replace(extra=state.extra + np.int32(1))


def _shortened(tree: Any, limit: Any) -> Any:
    size = norm(tree)
    factor = minimum(1, like(limit, size) / where(size > 0, size, 1))
    return jax.tree.map(lambda leaf: leaf * like(factor, leaf), tree)
