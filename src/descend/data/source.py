"""What a source of rows is: a table as a stream of Arrow record batches, in bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

__all__ = ["BLOCK", "NAMES_FIRST", "FileSource", "RestartError", "Source", "repeated"]

BLOCK = 1 << 20  # bytes that are read at a time
NAMES_FIRST = "its first line must hold the names of the columns"


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
class FileSource(Source):
    """A table in a file."""

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


class RestartError(Exception):
    """What was learnt of the table so far is void: go through it again from the start."""


def repeated(names: list[str]) -> list[str]:
    """Those that are there more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
