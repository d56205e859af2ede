"""The words that formulas are written in: one word, every reader.

A formula of this library (a method's step, a step size, a landscape, a typed cost) uses operators and these
words only. A word looks at its arguments and answers in their kind: JAX arrays and tracers get `jax.numpy`,
SymPy symbols (alone or in an object array) get SymPy, all else gets NumPy. That is what lets one formula be
read by plain Python, by the compiler and by the printer of LaTeX.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "along",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "difference",
    "dot",
    "exp",
    "expm1",
    "flat",
    "floor",
    "isfinite",
    "largest",
    "like",
    "log",
    "log1p",
    "log2",
    "log10",
    "maximum",
    "minimum",
    "norm",
    "precision",
    "prod",
    "repeat_while",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "sum",
    "tan",
    "tanh",
    "vector",
    "where",
    "zeros_like",
]


class Word(Protocol):
    """A function of numbers, arrays or symbols that answers in their kind."""

    __name__: str

    def __call__(self, *args: Any) -> Any:
        """Apply the word."""


def _is_symbolic(value: object) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "O" and value.size > 0 and _is_symbolic(value.flat[0])
    sympy = sys.modules.get("sympy")  # who has a symbol has imported it
    return sympy is not None and isinstance(value, sympy.Basic)


def _word(name: str, symbolic: Callable[..., Any] | str | None = None) -> Word:
    """Make the word `name` of NumPy and JAX; `symbolic` is what SymPy calls it (the same unless said)."""
    of_numpy, of_jax = getattr(np, name), getattr(jnp, name)

    def word(*args: Any) -> Any:
        for arg in args:
            if isinstance(arg, jax.Array):
                return of_jax(*args)
            if _is_symbolic(arg):
                return _in_sympy(symbolic or name, args)
        return of_numpy(*args)

    word.__name__ = word.__qualname__ = name
    word.__doc__ = f"`{name}` of NumPy, JAX or SymPy, whichever the arguments belong to."
    return word


def _in_sympy(name: str | Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Apply a SymPy function, element by element when an argument is an object array of symbols."""
    import sympy

    function = getattr(sympy, name) if isinstance(name, str) else name
    if any(isinstance(arg, np.ndarray) for arg in args):
        return np.frompyfunc(function, len(args), 1)(*args)
    return function(*args)


def _piecewise(condition: Any, yes: Any, no: Any) -> Any:
    import sympy

    return sympy.Piecewise((yes, condition), (no, True))


def _log_base(base: int) -> Callable[[Any], Any]:
    def log_base(x: Any) -> Any:
        import sympy

        return sympy.log(x, base)

    return log_base


sqrt = _word("sqrt")
cbrt = _word("cbrt")
exp = _word("exp")
expm1 = _word("expm1", lambda x: exp(x) - 1)
log = _word("log")
log1p = _word("log1p", lambda x: log(1 + x))
log2 = _word("log2", _log_base(2))
log10 = _word("log10", _log_base(10))
sin = _word("sin")
cos = _word("cos")
tan = _word("tan")
arcsin = _word("arcsin", "asin")
arccos = _word("arccos", "acos")
arctan = _word("arctan", "atan")
arctan2 = _word("arctan2", "atan2")
sinh = _word("sinh")
cosh = _word("cosh")
tanh = _word("tanh")
arcsinh = _word("arcsinh", "asinh")
arccosh = _word("arccosh", "acosh")
arctanh = _word("arctanh", "atanh")
sign = _word("sign")
floor = _word("floor")
ceil = _word("ceil", "ceiling")
maximum = _word("maximum", "Max")
minimum = _word("minimum", "Min")
where = _word("where", _piecewise)
isfinite = _word("isfinite")
zeros_like = _word("zeros_like", lambda x: x * 0)


@jax.custom_jvp
def _softplus_of_jax(x: Any) -> Any:
    return jnp.logaddexp(x, 0)


# The derivative in its simplest form: that of logaddexp passes through three roundings and a search for nan.
_softplus_of_jax.defjvps(lambda x_dot, _, x: x_dot * jax.nn.sigmoid(x))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow: the smooth form of max(x, 0)."""
    if isinstance(x, jax.Array):
        return _softplus_of_jax(x)
    return log(1 + exp(x)) if _is_symbolic(x) else np.logaddexp(x, 0)


def sum(x: Any) -> Any:
    """The sum of all elements of `x`, in its own kind."""
    return x.sum() if hasattr(x, "sum") else x


# What follows speaks of whole parameters: a number, an array, or any pytree of them.


def dot(a: Any, b: Any) -> Any:
    """The inner product of two pytrees of the same structure: a number."""
    products = jax.tree.map(lambda p, q: (p * q).sum(), a, b)
    return _added(jax.tree.leaves(products))


def norm(a: Any) -> Any:
    """The Euclidean length of a pytree: a number. It over- and underflows only where the length itself does."""
    scale = largest(a)
    safe = where(scale > 0, scale, 1)
    unit = jax.tree.map(lambda leaf: leaf / like(safe, leaf), a)
    return scale * sqrt(dot(unit, unit))


def largest(a: Any) -> Any:
    """The largest magnitude in a pytree; nan if there is a nan anywhere."""
    leaves = [abs(leaf).max() for leaf in jax.tree.leaves(a) if leaf.size]
    result = leaves[0]
    for leaf in leaves[1:]:
        result = maximum(result, leaf)
    return result


def difference(a: Any, b: Any) -> Any:
    """`a - b`, leaf by leaf."""
    return jax.tree.map(lambda p, q: p - q, a, b)


def along(x: Any, lr: Any, d: Any) -> Any:
    """`x + lr * d`, leaf by leaf: the point reached by going `lr` along `d`."""
    return jax.tree.map(lambda p, q: p + like(lr, p) * q, x, d)


def flat(x: Any) -> Any:
    """All elements of a pytree as one vector."""
    leaves = [leaf.reshape(-1) for leaf in jax.tree.leaves(x)]
    if len(leaves) == 1:
        return leaves[0]
    return (jnp if isinstance(leaves[0], jax.Array) else np).concatenate(leaves)


def vector(*numbers: Any) -> Any:
    """Numbers as one vector."""
    return (jnp if any(isinstance(number, jax.Array) for number in numbers) else np).stack(numbers)


def prod(x: Any) -> Any:
    """The product of all elements of `x`, in its own kind."""
    return x.prod() if hasattr(x, "prod") else x


def like(value: Any, x: Any) -> Any:
    """`value` as a number of the dtype of the array `x`, so that it cannot promote what it meets."""
    dtype = getattr(x, "dtype", None)
    if dtype is None or dtype.kind == "O":
        return value
    if isinstance(x, jax.Array) or isinstance(value, jax.Array):
        return jnp.asarray(value, dtype)
    return np.asarray(value, dtype)[()]


def repeat_while(condition: Callable[[Any], Any], body: Callable[[Any], Any], state: Any) -> Any:
    """Repeat `state = body(state)` while `condition(state)` holds, compiled if the state is JAX's."""
    if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state)):
        return jax.lax.while_loop(condition, body, state)
    while condition(state):
        state = body(state)
    return state


@contextlib.contextmanager
def precision(dtype: Any) -> Iterator[None]:
    """The context in which JAX computes in this dtype, whatever its global setting.

    Matrix products of float32, too, which accelerators would make with fewer digits: a gradient right to three of them
    stalls before the minimum and looks like a wrong one. Where the user has set JAX's precision of them, that holds.
    """
    config: Any = jax.config
    of_products = config.jax_default_matmul_precision or "float32"
    with jax.enable_x64(dtype == np.float64), jax.default_matmul_precision(of_products):
        yield


def _added(numbers: list[Any]) -> Any:
    total = numbers[0]
    for number in numbers[1:]:
        total = total + number
    return total
