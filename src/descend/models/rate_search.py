"""The search for the rate of a training: short ones on some of the rows, one for each rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from descend.models.trainers import Trainer
from descend.models.training import some_of

__all__ = ["RateSearch"]

_TRIED = 1_024  # steps for which each rate is tried at least, and rows on which it is judged
_FEWEST_STEPS = 30  # for each rate
_BETTER = 0.01  # share by which the loss must be lower with another rate
_FINER = 10 ** (1 / 3)  # the rates that are tried around the best of the decades
_BUDGET = 4_096  # rows for each rate, in several passes where there are few
_FEW, _PASSES, _ORDERS = 300, 10, 3  # rows; how often, and in how many orders they are gone through: the worst counts
_MOST_DECADES = 30
_LEAST = 1e-30
_STILL = 1e-3  # share of the loss by which it is still the same: so small a rate does nothing
_LEAP, _SEEN = 3.0, 1_024  # times the first loss after one step, which is too far; seen on so many rows at most
_PARTS = 16  # of rows that come once, before each of which the loss is looked at
_OUTLIERS, _ROUNDS = 32, 10  # rows that lie furthest, and how often they come
_SPREAD_OF = 65_536  # rows whose targets tell the scale of the rates


@dataclass(frozen=True)
class RateSearch:
    """Short trainings on rows, which tell with what rate they are learnt.

    Attributes
    ----------
    trainer_at
        (rate, rows) → a trainer, at its start, for these rows.
    rows
        Rows or Samples.
    batch_size
        Of the training to come.
    measure
        (parameters, rows) → the mean loss of these rows.
    seed
        Of the draws of rows and of their orders.
    """

    trainer_at: Callable[[float, Any], Trainer]
    rows: Any
    batch_size: int
    measure: Callable[[np.ndarray, Any], float]
    seed: int

    def best(self, equal: float = 0.0, wide: int = 0) -> float:
        """The rate with which a pass over some rows leaves the lowest loss on others.

        Of few rows all are gone through, several times and in several orders, and the loss is that of these rows. So
        it is where no rate betters the loss of others.

        Rates whose loss is larger by no more than the share `equal` of the lowest count as equal, and the largest is
        taken; where it is 0, a larger rate must be better by a hundredth of the loss, or of what is gained: to an
        adaptive method all large rates may be the same in the end. Tried is one rate a decade, from far too small to
        far too large for the scale of the target, then around the best. With `wide`, the rate found is made smaller
        until what is learnt with it does no harm on so many rows, of which a few may be far from all others.
        """
        are_few = len(self.rows) < _FEW  # then they are judged on what they learn: the rest would tell little
        most = len(self.rows) if are_few else len(self.rows) * 2 // 3
        count = min(max(_BUDGET, _TRIED * min(self.batch_size, 32)), most)
        size = min(self.batch_size, count)
        order = some_of(len(self.rows), min(count + _TRIED, len(self.rows)), self.seed)
        tried = self.rows.taken(order[:count])
        judged = tried if are_few else self.rows.taken(order[count:])
        decades = self._decades()

        @cache
        def learnt(lr: float, number: int) -> np.ndarray:
            trainer = self.trainer_at(lr, tried)
            if are_few:  # a trial is a training like that to come
                draw = np.random.default_rng([self.seed, number])
                passes = _PASSES if size < count else _FEWEST_STEPS
                order = np.concatenate([draw.permutation(count) for _ in range(passes)])
            else:
                budget = _BUDGET if trainer.is_compiled else _BUDGET // 8
                order = np.tile(np.arange(count), max(1, budget // count, _FEWEST_STEPS * size // count))
            trainer.run(tried, order, size)
            return trainer.weights

        def left(lr: float, number: int, some: Any) -> float:
            loss = self.measure(learnt(lr, number), some)
            return loss if np.isfinite(loss) else np.inf

        @cache
        def cost(lr: float) -> float:
            return max(left(lr, number, judged) for number in range(_ORDERS if are_few else 1))

        start = self.trainer_at(decades[0], tried).weights
        if not min(map(cost, decades)) < self.measure(start, judged):  # what is learnt says nothing of other rows
            judged = tried
            cost.cache_clear()
        best = _best_of(decades, cost, self.measure(start, judged), equal)
        if are_few or wide <= len(judged) or not cost(best) < self.measure(start, judged):
            return best
        many = self.rows.taken(some_of(len(self.rows), min(wide, len(self.rows)), self.seed))
        before = self.measure(start, many)
        while best > _LEAST and not left(best, 0, many) < before:
            best /= _FINER
        return best

    def best_of_stream(self) -> float:
        """The rate with which rows that come once have the lowest loss before they are learnt.

        Source: Dawid (1984), "Present position and potential developments: the prequential approach", JRSS A 147.
        """
        count = min(len(self.rows), max(_BUDGET, _PARTS * self.batch_size))
        size = max(1, min(self.batch_size, count // _PARTS))
        edges = np.unique(np.linspace(0, -(-count // size), _PARTS + 1).round().astype(int) * size).clip(max=count)
        draw = np.random.default_rng(self.seed)
        orders = [self.rows.taken(draw.permutation(count)) for _ in range(_ORDERS)]
        parts = [[tried.taken(np.arange(*ends)) for ends in pairwise(edges)] for tried in orders]

        @cache
        def cost(lr: float) -> float:
            total = 0.0
            for tried, those in zip(orders, parts, strict=True):
                trainer = self.trainer_at(lr, tried)
                for part, ends in zip(those, pairwise(edges), strict=True):
                    total += len(part) * self.measure(trainer.weights, part)
                    trainer.run(tried, np.arange(*ends), size)
            return total / (count * _ORDERS) if np.isfinite(total) else np.inf

        decades = self._decades()
        start = self.trainer_at(decades[0], self.rows).weights
        return _best_of(decades, cost, float(np.mean([self.measure(start, tried) for tried in orders])))

    def without_a_leap(self, lr: float) -> float:
        """The rate, halved until the first step, made on the first rows, does not multiply the loss of many.

        An adaptive method may find back from far away; that is no way to begin.
        """
        few = self.rows.taken(np.arange(min(_SEEN, len(self.rows))))
        size = min(self.batch_size, len(few))
        before = self.measure(self.trainer_at(lr, few).weights, few)

        def leaps() -> bool:
            trainer = self.trainer_at(lr, few)
            trainer.run(few, np.arange(size), size)
            return not self.measure(trainer.weights, few) <= before + _LEAP * abs(before)

        while lr > _LEAST and leaps():
            lr /= 2
        return lr

    def without_an_explosion(self, lr: float, rows: Any, sizes: np.ndarray) -> float:
        """The rate, made smaller until those of these rows that lie furthest, by their `sizes`, are learnt.

        A row of a rare class may be a thousand times as large as others, and few rows that are tried hold one. Each
        comes again and again, in a batch with others, as in training.
        """
        size = min(self.batch_size, len(rows))
        far = np.argsort(sizes)[-_OUTLIERS:]
        draw = np.random.default_rng(self.seed)
        order = draw.integers(0, len(rows), (_ROUNDS * len(far), size))
        order[:, 0] = np.tile(far, _ROUNDS)
        used, order = np.unique(order, return_inverse=True)
        some, outliers = rows.taken(used), rows.taken(far)
        before = self.measure(self.trainer_at(lr, some).weights, outliers)

        def explodes() -> bool:
            trainer = self.trainer_at(lr, some)
            trainer.run(some, order.reshape(-1), size)
            return not self.measure(trainer.weights, outliers) <= before

        while lr > _LEAST and explodes():
            lr /= _FINER
        return lr

    def _decades(self) -> list[float]:
        """One rate a decade, from far too small to far too large for the scale of the target."""
        spread = float(np.std(self.rows.y[:_SPREAD_OF])) or 1.0
        low, high = np.log10(1e-5 * min(1.0, spread)), np.log10(10 * max(1.0, spread))
        decades: list[float] = (10.0 ** np.linspace(low, high, 1 + round(high - low))).tolist()
        return decades


def _best_of(decades: list[float], cost: Callable[[float], float], before: float, equal: float = 0.0) -> float:
    """The rate with the lowest cost, which was `before` at the start, among the decades and then around the best."""

    def is_still(lr: float) -> bool:
        return abs(cost(lr) - before) <= _STILL * abs(before)

    while not min(map(cost, decades[1:])) < min(before, cost(decades[0])) and not all(map(is_still, decades[:2])):
        decades = [decades[0] / 10, *decades]  # columns that are not scaled may want a much smaller rate
        if len(decades) > _MOST_DECADES:
            break
    lowest = min(map(cost, decades))
    if not lowest < before:  # there is nothing to learn: any rate that does no harm
        return max((lr for lr in decades if cost(lr) <= before + _BETTER * abs(before)), default=decades[0])
    worth = _BETTER * max(0.0, min(abs(lowest), before - lowest))
    best = next(lr for lr in decades if cost(lr) <= lowest + worth)
    for factor in (_FINER, 1 / _FINER):
        while best * factor <= decades[-1] and cost(best * factor) < cost(best) - worth:
            best *= factor
    good_enough = cost(best) + equal * abs(cost(best))
    while equal and best * _FINER <= decades[-1] and cost(best * _FINER) <= good_enough:
        best *= _FINER
    return best
