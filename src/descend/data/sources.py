"""Tables on disk or in memory as a stream of Arrow record batches, in bounded memory.

PyArrow does the reading: it refuses what is structurally wrong, and it never changes values by guessing. Columns that
look like numbers are read as float64; where one turns out to hold text, far down the file, it is read anew as text.
"""

from __future__ import annotations

import csv
import glob
import io
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet

from descend.data.errors import DataError
from descend.data.typed import typed

__all__ = ["ArrowSource", "CsvSource", "DataError", "JsonSource", "ParquetSource", "Source", "source_of"]

_BLOCK = 1 << 20  # bytes that are read at a time
_LARGEST_BLOCK = 64 << 20  # a row may be as long as this
_BATCH = 65_536  # rows of a batch
_SNIFFED = 1 << 16  # bytes by which delimiter and decimal point are told
_NUMBER_WITH_COMMA = re.compile(r"[-+]?\d+,\d+(e[-+]?\d+)?", re.IGNORECASE)
_NUMBER_WITH_POINT = re.compile(r"[-+]?\d+\.\d+(e[-+]?\d+)?", re.IGNORECASE)
_FEWEST_POINTED = 3  # numbers like 2.013 that make one think of thousands
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_MISSING = [
    "", " ", "NA", "na", "N/A", "n/a", "n.a.", "N.A.", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "missing",
    "Missing", "?", "-", "--", ".", "#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?",
]  # fmt: skip


NAMES_FIRST = "its first line must hold the names of the columns"
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


class Source(ABC):
    """A table that can be gone through more than once."""

    name: str
    _text: set[str]  # columns that are taken for text

    def read_as_text(self, names: set[str]) -> None:
        """Take these columns for text, whatever they look like."""
        self._text |= names

    def notes(self) -> dict[str, str]:
        """Column → what was strange about it, as far as the rows were read."""
        return {}

    @property
    def under_way(self) -> str:
        """The name of the file whose rows are being read."""
        return self.name

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows from the first to the last, in batches with the same columns."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Bytes on disk; None where it is not a file."""


@dataclass
class _File(Source):
    path: Path
    _text: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the file."""
        return self.path.name

    @property
    def size(self) -> int | None:
        """See `Source.size`."""
        return self.path.stat().st_size


@dataclass
class CsvSource(_File):
    """Text with a delimiter and a header, plain or compressed (.gz, .zst, .bz2)."""

    _late: dict[str, str] = field(default_factory=dict)  # and those of which only a late row told so

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
                while head.count(b"\n") < 2 and len(head) < _LARGEST_BLOCK and (more := stream.read(len(head))):
                    head += more  # so many columns
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(f"{self.path.name} cannot be read: {error}") from None
        self._check_is_text(head)
        whole = len(head) < _SNIFFED or head.count(b"\n") < 2
        head = head if whole else head[: head.rfind(b"\n") + 1]
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = head[: error.start].count(b"\n") + 1
            raise DataError(f"{self.path.name} is not UTF-8 text (line {line}): save it as UTF-8") from None
        if not text.strip():
            raise DataError(f"{self.path.name} is empty")
        try:
            dialect = csv.Sniffer().sniff(text, delimiters=",;\t|").delimiter
        except csv.Error:  # one column
            dialect = ","
        first = text.splitlines()[0]
        delimiter = max(",;\t|", key=first.count) if first.count(dialect) == 0 else dialect
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
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
        twice = _repeated(names)
        if twice:
            cure = f"{NAMES_FIRST}, and no title" if not twice[0] else "rename them"
            raise DataError(f"{self.path.name} has the column {twice[0]!r} {names.count(twice[0])} times: {cure}")
        if whole and len(rows) < 2:
            raise DataError(f"{self.path.name} has a header and no rows")
        has_quotes = '"' in text  # then a value may hold the end of a line
        return pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=has_quotes), decimal, names

    def _check_is_text(self, head: bytes) -> None:
        """Tell what a file is in truth that does not begin as text does; a column may be called PAR1."""
        is_text = b"\0" not in head and all(mark.isascii() for mark, _, _ in _MARKS if head.startswith(mark))
        for mark, kind, cure in () if is_text else _MARKS:
            if head.startswith(mark):
                raise DataError(f"{self.path.name} is {kind}, and no plain text: {cure}")

    def _read(self, parse: Any, decimal: str, names: list[str], block: int = _BLOCK) -> Iterator[pa.RecordBatch]:
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
            block_size=block, column_names=names, skip_rows=1, use_threads=False
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
            where = f", line {row}" if row else ""
            why = f"; {NAMES_FIRST}" if names[0].startswith("#") else ""
            return DataError(f"{self.path.name}{where}: {got} fields where the header has {expected}{why}")
        if "invalid UTF8" in text or "UTF8" in text:
            return DataError(f"{self.path.name} is not UTF-8 text: save it as UTF-8")
        return DataError(f"{self.path.name} cannot be read: {text}")


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


class RestartError(Exception):
    """What was learnt of the table so far is void: go through it again from the start."""


def _repeated(names: list[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _wide(kind: pa.DataType) -> pa.DataType:
    """The type in which a column is read whatever comes later: numbers as float64."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return pa.float64()
    return pa.string() if pa.types.is_binary(kind) else kind


@dataclass
class ParquetSource(_File):
    """A Parquet file, row group by row group."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            with pa.parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=_BLOCK) as file:
                yield from typed(file.iter_batches(_BATCH), self.name, self._text)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read as Parquet: {error}") from None


@dataclass
class FeatherSource(_File):
    """An Arrow or Feather file."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            with pa.memory_map(str(self.path)) as file:
                reader = pa.ipc.open_file(file)
                yield from typed(map(reader.get_batch, range(reader.num_record_batches)), self.name, self._text)
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.path.name} cannot be read as Arrow: {error}") from None


@dataclass
class JsonSource(_File):
    """JSON lines: one object a line, plain or compressed."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            stream = pa.input_stream(str(self.path), compression="detect")
            batches = pa.json.open_json(stream, read_options=pa.json.ReadOptions(block_size=8 * _BLOCK))
            yield from typed(batches, self.name, self._text)
        except (pa.ArrowInvalid, OSError) as error:
            cure = "write one object a line, and no list around them" if self._is_list() else error
            raise DataError(f"{self.path.name} cannot be read as JSON lines: {cure}") from None

    def _is_list(self) -> bool:
        with pa.input_stream(str(self.path), compression="detect") as stream:
            return bool(stream.read(_SNIFFED).lstrip()[:1] == b"[")


@dataclass
class ArrowSource(Source):
    """A table in memory: of pandas, polars or PyArrow."""

    table: pa.Table
    name: str = "the table"
    _text: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        names = self.table.column_names
        twice = _repeated(names)
        if twice:
            raise DataError(f"the table has the column {twice[0]!r} {names.count(twice[0])} times: rename them")

    @property
    def size(self) -> int | None:
        """See `Source.size`."""
        return None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        yield from typed(self.table.to_batches(max_chunksize=_BATCH), self.name, self._text)


@dataclass
class _Several(Source):
    """Files with the same columns, one after the other."""

    parts: list[Source]
    under_way: str = ""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The first file, and how many more."""
        return f"{self.parts[0].name} and {len(self.parts) - 1} more"

    @property
    def size(self) -> int | None:
        """See `Source.size`."""
        return sum(part.size or 0 for part in self.parts)

    def read_as_text(self, names: set[str]) -> None:
        """See `Source.read_as_text`."""
        for part in self.parts:
            part.read_as_text(names)

    def notes(self) -> dict[str, str]:
        """See `Source.notes`."""
        return {name: f"{part.name}: {note}" for part in self.parts for name, note in part.notes().items()}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        names = None
        for part in self.parts:
            self.under_way = part.name
            for batch in part.batches():
                names = names or batch.schema.names
                if sorted(batch.schema.names) != sorted(names):
                    raise DataError(f"{part.name} has other columns than {self.parts[0].name}: {batch.schema.names}")
                yield batch.select(names)


_KINDS: dict[str, type[_File]] = {
    ".csv": CsvSource,
    ".tsv": CsvSource,
    ".txt": CsvSource,
    ".data": CsvSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
    ".feather": FeatherSource,
    ".arrow": FeatherSource,
    ".jsonl": JsonSource,
    ".ndjson": JsonSource,
    ".json": JsonSource,
}
_COMPRESSED = {".gz", ".zst", ".bz2"}


def source_of(data: Any) -> Source:
    """The table at a path or glob pattern, or the table itself.

    Raises
    ------
    FileNotFoundError, DataError, TypeError
        Nothing is there, or it is none of the known kinds.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, str | Path):
        found = sorted(glob.glob(str(data))) if any(c in str(data) for c in "*?[") else [str(data)]
        if not found:
            raise FileNotFoundError(f"no file matches {data}")
        parts: list[Source] = [_of_file(Path(path)) for path in found]
        return parts[0] if len(parts) == 1 else _Several(parts)
    if isinstance(data, pa.Table):
        return ArrowSource(data)
    try:
        if type(data).__module__.startswith("pandas") and hasattr(data, "columns"):
            thin = {name: kind.subtype for name, kind in data.dtypes.items() if hasattr(kind, "subtype")}
            return ArrowSource(pa.Table.from_pandas(data.astype(thin), preserve_index=False))
        if hasattr(data, "__arrow_c_stream__"):
            return ArrowSource(pa.table(data))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise DataError(f"a column of the table cannot be read: {'; '.join(map(str, error.args))}") from None
    raise TypeError(f"data must be a path, a pandas, polars or PyArrow table, got {type(data).__name__}")


def _of_file(path: Path) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        raise DataError(f"{path} is a folder: give a file, or a pattern such as {path}/*.parquet")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in _KINDS:
        raise DataError(f"{path.name} is no table that is known by its ending: {', '.join(_KINDS)}, also with .gz")
    return _KINDS[kind](path)
