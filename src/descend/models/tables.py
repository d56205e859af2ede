"""From a table to a model of one of its columns."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from descend.arguments import share
from descend.data import DataError, Encoder, source_of
from descend.data.svmlight import first_column, is_svmlight, read_svmlight, svmlight_blocks
from descend.fields import nearest
from descend.models.held_out import AT_ONCE, Rows, are_out, bytes_of, held_out_of, in_two
from descend.models.judging import UNJUDGED, judged_of, predicted_of
from descend.models.linear import LinearModel
from descend.models.rows import rows_of
from descend.models.table_model import MODELS, TableModel

__all__ = ["fit_table", "unfitted"]

_Wanted = tuple[str, bool]  # the model, and whether the target is a class
_MEMORY = 160 << 20  # bytes of features that are held; what is larger streams through
_MOST_CLASSES = 1_000  # that numbers may tell apart


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
    estimator = _estimator(table, y, options, validation).fit(X, y)
    judged = judged_of(estimator, y_held, estimator.predict(X_held)) if len(y_held) else UNJUDGED
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
    if table.bytes > AT_ONCE:
        raise ValueError(
            f"the table needs {table.bytes >> 20:,} MB of memory, and {AT_ONCE >> 20} are taken: give a part of it"
        )
    rows, _ = table.in_two(validation)
    return _estimator(table, rows[1], options, validation), rows


class _Table(NamedTuple):
    """A table whose columns are known."""

    names: list[str]  # of the features
    wanted: _Wanted
    encoder: Encoder | None
    source: Any  # a Source; of sparse text the rows themselves

    @property
    def bytes(self) -> int:
        """What its features take in memory, as far as they are not there."""
        return 0 if self.encoder is None else bytes_of(self.encoder.rows, len(self.names))

    def in_two(self, validation: float) -> tuple[Rows, Rows]:
        """The rows to learn from, and those held out."""
        if self.encoder is not None:
            return in_two(self.encoder, self.source, held_out_of(self.encoder.rows, validation))
        X, y = self.source
        out = held_out_of(len(y), validation)
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


def _estimator(table: _Table, y: np.ndarray, options: dict[str, Any], validation: float) -> Any:
    if options.get("patience") is not None:
        options = {**options, "validation": validation}
    model, is_class = table.wanted
    are_classes = y.dtype.kind in "USb"
    if model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
    if model == "linear" and are_classes:
        raise DataError(f"the target holds classes ({y[0]}, …), of which no linear model is made: take logistic")
    if model in {"logistic", "svm"} and y.dtype.kind == "f" and (y != np.round(y)).any():
        odd = y[y != np.round(y)][0]
        raise DataError(f"the target holds numbers that are no classes ({odd:g}, …): take linear, or network")
    if model in {"logistic", "svm"} and not are_classes and (count := len(np.unique(y))) > _MOST_CLASSES:
        raise DataError(f"the target holds {count:,} different numbers, each of which would be a class: take linear")
    kind = MODELS[model][is_class]
    legal = kind().get_params()
    for name in options:
        if name == "loss" and name not in legal:
            raise TypeError(f"{kind.__name__} has a loss of its own: loss is for linear models of numbers, and svm")
        if name not in legal:
            raise TypeError(
                f"{kind.__name__} has no option {name!r}; it has {', '.join(legal)}.{nearest(name, list(legal))}"
            )
    estimator = kind(**options)
    estimator._names = table.names
    return estimator


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
            out = are_out(np.arange(row, row + len(y)), validation)
            row += len(y)
            chosen = out if held_out else ~out
            if chosen.any():
                yield X[chosen], y[chosen]

    first = next(blocks())
    estimator = _estimator(table, first[1], options, validation)
    is_linear = isinstance(estimator, LinearModel)
    if is_linear and not estimator.learns_from_sums(first[0].shape[1]):
        estimator.set_params(**{"batch_size": 1, "epochs": 2, **options})
    estimator.fit_blocks(blocks)
    held, judged = 0, UNJUDGED
    if any(True for _ in blocks(held_out=True)):
        predicted, y = predicted_of(estimator, blocks(held_out=True))
        held, judged = len(y), judged_of(estimator, y, predicted)
    deviations = estimator._moments.deviation if is_linear and estimator._moments is not None else first[0].std(axis=0)
    seconds = time.perf_counter() - begin
    rows = encoder.rows - held
    return TableModel(
        estimator, encoder, encoder.features, deviations, rows, held, judged.score, seconds, judged.baseline,
        judged.recalls,
    )  # fmt: skip
