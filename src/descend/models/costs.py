"""What full-batch training minimises: the mean cost of all rows with its gradient, in a form that suits the loss.

Parameters are those of the scaled features: (d + 1,) with the intercept last, or (classes, d + 1). A penalty of
l2/2·|w|², not of the intercept, is part of the cost.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import numpy as np

from descend.methods import Box
from descend.models.axes import Axes, axes_of_curvature
from descend.models.kernels import whole_gradient
from descend.models.losses import Loss, Squared
from descend.models.rows import Rows
from descend.models.softmax import errors_of_rows
from descend.models.threads import threads, without_threads_of_blas

__all__ = [
    "MOST_COLUMNS",
    "SUMMED",
    "Cost",
    "GramCost",
    "Parted",
    "RowsCost",
    "Scaling",
    "SoftmaxCost",
    "Turned",
    "cost_of",
    "may_be_turned",
]

_BLOCKS = 64  # of rows, whose sums are added in order: the bits do not depend on the number of threads
_FEWEST = 4_096  # rows in a block
_SHARES = 4  # of the blocks, for each processor: to hand one over takes its time
_TURNED = 512 << 20  # bytes
_KEPT = 128 << 20  # bytes of rows, beside which their scaled features are kept
_MET = 64  # columns in a sparse row, on average: all with all take so many times as long as a step
SUMMED = 1_024  # rows that are multiplied at once: they stay in the cache
MOST_COLUMNS = 1_024  # of which XᵀX is worth its making


class Scaling:
    """How features enter: (x - shift)·scale, with an intercept or without."""

    def __init__(self, shift: np.ndarray, scale: np.ndarray, *, intercept: bool, kind: Any) -> None:
        self.shift = np.ascontiguousarray(shift, kind)
        self.scale = np.ascontiguousarray(scale, kind)
        self.intercept = intercept
        self.changes = bool(self.shift.any() or (self.scale != 1).any())  # else features enter as they are

    def in_users_units(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and intercept of the unscaled features, float64."""
        w = weights[..., :-1].astype(np.float64) * self.scale.astype(np.float64)
        return w, (weights[..., -1] - w @ self.shift.astype(np.float64)) * self.intercept

    def of_users_units(self, coefficients: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """The parameters of the scaled features that make the same predictions."""
        last = intercept + coefficients @ self.shift.astype(np.float64)
        scaled = coefficients / self.scale.astype(np.float64)
        return np.concatenate([scaled, np.asarray(last)[..., None]], axis=-1).astype(self.scale.dtype)

    def applied(self, rows: Rows) -> Any:
        """The scaled features of some rows; of sparse ones scaled only, for their shift is zero."""
        return rows.matrix * self.scale if rows.is_sparse else (rows.values - self.shift) * self.scale

    def scores(self, features: Any, weights: np.ndarray) -> np.ndarray:
        """What parameters predict of features that were `applied`, in their dtype: (n,), or (n, classes)."""
        return np.asarray(features @ weights[..., :-1].T + weights[..., -1] * self.intercept)


class Cost(ABC):
    """A function of the parameters for `minimize`, which asks for value and gradient one after the other."""

    how: str  # how the gradient is made, in words
    runs_eagerly = True  # it is compiled code already
    is_convex = True  # as all losses of linear models are

    def __init__(self, scaling: Scaling, l2: float) -> None:
        self.scaling = scaling
        self._l2 = l2
        self._axes: Axes | None = None
        self._at: Any = None
        self._found: tuple[float, np.ndarray] | None = None

    @abstractmethod
    def _look(self, w: np.ndarray, batch: np.ndarray | None) -> tuple[float, np.ndarray]:
        """Mean cost and gradient, without the penalty, over the rows in `batch` or over all."""

    def along(self, axes: Axes) -> Self | Turned:
        """The same cost of the coordinates along these axes of its columns."""
        made = copy.copy(self)
        made._axes, made._found = axes, None
        made._turn(axes)
        return made

    @abstractmethod
    def _turn(self, axes: Axes) -> None:
        """Take the coordinates along the axes for parameters."""

    def _both(self, w: np.ndarray, batch: np.ndarray | None) -> tuple[float, np.ndarray]:
        at = (w.tobytes(), None if batch is None else batch.tobytes())
        if self._found is None or self._at != at:
            value, grad = self._look(w, batch)
            penalised = w.astype(np.float64) if self._axes is None else self._axes.weights(w)
            penalised[..., -1] = 0
            slope = penalised if self._axes is None else self._axes.gradient(penalised)
            self._at = at
            self._found = value + self._l2 / 2 * float((penalised**2).sum()), grad + self._l2 * slope
        return self._found

    def __call__(self, w: np.ndarray, batch: np.ndarray | None = None) -> float:
        """The mean cost."""
        return self._both(np.asarray(w), batch)[0]

    def grad(self, w: np.ndarray, batch: np.ndarray | None = None) -> np.ndarray:
        """Its gradient, of the shape of `w`."""
        return self._both(np.asarray(w), batch)[1]


def may_be_turned(rows: Rows) -> bool:
    """Whether axes are worth their making: as much work as some tens of steps, or, of dense rows, of long ones."""
    is_short = not rows.is_sparse or len(rows.values) <= _MET * len(rows)
    return is_short and rows.kind == np.float64 and rows.features <= MOST_COLUMNS


class Turned:
    """A cost of the coordinates along axes, whose rows stay as they are."""

    runs_eagerly = True
    is_convex = True

    def __init__(self, cost: Cost, axes: Axes) -> None:
        self._cost, self._axes = cost, axes

    def __call__(self, coordinates: np.ndarray, batch: np.ndarray | None = None) -> float:
        """The mean cost."""
        return self._cost(self._axes.weights(coordinates), batch)

    def grad(self, coordinates: np.ndarray, batch: np.ndarray | None = None) -> np.ndarray:
        """Its gradient, of the shape of the coordinates."""
        return self._axes.gradient(self._cost.grad(self._axes.weights(coordinates), batch))


def _rows_along(axes: Axes, rows: Rows, scaling: Scaling) -> tuple[Rows, Scaling]:
    """The rows themselves, rather than the parameters: these are large, cancel each other, and leave few digits."""
    turned, d = replace(rows, values=scaling.applied(rows) @ axes.columns), rows.features
    return turned, Scaling(np.zeros(d), np.ones(d), intercept=scaling.intercept, kind=rows.kind)


class OfRows(Cost):
    """What goes through rows that stay in memory."""

    rows: Rows

    def along(self, axes: Axes) -> Self | Turned:
        """See `Cost.along`; of sparse rows parameters are turned instead, or they would not be sparse any more."""
        return Turned(self, axes) if self.rows.is_sparse else super().along(axes)

    def _turn(self, axes: Axes) -> None:
        self.rows, self.scaling = _rows_along(axes, self.rows, self.scaling)


class RowsCost(OfRows):
    """Any loss of one prediction: cost and gradient in one pass over the rows."""

    how = "in one pass over the rows at each step"

    def __init__(self, rows: Rows, loss: Loss, scaling: Scaling, l2: float) -> None:
        super().__init__(scaling, l2)
        self.rows = rows
        self._loss, self._numbers = loss, np.array([*loss.arguments, 0.0])
        self._kernel = whole_gradient(type(loss), sparse=rows.is_sparse)

    def _look(self, w: np.ndarray, batch: np.ndarray | None) -> tuple[float, np.ndarray]:
        rows = self.rows if batch is None else self.rows.taken(np.asarray(batch))
        blocks = max(1, min(_BLOCKS, len(rows) // _FEWEST))
        edges = np.linspace(0, len(rows), blocks + 1).astype(np.int64)
        weights = np.ascontiguousarray(w, rows.kind)

        def one(k: int) -> tuple[float, np.ndarray]:
            total, group = np.zeros(len(weights)), np.zeros(len(weights), rows.kind)
            cost = self._kernel(
                rows.values, rows.columns, rows.starts, rows.y, rows.weights, self.scaling.shift,
                self.scaling.scale, weights, self._numbers, rows.kind.type(self.scaling.intercept),
                edges[k], edges[k + 1], total, group,
            )  # fmt: skip
            return cost, total

        def several(ks: np.ndarray) -> list[tuple[float, np.ndarray]]:
            return [one(k) for k in ks]

        if blocks == 1:  # as on the way of training: to share it would take longer than to do it
            cost, grad = one(0)
            return cost / len(rows), grad / len(rows)
        shares = np.array_split(np.arange(blocks), min(blocks, _SHARES * (os.cpu_count() or 1)))
        cost, grad = 0.0, np.zeros(len(weights))
        for parts in threads().map(several, shares):
            for part in parts:
                cost, grad = cost + part[0], grad + part[1]
        return cost / len(rows), grad / len(rows)

    @property
    def knows_its_axes(self) -> bool:
        """Whether `axes_at` is worth its making."""
        return self._loss.bends and may_be_turned(self.rows)

    def axes_at(self, w: np.ndarray) -> Axes:
        """The axes along which the cost bends alike at some parameters."""
        with without_threads_of_blas():
            bend, center = self._bend(w)
            return axes_of_curvature(bend, center)

    def _bend(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The second derivatives in the coefficients about a center of the columns, and that center."""
        d = self.rows.features
        bend, toward, total = np.zeros((d, d)), np.zeros(d), 0.0
        for part in (self.rows,) if self.rows.is_sparse else self.rows.blocks(SUMMED):
            z = self.scaling.applied(part)
            bends = part.weights * self._loss.curvature(self.scaling.scores(z, w), part.y)
            product = z.T @ (z * bends[:, None])
            bend += product.toarray() if part.is_sparse else product
            toward, total = toward + z.T @ bends, total + float(bends.sum())
        center = toward * self.scaling.intercept / max(total, 1e-300)
        penalty = np.eye(d) if self._axes is None else self._axes.columns.T @ self._axes.columns
        return (bend - total * np.outer(center, center)) / len(self.rows) + self._l2 * penalty, center


class GramCost(Cost):
    """Squared error of dense rows: one pass makes XᵀX, after which a step does not look at the rows again."""

    how = "of XᵀX, made in one pass: a step costs the same however many rows there are"

    def __init__(
        self, parts: Iterable[Rows], mean: float, scaling: Scaling, l2: float, rows: Rows | None = None
    ) -> None:
        super().__init__(scaling, l2)
        # All of them, where they are at hand and may be turned, which takes digits, and a copy.
        self.rows = rows if rows is not None and rows.kind == np.float64 and rows.values.nbytes < _TURNED else None
        # About the mean of the target: of a large offset little would be left of the differences that matter.
        self._origin = np.append(np.zeros(len(scaling.scale)), mean * scaling.intercept)
        self._sum(parts)

    def _sum(self, parts: Iterable[Rows]) -> None:
        scaling, n = self.scaling, len(self._origin)
        self.gram, self._toward, self._constant, count = np.zeros((n, n)), np.zeros(n), 0.0, 0
        for part in parts:
            z = np.empty((len(part), n))
            np.subtract(part.values, scaling.shift, out=z[:, :-1], dtype=np.float64)
            z[:, :-1] *= scaling.scale
            z[:, -1] = scaling.intercept
            y = part.y.astype(np.float64) - self._origin[-1]
            if part.is_weighted:
                root = np.sqrt(part.weights.astype(np.float64))
                z *= root[:, None]
                y *= root
            self.gram += z.T @ z
            self._toward += y @ z
            self._constant += float(y @ y) / 2
            count += len(part)
        self.gram /= count
        self._toward /= count
        self._constant /= count

    @staticmethod
    def suits(loss: Loss, columns: int) -> bool:
        """Whether it is the cost of this loss, and worth its making."""
        return isinstance(loss, Squared) and columns <= MOST_COLUMNS

    def _turn(self, axes: Axes) -> None:
        if self.rows is not None:
            rows, self.scaling = _rows_along(axes, self.rows, self.scaling)
            self._sum(rows.blocks(SUMMED))
            return
        self.gram, self._toward = axes.gradient(axes.gradient(self.gram).T).T, axes.gradient(self._toward)
        self._origin = axes.coordinates(self._origin)

    def _look(self, w: np.ndarray, batch: np.ndarray | None) -> tuple[float, np.ndarray]:
        w = w - self._origin
        with without_threads_of_blas():
            product = self.gram @ w
        return float(w @ product / 2 - w @ self._toward + self._constant), product - self._toward


class SoftmaxCost(OfRows):
    """Several classes: minus the logarithm of the probability that softmax gives to the right one.

    `y` of the rows holds the number of the class; parameters have shape (classes, d + 1).
    """

    how = "in two matrix products at each step"

    def __init__(self, rows: Rows, scaling: Scaling, l2: float, classes: int) -> None:
        super().__init__(scaling, l2)
        self.rows = rows
        self._classes = classes
        self._kept: list[tuple[Rows, Any]] | None = None  # all rows in parts, for the next look

    def _turn(self, axes: Axes) -> None:
        super()._turn(axes)
        self._kept = None

    def _part(self, places: np.ndarray) -> tuple[Rows, Any]:
        """Some of the rows, and their scaled features."""
        part = self.rows.taken(places)
        return part, self.scaling.applied(part)

    def _look(self, w: np.ndarray, batch: np.ndarray | None) -> tuple[float, np.ndarray]:
        order = np.arange(len(self.rows)) if batch is None else np.asarray(batch)
        cuts = [order[i : i + _FEWEST] for i in range(0, len(order), _FEWEST)]
        is_kept = batch is None and self.rows.values.nbytes <= _KEPT
        if is_kept and self._kept is None:
            self._kept = [self._part(cut) for cut in cuts]
        kept = self._kept if is_kept else None

        def one(k: int) -> tuple[float, np.ndarray, np.ndarray]:
            rows, z = self._part(cuts[k]) if kept is None else kept[k]
            errors = np.ascontiguousarray(self.scaling.scores(z, w))
            cost = errors_of_rows(errors, rows.y, rows.weights)
            return cost, (z.T @ errors).T, errors.sum(axis=0) * self.scaling.intercept

        cost, grad = 0.0, np.zeros((self._classes, self.rows.features + 1))
        with without_threads_of_blas():
            for part in threads().map(one, range(len(cuts))) if len(cuts) > 1 else map(one, range(len(cuts))):
                cost += part[0]
                grad[:, :-1] += part[1]
                grad[:, -1] += part[2]
        return cost / len(order), grad / len(order)


class Parted:
    """A cost with an L1 penalty as one without a kink: w = up - down with both >= 0, and the penalty is their sum.

    The parameters are `up` and `down`, stacked, shape (2, …); `box` is where they may be. The intercept is free.

    Source: Figueiredo, Nowak & Wright (2007), IEEE J. Sel. Top. Signal Process. 1(4), section II.
    """

    runs_eagerly = True
    is_convex = True

    def __init__(self, cost: Cost, l1: float, start: np.ndarray) -> None:
        self._cost = cost
        self.how = cost.how
        self._l1 = np.full((2, *start.shape), l1)
        self._l1[..., -1] = 0
        self.start = np.stack([np.maximum(start, 0), np.maximum(-start, 0)])
        self.start[..., -1] = [start[..., -1], np.zeros_like(start[..., -1])]
        low, high = np.zeros_like(self.start), np.full_like(self.start, np.inf)
        low[0, ..., -1], high[1, ..., -1] = -np.inf, 0
        self.box = Box(low, high)

    def __call__(self, parts: np.ndarray) -> float:
        """The cost with its penalty."""
        return self._cost(self.joined(parts)) + float((self._l1 * parts).sum())

    def grad(self, parts: np.ndarray) -> np.ndarray:
        """Its gradient, of the shape of `parts`."""
        g = self._cost.grad(self.joined(parts))
        return np.stack([g, -g]) + self._l1

    @staticmethod
    def joined(parts: np.ndarray) -> np.ndarray:
        """The parameters of the model."""
        return np.asarray(parts[0] - parts[1])


def cost_of(rows: Rows, loss: Loss, scaling: Scaling, l2: float, *, in_batches: bool) -> Cost:
    """The form that costs least."""
    if not rows.is_sparse and not in_batches and GramCost.suits(loss, rows.features):
        mean = float(rows.weights @ rows.y.astype(np.float64)) / len(rows)
        return GramCost(rows.blocks(SUMMED), mean, scaling, l2, rows)
    return RowsCost(rows, loss, scaling, l2)
