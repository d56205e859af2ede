"""Whether a cost without a penalty has a minimum: that of classes that can be told apart, or of rows without events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from descend.models.costs import Scaling
from descend.models.losses import Loss
from descend.models.rows import Rows

__all__ = ["columns_without_end", "falls_for_ever"]

_FAR = 1e3  # times as large weights
_STEP = 1e-3  # of a prediction
_CERTAIN = 1e-6  # of the largest: a row whose cost has no more slope nor curvature left is told for certain
_FLAT = 1e-9  # of the largest curvature of the columns: they do not vary along that way
_PART = 0.5  # of the largest part that a column has in it
_LOOKED_AT, _MOST_COLUMNS = 5_000, 1_000


def falls_for_ever(cost: Callable[[np.ndarray], float], weights: np.ndarray, *, has_converged: bool) -> bool:
    """Whether the cost goes to zero as the weights grow, and not to a minimum.

    What has converged is far out already: there twice the weights tell.
    """
    now = cost(weights)
    with np.errstate(over="ignore"):
        if has_converged:
            return bool(0 < cost(2 * weights) < now / 2)
        return bool(0 <= cost(_FAR * weights) < now / _FAR)


def columns_without_end(rows: Rows, loss: Loss, scaling: Scaling, weights: np.ndarray) -> np.ndarray:
    """The columns that mark rows which are told for certain, the more the larger their coefficients are: their places.

    Along such a way the predictions of all other rows stay what they are, and the cost of those falls without end:
    quasi-complete separation. Source: Albert & Anderson (1984), Biometrika 71.
    """
    none = np.array([], int)
    if not loss.bends or rows.features > _MOST_COLUMNS:
        return none
    features = scaling.applied(rows)
    p, y, counts = scaling.scores(features, weights).astype(np.float64), rows.y.astype(np.float64), rows.weights > 0
    slope = (loss.values(p + _STEP, y) - loss.values(p - _STEP, y)) / (2 * _STEP)
    left = np.maximum(np.abs(slope), loss.curvature(p, y))
    is_sure = left <= _CERTAIN * left.max()
    others, sure = np.flatnonzero(counts & ~is_sure), np.flatnonzero(counts & is_sure)
    if not len(sure) or not len(others):
        return none
    some = np.random.default_rng(0).permutation(others)[:_LOOKED_AT]
    way = _along_flat(_sums(features, some, scaling), weights.astype(np.float64))
    change = scaling.scores(features, way)
    if np.abs(change[others]).max() > _CERTAIN * np.abs(change[sure]).max():
        return none
    moved = sure[np.abs(change[sure]) > _CERTAIN * np.abs(change[sure]).max()]
    back, here, on = (
        float(rows.weights[moved] @ loss.values(p[moved] + k * change[moved], y[moved])) for k in (-1, 0, 1)
    )
    if not (on < here / 2 or (here == 0 and back > 0)):  # it may have come down to nothing, as numbers go
        return none
    of_moved, of_others = (np.asarray(features[of].mean(axis=0)).ravel() for of in (moved, others))
    part = np.abs(way[:-1] * (of_moved - of_others))  # by which the column takes those rows away from the others
    return np.flatnonzero(part > _PART * part.max())


def _sums(features: Any, some: np.ndarray, scaling: Scaling) -> np.ndarray:
    """The sums of products of the columns, with the intercept as the last, over some rows."""
    table = features[some].toarray() if scipy.sparse.issparse(features) else features[some]
    table = np.column_stack([table, np.full(len(some), float(scaling.intercept))]).astype(np.float64)
    return np.asarray(table.T @ table)


def _along_flat(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The part of the weights along which no prediction of those rows changes."""
    curvature, ways = np.linalg.eigh(sums)
    flat = ways[:, curvature <= _FLAT * curvature[-1]]
    return np.asarray(flat @ (flat.T @ weights))
