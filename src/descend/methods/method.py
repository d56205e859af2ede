"""A method: declared numbers and one formula, `step`, from which every reader makes what it needs.

To write one, derive from `Method`, list the hyperparameters as fields, and write `step`, coordinate by
coordinate, in the paper's symbols. Its parameters are told apart by name:

- `g`: the gradient; `x`: the parameter; `t`: the number of the step, 1, 2, …; each only if the formula asks;
- the names of the fields: the hyperparameters;
- all other names: slots, state of the same shape as the parameters, zero at the start unless `starts` names the
  hyperparameter at which it starts.

It returns the change of `x`, followed by the new slots in the order of the parameters. It uses operators and the
words of `descend.words` only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from descend.fields import Declared, Range, nearest, positive
from descend.stepsizes import At, Search, StepSize
from descend.words import like, zeros_like

__all__ = ["Method", "Rate", "State", "catalogue", "method_named", "rate"]

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


class Method(Declared):
    """One update rule. See the module's text for how to write one.

    A method is also an optax-like pair of pure functions: `init(params)` and `update(grads, state, params)`.
    `optax.chain(optax.clip_by_global_norm(1.0), Adam(0.1))` works, and `init, update = Adam(0.1)` unpacks.
    Step sizes that look at the cost need `.optax()` there, because `chain` hands extra arguments only to a
    transformation that says it takes them.
    """

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    slots: ClassVar[tuple[str, ...]] = ()
    starts: ClassVar[dict[str, str]] = {}  # slot → the hyperparameter at which it starts, if not at zero
    step: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Read the roles of `step`'s parameters off their names."""
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.lower()
        cls._asked = tuple(inspect.signature(cls.step).parameters)
        cls.slots = tuple(n for n in cls._asked if n not in {"g", "x", "t", *cls.names()})

    _asked: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stepsize = getattr(self, "lr", None)
        if isinstance(stepsize, Search) and not self.scales_with_rate():
            fitting = [m.__name__ for m in catalogue().values() if m.scales_with_rate()]
            raise ValueError(
                f"{type(self).__name__}(lr={type(stepsize).__name__}()) has no meaning: the step size scales the "
                f"change at lr = 1, and the change of {type(self).__name__} is not proportional to lr. "
                f"Give a number, or use {', '.join(fitting)}."
            )

    @classmethod
    def _check(cls, name: str, value: Any, legal: Range) -> None:
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
        )

    def _fresh(self, slot: str, leaf: Any) -> Any:
        zeros = zeros_like(leaf)
        return zeros + like(getattr(self, self.starts[slot]), zeros) if slot in self.starts else zeros

    def update(
        self,
        grads: Any,
        state: State,
        params: Any = None,
        *,
        value: Any = None,
        value_fn: Callable[[Any], Any] | None = None,
        **_: Any,
    ) -> tuple[Any, State]:
        """The change of the parameters, and the next state.

        `grads`, and `params` where the formula asks for x, are pytrees of one structure. `value` (the cost)
        and `value_fn` (parameters → cost) are for step sizes that look at them. Other extra arguments, which
        optax hands to all parts of a chain, are not for us and are left alone.
        """
        t = state.t + 1
        lr, count, memory = self._rate(), 0, state.stepsize
        if isinstance(lr, StepSize):
            at = At(t, params, grads, lambda: self._change(1.0, grads, state, params)[0], value, value_fn)
            lr, memory, count = lr.next(memory, at)
        change, slots = self._change(lr, grads, state, params)
        return change, State(t, slots, memory, like(lr, state.lr), state.evaluations + count)

    def optax(self) -> Any:
        """The method as an `optax.GradientTransformationExtraArgs` (needs optax)."""
        import optax

        return optax.GradientTransformationExtraArgs(self.init, self.update)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        """Unpack like a `GradientTransformation`: `init, update = Adam(0.1)`."""
        return iter((self.init, self.update))

    # -- how a formula for one coordinate is applied to a whole pytree --------------------------------------

    def _rate(self) -> Any:
        return getattr(self, "lr", np.nan)

    def _change(self, lr: Any, grads: Any, state: State, params: Any) -> tuple[Any, tuple[Any, ...]]:
        structure: Any
        leaves, structure = jax.tree.flatten(grads)
        numbers = {n: getattr(self, n) for n in self.names()} | {"lr": lr, "t": state.t + 1}
        columns = [structure.flatten_up_to(slot) for slot in state.slots]
        if "x" in self._asked:
            if params is None:
                raise TypeError(f"{type(self).__name__} needs the parameters: update(grads, state, params)")
            points = structure.flatten_up_to(params)
        else:
            points = leaves
        if not leaves:  # a part of a tree that a mask has emptied
            return grads, state.slots
        results = []
        for g, x, *slots in zip(leaves, points, *columns, strict=True):
            known = {"g": g, "x": x, **dict(zip(self.slots, slots, strict=True))}
            args = [known[n] if n in known else like(numbers[n], g) for n in self._asked]
            result = type(self).step(*args)
            results.append(result if isinstance(result, tuple) else (result,))
        change, *new = (structure.unflatten(column) for column in zip(*results, strict=True))
        return change, tuple(new)

    def program_key(self) -> Any:
        """What a compiled loop of this method may be looked up by.

        The classes of this library do not change; a user's own may have been redefined, or use a global that
        has changed: their formula is traced, and a step size of theirs is compiled anew each time.
        """
        own = [type(part) for part in (self, self._rate()) if isinstance(part, Declared)]
        if all(part.__module__.startswith("descend.") for part in own):
            return tuple(own)
        if any(issubclass(part, StepSize) and not part.__module__.startswith("descend.") for part in own):
            return object()
        return (*own, str(jax.make_jaxpr(lambda *args: type(self).step(*args))(*(1.0 for _ in self._asked))))

    # -- what can be derived from the formula ---------------------------------------------------------------

    @classmethod
    def scales_with_rate(cls) -> bool:
        """Whether the change is proportional to lr and the slots do not depend on it (found by trying)."""
        if "lr" not in cls.names():
            return False
        draw = np.random.default_rng(0)
        known = {n: abs(draw.normal(size=8)) + 0.1 for n in cls._asked}
        numbers = {f: like(cls.__dataclass_fields__[f].default, known["g"]) for f in cls.names()} | {"t": 3.0}

        def at(lr: float) -> tuple[Any, ...]:
            result = cls.step(**{**known, **{n: v for n, v in numbers.items() if n in known}, "lr": lr})
            return result if isinstance(result, tuple) else (result,)

        one, two = at(0.1), at(0.2)
        return bool(
            np.allclose(2 * one[0], two[0], rtol=1e-12)
            and all(np.array_equal(a, b) for a, b in zip(one[1:], two[1:], strict=True))
        )

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


def catalogue() -> dict[str, type[Method]]:
    """Name on the command line → method: every declared subclass of `Method`, simple ones first."""
    found: list[type[Method]] = []
    waiting = list(Method.__subclasses__())
    while waiting:
        method = waiting.pop(0)
        found.append(method)
        waiting += method.__subclasses__()
    found.sort(key=lambda m: (len(m.slots), len(m.names()), m.name))
    return {method.name: method for method in found}


def method_named(text: str) -> type[Method]:
    """The method of that name; case, hyphens and underscores do not matter.

    Raises
    ------
    ValueError
        No method has that name; the message suggests the nearest.
    """

    def plain(name: str) -> str:
        return name.lower().replace("-", "").replace("_", "")

    known = catalogue()
    for name, method in known.items():
        if plain(text) in {plain(name), method.__name__.lower()}:
            return method
    raise ValueError(f"unknown method {text!r}; legal: {', '.join(known)}.{nearest(text, list(known))}")
