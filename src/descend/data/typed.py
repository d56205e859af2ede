"""The columns of all tables in the same types: text is text, and dates that are written as text are dates."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from descend.data.errors import DataError

__all__ = ["is_date", "typed"]

_ISO = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"
# 31.12.2020 and 2020/12/31 mean one thing only; 12/10/2020 is October here and December there.
_TO_ISO = (
    (r"^(\d)\.", r"0\1."),
    (r"^(\d{2})\.(\d)\.", r"\1.0\2."),
    (r"^(\d{2})\.(\d{2})\.(\d{4})", r"\3-\2-\1"),
    (r"^(\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3"),
    (r"(:\d{2}\.\d{6})\d+", r"\1"),  # finer than any clock
    (r"(:\d{2}|\.\d+)Z$", r"\1"),
)


def typed(batches: Iterable[pa.RecordBatch], name: str, text: Collection[str]) -> Iterator[pa.RecordBatch]:
    """The batches of a table of that name.

    A column of text whose first batch holds dates alone, written as 2020-12-31, 2020/12/31 or 31.12.2020, is one of
    dates, unless it is among those that are to be taken for `text`. The index of a table of pandas, where it was
    written with it, is no column.

    Raises
    ------
    DataError
        A later batch of such a column holds something else.
    """
    dates: set[str] | None = None
    for batch in batches:
        index = _index_of(batch.schema)
        kept = [place for place, name in enumerate(batch.schema.names) if name not in index]
        columns, names = [_as_text(batch.column(i)) for i in kept], [batch.schema.names[i] for i in kept]
        if dates is None:
            named = zip(names, columns, strict=True)
            dates = {n for n, column in named if n not in text and _holds_dates(column)}
        for i, column in enumerate(columns):
            if names[i] in dates and pa.types.is_string(column.type):
                columns[i] = _as_dates(column, name, names[i])
        yield pa.RecordBatch.from_arrays(columns, names=names)


def _index_of(schema: pa.Schema) -> list[str]:
    """The columns that hold the index of the table of pandas from which this one was made."""
    written = (schema.metadata or {}).get(b"pandas")
    names = [] if written is None else json.loads(written).get("index_columns", [])
    return [name for name in names if isinstance(name, str)]


def _as_text(column: pa.Array) -> pa.Array:
    """Text in its plain form, without spaces around; what is empty then is missing, as in a file of text."""
    kind = column.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        values = _as_text(column.dictionary)
        column = pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
        kind = column.type
    if not _is_text(kind):
        return column
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_string_view(kind) or pa.types.is_large_string(kind))


def _as_iso(column: pa.Array) -> pa.Array:
    for form, rewritten in _TO_ISO:
        column = pc.replace_substring_regex(column, form, rewritten)
    return column


def _holds_dates(column: pa.Array) -> bool:
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return False
    return bool(pc.all(pc.match_substring_regex(_as_iso(column), _ISO)).as_py())


def _as_dates(column: pa.Array, table: str, name: str) -> pa.Array:
    try:
        return _to_the_second(column)
    except pa.ArrowInvalid:
        odd = next(text for text in column.drop_null().to_pylist() if not is_date(text))
        raise DataError(
            f"{table}: column {name!r} holds dates, and then {odd!r}, which is not written as 2020-12-31 or 31.12.2020 "
            "or does not exist: correct it, or leave the column out with ignore"
        ) from None


def _to_the_second(column: pa.Array) -> pa.Array:
    return _as_iso(column).cast(pa.timestamp("us")).cast(pa.timestamp("s"), safe=False)


def is_date(text: str) -> bool:
    """Whether it is a date that exists, in one of the forms that are read."""
    try:
        _to_the_second(pa.array([text]))
    except pa.ArrowInvalid:
        return False
    return True
