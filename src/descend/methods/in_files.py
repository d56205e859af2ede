"""A rule in a file: the name of its class and its numbers. Of what is not of this library it holds only the text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from descend.fields import Declared
from descend.methods.method import catalogue, method_named

__all__ = ["NotInFile", "as_json", "known", "made", "of_json", "plain"]


class NotInFile:
    """In the place of a rule that a file cannot hold: optax's, or a class of one's own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"NotInFile({self.text!r})"


class _OnlyAsText(Exception):  # noqa: N818 - no error: a way out of the recursion
    pass


def as_json(method: Any) -> Any:
    """What a file holds of it."""
    if method is None or isinstance(method, str):
        return method
    if isinstance(method, NotInFile):
        return {"text": method.text}
    if isinstance(method, type):
        names = {kind: name for name, kind in catalogue().items() if kind.__module__.startswith("descend.")}
        return names.get(method, {"text": repr(method)})
    try:
        return {**plain(method), "text": repr(method)} if isinstance(method, Declared) else {"text": repr(method)}
    except _OnlyAsText:
        return {"text": repr(method)}


def plain(value: Any) -> Any:
    """Numbers, arrays and declared things as what JSON can hold, infinities included."""
    if isinstance(value, Declared):
        if _kinds().get(type(value).__name__) is not type(value):
            raise _OnlyAsText
        return {"kind": type(value).__name__, "fields": {name: plain(getattr(value, name)) for name in value.names()}}
    if isinstance(value, np.ndarray):
        return {"array": [plain(v) for v in value.ravel().tolist()], "shape": list(value.shape)}
    if isinstance(value, dict):
        return {"items": {key: plain(inner) for key, inner in value.items()}}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    if value is None or isinstance(value, int | float):
        return value
    raise _OnlyAsText


def of_json(value: Any) -> Any:
    """The rule again."""
    if not isinstance(value, dict):
        return value
    if "name" in value:  # as it was written at first
        return method_named(value["name"])(**value["numbers"])
    return made(value) if "kind" in value else NotInFile(value["text"])


def made(value: Any) -> Any:
    """What `plain` was given, again."""
    if isinstance(value, list):
        return tuple(map(made, value))
    if isinstance(value, str):
        return float(value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return np.array([made(v) for v in value["array"]]).reshape(value["shape"])
    if "items" in value:
        return {key: made(inner) for key, inner in value["items"].items()}
    kinds = _kinds()
    if value["kind"] not in kinds:
        raise ValueError(f"the file names {value['kind']!r}, which this version of descend does not have: update it")
    return kinds[value["kind"]](**{name: made(inner) for name, inner in value["fields"].items()})


def _kinds() -> dict[str, type[Declared]]:
    """Name → class of all rules, step sizes and sets of this library."""
    return {kind.__name__: kind for kind in _below(Declared) if kind.__module__.startswith("descend.")}


def _below(kind: type[Declared]) -> Iterator[type[Declared]]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _below(derived)


def known(method: Any) -> Any:
    """The method; refused where a file held no more than its text.

    Raises
    ------
    ValueError
        To train on with another method, unasked, would be another training.
    """
    if isinstance(method, NotInFile):
        raise ValueError(
            f"to train on it needs its method, of which the file holds only the text, {method.text}: "
            "give it with set_params(method=...)"
        )
    return method
