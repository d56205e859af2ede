"""The Numba reader of a method and of a loss: their formulas as functions that a compiled kernel can call.

A method's `step` is traced once and parted: what depends on the step count and the hyperparameters alone is computed
once a step, in float64; the rest is done for each coordinate, in the float type of the data. A power of the step
count, such as Adam's β₂ᵗ, is carried along as a running product.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np
from jax.extend.core import Literal
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from descend.methods import Method, Rule
from descend.models.emitting import emitted, traced
from descend.models.l1 import kept, pulled
from descend.models.losses import Loss
from descend.stepsizes import StepSize
from descend.stepsizes.schedule import Schedule

__all__ = [
    "ScalarLoss",
    "ScalarMethod",
    "begins_at_zero",
    "grows_with_the_gradient",
    "prefetch",
    "read_loss",
    "read_method",
    "streams",
]

_DOUBLE = ir.DoubleType()
_LARGE = 1e4  # a gradient, beside 1
_L1 = "the L1 penalty"  # no name that a method could have


def streams(rule: Rule) -> bool:
    """Whether the rule can run in a streaming kernel: coordinate by coordinate, with a rate known beforehand."""
    if not isinstance(rule, Method) or rule.shared or rule.gather is not None:
        return False
    rate = getattr(rule, "lr", None)
    return not isinstance(rate, StepSize) or isinstance(rate, Schedule)


def begins_at_zero(rule: Any) -> bool:
    """Whether the rule moves parameters without a gradient, towards a zero at which it expects them to begin."""
    if isinstance(rule, type):
        rule = rule()
    if not isinstance(rule, Method):
        return False
    return _first_step(rule, 0.0) > 0


def grows_with_the_gradient(rule: Rule) -> bool:
    """Whether a larger gradient makes a larger step; if not, the method brings gradients to a size of its own."""
    return _first_step(rule, _LARGE) > _LARGE / 100 * _first_step(rule, 1.0)


def _first_step(rule: Rule, gradient: float) -> float:
    """How far it moves from ones where all coordinates have this gradient."""
    x, g = np.ones(3), np.full(3, gradient)
    change, _ = rule.update(g, rule.init(x), x, value=0.0, value_fn=lambda _: 0.0, grad_fn=lambda _: g)
    return float(np.abs(change).max())


class ScalarMethod:
    """A method as kernels read it; one for each class, whose formula is traced once; `sharp` with an L1 penalty."""

    def __init__(self, method: type[Method], *, sharp: bool) -> None:
        self.method, self._sharp = method, sharp

    @cached_property
    def _asked(self) -> list[str]:
        asked = self.method._asked
        return [*asked, *(n for n in ("x", _L1) if n not in asked)] if self._sharp else list(asked)

    @cached_property
    def numbers(self) -> list[str]:
        """The hyperparameters that the formula takes beside the rate, in the order in which kernels want them."""
        return [name for name in self.method.names() if name != "lr"]

    @cached_property
    def _program(self) -> Any:
        asked, step = self._asked, self.method.step

        def penalised(*args: Any) -> Any:
            known = dict(zip(asked, args, strict=True))
            x, l1 = known["x"], known[_L1]
            g = pulled(known["g"], x, l1)
            made = step(*((known | {"g": g})[name] for name in self.method._asked))
            change, *slots = made if isinstance(made, tuple) else (made,)
            return kept(x, change, g, l1), *slots

        return traced(penalised if self._sharp else step, len(asked))

    @cached_property
    def fingerprint(self) -> str:
        """What the machine code depends on."""
        return f"{self._asked}{self.numbers}{self._program}"

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        return dict(zip(self._asked, self._program.invars, strict=True))

    @cached_property
    def _parts(self) -> tuple[list[Any], list[Any], list[Any], list[tuple[Any, int]]]:
        """Equations of a step, equations of a coordinate, what the first hand to the second, and the powers of t."""
        varying = {v for name, v in self._inputs.items() if name in {"g", "x", _L1, *self.method.slots}}
        of_step, of_coordinate, powers = [], [], []
        for equation in self._program.eqns:
            inputs = [v for v in equation.invars if not isinstance(v, Literal)]
            if varying.intersection(inputs):
                of_coordinate.append(equation)
                varying.update(equation.outvars)
            elif (base := self._base_of_power(equation)) is not None:
                powers.append((equation.outvars[0], base))
            else:
                of_step.append(equation)
        used = [v for e in of_coordinate for v in e.invars] + list(self._program.outvars)
        handed = [v for v in dict.fromkeys(v for v in used if not isinstance(v, Literal)) if v not in varying]
        return of_step, of_coordinate, handed, powers

    def _base_of_power(self, equation: Any) -> int | None:
        """Which hyperparameter the equation raises to the power of the step count; None if it does something else."""
        bases = {self._inputs[name]: i for i, name in enumerate(self.numbers) if name in self._inputs}
        if equation.primitive.name != "pow" or equation.invars[1] is not self._inputs.get("t"):
            return None
        return bases.get(equation.invars[0]) if not isinstance(equation.invars[0], Literal) else None

    @cached_property
    def bases(self) -> list[int]:
        """For each running product the place of its base among the numbers."""
        return sorted({base for _, base in self._parts[3]})

    def start(self, method: Method, x: np.ndarray) -> np.ndarray:
        """The slots before the first step from `x`, shape (slots, n)."""
        slots = [method._fresh(slot, x) for slot in self.method.slots]
        return np.stack(slots) if slots else np.empty((0, *x.shape), x.dtype)

    def per_step(self) -> Any:
        """`per_step(numbers, powers, t, lr)`: advances the products, returns what all coordinates of the step share."""
        of_step, _, handed, powers = self._parts
        inputs = self._inputs

        @intrinsic  # type: ignore[untyped-decorator]
        def per_step(typing: Any, numbers: Any, products: Any, t: Any, lr: Any) -> Any:
            made = types.UniTuple(types.float64, max(1, len(handed)))

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                arrays = [context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 1)]

                def place(array: Any, i: int) -> Any:
                    return builder.gep(array.data, [ir.Constant(ir.IntType(64), i)])

                known = {inputs["t"]: args[2]} if "t" in inputs else {}
                known |= {inputs["lr"]: args[3]} if "lr" in inputs else {}
                for i, name in enumerate(self.numbers):
                    if name in inputs:
                        known[inputs[name]] = builder.load(place(arrays[0], i))
                advanced = {}
                for i, base in enumerate(self.bases):
                    factor = builder.load(place(arrays[0], base))
                    advanced[base] = builder.fmul(builder.load(place(arrays[1], i)), factor)
                    builder.store(advanced[base], place(arrays[1], i))
                known |= {variable: advanced[base] for variable, base in powers}
                emitted(builder, of_step, known, _DOUBLE)
                shared = [_as_number(builder, known[v]) for v in handed] or [ir.Constant(_DOUBLE, 0.0)]
                return context.make_tuple(builder, signature.return_type, shared)

            return made(numbers, products, types.float64, types.float64), generate

        return per_step

    def per_coordinate(self, *, interleaved: bool) -> Any:
        """`per_coordinate(state, j, g, shared, l1)`: one coordinate's change, written into `state`.

        `state` holds the parameters and their slots: shape (1 + slots, n), or (n, 1 + slots) where they are
        interleaved.
        """
        _, of_coordinate, handed, _ = self._parts
        inputs, outputs = self._inputs, self._program.outvars
        slots = self.method.slots

        @intrinsic  # type: ignore[untyped-decorator]
        def per_coordinate(typing: Any, state: Any, j: Any, g: Any, shared: Any, l1: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                array = context.make_array(signature.args[0])(context, builder, args[0])
                number_of_parts = ir.Constant(ir.IntType(64), 1 + len(slots))
                width = number_of_parts if interleaved else builder.extract_value(array.shape, 1)
                kind = context.get_value_type(signature.args[0].dtype)

                def place(row: int) -> Any:
                    number = ir.Constant(ir.IntType(64), row)
                    first, second = (args[1], number) if interleaved else (number, args[1])
                    return builder.gep(array.data, [builder.add(builder.mul(first, width), second)])

                def narrowed(variable: Any, value: Any) -> Any:
                    if variable.aval.dtype == bool:
                        return builder.fcmp_unordered("!=", value, ir.Constant(_DOUBLE, 0.0))
                    return value if kind == _DOUBLE else builder.fptrunc(value, kind)

                known = {v: narrowed(v, builder.extract_value(args[3], i)) for i, v in enumerate(handed)}
                x = builder.load(place(0))
                known |= {inputs["x"]: x} if "x" in inputs else {}
                known[inputs["g"]] = args[2]
                known |= {inputs[_L1]: args[4]} if _L1 in inputs else {}
                for i, slot in enumerate(slots):
                    known[inputs[slot]] = builder.load(place(1 + i))
                emitted(builder, of_coordinate, known, kind)
                made = [ir.Constant(kind, float(v.val)) if isinstance(v, Literal) else known[v] for v in outputs]
                builder.store(builder.fadd(x, made[0]), place(0))
                for i, value in enumerate(made[1:]):
                    builder.store(value, place(1 + i))
                return context.get_dummy_value()

            return types.void(state, types.intp, state.dtype, shared, state.dtype), generate

        return per_coordinate

    @cached_property
    def carries_what_is_not_finite(self) -> bool:
        """Whether a gradient that is no finite number leaves a parameter that is none."""
        gradients, x = np.array([np.nan, np.inf, -np.inf]), np.zeros(3)
        method = self.method()
        with np.errstate(all="ignore"):
            change, _ = method.update(gradients, method.init(x), x)
        return not np.isfinite(change).any()

    @cached_property
    def is_exact_on_sparse_rows(self) -> bool:
        """Whether a zero gradient changes nothing, so that coordinates that a row lacks may be left alone."""
        draw = np.random.default_rng(0)
        method, x = self.method(), np.zeros(6)
        state = method.init(x)
        for _ in range(5):
            change, state = method.update(draw.normal(size=6), state, x)
            x = x + change
        for _ in range(2):
            change, after = method.update(np.zeros(6), state, x)
            same = all(np.allclose(a, b, rtol=1e-12, atol=0) for a, b in zip(after.slots, state.slots, strict=True))
            if not same or np.abs(change).max() > 1e-12 * np.abs(x).max():
                return False
            state = after
        return True


class ScalarLoss:
    """A loss as kernels read it: `value(p, y, numbers)` and `slope(p, y, numbers)`; one for each class."""

    def __init__(self, loss: type[Loss]) -> None:
        self.loss = loss

    @cached_property
    def fingerprint(self) -> str:
        """What the machine code depends on."""
        return f"{self._program('value')}{self._program('slope')}"

    def _program(self, which: str) -> Any:
        return traced(getattr(self.loss, which), 2 + len(self.loss.names()))

    def reader(self, which: str) -> Any:
        """The value or the slope as a function (p, y, numbers) of two numbers of the data's type and an array."""
        program = self._program(which)

        @intrinsic  # type: ignore[untyped-decorator]
        def read(typing: Any, p: Any, y: Any, numbers: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                kind = context.get_value_type(signature.args[0])
                array = context.make_array(signature.args[2])(context, builder, args[2])
                known = dict(zip(program.invars[:2], args[:2], strict=True))
                for i, variable in enumerate(program.invars[2:]):
                    number = builder.load(builder.gep(array.data, [ir.Constant(ir.IntType(64), i)]))
                    known[variable] = number if kind == _DOUBLE else builder.fptrunc(number, kind)
                emitted(builder, program.eqns, known, kind)
                out = program.outvars[0]
                return ir.Constant(kind, float(out.val)) if isinstance(out, Literal) else known[out]

            return p(p, p, numbers), generate

        return read


def _as_number(builder: Any, value: Any) -> Any:
    return builder.uitofp(value, _DOUBLE) if value.type == ir.IntType(1) else value


@cache
def read_method(method: Any, *, sharp: bool = False) -> ScalarMethod:
    """The Numba reader of a class of methods."""
    return ScalarMethod(method, sharp=sharp)


@cache
def read_loss(loss: Any) -> ScalarLoss:
    """The Numba reader of a class of losses."""
    return ScalarLoss(loss)


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing: Any, array: Any, place: Any) -> Any:
    """Ask for the element at a flat place of an array, to have it in the cache when it is needed."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, args[0])
        address = builder.bitcast(builder.gep(made.data, [args[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, *(ir.Constant(word, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
