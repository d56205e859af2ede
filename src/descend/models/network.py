"""A multilayer network: what it computes and what it costs, in words, so that NumPy and JAX read the same formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from descend.words import exp, expm1, log, minimum, softplus, tanh, where

__all__ = ["ACTIVATIONS", "INITIALISERS", "Inputs", "Layer", "Network", "cross_entropy", "squared_error"]


def _sigmoid(x: Any) -> Any:
    return exp(-softplus(-x))  # 1 / (1 + exp(-x)), without overflow, and with a slope everywhere


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: where(x > 0, x, 0),
    "tanh": tanh,
    "sigmoid": _sigmoid,
    "leaky_relu": lambda x: where(x > 0, x, 0.01 * x),
    "elu": lambda x: where(x > 0, x, expm1(minimum(x, 0))),
    "gelu": lambda x: 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x**3))),
    "silu": lambda x: x * _sigmoid(x),
    "softplus": softplus,
    "identity": lambda x: x,
}

_SCALES: dict[str, Callable[[int, int], float]] = {  # variance of a weight from its layer's inputs and outputs
    "glorot": lambda ins, outs: 2 / (ins + outs),  # Glorot & Bengio (2010), AISTATS
    "he": lambda ins, outs: 2 / ins,  # He et al. (2015), arXiv:1502.01852
    "lecun": lambda ins, outs: 1 / ins,  # LeCun et al. (1998), "Efficient BackProp"
}
INITIALISERS = [f"{scale}_{form}" for scale in _SCALES for form in ("uniform", "normal")]


class Layer(NamedTuple):
    """The parameters of one layer: `x @ W + b`."""

    W: Any  # (inputs, outputs)
    b: Any  # (outputs,)


@dataclass(frozen=True)
class Inputs:
    """How features enter: (x - shift)·scale. For images, bytes from 0 to 255, both are single numbers."""

    shift: np.ndarray
    scale: np.ndarray

    def __call__(self, X: Any) -> Any:
        """The features as the first layer wants them, in the dtype of `scale`."""
        return (X.astype(self.scale.dtype) - self.shift) * self.scale


@dataclass(frozen=True)
class Network:
    """Layers of these widths, from the inputs to the outputs, with an activation between each two of them."""

    widths: tuple[int, ...]
    activation: str = "relu"
    dropout: float = 0.0
    compute: str = "float32"  # the dtype of the matrix products

    def start(self, seed: int, initialiser: str, kind: Any) -> tuple[Layer, ...]:
        """Random weights and biases of zero."""
        name, form = initialiser.split("_")
        draw = np.random.default_rng(seed)
        layers = []
        for ins, outs in zip(self.widths, self.widths[1:], strict=False):
            deviation = _SCALES[name](ins, outs) ** 0.5
            if form == "uniform":
                W = draw.uniform(-(3**0.5) * deviation, 3**0.5 * deviation, (ins, outs))
            else:
                W = draw.normal(0, deviation, (ins, outs))
            layers.append(Layer(W.astype(kind), np.zeros(outs, kind)))
        return tuple(layers)

    def outputs(self, layers: Sequence[Layer], x: Any, key: Any = None) -> Any:
        """What the last layer gives, (rows, outputs); with a `key`, some of what lies between is dropped out."""
        for i, (W, b) in enumerate(layers):
            if i:
                x = ACTIVATIONS[self.activation](x)
                if key is not None and self.dropout:
                    share = np.full(1, 1 - self.dropout, b.dtype)  # an array: another share does not compile anew
                    kept = jax.random.bernoulli(jax.random.fold_in(key, i), share, x.shape)
                    x = where(kept, x / share, 0)  # Srivastava et al. (2014), JMLR 15
            if self.compute == "bfloat16" and isinstance(x, jax.Array):
                x = jnp.matmul(x.astype(jnp.bfloat16), W.astype(jnp.bfloat16)).astype(b.dtype) + b
            else:
                x = x @ W + b
        return x


def cross_entropy(scores: Any, classes: Any, smoothing: float = 0.0) -> Any:
    """Minus the logarithm of the probability that softmax gives to the class of each row, (rows,).

    Parameters
    ----------
    scores
        (rows, classes).
    classes
        The number of the right class of each row, (rows,).
    smoothing
        The share of the target that is spread over all classes. Source: Szegedy et al. (2016), arXiv:1512.00567.
    """
    top = scores.max(axis=-1, keepdims=True)
    shifted = scores - (jax.lax.stop_gradient(top) if isinstance(top, jax.Array) else top)
    total = log(exp(shifted).sum(axis=-1))
    is_right = classes[:, None] == np.arange(scores.shape[-1], dtype=np.int32)
    right = where(is_right, shifted, 0).sum(axis=-1)
    return total - (1 - smoothing) * right - smoothing * shifted.mean(axis=-1)


def squared_error(scores: Any, targets: Any) -> Any:
    """The squared error of each row, the mean of its outputs, (rows,)."""
    return ((scores - targets) ** 2).mean(axis=-1)
