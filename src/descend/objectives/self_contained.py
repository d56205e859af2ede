"""Functions that refer to nothing that could change: what was found out about one of them stays true.

Such a function is told by its code and by the numbers that it takes from its module. Arithmetic, the element-wise
functions of NumPy, JAX and `math`, sums and products are within; a closure, a default, a function or an array of
the user's own are not, since they may be another the next time.
"""

from __future__ import annotations

import dis
import math
from collections.abc import Hashable
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

import jax.numpy as jnp
import numpy as np

__all__ = ["code_of"]

_MODULES = (math, np, jnp)
_BUILTINS = {"abs", "enumerate", "float", "len", "max", "min", "pow", "range", "reversed", "sum", "zip"}
_HARMLESS = frozenset(
    _BUILTINS
    | {name for name, value in vars(np).items() if isinstance(value, np.ufunc | float)}
    | {name for name in vars(math) if not name.startswith("_")}
    | {"T", "dot", "mean", "ndim", "prod", "shape", "size", "where"}
)


def code_of(function: Any) -> Hashable | None:
    """What tells a self-contained function from another; None for a function that is not.

    Two functions with equal keys give equal values for equal arguments, now and later.
    """
    if not isinstance(function, FunctionType) or function.__closure__ or function.__dict__:
        return None
    if function.__defaults__ or function.__kwdefaults__:
        return None
    taken = []
    for name in _names(function.__code__):
        if name in function.__globals__:
            value = function.__globals__[name]
            if type(value) in (int, float):
                taken.append((name, repr(value)))
            elif not any(value is module for module in _MODULES):
                return None
            else:
                taken.append((name, value.__name__))
        elif name not in _HARMLESS:
            return None
    return function.__code__, tuple(taken)


@lru_cache(maxsize=256)
def _names(code: CodeType) -> tuple[str, ...]:
    """The globals and attributes that a function and those inside it speak of; "=" with them if it sets a global."""
    inside = [name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)]
    sets = any(step.opname in {"STORE_GLOBAL", "DELETE_GLOBAL"} for step in dis.get_instructions(code))
    return tuple(sorted({*code.co_names, *inside, *(["="] if sets else [])}))
