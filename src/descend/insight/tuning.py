"""Several numbers of a method without guessing: many short runs, of which the better ones are made longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.descent import Outcome, Run, minimize
from descend.descent.engine import NOT_FINITE
from descend.descent.lanes import repeated, run_lanes
from descend.descent.options import last_step, ready
from descend.descent.outcome import margin
from descend.descent.report import described
from descend.fields import Range, nearest
from descend.insight.stationary import sobol
from descend.methods import Rule, as_rule
from descend.objectives.function import prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of

__all__ = ["Tuned", "tune"]

_ONE_OF = 4  # so many runs of a stage one goes on, so many times as long (η)
_STAGES = 3  # with more of them the first runs are too short to tell: large steps fall fast and then bounce


@dataclass(frozen=True)
class Tuned:
    """The best numbers, and how they were found.

    Attributes
    ----------
    method
        The method with them.
    run
        The run of all steps with it.
    names
        Of the numbers that were tuned, in the order of the columns of `values`.
    values
        The numbers that were tried, shape (trials, names).
    costs, steps
        The cost where the longest run of each trial ended (infinite where it diverged), and how long it was; (trials,).
    cost
        Steps made for the search, as a share of those of all trials at full length.
    """

    method: Rule
    run: Run
    names: tuple[str, ...]
    values: np.ndarray
    costs: np.ndarray
    steps: np.ndarray
    cost: float

    def plot(self) -> Any:
        """A figure: the cost against each number, longer runs darker, with what was found."""
        from descend import plots

        return plots.tuned(self)

    def __str__(self) -> str:
        """The finding in one sentence."""
        return (
            f"{described(self.method)}: {self.run.fun:.6g} after {self.run.nit:,} steps (of {len(self.values)} trials, "
            f"with {100 * self.cost:.0f} % of the steps of all at full length)"
        )


def tune(
    objective: Callable[..., Any] | str,
    x0: Any,
    method: Any,
    space: Mapping[str, Any],
    *,
    steps: int = 1_000,
    trials: int = 256,
    seed: int = 0,
    maximize: bool = False,
) -> Tuned:
    """The numbers of a method with which it gets lowest in so many steps, by successive halving.

    All trials run for a sixteenth of the steps, at once; the best quarter of them runs again for a quarter of the
    steps, and the best quarter of these for all. That costs a fifth of running all.

    Parameters
    ----------
    objective, x0, maximize
        As in `minimize`; None for the start of a landscape.
    method
        A method with its other numbers, or its class: `Adam`, `Momentum(mu=0.5)`, `ClipNorm(Adam(), 1.0)`.
    space
        Name → (low, high), or an array or list of values to choose from: `{"lr": (1e-4, 1), "beta1": [0, 0.9, 0.99]}`.
        Names are those of `sweep`. Values are drawn by ratios where low > 0; of numbers below 1, such as a decay, by
        ratios of 1 - value.
    steps
        The length of the runs for which the numbers shall be good.
    trials
        So many sets of numbers (rounded up to a power of two), evenly spread over the space.
    seed
        Of the draw.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense, or no trial got below the cost at the start; the message says what came and the cure.

    Source: Jamieson & Talwalkar (2016), AISTATS; Sobol points.
    """
    rule: Rule = as_rule(method() if isinstance(method, type) and issubclass(method, Rule) else method)
    if isinstance(trials, bool) or not isinstance(trials, int | np.integer) or trials < _ONE_OF:
        raise ValueError(f"trials must be a whole number >= {_ONE_OF}, got {trials!r}")
    last = last_step(None, steps, None)
    if last < 1:
        raise ValueError(f"steps must be a whole number >= 1, got {steps!r}")
    objective, x0, in_words = named(objective, x0)
    x0 = as_parameters(x0)
    problem = prepare(objective, x0, maximize=maximize, written_in_words=in_words)
    names, values = _drawn(rule, space, trials, seed)
    ready(_with(rule, names, values[0]), None, x0)
    first = problem.value(x0)
    worst = first + margin(first, dtype_of(x0), None)

    def run_of(kept: np.ndarray, length: int) -> np.ndarray:
        starts = repeated(x0, len(kept))
        ends = run_lanes(problem, None, _with(rule, names, values[kept].T), names, starts, -1.0, rows=2, last=length)
        found = ends.last[:, 0]
        return np.where((ends.code == NOT_FINITE) | ~(found <= worst), np.inf, found)

    kept, made = np.arange(len(values)), 0
    costs, lengths = np.full(len(values), np.inf), np.zeros(len(values), int)
    for stage in reversed(range(_STAGES)):
        length = max(1, last // _ONE_OF**stage)
        costs[kept], lengths[kept] = run_of(kept, length), length
        made += length * len(kept)
        kept = kept[np.argsort(costs[kept], kind="stable")][: max(1, len(kept) // _ONE_OF)]
    best = _with(rule, names, values[kept[0]])
    run = minimize(objective, x0, best, steps=steps, maximize=maximize, progress=False)
    if not np.isfinite(costs[kept[0]]) or run.outcome is Outcome.DIVERGED:
        raise ValueError(
            f"none of {len(values)} trials ends below the cost at the start, {problem.sign * first:.6g}: take lower "
            "rates into the space"
        )
    made += run.nit
    return Tuned(best, run, names, values, problem.sign * costs, lengths, made / (last * len(values)))


def _drawn(rule: Rule, space: Mapping[str, Any], trials: int, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    known = {name: legal for name, value, legal in rule.numbers() if np.ndim(value) == 0 and not legal.any_rank}
    if not isinstance(space, Mapping) or not space:
        raise ValueError(f'space must name what is to be tuned, {{"lr": (1e-4, 1.0)}}, got {space!r}')
    for name in space:
        if name not in known:
            raise ValueError(
                f"{rule!r} has no number {name!r}; it has {', '.join(known)}.{nearest(str(name), list(known))}"
            )
    unit = sobol([(0.0, 1.0)] * len(space), trials, seed)
    columns = [_placed(name, known[name], wish, u) for (name, wish), u in zip(space.items(), unit.T, strict=True)]
    return tuple(space), np.column_stack(columns)


def _placed(name: str, legal: Range, wish: Any, unit: np.ndarray) -> np.ndarray:
    """Numbers of [0, 1) as values of a hyperparameter."""
    if not isinstance(wish, tuple):
        choices = np.asarray(wish, float)
        if choices.ndim != 1:
            raise ValueError(f"{name}: give (low, high), or a list of values, got {wish!r}")
        legal.check(name, choices)
        return np.asarray(choices[(unit * len(choices)).astype(int)])
    if len(wish) != 2:
        raise ValueError(f"{name}: a tuple is (low, high), got {wish!r}; values to choose from are a list")
    low, high = map(float, wish)
    legal.check(name, np.array([low, high]))
    if not low < high:
        raise ValueError(f"{name}: low must be below high, got {wish!r}")
    if legal.high == 1 and high < 1:
        values = 1 - (1 - low) * ((1 - high) / (1 - low)) ** unit
    elif low > 0:
        values = low * (high / low) ** unit
    else:
        values = low + (high - low) * unit
    return np.asarray(np.round(values) if legal.whole else values)


def _with(rule: Rule, names: tuple[str, ...], values: Any) -> Rule:
    return rule.with_numbers(dict(zip(names, values, strict=True)).get)
