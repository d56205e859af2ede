"""Traced functions and the executables made of them.

A function is traced anew in every run, and what was compiled is looked up by what was traced: by the text of
the program, the shapes of its constants, and the values of those constants that are hidden inside. The
constants at the top are arguments of the executable. A new lambda with new data of the same shape is thus not
compiled again, and a changed global is seen.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Traced", "is_float64", "same_constants", "trace"]

_MOST_EXECUTABLES = 64
_executables: OrderedDict[Any, tuple[Any, Callable[..., Any]]] = OrderedDict()


@dataclass(frozen=True)
class Traced:
    """The program `(x, *data) -> (value, gradient)` of one function at given shapes."""

    jaxpr: Any
    consts: list[Any]
    structure: Any  # of the result
    key: Any

    def __call__(self, consts: list[Any], x: Any, *data: Any) -> Any:
        """Run the program with its constants given (inside another traced function, or eagerly)."""
        flat = jax.tree.leaves((x, data))
        results = jax.core.eval_jaxpr(self.jaxpr, consts, *flat)
        return jax.tree.unflatten(self.structure, results)

    def compiled(self, purpose: Any, build: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """The executable for `purpose` made of this program; `build` is called only if there is none yet."""
        key = (self.key, purpose)
        if key not in _executables:
            # The program is kept with the executable: its text may hold addresses, which must not be reused.
            _executables[key] = (self.jaxpr, jax.jit(build()))
            while len(_executables) > _MOST_EXECUTABLES:
                _executables.popitem(last=False)
        _executables.move_to_end(key)
        return _executables[key][1]

    def value_and_grad(self, x: Any, *data: Any) -> tuple[Any, Any]:
        """Value and gradient at one point, compiled, as NumPy."""
        executable = self.compiled("value and gradient", lambda: self.__call__)
        value, grad = executable(self.consts, x, *data)
        return np.asarray(value)[()], jax.tree.map(np.asarray, grad)


def trace(function: Callable[..., Any], x: Any, *data: Any) -> Traced:
    """Trace `function(x, *data) -> (value, gradient)` at the shapes of its arguments.

    Must run in the float64 context that the executable will run in.
    """
    closed, shape = jax.make_jaxpr(partial(function), return_shape=True)(x, *data)  # new each time, or JAX remembers
    text = str(closed.jaxpr)
    hidden = tuple(_fingerprint(const) for const in _hidden_constants(closed.jaxpr))
    opaque = function if "callback" in text else None
    key = (
        text,
        tuple((c.shape, str(c.dtype)) for c in map(_typed, closed.consts)),
        hidden,
        opaque,
        jax.tree.structure((x, data)),
        is_float64(),
    )
    return Traced(closed.jaxpr, closed.consts, jax.tree.structure(shape), key)


def is_float64() -> bool:
    """Whether JAX computes in float64 here (the setting is a matter of context and thread)."""
    config: Any = jax.config
    return bool(config.jax_enable_x64)


def same_constants(a: Traced, b: Traced) -> bool:
    """Whether two programs hold equal constants."""
    pairs = zip(map(_plain, a.consts), map(_plain, b.consts), strict=True)
    return all(np.array_equal(p, q, equal_nan=p.dtype.kind in "fc") for p, q in pairs)


def _typed(const: Any) -> Any:
    return const if hasattr(const, "dtype") else np.asarray(const)


def _plain(const: Any) -> np.ndarray:
    is_key = jnp.issubdtype(_typed(const).dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(const) if is_key else const)


def _fingerprint(const: Any) -> tuple[Any, ...]:
    array = _plain(const)
    return array.shape, array.dtype.str, hashlib.sha256(array.tobytes()).hexdigest()


def _hidden_constants(jaxpr: Any) -> Iterator[Any]:
    """The constants of the programs inside a program (a user's own `jit`), which its text does not show."""
    for equation in jaxpr.eqns:
        for atom in equation.invars:
            if np.ndim(getattr(atom, "val", 0)) > 0:  # a literal array
                yield atom.val
        for value in equation.params.values():
            for part in value if isinstance(value, list | tuple) else (value,):
                if hasattr(part, "eqns"):
                    yield from getattr(part, "consts", ())
                    yield from _hidden_constants(getattr(part, "jaxpr", part))
