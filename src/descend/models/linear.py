"""What the linear models have in common: fitting by gradient descent, in scikit-learn's protocol."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from descend.descent.outcome import Outcome
from descend.models.blocks import Blocks, chunks_of_blocks, first_look
from descend.models.checkpoint import goes_on_in_form
from descend.models.costs import GramCost
from descend.models.drift import FEWEST, OTHER_SCALE, followed
from descend.models.finite import check_features
from descend.models.history import History
from descend.models.linear_all_rows import OnAllRows
from descend.models.linear_batches import InBatches
from descend.models.linear_files import read_into, written_down
from descend.models.losses import Cornered
from descend.models.reading import grows_with_the_gradient, read_method, streams
from descend.models.rows import Moments, Rows, rows_of
from descend.models.some_rows import blocks_of
from descend.models.trainers import Updating
from descend.models.training import EXPLODED, Ending, parted
from descend.models.unbounded import falls_for_ever

_PASSES = 2  # through blocks in batches, unless given
_LOST = 1e-9  # share of what a deviation of a column brings about, lost where far numbers are taken from each other

__all__ = ["LinearModel"]


class LinearModel(InBatches, OnAllRows):
    """What the linear models have in common; see `LinearRegression` for the parameters."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows `X` (n, d), dense or sparse, and targets `y` (n,); a row counts `sample_weight` times.

        Raises
        ------
        ValueError, TypeError
            The data or a parameter makes no sense; the message says what came and what is legal.
        """
        self._check_parameters()
        before = dict(vars(self))
        goes_on = self.warm_start and hasattr(self, "_weights")
        if goes_on:
            self._take_changes()
            goes_on = goes_on_in_form(self._made_with, self._written(), ("scale", "fit_intercept"))
        is_checked = not self._meets_what_is_not_finite()
        rows = self._rows(X, y, sample_weight, first=not goes_on, check_finite=is_checked)
        if not goes_on:
            moments = rows.moments() if self.scale else None
            if not (is_checked or moments is None or np.isfinite(moments.squares).all()):
                self._refuse_what_is_not_finite(rows, before)
            self._begin(rows, moments)
        elif self.scale and self.batch_size is None:  # a penalty is on the columns as these rows have them
            self._take_scale(rows, rows.moments())
        rows, held_out = parted(rows, float(self.validation), int(self.seed))
        fit = self._fit_on_all_rows if self.batch_size is None else partial(self._fit_in_batches, held_out=held_out)
        ending = fit(rows)
        if ending.outcome is Outcome.DIVERGED and not is_checked:
            self._refuse_what_is_not_finite(rows, before)
        self._finish(ending, rows)
        return self

    def _meets_what_is_not_finite(self) -> bool:
        """Whether a nan or infinity among dense features shows in what `fit` does with them anyway.

        Then they need no reading of their own beforehand, which would take as long as an epoch.
        """
        if self.warm_start or self.checkpoint is not None:  # what there was would be lost
            return False
        if self.scale:
            return True  # in the moments
        rule = self._rule_in_batches()
        rule = rule() if isinstance(rule, type) else rule
        of_each_row = self.batch_size is not None and not self.l1 and not self.validation
        return of_each_row and streams(rule) and read_method(type(rule)).carries_what_is_not_finite

    def _refuse_what_is_not_finite(self, rows: Rows, before: dict[str, Any]) -> None:
        """Refuse features among which a nan or infinity is, and leave the model as it was before."""
        try:
            check_features(self, rows.values)
        except ValueError:
            self.__dict__ = before
            raise

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some more rows: one step from all of them, or with `batch_size` one pass in such batches.

        The schedule of the rate goes on from call to call; a rate that is to be found is found on the rows of the
        first. With `scale=True` the means and deviations of the columns are those of all rows seen so far. Weights
        count as they are given, for there is no mean of all to bring them to: rows that count 5 make a step five times
        as long.
        """
        first = not hasattr(self, "_weights")
        self._check_parameters()
        if not first:
            self._take_changes()
        if classes is not None:
            self._take_classes(classes, first=first)
        rows = self._rows(X, y, sample_weight, first=first, balanced=False)
        seen = rows.moments() if self.scale else None
        if first:
            self._begin(rows, seen)
        elif seen is not None:
            if self._begun_at is None and (self._trainer is not None or self._kept):  # with what `fit` has seen
                self._begun_at = self._scale_now()
            self._take_scale(rows, seen if self._moments is None else self._moments.with_more(seen))
        kind = self._rule_in_batches()
        if isinstance(self, RegressorMixin) and (isinstance(kind, type) or not grows_with_the_gradient(kind)):
            self._drift = followed(None if first else self._drift, rows.y[:, None])
        columns_moved = self._begun_at is not None and self._is_of_another_scale()
        if columns_moved or (self._drift is not None and self._drift.is_far):
            warnings.warn(
                f"{'columns have' if columns_moved else 'the target has'} come to another scale, ten times that of the "
                "rows with which training began, or a tenth: "
                + (
                    "the learning rate is found anew on these rows"
                    if isinstance(kind, type)
                    else "what was learnt from those may be far off on these, and take long to mend. Begin with rows "
                    "that are like those to come, or leave the rate out: then it is found anew"
                ),
                stacklevel=2,
            )
            self._begun_at = self._scale_now()
            self._drift = None if self._drift is None else self._drift.anew()
            if isinstance(kind, type):
                self._begin_anew()
        begins = self._trainer is None and not self._kept
        trainer = self._trainer_or(lambda: self._trainer_of(rows, self._weights, self._size(rows), is_stream=True))
        if begins:
            self._begun_at = self._scale_now()
        elif self.scale:
            if isinstance(trainer, Updating) and trainer.hands_out_another:
                raise ValueError(
                    "the average of this method belongs to columns of one scale, and with scale=True that changes from "
                    "call to call: give scale=False and scaled columns, or use fit"
                )
            trainer.move_to(self._weights, self._scaling)
        before = self._weights
        trainer.run(rows, np.arange(len(rows)), self._size(rows))
        weights, message, outcome = trainer.weights, f"{trainer.steps:,} steps made", Outcome.STEPS_EXHAUSTED
        if not np.isfinite(weights).all() or self._has_exploded(before, weights, rows):
            weights, message, outcome = self._weights, "diverged on these rows, which are not learnt", Outcome.DIVERGED
            self._begin_anew()
        self._finish(Ending(weights, outcome, message, 1.0), rows)
        return self

    def _has_exploded(self, before: np.ndarray, after: np.ndarray, rows: Rows) -> bool:
        """Whether steps on these rows have made it far worse at them than a model is that knows nothing."""
        rule = self._rule_in_batches()
        if isinstance(rule, type) or not grows_with_the_gradient(rule):
            return False
        if len(rows) < FEWEST:  # too few to tell: the targets of some may be near zero by chance
            return False
        loss = self._loss_of(rows)
        with np.errstate(all="ignore"):
            was, now, of_none = (loss(weights) for weights in (before, after, np.zeros_like(after)))
        return not now <= max(was, EXPLODED * of_none)

    def _begin(self, rows: Rows, moments: Moments | None) -> None:
        """A model that knows nothing yet, for rows like these: their columns scaled as the moments tell."""
        self._moments = moments
        self._scaling = self._scaling_of(rows)
        self._weights, self.history_ = self._start(rows), History()
        self._begun_at, self._drift = None, None
        self._begin_anew()

    def _take_scale(self, rows: Rows, moments: Moments) -> None:
        """Bring the columns to the scale that these moments tell; the coefficients stay, in the user's units."""
        before = self._scaling.in_users_units(self._weights)
        self._moments = moments
        self._scaling = self._scaling_of(rows)
        self._weights = self._scaling.of_users_units(*before)

    def _is_of_another_scale(self) -> bool:
        """Whether a column has become ten times as large as where the method began, or a tenth."""
        ratios = self._scaling.scale / self._begun_at
        return bool((np.maximum(ratios, 1 / ratios) > OTHER_SCALE).any())

    def _scale_now(self) -> np.ndarray:
        """The scale of the columns; with a given rate nan of those that have not varied: nothing is learnt of them."""
        if not self.scale or self._moments is None or isinstance(self._rule_in_batches(), type):
            return self._scaling.scale
        return np.where(self._moments.squares > 0, self._scaling.scale, np.nan)

    def fit_blocks(self, blocks: Blocks) -> Self:
        """Learn from more rows than memory holds: `blocks()` goes through them anew, as pairs (X, y) of some rows.

        One pass takes the means and deviations of the columns and the classes. Where `learns_from_sums`, a second
        makes XᵀX, and the result is that of all rows in memory. Else it puts the rows into a temporary file, from which
        `epochs` (2 unless given) train, in batches of `batch_size` (1 unless given), in an order of its own each. With
        `shuffle=False` they are taken as they come, anew in each epoch, and nothing is written.
        """
        self._check_parameters()
        size, epochs = self.batch_size or 1, self.epochs or _PASSES
        seen: list[Moments] = []
        of_targets = 0.0

        def look(X: Any, y: Any) -> None:
            nonlocal of_targets
            more = rows_of(np.asarray(X), np.zeros(len(X))).moments()
            seen[:] = [seen[0].with_more(more) if seen else more]
            if isinstance(self, RegressorMixin):
                of_targets += float(np.sum(y, dtype=np.float64))

        total, some = first_look(self, blocks, look)
        names = getattr(self, "feature_names_in_", None)
        first = self._rows(some[0], some[1], None, first=True, balanced=False)
        if names is not None:
            self.feature_names_in_ = names
        self._begin(first, seen[0] if self.scale else None)

        def come() -> Iterator[Rows]:
            return (self._rows(X, y, None, first=False, balanced=False) for X, y in blocks_of(blocks, total))

        if self.learns_from_sums(first.features):
            cost = GramCost(come(), of_targets / total, self._scaling, float(self.l2))
            self._finish(self._fit_to_cost(cost, first, total), first)
            return self
        self._trainer = self._trainer_of(first, self._weights, size)
        with chunks_of_blocks(
            self,
            lambda: ((rows.values, rows.y, rows.weights) for rows in come()),
            lambda parts: replace(first, values=parts[0], y=parts[1], weights=parts[2]),
            total,
        ) as chunks:
            self._finish(self._trained(chunks, size, first, None, epochs), first)
        return self

    def _finish(self, ending: Ending, rows: Rows) -> None:
        self._weights = ending.weights
        self._take_over(ending)
        if ending.outcome is Outcome.DIVERGED:
            self.message_ += ending.cure or f"; the last finite coefficients are kept. {self._cure(rows)}"
            warnings.warn(self.message_, ConvergenceWarning, stacklevel=3)
        elif ending.outcome in {Outcome.STALLED, Outcome.OUT_OF_TIME, Outcome.NOTHING_LEARNT} or (
            ending.outcome is Outcome.STEPS_EXHAUSTED and ending.was_to_converge
        ):
            if ending.outcome is Outcome.STALLED and not self.scale:
                self.message_ += "; scale=True brings the columns to one scale"
            warnings.warn(self.message_, ConvergenceWarning, stacklevel=3)

    def _cure(self, rows: Rows) -> str:
        """What may have made it diverge, from the columns."""
        moments = rows.moments()
        largest = moments.largest(self._column_names(rows))
        if not self.scale and largest:
            return f"The columns differ in scale; the largest: {largest}. Use scale=True"
        steepness = float((moments.size**2).sum()) if not self.scale else float(rows.features)
        loss = self._loss()
        if isinstance(loss, Cornered):
            return "Try a smaller learning rate, or leave method out"
        if isinstance(self, RegressorMixin):  # the others are as steep as the squared loss at most
            with np.errstate(all="ignore"):
                y = rows.y.astype(np.float64)
                steepness *= max(1.0, float(loss.curvature(np.full(len(y), float(self._constant(rows))), y).mean()))
        limit = 2 / max(steepness, 1e-300)
        return f"Try a smaller learning rate (below about {limit:.2g} for gradient descent), or leave method out"

    def falls_for_ever(self, X: Any, y: Any, sample_weight: Any = None) -> bool:
        """Whether the loss of these rows goes to zero as the coefficients grow, so that no coefficients are best."""
        check_is_fitted(self, "coef_")
        if self.l2 or self.l1:
            return False
        cost = self._loss_of(self._rows(X, y, sample_weight, first=False))
        return falls_for_ever(cost, self._weights, has_converged=False)

    def to_file(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values from which `of_file` makes the model again."""
        check_is_fitted(self, "coef_")
        return written_down(self)

    @classmethod
    def of_file(cls, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Self:
        """The model of which `to_file` gave these."""
        made = cls()
        read_into(made, arrays, header)
        return made

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        if self._cancels():
            scores = self._scaling.scores((X - self._scaling.shift) * self._scaling.scale, self._weights)
            return scores.reshape(len(X), *self.coef_.shape[:-1])
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def _cancels(self) -> bool:
        """Whether intercept and coefficients in the user's units lose digits to each other, as with numbers like ids.

        Then predictions are made of what was learnt, unless somebody has changed the coefficients since.
        """
        shift, (coefficients, _) = self._scaling.shift, self._scaling.in_users_units(self._weights)
        lost = np.finfo(np.float64).eps * np.abs(coefficients * shift).max(initial=0.0)
        is_much = lost > _LOST * np.abs(self._weights[..., :-1]).max(initial=0.0)
        return bool(is_much) and np.array_equal(coefficients.reshape(self.coef_.shape), self.coef_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
