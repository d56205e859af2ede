"""A look at a fitted network: its curvature, the edge of stability, the noise of its gradient, the loss around it."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from sklearn.base import clone

from descend.arguments import whole
from descend.insight.curvature import Curvature, curvature, curvature_of
from descend.insight.edge import Edge, is_known_adaptive, shrink_of
from descend.insight.stability import edge_of_stability
from descend.objectives.function import prepare
from descend.objectives.parameters import as_vector, from_vector
from descend.words import precision

__all__ = ["edge_over_training", "loss_slice", "network_curvature", "noise_scale"]

_MOST_ROWS = 2_048  # on which a network is looked at


def _some_rows(network: Any, X: Any, y: Any) -> Any:
    order = np.random.default_rng(0).permutation(len(y))[:_MOST_ROWS]
    return network._samples(np.asarray(X)[order], np.asarray(y)[order], None, first=False)


def _cost(network: Any, parts: Any) -> Any:
    key = np.zeros(2, np.uint32)
    return lambda layers: network._cost(layers, *parts, key)


def network_curvature(network: Any, X: Any, y: Any) -> Curvature:
    """The extreme eigenvalues of the Hessian of a fitted network's loss, on at most 2,048 of the rows.

    The rate times `largest`, against 2 for gradient descent, tells how near to the limit of stability it is.
    """
    parts = _some_rows(network, X, y).parts
    return curvature(_cost(network, parts), network.layers_)


class _Watch:
    """A callback of scikit-learn that looks at a network after some of the epochs."""

    def __init__(self, X: Any, y: Any, epochs: set[int]) -> None:
        self._rows, self._epochs = (X, y), epochs
        self._parts: Any = None
        self.steps: list[int] = []
        self.products: list[float] = []
        self.rule: Any = None

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Look, where this was one of the epochs."""
        if context.parent is None or context.task_id + 1 not in self._epochs:
            return
        if self._parts is None:
            self._parts = _some_rows(estimator, *self._rows).parts
        trainer = estimator._trainer
        layers, self.rule = from_vector(trainer.weights, estimator.layers_), trainer.rule
        shrink = shrink_of(self.rule, trainer.state, layers) if is_known_adaptive(self.rule) else None
        try:
            curved = curvature_of(prepare(_cost(estimator, self._parts), layers), layers, shrink)
        except ValueError:  # it has diverged, and there is no curvature there
            return
        if np.isfinite(curved.largest):
            self.steps.append(trainer.steps)
            self.products.append(trainer.rate() * curved.largest)


def edge_over_training(network: Any, X: Any, y: Any, *, points: int = 40) -> Edge:
    """How near to the edge of stability a network is while it is trained.

    A copy is trained on these rows as `fit` does, and looked at after at most so many of the epochs, on at most 2,048
    of the rows. The network that is given is not changed, and need not be fitted.

    Raises
    ------
    TypeError, ValueError
        It is no network; or it diverges in the first epoch. Where it diverges later, there is the warning of `fit`.

    Source: Cohen et al. (2021), arXiv:2103.00065; for adaptive methods Cohen et al. (2022), arXiv:2207.14484.
    """
    from descend.models.neural import NeuralNetwork

    if not isinstance(network, NeuralNetwork):
        raise TypeError(f"edge_over_training is for MLPClassifier and MLPRegressor, not {type(network).__name__}")
    whole("points", points)
    epochs = network.planned_epochs(len(y))
    watch = _Watch(X, y, set(np.linspace(1, epochs, min(points, epochs)).round().astype(int).tolist()))
    made = clone(network).set_params(checkpoint=None, resume=False, warm_start=False)
    made.set_callbacks(watch).fit(X, y)  # which warns where it diverges
    if not watch.steps:
        raise ValueError(f"there is nothing to look at: {made.message_}")
    steps, products = np.array(watch.steps), np.array(watch.products)
    return Edge(steps, products, edge_of_stability(watch.rule), is_known_adaptive(watch.rule))


def noise_scale(network: Any, X: Any, y: Any, *, small: int = 16) -> float:
    """The batch size at which the noise of a fitted network's gradient is as large as the gradient itself.

    Smaller batches are mostly noise, larger ones mostly wasted. Estimated from the squared norms of gradients of small
    batches and of all rows looked at (at most 2,048).

    Source: McCandlish et al. (2018), arXiv:1812.06162, appendix A.
    """
    parts = _some_rows(network, X, y).parts
    count = len(parts[1]) // small * small
    if count < 2 * small:
        raise ValueError(f"at least {2 * small} rows are needed for batches of {small}, got {len(parts[1])}")
    gradient = jax.jit(lambda layers, *rows: jax.grad(_cost(network, rows))(layers))
    squares, mean = [], np.zeros(as_vector(network.layers_).size)
    for begin in range(0, count, small):
        with precision(network._kind()):
            g = as_vector(gradient(network.layers_, *(part[begin : begin + small] for part in parts))).astype(float)
        squares.append(float(g @ g))
        mean = mean + g * (small / count)
    of_small, of_all = float(np.mean(squares)), float(np.dot(mean, mean))
    signal = (count * of_all - small * of_small) / (count - small)
    noise = (of_small - of_all) / (1 / small - 1 / count)
    return noise / signal if signal > 0 else float("inf")


def loss_slice(network: Any, X: Any, y: Any, *, reach: float = 1.0, points: int = 21, seed: int = 0) -> np.ndarray:
    """The loss of a fitted network on a plane through its weights, (points, points): its own is in the middle.

    The two directions are random, and each unit's weights in them are as long as the unit's own, so that slices of
    different networks can be compared. `reach` is in those lengths.

    Source: Li et al. (2018), arXiv:1712.09913, section 4.
    """
    samples, draw = _some_rows(network, X, y), np.random.default_rng(seed)

    def direction() -> Any:
        def like(leaf: np.ndarray) -> np.ndarray:
            way = draw.normal(size=leaf.shape)
            if leaf.ndim == 1:
                return np.zeros_like(leaf)  # biases stay, as in the paper
            return np.asarray(way * np.linalg.norm(leaf, axis=0) / np.linalg.norm(way, axis=0), leaf.dtype)

        return jax.tree.map(like, network.layers_)

    ways, places = (direction(), direction()), np.linspace(-reach, reach, points)
    values = np.empty((points, points))
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            at = jax.tree.map(lambda w, u, v, a=a, b=b: w + a * u + b * v, network.layers_, *ways)
            values[i, j] = network._measure(as_vector(at), samples)[0]
    return values
