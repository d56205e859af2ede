"""The method in a model file: its name and its numbers. Of one that is more than that a file holds only the text."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods import Method, catalogue, method_named

__all__ = ["NotInFile", "as_json", "known", "of_json"]


class NotInFile:
    """In the place of a method that a file cannot hold: with a schedule, a wrapper, optax, a class of one's own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"NotInFile({self.text!r})"


def as_json(method: Any) -> Any:
    """What a header holds of it."""
    if method is None or isinstance(method, str):
        return method
    if isinstance(method, NotInFile):
        return {"text": method.text}
    names = {kind: name for name, kind in catalogue().items() if kind.__module__.startswith("descend.")}
    if isinstance(method, type) and method in names:
        return names[method]
    if isinstance(method, Method) and type(method) in names:
        numbers = {name: getattr(method, name) for name in method.names()}
        if all(isinstance(value, float | int | np.number) for value in numbers.values()):
            return {"name": names[type(method)], "numbers": {name: float(value) for name, value in numbers.items()}}
    return {"text": repr(method)}


def of_json(value: Any) -> Any:
    """The method again."""
    if not isinstance(value, dict):
        return value
    return method_named(value["name"])(**value["numbers"]) if "name" in value else NotInFile(value["text"])


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
