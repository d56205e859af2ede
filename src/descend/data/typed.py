"""Columns of typed tables as a CSV file would give them: text is text, and dates that are written as text are dates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from descend.data.errors import DataError

__all__ = ["typed"]

_DATE = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"


def typed(batches: Iterable[pa.RecordBatch], name: str, text: Collection[str]) -> Iterator[pa.RecordBatch]:
    """The batches of a table of that name.

    A column of text whose first batch holds dates alone, written as 2020-12-31, is one of dates, unless it is among
    those that are to be taken for `text`.

    Raises
    ------
    DataError
        A later batch of such a column holds something else.
    """
    dates: set[str] | None = None
    for batch in batches:
        columns, names = [_as_text(column) for column in batch.columns], batch.schema.names
        if dates is None:
            named = zip(names, columns, strict=True)
            dates = {n for n, column in named if n not in text and _holds_dates(column)}
        for i, column in enumerate(columns):
            if names[i] in dates and pa.types.is_string(column.type):
                try:
                    columns[i] = column.cast(pa.timestamp("s"))
                except pa.ArrowInvalid:
                    odd = column.filter(pc.invert(pc.match_substring_regex(column, _DATE)))
                    example = odd[0].as_py() if len(odd) else "a date that does not exist"
                    raise DataError(
                        f"{name}: column {batch.schema.names[i]!r} holds dates, written as 2020-12-31, and then "
                        f"{example!r}: write it so, or leave the column out with ignore"
                    ) from None
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_text(column: pa.Array) -> pa.Array:
    """Text in its plain form: some functions know no other."""
    kind = column.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        values = _as_text(column.dictionary)
        column = pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
        kind = column.type
    return column.cast(pa.string()) if _is_text(kind) else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_string_view(kind) or pa.types.is_large_string(kind))


def _holds_dates(column: pa.Array) -> bool:
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return False
    return bool(pc.all(pc.match_substring_regex(column, _DATE)).as_py())
