"""Linear models fitted with all rows at each step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from descend.descent import Run
from descend.descent.outcome import Finding, Outcome
from descend.models.all_rows import BOUNDING_L2, train_around_corners, train_in_turns, train_on_all_rows
from descend.models.axes import Axes, axes_of_rows, axes_of_sparse, axes_of_sums, is_flat
from descend.models.costs import MOST_COLUMNS, SUMMED, Cost, GramCost, RowsCost, cost_of, may_be_turned
from descend.models.linear_rows import LinearOnRows
from descend.models.losses import Cornered, Log
from descend.models.rows import Rows
from descend.models.threads import without_threads_of_blas
from descend.models.training import Ending, sample_of
from descend.models.unbounded import columns_without_end, falls_for_ever
from descend.sentences import first_few

__all__ = ["OnAllRows"]

_TOL_OF_CORNERS = 1e-6  # the gradient norm that counts as zero, where the cost itself is not followed to its end


def _tolerance(kind: np.dtype[Any], rows: int) -> float:
    """The gradient norm that counts as zero: of few rows all digits, of many as far as rounding lets see."""
    return min(1e-8, 2e-15 * rows) if kind == np.float64 else 1e-5


def _moved(weights: np.ndarray, by: float) -> np.ndarray:
    """The parameters with another intercept."""
    moved = weights.copy()
    moved[..., -1] += by
    return moved


def _along(axes: Axes | None) -> str:
    """What is added to the message."""
    if axes is None:
        return ""
    return f". Columns nearly repeat each other (κ about {axes.condition:.0e}): steps went along their principal axes"


class OnAllRows(LinearOnRows):
    """A linear model that can be fitted on all rows at once."""

    def learns_from_sums(self, columns: int) -> bool:
        """Whether XᵀX and Xᵀy are all that it needs of the rows: least squares, not in batches."""
        return self.batch_size is None and GramCost.suits(self._loss(), columns)

    def _fit_on_all_rows(self, rows: Rows) -> Ending:
        loss = self._loss()
        if self._rule() is None and isinstance(loss, Cornered) and loss.has_corner:
            return self._fit_around_corners(rows, loss)
        return self._fit_to_cost(self._cost(rows, in_batches=False), rows, len(rows))

    def _fit_around_corners(self, rows: Rows, loss: Cornered) -> Ending:
        """Fit a loss whose slope jumps: with the corner rounded off, each time less.

        Of numbers the first intercept is taken off the targets on the way, which may lie far from zero, and the loss of
        a row is that of the median one, which targets that lie far off do not change.
        """
        far = 0.0 if loss.of_classes or not self.fit_intercept else float(self._weights[-1])
        rows = replace(rows, y=rows.y - rows.kind.type(far)) if far else rows
        self._weights = _moved(self._weights, -far)
        some, sharp = sample_of(rows, int(self.seed)), loss.rounded(0.0)
        features = self._scaling.applied(some)

        def of_median(weights: np.ndarray) -> float:
            costs = sharp.values(self._scaling.scores(features, weights), some.y)[some.weights > 0]
            return float(np.median(costs)) or float(costs.mean())

        def cost_at(width: float) -> Cost:
            return cost_of(rows, loss.rounded(width), self._scaling, float(self.l2), in_batches=False)

        if cost_at(0.0)(self._weights) == 0:
            before = float(self.history_.epoch[-1]) if len(self.history_) else 0.0
            self.history_.add(epoch=before, steps=0, loss=0.0, gradient=0.0, rate=np.nan, seconds=0.0)
            start = _moved(self._weights, far)
            return Ending(start, Outcome.CONVERGED, "converged: the cost is 0 at the start already", 0.0)
        tol = _TOL_OF_CORNERS if self.tol is None else float(self.tol)
        steps, axes = self.planned_epochs(len(rows)), self._axes(rows)
        runs, weights, width, is_exact = train_around_corners(
            cost_at, self._weights, steps, tol, float(self.l1), axes, None if loss.of_classes else of_median
        )
        for run in runs:
            self._remember(run)
        message = (
            f"{runs[-1].message}; the loss was rounded off within {width:.2g} of its corner, which makes it larger by "
            f"{width / 2:.2g} at most{_along(axes)}"
        )
        outcome, made = runs[-1].outcome, sum(run.nit for run in runs)
        assert outcome is not None  # noqa: S101 - the run has ended
        if outcome is Outcome.CONVERGED and not is_exact:
            outcome = Outcome.STALLED
            message = f"stalled: with less rounded off the cost got no lower; before, {message[0].lower()}{message[1:]}"
        return Ending(_moved(weights, far), outcome, message, float(made), was_to_converge=True)

    def _axes(self, rows: Rows, cost: Cost | None = None) -> Axes | None:
        """The axes of the columns, where these nearly repeat each other and are scaled."""
        if self._moments is None or self.l1 or rows.features > MOST_COLUMNS:
            return None
        with without_threads_of_blas():
            return self._axes_of(rows, cost)

    def _axes_of(self, rows: Rows, cost: Cost | None) -> Axes | None:
        assert self._moments is not None  # noqa: S101 - asked before
        if rows.is_sparse:
            if not may_be_turned(rows):
                return None
            z = self._scaling.applied(rows)
            return axes_of_sparse(z, rows.weights, float(self.l2), intercept=bool(self._scaling.intercept))
        sums = cost if isinstance(cost, GramCost) else GramCost(rows.blocks(SUMMED), 0.0, self._scaling, 0.0, rows)
        gram, l2 = sums.gram[:-1, :-1], float(self.l2)
        if not is_flat(gram, l2):
            return None
        if sums.rows is None:
            return axes_of_sums(gram, l2) if sums is cost else None
        z = self._scaling.applied(rows) * np.sqrt(rows.weights)[:, None]
        return axes_of_rows(z, l2, self._moments.mean / self._moments.deviation)

    def _remember(self, run: Run) -> None:
        """Add a run to the history."""
        history = self.history_
        so_far = history.epoch, history.steps, history.seconds
        before, made, seconds = (float(column[-1]) if len(history) else 0.0 for column in so_far)
        for i, step in enumerate(run.trace.step):
            self.history_.add(
                epoch=before + float(step), steps=int(made) + int(step), loss=float(run.trace.f[i]),
                gradient=float(run.trace.gradient_norm[i]), rate=float(run.trace.lr[i]),
                seconds=seconds + float(run.trace.seconds[i]),
            )  # fmt: skip

    def _without_end(self, cost: Cost, weights: np.ndarray, made: int) -> Ending | None:
        """The ending where some coefficients have no best value, though the cost has come to rest."""
        if self.l1 or self.l2 or not isinstance(cost, RowsCost):
            return None
        endless = columns_without_end(cost.rows, self._loss(), cost.scaling, weights)
        if not len(endless):
            return None
        names = first_few([str(self._column_names(cost.rows)[j]) for j in endless])
        return Ending(
            weights, Outcome.DIVERGED, f"diverged: the loss falls for ever along {names}", float(made),
            cure=": the rows that it marks are told for certain, the more the larger its coefficient. All is kept as "
            f"after the last step; without it, or with a penalty, l2={BOUNDING_L2:g}, there is a best model",
            finding=Finding.NO_BOUND,
        )  # fmt: skip

    def _fit_to_cost(self, cost: Cost, some: Rows, count: int) -> Ending:
        """Minimise the cost of so many rows, of which `some` are at hand."""
        rule = self._rule()
        if isinstance(rule, type):
            rule = self._with_rate(rule, some, self._weights, len(some))
        if isinstance(cost, GramCost):  # made in float64: so it can be followed to its end
            self._weights = self._weights.astype(np.float64)
        tol = _tolerance(self._weights.dtype, count) if self.tol is None else float(self.tol)
        axes = self._axes(some, cost) if rule is None else None
        steps = self.planned_epochs(count)
        if rule is None and not self.l1 and isinstance(cost, RowsCost):
            runs, weights = train_in_turns(cost, self._weights, steps, tol, axes)
        else:
            run, weights = train_on_all_rows(cost, self._weights, rule, steps, tol, float(self.l1), axes)
            runs = [run]
        for run in runs:
            self._remember(run)
        run, made = runs[-1], sum(run.nit for run in runs)
        has_converged = run.outcome is Outcome.CONVERGED
        if has_converged and (ending := self._without_end(cost, weights, made)) is not None:
            return ending
        is_zero = isinstance(self._loss(), Log) and not self.l2 and cost(weights) == 0  # as only rounding makes it
        if not self.l1 and (is_zero or falls_for_ever(cost, weights, has_converged=has_converged)):
            return Ending(
                weights, Outcome.DIVERGED, "diverged: the loss falls for ever along these coefficients", float(made),
                cure=": all rows that count, by their weights, are of one class"
                if isinstance(self, ClassifierMixin) and len(np.unique(some.y[some.weights > 0])) < 2
                else ", as it does where some columns tell the classes apart without an error. They are kept as they "
                f"are after the last step; with a penalty, l2={BOUNDING_L2:g}, there is a best one"
                if isinstance(self, ClassifierMixin)
                else ", as it does where all targets are zero, or those of the rows that some columns mark. They are "
                "kept as they are after the last step", finding=Finding.NO_BOUND,
            )  # fmt: skip
        before = f"; {made - run.nit:,} steps were made before, along other axes" if len(runs) > 1 else ""
        message = f"{run.message}; the gradient was made {cost.how}{before}{_along(axes)}"
        assert run.outcome is not None  # noqa: S101 - the run has ended
        return Ending(weights, run.outcome, message, float(made), was_to_converge=True)
