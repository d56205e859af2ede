"""Text with a delimiter as a source of rows.

Columns that look like numbers are read as float64; where one turns out to hold text, far down the file, it is read anew
as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.csv

from descend.data.errors import DataError
from descend.data.source import BLOCK, NAMES_FIRST, FileSource, RestartError, repeated
from descend.data.typed import typed

__all__ = ["CsvSource"]

_LARGEST_BLOCK = 64 << 20  # a row may be as long as this
_LINE_ENDS = (b"\n", b"\r")  # the latter alone in files of old
_SNIFFED = 1 << 16  # bytes by which delimiter and decimal point are told
_NUMBER_WITH_COMMA = re.compile(r"[-+]?\d+,\d+(e[-+]?\d+)?", re.IGNORECASE)
_NUMBER_WITH_POINT = re.compile(r"[-+]?\d+\.\d+(e[-+]?\d+)?", re.IGNORECASE)
_NAMED_DELIMITER = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_FEWEST_POINTED = 3  # numbers like 2.013 that make one think of thousands
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_MISSING = [  # so a value is written that is not there
    "", " ", "NA", "na", "N/A", "n/a", "n.a.", "N.A.", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "missing",
    "Missing", "?", "-", "--", ".", "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?",
]  # fmt: skip
_NAME_IT = "give it the ending {}, by which it is told"
_MARKS = (  # with which a file begins that is no table of text
    (b"\xff\xfe", "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save it as UTF-8"),
    (b"\x1f\x8b", "compressed by gzip", _NAME_IT.format(".csv.gz")),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", _NAME_IT.format(".csv.zst")),
    (b"BZh", "compressed by bzip2", _NAME_IT.format(".csv.bz2")),
    (b"PK\x03\x04", "an archive or a workbook", "save the table as CSV"),
    (b"PAR1", "a Parquet file", _NAME_IT.format(".parquet")),
    (b"ARROW1", "an Arrow file", _NAME_IT.format(".arrow")),
)


@dataclass
class CsvSource(FileSource):
    """Text with a delimiter and a header, plain or compressed (.gz, .zst, .bz2)."""

    _late: dict[str, str] = field(default_factory=dict)  # and those of which only a late row told so
    _above: int = 0  # lines above the header: that in which Excel names the delimiter

    def notes(self) -> dict[str, str]:
        """See `Source.notes`."""
        return self._late

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        parse, decimal, names = self._layout()
        while True:
            try:
                yield from typed(self._read(parse, decimal, names), self.name, self._text)
            except _TextInNumbersError as found:
                self._text.add(found.column)
                self._late[found.column] = found.seen
                if found.begun:
                    raise RestartError(f"column {found.column!r} holds text after all") from None
            else:
                return

    def _layout(self) -> tuple[pa.csv.ParseOptions, str, list[str]]:
        """How to part the text, decimal point and names of the columns."""
        with pa.input_stream(str(self.path), compression="detect") as stream:
            try:
                head = stream.read(_SNIFFED)
                while _lines(head) < 2 and len(head) < _LARGEST_BLOCK and (more := stream.read(len(head))):
                    head += more  # so many columns
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(f"{self.path.name} cannot be read: {error}") from None
        self._check_is_text(head)
        whole = len(head) < _SNIFFED or _lines(head) < 2
        head = head if whole else head[: max(map(head.rfind, _LINE_ENDS)) + 1]
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = _lines(head[: error.start]) + 1
            raise DataError(f"{self.path.name} is not UTF-8 text (line {line}): save it as UTF-8") from None
        if not text.strip():
            raise DataError(f"{self.path.name} is empty")
        try:
            dialect = csv.Sniffer().sniff(text, delimiters=",;\t|").delimiter
        except csv.Error:  # one column
            dialect = ","
        named = _NAMED_DELIMITER.match(text)
        text = text[named.end() :] if named else text
        blank = re.match(r"([ \t]*\r?\n)*", text)
        begin = blank.end() if blank else 0
        self._above = int(named is not None) + _lines(text[:begin].encode())
        text = text[begin:]
        first = text.splitlines()[0] if text else ""
        delimiter = named[1] if named else max(",;\t|", key=first.count) if first.count(dialect) == 0 else dialect
        rows = list(csv.reader(io.StringIO(text, newline=None), delimiter=delimiter))
        fields = [value for row in rows[1:50] for value in row]
        commas = [v for v in fields if _NUMBER_WITH_COMMA.fullmatch(v.strip())]
        points = any(_NUMBER_WITH_POINT.fullmatch(v.strip()) for v in fields)
        if delimiter != "," and commas and all(_THOUSANDS.fullmatch(v.strip()) for v in commas):
            raise DataError(
                f"{self.path.name} holds {commas[0].strip()!r}, which may be thousands or a fraction: write numbers "
                "without separators of thousands, and fractions with a point"
            )
        columns = zip(*(row for row in rows[1:] if len(row) == len(rows[0])), strict=True) if delimiter != "," else ()
        for name, column in zip(rows[0], columns, strict=False):
            if example := _with_points_for_thousands(column):
                raise DataError(
                    f"{self.path.name} holds {example!r} in column {name!r}, where all others are whole and below "
                    "1,000: a point for thousands? Write numbers without separators of thousands"
                )
        decimal = "," if delimiter != "," and commas and not points else "."
        names = [name.strip() for name in rows[0]]
        twice = repeated(names)
        if twice:
            cure = f"{NAMES_FIRST}, and no title" if not twice[0] else "rename them"
            raise DataError(f"{self.path.name} has the column {twice[0]!r} {names.count(twice[0])} times: {cure}")
        if whole and len(rows) < 2:
            raise DataError(f"{self.path.name} has a header and no rows")
        has_quotes = '"' in text  # then a value may hold the end of a line
        options = pa.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=has_quotes, invalid_row_handler=_without_blank_lines
        )
        return options, decimal, names

    def _check_is_text(self, head: bytes) -> None:
        """Tell what a file is in truth that does not begin as text does; a column may be called PAR1."""
        if _PAGE.match(head):
            raise DataError(f"{self.path.name} is a page of the web, or XML, and no table: save the table as CSV")
        is_text = b"\0" not in head and all(mark.isascii() for mark, _, _ in _MARKS if head.startswith(mark))
        for mark, kind, cure in () if is_text else _MARKS:
            if head.startswith(mark):
                raise DataError(f"{self.path.name} is {kind}, and no plain text: {cure}")

    def _read(self, parse: Any, decimal: str, names: list[str], block: int = BLOCK) -> Iterator[pa.RecordBatch]:
        inferred = self._open(parse, decimal, names, block, {name: pa.string() for name in self._text})
        with inferred as reader:
            kinds = {f.name: _wide(f.type) for f in reader.schema}
        begun = False
        try:
            with self._open(parse, decimal, names, block, kinds) as reader:
                for batch in reader:
                    if batch.num_rows:
                        begun = True
                        yield batch
        except pa.ArrowInvalid as error:
            raise self._explained(error, names, kinds, begun) from None

    def _open(self, parse: Any, decimal: str, names: list[str], block: int, kinds: dict[str, Any]) -> Any:
        read = pa.csv.ReadOptions(
            block_size=block, column_names=names, skip_rows=1 + self._above, use_threads=False
        )  # it counts lines
        convert = pa.csv.ConvertOptions(
            column_types=kinds, null_values=_MISSING, strings_can_be_null=True, decimal_point=decimal
        )
        stream = pa.input_stream(str(self.path), compression="detect")
        try:
            return pa.csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error) and block < _LARGEST_BLOCK:
                return self._open(parse, decimal, names, 8 * block, kinds)
            raise self._explained(error, names, kinds, begun=False) from None

    def _line_of(self, row: int) -> int:
        """The line in which a row stands, where what comes after the header is counted without empty lines."""
        with pa.input_stream(str(self.path), compression="detect") as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace")
            above = 1 + self._above
            full = (line for line, content in enumerate(text, 1) if line <= above or content.strip("\r\n"))
            return next((line for count, line in enumerate(full, 1) if count == row), row)

    def _explained(self, error: Exception, names: list[str], kinds: dict[str, Any], begun: bool) -> Exception:
        text = str(error)
        found = re.search(r"In CSV column #(\d+)", text)
        if found and "conversion error" in text:
            column = names[int(found[1])]
            if kinds.get(column) != pa.string():
                value = re.search(r"invalid value '(.*?)'", text)
                place = re.search(r"Row #(\d+)", text)
                where = f" in line {place[1]}" if place else ""
                note = f"it holds numbers, and the text {(value[1] if value else '')!r}{where}: it is taken for text"
                return _TextInNumbersError(column, note, begun=begun)
        ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", text)
        if ragged:
            row, expected, got = ragged.groups()
            where = f", line {self._line_of(int(row))}" if row else ""
            why = f"; {NAMES_FIRST}" if names[0].startswith("#") else ""
            return DataError(f"{self.path.name}{where}: {got} fields where the header has {expected}{why}")
        if "invalid UTF8" in text or "UTF8" in text:
            return DataError(f"{self.path.name} is not UTF-8 text: save it as UTF-8")
        return DataError(f"{self.path.name} cannot be read: {text}")


def _without_blank_lines(row: Any) -> str:
    """A line of spaces alone is none; what else has too few or too many fields is an error."""
    return "error" if row.text.strip() else "skip"


def _with_points_for_thousands(values: Sequence[str]) -> str:
    """A number of a column that is written as 2.013 and means two thousand; empty if there seems to be none."""
    texts = [value.strip() for value in values if value.strip()]
    pointed = [text for text in texts if "." in text]
    whole = [text for text in texts if "." not in text]
    if not whole or len(pointed) < _FEWEST_POINTED or not all(re.fullmatch(r"-?\d{1,3}", text) for text in whole):
        return ""
    are_thousands = all(re.fullmatch(r"-?[1-9]\d{0,2}(\.\d{3})+", text) for text in pointed)
    return pointed[0] if are_thousands else ""


class _TextInNumbersError(Exception):
    def __init__(self, column: str, seen: str, *, begun: bool) -> None:
        super().__init__(column)
        self.column, self.seen, self.begun = column, seen, begun


def _wide(kind: pa.DataType) -> pa.DataType:
    """The type in which a column is read whatever comes later: numbers as float64."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return pa.float64()
    return pa.string() if pa.types.is_binary(kind) else kind


def _lines(text: bytes) -> int:
    """How many ends of lines there are."""
    return max(map(text.count, _LINE_ENDS))
