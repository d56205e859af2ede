"""The search that step sizes share: shorten the rate until the cost is low enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from descend.stepsizes.stepsize import At
from descend.words import isfinite, like, repeat_while, where

__all__ = ["Trial", "backtrack"]

_MOST_TRIALS = 60


class Trial(NamedTuple):
    """A rate, the cost there, and how many rates were tried so far."""

    lr: Any
    cost: Any
    count: Any


def backtrack(
    at: At, first: Any, enough: Callable[[Any], Any], shrink: Any = 0.5, where_not_finite: Any = None
) -> Trial:
    """The first of the rates first, shrink·first, shrink²·first, … at which the cost is at most `enough(lr)`.

    Where the cost is not finite the rate shrinks by `where_not_finite`, if that is given. Gives up after 60 trials.
    """

    def too_high(trial: Trial) -> Any:
        return ~(trial.cost <= enough(trial.lr)) & (trial.count < _MOST_TRIALS)

    def shorten(trial: Trial) -> Trial:
        factor = like(shrink, trial.lr)
        if where_not_finite is not None:
            factor = where(isfinite(trial.cost), factor, like(where_not_finite, trial.lr))
        shorter = trial.lr * factor
        return Trial(shorter, at.value(shorter), trial.count + 1)

    found: Trial = repeat_while(too_high, shorten, Trial(first, at.value(first), like(1, at.t)))
    return found
