"""Around a method: the gradient is changed before the method sees it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend.fields import Number, nonnegative, positive, whole
from descend.methods.around import Around, Wrapped, inner
from descend.methods.rule import Rule
from descend.words import along, like, maximum, minimum, norm, precision, where

__all__ = ["ClipGlobalNorm", "ClipNorm", "ClipValue", "GradientNoise", "SharpnessAware", "WeightDecay"]


class ClipValue(Around):
    """Each coordinate of the gradient is kept within ±limit. torch: `clip_grad_value_`, optax: `clip`."""

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest magnitude of a coordinate")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        clipped = jax.tree.map(lambda g: maximum(minimum(g, like(self.limit, g)), like(-self.limit, g)), grads)
        return super().update(clipped, state, params, **extra)


class ClipNorm(Around):
    """The gradient of each array of the parameters is shortened to a length of at most `limit`. keras: `clipnorm`."""

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest length")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        return super().update(jax.tree.map(lambda g: _shortened(g, self.limit), grads), state, params, **extra)


class ClipGlobalNorm(Around):
    """The whole gradient is shortened to a length of at most `limit`, its direction kept.

    torch: `clip_grad_norm_`, keras: `global_clipnorm`, optax: `clip_by_global_norm`.
    """

    paper = "Pascanu, Mikolov & Bengio (2013), ICML, arXiv:1211.5063, algorithm 1"

    method: Rule = inner()
    limit: Number = positive(1.0, "the largest length")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        return super().update(_shortened(grads, self.limit), state, params, **extra)


class WeightDecay(Around):
    """Adds decay·x to the gradient: the gradient of an L2 penalty decay/2·|x|², which the method then sees, too.

    torch: `weight_decay` of all but AdamW. Decay beside the gradient is `DecoupledWeightDecay`.
    """

    method: Rule = inner()
    decay: Number = nonnegative(0.01, "weight decay λ")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        return super().update(along(grads, self.decay, params), state, params, **extra)


class GradientNoise(Around):
    """Adds normal noise of variance eta/(1 + t)^gamma to the gradient; the seed and t alone determine it.

    optax: `add_noise`.
    """

    paper = "Neelakantan et al. (2015), arXiv:1511.06807, section 3"

    method: Rule = inner()
    eta: Number = nonnegative(0.01, "variance at the start")
    gamma: Number = nonnegative(0.55, "how fast it falls")
    seed: Number = whole(0, 0, "of the random numbers")

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        structure: Any
        leaves, structure = jax.tree.flatten(grads)
        noisy = []
        for i, g in enumerate(leaves):
            deviation = (self.eta / (1 + like(state.t, g)) ** self.gamma) ** 0.5
            with precision(g.dtype):
                key = jax.random.fold_in(jax.random.key(jnp.asarray(self.seed).astype(jnp.uint32)), state.t)
                noise: Any = jax.random.normal(jax.random.fold_in(key, i), g.shape, g.dtype)
                noise = noise if isinstance(g, jax.Array) else np.asarray(noise)
            noisy.append(g + like(deviation, g) * noise)
        return super().update(structure.unflatten(noisy), state, params, **extra)


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
