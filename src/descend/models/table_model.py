"""A model of a table: columns in, columns out; with the encoding of the columns it is one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from descend.data import DataError, Encoder, source_of
from descend.data.svmlight import read_svmlight
from descend.descent import Outcome
from descend.descent.report import described
from descend.models.classification import LinearClassifier, LogisticRegression
from descend.models.files import load_file, save_file
from descend.models.held_out import AT_ONCE, bytes_of, held_out_of, in_two
from descend.models.judging import predicted_of, recalls_of, score_of
from descend.models.linear import LinearModel
from descend.models.mlp import MLPClassifier, MLPRegressor
from descend.models.regression import LinearRegression
from descend.sentences import counted, first_few

__all__ = ["MODELS", "TableModel", "summary"]

MODELS: dict[str, tuple[Any, Any]] = {  # of numbers, of classes
    "linear": (LinearRegression, LinearRegression),
    "logistic": (LogisticRegression, LogisticRegression),
    "svm": (LinearClassifier, LinearClassifier),
    "network": (MLPRegressor, MLPClassifier),
}
_KIND_OF_LINEAR, _KIND_OF_NETWORK = "linear model of a table", "network of a table"


@dataclass(repr=False)
class TableModel:
    """A fitted model with the encoding of its table.

    Attributes
    ----------
    estimator
        The model of the encoded columns, one of this package.
    encoder
        What becomes of each column; None where the rows are sparse text, whose columns are numbers.
    features
        The names of the encoded columns.
    deviations
        Their standard deviations, shape (d,).
    rows, rows_held_out
        How many rows were learnt from, and held out.
    score
        On the rows held out: R², or the share of right classes; nan if there are none.
    baseline
        Of classes: the share of the most frequent one among the rows held out, which is the score without learning.
    recalls
        Of classes: of each the rows held out, and the share of them that is told right.
    seconds
        From reading to score.
    """

    estimator: Any
    encoder: Encoder | None
    features: list[str]
    deviations: np.ndarray
    rows: int
    rows_held_out: int
    score: float
    seconds: float
    baseline: float = np.nan
    recalls: dict[str, tuple[int, float]] = field(default_factory=dict)

    def __repr__(self) -> str:
        score = "no row held out"
        if self.rows_held_out:
            score = f"score {self.score:.4g} on {self.rows_held_out:,} held out"
            score = f"no R²: the {self.rows_held_out:,} held out have one target" if np.isnan(self.score) else score
        left = {} if self.encoder is None else self.encoder.left_out
        without = f"; left out: {first_few([f'{name} ({why})' for name, why in left.items()])}" if left else ""
        return (
            f"TableModel: {described_estimator(self.estimator)} of {counted(self.rows, 'row')} and "
            f"{counted(len(self.features), 'column')}: {self.outcome.name} ({score}; {self.seconds:.3g} s{without})"
        )

    @property
    def outcome(self) -> Outcome:
        """How training ended."""
        found: Outcome = self.estimator.outcome_
        return found

    @property
    def is_classifier(self) -> bool:
        """Whether classes are predicted."""
        return bool(is_classifier(self.estimator))

    @property
    def is_linear(self) -> bool:
        """Whether there is a coefficient for each column."""
        return isinstance(self.estimator, LinearModel)

    @property
    def is_curve(self) -> bool:
        """Whether it predicts a number from one column of numbers, which a picture can show."""
        columns = [] if self.encoder is None else self.encoder.columns
        return len(self.features) == 1 and [c.kind for c in columns] == ["number"] and not self.is_classifier

    def points(self, data: Any) -> tuple[np.ndarray, np.ndarray]:
        """The column and the target of the rows of a table, of a model that `is_curve`."""
        pairs = list(self._pairs(data))
        return np.concatenate([X[:, 0] for X, _ in pairs]), np.concatenate([np.asarray(y, float) for _, y in pairs])

    def strengths(self) -> np.ndarray:
        """By how much a column changes a linear prediction, a deviation of it, shape (d,); of classes the largest."""
        strengths = np.atleast_2d(self.estimator.coef_) * self.deviations
        place = np.abs(strengths).argmax(axis=0)
        return np.asarray(strengths[place, np.arange(strengths.shape[1])])

    def what_strengths_change(self) -> str:
        """What a column raises whose strength is above zero."""
        if not self.is_classifier:
            return "prediction"
        classes = self.estimator.classes_
        return f"score of {str(classes[1])!r}" if len(classes) == 2 else "score of the class"

    def names_of_strengths(self) -> list[str]:
        """What each of `strengths` belongs to: the column, and of several classes that which it speaks for most."""
        coef = np.atleast_2d(self.estimator.coef_)
        if len(coef) == 1:
            return self.features
        classes = self.estimator.classes_[np.abs(coef * self.deviations).argmax(axis=0)]
        return [f"{name} → {of}" for name, of in zip(self.features, classes, strict=True)]

    def predict(self, data: Any) -> np.ndarray:
        """The predictions for all rows of a file or table, shape (rows,); the target need not be there."""
        found = [self.estimator.predict(X) for X in self._blocks(data)]
        if not found:
            raise DataError("there are no rows to predict")
        return np.concatenate(found)

    def predict_proba(self, data: Any) -> np.ndarray:
        """The probability of each class, shape (rows, classes)."""
        if not hasattr(self.estimator, "predict_proba"):
            raise TypeError(f"{type(self.estimator).__name__} gives no probabilities")
        return np.concatenate([self.estimator.predict_proba(X) for X in self._blocks(data)])

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Rows, score and, of numbers, the mean absolute and the root mean squared error, on other data."""
        predicted, y = predicted_of(self.estimator, self._pairs(data))
        found: dict[str, Any] = {"rows": len(y), "score": score_of(self.estimator, y, predicted)}
        if self.is_classifier:
            return {**found, "recall": {name: right for name, (_, right) in recalls_of(y, predicted).items()}}
        error = predicted - y
        return {
            **found,
            "mean_absolute_error": float(np.abs(error).mean()),
            "root_mean_squared_error": float(np.sqrt((error**2).mean())),
        }

    def explain(self, data: Any = None, *, validation: float = 0.2) -> Any:
        """Why training ended as it did: a `Diagnosis`.

        With the file or table that it was fitted on, and the same `validation`, the rows that it learnt from are taken
        to try causes and cures, as the estimator's `explain` does, and those held out tell whether it knows more than
        its rows. Without, or where they take more than 512 MB, the
        losses on the way must do.
        """
        from descend.insight import explain_fit

        rows = self.rows + self.rows_held_out
        if data is None or (self.encoder is not None and bytes_of(rows, len(self.features)) > AT_ONCE):
            return self.estimator.explain()
        out = held_out_of(rows, validation)
        if self.encoder is not None:
            (X, y), held_out = in_two(self.encoder, source_of(data), out)
        else:
            X, y = next(self._pairs(data))
            X, y, held_out = X[~out], y[~out], (X[out], y[out])
        return explain_fit(self.estimator, X, y, names=self.features, held_out=held_out)

    def _blocks(self, data: Any) -> Iterator[Any]:
        if self.encoder is None:
            yield read_svmlight(data, len(self.features), int(self.features[0]))[0]
        else:
            for X, _ in self.encoder.blocks(source_of(data), with_target=False):
                yield X

    def _pairs(self, data: Any) -> Iterator[Any]:
        if self.encoder is None:
            yield read_svmlight(data, len(self.features), int(self.features[0]))
        else:
            yield from self.encoder.blocks(source_of(data))

    def save(self, path: str | Path) -> Path:
        """Write the model, with all it needs to predict from raw rows, to one file."""
        arrays, header = self.estimator.to_file()
        arrays |= {"deviations": self.deviations}
        header |= {
            "encoder": None if self.encoder is None else self.encoder.as_json(),
            "features": self.features,
            "rows": self.rows,
            "rows_held_out": self.rows_held_out,
            "score": _none_for_nan(self.score),
            "baseline": _none_for_nan(self.baseline),
            "recalls": self.recalls,
            "seconds": self.seconds,
        }
        return save_file(path, _KIND_OF_LINEAR if self.is_linear else _KIND_OF_NETWORK, arrays, header)

    @staticmethod
    def load(path: str | Path) -> TableModel:
        """The model from its file.

        Raises
        ------
        FileNotFoundError, ModelFileError
            There is no such file, or it is none that can be trusted.
        """
        arrays, header = load_file(path, _KIND_OF_LINEAR, _KIND_OF_NETWORK)
        kinds = {kind.__name__: kind for pair in MODELS.values() for kind in pair}
        estimator = kinds[header["model"]].of_file(arrays, header)
        encoder = None if header["encoder"] is None else Encoder.of_json(header["encoder"])
        score, baseline = (np.nan if (value := header.get(name)) is None else value for name in ("score", "baseline"))
        recalls = {name: (rows, right) for name, (rows, right) in header.get("recalls", {}).items()}
        return TableModel(
            estimator, encoder, header["features"], arrays["deviations"], header["rows"], header["rows_held_out"],
            score, header["seconds"], baseline, recalls,
        )  # fmt: skip


def _none_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else value


def summary(fitted: TableModel) -> dict[str, Any]:
    """The result as plain numbers and text, as `descend fit --json` prints it."""
    loss = fitted.estimator.history_.loss
    return {
        "rows": fitted.rows + fitted.rows_held_out,
        "rows_held_out": fitted.rows_held_out,
        "columns": len(fitted.features),
        "score": _none_for_nan(fitted.score),
        "loss": float(loss[-1]) if len(loss) else None,
        "outcome": fitted.outcome.name,
        "message": fitted.estimator.message_,
        "epochs": fitted.estimator.n_iter_,
        "seconds": fitted.seconds,
        "estimator": described_estimator(fitted.estimator),
    }


def described_estimator(estimator: Any) -> str:
    """The estimator as one would write it, without what is left at its default."""
    default = type(estimator)().get_params()
    given = {k: v for k, v in estimator.get_params().items() if v is not default[k] and v != default[k]}
    return f"{type(estimator).__name__}({', '.join(f'{k}={_as_written(v)}' for k, v in given.items())})"


def _as_written(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    return described(value) if hasattr(value, "names") else repr(value)
