"""Rows checked as scikit-learn does, and what is no finite number named by its row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

__all__ = ["check_features", "finite_rows"]


def finite_rows(model: Any, X: Any, y: Any, **how: Any) -> tuple[Any, Any]:
    """`validate_data(model, X, y, **how)`.

    Raises
    ------
    ValueError, TypeError
        As there; where there is a nan or an infinity, with the place of the first; where a column of a DataFrame, or
        a target, is not of numbers, with its name; where a class is missing, or is not of the type of the others.
    """
    if how.get("y_numeric"):
        _refuse_target(y)
    else:
        _refuse_classes(y)
    try:
        checked: tuple[Any, Any] = validate_data(model, X, y, **how)
    except (ValueError, TypeError) as error:
        for name, values in (("X", X), ("y", y)):
            if f"Input {name} contains" in str(error):
                raise ValueError(_told(model, error, values)) from None
        _refuse_columns(X)
        raise
    return checked


def _refuse_columns(X: Any) -> None:
    """Name the first column of a DataFrame that cannot be turned into numbers."""
    for name in getattr(X, "columns", ()):
        if (held := _no_number(X[name])) is not None:
            raise TypeError(
                f"column {name!r} holds {held}, which is no number: encode or fill it (scikit-learn's OneHotEncoder, "
                "SimpleImputer), leave it out, or give the table to fit_table, which does"
            )


def _refuse_target(y: Any) -> None:
    """Refuse a target of text or dates where numbers are wanted."""
    if y is not None and (held := _no_number(y)) is not None:
        raise TypeError(
            f"the target holds {held}, which is no number: for classes there are LogisticRegression and MLPClassifier"
        )


def _refuse_classes(y: Any) -> None:
    """Refuse classes of which some are missing, or of several types, which have no order."""
    classes = np.asarray(y)
    if classes.dtype != object or classes.ndim != 1 or not len(classes):
        return
    missing = [row for row, value in enumerate(classes) if _is_missing(value)]
    if missing:
        more = f", and of {len(missing) - 1:,} more" if len(missing) > 1 else ""
        cure = "leave such rows out, or name a class for them"
        raise ValueError(f"the class of row {missing[0]} is missing{more}: {cure}")
    kinds = {isinstance(value, str): value for value in classes}
    if len(kinds) > 1:
        raise TypeError(f"the classes are text and others, {kinds[True]!r} and {kinds[False]!r}: give all as text")


def _is_missing(value: Any) -> bool:
    """Whether it is None, a nan, or what pandas has for it."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)  # noqa: PLR0124 - only nan is so


def _no_number(values: Any) -> str | None:
    """The first of some values that is no number, as text; None where all are."""
    column = np.asarray(values)
    for value in column.ravel() if column.dtype.kind in "OUSmM" else ():
        try:
            float(value if column.dtype.kind in "OUS" else str(value))
        except (ValueError, TypeError):
            return f"{str(value)!r}"
    return None


def check_features(model: Any, values: np.ndarray) -> None:
    """Refuse dense features among which a nan or an infinity is."""
    try:
        assert_all_finite(values, estimator_name=type(model).__name__, input_name="X")
    except ValueError as error:
        raise ValueError(_told(model, error, values)) from None


def _told(model: Any, error: Exception, values: Any) -> str:
    """What scikit-learn says, and the place of the first number that is not finite, counted from 0."""
    said = str(error).splitlines()[0].rstrip(".")
    if scipy.sparse.issparse(values):
        entries = values.tocoo()
        bad = np.flatnonzero(~np.isfinite(entries.data))
        rows, columns = entries.row[bad], entries.col[bad]
        numbers = entries.data[bad]
    else:
        numbers = np.asarray(values.astype(np.float64) if hasattr(values, "astype") else values, np.float64)
        places = np.argwhere(~np.isfinite(numbers.reshape(len(numbers), -1)))
        rows, columns = places[:, 0], places[:, 1]
        numbers = numbers.reshape(len(numbers), -1)[rows, columns]
    if not len(rows):  # too large for the dtype
        return f"{said}: give it in other units"
    names = list(getattr(values, "columns", getattr(model, "feature_names_in_", [])))
    column = f", column {repr(names[columns[0]]) if names else columns[0]}" if np.ndim(values) > 1 else ""
    more = f", and {len(rows) - 1:,} more" if len(rows) > 1 else ""
    return f"{said}: {numbers[0]} in row {rows[0]}{column}{more}. Leave such rows out, or fill them"
