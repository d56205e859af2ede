"""What multilayer networks have in common: training in batches, in scikit-learn's protocol."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import jax
import numpy as np
import scipy.sparse
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from descend.arguments import share, whole
from descend.descent.options import ready
from descend.descent.outcome import Outcome
from descend.descent.sampling import Sampling
from descend.fields import nearest
from descend.methods import Adam, Method, Rule, as_rule, method_named
from descend.methods.in_files import known
from descend.models.blocks import Blocks, chunks_of_blocks, first_look
from descend.models.checkpoint import goes_on_in_form, written
from descend.models.descending import Descending
from descend.models.drift import followed
from descend.models.estimator import Estimator
from descend.models.finite import finite_rows
from descend.models.history import History
from descend.models.network import ACTIVATIONS, INITIALISERS, Inputs, Layer, Network
from descend.models.network_files import read_into, written_down
from descend.models.pictures import OnPictures, are_of_mnist
from descend.models.rate_search import RateSearch
from descend.models.rows import rows_of
from descend.models.samples import Samples
from descend.models.some_rows import blocks_of
from descend.models.training import (
    Chunks,
    Ending,
    Measured,
    beside_a_constant,
    chunks_of,
    enough_epochs,
    parted,
    sample_of,
)
from descend.objectives.parameters import from_vector

__all__ = ["NeuralNetwork"]

_WORK = 4e10  # operations between two looks whether all is well
_BLOCK = 4_096  # rows that are predicted together
_FAR = 1e3  # standard deviations from zero, beyond which the digits of float32 would be missed
_KINDS = ([np.float32, np.float64], [np.float32, np.float64, np.uint8])  # of features, by whether they may be bytes
_DTYPES = ("float32", "bfloat16", "float64")


class NeuralNetwork(OnPictures, Estimator):
    """What the networks have in common; see `MLPClassifier` for the parameters."""

    def __init__(
        self,
        method: Any = None,
        *,
        hidden: Any = (128,),
        activation: str = "relu",
        init: str = "glorot_uniform",
        l2: float = 0.0,
        dropout: float = 0.0,
        batch_size: int | None = 32,
        epochs: int | None = None,
        scale: bool = True,
        shuffle: bool = True,
        validation: float = 0.0,
        patience: int | None = None,
        dtype: str = "float32",
        devices: int = 1,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: bool = False,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.hidden = hidden
        self.activation = activation
        self.init = init
        self.l2 = l2
        self.dropout = dropout
        self.batch_size = batch_size
        self.epochs = epochs
        self.scale = scale
        self.shuffle = shuffle
        self.validation = validation
        self.patience = patience
        self.dtype = dtype
        self.devices = devices
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.resume = resume
        self.seed = seed

    default_method: ClassVar[type[Method]] = Adam
    _FILE = "network"

    layers_: tuple[Layer, ...]
    _inputs: Inputs
    _trainer: Descending | None  # goes on where training ended

    # -- what the two kinds differ in -----------------------------------------------------------------------

    @abstractmethod
    def _targets(self, y: Any, weights: np.ndarray, *, first: bool) -> np.ndarray:
        """The target as the loss wants it: (rows,) int32, or (rows, outputs) floats."""

    @abstractmethod
    def _outputs(self) -> int:
        """How many numbers the last layer gives."""

    @abstractmethod
    def _losses(self, scores: Any, y: Any) -> Any:
        """What training adds up, (rows,); read by JAX."""

    @abstractmethod
    def _seen(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """Mean loss and score, in the user's units."""

    @abstractmethod
    def _constant(self, samples: Samples) -> np.ndarray:
        """The scores, (outputs,), that suit these rows best where no column is known."""

    # -- fitting --------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows `X` and targets `y` (n,); a row counts `sample_weight` times.

        Parameters
        ----------
        X
            (n, d), numbers; or images, (n, height, width) or more, of which bytes are scaled to 0 … 1. Of a table bytes
            are numbers like others.

        Raises
        ------
        ValueError, TypeError
            The data or a parameter makes no sense; the message says what came and what is legal.
        """
        self._check_parameters()
        goes_on = self.warm_start and hasattr(self, "_made_with")
        if goes_on:
            self._take_changes()
            goes_on = goes_on_in_form(self._made_with, self._written(), ("hidden", "activation", "dtype", "scale"))
        samples = self._samples(X, y, sample_weight, first=not goes_on)
        if not goes_on:
            self._begin(samples)
        samples, held_out = parted(samples, float(self.validation), int(self.seed))
        size = self._size(samples)
        self._trainer_or(lambda: self._trainer_of(samples, size))
        self._finish(self._trained(self._chunks_of(samples, size), size, samples, held_out))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some more rows: one pass, in batches of `batch_size`; the schedule goes on from call to call.

        Columns (and the target of a regression) keep the scale of the first call's rows. Weights count as they are
        given: rows that count 5 make a step five times as long.
        """
        self._check_parameters()
        first = not hasattr(self, "_made_with")
        if not first:
            self._take_changes()
        if classes is not None:
            self._take_classes(classes, first=first)
        samples = self._samples(X, y, sample_weight, first=first, balanced=False)
        if first:
            self._begin(samples)
        self._follow(samples)
        size = self._size(samples)
        trainer = self._trainer_or(lambda: self._trainer_of(samples, size, is_stream=True))
        trainer.run(samples, np.arange(len(samples)), size)
        broke = trainer.broke_at is not None
        outcome = Outcome.DIVERGED if broke else Outcome.STEPS_EXHAUSTED
        message = f"diverged at step {trainer.broke_at}" if broke else f"{trainer.steps:,} steps made"
        self._finish(Ending(trainer.weights, outcome, message, 1.0))
        return self

    def _follow(self, samples: Samples) -> None:
        """Warn of a stream whose columns or target are no longer as they were where their scale was taken."""
        X, y, _ = samples.parts
        if not self.scale or self._takes_bytes:
            return
        targets = y.reshape(len(X), -1) if y.dtype.kind == "f" else np.empty((len(X), 0))  # standardised already
        begun = np.append(np.ones(targets.shape[1]), 1 / self._inputs.scale.astype(np.float64))
        self._drift = followed(self._drift, targets, X, begun)
        if self._drift.is_far:
            warnings.warn(
                "columns or the target have come to another scale, ten times that of the rows of the first call, whose "
                "scale is kept, or a tenth: what is learnt of these may be far off. Begin with rows that are like "
                "those to come, or use fit",
                stacklevel=3,
            )
            self._drift = self._drift.anew()

    def fit_blocks(self, blocks: Blocks) -> Self:
        """Learn from more rows than memory holds: `blocks()` goes through them anew, as pairs (X, y) of some rows.

        One pass looks for the scale of the columns and the classes, another puts the rows into a temporary file, from
        which `epochs` (10 unless given) train, in an order of its own each. With `shuffle=False` they are taken as they
        come, anew in each epoch, and nothing is written.
        """
        self._check_parameters()
        total, some = first_look(self, blocks, lambda X, y: None)
        names = getattr(self, "feature_names_in_", None)
        first = self._samples(some[0], some[1], None, first=True, balanced=False)
        if names is not None:
            self.feature_names_in_ = names
        self._begin(first)
        size = self._size(first)
        self._trainer = self._trainer_of(first, size)

        def come() -> Iterator[tuple[np.ndarray, ...]]:
            passed = blocks_of(blocks, total)
            return (self._samples(X, y, None, first=False, balanced=False).parts for X, y in passed)

        with chunks_of_blocks(self, come, Samples, total) as chunks:
            self._finish(self._trained(chunks, size, first, None))
        return self

    def _check_parameters(self) -> None:
        self._check_common()
        whole("batch_size", self.batch_size, optional=True)
        whole("devices", self.devices)
        share("dropout", self.dropout)
        for width in self._hidden():
            if not isinstance(width, int | np.integer) or isinstance(width, bool) or width < 1:
                raise ValueError(f"hidden must be widths of layers, whole numbers >= 1, e.g. (128, 64), got {width!r}")
        for name, words in (("activation", [*ACTIVATIONS]), ("init", INITIALISERS), ("dtype", [*_DTYPES])):
            value = getattr(self, name)
            if value not in words:
                raise ValueError(
                    f"{name} must be one of {', '.join(words)}, got {value!r}.{nearest(str(value), words)}"
                )

    def _hidden(self) -> tuple[Any, ...]:
        return tuple(self.hidden) if isinstance(self.hidden, list | tuple | np.ndarray) else (self.hidden,)

    def _samples(self, X: Any, y: Any, sample_weight: Any, *, first: bool, balanced: bool = True) -> Samples:
        shape = _shape_of_images(X)
        if first:
            self._image_shape = shape or ()
        else:
            self._check_images(X, shape)
        may_be_bytes = bool(shape) if first else self._takes_bytes
        X, y = finite_rows(
            self, X if shape is None else np.asarray(X).reshape(len(X), -1), y, dtype=_KINDS[may_be_bytes], reset=first,
            multi_output=True, y_numeric=isinstance(self, RegressorMixin),
        )  # fmt: skip
        given = np.ones(len(X)) if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        given = np.asarray(self._row_weights(y, given), np.float64)
        if (given < 0).any():
            raise ValueError(f"sample_weight must be >= 0, got {given.min():g} for row {int(given.argmin())}")
        if not given.sum() > 0:
            raise ValueError("sample_weight is zero for all rows: nothing is left to learn from")
        weights = given / given.mean() if balanced else given
        if first:
            self._offset = _offset_of(X, given) if self.scale and self._kind() == np.float32 else None
        if X.dtype != np.uint8:
            X = self._near_zero(X)
            self._check_range(X, first=first)
            X = X.astype(self._kind(), copy=False)
        targets = self._targets(y, given, first=first)
        return Samples((np.ascontiguousarray(X), targets, weights.astype(self._kind())))

    def _near_zero(self, X: np.ndarray) -> np.ndarray:
        """Columns far away from zero brought near to it, before they are rounded to float32."""
        return X if self._offset is None else X - self._offset

    def _check_range(self, X: np.ndarray, *, first: bool) -> None:
        """Refuse columns that would be rounded to infinity, or to nothing."""
        largest, limits = np.maximum(X.max(axis=0), -X.min(axis=0)), np.finfo(self._kind())
        for is_bad, how in (
            (largest > limits.max, "large"),
            (first & (largest > 0) & (largest < limits.tiny / limits.eps), "small"),
        ):
            if is_bad.any():
                raise ValueError(
                    f"column {int(is_bad.argmax())} holds numbers too {how} for {self.dtype}, up to "
                    f"{largest[is_bad.argmax()]:.2g}: give it in other units, or dtype='float64'"
                )

    @property
    def _takes_bytes(self) -> bool:
        """Whether all that comes is scaled as one, as bytes of images are, and not column by column."""
        return self._inputs.scale.ndim == 0

    def _kind(self) -> np.dtype[Any]:
        """The dtype of the parameters."""
        return np.dtype(np.float64 if self.dtype == "float64" else np.float32)

    def _begin(self, samples: Samples) -> None:
        """A network of random weights for rows like these."""
        (X, _, weights), kind = samples.parts, self._kind()
        if X.dtype == np.uint8:
            shift, scale = np.zeros((), kind), np.asarray(1 / 255 if self.scale else 1.0, kind)
        elif self.scale:
            moments = rows_of(X, np.zeros(len(X)), weights).moments()
            shift, scale = moments.mean.astype(kind), (1 / moments.deviation).astype(kind)
        else:
            shift, scale = np.zeros((), kind), np.ones((), kind)
        for name in ("n_iter_", "_made_with"):  # what tells that it is fitted: until it is, nothing predicts
            self.__dict__.pop(name, None)
        self._inputs, self._drift = Inputs(shift, scale), None
        self._is_of_mnist = are_of_mnist(X, self._image_shape)
        self.layers_ = self._network(X.shape[1]).start(int(self.seed), self.init, kind)
        self.history_ = History()
        self._begin_anew()

    def _network(self, inputs: int) -> Network:
        widths = (inputs, *map(int, self._hidden()), self._outputs())
        return Network(widths, self.activation, float(self.dropout), self.dtype)

    def _cost(self, layers: Any, X: Any, y: Any, weights: Any, key: Any) -> Any:
        """The mean cost of some rows as training sees it, penalty and dropout included; read by JAX."""
        network, inputs = self._network(layers[0].W.shape[0]), self._inputs
        scores = network.outputs(layers, inputs(X), jax.random.wrap_key_data(key) if self.dropout else None)
        cost = (weights * self._losses(scores, y)).mean()
        if self.l2:
            half = np.full(1, 0.5 * self.l2, self._kind())  # an array: another l2 does not compile anew
            for layer in layers:
                cost = cost + (half * layer.W**2).sum()
        return cost

    def _trainer_of(self, samples: Samples, size: int, *, is_stream: bool = False) -> Descending:
        rule = known(self.method)
        if rule is None:
            rule = self.default_method()
        elif isinstance(rule, str | type):
            kind = method_named(rule) if isinstance(rule, str) else rule
            rule = self._with_rate(kind, samples, size, is_stream=is_stream)
        return self._trainer_at(as_rule(rule), samples, size)

    def _trainer_at(self, rule: Rule, samples: Samples, size: int) -> Descending:
        sampling = Sampling(max(len(samples), size + 1), size, int(self.seed))
        rule = ready(rule, sampling, self.layers_)
        return Descending(rule, self._cost, self.layers_, int(self.seed), int(self.devices), weighted=True)

    def _found_rate(self, kind: type[Method], samples: Samples, size: int, *, is_stream: bool) -> float:
        search = RateSearch(
            lambda lr, some: self._trainer_at(kind(lr=lr), some, min(size, len(some))),
            samples, size, lambda weights, some: self._measure(weights, some)[0], int(self.seed),
        )  # fmt: skip
        return search.best_of_stream() if is_stream else search.best()

    def _chunks_of(self, samples: Samples, size: int) -> Chunks:
        weights = sum(layer.W.size for layer in self.layers_)
        together = max(size, int(_WORK / (6 * weights)))
        return chunks_of(samples, size, shuffle=bool(self.shuffle), seed=int(self.seed), together=together)

    def _measure(self, weights: np.ndarray, samples: Samples) -> tuple[float, float]:
        """Mean loss, penalty and dropout left out, and score of some rows."""
        X, y, row_weights = samples.parts
        with np.errstate(all="ignore"):
            return self._seen(self._scores_of(from_vector(weights, self.layers_), X), y, row_weights)

    def _scores_of(self, layers: Any, X: np.ndarray) -> np.ndarray:
        network, blocks = self._network(X.shape[1]), range(0, len(X), _BLOCK)
        return np.concatenate([network.outputs(layers, self._inputs(X[i : i + _BLOCK])) for i in blocks])

    def _size(self, samples: Samples) -> int:
        return len(samples) if self.batch_size is None else min(int(self.batch_size), len(samples))

    def planned_epochs(self, rows: int) -> int:
        """How many epochs `fit` makes of so many rows, unless it stops early."""
        return self.epochs or enough_epochs(rows, self.batch_size)

    @with_callbacks  # type: ignore[untyped-decorator]
    def _trained(self, chunks: Chunks, size: int, samples: Samples, held_out: Samples | None) -> Ending:
        sample = sample_of(samples, int(self.seed))

        def measure(weights: np.ndarray) -> Measured:
            loss, score = self._measure(weights, sample)
            of_held_out = (np.nan, np.nan) if held_out is None else self._measure(weights, held_out)
            return Measured(loss, of_held_out[0], score, of_held_out[1], np.nan)

        constant = self._constant(samples)

        def of_constant(rows: Samples) -> float:
            _, y, row_weights = rows.parts
            return self._seen(np.broadcast_to(constant, (len(y), self._outputs())), y, row_weights)[0]

        epochs, of_rows = self.planned_epochs(len(samples)), {"rows": len(samples)}
        # A penalty may take it to a constant, from a start that is better by chance.
        ending = self._train(chunks, size, epochs, measure, of_rows, samples.parts, harmless=of_constant(sample))

        def beside(rows: Samples) -> tuple[float, float, float]:
            return self._measure(ending.weights, rows)[0], of_constant(rows), 0.0

        return beside_a_constant(ending, beside, sample, held_out)

    def _attributes(self, weights: np.ndarray) -> dict[str, Any]:
        """What `predict` needs, by name."""
        return {"layers_": from_vector(weights, self.layers_), "n_iter_": len(self.history_)}

    def _written(self) -> dict[str, str]:
        return written(self, "devices")

    def _finish(self, ending: Ending) -> None:
        rate = np.nan if self._trainer is None else self._trainer.rate()
        if np.isnan(rate) and isinstance(getattr(self.method, "lr", None), float | int):
            rate = float(self.method.lr)  # it broke in the first steps
        self._take_over(ending)
        if ending.outcome in {Outcome.STALLED, Outcome.NOTHING_LEARNT}:
            warnings.warn(self.message_, ConvergenceWarning, stacklevel=3)
        if ending.outcome is Outcome.DIVERGED:
            than = f" than {rate:.4g}" if np.isfinite(rate) else ""
            self.message_ += f"; the last finite weights are kept. Try a smaller learning rate{than}"
            if not self.scale:
                self.message_ += ", or scale=True"
            warnings.warn(self.message_, ConvergenceWarning, stacklevel=3)

    # -- what it has learnt ---------------------------------------------------------------------------------

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "n_iter_")
        shape = _shape_of_images(X)
        self._check_images(X, shape)
        if shape is not None:
            X = np.asarray(X).reshape(len(X), math.prod(shape))
        X = validate_data(self, X, dtype=_KINDS[self._takes_bytes], reset=False)
        X = self._near_zero(X)
        if X.dtype == np.float64 and len(X):
            self._check_range(X, first=False)
        return self._scores_of(self.layers_, X)

    def _check_images(self, X: Any, shape: tuple[int, ...] | None) -> None:
        """Refuse images of another form than those that it has learnt from."""
        if None not in (shape, self._image_shape or None) and shape != self._image_shape:
            learnt, came = (" × ".join(map(str, sizes)) for sizes in (self._image_shape, shape or ()))
            raise ValueError(f"this network has learnt from images of {learnt} pixels, got some of {came}")
        came = str(getattr(X, "dtype", "a table"))
        if self._takes_bytes and self.scale and came != "uint8":
            raise TypeError(f"this network has learnt from bytes, 0 to 255: give images of uint8, got {came}")

    def to_file(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values from which `of_file` makes the network again."""
        check_is_fitted(self, "n_iter_")
        return written_down(self)

    @classmethod
    def of_file(cls, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Self:
        """The network of which `to_file` gave these."""
        made = cls()
        read_into(made, arrays, header)
        return made

    @abstractmethod
    def _learnt(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values that belong to this kind of network alone."""

    @abstractmethod
    def _relearn(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Take over what `_learnt` gave."""


def _shape_of_images(X: Any) -> tuple[int, ...] | None:
    """The shape of a row, where rows are images."""
    return None if scipy.sparse.issparse(X) or getattr(X, "ndim", 0) < 3 else tuple(X.shape[1:])


def _offset_of(X: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """The means of columns that float32 would round too coarsely, as it does seconds since 1970; 0 for the others."""
    if X.dtype != np.float64:
        return None
    moments = rows_of(X, np.zeros(len(X)), weights).moments()
    is_far = np.abs(moments.mean) > _FAR * moments.deviation
    return np.where(is_far, moments.mean, 0.0) if is_far.any() else None
