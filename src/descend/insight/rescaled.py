"""The same method with other rates, wherever they are: in a schedule, in a method that is wrapped, in optax's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.insight.trials import round_rate
from descend.methods import Optax, Rule, as_rule

__all__ = ["Rescaled", "rates_in", "rescaled"]


class Rescaled(NamedTuple):
    """A method with other rates."""

    method: Rule
    how: str  # in words


def rates_in(rule: Rule) -> dict[str, Any]:
    """Name → its learning rates, also those inside schedules and of wrapped methods."""
    return {name: value for name, value, _ in rule.numbers() if name.split(".")[-1] == "lr"}


def rescaled(method: Any, factor: float) -> Rescaled | None:
    """The same method with its rates times a factor; None if it has none, or they are still to be found."""
    if method is None or isinstance(method, type | str):
        return None
    rule = as_rule(method)
    if isinstance(rule, Optax):
        return Rescaled(rule.scaled(factor), f"optax.chain(…, optax.scale({factor:g}))")
    rates = rates_in(rule)
    if not rates:
        return None
    made = rule.with_numbers(lambda name, v: _told_as(v * factor) if name in rates else v)
    return Rescaled(made, f"lr={float(next(iter(rates_in(made).values()))):.3g}")


def _told_as(rate: Any) -> Any:
    return round_rate(rate) if np.ndim(rate) == 0 else rate
