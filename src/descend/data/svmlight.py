"""Sparse rows as text, `label column:value column:value # comment`: the format of SVMlight and LIBSVM."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse
from numba import njit

from descend.data.errors import DataError
from descend.kernel_cache import cached_on_disk

__all__ = ["SparseRows", "first_column", "is_svmlight", "read_svmlight", "svmlight_blocks"]

_LABEL = rb"[-+]?[\d.]+([eE][-+]?\d+)?"

_BLOCK = 4 << 20  # bytes that are parsed together
_SPACE, _TAB, _RETURN, _NEWLINE, _HASH, _COLON, _PLUS, _MINUS, _POINT = 32, 9, 13, 10, 35, 58, 43, 45, 46
_ERRORS = {
    1: "a number was expected",
    2: "a column number and a colon were expected, such as 12:0.5",
    3: "column numbers must rise along a line",
    4: "the column number is too large",
    5: "the value is not finite",
}
_SHOWN = 20  # bytes of what is wrong
_STRAY, _BEYOND = 1_000_000, 100  # a column from there on, so many times beyond the others, is no column
_POWERS = np.array([float(10**k) for k in range(23)])  # exact


class SparseRows(NamedTuple):
    """Rows as `values`, `columns` (int32, as they stand in the text) and `starts`, with their labels (float64)."""

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    labels: np.ndarray


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _is_blank(c: Any) -> bool:
    return c in (_SPACE, _TAB, _RETURN)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _product(a: Any, b: Any) -> Any:
    """a·b and what it has lost by rounding. Source: Dekker (1971), Numer. Math. 18."""
    split = 134_217_729.0  # 2²⁷ + 1
    a_high, b_high = a * split, b * split
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _scaled(whole: Any, exponent: Any) -> Any:
    """whole·10^exponent, |exponent| ≤ 22, to the nearest float64; and whether it surely is the nearest."""
    high = float(whole)
    low = float(whole - np.int64(high))
    power = _POWERS[abs(exponent)]
    if exponent < 0:
        main = high / power
        back, lost = _product(main, power)
        rest = (((high - back) - lost) + low) / power
    else:
        main, lost = _product(high, power)
        rest = lost + low * power
    value = main + rest
    beside = rest - (value - main)
    mantissa, scale = math.frexp(value)
    half = math.ldexp(1.0, scale - 54)  # of the distance to the next number
    return value, beside == 0 or (abs(abs(beside) - half) > 1e-6 * half and mantissa != 0.5)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _number(text: Any, i: Any) -> Any:
    """The number at place i: where it ends (-1 if there is none), its value, and whether that is exact."""
    n = text.size
    negative = False
    if i < n and (text[i] == _MINUS or text[i] == _PLUS):
        negative = text[i] == _MINUS
        i += 1
    whole, exponent, digits, seen, dropped = np.int64(0), 0, 0, 0, False
    while i < n and 48 <= text[i] <= 57:
        if digits < 18:
            whole = whole * 10 + (text[i] - 48)
            digits += whole > 0
        else:
            exponent += 1
            dropped = dropped or text[i] != 48
        seen += 1
        i += 1
    if i < n and text[i] == _POINT:
        i += 1
        while i < n and 48 <= text[i] <= 57:
            if digits < 18:
                whole = whole * 10 + (text[i] - 48)
                digits += whole > 0
                exponent -= 1
            else:
                dropped = dropped or text[i] != 48
            seen += 1
            i += 1
    if seen == 0:
        return -1, 0.0, False
    if i < n and (text[i] == 101 or text[i] == 69):  # e, E
        i += 1
        down = False
        if i < n and (text[i] == _MINUS or text[i] == _PLUS):
            down = text[i] == _MINUS
            i += 1
        power, seen = 0, 0
        while i < n and 48 <= text[i] <= 57:
            power = min(power * 10 + (text[i] - 48), 100_000)
            seen += 1
            i += 1
        if seen == 0:
            return -1, 0.0, False
        exponent += -power if down else power
    value, exact = float(whole), whole == 0
    if whole != 0 and not dropped and -22 <= exponent <= 22:
        value, exact = _scaled(whole, exponent)
    return i, -value if negative else value, exact


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _parse(text: Any, values: Any, columns: Any, starts: Any, labels: Any, slow: Any) -> Any:
    """Rows, stored values and hard numbers found; then the error (0 for none) and its place.

    A number that cannot be made exactly from its digits is left to Python: its place in the text, and where it
    belongs (≥ 0 a value, < 0 a label) are noted in `slow`.
    """
    n, i, row, stored, hard = text.size, 0, 0, 0, 0
    while i < n:
        while i < n and _is_blank(text[i]):
            i += 1
        if i < n and text[i] == _NEWLINE:
            i += 1
            continue
        if i < n and text[i] == _HASH:
            while i < n and text[i] != _NEWLINE:
                i += 1
            continue
        if i >= n:
            break
        end, value, exact = _number(text, i)
        if end < 0 or (end < n and not (_is_blank(text[end]) or text[end] == _NEWLINE or text[end] == _HASH)):
            return row, stored, hard, 1, i
        if not exact:
            slow[hard, 0], slow[hard, 1], slow[hard, 2] = i, end, -1 - row
            hard += 1
        labels[row] = value
        i, before = end, np.int64(-1)
        while True:
            while i < n and _is_blank(text[i]):
                i += 1
            if i >= n or text[i] == _NEWLINE:
                break
            if text[i] == _HASH:
                while i < n and text[i] != _NEWLINE:
                    i += 1
                break
            if i + 4 <= n and text[i] == 113 and text[i + 1] == 105 and text[i + 2] == 100 and text[i + 3] == _COLON:
                while i < n and not (_is_blank(text[i]) or text[i] == _NEWLINE):  # qid:3 tells groups: not used
                    i += 1
                continue
            column, seen = np.int64(0), 0
            while i < n and 48 <= text[i] <= 57:
                column = column * 10 + (text[i] - 48)
                seen += 1
                if column > 2_147_483_646:
                    return row, stored, hard, 4, i
                i += 1
            if seen == 0 or i >= n or text[i] != _COLON:
                return row, stored, hard, 2, i
            if column <= before:
                return row, stored, hard, 3, i
            before = column
            i += 1
            end, value, exact = _number(text, i)
            if end < 0 or (end < n and not (_is_blank(text[end]) or text[end] == _NEWLINE or text[end] == _HASH)):
                return row, stored, hard, 1, i
            if not exact:
                slow[hard, 0], slow[hard, 1], slow[hard, 2] = i, end, stored
                hard += 1
            values[stored], columns[stored] = value, column
            stored += 1
            i = end
        row += 1
        starts[row] = stored
    return row, stored, hard, 0, 0


def _parsed(text: np.ndarray, name: str, lines_before: int) -> SparseRows:
    most_values, most_rows = (int(np.count_nonzero(text == mark)) + 1 for mark in (_COLON, _NEWLINE))
    values, columns = np.empty(most_values), np.empty(most_values, np.int32)
    starts, labels = np.zeros(most_rows + 1, np.int64), np.empty(most_rows)
    slow: Any = np.empty((most_values + most_rows, 3), np.int64)
    parse = cached_on_disk(_parse, "svmlight")
    rows, stored, hard, error, place = parse(text, values, columns, starts, labels, slow)
    for begin, end, where in slow[:hard].tolist():
        number = float(text[begin:end].tobytes())
        if not np.isfinite(number):
            raise _error(5, begin, text, name, lines_before)
        if where >= 0:
            values[where] = number
        else:
            labels[-1 - where] = number
    if error:
        raise _error(error, place, text, name, lines_before)
    return SparseRows(values[:stored], columns[:stored], starts[: rows + 1], labels[:rows])


def _error(code: int, place: int, text: np.ndarray, name: str, lines_before: int) -> DataError:
    line = lines_before + int(np.count_nonzero(text[:place] == _NEWLINE)) + 1
    blank = np.flatnonzero(text[max(0, place - _SHOWN) : place] <= _SPACE)  # before the number in which it stands
    begin = max(0, place - _SHOWN) + int(blank[-1]) + 1 if len(blank) else max(0, place - _SHOWN)
    rest = text[begin : begin + _SHOWN].tobytes().split(b"\n")[0].decode("utf-8", "replace")
    return DataError(f"{name}, line {line}: {_ERRORS[code]}, got {rest!r}")


def is_svmlight(path: str | Path) -> bool:
    """Whether a file that is no known kind of table has such an ending, or reads `number column:value …`.

    The first line that is more than a number tells: a row may hold nothing.
    """
    path = Path(path)
    known = {suffix.lower() for suffix in path.suffixes}
    if known & {".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow", ".json", ".jsonl", ".ndjson"}:
        return False
    if not path.is_file():
        return False
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            head = stream.read(4_096)
    except (OSError, pa.ArrowInvalid):
        return False
    if known & {".svm", ".svmlight", ".libsvm"}:
        return True
    for line in head.splitlines():
        row = line.split(b"#")[0].strip()
        if row and not re.fullmatch(_LABEL, row):
            return re.match(_LABEL + rb"(\s+(qid|\d+):\S*)+", row) is not None
    return False


def svmlight_blocks(path: str | Path) -> Iterator[SparseRows]:
    """The rows of a file, plain or compressed, some megabytes at a time.

    Raises
    ------
    DataError
        A line is not in the format; the message names it.
    """
    name, rest, lines = Path(path).name, b"", 0
    with pa.input_stream(str(path), compression="detect") as stream:
        while True:
            try:
                more = stream.read(_BLOCK)
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(f"{name} cannot be read to its end: {error}") from None
            text, rest = rest + more, b""
            if more:
                cut = text.rfind(b"\n") + 1
                text, rest = text[:cut], text[cut:]
            if text:
                yield _parsed(np.frombuffer(text, np.uint8), name, lines)
                lines += text.count(b"\n")
            if not more:
                return


def first_column(columns: np.ndarray) -> int:
    """0 if a column 0 is met, else 1."""
    return 0 if len(columns) and columns.min() == 0 else 1


def read_svmlight(path: str | Path, features: int | None = None, first: int | None = None) -> tuple[Any, np.ndarray]:
    """All rows of a file as a CSR matrix (rows, features), float64, and their labels (rows,).

    `first` is the number of the first column; by default 1, or 0 if a column 0 is met. `features` is how many columns
    there are; by default as many as the highest one that is met.

    Raises
    ------
    DataError
        A line is not in the format, the file has no rows, a column lies beyond `features`, or far beyond all others.
    """
    parts = list(svmlight_blocks(path))
    labels = np.concatenate([part.labels for part in parts]) if parts else np.empty(0)
    if not len(labels):
        raise DataError(f"{Path(path).name} has no rows")
    values = np.concatenate([part.values for part in parts])
    columns = np.concatenate([part.columns for part in parts])
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    if first is None:
        first = first_column(columns)
    if len(columns) and columns.min() < first:
        raise DataError(f"{Path(path).name} has a column {columns.min()}, and columns count from {first}")
    if features is None:
        _check_stray(columns, lengths, Path(path).name)
    count = int(columns.max()) + 1 - first if len(columns) else 0
    if features is not None and count > features:
        raise DataError(f"{Path(path).name} has column {count - 1 + first}, but only {features} columns are known")
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(labels), features or max(1, count))
    return scipy.sparse.csr_matrix((values, columns - first, starts), shape=shape), labels


def _check_stray(columns: np.ndarray, lengths: np.ndarray, name: str) -> None:
    """Refuse a column so far beyond all others that it is a mistake: the model would have a coefficient for each."""
    last = int(columns.max(initial=0))
    if last <= _STRAY:
        return
    others = int(columns[columns < last].max(initial=0))
    if last > _BEYOND * max(others, 1):
        row = int(np.searchsorted(np.cumsum(lengths), columns.argmax(), side="right")) + 1
        raise DataError(f"{name}, row {row:,}: column {last}, where the others end at {others}: is it no column?")
