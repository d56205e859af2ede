"""A user's function made ready: its value and gradient, traced where it can be, and how that was decided.

The function is traced through the NumPy bridge; if that fails, as JAX code; if that fails too it runs eagerly,
as it is, with the gradient given by the user or by central differences. A traced NumPy function is compared
with itself in plain NumPy at the start, in value and in slope, so that functions that are random, keep state
or look at the type of their argument are found out instead of being traced wrongly.
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from descend import words
from descend.objectives.bridge import UntraceableError, bridged, explain_refusal, unbridged
from descend.objectives.checks import (
    RANDOM,
    check_given_gradient,
    check_start,
    disagreement_with_numpy,
    has_slope_where_gradient_is_nan,
    is_random,
    warn_of_a_column,
    warn_of_a_loop,
    warn_of_float32_constants,
)
from descend.objectives.devices import suited_device
from descend.objectives.differences import central_differences, exactness_of_values, noise_of_values, units_of_values
from descend.objectives.parameters import as_vector, check_takes_data, dtype_of, from_vector, spread_over
from descend.objectives.self_contained import code_of
from descend.objectives.tracing import Traced, is_float64, once, same_constants, trace

__all__ = ["ObjectiveError", "Problem", "precision", "prepare"]

FORMULA = "exact, of the formula (automatic differentiation)"
NUMPY = "exact, of the NumPy code (automatic differentiation)"
JAX = "exact, of the JAX code (automatic differentiation)"
GIVEN = "given by grad="
DIFFERENCES = "approximate, by central differences"

_MOST_BYTES_KNOWN = 65_536  # of a start that is remembered
_LARGER = 8.0  # times as large, or as the unit was long
_LONG = 2.0  # seconds for a gradient


def precision(x: Any) -> contextlib.AbstractContextManager[Any]:
    """The context in which JAX computes in the dtype of `x`, whatever its global setting."""
    return words.precision(dtype_of(x))


Program = tuple[Callable[..., Any], Callable[..., Any] | None]  # (x, *data) -> value, and -> gradient if given


@dataclass
class Problem:
    """One objective at one start: how to get its value and gradient, both of the cost to be minimised."""

    x0: Any
    data: tuple[Any, ...]
    sign: int  # -1 where the user wants a maximum
    call: Callable[..., Any]  # (x, *data) -> the user's value, in whatever kind the arguments are
    gradient: str = ""  # how the gradient is got: one of the sentences above
    reason: str = ""  # why it is not got in a better way; empty if it is exact
    program: Program | None = None  # to be traced; None if eager
    grad: Callable[..., Any] | None = None  # the user's, shaped and signed
    noise: float = 0.0  # of values that are only called, beyond rounding: a standard deviation
    exactness: float = 0.0  # the same, and rounding, relative to how much they vary; 0 for that of the numbers
    started: bool = False  # after the checks an error of arithmetic is a place without a value
    error: Exception | None = None  # the latest such error
    made_by: Callable[[], Problem] | None = None  # makes it anew
    _traces: dict[Any, Traced] = field(default_factory=dict)
    _measured: tuple[np.ndarray, np.ndarray] | None = None  # where units were measured anew, and these
    _differenced: tuple[Any, Any] = (None, None)  # the latest point, and its gradient by differences

    def __reduce__(self) -> Any:
        """A pickle holds what it was made from, and not the programs: in another process it is made anew."""
        return self.made_by, ()

    @property
    def is_traced(self) -> bool:
        """Whether the objective runs compiled."""
        return self.program is not None

    @contextlib.contextmanager
    def computing(self, lanes: int = 1) -> Iterator[None]:
        """The context in which its programs run, for so many points at once: precision and device."""
        with precision(self.x0), suited_device(self._numbers * lanes):
            yield

    @cached_property
    def _numbers(self) -> int:
        """How many numbers one evaluation touches."""
        consts = self.traced(*self.data).consts if self.is_traced else ()
        return sum(np.size(leaf) for leaf in jax.tree.leaves((self.x0, self.data, consts)))

    def traced(self, *data: Any) -> Traced:
        """The program at the shapes of `data`."""
        assert self.program is not None  # noqa: S101 - asked only where is_traced
        shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(data))
        if shapes not in self._traces:
            with precision(self.x0):
                self._traces[shapes] = trace(*self.program, self.x0, *data)
        return self._traces[shapes]

    @cached_property
    def units(self) -> np.ndarray:
        """What differences around the start are relative to: see `units_of_values`."""
        value, point = self.values_around(self.x0, *self.data)
        with np.errstate(all="ignore"):
            return units_of_values(value, point)

    def units_at(self, x: Any, *data: Any) -> np.ndarray:
        """The same around another point: measured anew where they were short, and x is of another size than there."""
        point = as_vector(x).astype(np.float64)
        begun = as_vector(self.x0).astype(np.float64)
        if (self.units == 1).all() or not _is_larger(point, begun, self.units):
            return self.units
        before = None if self._measured is None else self._measured[0]
        if before is None or _is_larger(point, before, self.units) or _is_larger(before, point, self.units):
            value, _ = self.values_around(x, *(data or self.data))
            with np.errstate(all="ignore"):
                self._measured = point, units_of_values(value, point, self.units)
        assert self._measured is not None  # noqa: S101 - just measured
        return self._measured[1]

    def values_around(self, x: Any, *data: Any) -> tuple[Callable[[np.ndarray], float], np.ndarray]:
        """The user's value as a function of a vector of float64, nan where it has none; and that vector at x."""
        double = jax.tree.map(lambda leaf: leaf.astype(np.float64), x)
        return lambda point: self._called(from_vector(point, double), *data)[0], as_vector(double)

    def _differences(self, x: Any, *data: Any) -> Any:
        """The gradient by differences; also before the start is checked a place beside it may have no value."""

        def value(p: Any) -> Any:
            called, error = self._called(p, *data)
            if self.started:
                self.error = error or self.error
            return dtype_of(self.x0).type(self.sign * called)

        return central_differences(value, x, self.exactness, self.units_at(x, *data))

    def _called(self, x: Any, *data: Any) -> tuple[float, Exception | None]:
        """The user's value, and the error for which there is none: math.log(-1.0), 1/0, a solver that gives up."""
        try:
            return self.plain(x, *data), None
        except (ArithmeticError, ValueError, RuntimeError, AssertionError, ObjectiveError) as error:
            return np.nan, error

    def value_and_grad(self, x: Any, *data: Any) -> tuple[Any, Any]:
        """Cost (a NumPy number) and gradient (NumPy arrays) at one point, on these rows of the data."""
        if self.is_traced:
            with self.computing():
                return self.traced(*data).value_and_grad(x, *data)
        value = self.value(x, *data)
        if self.grad is not None:
            with precision(x):
                return value, self.grad(x, *data)
        if data:
            return value, self._differences(x, *data)
        at = as_vector(x).tobytes(), self.exactness
        if self._differenced[0] != at:  # at the start it is asked for by several checks
            self._differenced = at, self._differences(x)
        return value, jax.tree.map(np.copy, self._differenced[1])

    def value(self, x: Any, *data: Any) -> Any:
        """Cost at one point (a NumPy number of the dtype of x); nan where a called function has no value."""
        if self.is_traced:
            return self.value_and_grad(x, *data)[0]
        value, error = self._called(x, *data)
        if error is not None and not self.started:
            raise error
        self.error = error or self.error
        return dtype_of(self.x0).type(self.sign * value)

    def zero_gradient(self) -> Any:
        """A gradient of zeros."""
        return jax.tree.map(np.zeros_like, self.x0)

    def at_points(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The user's values and gradients at many points of shape (k, …), on all data.

        Not finite where the function is not defined. For pictures: x must be a number or an array.
        """
        if not self.is_traced:
            with np.errstate(all="ignore"):
                pairs = [self.value_and_grad(point, *self.data) for point in points]
            values, grads = (np.array(column) for column in zip(*pairs, strict=True))
            return self.sign * values, self.sign * grads
        traced = self.traced(*self.data)

        def many() -> Callable[..., Any]:
            return lambda consts, xs, *data: jax.vmap(lambda x: traced(consts, x, *data))(xs)

        with self.computing(len(points)):
            executable = traced.compiled("many points", many)
            values, grads = executable(traced.consts, points, *self.data)
            return self.sign * np.asarray(values), self.sign * np.asarray(grads)

    @property
    def evaluations_per_gradient(self) -> int:
        """How often the objective is called for one value and gradient."""
        size = sum(leaf.size for leaf in jax.tree.leaves(self.x0))
        return 1 if self.is_traced or self.grad is not None else 1 + 2 * size

    def plain(self, x: Any, *data: Any) -> float:
        """The user's value from plain NumPy arguments; it may change x without harm."""
        with np.errstate(all="ignore"), precision(x):
            result = self.call(jax.tree.map(lambda leaf: leaf.copy()[()], x), *data)
        return float(_as_number(result, np))


def prepare(
    objective: Callable[..., Any],
    x0: Any,
    *,
    grad: Callable[..., Any] | None = None,
    data: tuple[Any, ...] = (),
    maximize: bool = False,
    written_in_words: bool = False,
) -> Problem:
    """Decide how the objective is evaluated, and check it at the start.

    Parameters
    ----------
    objective
        `f(x)`, `f(*x)` if it requires as many numbers as the vector `x0` has, or `f(x, *data)`. One with the
        attribute `runs_eagerly`, a cost of this library, is called as it is, with plain arrays, never traced, and its
        `grad` is not checked: that would take longer than some descents.
    x0
        NumPy array or pytree of NumPy arrays, of one float type.
    grad
        The gradient, called as the objective is, or None.
    written_in_words
        The objective consists of `descend.words`: it runs on tracers as it stands and needs no check.

    Raises
    ------
    TypeError, ValueError
        The objective returns no number, is random, is nan at the start, or disagrees with `grad`.
    """
    if not callable(objective):
        raise TypeError(f"the objective must be a function, a formula or a landscape, got {objective!r}")
    code = None if grad or data or written_in_words else code_of(objective)
    if code is not None and sum(leaf.nbytes for leaf in jax.tree.leaves(x0)) < _MOST_BYTES_KNOWN:
        key = ("prepared", code, jax.tree.structure(x0), *map(_contents, jax.tree.leaves(x0)), maximize)
        known: Problem = once(key, None, lambda: _prepared(objective, x0, None, (), maximize, written_in_words=False))
        return replace(known)  # with errors of its own
    return _prepared(objective, x0, grad, data, maximize, written_in_words=written_in_words)


def _contents(leaf: np.ndarray) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype.str, leaf.tobytes()


def _prepared(
    objective: Callable[..., Any],
    x0: Any,
    grad: Callable[..., Any] | None,
    data: tuple[Any, ...],
    maximize: bool,
    *,
    written_in_words: bool,
) -> Problem:
    if data:
        check_takes_data(objective, len(data))
    spread = not data and spread_over(objective, x0)
    call = _spread(objective) if spread else objective
    call_grad = _spread(grad) if spread and grad is not None else grad
    sign = -1 if maximize else 1
    anew = partial(_prepared, objective, x0, grad, data, maximize, written_in_words=written_in_words)
    problem = Problem(x0=x0, data=data, sign=sign, call=call, made_by=anew)
    if call_grad is not None:
        problem.grad = lambda x, *d: _shaped(call_grad(x, *d), x, sign, np)
    with precision(x0):
        if written_in_words:
            problem.program = _program(call, None, sign)
            problem.traced(*data)
            problem.gradient = FORMULA
        elif getattr(objective, "runs_eagerly", False):
            _go_eager(problem)
        else:
            _choose(problem, objective, call_grad)
        warn_of_float32_constants(problem)
        warn_of_a_loop(problem)
        if problem.is_traced:
            warn_of_a_column(problem.traced(*problem.data))
        if not written_in_words and grad is None and problem.is_traced and has_slope_where_gradient_is_nan(problem):
            problem.reason = (
                "automatic differentiation gives nan at the start, where the function has a slope: np.where, nansum or "
                "a root at 0 hide a nan in what they leave out; make that part finite, too, or give grad="
            )
            _go_eager(problem)
        if not problem.is_traced and not getattr(objective, "runs_eagerly", False):
            _measure_noise(problem)
        check_start(problem)
        if grad is not None and not getattr(objective, "runs_eagerly", False):
            check_given_gradient(problem)
    problem.started = True
    return problem


_known_as_jax: weakref.WeakSet[Any] = weakref.WeakSet()  # functions that were traced as JAX: tried as such first


def _choose(problem: Problem, objective: Callable[..., Any], grad: Callable[..., Any] | None) -> None:
    """Find the best way in which the function can run: NumPy traced, JAX traced, or eager."""
    as_numpy = _program(_through_bridge(problem.call), grad and _through_bridge(grad), problem.sign)
    as_jax = _program(problem.call, grad, problem.sign)
    if _is_known(objective):
        problem.program, problem.gradient = as_jax, GIVEN if grad else JAX
        with contextlib.suppress(Exception):  # it is JAX code no more: something that it uses has changed
            _refuse_callbacks(problem)
            return
        problem._traces.clear()
    problem.program, problem.gradient = as_numpy, GIVEN if grad else NUMPY
    UntraceableError.latest = None
    try:
        problem.traced(*problem.data)
    except Exception as error:  # anything may come out of a user's function that meets a tracer
        _choose_without_numpy(problem, as_jax, error, has_grad=grad is not None)
        if problem.is_traced:
            with contextlib.suppress(TypeError):  # what cannot be remembered is found out anew each time
                _known_as_jax.add(objective)
        return
    swallowed = UntraceableError.latest
    problem.reason = str(swallowed) if swallowed else disagreement_with_numpy(problem)
    if problem.reason:
        _go_eager(problem)


def _choose_without_numpy(problem: Problem, as_jax: Program, refusal: Exception, *, has_grad: bool) -> None:
    problem.program, problem.gradient = as_jax, GIVEN if has_grad else JAX
    problem._traces.clear()
    try:
        first = problem.traced(*problem.data)
        second = trace(*as_jax, problem.x0, *problem.data)
    except ObjectiveError:
        raise
    except Exception as error:
        of_bridge = "__jax_array__" not in str(refusal) and "Bridged" not in str(refusal)
        problem.reason = explain_refusal(refusal if of_bridge else error)
        _go_eager(problem)
        try:
            value = problem.plain(problem.x0, *problem.data)  # a mistake in the function is raised here
        except TypeError as error:
            if "bitwise_xor" in str(error):
                raise TypeError("^ is no power in Python, but the exclusive or of whole numbers: write x**2") from error
            raise
        if not has_grad and is_random(problem, value):
            raise ValueError(RANDOM) from None
        return
    if first.key != second.key or not same_constants(first, second):
        raise ValueError(RANDOM)
    _refuse_callbacks(problem)
    if problem.is_traced and isinstance(refusal, UntraceableError) and disagreement_with_numpy(problem):
        problem.reason = str(refusal)  # NumPy code that JAX reads differently, e.g. += on a slice
        _go_eager(problem)


def _is_known(objective: Callable[..., Any]) -> bool:
    try:
        return objective in _known_as_jax
    except TypeError:
        return False


def _refuse_callbacks(problem: Problem) -> None:
    program = problem.traced(*problem.data)
    if is_float64() and re.search("pure_callback|io_callback", program.key[0]):
        problem.reason = "JAX runs its callbacks in the global precision, not in this run's float64"
        _go_eager(problem)


def _is_larger(point: np.ndarray, than: np.ndarray, units: np.ndarray) -> bool:
    """Whether a coordinate is much larger than it was, and than its unit."""
    return bool((np.abs(point) > _LARGER * np.maximum(np.abs(than), units)).any())


def _go_eager(problem: Problem) -> None:
    problem.program = None
    problem.gradient = GIVEN if problem.grad else DIFFERENCES


def _measure_noise(problem: Problem) -> None:
    """See how exact the values are, and warn where a gradient would take long."""
    called, start = problem.values_around(problem.x0, *problem.data)
    units, begin, calls = problem.units, time.perf_counter(), 0

    def value(point: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        return called(point)

    problem.noise = noise_of_values(value, start, units)
    problem.exactness = exactness_of_values(value, start, problem.noise, units)
    seconds = 2 * start.size * (time.perf_counter() - begin) / calls
    if problem.grad is None and seconds > _LONG:
        warnings.warn(
            f"each gradient takes {2 * start.size:,} calls of the objective, about {seconds:.3g} s, for it can only be "
            f"called ({problem.reason or 'it asks for that'}): give grad=, or write it in NumPy or JAX",
            stacklevel=5,
        )


class ObjectiveError(TypeError):
    """The objective's result is not one real number."""


def _program(call: Callable[..., Any], grad: Callable[..., Any] | None, sign: int) -> Program:
    def value(x: Any, *data: Any) -> Any:
        cost = _as_number(call(x, *data), jnp).astype(dtype_of(x))
        return cost if sign > 0 else -cost

    return value, grad and (lambda x, *data: _shaped(grad(x, *data), x, sign, jnp))


def _through_bridge(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *data: unbridged(function(bridged(x), *bridged(data)))


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(*(x[i] for i in range(len(x))))


def _as_number(result: Any, space: Any) -> Any:
    """The value of an objective as a 0-d array; an error that says what came, if it is no real number."""
    try:
        array = space.asarray(result)
    except (TypeError, ValueError):
        array = None
    if result is None or array is None or array.dtype.kind in "OSU":
        raise ObjectiveError(f"the objective must return one number, got {_short(result)}; does it return the cost?")
    if array.size != 1:
        raise ObjectiveError(
            f"the objective must return one number, got an array of shape {tuple(array.shape)}; "
            "sum or average it, e.g. np.sum(...)"
        )
    if array.dtype.kind == "c":
        raise ObjectiveError("the objective must return a real number, got a complex one; take np.abs or .real")
    return array if array.shape == () else array.reshape(())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _shaped(gradient: Any, x: Any, sign: int, space: Any) -> Any:
    """A user's gradient in the structure, shape and dtype of x."""
    if hasattr(x, "shape") and isinstance(gradient, list | tuple):
        gradient = space.stack([space.asarray(g) for g in gradient])
    structures: list[Any] = [jax.tree.structure(tree) for tree in (gradient, x)]
    if structures[0] != structures[1]:
        raise ValueError(f"grad must return what x is, {structures[1]}, got {structures[0]}")

    def leaf(g: Any, p: Any) -> Any:
        g = space.asarray(g)
        if g.shape != p.shape and not (g.size == 1 == p.size):
            raise ValueError(f"grad returned shape {tuple(g.shape)}, x has shape {tuple(p.shape)}")
        return space.asarray(sign * g.reshape(p.shape), dtype=p.dtype)

    return jax.tree.map(leaf, gradient, x)
