"""The start of a descent: what a user gives as `x0`, as the parameters that the descent works on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

__all__ = [
    "as_parameters",
    "as_vector",
    "check_takes_data",
    "dtype_of",
    "from_vector",
    "spread_over",
    "variables_of",
]


def as_parameters(x0: Any) -> Any:
    """`x0` as a NumPy array (0-d for a number), or a pytree of arrays, of float32 or float64.

    A list, tuple, range or Series of numbers is one vector; integers become float64. In a pytree integers and
    Python's own numbers take the float type of the arrays beside them.

    Raises
    ------
    TypeError
        Text, complex numbers, half-precision floats, or what is no number at all.
    ValueError
        nan or infinity (with its place), or no numbers.
    """
    x0 = x0.to_numpy() if hasattr(x0, "to_numpy") else x0
    if _is_tree(x0):
        structure: Any
        leaves, structure = jax.tree.flatten(x0)
        if not leaves:
            raise ValueError("x0 is empty; give the numbers to start from")
        arrays = [_as_array(leaf) for leaf in leaves]
        typed = [hasattr(leaf, "dtype") and array.dtype.kind == "f" for leaf, array in zip(leaves, arrays, strict=True)]
        floats = [array.dtype for array, is_typed in zip(arrays, typed, strict=True) if is_typed]
        kind = np.result_type(*floats) if floats else np.dtype(np.float64)
        parameters = structure.unflatten(
            [array if is_typed else array.astype(kind) for array, is_typed in zip(arrays, typed, strict=True)]
        )
    else:
        array = _as_array(list(x0) if isinstance(x0, range) else x0)
        parameters = array if array.dtype.kind == "f" else array.astype(np.float64)
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        where = jax.tree_util.keystr(path)
        if leaf.size == 0:
            raise ValueError(f"x0{where} is empty; give the numbers to start from")
        if not np.isfinite(leaf).all():
            index = tuple(int(i[0]) for i in np.nonzero(~np.isfinite(np.atleast_1d(leaf))))
            place = where + (str(list(index)) if leaf.ndim else "")
            raise ValueError(
                f"x0{place} is {np.atleast_1d(leaf)[index]}; a start must be finite: leave out or fill such numbers"
            )
    return parameters


def dtype_of(parameters: Any) -> np.dtype[Any]:
    """The widest float type among the leaves."""
    return np.result_type(*(leaf.dtype for leaf in jax.tree.leaves(parameters)))


def as_vector(parameters: Any) -> np.ndarray:
    """All numbers of a pytree of NumPy arrays as one vector of its widest dtype."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(parameters)])


def from_vector(vector: np.ndarray, parameters: Any) -> Any:
    """The numbers of `vector` in the structure, shapes and dtypes of `parameters`."""
    structure: Any
    leaves, structure = jax.tree.flatten(parameters)
    ends = np.cumsum([leaf.size for leaf in leaves])
    pieces = np.split(vector, ends[:-1])
    return structure.unflatten(
        [piece.reshape(leaf.shape).astype(leaf.dtype) for piece, leaf in zip(pieces, leaves, strict=True)]
    )


def spread_over(function: Callable[..., Any], parameters: Any) -> bool:
    """Whether `function` is to be called as `f(*x)`: it requires several numbers, and x has just as many.

    Raises
    ------
    TypeError
        The function requires several arguments, but another number of them than the start has.
    """
    required = _required(function)
    if len(required) <= 1:
        return False
    size = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    if not isinstance(parameters, np.ndarray) or parameters.ndim != 1 or size != len(required):
        raise TypeError(
            f"the objective requires {len(required)} arguments ({', '.join(required)}), but x0 has {size} "
            f"number{'s' if size != 1 else ''}: start from {len(required)} numbers, "
            "or give the data with data=(X, y) if the others are data"
        )
    return True


def variables_of(function: Callable[..., Any] | None, n: int) -> tuple[str, ...]:
    """What n numbers are called: as a formula or the arguments of a function name them, else x, or x1, x2, …."""
    named = () if function is None else getattr(function, "variables", None) or tuple(_required(function))
    if len(named) == n > 1:
        return named
    return ("x",) if n == 1 else tuple(f"x{i + 1}" for i in range(n))


def _required(function: Callable[..., Any]) -> list[str]:
    """The arguments by position without which `function` cannot be called."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins and ufuncs do not tell: one argument
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        p.name for p in signature.parameters.values() if p.kind in positional and p.default is inspect.Parameter.empty
    ]


def check_takes_data(function: Callable[..., Any], parts: int) -> None:
    """Raise a TypeError unless `function` can be called with the parameters and so many parts of data."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*range(1 + parts))
    except TypeError:
        names = ", ".join(signature.parameters)
        raise TypeError(
            f"with {parts} part{'s' if parts != 1 else ''} of data the objective is called with {1 + parts} arguments, "
            f"the parameters and the data, but it takes ({names}): write it as f(w, {', '.join('XyZ'[:parts])}), with "
            "all parameters in w"
        ) from None


def _is_tree(x0: Any) -> bool:
    if isinstance(x0, list | tuple):
        return any(isinstance(v, dict) or getattr(v, "ndim", 0) > 0 or _is_tree_node(v) or _holds_arrays(v) for v in x0)
    return _is_tree_node(x0)


def _holds_arrays(x0: Any) -> bool:
    """Whether a list in a list is a layer with its arrays, rather than a row of numbers."""
    return isinstance(x0, list | tuple) and _is_tree(x0)


def _is_tree_node(x0: Any) -> bool:
    if x0 is None or isinstance(x0, list | tuple | str | bytes | range) or hasattr(x0, "dtype"):
        return hasattr(x0, "_fields")
    return not jax.tree_util.all_leaves([x0])


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, str | bytes | bool | None) or (not np.isscalar(value) and callable(value)):
        raise TypeError(f"x0 must be numbers, got {value!r} ({type(value).__name__})")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("x0 is a masked array; fill it first: x0.filled(0.0)")
    try:
        array = np.array(value)
    except ValueError as error:
        raise TypeError(f"x0 must be numbers in a regular shape, got {value!r}: {error}") from None
    array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "f" and array.dtype.itemsize in {4, 8} and array.dtype.isnative:
        return array
    if array.dtype.kind == "f" or array.dtype.name in {"bfloat16"} or "float" in array.dtype.name:
        nearest = "float64" if array.dtype.itemsize > 8 else "float32"
        raise TypeError(f"x0 is {array.dtype.name}; a descent runs in float32 or float64: give x0.astype(np.{nearest})")
    if array.dtype.kind == "c":
        raise TypeError("x0 is complex; minimise over the real and imaginary parts as two real numbers")
    raise TypeError(f"x0 must be numbers, got {value!r} ({array.dtype.name})")
