"""A rate without guessing: the limit of stability, short runs of which the better ones are made longer, a climb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.descent import Outcome, Run
from descend.insight.curvature import curvature_of
from descend.insight.short_runs import Ended, ShortRuns, is_steady, rate_of, with_values
from descend.insight.stability import stability_limit
from descend.methods import GradientDescent, Rule, as_rule
from descend.objectives.parameters import from_vector

__all__ = ["FoundRate", "find_lr"]

_DECADES, _RATES, _SHORTEST = 6, 49, 1 / 96  # the first runs: decades, rates in them, share of the steps
_SHIFTS = 3  # so often the decades are moved, where the first or the last rate is the best
_HIGHEST = 100.0  # rate that is tried first where no limit is known
# Of longer runs: their share of the steps, how many of the best rates run again, and smaller ones beside them, by
# which factors: the longer the runs, the smaller the rate they want, where steps do not shrink with the gradient.
_STAGES = ((1 / 24, 8, (1.33, 1.78, 2.37)), (1 / 8, 3, (1.78, 3.16)))
_FEWEST = 5  # steps of a short run
# Of the limit of stability: at the limit itself the steepest way does not get any shorter. Beyond which it cannot stay,
# what is tried instead, and the highest that is tried near the best:
_AT, _INSIDE, _HIGH = 0.95, 0.9, 0.97
_FAR = 3.0  # by which factor a rate is made smaller that ends in no number, or changed where the way is clear
# A run is as low as it ever stays after a share of its steps, from which on it bounces about, as with steps that do not
# shrink with the gradient. With the rate times that share it gets there at its end, and lower. The share below which
# that is tried, the smallest that is believed, and that below which smaller rates near the best are tried first:
_EARLY, _LEAST, _LATE = 0.7, 1 / 20, 0.8
_NEAR = (1.4, 1 / 1.3, 1.15)  # by which factors the rate is changed in runs of all steps
_FASTER = 1.5  # power with which such a factor grows, as long as it helps
_BUDGET = 0.05  # of the cost of a grid of 100 rates
_SAME = 1e-12  # share of what was gained by which two runs get equally low: then the one that does so sooner is better


@dataclass(frozen=True)
class FoundRate:
    """The rate, and how it was found.

    Attributes
    ----------
    lr
        The rate.
    method
        The method with it.
    run
        The run of all steps with it; None where a model was given.
    model
        The model fitted with it; None where an objective was given.
    fun
        The cost at the end of that run, or the loss of that model.
    limit
        The rate beyond which the method diverges at the start; nan where that is not known.
    rates, costs
        Those of the first, short runs, which a picture shows; infinite where it was no lower than at the start.
    whole_rates, whole_costs
        Those of the runs of all steps, of which the best gave the rate; infinite where a run ended in no number.
    cost
        Steps made for the search, as a share of those of a grid of 100 rates.
    """

    lr: float
    method: Rule
    run: Run | None
    model: Any
    fun: float
    limit: float
    rates: np.ndarray
    costs: np.ndarray
    whole_rates: np.ndarray
    whole_costs: np.ndarray
    cost: float

    def plot(self, ax: Any = None) -> Any:
        """The cost after the short runs against the rate, the one found, and the limit of stability."""
        from descend import plots

        return plots.found_rate(self, ax)

    def __repr__(self) -> str:
        """The finding in one sentence."""
        limit = f"; the limit of stability is {self.limit:.3g} at the start" if np.isfinite(self.limit) else ""
        return f"lr = {self.lr:.3g}{limit} ({100 * self.cost:.1f} % of the cost of a grid of 100 rates)"


class Trials(Protocol):
    """Runs of an objective, or trainings of a model, from one start with one rate or another."""

    last: int  # steps of a run of all steps
    first: float  # the cost at the start
    limit: float  # of stability at the start; nan where it is not known
    is_noisy: bool  # whether a cost is one of many that it could have been
    is_steady: bool  # whether the rate is the same at all steps

    def costs(self, rates: np.ndarray, length: int) -> np.ndarray:
        """The cost after so many steps with each rate; infinite where it is no number."""

    def whole(self, lr: float) -> Ended:
        """A run of all steps."""

    def limit_of(self, ended: Ended) -> float:
        """The limit of stability where a run was lowest; nan where it is not known."""


def find_lr(
    objective: Any,
    x0: Any = None,
    method: Any = None,
    *,
    steps: int | None = None,
    maximize: bool = False,
    data: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> FoundRate:
    """The rate with which a method gets lowest in so many steps.

    Short runs with rates of six decades come first (more, where the best of them is at an end), at once; the better
    ones, and some that are smaller, run again for longer, twice. The best runs for all steps. Smaller rates follow if
    it was beyond the limit of stability where the cost was lowest; where no limit is known, if the cost only bounced
    from some step on, or if the longer runs wanted smaller rates. Then come some near the best, as long as that helps
    and the search costs less than a twentieth of a grid of 100 rates; farther off, where the runs of all steps have
    shown the way.

    Parameters
    ----------
    objective, x0, maximize, data, batch_size, epochs, seed
        As in `minimize`. All runs see the same batches, and are judged by the cost of all data.
    objective
        Or a model of this library, `LinearRegression(Adam(), batch_size=32)`, with its rows as `data=(X, y)`. The
        method, batches and epochs are its own then, and it is not changed. Trainings are judged by their loss.
    method
        The method with its other numbers, e.g. `Momentum(mu=0.95)` or `ClipNorm(Adam(), 1.0)`, or its name; its own
        rate does not count. Default: gradient descent.
    steps
        The length of the runs for which the rate shall be good; default 1,000, or `epochs`.

    Raises
    ------
    TypeError
        The method has no rate, or more than one.
    ValueError
        The input makes no sense, or no rate gets below the cost at the start.

    Source: Smith (2017), arXiv:1506.01186, for the range of rates; Jamieson & Talwalkar (2016), AISTATS.
    """
    if hasattr(objective, "get_params") and hasattr(objective, "fit"):
        return _of_model(objective, data, (x0, method, steps, batch_size, epochs, maximize or None, seed or None))
    rule = as_rule(GradientDescent() if method is None else method)
    options: dict[str, Any] = {"data": data, "batch_size": batch_size, "epochs": epochs, "seed": seed}
    runs = ShortRuns(objective, x0, steps=steps, maximize=maximize, **options)
    trials = _OfObjective(runs, rule)
    found = _search(trials)
    sign, made = runs.problem.sign, found.best.made
    costs, whole = sign * np.where(found.costs <= runs.worst, found.costs, np.inf), sign * found.whole_costs
    return FoundRate(
        found.lr, trials.with_rate(found.lr), made, None, made.fun, trials.limit,
        found.rates, costs, found.whole_rates, whole, found.share,
    )  # fmt: skip


def _of_model(model: Any, data: Any, others: tuple[Any, ...]) -> FoundRate:
    from descend.insight.short_trainings import ShortTrainings

    if any(value is not None for value in others):
        raise ValueError(
            "a model has a method, epochs, batches and a seed of its own: find_lr(model, data=(X, y)), and nothing else"
        )
    trainings = ShortTrainings(model, data)
    found = _search(trainings)
    model = found.best.made
    return FoundRate(
        found.lr, model.method, None, model, found.best.cost, trainings.limit,
        found.rates, found.costs, found.whole_rates, found.whole_costs, found.share,
    )  # fmt: skip


class _OfObjective:
    """See `Trials`."""

    def __init__(self, runs: ShortRuns, rule: Rule) -> None:
        self._runs, self._rule, self._names = runs, rule, [rate_of(rule)]
        self.last, self.first, self.is_noisy = runs.last, runs.first, runs.samples
        self.is_steady = is_steady(self._names[0])
        runs.check(rule)
        self.limit = self._limit_at(runs.x0)

    def with_rate(self, lr: float) -> Rule:
        """The rule with that rate."""
        return with_values(self._rule, self._names, [lr])

    def costs(self, rates: np.ndarray, length: int) -> np.ndarray:
        """See `Trials.costs`."""
        return self._runs.costs(self._rule, self._names, rates[:, None], length)

    def whole(self, lr: float) -> Ended:
        """See `Trials.whole`."""
        run = self._runs.whole(self.with_rate(lr))
        is_good = run.outcome is not Outcome.DIVERGED and np.isfinite(run.fun)
        return Ended(run.problem.sign * run.fun if is_good else np.inf, run.nit, run, run.message, run.trace.f)

    def limit_of(self, ended: Ended) -> float:
        """See `Trials.limit_of`."""
        x = ended.made.best.get("x")
        return np.nan if x is None else self._limit_at(from_vector(x, self._runs.x0))

    def _limit_at(self, x: Any) -> float:
        try:
            return stability_limit(self._rule, curvature_of(self._runs.problem, x).sharpness)
        except ValueError:  # there is no second derivative there
            return np.nan


class _Searched(NamedTuple):
    lr: float
    best: Ended
    rates: np.ndarray  # of the first runs
    costs: np.ndarray
    whole_rates: np.ndarray
    whole_costs: np.ndarray
    share: float  # of the steps of a grid


def _search(trials: Trials) -> _Searched:
    grid = 100 * trials.last
    rates, costs, made = _first_runs(trials, 10 * trials.limit if np.isfinite(trials.limit) else _HIGHEST)
    tried, found, sooner = rates, costs, np.full(len(rates), np.inf)
    for share, count, smaller in _STAGES:
        places = _order(_smoothed(found) if trials.is_noisy else found, sooner, trials.first)[:count]
        kept = tried[places]
        tried, sooner = np.append(kept, kept.min() / smaller), np.append(found[places], np.full(len(smaller), np.inf))
        rising = np.argsort(tried)
        tried, sooner = tried[rising], sooner[rising]
        length = _length(trials, share)
        found = trials.costs(tried, length)
        made += length * len(tried)
    ended: dict[float, Ended] = {}

    def best() -> float:
        costs, steps = (np.array([getattr(run, of) for run in ended.values()]) for of in ("cost", "steps"))
        return float([*ended][_order(costs, steps, trials.first)[0]])

    def has_tried(lr: float) -> bool:
        """A run of all steps, where there is room for one."""
        nonlocal made
        if ended and made + trials.last > _BUDGET * grid:
            return False
        ended[lr] = trials.whole(lr)
        made += ended[lr].steps
        return True

    def limit_at(lr: float) -> float:
        """Where that run was lowest; infinite where nobody knows it, or a rate that falls may begin above it."""
        limit = trials.limit_of(ended[lr]) if trials.is_steady else np.nan
        return np.inf if np.isnan(limit) else limit

    lr = float(tried[_order(found, sooner, trials.first)[0]])
    falls_with_length = lr < kept.min()  # the longer the runs, the smaller the best rate
    while has_tried(lr):
        run, limit = ended[lr], trials.limit_of(ended[lr])
        if lr > _AT * limit:  # there it cannot stay
            lr = _INSIDE * limit
        elif np.isinf(run.cost):
            lr /= _FAR
        elif not np.isnan(limit) or lr != best():
            break
        elif trials.is_noisy:
            if not run.bounces:
                break
            lr /= _FAR
        elif run.arrival < _EARLY:
            lr *= max(run.arrival * run.steps / trials.last, _LEAST)
        elif len(ended) == 1 and falls_with_length and run.steps == trials.last:
            lr *= share
        else:
            break
    for factor in _NEAR:
        before = lr = best()
        by, highest = _next(trials, ended, lr, factor), _HIGH * limit_at(lr)
        while (rate := min(lr * by, highest)) not in ended and has_tried(rate) and best() == rate:
            # Where the cost still falls at the end, and lower with a larger rate, the limit is the place to look.
            still_falls = by > 1 and ended[rate].steps == trials.last and not ended[rate].bounces
            lr, by = rate, highest / rate if still_falls and highest < np.inf else by**_FASTER
        if lr != before:
            break
    lr = best()
    if not np.isfinite(ended[lr].cost):
        raise ValueError(f"no rate gets lower than the start. With {lr:.3g}: {ended[lr].message}")
    if not ended[lr].cost < trials.first:
        raise ValueError(
            f"no rate from {rates[0]:.2g} to {rates[-1]:.2g} gets below the cost at the start: "
            "is x0 a minimum already, or the gradient wrong?"
        )
    all_steps = np.array(sorted(ended))
    whole_costs = np.array([ended[rate].cost for rate in sorted(ended)])
    return _Searched(lr, ended[lr], rates, costs, all_steps, whole_costs, made / grid)


def _order(costs: np.ndarray, sooner: np.ndarray, first: float) -> np.ndarray:
    """The places of runs, the best first; of those that get equally low that with the least of what counts `sooner`."""
    lowest = costs.min()
    is_lowest = costs <= lowest + (_SAME * max(0.0, first - lowest) if lowest < np.inf else 0.0)
    return np.lexsort((costs, np.where(is_lowest, sooner, np.inf), ~is_lowest))


def _next(trials: Trials, ended: dict[float, Ended], lr: float, factor: float) -> float:
    """By which factor the best rate is changed next: by a large one where runs of all steps have shown the way."""
    if trials.is_noisy or not np.isnan(trials.limit):
        return _FAR if trials.is_noisy and len(ended) > 1 and lr == max(ended) else factor
    if len(ended) > 1 and lr == min(ended) and ended[lr].bounces:
        return 1 / _FAR
    return 1 / factor if ended[lr].arrival < _LATE else factor


def _first_runs(trials: Trials, highest: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Rates, in order, the costs of short runs with them, and the steps that were made."""
    length = _length(trials, _SHORTEST)
    rates = np.geomspace(highest * 10.0**-_DECADES, highest, _RATES)
    costs = trials.costs(rates, length)
    beyond = rates[-1] / rates[0] * (rates[1] / rates[0])
    for _ in range(_SHIFTS):
        place = int(np.argmin(costs))
        if np.isfinite(costs[place]) and 0 < place < len(rates) - 1:
            break
        if place == 0:  # also where none ends in a number
            more = rates[:_RATES] / beyond
            rates, costs = np.append(more, rates), np.append(trials.costs(more, length), costs)
        else:
            more = rates[-_RATES:] * beyond
            rates, costs = np.append(rates, more), np.append(costs, trials.costs(more, length))
    if np.isfinite(costs[-1]) and int(np.argmin(costs)) == len(rates) - 1:
        raise ValueError(f"the larger the rate the lower the cost, up to {rates[-1]:.2g}: the cost has no bound")
    return rates, costs, length * len(rates)


def _smoothed(costs: np.ndarray) -> np.ndarray:
    """The median of each and its two neighbours: one low cost among high ones is luck."""
    wide = np.pad(costs, 1, mode="edge")
    return np.asarray(np.median([wide[:-2], wide[1:-1], wide[2:]], axis=0))


def _length(trials: Trials, share: float) -> int:
    return max(_FEWEST, round(share * trials.last))
