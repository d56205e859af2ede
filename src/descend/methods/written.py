"""What a function does, as text: its code and all that it closes over. The same text in every process."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import partial
from types import CellType, CodeType, MethodType
from typing import Any

import jax
import numpy as np

__all__ = ["written"]


def written(value: Any) -> str:
    """The text of a function, or of a structure of them; globals that functions use are not in it."""
    return "\n".join(_parts(value, set()))


def _parts(value: Any, seen: set[int]) -> Iterator[str]:
    if callable(value) and id(value) in seen:  # it calls itself
        return
    seen.add(id(value))
    for part in _inside(value):
        if isinstance(part, str):
            yield part
        else:
            yield from _parts(part, seen)


def _inside(value: Any) -> list[Any]:
    """What a value is made of: text, and other values."""
    if isinstance(value, partial):
        return ["partial", value.func, value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, CodeType):
        return [value.co_code.hex(), *value.co_names, value.co_consts]
    plain = inspect.unwrap(value) if callable(value) else None
    if inspect.isfunction(plain):
        cells = [*map(_content, plain.__closure__ or ())]
        return [plain.__code__, cells, plain.__defaults__, plain.__kwdefaults__]
    if isinstance(value, dict):
        return [type(value).__name__, *value.items()]
    if isinstance(value, set | frozenset):
        return [type(value).__name__, *sorted(map(written, value))]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *value]
    if isinstance(value, np.ndarray | jax.Array):
        array = np.asarray(value)
        return [str(array.dtype), str(array.shape), array.tobytes().hex()]
    return [re.sub("0x[0-9a-f]+", "", repr(value))]


def _content(cell: CellType) -> Any:
    """What a variable of a closure holds; nothing where it was never set, as in a branch that was not taken."""
    try:
        return cell.cell_contents
    except ValueError:
        return "nothing"
