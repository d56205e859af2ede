"""Tables on disk or in memory as a stream of Arrow record batches.

PyArrow does the reading: it refuses what is structurally wrong, and it never changes values by guessing.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from descend.data.delimited import CsvSource
from descend.data.errors import DataError
from descend.data.source import BLOCK, FileSource, Source, repeated
from descend.data.typed import typed

__all__ = ["ArrowSource", "JsonSource", "ParquetSource", "source_of"]

_BATCH = 65_536  # rows of a batch
_SNIFFED = 1 << 16  # bytes by which lists are told from lines


@dataclass
class ParquetSource(FileSource):
    """A Parquet file, row group by row group."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            with pa.parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=BLOCK) as file:
                yield from typed(file.iter_batches(_BATCH), self.name, self._text)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read as Parquet: {error}") from None


@dataclass
class FeatherSource(FileSource):
    """An Arrow or Feather file."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            with pa.memory_map(str(self.path)) as file:
                try:
                    reader = pa.ipc.open_file(file)
                except pa.ArrowInvalid:  # no end that tells where batches are: then it is a stream
                    file.seek(0)
                    yield from typed(iter(pa.ipc.open_stream(file)), self.name, self._text)
                else:
                    yield from typed(map(reader.get_batch, range(reader.num_record_batches)), self.name, self._text)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read as Arrow: {error}") from None


@dataclass
class JsonSource(FileSource):
    """JSON lines: one object a line, plain or compressed."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Source.batches`."""
        try:
            stream = pa.input_stream(str(self.path), compression="detect")
            batches = pa.json.open_json(stream, read_options=pa.json.ReadOptions(block_size=8 * BLOCK))
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
        twice = repeated(names)
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


_KINDS: dict[str, type[FileSource]] = {
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
    cure = ": collect() it" if hasattr(data, "collect") else ""
    raise TypeError(f"data must be a path, a pandas, polars or PyArrow table, got {type(data).__name__}{cure}")


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
