"""Traced functions and the executables made of them.

A function is traced anew in every run, and what was compiled is looked up by what was traced: by the text of
the program, the shapes of its constants, and the values of those constants that are hidden inside. The
constants at the top are arguments of the executable. A new lambda with new data of the same shape is thus not
compiled again, and a changed global is seen.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["NEWER_LOOPS", "NO_OPTIONS", "Traced", "compiled", "is_float64", "once", "same_constants", "trace"]

NO_OPTIONS: Mapping[str, Any] = {}  # of XLA, besides those that all programs are compiled with

# XLA's newer way to write fused loops compiles each as a piece of its own. The older way, which it has up to jaxlib
# 0.10 only, compiles all in the two pieces that are asked for: in a half to two thirds of the time. Most functions run
# as quickly then; a network's training runs up to twice as quickly by the newer way.
_HAS_OLDER_LOOPS = version("jaxlib").startswith("0.10.")
_OLDER_LOOPS = {"xla_cpu_use_fusion_emitters": False} if _HAS_OLDER_LOOPS else {}
NEWER_LOOPS: Mapping[str, Any] = {"xla_cpu_use_fusion_emitters": True} if _HAS_OLDER_LOOPS else {}
_OPTIONS = {"xla_cpu_parallel_codegen_split_count": 2, **_OLDER_LOOPS}
# A loop of Python over coordinates becomes a program of thousands of small operations, whose optimisation takes many
# times as long as all steps: ever more for each of them.
_WITHOUT_OPTIMISATION = {"xla_backend_optimization_level": 0}
_MANY, _SMALL = 1_000, 8  # such operations, and numbers that one makes

_MOST_MADE = 128
_made: OrderedDict[Any, Any] = OrderedDict()  # gradient programs and executables, by what was traced


@dataclass(frozen=True)
class Traced:
    """The program `(x, *data) -> (value, gradient)` of one function at given shapes."""

    program: Callable[..., Any]  # (consts, x, *data) -> (value, gradient)
    jaxpr: Any  # what was traced; kept with all that is made of it, because its text may hold addresses
    consts: list[Any]
    key: Any
    has_rules: bool = False  # whether some derivative is by a rule of its own (`jax.custom_jvp`), right or wrong

    @cached_property
    def is_unrolled(self) -> bool:
        """Whether it consists of very many small operations."""
        return sum(1 for equation in self.jaxpr.eqns if equation.outvars[0].aval.size <= _SMALL) > _MANY

    @cached_property
    def crossed(self) -> int:
        """How many numbers of shape (n,) are set against each of a column, shape (n, 1), in one operation; 0 if none.

        NumPy's rules make (n, n) of them, which is nearly always a mistake: of predictions and targets, say.
        """
        widened = {}  # what was (n,) before it became (1, n), or was made a column on purpose
        for equation in self.jaxpr.eqns:
            made, shapes = equation.outvars[0].aval.shape, [getattr(v.aval, "shape", ()) for v in equation.invars]
            if equation.primitive.name in {"broadcast_in_dim", "reshape", "transpose"}:
                widened[equation.outvars[0]] = shapes[0]
            elif len(made) == 2 and made[0] == made[1] > 1 and sorted(shapes) == [(1, made[0]), (made[0], 1)]:
                row, column = sorted(equation.invars, key=lambda v: v.aval.shape)
                if widened.get(row) == (made[0],) and column not in widened:
                    return int(made[0])
        return 0

    def __call__(self, consts: list[Any], x: Any, *data: Any) -> Any:
        """Run the program with its constants given (inside another traced function, or eagerly)."""
        return self.program(consts, x, *data)

    def compiled(
        self, purpose: Any, build: Callable[[], Callable[..., Any]], *, options: Mapping[str, Any] = NO_OPTIONS
    ) -> Callable[..., Any]:
        """The executable for `purpose` made of this program; `build` is called only if there is none yet.

        The options are XLA's.
        """
        key = (self.key, purpose, *options.items())
        unoptimised = _WITHOUT_OPTIMISATION if self.is_unrolled else {}
        all_options = {**_OPTIONS, **options, **unoptimised}
        executable: Callable[..., Any] = once(key, self.jaxpr, lambda: jax.jit(build(), compiler_options=all_options))
        return executable

    def value_and_grad(self, x: Any, *data: Any) -> tuple[Any, Any]:
        """Value and gradient at one point, compiled, as NumPy; inside of another traced function a part of that."""
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x)):
            result: tuple[Any, Any] = self(self.consts, x, *data)
            return result
        executable = self.compiled("value and gradient", lambda: self.program)
        value, grad = executable(self.consts, x, *data)
        return np.asarray(value)[()], jax.tree.map(np.asarray, grad)


def trace(value: Callable[..., Any], grad: Callable[..., Any] | None, x: Any, *data: Any) -> Traced:
    """Trace `value(x, *data)`, and its gradient unless `grad(x, *data)` is given, at the shapes of its arguments.

    The gradient is a function of the program that was traced: it is derived once per program, unless a rule
    for it is the user's own (`jax.custom_jvp`), which the text of the value does not show.
    Must run in the float64 context that the executable will run in.
    """
    if grad is not None:
        return _traced(value, lambda x, *data: (value(x, *data), grad(x, *data)), x, *data)
    forward = _traced(value, partial(value), x, *data)
    if "custom_" in forward.key[0]:
        return replace(_traced(value, jax.value_and_grad(value), x, *data), has_rules=True)

    def derive() -> Callable[..., Any]:
        both = jax.make_jaxpr(jax.value_and_grad(forward.program, argnums=1), return_shape=True)
        closed, shape = both(forward.consts, x, *data)
        structure = jax.tree.structure(shape)
        return lambda *args: _evaluated(closed.jaxpr, closed.consts, args, structure)

    return replace(forward, program=once(("gradient", forward.key), forward.jaxpr, derive))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(x, *data)` of JAX code, compiled once for all functions of the same program and shapes.

    Must be called in the float64 context that it is to run in.
    """
    programs: dict[Any, Traced] = {}

    def call(x: Any, *data: Any) -> Any:
        leaves, structure = jax.tree.flatten((x, data))
        shapes = (structure, is_float64(), *((np.shape(leaf), str(jnp.result_type(leaf))) for leaf in leaves))
        if shapes not in programs:
            programs[shapes] = _traced(function, partial(function), x, *data)
        found = programs[shapes]
        return found.compiled("as it is", lambda: found.program)(found.consts, x, *data)

    return call


def _traced(origin: Callable[..., Any], function: Callable[..., Any], x: Any, *data: Any) -> Traced:
    """A function as a program whose constants are arguments. It must be new each time, or JAX remembers it.

    Callbacks to Python do not show in the text of a program: with them it is looked up by its `origin`, too.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(x, *data)
    jaxpr, structure = closed.jaxpr, jax.tree.structure(shape)
    text, consts = str(jaxpr), [_as_traced(const) for const in closed.consts]
    key = (
        text,
        tuple((c.shape, str(c.dtype)) for c in map(_typed, consts)),
        tuple(_fingerprint(const) for const in _hidden_constants(jaxpr)),
        origin if "callback" in text else None,
        jax.tree.structure((x, data)),
        is_float64(),
    )

    def program(consts: list[Any], x: Any, *data: Any) -> Any:
        return _evaluated(jaxpr, consts, (x, data), structure)

    return Traced(program, jaxpr, consts, key)


def _evaluated(jaxpr: Any, consts: list[Any], args: Any, structure: Any) -> Any:
    return jax.tree.unflatten(structure, jax.core.eval_jaxpr(jaxpr, consts, *jax.tree.leaves(args)))


def once(key: Any, keep: Any, make: Callable[[], Any]) -> Any:
    """What `make` made for this key, the first time, and `keep` with it; the least recently used are forgotten."""
    if key not in _made:
        _made[key] = (keep, make())
        while len(_made) > _MOST_MADE:
            _made.popitem(last=False)
    _made.move_to_end(key)
    return _made[key][1]


def is_float64() -> bool:
    """Whether JAX computes in float64 here (the setting is a matter of context and thread)."""
    config: Any = jax.config
    return bool(config.jax_enable_x64)


def same_constants(a: Any, b: Any) -> bool:
    """Whether two programs, `Traced` or jaxprs of JAX, hold equal constants."""
    pairs = zip(map(_plain, a.consts), map(_plain, b.consts), strict=True)
    return all(np.array_equal(p, q, equal_nan=p.dtype.kind in "fc") for p, q in pairs)


def _as_traced(const: Any) -> Any:
    """A constant in the precision of this context: an array of NumPy is left in its own by JAX, which then stumbles."""
    return np.asarray(const, jax.dtypes.canonicalize_dtype(const.dtype)) if isinstance(const, np.ndarray) else const


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
