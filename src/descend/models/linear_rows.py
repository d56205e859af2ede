"""What a linear model makes of its parameters and of rows: scales, a start, costs."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight

from descend.arguments import flag, nonnegative, whole
from descend.methods import AdaGrad, Method, Rule, as_rule, method_named
from descend.methods.in_files import known
from descend.models.checkpoint import written
from descend.models.costs import Cost, RowsCost, Scaling, SoftmaxCost, cost_of
from descend.models.estimator import Estimator
from descend.models.finite import finite_rows
from descend.models.losses import Loss
from descend.models.reading import begins_at_zero
from descend.models.rows import Moments, Rows, rows_of
from descend.models.softmax import constant_of_classes
from descend.models.trainers import Streaming, Updating
from descend.models.training import enough_epochs
from descend.sentences import first_few

__all__ = ["LinearOnRows"]

_FAR_TARGET = 1e4  # standard deviations from zero
_SPREAD_OVER = 65_536  # evenly spaced targets, of which the deviation is taken: its size is all that is asked
_STEPS = 10_000  # on all rows, unless given


class LinearOnRows(Estimator):
    """The parameters of a linear model, and what follows from them and from rows; see `LinearRegression`."""

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
    _FILE = "linear model"

    _moments: Moments | None
    _scaling: Scaling
    _weights: np.ndarray  # of the scaled features
    _begun_at: np.ndarray | None = None  # the scale of the columns of a stream where the method began; nan of flat ones
    _trainer: Streaming | Updating | None  # goes on where training in batches ended
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

    def planned_epochs(self, rows: int) -> int:
        """How many epochs `fit` makes of so many rows, unless it stops early; without batches that many steps."""
        return self.epochs or (_STEPS if self.batch_size is None else enough_epochs(rows, self.batch_size))

    def _size(self, rows: Rows) -> int:
        return len(rows) if self.batch_size is None else min(int(self.batch_size), len(rows))

    def _check_parameters(self) -> None:
        self._check_common()
        whole("batch_size", self.batch_size, optional=True)
        whole("n_jobs", self.n_jobs)
        flag("fit_intercept", self.fit_intercept)
        nonnegative("l1", self.l1)
        if self.tol is not None:
            nonnegative("tol", self.tol)
        if self.n_jobs > 1 and self.batch_size is None:
            raise ValueError("all rows are shared by all processors anyway: n_jobs is for training in batches")
        if self.n_jobs > 1 and self.checkpoint is not None:
            raise ValueError(
                "with n_jobs > 1 the result depends on timing, which a checkpoint cannot repeat: leave one"
            )
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
        if first and X.dtype == np.float32 and _is_far(targets):
            X = X.astype(np.float64)  # float32 would round away what is to be learnt of the target
        weights = self._row_weights(y, sample_weight)
        return rows_of(X, targets, weights, balanced=balanced)

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
                f"sparse columns keep their zeros and are not centred, and {len(far)} of them ({first_few(far)}) lie "
                "far from zero in nearly all rows: that makes learning slow, and a penalty on them heavier than on "
                "dense ones. Give these rows dense, X.toarray(), or take a constant off those columns",
                stacklevel=4,
            )

    def _check_squares(self, rows: Rows, moments: Moments) -> None:
        """Refuse columns whose deviation cannot be computed, because the squares leave the range of the numbers."""
        zero, counts = moments.squares == 0, rows.weights > 0
        if rows.is_sparse:
            counts = np.repeat(counts, np.diff(rows.starts).astype(np.int64))
            varies = np.bincount(rows.columns, (rows.values != 0) & counts, rows.features) > 0
        else:
            varies = np.zeros(rows.features, bool)
            there = rows.values[counts][:, zero] if zero.any() else rows.values[:1, zero]
            varies[zero] = (there != there[0]).any(axis=0)
        bad = ~np.isfinite(moments.squares) | (zero & varies)
        if bad.any():
            name = self._column_names(rows)[int(bad.argmax())]
            raise ValueError(f"the squares of {name} leave the range of the numbers: give it in other units")

    def _column_names(self, rows: Rows) -> Any:
        named = getattr(self, "feature_names_in_", self._names)
        return named if len(named) == rows.features else [f"column {j}" for j in range(rows.features)]

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

    def _written(self) -> dict[str, str]:
        return written(self)


def _is_far(targets: np.ndarray) -> bool:
    """Whether they lie so far from zero that the digits of float32 would not do."""
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range of the numbers is refused later
        some = targets[:: -(-len(targets) // _SPREAD_OVER)]
        return bool(max(targets.max(), -targets.min()) > _FAR_TARGET * np.std(some, dtype=np.float64))
