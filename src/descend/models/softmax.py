"""Softmax regression in compiled loops: the cost of a row of scores, and training in batches of rows.

Parameters are one row of d + 1 numbers for each class. In kernels they are flat: class by class where rows are dense,
column by column where they are sparse, so that what a step reads lies together.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from descend.kernel_cache import cached_on_disk
from descend.models.kernels import (
    COMPILED,
    Kind,
    ask_for_dense,
    ask_for_sparse,
    feature_of,
    penalised_of,
    rate_at,
    weighted_of,
)
from descend.models.reading import read_method

__all__ = ["constant_of_classes", "errors_of_rows", "in_batches_of_classes", "softmax"]


def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares that sum to 1 along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def constant_of_classes(places: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The scores, (classes,), whose softmax is the share of each class, counted once more than it was seen."""
    scores = np.log(1.0 + np.bincount(places.astype(np.intp), weights, classes))
    return np.asarray(scores - scores.mean())


@njit(**COMPILED)  # type: ignore[untyped-decorator]
def _errors(scores: Any, right: Any) -> Any:
    """Minus the logarithm of the share that softmax gives to the right class; scores become its derivatives."""
    top = scores.max()
    of_right = scores[right] - top
    total = wrong = scores[0] * 0
    for k in range(scores.size):
        scores[k] = np.exp(scores[k] - top)
        total += scores[k]
    scores[right] = 0
    for k in range(scores.size):
        scores[k] /= total
        wrong += scores[k]
    scores[right] = -wrong  # and not the share of the right class - 1: of that few digits would be left
    return -np.log1p(-wrong) if wrong < 0.5 else np.log(total) - of_right


@njit(**COMPILED)  # type: ignore[untyped-decorator]
def _errors_of_rows(scores: Any, y: Any, row_weights: Any) -> float:
    cost = 0.0
    for r in range(len(scores)):
        cost += _errors(scores[r], int(y[r])) * row_weights[r]
        scores[r] *= row_weights[r]
    return cost


def errors_of_rows(scores: np.ndarray, y: np.ndarray, row_weights: np.ndarray) -> float:
    """The sum of the weighted costs of rows of scores, (rows, classes), which become their derivatives."""
    return float(cached_on_disk(_errors_of_rows, "errors of softmax")(scores, y, row_weights))


@cache
def in_batches_of_classes(method: Any, kind: Kind) -> Any:
    """Mini-batch gradient descent of softmax regression: one step for each batch of rows, in the given order.

    The kernel takes what that of `kernels.in_batches` takes but the numbers of the loss; state and penalties hold
    classes · (d + 1) coordinates, and the array of zeros has the shape (classes, d + 1), whatever their order.
    """
    reader = read_method(method, sharp=kind.sharp)
    per_step, per_coordinate = reader.per_step(), reader.per_coordinate(interleaved=kind.sparse)
    feature, penalised, weighted = feature_of(kind), penalised_of(kind), weighted_of(kind)

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def dense(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
        size: Any, zeros: Any,
    ) -> None:  # fmt: skip
        d, classes = values.shape[1], len(zeros)
        g, scores = zeros.reshape(-1), np.empty(classes, values.dtype)
        for batch in range((order.size + size - 1) // size):
            first, end = batch * size, min((batch + 1) * size, order.size)
            for i in range(first, end):
                r = order[i]
                ask_for_dense(values, y, order, i)
                for k in range(classes):
                    at = k * (d + 1)
                    p = state[0, at + d]
                    for j in range(d):
                        p += feature(values[r, j], shift, scale, j) * state[0, at + j]
                    scores[k] = p
                _errors(scores, int(y[r]))
                for k in range(classes):
                    at = k * (d + 1)
                    e = weighted(scores[k], row_weights, r)
                    for j in range(d):
                        g[at + j] += e * feature(values[r, j], shift, scale, j)
                    if kind.intercept:
                        g[at + d] += e
            share = values.dtype.type(1 / (end - first))
            shared = per_step(numbers, powers, float(t0 + batch + 1), rate_at(rates, batch))
            for c in range(g.size):
                per_coordinate(state, c, penalised(g[c] * share, l2, state[0, c], c), shared, l1[c])
                g[c] = 0

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def of_stored(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
        size: Any, zeros: Any,
    ) -> None:  # fmt: skip
        classes, d = len(zeros), zeros.shape[1] - 1
        g, scores = zeros.reshape(-1), np.empty(classes, values.dtype)
        for batch in range((order.size + size - 1) // size):
            first, end = batch * size, min((batch + 1) * size, order.size)
            for i in range(first, end):
                r = order[i]
                ask_for_sparse(values, columns, starts, y, order, i, state, classes * state.shape[1])
                for k in range(classes):
                    scores[k] = state[d * classes + k, 0]
                for s in range(starts[r], starts[r + 1]):
                    j = columns[s]
                    x = feature(values[s], shift, scale, j)
                    for k in range(classes):
                        scores[k] += x * state[j * classes + k, 0]
                _errors(scores, int(y[r]))
                for k in range(classes):
                    scores[k] = weighted(scores[k], row_weights, r)
                    if kind.intercept:
                        g[d * classes + k] += scores[k]
                for s in range(starts[r], starts[r + 1]):
                    j = columns[s]
                    x = feature(values[s], shift, scale, j)
                    for k in range(classes):
                        g[j * classes + k] += scores[k] * x
            share = values.dtype.type(1 / (end - first))
            shared = per_step(numbers, powers, float(t0 + batch + 1), rate_at(rates, batch))
            for i in range(first, end):
                for s in range(starts[order[i]], starts[order[i] + 1]):
                    at = columns[s] * classes
                    for c in range(at, at + classes):
                        if g[c] != 0:  # where two rows of the batch meet, the second finds nothing left to do
                            per_coordinate(state, c, penalised(g[c] * share, l2, state[c, 0], c), shared, l1[c])
                            g[c] = 0
            for c in range(d * classes, g.size):
                per_coordinate(state, c, g[c] * share, shared, l1[c])
                g[c] = 0

    return cached_on_disk(of_stored if kind.sparse else dense, f"classes {kind}{reader.fingerprint}")
