"""A method: declared numbers and one formula, `step`, from which every reader makes what it needs.

To write one, derive from `Method`, list the hyperparameters as fields, and write `step`, coordinate by
coordinate, in the paper's symbols. Its parameters are told apart by name:

- `g`: the gradient; `x`: the parameter; `t`: the number of the step, 1, 2, …; each only if the formula asks;
- the names of the fields: the hyperparameters;
- all other names: slots, state of the same shape as the parameters, zero at the start unless `starts` names the
  hyperparameter at which it starts, or "x", the parameters themselves.

It returns the change of `x`, followed by the new slots in the order of the parameters. It uses operators and the
words of `descend.words` only.

A method that needs sums over all coordinates (Prodigy) lists in `shared` the numbers that it keeps for all of them;
`step` may ask for these and returns, after the slots, the terms to be summed; `gather` makes the new numbers of the
old ones and the sums.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from descend.fields import Part, Range, nearest, positive
from descend.methods.rule import Rule
from descend.stepsizes import Asks, At, StepSize
from descend.words import like, sum, zeros_like

__all__ = ["Method", "Rate", "State", "catalogue", "method_named", "plain_name", "rate"]

_ALONG = {"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "sort", "rev"}  # they mix, and keep the shape

Rate = float | StepSize | np.ndarray  # an array of rates is for many runs at once


def rate(default: float) -> Any:
    """The field `lr`: a number > 0 or a `StepSize`."""
    return positive(default, "learning rate", cure="gradient ascent is maximize=True")


class State(NamedTuple):
    """What a method remembers between steps."""

    t: Any  # how many steps were made
    slots: tuple[Any, ...]  # changes with each step: one pytree of the parameters' structure per slot
    stepsize: Any  # changes with each step: the state of the step size, () for a number
    lr: Any  # the rate used in the last step; nan before the first
    evaluations: Any  # how often the step size has called the objective
    shared: tuple[Any, ...] = ()  # changes with each step: one number per name in `shared`


class Method(Rule):
    """One update rule, given by a formula for one coordinate. See the module's text for how to write one."""

    slots: ClassVar[tuple[str, ...]] = ()
    starts: ClassVar[dict[str, str]] = {}  # slot → the hyperparameter at which it starts, or "x"; else at zero
    shared: ClassVar[dict[str, str]] = {}  # number for all coordinates → the hyperparameter at which it starts, or ""
    step: ClassVar[Callable[..., Any]]
    gather: ClassVar[Any] = None  # a static method, or None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Read the roles of `step`'s parameters off their names."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "step") and next(iter(inspect.signature(cls.step).parameters), "") == "self":
            raise TypeError(
                f"{cls.__name__}.step is a formula of numbers: leave self out, with @staticmethod before it"
            )
        cls._asked = tuple(inspect.signature(cls.step).parameters) if hasattr(cls, "step") else ()
        known = {"g", "x", "t", *cls.names(), *cls.shared}
        cls.slots = tuple(n for n in cls._asked if n not in known)
        gathered = tuple(inspect.signature(cls.gather).parameters) if cls.gather is not None else ()
        cls.sums = tuple(n for n in gathered if n not in known)
        if cls._asked:
            cls._check_declaration({*cls._asked, *gathered, *cls.starts.values(), *cls.shared.values()})
        cls._is_declared = True

    @classmethod
    def _check_declaration(cls, used: set[Any]) -> None:
        """Refuse what would be read otherwise than it was meant."""
        for name, parameter in inspect.signature(cls.step).parameters.items():
            if parameter.default is not parameter.empty:
                raise TypeError(
                    f"{cls.__name__}.step has a default, {name}={parameter.default!r}, and would take {name} for a "
                    f"slot: a hyperparameter is a field of the class, {name}: float = {parameter.default!r}"
                )
        for kind, starts, legal in (("starts", cls.starts, {"x"}), ("shared", cls.shared, {""})):
            for name, start in starts.items():
                if start not in {*legal, *cls.names()}:
                    raise TypeError(
                        f"{cls.__name__}.{kind} has {name!r} begin at {start!r}: give the name of a field, "
                        f"{', '.join(map(repr, cls.names()))}, or {next(iter(legal))!r}"
                    )
                if kind == "starts" and name not in cls.slots:
                    raise TypeError(f"{cls.__name__}.starts names {name!r}, which step does not ask for")
        if "lr" in cls.names() and "lr" not in used:
            raise TypeError(f"{cls.__name__} has the field lr, and step does not ask for it: no rate changes anything")

    _asked: ClassVar[tuple[str, ...]] = ()
    _is_declared: ClassVar[bool] = False  # a class whose declaration was refused lives on in its traceback
    sums: ClassVar[tuple[str, ...]] = ()  # what `gather` needs summed over all coordinates

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, "step"):
            raise TypeError(f"{type(self).__name__} has no formula: give it a static method step(g, …, lr)")
        super().__init__(*args, **kwargs)
        stepsize = getattr(self, "lr", None)
        if isinstance(stepsize, StepSize) and not self.fits(stepsize.asks):
            fitting = [m.__name__ for m in catalogue().values() if m.fits(stepsize.asks)]
            raise ValueError(
                f"{type(self).__name__}(lr={type(stepsize).__name__}()) has no meaning: {type(stepsize).__name__} "
                f"is for {stepsize.asks.value}, which {type(self).__name__} is not. "
                f"Give a number or a schedule, or use {', '.join(fitting)}."
            )

    @classmethod
    def _check(cls, name: str, value: Any, legal: Range | Part) -> None:
        if not (name == "lr" and isinstance(value, StepSize)):
            super()._check(name, value, legal)

    # -- the optax protocol: also what the descent itself runs ---------------------------------------------

    def init(self, params: Any) -> State:
        """The state before the first step from `params` (a number, an array or any pytree of them)."""
        leaf, lr = (*jax.tree.leaves(params), np.float32(0))[0], self._rate()
        return State(
            t=np.int32(0),
            slots=tuple(jax.tree.map(partial(self._fresh, slot), params) for slot in self.slots),
            stepsize=lr.init(params) if isinstance(lr, StepSize) else (),
            lr=like(np.nan, leaf),
            evaluations=np.int32(0),
            shared=tuple(like(getattr(self, start) if start else 0.0, leaf) for start in self.shared.values()),
        )

    def _fresh(self, slot: str, leaf: Any) -> Any:
        zeros = zeros_like(leaf)
        if self.starts.get(slot) == "x":
            return zeros + leaf
        return zeros + like(getattr(self, self.starts[slot]), zeros) if slot in self.starts else zeros

    def update(
        self,
        grads: Any,
        state: State,
        params: Any = None,
        *,
        value: Any = None,
        value_fn: Callable[[Any], Any] | None = None,
        grad_fn: Callable[[Any], Any] | None = None,
        **_: Any,
    ) -> tuple[Any, State]:
        """See `Rule.update`."""
        t = state.t + 1
        lr, count, memory = self._rate(), 0, state.stepsize
        if isinstance(lr, StepSize):
            at = At(t, params, grads, lambda: self._change(1.0, grads, state, params)[0], value, value_fn, grad_fn)
            lr, memory, count = lr.next(memory, at)
        change, slots, shared = self._change(lr, grads, state, params)
        return change, State(t, slots, memory, like(lr, state.lr), state.evaluations + count, shared)

    # -- how a formula for one coordinate is applied to a whole pytree --------------------------------------

    def _rate(self) -> Any:
        return getattr(self, "lr", np.nan)

    def _change(self, lr: Any, grads: Any, state: State, params: Any) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        structure: Any
        leaves, structure = jax.tree.flatten(grads)
        numbers = dict(zip(self.shared, state.shared, strict=True))
        numbers |= {n: getattr(self, n) for n in self.names()} | {"lr": lr, "t": state.t + 1}
        columns = [structure.flatten_up_to(slot) for slot in state.slots]
        if "x" in self._asked:
            if params is None:
                raise TypeError(f"{type(self).__name__} needs the parameters: update(grads, state, params)")
            points = structure.flatten_up_to(params)
        else:
            points = leaves
        if not leaves:  # a part of a tree that a mask has emptied
            return grads, state.slots, state.shared
        results = []
        for g, x, *slots in zip(leaves, points, *columns, strict=True):
            known = {"g": g, "x": x, **dict(zip(self.slots, slots, strict=True))}
            args = [known[n] if n in known else like(numbers[n], g) for n in self._asked]
            results.append(self._stepped(*args))
        columns = list(zip(*results, strict=True))
        end = 1 + len(self.slots)
        change, *new = (structure.unflatten(column) for column in columns[:end])
        return change, tuple(new), self._gathered(numbers, columns[end:], leaves[0])

    def _stepped(self, *args: Any) -> tuple[Any, ...]:
        with self._told_of_words():
            result = type(self).step(*args)
        results = result if isinstance(result, tuple) else (result,)
        count = 1 + len(self.slots) + len(self.sums)
        if len(results) != count or any(part is None for part in results):
            wanted = ", ".join(["the change", *self.slots, *self.sums])
            raise TypeError(
                f"{type(self).__name__}.step must return {count} value{'s' if count > 1 else ''} ({wanted}), "
                f"got {result if result is None else len(results)}"
            )
        return results

    def _gathered(self, numbers: dict[str, Any], terms: list[Any], leaf: Any) -> tuple[Any, ...]:
        """The new shared numbers, of the terms that were computed for each coordinate of each leaf."""
        if self.gather is None:
            return ()
        totals = [like(0.0, leaf)] * len(terms)
        for i, parts in enumerate(terms):
            for part in parts:
                totals[i] = totals[i] + like(sum(part), leaf)
        known = numbers | dict(zip(self.sums, totals, strict=True))
        result = self.gather(*(like(known[n], leaf) for n in inspect.signature(self.gather).parameters))
        return result if isinstance(result, tuple) else (result,)

    def formula_as_text(self) -> str:
        """The program of the formula: what a user's own method is compiled by.

        Raises
        ------
        TypeError
            It is not written in words, returns something else than it should, or mixes coordinates.
        """
        formulas = [formula for formula in (type(self).step, self.gather) if formula is not None]
        numbers = [[1.0] * len(inspect.signature(formula).parameters) for formula in formulas]
        texts, again = (
            [str(self._program(partial(f), args)) for f, args in zip(formulas, numbers, strict=True)] for _ in range(2)
        )
        if texts != again:
            raise TypeError(
                f"{type(self).__name__}.step gives another formula each time, as with numbers drawn at random or the "
                "clock: it is compiled once, and these would not change. GradientNoise adds noise around a method"
            )
        two = dict.fromkeys(("g", "x", *self.slots), np.ones(2))
        program = self._program(self._stepped, [two.get(name, 1.0) for name in self._asked])
        if (found := _mixing(program.jaxpr)) is not None:
            raise TypeError(
                f"{type(self).__name__}.step is for one coordinate and must not mix several, as {found} does: sums "
                "over all coordinates are made by `gather`, see the text of descend.methods.method"
            )
        return "\n".join(texts)

    def _program(self, formula: Any, args: list[Any]) -> Any:
        with self._told_of_words():
            return jax.make_jaxpr(formula)(*args)

    @contextmanager
    def _told_of_words(self) -> Iterator[None]:
        """Tell in a sentence what a formula uses that no reader could follow."""
        name = type(self).__name__
        try:
            yield
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError(
                f"{name}.step uses a function of NumPy: write it in operators and the words of descend.words (sqrt, "
                "sign, maximum, where, …), which every reader understands"
            ) from error
        except jax.errors.TracerBoolConversionError as error:
            raise TypeError(
                f"{name}.step asks in Python whether a number is so (if, and, or, max): write where(g > 0, a, b) or "
                "maximum(a, b) of descend.words, for it may be so for one coordinate and not for another"
            ) from error
        except jax.errors.ConcretizationTypeError as error:
            raise TypeError(
                f"{name}.step makes a Python number of g, x or a slot (float, int, round, math): write it in "
                "operators and the words of descend.words, which work on all coordinates at once"
            ) from error

    # -- what can be derived from the formula ---------------------------------------------------------------

    @classmethod
    def fits(cls, asks: Asks) -> bool:
        """Whether a step size that asks this of a method makes sense with this one (found by trying the formula)."""
        if "lr" not in cls.names():
            return False
        if asks is Asks.ANY:
            return True
        draw = np.random.default_rng(0)
        known = {n: abs(draw.normal(size=8)) + 0.1 for n in cls._asked}
        known |= {n: like(getattr(cls(), n), known["g"]) for n in cls.names()} | {"t": 3.0}

        def at(lr: float) -> tuple[Any, ...]:
            result = cls.step(**{n: known[n] for n in cls._asked} | {"lr": lr})
            return result if isinstance(result, tuple) else (result,)

        one, two = at(0.1), at(0.2)
        proportional = np.allclose(2 * one[0], two[0], rtol=1e-12) and all(
            np.array_equal(a, b) for a, b in zip(one[1:], two[1:], strict=True)
        )
        return bool(proportional and (asks is Asks.PROPORTIONAL or np.allclose(one[0], -0.1 * known["g"], rtol=1e-12)))

    @classmethod
    def is_linear(cls) -> bool:
        """Whether the first change is linear in the gradient, the same for all coordinates (found by trying)."""
        if cls.shared:
            return False
        x = np.zeros(3)
        gs = (np.array([1.0, -2.0, 0.5]), np.array([2.0, -4.0, 1.0]))
        changes = [cls().update(g, cls().init(x), x)[0] for g in gs]
        return bool(np.allclose(2 * changes[0], changes[1], rtol=1e-9))

    @classmethod
    def equations(cls) -> list[Any]:
        """The formula as SymPy equations: one per slot, then the change. Printed in docs, pages and plots."""
        from descend.methods.symbols import equations

        return equations(cls)

    @classmethod
    def latex(cls) -> str:
        """The formula as LaTeX, one line per equation."""
        from descend.methods.symbols import latex

        return latex(cls)


def _mixing(program: Any) -> str | None:
    """The first operation of a program of vectors that does not keep coordinates apart; None if there is none."""
    for equation in program.eqns:
        for part in equation.params.values():
            if hasattr(part, "jaxpr") and (found := _mixing(part.jaxpr)) is not None:
                return found
        comes, goes = ({v.aval.shape for v in some} - {()} for some in (equation.invars, equation.outvars))
        if (comes and comes != goes) or equation.primitive.name in _ALONG:
            return str(equation.primitive.name)
    return None


def catalogue() -> dict[str, type[Method]]:
    """Name on the command line → method: every declared subclass of `Method`, simple ones first."""
    found: list[type[Method]] = []
    waiting = list(Method.__subclasses__())
    while waiting:
        method = waiting.pop(0)
        if vars(method).get("_is_declared"):
            found.append(method)
        waiting += method.__subclasses__()
    found.sort(key=lambda m: (len(m.slots), len(m.names()), m.name))
    return {method.name: method for method in found}


# Stochastic gradient descent is gradient descent on batches.
_ALSO = {
    "sgd": "gradientdescent", "gd": "gradientdescent", "heavyball": "momentum", "nag": "nesterov",
}  # fmt: skip


def plain_name(text: str) -> str:
    """A name without case, hyphens and underscores."""
    return text.lower().replace("-", "").replace("_", "")


def method_named(text: str) -> type[Method]:
    """The method of that name; case, hyphens and underscores do not matter. Some are known by other names, too.

    Raises
    ------
    ValueError
        No method has that name; the message suggests the nearest.
    """

    known = catalogue()
    wanted = _ALSO.get(plain_name(text), plain_name(text))
    for name, method in known.items():
        if wanted in {plain_name(name), method.__name__.lower()}:
            return method
    raise ValueError(f"unknown method {text!r}; legal: {', '.join(known)}.{nearest(text, list(known))}")
