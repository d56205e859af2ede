"""A traced formula as machine code: what JAX has traced, written into a Numba kernel instruction by instruction.

The formula of a method or a loss is written once, in words. JAX traces it (and derives its slope), which leaves a
list of elementary operations; here each becomes one instruction of LLVM, in the float type of the data, so that the
kernel around it is as quick as if the formula had been written into it by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal
from llvmlite import ir

from descend.words import precision

__all__ = ["UnknownOperationError", "emitted", "traced"]

_BOOL = ir.IntType(1)


class UnknownOperationError(TypeError):
    """A formula uses an operation that the streaming kernels do not know."""


def traced(formula: Callable[..., Any], arguments: int) -> Any:
    """The formula of so many numbers as a list of elementary operations (a jaxpr), in float64."""
    with precision(np.float64):
        return jax.make_jaxpr(formula)(*(np.float64(1.0),) * arguments).jaxpr


def emitted(builder: Any, equations: Any, known: dict[Any, Any], kind: Any) -> None:
    """Append the equations to the builder; `known` maps each variable to its LLVM value, and is filled.

    Numbers are of the LLVM type `kind`, literals too: one of another type would make all others wider.
    """

    def read(atom: Any) -> Any:
        if isinstance(atom, Literal):
            is_bool = np.asarray(atom.val).dtype == bool
            return ir.Constant(_BOOL, bool(atom.val)) if is_bool else ir.Constant(kind, float(atom.val))
        return known[atom]

    for equation in equations:
        name, inputs = equation.primitive.name, [read(atom) for atom in equation.invars]
        inner = _inner(equation)
        if inner is not None:
            inside = dict(zip(inner.invars, inputs, strict=True))
            emitted(builder, inner.eqns, inside, kind)
            results = [inside[v] if not isinstance(v, Literal) else _constant(v, kind) for v in inner.outvars]
        elif name in _OPERATIONS:
            results = [_OPERATIONS[name](builder, kind, equation.params, *inputs)]
        else:
            raise UnknownOperationError(
                f"the formula uses {name}, which the streaming kernels do not know; write it in other words, or train "
                "on whole batches (batch_size=None)"
            )
        known.update(zip(equation.outvars, results, strict=True))


def _constant(literal: Any, kind: Any) -> Any:
    return ir.Constant(kind, float(literal.val))


def _inner(equation: Any) -> Any:
    """The formula inside a call; None for an operation."""
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in equation.params:
            inner = equation.params[key]
            return getattr(inner, "jaxpr", inner)
    return None


def _binary(name: str) -> Any:
    return lambda b, kind, params, x, y: getattr(b, name)(x, y)


def _compared(sign: str) -> Any:
    def compare(b: Any, kind: Any, params: Any, x: Any, y: Any) -> Any:
        if x.type == _BOOL:
            return b.icmp_unsigned(sign, x, y)
        return b.fcmp_unordered(sign, x, y) if sign == "!=" else b.fcmp_ordered(sign, x, y)

    return compare


def _intrinsic(name: str) -> Any:
    def call(b: Any, kind: Any, params: Any, *args: Any) -> Any:
        return b.call(b.module.declare_intrinsic(f"llvm.{name}", [kind]), args)

    return call


def _library(name: str) -> Any:
    """A function of the C library, `log1p` or `log1pf`."""

    def call(b: Any, kind: Any, params: Any, *args: Any) -> Any:
        symbol = name if kind == ir.DoubleType() else f"{name}f"
        function = b.module.globals.get(symbol)
        if function is None:
            function = ir.Function(b.module, ir.FunctionType(kind, [kind] * len(args)), symbol)
        return b.call(function, args)

    return call


def _sign(b: Any, kind: Any, params: Any, x: Any) -> Any:
    zero, one = ir.Constant(kind, 0.0), ir.Constant(kind, 1.0)
    below = b.select(b.fcmp_ordered("<", x, zero), b.fneg(one), x)
    return b.select(b.fcmp_ordered(">", x, zero), one, below)


def _extreme(sign: str) -> Any:
    """The larger or the smaller of two; not a number if one of them is none."""

    def choose(b: Any, kind: Any, params: Any, x: Any, y: Any) -> Any:
        first = b.or_(b.fcmp_ordered(sign, x, y), b.fcmp_unordered("uno", x, x))
        return b.select(first, x, y)

    return choose


def _power(b: Any, kind: Any, params: Any, x: Any) -> Any:
    exponent, result = int(params["y"]), None
    square = x
    for bit in bin(abs(exponent))[:1:-1]:
        if bit == "1":
            result = square if result is None else b.fmul(result, square)
        square = b.fmul(square, square)
    one = ir.Constant(kind, 1.0)
    return one if result is None else result if exponent > 0 else b.fdiv(one, result)


def _logistic(b: Any, kind: Any, params: Any, x: Any) -> Any:
    one = ir.Constant(kind, 1.0)
    return b.fdiv(one, b.fadd(one, _intrinsic("exp")(b, kind, params, b.fneg(x))))


def _converted(b: Any, kind: Any, params: Any, x: Any) -> Any:
    is_bool = np.dtype(params["new_dtype"]) == bool
    if x.type == _BOOL:
        return x if is_bool else b.uitofp(x, kind)
    return b.fcmp_unordered("!=", x, ir.Constant(kind, 0.0)) if is_bool else x


def _finite(b: Any, kind: Any, params: Any, x: Any) -> Any:
    size = _intrinsic("fabs")(b, kind, params, x)
    return b.fcmp_ordered("<", size, ir.Constant(kind, float("inf")))


def _same(b: Any, kind: Any, params: Any, x: Any) -> Any:
    return x


_OPERATIONS: dict[str, Any] = {
    "add": _binary("fadd"),
    "add_any": _binary("fadd"),
    "sub": _binary("fsub"),
    "mul": _binary("fmul"),
    "div": _binary("fdiv"),
    "neg": lambda b, kind, params, x: b.fneg(x),
    "max": _extreme(">"),
    "min": _extreme("<"),
    "sign": _sign,
    "abs": _intrinsic("fabs"),
    "sqrt": _intrinsic("sqrt"),
    "exp": _intrinsic("exp"),
    "log": _intrinsic("log"),
    "sin": _intrinsic("sin"),
    "cos": _intrinsic("cos"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "pow": _intrinsic("pow"),
    "log1p": _library("log1p"),
    "expm1": _library("expm1"),
    "tanh": _library("tanh"),
    "cbrt": _library("cbrt"),
    "integer_pow": _power,
    "square": lambda b, kind, params, x: b.fmul(x, x),
    "logistic": _logistic,
    "is_finite": _finite,
    "convert_element_type": _converted,
    "copy": _same,
    "stop_gradient": _same,
    "gt": _compared(">"),
    "ge": _compared(">="),
    "lt": _compared("<"),
    "le": _compared("<="),
    "eq": _compared("=="),
    "ne": _compared("!="),
    "and": lambda b, kind, params, x, y: b.and_(x, y),
    "or": lambda b, kind, params, x, y: b.or_(x, y),
    "not": lambda b, kind, params, x: b.not_(x),
    "select_n": lambda b, kind, params, which, no, yes: b.select(which, yes, no),
}
