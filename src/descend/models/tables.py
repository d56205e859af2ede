"""A model of a table: columns in, columns out; with the encoding of the columns it is one file."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from descend.arguments import share
from descend.data import DataError, Encoder, source_of
from descend.data.sources import Source
from descend.data.svmlight import first_column, is_svmlight, read_svmlight, svmlight_blocks
from descend.descent import Outcome
from descend.descent.report import described
from descend.fields import nearest
from descend.models.classification import LinearClassifier, LogisticRegression
from descend.models.files import load_file, save_file
from descend.models.kernels import mixed
from descend.models.linear import LinearModel
from descend.models.mlp import MLPClassifier, MLPRegressor
from descend.models.regression import LinearRegression
from descend.models.rows import rows_of

__all__ = ["TableModel", "fit_table", "unfitted"]

_Rows = tuple[Any, np.ndarray]  # features and targets
_Wanted = tuple[str, bool]  # the model, and whether the target is a class
_FEWEST, _FEW = 2, 5  # rows to learn from; and a table of so few may be held out by chance
_MEMORY = 160 << 20  # bytes of features that are held; what is larger streams through
_AT_ONCE = 512 << 20  # where it cannot
_MODELS: dict[str, tuple[Any, Any]] = {  # of numbers, of classes
    "linear": (LinearRegression, LinearRegression),
    "logistic": (LogisticRegression, LogisticRegression),
    "svm": (LinearClassifier, LinearClassifier),
    "network": (MLPRegressor, MLPClassifier),
}
_KIND_OF_LINEAR, _KIND_OF_NETWORK = "linear model of a table", "network of a table"


@dataclass
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
        predicted, y = _predicted(self.estimator, self._pairs(data))
        found: dict[str, Any] = {"rows": len(y), "score": _score(self.estimator, y, predicted)}
        if self.is_classifier:
            return {**found, "recall": {name: right for name, (_, right) in _recalls(y, predicted).items()}}
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
        if data is None or (self.encoder is not None and _bytes(rows, len(self.features)) > _AT_ONCE):
            return self.estimator.explain()
        out = _held_out(rows, validation)
        if self.encoder is not None:
            (X, y), held_out = _in_two(self.encoder, source_of(data), out)
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
        kinds = {kind.__name__: kind for pair in _MODELS.values() for kind in pair}
        estimator = kinds[header["model"]].of_file(arrays, header)
        encoder = None if header["encoder"] is None else Encoder.of_json(header["encoder"])
        score, baseline = (np.nan if (value := header.get(name)) is None else value for name in ("score", "baseline"))
        recalls = {name: (rows, right) for name, (rows, right) in header.get("recalls", {}).items()}
        return TableModel(
            estimator, encoder, header["features"], arrays["deviations"], header["rows"], header["rows_held_out"],
            score, header["seconds"], baseline, recalls,
        )  # fmt: skip


def fit_table(
    data: Any,
    target: str | None = None,
    model: str | None = None,
    *,
    validation: float = 0.2,
    ignore: Collection[str] = (),
    memory: int = _MEMORY,
    **options: Any,
) -> TableModel:
    """Learn a column of a table from the others.

    Parameters
    ----------
    data
        A path or pattern (CSV, TSV, Parquet, Feather, JSON lines, sparse text; also compressed), or a pandas, polars
        or PyArrow table.
    target
        The column to predict; not for sparse text, whose lines begin with it.
    model
        "linear" (numbers), "logistic" or "svm" (classes), or "network" (either). Default: linear for numbers,
        logistic for text, yes and no, and numbers of which there are two.
    validation
        The share of rows that are held out for the score, chosen by a hash of their number.
    ignore
        Columns that are left out.
    memory
        So many bytes of features are held; a larger table streams through in batches.
    options
        Parameters of the estimator: `method`, `l2`, `batch_size`, `epochs`, … With `patience` the same share of the
        rows that it learns from is held out once more, to tell when to stop.

    Raises
    ------
    DataError, ValueError, TypeError, FileNotFoundError
        The data or an option make no sense.
    """
    begin = time.perf_counter()
    share("validation", validation)
    table = _opened(data, target, model, ignore)
    if table.bytes > memory:
        return _fit_streaming(table, validation, options, begin)
    (X, y), (X_held, y_held) = table.in_two(validation)
    estimator = _estimator(table.wanted, y, options, validation).fit(X, y)
    judged = _judged(estimator, y_held, estimator.predict(X_held)) if len(y_held) else _UNJUDGED
    seconds = time.perf_counter() - begin
    return TableModel(
        estimator, table.encoder, table.names, _deviations(X), len(y), len(y_held), judged.score, seconds,
        judged.baseline, judged.recalls,
    )  # fmt: skip


def unfitted(
    data: Any,
    target: str | None = None,
    model: str | None = None,
    *,
    validation: float = 0.2,
    ignore: Collection[str] = (),
    **options: Any,
) -> tuple[Any, tuple[Any, np.ndarray]]:
    """The estimator that `fit_table` would fit, and the rows (X, y) on which; the parameters are those of `fit_table`.

    Raises
    ------
    ValueError
        Besides what `fit_table` raises: the table does not fit into memory.
    """
    share("validation", validation)
    table = _opened(data, target, model, ignore)
    if table.bytes > _AT_ONCE:
        raise ValueError(
            f"the table needs {table.bytes >> 20:,} MB of memory, and {_AT_ONCE >> 20} are taken: give a part of it"
        )
    rows, _ = table.in_two(validation)
    return _estimator(table.wanted, rows[1], options, validation), rows


class _Table(NamedTuple):
    """A table whose columns are known."""

    names: list[str]  # of the features
    wanted: _Wanted
    encoder: Encoder | None
    source: Any  # a Source; of sparse text the rows themselves

    @property
    def bytes(self) -> int:
        """What its features take in memory, as far as they are not there."""
        return 0 if self.encoder is None else _bytes(self.encoder.rows, len(self.names))

    def in_two(self, validation: float) -> tuple[_Rows, _Rows]:
        """The rows to learn from, and those held out."""
        if self.encoder is not None:
            return _in_two(self.encoder, self.source, _held_out(self.encoder.rows, validation))
        X, y = self.source
        out = _held_out(len(y), validation)
        return (X[~out], y[~out]), (X[out], y[out])


def _opened(data: Any, target: str | None, model: str | None, ignore: Collection[str]) -> _Table:
    if isinstance(ignore, str):
        raise TypeError(f"ignore must be a list of columns, [{ignore!r}]")
    if isinstance(data, str | Path) and is_svmlight(data):
        if ignore:
            raise ValueError(f"the columns of sparse text have no names: leave ignore={list(ignore)} out")
        if target is not None:
            raise ValueError(f"sparse text has its target at the beginning of each line: leave target={target!r} out")
        first = min(first_column(block.columns) for block in svmlight_blocks(data))
        X, y = read_svmlight(data, first=first)
        names = [str(j + first) for j in range(X.shape[1])]
        values = np.unique(y)
        is_class = len(values) == 2 and bool((values == np.round(values)).all())
        if model == "network":
            raise ValueError("a network learns from dense columns: sparse text is for linear, logistic and svm")
        return _Table(names, (model or ("logistic" if is_class else "linear"), is_class), None, (X, y))
    if target is None:
        raise ValueError("give the target: the column to predict")
    if np.ndim(target):
        raise TypeError(
            f"the target is the name of a column of the table, not the column itself, a {type(target).__name__}"
        )
    source, target = source_of(data), str(target)
    encoder = Encoder.learnt(source, target, ignore)
    is_class = encoder.target_kind != "number" or encoder.has_two_values
    return _Table(encoder.features, (model or ("logistic" if is_class else "linear"), is_class), encoder, source)


def _bytes(rows: int, columns: int) -> int:
    return rows * columns * 8


def _estimator(wanted: _Wanted, y: np.ndarray, options: dict[str, Any], validation: float) -> Any:
    if options.get("patience") is not None:
        options = {**options, "validation": validation}
    model, is_class = wanted
    are_classes = y.dtype.kind in "USb"
    if model not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(_MODELS)}, got {model!r}")
    if model == "linear" and are_classes:
        raise DataError(f"the target holds classes ({y[0]}, …), of which no linear model is made: take logistic")
    if model in {"logistic", "svm"} and y.dtype.kind == "f" and (y != np.round(y)).any():
        odd = y[y != np.round(y)][0]
        raise DataError(f"the target holds numbers that are no classes ({odd:g}, …): take linear, or network")
    kind = _MODELS[model][is_class]
    legal = kind().get_params()
    for name in options:
        if name == "loss" and name not in legal:
            raise TypeError(f"{kind.__name__} has a loss of its own: loss is for linear models of numbers, and svm")
        if name not in legal:
            raise TypeError(
                f"{kind.__name__} has no option {name!r}; it has {', '.join(legal)}.{nearest(name, list(legal))}"
            )
    return kind(**options)


def _held_out(rows: int, share: float) -> np.ndarray:
    """Which of so many rows are held out: not all of them."""
    out = _are_out(np.arange(rows), share)
    if out.all() and rows <= _FEW:
        return np.zeros(rows, bool)
    left = int((~out).sum())
    if left < _FEWEST and out.any():
        raise ValueError(f"validation={share:g} leaves {left} of {rows:,} rows to learn from: give a smaller share")
    return out


def _are_out(rows: np.ndarray, share: float) -> np.ndarray:
    """Whether a row is held out: a hash of its number decides, so that they are the same in each run."""
    return np.asarray(mixed(rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) < np.uint64(share * 2**64))


def _in_two(encoder: Encoder, source: Source, out: np.ndarray) -> tuple[_Rows, _Rows]:
    """The rows to learn from and those held out, each put where it stays: memory holds no row twice."""
    X = [np.empty(((out == which).sum(), len(encoder.features))) for which in (False, True)]
    y: list[list[np.ndarray]] = [[], []]
    done, filled = 0, [0, 0]
    for block, targets in encoder.blocks(source):
        assert targets is not None  # noqa: S101 - targets were asked for
        here = out[done : done + len(block)]
        done += len(block)
        for which in (0, 1):
            chosen = here == bool(which)
            count = int(chosen.sum())
            X[which][filled[which] : filled[which] + count] = block[chosen]
            filled[which] += count
            y[which].append(targets[chosen])
    return (X[0], np.concatenate(y[0])), (X[1], np.concatenate(y[1]))


def _deviations(X: Any) -> np.ndarray:
    if isinstance(X, np.ndarray):
        return rows_of(X, np.zeros(len(X))).moments().deviation
    mean, squares = X.mean(axis=0), X.multiply(X).mean(axis=0)
    variances = np.asarray(squares).ravel() - np.asarray(mean).ravel() ** 2
    return np.asarray(np.sqrt(np.maximum(variances, 0)))


def _fit_streaming(table: _Table, validation: float, options: dict[str, Any], begin: float) -> TableModel:
    encoder, source = table.encoder, table.source
    assert encoder is not None  # noqa: S101 - sparse text is in memory

    def blocks(*, held_out: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        row = 0
        for X, y in encoder.blocks(source):
            assert y is not None  # noqa: S101 - targets were asked for
            out = _are_out(np.arange(row, row + len(y)), validation)
            row += len(y)
            chosen = out if held_out else ~out
            if chosen.any():
                yield X[chosen], y[chosen]

    first = next(blocks())
    estimator = _estimator(table.wanted, first[1], options, validation)
    is_linear = isinstance(estimator, LinearModel)
    if is_linear and not estimator.learns_from_sums(first[0].shape[1]):
        estimator.set_params(**{"batch_size": 1, "epochs": 2, **options})
    estimator.fit_blocks(blocks)
    held, judged = 0, _UNJUDGED
    if any(True for _ in blocks(held_out=True)):
        predicted, y = _predicted(estimator, blocks(held_out=True))
        held, judged = len(y), _judged(estimator, y, predicted)
    deviations = estimator._moments.deviation if is_linear and estimator._moments is not None else first[0].std(axis=0)
    seconds = time.perf_counter() - begin
    rows = encoder.rows - held
    return TableModel(
        estimator, encoder, encoder.features, deviations, rows, held, judged.score, seconds, judged.baseline,
        judged.recalls,
    )  # fmt: skip


def _predicted(estimator: Any, pairs: Iterator[Any]) -> tuple[np.ndarray, np.ndarray]:
    """What is predicted for all rows, and what was seen."""
    both = [(estimator.predict(X), y) for X, y in pairs]
    if not both:
        raise DataError("there are no rows to predict")
    predicted, seen = (np.concatenate(column) for column in zip(*both, strict=True))
    if is_classifier(estimator):
        _check_classes(estimator, seen)
    return predicted, seen


def _check_classes(estimator: Any, y: np.ndarray) -> None:
    """Refuse numbers that are none of the classes; of text the encoder has refused them."""
    strange = np.setdiff1d(y, estimator.classes_)
    if len(strange):
        known = ", ".join(str(value) for value in estimator.classes_[:10])
        raise DataError(f"the target holds {strange[0]}, which is none of the classes {known}")


def _score(estimator: Any, y: np.ndarray, predicted: np.ndarray) -> float:
    """The share of right classes, or R²; nan where there is no spread."""
    if is_classifier(estimator):
        return float((predicted == y).mean())
    spread = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - predicted) ** 2).sum()) / spread if spread else np.nan


class _Judged(NamedTuple):
    """What the rows held out say of a model; see `TableModel`."""

    score: float
    baseline: float
    recalls: dict[str, tuple[int, float]]


_UNJUDGED = _Judged(np.nan, np.nan, {})


def _judged(estimator: Any, y: np.ndarray, predicted: np.ndarray) -> _Judged:
    score = _score(estimator, y, predicted)
    if not is_classifier(estimator):
        return _Judged(score, np.nan, {})
    return _Judged(score, float(np.unique(y, return_counts=True)[1].max() / len(y)), _recalls(y, predicted))


def _recalls(y: np.ndarray, predicted: np.ndarray) -> dict[str, tuple[int, float]]:
    """Of each class its rows, and the share of them that is told right."""
    right = predicted == y
    return {str(c): (int((y == c).sum()), float(right[y == c].mean())) for c in np.unique(y)}


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
