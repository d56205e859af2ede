"""Where data come from: tables in files and in memory, sparse text, as numbers to learn from."""

from descend.data.encoding import Column, Encoder
from descend.data.sources import DataError, Source, source_of

__all__ = ["Column", "DataError", "Encoder", "Source", "source_of"]
