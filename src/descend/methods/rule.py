"""What a run needs of whatever moves its parameters: a method, one with something around it, or optax's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import numpy as np

from descend.fields import Declared
from descend.words import along, difference

__all__ = ["Rule"]


_PENALTIES = {"decay", "l1", "l2"}


class Rule(Declared, ABC):
    """An update rule: a pair of pure functions, `init(params)` and `update(grads, state, params)`, as in optax.

    `optax.chain(optax.clip_by_global_norm(1.0), Adam(0.1))` works, and `init, update = Adam(0.1)` unpacks.
    Step sizes that look at the cost need `.optax()` there, because `chain` hands extra arguments only to a
    transformation that says it takes them.
    """

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    restricts: ClassVar[bool] = False  # whether there are places where the rule may not go: see `reach`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name the rule after its class unless it names itself."""
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.lower()

    @abstractmethod
    def init(self, params: Any) -> Any:
        """The state before the first step from `params` (a number, an array or any pytree of them).

        It has the attributes `t` (steps made), `lr` (the rate of the last step) and `evaluations` (how often
        the objective was called besides the gradient of each step).
        """

    @abstractmethod
    def update(
        self,
        grads: Any,
        state: Any,
        params: Any = None,
        *,
        value: Any = None,
        value_fn: Callable[[Any], Any] | None = None,
        grad_fn: Callable[[Any], Any] | None = None,
        **extra: Any,
    ) -> tuple[Any, Any]:
        """The change of the parameters, and the next state.

        `grads`, and `params` where they are asked for, are pytrees of one structure. `value` (the cost),
        `value_fn` (parameters → cost) and `grad_fn` (parameters → gradient) are for those that look at them.
        Other extra arguments, which optax hands to all parts of a chain, are left alone.
        """

    def answer(self, state: Any, x: Any) -> Any:
        """The point to hand out when the parameters are at `x`; () where that is `x` itself."""
        return ()

    def hands_out_another(self, x: Any) -> bool:
        """Whether what is handed out is another point than the parameters `x`, such as an average."""
        return bool(jax.tree.leaves(self.answer(self.init(x), x)))

    def reach(self, x: Any, to: Any) -> Any:
        """The point nearest to `to` that the rule may go to from `x`."""
        return to

    def slope(self, x: Any, g: Any) -> Any:
        """The gradient as far as the rule may follow it; zero where nothing can be gained."""
        return difference(x, self.reach(x, along(x, -1.0, g))) if self.restricts else g

    def penalties(self) -> dict[str, float]:
        """Name → value of the numbers, above zero, that pull the parameters towards 0.

        The decay of a schedule is none, nor is that of a mean, which is below 1.
        """
        found = [(name.split("."), name, v) for name, v, legal in self.numbers() if np.isinf(legal.high)]
        return {name: float(v) for path, name, v in found if path[-1] in _PENALTIES and "lr" not in path and v > 0}

    def own_pulls(self, params: Any) -> dict[str, float]:
        """What, besides its numbers, pulls such parameters towards 0: name → how much."""
        return {}

    def pulls(self, params: Any) -> dict[str, float]:
        """All that pulls such parameters towards 0, in words → how much."""
        found = {name.split(".")[-1]: value for name, value in self.penalties().items()}
        for part in self.parts():
            found |= part.own_pulls(params) if isinstance(part, Rule) else {}
        return found

    def optax(self) -> Any:
        """The rule as an `optax.GradientTransformationExtraArgs` (needs optax)."""
        import optax

        return optax.GradientTransformationExtraArgs(self.init, self.update)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        """Unpack like a `GradientTransformation`: `init, update = Adam(0.1)`."""
        return iter((self.init, self.update))

    def program_key(self) -> Any:
        """What a compiled loop of this rule may be looked up by.

        The classes of this library do not change; a user's own may have been redefined, or use a global that
        has changed: a method's formula is traced, and all else of theirs is compiled anew each time.
        """
        own = [part for part in self.parts() if not type(part).__module__.startswith("descend.")]
        return (jax.tree.structure(self), *(_program_of(part) for part in own))


def _program_of(part: Declared) -> Any:
    formula = getattr(part, "formula_as_text", None)
    return formula() if formula is not None else object()
