"""Many short runs of one objective, each with other numbers of its method, judged by the cost of all data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.arguments import whole
from descend.descent import Run, minimize
from descend.descent.engine import NOT_FINITE
from descend.descent.lanes import repeated, run_lanes
from descend.descent.options import last_step, ready, samples, sampling_of
from descend.descent.outcome import gradient_scale, margin
from descend.descent.sampling import as_data
from descend.descent.watch import Tolerances
from descend.insight.changed_methods import at_pace, rates_in
from descend.insight.trials import rises
from descend.methods import Rule
from descend.objectives.function import prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of, from_vector

__all__ = ["Ended", "ShortRuns", "is_steady", "rate_of", "with_values"]

_FEW = 12  # looks at the cost
_NEARLY_ALL = 0.9
_BOUNCES = 0.2  # share of the moves of the cost at the end of a run that go up, from which on it bounces


class Ended(NamedTuple):
    """How a run of all steps ended, or a training."""

    cost: float  # as it is minimised; infinite where it diverged
    steps: int
    made: Any  # the Run, or the fitted model
    message: str
    costs: np.ndarray  # on the way

    @property
    def bounces(self) -> bool:
        """Whether at the end the cost goes up as well as down, or may do so: few looks do not tell."""
        return len(self.costs) < _FEW or rises(self.costs[-(len(self.costs) // 4) :]) > _BOUNCES

    @property
    def arrival(self) -> float:
        """After which share of its looks the cost was as low as it stays: as nearly all of their last quarter.

        Of two looks in a row the mean counts: what goes to and fro is low at every other one long before.
        """
        costs = (self.costs[:-1] + self.costs[1:]) / 2 if len(self.costs) > 1 else self.costs
        level = np.quantile(costs[-max(1, len(costs) // 4) :], _NEARLY_ALL)
        return float(np.argmax(costs <= level)) / len(costs)


class ShortRuns:
    """Runs of an objective from one start, on the same batches; the arguments are those of `minimize`.

    Attributes
    ----------
    last
        The steps of a run of all steps.
    first, worst
        The cost at the start, as it is minimised; and that beyond which a whole run has diverged.
    problem, x0
        What is minimised, and from where.
    samples
        Whether each step sees a batch.
    """

    def __init__(
        self,
        objective: Callable[..., Any] | str,
        x0: Any,
        *,
        steps: int | None,
        maximize: bool = False,
        data: Any = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        seed: int = 0,
    ) -> None:
        objective, x0, in_words = named(objective, x0)
        self.x0 = as_parameters(x0)
        parts = as_data(data, self.x0) if data is not None else ()
        self._sampling = sampling_of(parts, batch_size, epochs, seed)
        self.last = last_step(self._sampling, 1_000 if steps is None and epochs is None else steps, epochs)
        whole("steps", self.last)
        self.problem = prepare(objective, self.x0, maximize=maximize, data=parts, written_in_words=in_words)
        self.first, slope = self.problem.value_and_grad(self.x0, *parts)
        self.worst = self.first + margin(self.first, dtype_of(self.x0))
        self._objective = objective
        self.samples = samples(self._sampling)
        scale = gradient_scale(self.problem, self.x0, slope)
        self._small = -1.0 if self.samples else Tolerances(None, None, None).gradient(dtype_of(self.x0), scale)
        self._options = {"maximize": maximize, "data": data, "batch_size": batch_size, "seed": seed}

    def check(self, rule: Rule) -> None:
        """Raise where the rule makes no sense for these runs."""
        ready(rule, self._sampling, self.x0)

    def costs(self, rule: Rule, names: Sequence[str], values: np.ndarray, length: int) -> np.ndarray:
        """The cost, as it is minimised, after so many steps with each row of numbers; infinite where it is no number.

        `values` has shape (runs, names). A short run with a cost above `worst` may still come down. A schedule goes as
        much faster as the run is shorter.
        """
        rule = at_pace(rule, length / self.last)
        made = run_lanes(
            self.problem, self._sampling, with_values(rule, names, values.T), names,
            repeated(self.x0, len(values)), self._small, rows=2, last=length,
        )  # fmt: skip
        found = made.last[:, 0]
        if self.samples:  # there it is the cost of a batch
            found = np.array([self.problem.value(from_vector(x, self.x0), *self.problem.data) for x in made.x], float)
        return np.where((made.code == NOT_FINITE) | ~np.isfinite(found), np.inf, found)

    def whole(self, rule: Rule) -> Run:
        """The run of all steps."""
        return minimize(self._objective, self.x0, rule, steps=self.last, progress=False, **self._options)


def with_values(rule: Rule, names: Sequence[str], values: Any) -> Rule:
    """The rule with other numbers, one for each name, or an array of them."""
    return rule.with_numbers(dict(zip(names, values, strict=True)).get)


def rate_of(rule: Rule) -> str:
    """The name of its learning rate.

    Raises
    ------
    TypeError
        It has none, or more than one.
    """
    names = [*rates_in(rule)]
    if len(names) != 1:
        has = f"has {len(names)}, {', '.join(names)}" if names else "has none"
        raise TypeError(f"find_lr is for a method that has one learning rate; {rule!r} {has}")
    return names[0]


def is_steady(rate: str) -> bool:
    """Whether the rate of that name, see `rate_of`, is the same at all steps: that of a schedule is one inside lr."""
    return not rate.endswith("lr.lr")
