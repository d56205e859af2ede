"""A rate without guessing: the limit of stability, short runs of which the better ones are made longer, a climb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.sweep import sweep
from descend.fields import Number
from descend.insight.curvature import curvature_of
from descend.insight.stability import stability_limit
from descend.methods import GradientDescent, Method

__all__ = ["FoundRate", "find_lr"]

_DECADES, _RATES = 6, 49
_STAGES = ((1 / 96, 8), (1 / 24, 3), (1 / 8, 1))  # share of the steps, and how many rates are kept after it
_FINER = 1.15  # by which factor the rate is changed in runs of all steps, as long as that helps
_BUDGET = 0.05  # of the cost of a grid of 100 rates


@dataclass(frozen=True)
class FoundRate:
    """The rate, and how it was found.

    Attributes
    ----------
    lr
        The rate.
    run
        The run of all steps with it.
    limit
        The rate beyond which the method diverges at the start; nan where that is not known.
    rates, costs
        Those of the first, short runs: what a picture shows.
    cost
        Steps made for the search, as a share of those of a grid of 100 rates.
    """

    lr: float
    run: Run
    limit: float
    rates: np.ndarray
    costs: np.ndarray
    cost: float

    def plot(self, ax: Any = None) -> Any:
        """The cost after the short runs against the rate, the one found, and the limit of stability."""
        from descend import plots

        return plots.found_rate(self, ax)

    def __str__(self) -> str:
        """The finding in one sentence."""
        limit = f"; the limit of stability is {self.limit:.3g} at the start" if np.isfinite(self.limit) else ""
        return f"lr = {self.lr:.3g}{limit} ({100 * self.cost:.1f} % of the cost of a grid of 100 rates)"


def find_lr(
    objective: Callable[..., Any] | str, x0: Any = None, method: Method | None = None, *, steps: int = 1_000
) -> FoundRate:
    """The rate with which a method gets lowest in so many steps.

    Parameters
    ----------
    objective, x0
        As in `minimize`.
    method
        The method with its other numbers, e.g. `Momentum(mu=0.95)`; its own rate does not count. Default: gradient
        descent.
    steps
        The length of the runs for which the rate shall be good.

    Raises
    ------
    TypeError
        The method has no rate.
    ValueError
        No rate gets below the cost at the start.
    """
    method = GradientDescent() if method is None else method
    if not isinstance(method, Method) or "lr" not in method.names():
        raise TypeError(f"find_lr is for a method of this library that has a learning rate, got {method!r}")
    rest: dict[str, Number] = {name: getattr(method, name) for name in method.names() if name != "lr"}
    kind = type(method)
    start = minimize(objective, x0, kind(lr=1e-3, **rest), steps=0, progress=False)
    try:
        limit = stability_limit(method, curvature_of(start.problem, start.x_array).sharpness)
    except ValueError:
        limit = float("nan")
    high = 10 * limit if np.isfinite(limit) else 100.0
    rates, made = np.geomspace(high * 10.0**-_DECADES, high, _RATES), 0
    first: tuple[np.ndarray, np.ndarray] | None = None
    kept = rates
    for share, count in _STAGES:
        length = max(5, round(share * steps))
        tried = sweep(objective, x0, kind(lr=kept, **rest), steps=length, rows=2)
        costs = np.where(np.isfinite(tried.fun) & ~tried.has_diverged, tried.fun, np.inf)
        first = first or (kept, costs)
        made += length * len(kept)
        order = np.argsort(costs, kind="stable")
        kept = kept[order[:count]]

    def whole(lr: float) -> Run:
        return minimize(objective, x0, kind(lr=lr, **rest), steps=steps, progress=False)

    def cost(run: Run) -> float:
        return run.fun if run.outcome is not Outcome.DIVERGED and np.isfinite(run.fun) else np.inf

    best = whole(float(kept[0]))
    made += best.nit
    for factor in (_FINER, 1 / _FINER):  # short runs favour rates that are a little too small or too large
        has_helped = False
        while made + steps <= _BUDGET * 100 * steps and best.lr is not None:
            again = whole(best.lr * factor)
            made += again.nit
            if not cost(again) < cost(best):
                break
            best, has_helped = again, True
        if has_helped:
            break
    if best.outcome is Outcome.DIVERGED:
        raise ValueError(f"no rate is good: {best.message}")
    if not best.fun < start.fun:
        raise ValueError(
            f"no rate from {rates[0]:.2g} to {rates[-1]:.2g} gets below the cost at the start, {start.fun:.6g}: "
            "is x0 a minimum already, or the gradient wrong?"
        )
    assert first is not None and best.lr is not None  # noqa: S101, PT018 - there was a first stage, with rates
    return FoundRate(best.lr, best, limit, *first, made / (100 * steps))
