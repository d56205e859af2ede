"""What becomes of one column of a table."""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from descend.data.errors import DataError

__all__ = ["BUCKETS", "Column", "are_whole", "in_words", "kind_of", "numbers_of"]

BUCKETS = 256  # into so many columns a column of many texts is hashed
_SECONDS_A_DAY = 86_400
_YES, _NO = {"yes", "true", "1", "y", "t"}, {"no", "false", "0", "n", "f"}


def _meaning(text: str) -> str:
    """A category as it may be written by others: in small letters, and yes as true."""
    small = text.lower()
    return "true" if small in _YES else "false" if small in _NO else small


@dataclass
class Column:
    """What becomes of one column.

    Attributes
    ----------
    kind
        "number", "boolean", "date" (days since 1970), "category" (one column of zeros and ones each), or "hashed".
    fill
        What stands for a missing number: the mean.
    has_missing
        Whether some values were missing; then a column of zeros and ones tells where.
    categories
        The known ones, in order.
    """

    name: str
    kind: str
    fill: float = 0.0
    has_missing: bool = False
    categories: list[str] = field(default_factory=list)

    @property
    def features(self) -> list[str]:
        """The names of the numbers that it becomes."""
        missing = [f"{self.name} is missing"] if self.has_missing else []
        if self.kind == "category":
            return [f"{self.name} = {category}" for category in self.categories] + missing
        if self.kind == "hashed":
            return [f"{self.name} # {i}" for i in range(BUCKETS)]
        return [self.name, *missing]

    def encode(self, values: pa.Array, out: np.ndarray) -> None:
        """Write the numbers of some rows into `out`, shape (rows, features), which holds zeros."""
        if self.kind in {"category", "hashed"}:
            text = values.cast(pa.string())
            if self.kind == "hashed":
                places = np.array([_bucket(v) for v in text.to_pylist()])
                out[np.arange(len(places)), places] = 1
                return
            found = pc.index_in(text, pa.array(self.categories, pa.string()), skip_nulls=True)
            places = found.fill_null(-1).to_numpy(zero_copy_only=False)
            rows = np.flatnonzero(places >= 0)
            there = pc.is_valid(text).to_numpy(zero_copy_only=False)
            if there.sum() > len(rows):
                unseen = sorted(set(text.filter(pa.array(there & (places < 0))).to_pylist()))
                some = ", ".join(map(repr, unseen[:3])) + (", …" if len(unseen) > 3 else "")
                means_known = {_meaning(value) for value in unseen} <= {_meaning(value) for value in self.categories}
                if not len(rows) and means_known:
                    known = ", ".join(map(repr, self.categories[:3])) + (", …" if len(self.categories) > 3 else "")
                    raise DataError(
                        f"column {self.name!r} holds {some}, and held {known} when the model was made: the same in "
                        "other words? Write it as it was"
                    )
                warnings.warn(
                    f"column {self.name!r}: {there.sum() - len(rows)} rows hold {some}, which was not there when the "
                    "model was made; it counts as none of the categories",
                    UserWarning,
                    stacklevel=2,
                )
            out[rows, places[rows]] = 1
        else:
            numbers = numbers_of(values, self.kind, self.name)
            out[:, 0] = numbers
            out[np.isnan(numbers), 0] = self.fill
        missing = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
        if self.has_missing:
            out[:, -1] = missing
        elif missing.any():
            is_text = self.kind in {"category", "hashed"}
            stands = "it counts as none of the categories" if is_text else "the mean stands for it"
            warnings.warn(
                f"column {self.name!r}: {missing.sum():,} rows have no value, which none lacked when the model was "
                f"made; {stands}",
                UserWarning,
                stacklevel=2,
            )


def _bucket(value: str | None) -> int:
    digest = hashlib.blake2b(repr(value).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % BUCKETS


def numbers_of(values: pa.Array, kind: str, name: str) -> np.ndarray:
    """A column as float64, nan where a value is missing."""
    if values.null_count == len(values):
        return np.full(len(values), np.nan)
    try:
        if kind == "date" and kind_of(values.type) != "date" and not pa.types.is_string(values.type):
            raise DataError(f"column {name!r} should hold dates, and holds {values.type}")
        if kind == "date":
            values = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
        elif kind == "boolean" and pa.types.is_string(values.type):
            values = values.cast(pa.bool_())
        numbers = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        odd = re.search(r"Failed to parse (?:string: '|value: )(.*?)(?:'|$)", str(error))
        raise DataError(
            f"column {name!r} should hold {kind}s, and holds {repr(odd[1]) if odd else values.type}"
        ) from None
    if kind == "date":
        numbers = numbers / _SECONDS_A_DAY
    if kind == "boolean" and not np.isin(numbers[~np.isnan(numbers)], (0, 1)).all():
        odd_one = numbers[~np.isnan(numbers) & ~np.isin(numbers, (0, 1))][0]
        raise DataError(f"column {name!r} should hold yes or no, and holds {odd_one:g}")
    if np.isinf(numbers).any():
        raise DataError(f"column {name!r} holds an infinite number; replace it, or leave such rows out")
    return numbers


def are_whole(numbers: np.ndarray) -> bool:
    """Whether all are whole numbers that int64 holds."""
    return bool(((numbers == np.round(numbers)) & (np.abs(numbers) < 2**53)).all())


def kind_of(kind: pa.DataType) -> str:
    """What a column of that type holds: see `Column.kind`; empty where it is none of these."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    if pa.types.is_dictionary(kind):
        return "category" if kind_of(kind.value_type) else ""
    if pa.types.is_string(kind) or pa.types.is_null(kind):  # text of other kinds has become this
        return "category"
    return ""


def in_words(kind: pa.DataType) -> str:
    """What a column of a type that is not read holds."""
    names = {pa.types.is_time: "times of day", pa.types.is_duration: "durations", pa.types.is_list: "lists"}
    return next((name for is_it, name in names.items() if is_it(kind)), f"{kind}")
