"""What may be put around a method: it sees the gradient before the method does, or the change after."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from descend.fields import part
from descend.methods.foreign import read_optax
from descend.methods.rule import Rule

__all__ = ["Around", "Wrapped", "inner"]


def inner() -> Any:
    """The field `method`: the rule that this one is put around."""
    return part(
        lambda v: isinstance(v, Rule),
        "a method such as Adam(0.1), or optax.adam(0.1)",
        "the method that it is put around",
        read=read_optax,
    )


class Wrapped(NamedTuple):
    """The state of the rule inside, and what the one around it remembers."""

    inner: Any
    own: Any = ()
    extra: Any = np.int32(0)  # evaluations of the objective by the rule around

    @property
    def t(self) -> Any:
        """How many steps were made."""
        return self.inner.t

    @property
    def lr(self) -> Any:
        """The rate used in the last step."""
        return self.inner.lr

    @property
    def evaluations(self) -> Any:
        """How often the objective was called besides the gradient of each step."""
        return self.inner.evaluations + self.extra


class Around(Rule):
    """A rule around another. A subclass declares `method: Rule = inner()` first, and overrides what it changes."""

    bends: ClassVar[bool] = False  # whether it changes each coordinate of the gradient for itself
    hands_out: ClassVar[bool] = False  # whether the answer is another point than the parameters
    leaves_sets: ClassVar[bool] = False  # whether it moves the point after the rule inside has projected it

    method: Rule = inner()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.leaves_sets and self.method.restricts:
            raise ValueError(
                f"{type(self).__name__} would move the parameters out of where the rule inside has put them: "
                f"put the projection (or the groups) around it"
            )
        within = [part for part in self.method.parts() if isinstance(part, Around)]
        if self.bends and (joint := [part for part in within if part.is_joint]):
            raise ValueError(
                f"{type(self).__name__} changes each coordinate for itself, and {type(joint[0]).__name__} has them "
                "together: the point where they end would be the wrong one. Use ClipNorm or ClipGlobalNorm"
            )
        if self.hands_out and (twice := [part for part in within if part.hands_out]):
            raise ValueError(
                f"{type(self).__name__} and {type(twice[0]).__name__} each hand out a point of their own: leave one out"
            )

    @property
    def is_joint(self) -> bool:
        """Whether it moves coordinates together, so that each must be asked for in the same measure."""
        return False

    @property
    def lr(self) -> Any:
        """The rate of the method inside."""
        return getattr(self.method, "lr", None)

    @property
    def restricts(self) -> bool:  # type: ignore[override]
        """Whether the rule inside does."""
        return self.method.restricts

    def init(self, params: Any) -> Wrapped:
        """See `Rule.init`."""
        return Wrapped(self.method.init(params))

    def update(self, grads: Any, state: Wrapped, params: Any = None, **extra: Any) -> tuple[Any, Wrapped]:
        """See `Rule.update`."""
        change, new = self.method.update(grads, state.inner, params, **extra)
        return change, state._replace(inner=new)

    def answer(self, state: Wrapped, x: Any) -> Any:
        """See `Rule.answer`."""
        return self.method.answer(state.inner, x)

    def reach(self, x: Any, to: Any) -> Any:
        """See `Rule.reach`."""
        return self.method.reach(x, to)
