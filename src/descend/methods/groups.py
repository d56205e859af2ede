"""Different methods for different parts of the parameters, and parts that stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from descend.fields import part
from descend.methods.foreign import read_optax
from descend.methods.rule import Rule
from descend.words import like, zeros_like

__all__ = ["Frozen", "Groups"]


class _Resting(NamedTuple):
    t: Any
    lr: Any
    evaluations: Any


class Frozen(Rule):
    """Moves nothing: for the parts of the parameters that are not to be changed."""

    name = "frozen"
    restricts = True

    def init(self, params: Any) -> _Resting:
        """See `Rule.init`."""
        return _Resting(np.int32(0), like(np.nan, (*jax.tree.leaves(params), np.float32(0))[0]), np.int32(0))

    def update(self, grads: Any, state: _Resting, params: Any = None, **_: Any) -> tuple[Any, _Resting]:
        """See `Rule.update`."""
        return jax.tree.map(zeros_like, grads), state._replace(t=state.t + 1)

    def reach(self, x: Any, to: Any) -> Any:
        """See `Rule.reach`."""
        return x


class _Grouped(NamedTuple):
    parts: Any

    @property
    def t(self) -> Any:
        return self._any.t

    @property
    def lr(self) -> Any:
        """The rate of the first part; those of the others are in `parts`."""
        return self._any.lr

    @property
    def evaluations(self) -> Any:
        total = np.int32(0)
        for state in self.parts.values():
            total = total + state.evaluations
        return total

    @property
    def _any(self) -> Any:
        return next(iter(self.parts.values()))


class Groups(Rule):
    """One rule for each part of a dict of parameters: `Groups({"w": Adam(0.01), "b": Frozen()})`.

    The keys are those of the parameters. torch: parameter groups, optax: `partition`.
    """

    name = "groups"

    rules: dict[str, Rule] = part(
        lambda v: isinstance(v, dict) and len(v) > 0 and all(isinstance(rule, Rule) for rule in v.values()),
        "a dict of methods, one for each key of the parameters",
        "the method of each part",
        read=lambda v: {key: read_optax(rule) for key, rule in v.items()} if isinstance(v, dict) else v,
    )

    @property
    def restricts(self) -> bool:  # type: ignore[override]
        """Whether one of the rules does."""
        return any(rule.restricts for rule in self.rules.values())

    def init(self, params: Any) -> _Grouped:
        """See `Rule.init`."""
        self._check_keys(params)
        return _Grouped({key: rule.init(params[key]) for key, rule in self.rules.items()})

    def update(self, grads: Any, state: _Grouped, params: Any = None, **extra: Any) -> tuple[Any, _Grouped]:
        """See `Rule.update`. A search in one part sees the cost with all other parts at rest."""
        changes, states = {}, {}
        for key, rule in self.rules.items():
            own = dict(extra)
            for name in ("value_fn", "grad_fn"):
                if extra.get(name) is not None:
                    own[name] = _restricted(extra[name], params, key, picks=name == "grad_fn")
            changes[key], states[key] = rule.update(grads[key], state.parts[key], params and params[key], **own)
        return changes, _Grouped(states)

    def answer(self, state: _Grouped, x: Any) -> Any:
        """See `Rule.answer`."""
        answers = {key: rule.answer(state.parts[key], x[key]) for key, rule in self.rules.items()}
        if not jax.tree.leaves(answers):
            return ()
        return {key: answer if jax.tree.leaves(answer) else x[key] for key, answer in answers.items()}

    def reach(self, x: Any, to: Any) -> Any:
        """See `Rule.reach`."""
        self._check_keys(x)
        return {key: rule.reach(x[key], to[key]) for key, rule in self.rules.items()}

    def _check_keys(self, params: Any) -> None:
        if not isinstance(params, dict) or set(params) != set(self.rules):
            keys = sorted(params) if isinstance(params, dict) else type(params).__name__
            raise ValueError(f"Groups has rules for {sorted(self.rules)}, the parameters are {keys}: give one for each")


def _restricted(function: Callable[[Any], Any], params: Any, key: str, *, picks: bool) -> Callable[[Any], Any]:
    def of_part(value: Any) -> Any:
        result = function({**params, key: value})
        return result[key] if picks else result

    return of_part
