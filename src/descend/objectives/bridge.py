"""The NumPy bridge: a plain-NumPy function, traced by JAX exactly as it is written.

The function is handed a `Bridged` array. NumPy asks such an argument what to do, through `__array_ufunc__`
and `__array_function__`, and the answer is the function of the same name in `jax.numpy`. Where NumPy insists
on an array of its own (`np.asarray(x)`, `np.array([x[0], x[1]])`, `np.vectorize`) it gets an object array of
traced numbers. What cannot be traced is refused with `UntraceableError`, which says what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from descend.objectives.tracing import is_float64

__all__ = ["Bridged", "UntraceableError", "bridged", "explain_refusal", "unbridged"]

_LARGEST_OBJECT_ARRAY = 2_000  # each element becomes a line of the traced program
_IN_PLACE = {"sort", "fill", "resize", "put", "itemset", "partition", "setflags", "byteswap", "setfield"}
_MEANS = {"mean", "average", "var", "std"}  # of booleans: NumPy's are float64, JAX's float32
_OTHER_NAMES = {
    "amax": "max", "amin": "min", "round_": "round", "psi": "digamma", "product": "prod",
    "true_divide": "divide", "conjugate": "conj",
}  # fmt: skip


class UntraceableError(TypeError):
    """The function does something with its argument that has no traced counterpart."""

    latest: ClassVar[UntraceableError | None] = None  # also where the function itself has caught it

    def __init__(self, message: str) -> None:
        super().__init__(message)
        UntraceableError.latest = self


class Bridged(NDArrayOperatorsMixin):
    """A traced JAX array that answers to NumPy's protocols."""

    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, is_view: bool = False) -> None:
        self.value = value
        self._is_view = is_view

    # -- what NumPy asks ----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kw: Any) -> Any:
        function = _counterpart(ufunc.__name__, "ufunc")
        if method != "__call__":
            if not hasattr(function, method):
                raise UntraceableError(f"np.{ufunc.__name__}.{method} cannot be traced")
            function = getattr(function, method)
        result = function(*(_as_operand(value) for value in inputs), **unbridged(kw))
        return bridged(result) if out is None else _write_into(out, result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        out = kwargs.pop("out", None) if isinstance(kwargs, dict) else None
        function = _counterpart(func.__name__, func.__module__)
        if func.__name__ in _MEANS:
            args = (_as_floats(args[0]), *args[1:])
        result = bridged(function(*unbridged(args), **unbridged(kwargs)))
        return result if out is None else _write_into((out,), unbridged(result))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if dtype is not None and np.dtype(dtype) != object:
            raise UntraceableError(
                f"np.asarray(x, dtype={np.dtype(dtype).name}), or a plain array into which x is stored, cannot hold "
                "traced numbers: write np.asarray(x); build arrays with np.array([...]) or np.zeros_like(x). X.dot(x) "
                "of a plain array X is such a case, too: write X @ x"
            )
        if self.value.size > _LARGEST_OBJECT_ARRAY:
            raise UntraceableError(
                f"np.asarray(x) of {self.value.size} numbers is too long to trace: use x itself, it is an array"
            )
        array = np.empty(self.value.shape, dtype=object)
        for index in np.ndindex(self.value.shape):
            array[index] = Bridged(self.value[index])
        return array

    # -- what Python asks ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "value":
            raise AttributeError(name)
        if name in _IN_PLACE:
            instead = "np.sort(x)" if name == "sort" else "the new array that you need, e.g. with np.where"
            raise UntraceableError(f"x.{name}() changes the array in place: write {instead}")
        if isinstance(getattr(np, name, None), np.ufunc):  # NumPy asks the elements of an object array
            return lambda *args: bridged(_counterpart(name, "ufunc")(self.value, *unbridged(args)))
        found = getattr(self.value, name)
        if not callable(found):
            return bridged(found)
        if name in {"item", "tolist", "tobytes"}:
            raise UntraceableError(f"x.{name}() needs a plain number; leave it out and compute with x itself")
        if name in _MEANS and self.value.dtype.kind == "b":
            return getattr(_as_floats(self), name)
        return lambda *args, **kw: bridged(found(*unbridged(args), **unbridged(kw)))

    def __getitem__(self, index: Any) -> Bridged:
        picked = self.value[unbridged(index)]
        return Bridged(picked, is_view=picked.ndim > 0 and _is_basic(index))

    def __setitem__(self, index: Any, new: Any) -> None:
        if self._is_view:
            raise UntraceableError(
                "writing into a slice of another array cannot be traced: write into the array itself"
            )
        self.value = self.value.at[unbridged(index)].set(unbridged(new))

    def __iter__(self) -> Iterator[Bridged]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        return len(self.value)

    @property
    def flat(self) -> Bridged:
        """The elements in order."""
        return Bridged(self.value.ravel())

    def copy(self, *_: Any) -> Bridged:
        """A new array, into which the function may write."""
        return Bridged(self.value)

    def flatten(self, *_: Any) -> Bridged:
        """A new flat array, into which the function may write."""
        return Bridged(self.value.ravel())

    def __bool__(self) -> bool:
        raise UntraceableError("`if`, `and`, `max()` on a value of x: write np.where(condition, a, b) or np.maximum")

    def __float__(self) -> float:
        raise UntraceableError(
            "float(x), math.sin(x) and storing x in a plain array need one plain number: write np.sin(x); "
            "build arrays with np.array([...]) or np.zeros_like(x)"
        )

    __int__ = __complex__ = __float__

    def __index__(self) -> int:
        raise UntraceableError("x as an index or a count cannot be traced: use np.where or np.take")

    def __repr__(self) -> str:
        return f"Bridged({self.value})"


def bridged(value: Any) -> Any:
    """`value` with every JAX array in it (also in tuples, lists and dicts) wrapped for NumPy."""
    if isinstance(value, jax.Array):
        return Bridged(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(bridged(v) for v in value))
    if isinstance(value, list | tuple):
        return type(value)(bridged(v) for v in value)
    if isinstance(value, dict):
        return {k: bridged(v) for k, v in value.items()}
    return value


def unbridged(value: Any) -> Any:
    """`value` as JAX takes it: wrappers removed, object arrays and lists of traced numbers stacked."""
    if isinstance(value, Bridged):
        return value.value
    if isinstance(value, np.ndarray) and value.dtype == object:
        return jnp.stack([jnp.asarray(unbridged(v)) for v in value.ravel()]).reshape(value.shape)
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and not is_float64():
        return value.astype(np.float32)  # a copy: JAX would keep the values of an array that is changed later
    if isinstance(value, list) and value and all(_is_number(leaf) for leaf in _leaves(value)):
        is_traced = any(isinstance(leaf, Bridged | jax.Array) for leaf in _leaves(value))
        return jnp.stack([jnp.asarray(unbridged(v)) for v in value]) if is_traced else np.asarray(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(unbridged(v) for v in value))
    if isinstance(value, list | tuple):
        return type(value)(unbridged(v) for v in value)
    if isinstance(value, dict):
        return {k: unbridged(v) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(unbridged(v) for v in (value.start, value.stop, value.step)))
    return value


def _as_operand(value: Any) -> Any:
    """An operand of a ufunc: a list or tuple there is an array."""
    if isinstance(value, list | tuple):
        return jnp.stack([jnp.asarray(_as_operand(v)) for v in value])
    return unbridged(value)


def _is_number(value: Any) -> bool:
    return np.ndim(value.value if isinstance(value, Bridged) else value) == 0 and not isinstance(value, str)


def explain_refusal(error: Exception) -> str:
    """What the function did that cannot be traced, and what to write instead, in one sentence."""
    if isinstance(error, UntraceableError):
        return str(error)
    for kind, cure in _CURES.items():
        if kind in type(error).__name__ or kind in str(error):
            return cure
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


_CURES = {
    "NonConcreteBooleanIndexError": "a mask x[x > 0] has a length that depends on x: write np.where(x > 0, x, 0)",
    "ConcretizationTypeError": "a shape or a count depends on x: write it with fixed shapes, e.g. np.where",
    "TracerBoolConversionError": "`if` on a value of x: write np.where(condition, a, b)",
    "TracerArrayConversionError": "a library needs a plain array there: use NumPy's own functions on x",
    "TracerIntegerConversionError": "x as an index cannot be traced: use np.where or np.take",
    "setting an array element": "a plain array cannot hold traced numbers: build it with np.array([...])",
    "object arrays are not supported": "SciPy's compiled code needs a plain array: use np.linalg, or give grad=",
    "unsupported data types": "SciPy's compiled code needs a plain array: use a dense NumPy matrix, or give grad=",
    "must use inplace=False": "np.fill_diagonal and the like change an array in place: build a new one with np.where",
    "JAX arrays are immutable": "a change in place that cannot be traced: build a new array, e.g. with np.where",
    "casting rule": "masked arrays cannot be traced: write np.where(mask, a, b)",
    "unexpected keyword argument": "a keyword of NumPy without traced counterpart (where=, …): write np.where",
    "unsupported format string": "x as text needs a plain number: compute with x itself",
    "Cannot interpret value": "a library needs a plain array there: use NumPy's own functions on x",
}  # fmt: skip


def _as_floats(value: Any) -> Any:
    plain = unbridged(value)
    is_boolean = getattr(getattr(plain, "dtype", None), "kind", "") == "b"
    return Bridged(jnp.asarray(plain, jnp.float64 if is_float64() else jnp.float32)) if is_boolean else value


def _counterpart(name: str, module: str) -> Callable[..., Any]:
    """The function of `jax.numpy` (or `jax.scipy.special`) that stands for NumPy's `module.name`."""
    home: Any = jnp
    if module.startswith("numpy.linalg"):
        home = jnp.linalg
    elif module.startswith("numpy.fft"):
        home = jnp.fft
    found = getattr(home, _OTHER_NAMES.get(name, name), None)
    if found is None and module == "ufunc":
        from jax.scipy import special

        found = getattr(special, _OTHER_NAMES.get(name, name), None)
    if found is None:
        raise UntraceableError(f"{module}.{name} has no counterpart in jax.numpy")
    return found  # type: ignore[no-any-return]


def _write_into(out: tuple[Any, ...], result: Any) -> Any:
    (target,) = out
    if not isinstance(target, Bridged):
        raise UntraceableError("out= with a plain array cannot hold traced numbers: use the returned array")
    if target.ndim == 0:  # NumPy's numbers are immutable: x[0] += 1 on a number makes a new one
        return bridged(result)
    if target._is_view:
        raise UntraceableError("writing into a slice of another array cannot be traced: write into the array itself")
    target.value = jnp.broadcast_to(result, target.shape).astype(target.dtype)
    return target


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, int | slice | None | type(...) | np.integer) for part in parts)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for v in value:
            yield from _leaves(v)
    else:
        yield value
