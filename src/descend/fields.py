"""Declared numbers: default, legal range and meaning of a hyperparameter, in one place.

A class that derives from `Declared` lists its numbers as fields (`lr: float = positive(0.1, "learning rate")`)
and thereby gets a checked constructor, a readable form, and the structure of a JAX pytree whose leaves are
those numbers, so that a compiled function takes a new value without being compiled again.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self, dataclass_transform

import jax
import numpy as np

__all__ = [
    "REQUIRED",
    "Declared",
    "Number",
    "Part",
    "Range",
    "above",
    "anything",
    "between",
    "fraction",
    "in_order",
    "nearest",
    "nonnegative",
    "part",
    "positive",
    "whole",
]

Number = float | np.ndarray  # a hyperparameter; an array of them, shape (k,), is an axis of a sweep
REQUIRED: Any = dataclasses.MISSING  # in the place of a default: the field must be given


@dataclasses.dataclass(frozen=True)
class Range:
    """An interval of real numbers, with what it means and what to do about a value outside."""

    low: float
    high: float
    low_open: bool
    high_open: bool
    meaning: str
    cure: str = ""
    whole: bool = False
    any_rank: bool = False  # arrays are values, not axes of a sweep

    def __str__(self) -> str:
        """The range as a reader would write it: `> 0`, `in [0, 1)`."""
        kind = "whole, " if self.whole else ""
        if math.isinf(self.low):
            return "any number"
        if math.isinf(self.high):
            return f"{kind}{'>' if self.low_open else '>='} {self.low:g}"
        return f"{kind}in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"

    def contains(self, value: float | np.ndarray) -> Any:
        """Whether `value` is finite and inside; of each number of an array."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        inside = np.isfinite(value) & above & below
        return inside & (value == np.floor(value)) if self.whole else inside

    def check(self, name: str, value: Any) -> None:
        """Raise a TypeError or ValueError, with what is legal, unless all numbers of `value` are inside."""
        if isinstance(value, str | bytes | bool | None | complex):
            raise TypeError(f"{name} must be a number {self}, got {value!r} ({type(value).__name__})")
        if isinstance(value, list | tuple) and not self.any_rank:
            raise TypeError(
                f"{name} must be a number {self}, got a {type(value).__name__}; many values are an array: "
                f"np.array({value!r})"
            )
        if isinstance(value, jax.core.Tracer):  # a number to be, inside somebody's jit
            return
        try:
            numbers = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name} must be a number {self}, got {value!r} ({type(value).__name__})") from None
        if numbers.size == 0:
            raise ValueError(f"{name} is an empty array: give at least one number")
        outside = numbers[~self.contains(numbers)]
        if outside.size == 0:
            return
        number = float(outside.flat[0])
        if not math.isfinite(number):
            raise ValueError(f"{name} must be {self} and finite, got {number!r}")
        raise ValueError(f"{name} must be {self}, got {number!r}{f'; {self.cure}' if self.cure else ''}")


def in_order(lower: str, low: Any, upper: str, high: Any) -> None:
    """Raise a ValueError where the first number is the larger one; of axes of a sweep each meets each."""
    if isinstance(low, jax.core.Tracer) or isinstance(high, jax.core.Tracer):
        return
    largest, smallest = float(np.max(low)), float(np.min(high))
    if largest > smallest:
        raise ValueError(f"{lower} must be no larger than {upper}, got {lower}={largest:g} and {upper}={smallest:g}")


@dataclasses.dataclass(frozen=True)
class Part:
    """A field that holds other declared things: a method inside a method, schedules one after the other."""

    meaning: str
    fits: Callable[[Any], bool]
    legal: str
    read: Callable[[Any], Any]  # what is given → what stands here

    def __str__(self) -> str:
        """What may stand here."""
        return self.legal

    def check(self, name: str, value: Any) -> None:
        """Raise a TypeError unless `value` may stand here."""
        if not self.fits(value):
            raise TypeError(f"{name} must be {self.legal}, got {value!r}")


def positive(default: float, meaning: str = "", *, cure: str = "") -> Any:
    """A field that must be > 0."""
    return _field(default, Range(0.0, math.inf, True, True, meaning, cure))


def above(low: float, default: float, meaning: str = "", *, cure: str = "") -> Any:
    """A field that must be > low."""
    return _field(default, Range(low, math.inf, True, True, meaning, cure))


def nonnegative(default: float, meaning: str = "", *, cure: str = "") -> Any:
    """A field that must be >= 0."""
    return _field(default, Range(0.0, math.inf, False, True, meaning, cure))


def between(low: float, high: float, default: float, meaning: str = "", *, cure: str = "") -> Any:
    """A field in [low, high)."""
    return _field(default, Range(low, high, False, True, meaning, cure))


def fraction(default: float, meaning: str = "", *, cure: str = "") -> Any:
    """A field in [0, 1], both ends included."""
    return _field(default, Range(0.0, 1.0, False, False, meaning, cure))


def whole(low: int, default: int, meaning: str = "", *, cure: str = "") -> Any:
    """A field that must be a whole number >= low."""
    return _field(default, Range(low, math.inf, False, True, meaning, cure, whole=True))


def anything(default: float, meaning: str = "") -> Any:
    """A field that may be any finite number, or an array of them that belongs to x coordinate by coordinate."""
    return _field(default, Range(-math.inf, math.inf, True, True, meaning, any_rank=True))


def part(
    fits: Callable[[Any], bool],
    legal: str,
    meaning: str = "",
    default: Any = REQUIRED,
    read: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """A field that holds other declared things: `fits` tells which, `legal` says it in words, `read` makes them so."""
    return _field(default, Part(meaning, fits, legal, read))


def _field(default: Any, legal: Range | Part) -> Any:
    return dataclasses.field(default=default, metadata={"range": legal})


def nearest(word: str, legal: list[str], least: float = 0.5) -> str:
    """` Did you mean 'adam'?`, or nothing when no legal word is near."""
    by_small_letters = {name.lower(): name for name in legal}
    close = difflib.get_close_matches(word.lower(), by_small_letters, n=1, cutoff=least)
    return f" Did you mean {by_small_letters[close[0]]!r}?" if close else ""


@dataclass_transform(frozen_default=True)
class Declared:
    """A frozen record of checked numbers that is also a JAX pytree.

    Raises
    ------
    TypeError
        An unknown name (the nearest legal one is suggested) or a value that is not a number.
    ValueError
        A number outside the declared range.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Turn the annotated fields into a frozen dataclass and teach JAX its structure."""
        super().__init_subclass__(**kwargs)
        for name, value in vars(cls).items():
            if isinstance(value, dataclasses.Field) and name not in inspect.get_annotations(cls):
                raise TypeError(f"{cls.__name__}.{name} has no type: write {name}: float = …")
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)  # what is common to all is written once, below
        for f in dataclasses.fields(cls):
            if "range" not in f.metadata:
                raise TypeError(
                    f"{cls.__name__}.{f.name} has no range: declare it as {f.name}: float = positive({f.default!r}), "
                    "or with another field of descend.fields, such as nonnegative, between or anything"
                )
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    f.name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=inspect.Parameter.empty if f.default is REQUIRED else f.default,
                    annotation=f.type,
                )
                for f in dataclasses.fields(cls)
            ]
        )
        jax.tree_util.register_pytree_with_keys(cls, cls._flatten_with_keys, cls._unflatten)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = self.names()
        if len(args) > len(names):
            raise TypeError(
                f"{type(self).__name__} takes at most {len(names)} numbers ({', '.join(names)}), got {len(args)}"
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise TypeError(self._unknown(name))
            if name in given:
                raise TypeError(f"{type(self).__name__} got {name} twice")
            given[name] = value
        for f in dataclasses.fields(self):
            value = given.get(f.name, f.default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {f.name}: {f.metadata['range'].meaning}")
            if isinstance(f.metadata["range"], Part):
                value = f.metadata["range"].read(value)
            self._check(f.name, value, f.metadata["range"])
            object.__setattr__(self, f.name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is a value: make a new one with another {name}")

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.names()}
        plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in plain.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.names())

    @classmethod
    def names(cls) -> list[str]:
        """The names of the fields, in order."""
        return [f.name for f in dataclasses.fields(cls)]

    @classmethod
    def ranges(cls) -> dict[str, Range | Part]:
        """Name → legal range of each field."""
        return {f.name: f.metadata["range"] for f in dataclasses.fields(cls)}

    @classmethod
    def _unknown(cls, name: str) -> str:
        meanings = {f.metadata["range"].meaning.lower(): f.name for f in dataclasses.fields(cls)}
        said = name.replace("_", " ").lower()
        close = [m for m in meanings if said in m][:1] or difflib.get_close_matches(
            said, [*meanings, *cls.names()], n=1, cutoff=0.5
        )
        hint = f" Did you mean {meanings.get(close[0], close[0])!r}?" if close else ""
        return f"{cls.__name__} has no hyperparameter {name!r}; it has {', '.join(cls.names()) or 'none'}.{hint}"

    @classmethod
    def _check(cls, name: str, value: Any, legal: Range | Part) -> None:
        legal.check(name, value)

    def parts(self) -> Iterator[Declared]:
        """This and all declared things inside."""
        yield self
        for f in dataclasses.fields(self):
            for value in jax.tree.leaves(getattr(self, f.name), is_leaf=_is_declared):
                if isinstance(value, Declared):
                    yield from value.parts()

    def numbers(self, prefix: str = "") -> Iterator[tuple[str, Any, Range]]:
        """Name, value and range of each number, also of those inside parts: `lr`, `lr.steps`, …."""
        for f in dataclasses.fields(self):
            value, legal = getattr(self, f.name), f.metadata["range"]
            for path, inner in jax.tree_util.tree_leaves_with_path(value, is_leaf=_is_declared):
                name = f"{prefix}{f.name}{jax.tree_util.keystr(path)}"
                if isinstance(inner, Declared):
                    yield from inner.numbers(f"{name}.")
                elif isinstance(legal, Range):
                    yield name, inner, legal

    def with_numbers(self, change: Callable[[str, Any], Any]) -> Self:
        """The same with `change(name, number)` in the place of each number, also of those inside parts; unchecked."""

        def leaf(path: Any, number: Any) -> Any:
            return change(jax.tree_util.keystr(path).removeprefix("."), number)

        made: Self = jax.tree_util.tree_map_with_path(leaf, self)
        return made

    def _flatten_with_keys(self) -> tuple[Any, Any]:
        return [(jax.tree_util.GetAttrKey(n), getattr(self, n)) for n in self.names()], None

    @classmethod
    def _unflatten(cls, aux: Any, leaves: Any) -> Self:
        """Rebuild without checking: JAX also puts tracers and placeholders in the leaves' places."""
        new = object.__new__(cls)
        for name, leaf in zip(cls.names(), leaves, strict=True):
            object.__setattr__(new, name, leaf)
        return new


def _is_declared(value: object) -> bool:
    return isinstance(value, Declared)
