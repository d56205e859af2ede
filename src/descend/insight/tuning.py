"""Several numbers of a method without guessing: many short runs, of which the better ones are made longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from descend.arguments import whole
from descend.descent import Outcome, Run
from descend.descent.report import described
from descend.fields import Range, nearest
from descend.insight.short_runs import ShortRuns, with_values
from descend.insight.stationary import sobol
from descend.methods import Rule, as_rule
from descend.sentences import counted

__all__ = ["Tuned", "tune"]

_ONE_OF = 4  # so many runs of a stage one goes on, so many times as long (η)
_A_ROUND = 16  # trials of Optuna at once
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

    def __repr__(self) -> str:
        """The finding in one sentence."""
        return (
            f"{described(self.method)}: {self.run.fun:.6g} after {counted(self.run.nit, 'step')} "
            f"(of {len(self.values)} trials, with {100 * self.cost:.0f} % of the steps of all at full length)"
        )


def tune(
    objective: Callable[..., Any] | str,
    x0: Any,
    method: Any,
    space: Mapping[str, Any],
    *,
    steps: int | None = None,
    trials: int = 256,
    seed: int = 0,
    maximize: bool = False,
    data: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    engine: str = "halving",
    storage: str | None = None,
) -> Tuned:
    """The numbers of a method with which it gets lowest in so many steps, by successive halving.

    All trials run for a sixteenth of the steps, at once; the best quarter of them runs again for a quarter of the
    steps, and the best quarter of these for all. That costs a fifth of running all.

    Parameters
    ----------
    objective, x0, maximize, data, batch_size, epochs
        As in `minimize`; None for the start of a landscape. All trials see the same batches, and are judged by the
        cost of all data.
    method
        A method with its other numbers, its class or its name: `Adam`, `Momentum(mu=0.5)`, `ClipNorm(Adam(), 1.0)`.
    space
        Name → (low, high), or an array or list of values to choose from: `{"lr": (1e-4, 1), "beta1": [0, 0.9, 0.99]}`.
        Names are those of `sweep`. Values are drawn by ratios where low > 0; of numbers below 1, such as a decay, by
        ratios of 1 - value.
    steps
        The length of the runs for which the numbers shall be good; default 1,000, or `epochs`.
    trials
        So many sets of numbers: evenly spread over the space, and rounded up to a power of two, by halving; with
        Optuna in rounds of 16, each drawn where the rounds before were best.
    seed
        Of the draw, and of the batches.
    engine
        "halving", or "optuna" for spaces of many numbers (needs optuna): every trial runs for all steps.
    storage
        With Optuna: a file (SQLite) or the URL of a database, in which the trials are kept; a later call for the same
        objective, start, method, space and length goes on with them.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense, or no trial got below the cost at the start; the message says what came and the cure.

    Source: Jamieson & Talwalkar (2016), AISTATS; Sobol points. Optuna: Akiba et al. (2019), KDD.
    """
    if engine not in {"halving", "optuna"}:
        raise ValueError(f"engine must be 'halving' or 'optuna', got {engine!r}")
    if storage is not None and engine != "optuna":
        raise ValueError("storage is for engine='optuna': halving keeps nothing")
    rule = as_rule(method)
    whole("trials", trials, least=_ONE_OF)
    runs = ShortRuns(
        objective, x0, steps=steps, maximize=maximize, data=data, batch_size=batch_size, epochs=epochs, seed=seed
    )
    known = _tunable(rule, space)
    names, last = tuple(space), runs.last
    runs.check(with_values(rule, names, [_placed(n, known[n], space[n], np.zeros(1))[0] for n in names]))
    costs_of = partial(runs.costs, rule, names)
    if engine == "halving":
        values = _drawn(known, space, trials, seed)
        costs, lengths = _halved(values, costs_of, last)
    else:
        about = f"{rule!r}, {last:,} steps, cost {runs.first!r} at the start,"
        values, costs = _asked(known, space, trials, seed, storage, about, lambda rows: costs_of(rows, last))
        lengths = np.full(len(values), last)
    sign = runs.problem.sign
    costs = np.where(costs <= runs.worst, costs, np.inf)
    longest = np.where(lengths == lengths.max(), costs, np.inf)
    winner = int(np.argmin(longest))
    best = with_values(rule, names, values[winner])
    run = runs.whole(best)
    if not np.isfinite(costs[winner]) or run.outcome is Outcome.DIVERGED:
        raise ValueError(
            f"none of {len(values)} trials ends below the cost at the start, {sign * runs.first:.6g}: take lower "
            "rates into the space"
        )
    made = _steps_made(len(values), last) if engine == "halving" else last * len(values)
    return Tuned(best, run, names, values, sign * costs, lengths, (made + run.nit) / (last * len(values)))


def _lengths(last: int) -> list[int]:
    return [max(1, last // _ONE_OF**stage) for stage in reversed(range(_STAGES))]


def _steps_made(trials: int, last: int) -> int:
    return sum(length * max(1, trials // _ONE_OF**stage) for stage, length in enumerate(_lengths(last)))


def _halved(
    values: np.ndarray, costs_of: Callable[[np.ndarray, int], np.ndarray], last: int
) -> tuple[np.ndarray, np.ndarray]:
    """Costs and lengths of the longest run of each trial, by successive halving."""
    kept = np.arange(len(values))
    costs, lengths = np.full(len(values), np.inf), np.zeros(len(values), int)
    for length in _lengths(last):
        costs[kept], lengths[kept] = costs_of(values[kept], length), length
        kept = kept[np.argsort(costs[kept], kind="stable")][: max(1, len(kept) // _ONE_OF)]
    return costs, lengths


def _asked(
    known: Mapping[str, Range], space: Mapping[str, Any], trials: int, seed: int, storage: str | None, about: str,
    costs_of: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Numbers and costs of trials that Optuna asks for, in rounds that run as lanes of one call."""
    try:
        import optuna
    except ImportError:
        raise ImportError("engine='optuna' needs optuna: pip install 'descend[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = storage if storage is None or "://" in storage else f"sqlite:///{storage}"
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True), storage=place, study_name="descend",
        load_if_exists=True,
    )  # fmt: skip
    what = f"{about} {dict(space)!r}"
    if study.user_attrs.setdefault("what", what) != what:
        raise ValueError(
            f"{storage} holds trials of another objective, start, method, space or length: "
            f"{study.user_attrs['what']}; these are of {what}. Take another file"
        )
    study.set_user_attr("what", what)
    # Optuna draws from [0, 1): what a number of it stands for is the same with either engine.
    rounds = -(-trials // _A_ROUND)
    for _ in range(rounds):
        asked = [study.ask() for _ in range(_A_ROUND)]
        unit = [[trial.suggest_float(name, 0.0, 1 - 1e-9) for name in space] for trial in asked]
        for trial, cost in zip(asked, costs_of(_of_unit(known, space, np.array(unit))), strict=True):
            if np.isfinite(cost):
                study.tell(trial, float(cost))
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
    done = [t for t in study.trials if set(t.params) == set(space)]
    places = np.array([[trial.params[name] for name in space] for trial in done])
    return _of_unit(known, space, places), np.array([np.inf if t.value is None else t.value for t in done])


def _of_unit(known: Mapping[str, Range], space: Mapping[str, Any], unit: np.ndarray) -> np.ndarray:
    """Rows of numbers of [0, 1) as values of the hyperparameters."""
    return np.column_stack([_placed(name, known[name], space[name], u) for name, u in zip(space, unit.T, strict=True)])


def _tunable(rule: Rule, space: Mapping[str, Any]) -> dict[str, Range]:
    """Name → range of the numbers of a rule, among which those of the space must be."""
    known = {name: legal for name, value, legal in rule.numbers() if np.ndim(value) == 0 and not legal.any_rank}
    if not isinstance(space, Mapping) or not space:
        raise ValueError(f'space must name what is to be tuned, {{"lr": (1e-4, 1.0)}}, got {space!r}')
    for name in space:
        if name not in known:
            raise ValueError(
                f"{rule!r} has no number {name!r}; it has {', '.join(known)}.{nearest(str(name), list(known))}"
            )
    return known


def _drawn(known: Mapping[str, Range], space: Mapping[str, Any], trials: int, seed: int) -> np.ndarray:
    return _of_unit(known, space, sobol([(0.0, 1.0)] * len(space), trials, seed))


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
