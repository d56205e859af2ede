"""What the linear models have in common: fitting by gradient descent, in scikit-learn's protocol."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_feature_names, _check_sample_weight, check_is_fitted, validate_data

from descend.descent import Run
from descend.descent.options import ready
from descend.descent.outcome import Finding, Outcome
from descend.descent.sampling import Sampling
from descend.methods import AdaGrad, Method, Rule, as_rule, method_named
from descend.methods.in_files import known
from descend.models.all_rows import falls_for_ever, train_around_corners, train_on_all_rows
from descend.models.axes import Axes, axes_of_rows, axes_of_sums, is_flat
from descend.models.callbacks import told_of_epochs
from descend.models.checkpoint import Checkpoint, about, check_resume, goes_on_in_form, written
from descend.models.costs import MOST_COLUMNS, SUMMED, Cost, GramCost, RowsCost, Scaling, SoftmaxCost, cost_of
from descend.models.finite import check_features, finite_rows
from descend.models.history import History
from descend.models.kernels import shuffled
from descend.models.linear_files import read_into, written_down
from descend.models.losses import Cornered, Loss
from descend.models.mixing import mixed_up
from descend.models.parameters import WithMethod
from descend.models.rate_search import best_rate, without_a_leap
from descend.models.reading import begins_at_zero, read_method, streams
from descend.models.rows import Moments, Rows, rows_of
from descend.models.softmax import constant_of_classes
from descend.models.some_rows import SomeRows, blocks_of
from descend.models.trainers import Penalty, Streaming, Updating, check_fits_sparse_rows
from descend.models.training import (
    Chunk,
    Chunks,
    Ending,
    Measured,
    beside_a_constant,
    chunks_of,
    parted,
    rows_together,
    sample_of,
    train_in_batches,
)

_EPOCHS = 10  # in batches, unless given
_STEPS = 10_000  # on all rows, unless given
_TOL_OF_CORNERS = 1e-6  # the gradient norm that counts as zero, where the cost itself is not followed to its end
_AS_GOOD = 0.02  # more loss on a few sparse rows says little: most columns are not met among them, or only once
_WIDE = 2**21  # numbers in the rows on which a rate that was found is judged again
_ROUNDING = 1e-8  # of a prediction: one so near to it is as good
_FEWEST = 30  # rows of a stream on which a rate can be found
_OTHER_SCALE = 10.0  # times as large, or as small
_PASSES = 2  # through blocks in batches, unless given
_POOL = 64 << 20  # bytes of rows from several blocks that are mixed

__all__ = ["LinearModel"]


def _tolerance(kind: np.dtype[Any], rows: int) -> float:
    """The gradient norm that counts as zero: of few rows all digits, of many as far as rounding lets see."""
    return min(1e-8, 2e-15 * rows) if kind == np.float64 else 1e-5


def _along(axes: Axes | None) -> str:
    """What is added to the message."""
    if axes is None:
        return ""
    return f". Columns nearly repeat each other (κ about {axes.condition:.0e}): steps went along their principal axes"


class LinearModel(CallbackSupportMixin, WithMethod, ABC):  # type: ignore[misc]
    """What the linear models have in common; see `LinearRegression` for the parameters."""

    def __init__(
        self,
        method: Any = None,
        *,
        loss: Any = "squared",
        l2: float = 0.0,
        l1: float = 0.0,
        batch_size: int | None = None,
        epochs: int | None = None,
        scale: bool = True,
        fit_intercept: bool = True,
        shuffle: bool = True,
        validation: float = 0.0,
        patience: int | None = None,
        tol: float | None = None,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: bool = False,
        n_jobs: int = 1,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.loss = loss
        self.l2 = l2
        self.l1 = l1
        self.batch_size = batch_size
        self.epochs = epochs
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.shuffle = shuffle
        self.validation = validation
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.resume = resume
        self.n_jobs = n_jobs
        self.seed = seed

    default_method: ClassVar[type[Method]] = AdaGrad  # in batches

    _moments: Moments | None
    _scaling: Scaling
    _finding: Finding | None  # for a diagnosis to start from
    _weights: np.ndarray  # of the scaled features
    _begun_at: np.ndarray | None = None  # the scale of the columns of a stream where the method began; nan of flat ones
    _trainer: Streaming | Updating | None  # goes on where training in batches ended
    _made_with: dict[str, str]  # the parameters with which it began
    _sparse: bool

    # -- what the kinds of models differ in -----------------------------------------------------------------

    @abstractmethod
    def _targets(self, y: Any, *, first: bool) -> np.ndarray:
        """The target as the loss wants it, float64."""

    def _outputs(self) -> int:
        """How many numbers are predicted: 1, or the number of classes."""
        return 1

    @abstractmethod
    def _loss(self) -> Loss:
        """The cost of one prediction."""

    # -- fitting --------------------------------------------------------------------------------------------

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
        now = self._written()
        if goes_on and now != self._made_with:
            self._trainer = None  # the method begins anew from the coefficients there are
            goes_on = goes_on_in_form(self._made_with, now, ("scale", "fit_intercept"))
        is_checked = not self._meets_what_is_not_finite()
        rows = self._rows(X, y, sample_weight, first=not goes_on, check_finite=is_checked)
        if not goes_on:
            self._moments = rows.moments() if self.scale else None
            if not (is_checked or self._moments is None or np.isfinite(self._moments.squares).all()):
                self._refuse_what_is_not_finite(rows, before)
            self._scaling = self._scaling_of(rows)
            self._weights, self._trainer, self._begun_at = self._start(rows), None, None
            self.history_ = History()
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
        first. With `scale=True` the means and deviations of the
        columns are those of all rows seen so far.
        """
        first = not hasattr(self, "_weights")
        self._check_parameters()
        if not first and self._made_with != self._written():
            self._trainer = None
        if classes is not None:
            self._take_classes(classes, first=first)
        rows = self._rows(X, y, sample_weight, first=first, balanced=False)
        if self.scale:
            seen = rows.moments()
            self._moments = seen if first or self._moments is None else self._moments.with_more(seen)
        before = None if first else self._scaling.in_users_units(self._weights)
        if first or self.scale:
            self._scaling = self._scaling_of(rows)
        if first:
            self.history_, self._trainer, self._begun_at = History(), None, None
        self._weights = self._start(rows) if before is None else self._scaling.of_users_units(*before)
        kind = self._rule_in_batches()
        if self._begun_at is not None and self._is_of_another_scale():
            is_sought = isinstance(kind, type)
            warnings.warn(
                "columns have come to another scale, ten times that of the rows with which training began, or a tenth: "
                + (
                    "the learning rate is found anew on these rows"
                    if is_sought
                    else "what was learnt from those may be far off on these, and take long to mend. Begin with rows "
                    "that are like those to come, or leave the rate out: then it is found anew"
                ),
                stacklevel=2,
            )
            self._begun_at = self._scale_now()
            self._trainer = None if is_sought else self._trainer
        if self._trainer is None:
            self._trainer = self._trainer_of(rows, self._weights, self._size(rows))
            self._begun_at = self._scale_now()
            if first and len(rows) < _FEWEST and isinstance(kind, type) and "lr" in kind.names():
                warnings.warn(
                    f"the learning rate, {self.rate_:.3g}, was found on the first call, which has "
                    f"{len(rows)} row{'s' * (len(rows) > 1)}: too few to tell. Begin with {_FEWEST} rows or more, or "
                    "give the method with its rate, AdaGrad(0.1)",
                    stacklevel=2,
                )
        elif self.scale:
            if isinstance(self._trainer, Updating) and self._trainer.hands_out_another:
                raise ValueError(
                    "the average of this method belongs to columns of one scale, and with scale=True that changes from "
                    "call to call: give scale=False and scaled columns, or use fit"
                )
            self._trainer.move_to(self._weights, self._scaling)
        self._trainer.run(rows, np.arange(len(rows)), self._size(rows))
        weights, message, outcome = (
            self._trainer.weights,
            f"{self._trainer.steps:,} steps made",
            Outcome.STEPS_EXHAUSTED,
        )
        if not np.isfinite(weights).all():
            weights, message, outcome = self._weights, "diverged on these rows, which are not learnt", Outcome.DIVERGED
            self._trainer = None
        self._finish(Ending(weights, outcome, message, 1.0), rows)
        return self

    def _is_of_another_scale(self) -> bool:
        """Whether a column has become ten times as large as where the method began, or a tenth."""
        ratios = self._scaling.scale / self._begun_at
        return bool((np.maximum(ratios, 1 / ratios) > _OTHER_SCALE).any())

    def _scale_now(self) -> np.ndarray:
        """The scale of the columns; with a given rate nan of those that have not varied: nothing is learnt of them."""
        if not self.scale or self._moments is None or isinstance(self._rule_in_batches(), type):
            return self._scaling.scale
        return np.where(self._moments.squares > 0, self._scaling.scale, np.nan)

    def fit_blocks(self, blocks: Callable[[], Iterator[tuple[Any, Any]]]) -> Self:
        """Learn from more rows than memory holds: `blocks()` goes through them anew, as pairs (X, y) of some rows.

        One pass takes the means and deviations of the columns and the classes. Where `learns_from_sums`, a second
        makes XᵀX, and the result is that of all rows in memory. Else `epochs` more (2 unless given) train, in batches
        of `batch_size` (1 unless given), in an order of its own, within a pool of rows that takes 64 MB.
        """
        self._check_parameters()
        if self.validation:
            raise ValueError("fit_blocks holds no rows out: leave validation at 0, and give blocks without those rows")
        size, moments, total, of_targets = self.batch_size or 1, None, 0, 0.0
        classes: set[Any] = set()
        some, epochs = SomeRows(int(self.seed)), self.epochs or _PASSES
        for X, y in blocks_of(blocks):
            _check_feature_names(self, X, reset=total == 0)
            rows = rows_of(np.asarray(X), np.zeros(len(X)))
            seen = rows.moments()
            moments = seen if moments is None else moments.with_more(seen)
            total += len(rows)
            if isinstance(self, ClassifierMixin):
                classes.update(np.unique(y).tolist())
            else:
                of_targets += float(np.sum(y, dtype=np.float64))
            some.look(X, y)
        if moments is None:
            raise ValueError("there are no rows")
        if classes:
            self._take_classes(sorted(classes), first=True)
        self.history_, self._trainer = History(), None
        names = getattr(self, "feature_names_in_", None)
        first = self._rows(*some.rows(), None, first=True, balanced=False)
        if names is not None:
            self.feature_names_in_ = names
        self._moments = moments if self.scale else None
        self._scaling = self._scaling_of(first)
        self._weights = self._start(first)
        if self.learns_from_sums(first.features):
            parts = (self._rows(X, y, None, first=False, balanced=False) for X, y in blocks_of(blocks, total))
            cost = GramCost(parts, of_targets / total, self._scaling, float(self.l2))
            self._finish(self._fit_to_cost(cost, first, total), first)
            return self
        self._trainer = self._trainer_of(first, self._weights, size)

        def chunks(epoch: int) -> Iterator[Chunk]:
            done = 0
            seed = int(self.seed)
            passed = blocks_of(blocks, total)
            come: Iterator[Rows] = (self._rows(X, y, None, first=False, balanced=False) for X, y in passed)
            if self.shuffle:
                room = max(1, _POOL // (first.kind.itemsize * (first.features + 2)))
                parts = ((rows.values, rows.y, rows.weights) for rows in come)
                mixed = mixed_up(parts, min(room, total), np.random.default_rng([seed, epoch]))
                come = (replace(first, values=values, y=y, weights=weights) for values, y, weights in mixed)
            for number, rows in enumerate(come):
                done += len(rows)
                order = shuffled(len(rows), seed, (epoch << 20) + number) if self.shuffle else np.arange(len(rows))
                yield Chunk(rows, order, done / total)

        self._finish(self._trained(chunks, size, first, None, epochs), first)
        return self

    def planned_epochs(self, rows: int) -> int:
        """How many epochs `fit` makes of so many rows, unless it stops early; without batches that many steps."""
        return self.epochs or (_STEPS if self.batch_size is None else _EPOCHS)

    def _size(self, rows: Rows) -> int:
        return len(rows) if self.batch_size is None else min(int(self.batch_size), len(rows))

    def _check_parameters(self) -> None:
        for name in ("batch_size", "epochs", "patience", "n_jobs"):
            value = getattr(self, name)
            is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not (is_whole and value >= 1) and (value is not None or name == "n_jobs"):
                raise ValueError(f"{name} must be a whole number >= 1{' or None' * (name != 'n_jobs')}, got {value!r}")
        if self.n_jobs > 1 and self.batch_size is None:
            raise ValueError("all rows are shared by all processors anyway: n_jobs is for training in batches")
        if self.n_jobs > 1 and self.checkpoint is not None:
            raise ValueError(
                "with n_jobs > 1 the result depends on timing, which a checkpoint cannot repeat: leave one"
            )
        for name in ("scale", "fit_intercept", "shuffle", "warm_start", "resume"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise ValueError(f"seed must be a whole number >= 0, got {self.seed!r}")
        for name in ("l2", "l1", *(("tol",) if self.tol is not None else ())):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
                raise ValueError(f"{name} must be a number >= 0, got {value!r}")
        if not (isinstance(self.validation, int | float | np.number) and 0 <= self.validation < 1):
            raise ValueError(f"validation must be a share in [0, 1), got {self.validation!r}")
        if self.patience is not None and not self.validation:
            raise ValueError("patience looks at the validation loss: give validation=0.2, too")
        check_resume(self.checkpoint, self.resume)
        if self.checkpoint is not None and self.batch_size is None:
            raise ValueError("a checkpoint is for training in batches: give batch_size, too")
        if (self.patience is not None or self.validation) and self.batch_size is None:
            raise ValueError("validation and patience are for training in batches: give batch_size, too")

    def _rows(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool, balanced: bool = True, check_finite: bool = True
    ) -> Rows:
        X, y = finite_rows(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], reset=first, accept_large_sparse=True,
            y_numeric=isinstance(self, RegressorMixin), ensure_all_finite=check_finite or scipy.sparse.issparse(X),
        )  # fmt: skip
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if not first:
            if scipy.sparse.issparse(X) != self._sparse:
                kinds = ("sparse", "dense") if self._sparse else ("dense", "sparse")
                raise ValueError(f"the rows were {kinds[0]} so far, and now they are {kinds[1]}: give all in one form")
            X = X.astype(self._scaling.scale.dtype, copy=False)
        self._sparse = scipy.sparse.issparse(X)
        targets = self._targets(y, first=first)
        weights = self._row_weights(y, sample_weight)
        return rows_of(X, targets, weights, balanced=balanced)

    def _row_weights(self, y: Any, sample_weight: Any) -> Any:
        return sample_weight

    def _scaling_of(self, rows: Rows) -> Scaling:
        d, moments = rows.features, self._moments if self.scale else None
        if moments is not None:
            self._check_squares(rows, moments)
            if rows.is_sparse:
                self._warn_of_far_columns(rows, moments)
        centred = moments is not None and self.fit_intercept
        shift = moments.mean if moments is not None and centred else np.zeros(d)
        scale = np.ones(d) if moments is None else 1 / self._unit_of(moments)
        return Scaling(shift, scale, intercept=bool(self.fit_intercept), kind=rows.kind)

    def _unit_of(self, moments: Moments) -> np.ndarray:
        """What is one of each column: where rows come one by one a sparse column is as large as it is where it is."""
        return moments.deviation if moments.stored is None or self.batch_size is None else moments.size_where_stored

    def _warn_of_far_columns(self, rows: Rows, moments: Moments) -> None:
        far = [str(self._column_names(rows)[j]) for j in rows.far_from_zero(moments)]
        if far:
            warnings.warn(
                f"sparse columns keep their zeros and are not centred, and {len(far)} of them ({', '.join(far[:3])}"
                f"{', …' * (len(far) > 3)}) lie far from zero in nearly all rows: that makes learning slow. Give "
                "these rows dense, X.toarray(), or take a constant off those columns",
                stacklevel=4,
            )

    def _check_squares(self, rows: Rows, moments: Moments) -> None:
        """Refuse columns whose deviation cannot be computed, because the squares leave the range of the numbers."""
        zero = moments.squares == 0
        if rows.is_sparse:
            varies = np.bincount(rows.columns, rows.values != 0, rows.features) > 0
        else:
            varies = np.zeros(rows.features, bool)
            varies[zero] = (rows.values[:, zero] != rows.values[0, zero]).any(axis=0)
        bad = ~np.isfinite(moments.squares) | (zero & varies)
        if bad.any():
            name = self._column_names(rows)[int(bad.argmax())]
            raise ValueError(f"the squares of {name} leave the range of the numbers: give it in other units")

    def _column_names(self, rows: Rows) -> Any:
        return getattr(self, "feature_names_in_", [f"column {j}" for j in range(rows.features)])

    def _start(self, rows: Rows) -> np.ndarray:
        """Zero, but for the intercept where features are scaled: there it is the best constant."""
        outputs = self._outputs()
        start = np.zeros(rows.features + 1 if outputs == 1 else (outputs, rows.features + 1), rows.kind)
        if self.scale and self.fit_intercept and not begins_at_zero(self._rule()):
            start[..., -1] = self._constant(rows)
        return start

    def _constant(self, rows: Rows) -> Any:
        """The prediction, before `Loss.mean`, that suits these rows best where no column is known."""
        y, weights = rows.y.astype(np.float64), rows.weights.astype(np.float64)
        return (
            self._loss().constant(y, weights)
            if self._outputs() == 1
            else constant_of_classes(y, weights, self._outputs())
        )

    def _cost(self, rows: Rows, *, in_batches: bool) -> Cost:
        if self._outputs() > 1:
            return SoftmaxCost(rows, self._scaling, float(self.l2), self._outputs())
        return cost_of(rows, self._loss(), self._scaling, float(self.l2), in_batches=in_batches)

    def _loss_of(self, rows: Rows) -> Cost:
        """The mean loss of some rows, the penalty left out."""
        if self._outputs() > 1:
            return SoftmaxCost(rows, self._scaling, 0.0, self._outputs())
        return RowsCost(rows, self._loss(), self._scaling, 0.0)

    def _seen_on(self, rows: Rows) -> Callable[[np.ndarray], tuple[float, float, float]]:
        """Parameters → the mean loss of these rows, what `score` gives, and the norm of the gradient of the loss."""
        cost, features, loss = self._loss_of(rows), self._scaling.applied(rows), self._loss()

        def seen(weights: np.ndarray) -> tuple[float, float, float]:
            with np.errstate(all="ignore"):
                score = self._score_of(loss.mean(self._scaling.scores(features, weights)), rows)
                return cost(weights), score, float(np.linalg.norm(cost.grad(weights)))

        return seen

    def _rule(self) -> Rule | type[Method] | None:
        """The method: None for the default, a class where its rate is to be found."""
        method = known(self.method)
        if method is None or isinstance(method, type):
            return method
        return method_named(method) if isinstance(method, str) else as_rule(method)

    def _rule_in_batches(self) -> Rule | type[Method]:
        return self._rule() or self.default_method

    def learns_from_sums(self, columns: int) -> bool:
        """Whether XᵀX and Xᵀy are all that it needs of the rows: least squares, not in batches."""
        return self.batch_size is None and GramCost.suits(self._loss(), columns)

    def _fit_on_all_rows(self, rows: Rows) -> Ending:
        loss = self._loss()
        if self._rule() is None and isinstance(loss, Cornered) and loss.has_corner:
            return self._fit_around_corners(rows, loss)
        return self._fit_to_cost(self._cost(rows, in_batches=False), rows, len(rows))

    def _fit_around_corners(self, rows: Rows, loss: Cornered) -> Ending:
        def cost_at(width: float) -> Cost:
            return cost_of(rows, loss.rounded(width), self._scaling, float(self.l2), in_batches=False)

        if cost_at(0.0)(self._weights) == 0:
            before = float(self.history_.epoch[-1]) if len(self.history_) else 0.0
            self.history_.add(epoch=before, steps=0, loss=0.0, gradient=0.0, rate=np.nan, seconds=0.0)
            return Ending(self._weights, Outcome.CONVERGED, "converged: the cost is 0 at the start already", 0.0)
        tol = _TOL_OF_CORNERS if self.tol is None else float(self.tol)
        steps, axes = self.planned_epochs(len(rows)), self._axes(rows)
        runs, weights, width, is_exact = train_around_corners(cost_at, self._weights, steps, tol, float(self.l1), axes)
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
        return Ending(weights, outcome, message, float(made), was_to_converge=True)

    def _axes(self, rows: Rows, cost: Cost | None = None) -> Axes | None:
        """The axes of the columns, where these nearly repeat each other and are scaled."""
        if self._moments is None or self.l1 or rows.is_sparse or rows.features > MOST_COLUMNS:
            return None
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
        before = float(self.history_.epoch[-1]) if len(self.history_) else 0.0
        for i, step in enumerate(run.trace.step):
            self.history_.add(
                epoch=before + float(step), steps=int(step), loss=float(run.trace.f[i]),
                gradient=float(run.trace.gradient_norm[i]), rate=float(run.trace.lr[i]),
                seconds=float(run.trace.seconds[i]),
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
        run, weights = train_on_all_rows(cost, self._weights, rule, steps, tol, float(self.l1), axes)
        self._remember(run)
        if not self.l1 and falls_for_ever(cost, weights, has_converged=run.outcome is Outcome.CONVERGED):
            return Ending(
                weights, Outcome.DIVERGED, "diverged: the loss falls for ever along these coefficients", float(run.nit),
                cure=", as it does where some columns tell the classes apart without an error. They are kept as they "
                "are after the last step; with a penalty, l2=1e-4, there is a best one"
                if isinstance(self, ClassifierMixin)
                else ", as it does where all targets are zero, or those of the rows that some columns mark. They are "
                "kept as they are after the last step", finding=Finding.NO_BOUND,
            )  # fmt: skip
        message = f"{run.message}; the gradient was made {cost.how}{_along(axes)}"
        assert run.outcome is not None  # noqa: S101 - the run has ended
        return Ending(weights, run.outcome, message, float(run.nit), was_to_converge=True)

    def _with_rate(self, kind: type[Method], rows: Rows, start: np.ndarray, batch_size: int) -> Rule:
        """The method of that class, with the rate that is best, if it has one."""
        if "lr" not in kind.names():
            return kind()

        def judged(weights: np.ndarray, some: Rows) -> float:
            with np.errstate(all="ignore"):
                return self._loss_of(some)(weights)

        def trainer_at(lr: float, some: Rows) -> Streaming | Updating:
            return self._trainer_at(kind(lr=lr), some, start, min(batch_size, len(some)))

        equal = _AS_GOOD if rows.is_sparse else 0.0
        wide = _WIDE * len(rows) // max(1, rows.values.size)
        lr = best_rate(trainer_at, rows, batch_size, judged, int(self.seed), equal=equal, wide=wide)
        self.rate_ = without_a_leap(lr, trainer_at, rows, batch_size, judged)
        return kind(lr=self.rate_)

    def _trainer_of(self, rows: Rows, start: np.ndarray, batch_size: int) -> Streaming | Updating:
        rule = self._rule_in_batches()
        if isinstance(rule, type):
            rule = self._with_rate(rule, rows, start, batch_size)
        jobs = int(self.n_jobs)
        trainer = self._trainer_at(rule, rows, start, batch_size, jobs)
        if jobs > 1 and not isinstance(trainer, Streaming):
            raise ValueError(
                f"n_jobs is for methods that are compiled into a loop over the rows; {type(rule).__name__} with this "
                "loss is not: use gradient descent or AdaGrad, or leave n_jobs out"
            )
        return trainer

    def _trainer_at(
        self, rule: Rule, rows: Rows, start: np.ndarray, batch_size: int, jobs: int = 1
    ) -> Streaming | Updating:
        start = start.astype(rows.kind)
        if streams(rule):
            if rows.is_sparse and batch_size < len(rows) and self._outputs() == 1:
                check_fits_sparse_rows(rule)
            if not rows.is_sparse or read_method(type(rule)).is_exact_on_sparse_rows:
                penalty = Penalty(float(self.l2), float(self.l1))
                return Streaming(rule, self._loss(), self._scaling, penalty, start, rows, jobs)  # type: ignore[arg-type]
        sampling = Sampling(max(len(rows), batch_size + 1), batch_size, int(self.seed))
        return Updating(ready(rule, sampling, start), partial(self._cost, in_batches=True), float(self.l1), start)

    def _fit_in_batches(self, rows: Rows, held_out: Rows | None) -> Ending:
        size = self._size(rows)
        if self._trainer is None:
            self._trainer = self._trainer_of(rows, self._weights, size)
        together = rows_together(len(rows), int(self.n_jobs), is_compiled=self._trainer.is_compiled)
        chunks = chunks_of(rows, size, shuffle=bool(self.shuffle), seed=int(self.seed), together=together)
        ending: Ending = self._trained(chunks, size, rows, held_out, self.planned_epochs(len(rows)))
        return ending

    @with_callbacks  # type: ignore[untyped-decorator]
    def _trained(self, chunks: Chunks, size: int, rows: Rows, held_out: Rows | None, epochs: int) -> Ending:
        sample = sample_of(rows, int(self.seed))
        on_sample = self._seen_on(sample)
        on_held_out = None if held_out is None else self._seen_on(held_out)
        assert self._trainer is not None  # noqa: S101 - made by the caller

        def measure(weights: np.ndarray) -> Measured:
            loss, score, gradient = on_sample(weights)
            of_held_out = (np.nan, np.nan) if on_held_out is None else on_held_out(weights)[:2]
            return Measured(loss, of_held_out[0], score, of_held_out[1], gradient)

        cost, constant = self._loss_of(sample), np.zeros_like(self._weights)
        constant[..., -1] = self._constant(sample)
        of_constant = cost(constant)
        sizes = np.abs(sample.y).max(initial=0.0) or 1.0, max(1.0, float(np.abs(constant).max()))
        beside = constant.copy()
        beside[..., -1] += _ROUNDING * min(sizes)
        rounding = abs(cost(beside) - of_constant)
        common = (self._trainer, chunks, size, epochs, measure, self.history_, self.patience)
        with told_of_epochs(self, epochs, self._attributes) as wants_to_stop:
            if self.checkpoint is None:
                ending = train_in_batches(*common, None, wants_to_stop, rounding)
            else:
                with Checkpoint(self.checkpoint, self._about(rows), resume=bool(self.resume)) as checkpoint:
                    ending = train_in_batches(*common, checkpoint, wants_to_stop, rounding)
        return beside_a_constant(ending, cost(ending.weights), of_constant)

    def _about(self, rows: Rows) -> dict[str, Any]:
        """What must be the same where training goes on from a checkpoint."""
        rows_as_text = {"rows": str(len(rows)), "columns": str(rows.features), "dtype": str(rows.kind)}
        return about(
            {**self._written(), **rows_as_text}, (rows.values, rows.columns, rows.starts, rows.y, rows.weights)
        )

    def _written(self) -> dict[str, str]:
        return written(self)

    def _finish(self, ending: Ending, rows: Rows) -> None:
        self._weights = ending.weights
        self._made_with = self._written()
        if ending.outcome is Outcome.DIVERGED or ending.has_gone_back:
            self._trainer = None  # its state is not that of the coefficients that are kept
        for name, value in self._attributes(ending.weights).items():
            setattr(self, name, value)
        self.n_iter_ = max(1, round(ending.epochs))
        self.outcome_, self.message_, self._finding = ending.outcome, ending.message, ending.finding
        if ending.outcome is Outcome.DIVERGED:
            self.message_ += ending.cure or f"; the last finite coefficients are kept. {self._cure(rows)}"
            warnings.warn(self.message_, ConvergenceWarning, stacklevel=3)
        elif ending.outcome in {Outcome.STALLED, Outcome.OUT_OF_TIME, Outcome.NOTHING_LEARNT} or (
            ending.outcome is Outcome.STEPS_EXHAUSTED and ending.was_to_converge
        ):
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
                steepness *= max(1.0, loss.curvature(float(self._constant(rows)), rows.y.astype(np.float64)))
        limit = 2 / max(steepness, 1e-300)
        return f"Try a smaller learning rate (below about {limit:.2g} for gradient descent), or leave method out"

    def falls_for_ever(self, X: Any, y: Any, sample_weight: Any = None) -> bool:
        """Whether the loss of these rows goes to zero as the coefficients grow, so that no coefficients are best."""
        check_is_fitted(self, "coef_")
        if self.l2 or self.l1:
            return False
        cost = self._loss_of(self._rows(X, y, sample_weight, first=False))
        return falls_for_ever(cost, self._weights, has_converged=False)

    def explain(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Any:
        """Why training ended as it did: a `Diagnosis`.

        With the rows that it was fitted on, trainings with one thing changed tell the causes apart, and the cure was
        tried; they take as long as the fit, or two seconds. Without rows, what the losses on the way tell.
        """
        from descend.insight import explain_fit

        return explain_fit(self, X, y, sample_weight)

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

    coef_: np.ndarray
    intercept_: Any

    def _attributes(self, weights: np.ndarray) -> dict[str, Any]:
        """What `predict` needs, by name."""
        coefficients, intercept = self._scaling.in_users_units(weights)
        return self._as_attributes(coefficients, np.asarray(intercept))

    @abstractmethod
    def _as_attributes(self, coefficients: np.ndarray, intercept: np.ndarray) -> dict[str, Any]:
        """`coef_` and `intercept_` in the form that scikit-learn gives them for this kind of model."""

    @abstractmethod
    def _score_of(self, predicted: np.ndarray, rows: Rows) -> float:
        """R², or the share told right, of rows of which this is expected, see `Loss.mean`."""

    def _take_classes(self, classes: Any, *, first: bool) -> None:
        raise ValueError("classes is for classifiers")

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
