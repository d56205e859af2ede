"""From columns of a table to numbers: learnt in one pass and kept with the model."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from descend.data.column import BUCKETS, Column, are_whole, in_words, kind_of, numbers_of
from descend.data.disguised import disguised, is_number, strangers
from descend.data.errors import DataError
from descend.data.source import NAMES_FIRST, RestartError, Source
from descend.fields import nearest

__all__ = ["Encoder"]

_MOST_CATEGORIES = 256  # with more a column of text is hashed
_FEW = 20  # texts that may well be classes, though each is there once
_UNNAMED = {"", "Unnamed: 0"}  # a column that may only count the rows


@dataclass
class Encoder:
    """How the columns of a table become features, and what was left out.

    Attributes
    ----------
    columns
        Those that are used.
    target
        The column that is learnt; it is not among them.
    target_kind
        "number", "boolean" or "category".
    classes
        Of a target that is no number: its values, in order.
    left_out
        Column → why it is not used.
    rows
        How many rows there were.
    has_two_values
        Whether the target holds two whole numbers, as classes are often written.
    is_whole
        Whether it holds whole numbers only: they stay what they are.
    """

    columns: list[Column]
    target: str
    target_kind: str
    classes: list[str]
    left_out: dict[str, str]
    rows: int
    has_two_values: bool  # the target holds two whole numbers
    is_whole: bool = False

    @staticmethod
    def learnt(source: Source, target: str, ignore: Collection[str] = ()) -> Encoder:
        """Look at all rows of a table once.

        Parameters
        ----------
        ignore
            Columns that are left out.

        Raises
        ------
        DataError
            There is no such target, it misses values, or nothing is left to learn from; a column of `ignore` is not
            there; a column of text holds numbers or dates that were not recognised.
        """
        while True:
            try:
                encoder = _learnt(source, target, frozenset(ignore))
                for name, note in source.notes().items():
                    if name == target:
                        raise DataError(f"the target {target!r} cannot be used: {note}; mend that row, or leave it out")
                    warnings.warn(f"column {name!r}: {note}", UserWarning, stacklevel=2)
                return encoder
            except RestartError:
                continue  # a column of numbers held text after all: the source now knows

    @property
    def features(self) -> list[str]:
        """The names of all features."""
        return [name for column in self.columns for name in column.features]

    def blocks(self, source: Source, *, with_target: bool = True) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Features (rows, d), float64, and targets of one batch after the other."""
        source.read_as_text({column.name for column in self.columns if column.kind in {"category", "hashed"}})
        for batch in _whole(source):
            there = {name: i for i, name in enumerate(batch.schema.names)}
            absent = [c.name for c in self.columns if c.name not in there]
            if absent:
                those = ", ".join(map(repr, absent[:5]))
                raise DataError(
                    f"{source.name} lacks the column{'s' if len(absent) > 1 else ''} {those}, which "
                    f"the model was made with; it has {', '.join(batch.schema.names[:20])}"
                )
            X = np.zeros((batch.num_rows, len(self.features)))
            place = 0
            for column in self.columns:
                width = len(column.features)
                with _named(source):
                    column.encode(batch.column(there[column.name]), X[:, place : place + width])
                place += width
            yield X, self.targets(batch, source.under_way) if with_target else None

    def targets(self, batch: pa.RecordBatch, name: str) -> np.ndarray:
        """The targets of one batch: numbers (whole ones int64), true and false, or the classes as text."""
        if self.target not in batch.schema.names:
            raise DataError(f"{name} lacks the target {self.target!r}; it has {', '.join(batch.schema.names[:20])}")
        values = batch.column(self.target)
        if pc.any(pc.is_null(values, nan_is_null=True)).as_py():
            raise DataError(f"the target {self.target!r} is missing in some rows of {name}: leave such rows out first")
        if self.target_kind == "number":
            numbers = numbers_of(values, "number", self.target)
            return numbers.astype(np.int64) if self.is_whole and are_whole(numbers) else numbers
        if self.target_kind == "boolean":
            try:
                return np.asarray(values.cast(pa.bool_()).to_numpy(zero_copy_only=False), bool)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise DataError(f"the target {self.target!r} should be true or false in {name}: {error}") from None
        text = values.cast(pa.string())
        places = pc.index_in(text, pa.array(self.classes, pa.string()))
        if places.null_count:
            strange = sorted(pc.unique(text.filter(pc.is_null(places))).to_pylist())
            raise DataError(
                f"the target {self.target!r} holds {', '.join(map(repr, strange[:3]))} in {name}, which is none of the "
                f"classes {', '.join(map(repr, self.classes[:10]))}"
            )
        return np.asarray(np.array(self.classes, str)[places.to_numpy()])

    def as_json(self) -> dict[str, Any]:
        """The encoder as plain values."""
        return {**vars(self), "columns": [vars(column) for column in self.columns]}

    @staticmethod
    def of_json(values: dict[str, Any]) -> Encoder:
        """The encoder again."""
        return Encoder(**{**values, "columns": [Column(**column) for column in values["columns"]]})


@dataclass
class _Seen:
    """What the pass has seen of one column."""

    kind: str
    total: float = 0.0
    count: int = 0
    missing: int = 0
    low: float = np.inf
    high: float = -np.inf
    rises_by_one: bool = True  # looked at where the column has no name
    last: float | None = None
    categories: set[str] = field(default_factory=set)
    some: set[float] = field(default_factory=set)  # of the numbers; no more than a few are kept
    is_many: bool = False
    repeats: bool = False  # whether some text came twice
    is_whole: bool = True

    def look(self, values: pa.Array, name: str) -> None:
        if self.kind == "category":
            self.missing += values.null_count
            texts = {text for text in pc.unique(values.cast(pa.string())).to_pylist() if text is not None}
            came_twice = len(texts) < len(values) - values.null_count or not texts.isdisjoint(self.categories)
            self.repeats, self.categories = self.repeats or came_twice, self.categories | texts
            self.is_many = self.is_many or len(self.categories) > _MOST_CATEGORIES
            if len(self.categories) > 100 * _MOST_CATEGORIES:
                self.categories = set(list(self.categories)[: 2 * _MOST_CATEGORIES])
            self.rises_by_one = False
            return
        numbers = numbers_of(values, self.kind, name)
        is_missing = np.isnan(numbers)
        there = numbers[~is_missing] if is_missing.any() else numbers
        self.missing += len(numbers) - len(there)
        self.total, self.count = self.total + float(there.sum()), self.count + len(there)
        self.is_whole = self.is_whole and are_whole(there)
        if len(there) and len(self.some) < 3:
            self.some.update(np.unique(there)[:3].tolist())
        if len(there):
            self.low, self.high = min(self.low, float(there.min())), max(self.high, float(there.max()))
        if len(there) and name in _UNNAMED:
            steps = np.diff(there, prepend=there[0] - 1 if self.last is None else self.last)
            self.rises_by_one = self.rises_by_one and len(there) == len(numbers) and bool((steps == 1).all())
            self.last = float(there[-1])


def _learnt(source: Source, target: str, ignore: frozenset[str]) -> Encoder:
    if target in ignore:
        raise DataError(f"{target!r} is the target and cannot be ignored")
    seen: dict[str, _Seen] = {}
    left_out: dict[str, str] = dict.fromkeys(sorted(ignore), "as you wished")
    rows = 0
    for batch in source.batches():
        names = batch.schema.names
        for wanted in (target, *sorted(ignore)):
            if wanted not in names:
                why = _why_absent(names) or f".{nearest(wanted, names)}"
                raise DataError(f"{source.name} has no column {wanted!r}; it has {', '.join(names[:30])}{why}")
        for name, kind in zip(names, batch.schema.types, strict=True):
            if name in left_out:
                continue
            if name not in seen:
                found = kind_of(kind)
                if not found and name == target:
                    raise DataError(f"the target {target!r} holds {in_words(kind)}: no numbers, and no classes")
                if not found:
                    left_out[name] = f"it holds {in_words(kind)}: no numbers, text or dates"
                    warnings.warn(f"column {name!r} is left out: {left_out[name]}", UserWarning, stacklevel=3)
                    continue
                seen[name] = _Seen(found)
            if name == target:
                _check_target(batch.column(name), name, rows, source.name)
            with _named(source):
                seen[name].look(batch.column(name), name)
        rows += batch.num_rows
    if rows == 0:
        raise DataError(f"{source.name} has no rows")
    columns = []
    for name, column in seen.items():
        if name == target:
            continue
        if name in _UNNAMED and column.rises_by_one and column.missing < rows:
            left_out[name or "(without a name)"] = "it only counts the rows"
        elif column.missing == rows:
            left_out[name or "(without a name)"] = "all its values are missing"
        elif column.kind == "category" and (said := disguised(column.categories, rows)):
            raise DataError(f"column {name!r} {said}; or leave the column out with ignore")
        elif column.kind == "category" and not column.repeats and len(column.categories) > _FEW:
            left_out[name] = "it is another text in each row"
        elif column.kind == "category" and not column.is_many:
            known = sorted(column.categories)
            if len(known) == 1 and not column.missing:
                left_out[name] = f"it is {known[0]!r} in all rows"
            else:
                if name not in source.notes() and (said := strangers(known)):
                    warnings.warn(f"column {name!r} {said}", UserWarning, stacklevel=3)
                columns.append(Column(name, "category", has_missing=column.missing > 0, categories=known))
        elif column.kind == "category":
            columns.append(Column(name, "hashed", has_missing=False))
            many = f"{len(column.categories):,} different texts or more, which share {BUCKETS} columns"
            warnings.warn(f"column {name!r} holds {many}: they are not told apart", UserWarning, stacklevel=3)
        elif column.low == column.high and not column.missing:
            left_out[name] = f"it is {column.low:g} in all rows"
        else:
            fill = column.total / max(1, column.count)
            columns.append(Column(name, column.kind, fill=fill, has_missing=column.missing > 0))
    if not columns:
        reasons = "; ".join(f"{name!r}: {why}" for name, why in left_out.items()) or "there is no other column"
        raise DataError(f"nothing is left to learn {target!r} from ({reasons})")
    goal = seen[target]
    if goal.kind == "date":
        raise DataError(f"the target {target!r} holds dates: give it as a number, such as days since some day")
    if goal.kind == "category" and (said := disguised(goal.categories, rows)):
        raise DataError(f"the target {target!r} {said}")
    if goal.is_many:
        note = source.notes().get(target)
        if note:
            raise DataError(f"the target {target!r} cannot be used: {note}; mend that row, or leave it out")
        raise DataError(f"the target {target!r} holds text with more than {_MOST_CATEGORIES} values: it is no class")
    classes = sorted(goal.categories) if goal.kind == "category" else []
    has_two_values = len(goal.some) == 2 and all(value == round(value) for value in goal.some)
    return Encoder(columns, target, goal.kind, classes, left_out, rows, has_two_values, goal.is_whole)


@contextlib.contextmanager
def _named(source: Source) -> Iterator[None]:
    """Name the file in what is wrong with a column of it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{source.under_way}: {error}") from None


def _why_absent(names: list[str]) -> str:
    """What may be wrong with a header in which a column is missed."""
    if len(names) == 1 and len(names[0].split()) > 1:
        return ": if these are several columns, part them by commas, semicolons or tabs, not by spaces"
    return f": {NAMES_FIRST}" if all(map(is_number, names)) else ""


def _whole(source: Source) -> Iterator[pa.RecordBatch]:
    """The batches of a table whose columns must be what they were when the model was made."""
    try:
        yield from source.batches()
    except RestartError as error:
        raise DataError(f"{source.name}: {error}, and held numbers when the model was made") from None


def _check_target(values: pa.Array, name: str, before: int, where: str) -> None:
    missing = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
    if missing.any():
        raise DataError(
            f"the target {name!r} is missing in row {before + int(missing.argmax()) + 1} of {where}: "
            "leave such rows out first"
        )
