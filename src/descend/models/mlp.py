"""The two kinds of multilayer networks: of classes, and of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from descend.arguments import share
from descend.models.classes import Classifier
from descend.models.network import cross_entropy, squared_error
from descend.models.neural import NeuralNetwork
from descend.models.rows import rows_of
from descend.models.samples import Samples
from descend.models.softmax import constant_of_classes, softmax

__all__ = ["MLPClassifier", "MLPRegressor"]


class MLPClassifier(Classifier, NeuralNetwork):
    """A multilayer network that gives the probability of each class; softmax at its end.

    Parameters
    ----------
    method
        Any method with its rate (`GradientDescent(0.01)`), an optax transformation, or the name or class of a method,
        whose rate is found by trying. Default: `Adam(0.001)`.
    hidden
        The widths of the layers between inputs and outputs: a number, or a tuple; () is softmax regression.
    activation
        relu, tanh, sigmoid, leaky_relu, elu, gelu, silu, softplus or identity.
    init
        How weights begin: glorot_, he_ or lecun_, uniform or normal. Biases begin at zero.
    l2
        Adds l2/2·|W|² to the mean loss; biases are free.
    dropout
        The share of each hidden layer that is left out in a step of training.
    label_smoothing
        The share of the target that is spread over all classes.
    class_weight
        None, "balanced", or {class: weight}.
    batch_size, epochs
        Rows that make one step, None for all; and passes over the data: unless given ten, or of few rows as many as
        make 1,000 steps.
    scale
        Standardise the columns; images of bytes (uint8) are divided by 255 instead.
    shuffle
        Whether each epoch has an order of its own.
    validation, patience
        The share of rows held out, and after how many epochs without a better loss on them training stops, with the
        best weights restored.
    dtype
        "float32"; "bfloat16" for the matrix products only; or "float64".
    devices
        Over how many devices (of JAX) the rows of a batch are spread.
    warm_start
        A further `fit` goes on where the last one ended, with the same schedule.
    checkpoint, resume
        A file that holds the whole state of training, written every few seconds; with `resume` training goes on from
        it, and ends with the same bits as if it had never been stopped.
    seed
        Of the weights at the start, the order of the rows, and dropout.

    Attributes
    ----------
    layers_
        For each layer `W` (inputs, outputs) and `b` (outputs,), of the scaled columns.
    classes_, outcome_, message_, history_, n_iter_
        The classes; how training ended (a ConvergenceWarning is given where it diverged); the losses on the way, see
        `History`; epochs made.
    rate_
        The rate that was found, where one was sought.
    """

    def __init__(
        self,
        method: Any = None,
        *,
        hidden: Any = (128,),
        activation: str = "relu",
        init: str = "glorot_uniform",
        l2: float = 0.0,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
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
        super().__init__(
            method, hidden=hidden, activation=activation, init=init, l2=l2, dropout=dropout, batch_size=batch_size,
            epochs=epochs, scale=scale, shuffle=shuffle, validation=validation, patience=patience, dtype=dtype,
            devices=devices, warm_start=warm_start, checkpoint=checkpoint, resume=resume, seed=seed,
        )  # fmt: skip
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def _check_parameters(self) -> None:
        super()._check_parameters()
        share("label_smoothing", self.label_smoothing)

    def _outputs(self) -> int:
        return len(self.classes_)

    def _targets(self, y: Any, weights: np.ndarray, *, first: bool) -> np.ndarray:
        y = np.asarray(y)
        if y.ndim > 1 and y.shape[1] == 1:
            from sklearn.utils.validation import column_or_1d

            y = column_or_1d(y, warn=True)
        elif y.ndim > 1:
            raise ValueError(f"the target must be one column of classes, got {y.shape[1]} columns")
        return self._places(y, first=first).astype(np.int32)

    def _losses(self, scores: Any, y: Any) -> Any:
        return cross_entropy(scores, y, float(self.label_smoothing))

    def _seen(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        total = float(weights.sum())
        right = float(weights @ (scores.argmax(axis=1) == y)) / total if total else np.nan
        return (float(weights @ cross_entropy(scores, y)) / total if total else np.nan), right

    def _constant(self, samples: Samples) -> np.ndarray:
        _, places, weights = samples.parts
        shares = softmax(constant_of_classes(places, weights, self._outputs()))
        # With smoothing training leads there, and to what the smoothed target leaves of certainty.
        return np.asarray(np.log((1 - self.label_smoothing) * shares + self.label_smoothing / len(shares)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, shape (n, classes)."""
        return softmax(self._scores(X).astype(np.float64))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, shape (n,)."""
        places = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[places])

    def _learnt(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {}, self._classes_written()

    def _relearn(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        self._read_classes(header)


class MLPRegressor(RegressorMixin, NeuralNetwork):  # type: ignore[misc]
    """A multilayer network that predicts a number, or several: least squares, the target standardised within.

    The losses are in the target's units; those of several targets, whose units may differ, are of standardised ones.
    Parameters and attributes are those of `MLPClassifier`, without those of classes.
    """

    _mean: np.ndarray  # of the target, per output, and its deviation
    _deviation: np.ndarray

    def _outputs(self) -> int:
        return len(self._mean)

    def _targets(self, y: Any, weights: np.ndarray, *, first: bool) -> np.ndarray:
        y = np.asarray(y, np.float64)
        table = y.reshape(len(y), -1)
        if first:
            self._is_single = y.ndim == 1
            with np.errstate(over="ignore"):
                moments = rows_of(table, np.zeros(len(y)), weights).moments()
            there = table[weights > 0]
            varies = (there != there[0]).any(axis=0)
            if not np.isfinite(moments.squares).all() or (varies & (moments.squares == 0)).any():
                raise ValueError("the squares of the target leave the range of the numbers: give it in other units")
            self._mean, self._deviation = moments.mean, moments.deviation
        elif table.shape[1] != len(self._mean):
            raise ValueError(f"the target has {table.shape[1]} columns, and had {len(self._mean)} before")
        targets: np.ndarray = ((table - self._mean) / self._deviation).astype(self._kind())
        return targets

    def _losses(self, scores: Any, y: Any) -> Any:
        return squared_error(scores, y)

    def _seen(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        total = float(weights.sum())
        if not total:
            return np.nan, np.nan
        squares = weights @ (scores.astype(np.float64) - y) ** 2 / total
        spread = weights @ (y - weights @ y / total) ** 2 / total
        score = float((1 - squares / spread).mean()) if (spread > 0).all() else np.nan
        return float(squares[0] * self._deviation[0] ** 2 if len(squares) == 1 else squares.mean()), score

    def _constant(self, samples: Samples) -> np.ndarray:
        _, targets, weights = samples.parts
        return np.asarray(weights @ targets / max(float(weights.sum()), 1e-300))

    def predict(self, X: Any) -> np.ndarray:
        """The expected target of each row, (n,), or (n, outputs) where there were several."""
        scores = self._scores(X)
        scores = scores * self._deviation + self._mean
        return np.asarray(scores[:, 0] if self._is_single else scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _learnt(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"mean": self._mean, "deviation": self._deviation}, {"is_single": self._is_single}

    def _relearn(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        self._mean, self._deviation, self._is_single = arrays["mean"], arrays["deviation"], header["is_single"]
