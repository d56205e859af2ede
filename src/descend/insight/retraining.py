"""Short trainings of what was trained, with one thing changed."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from descend.descent import Outcome
from descend.insight.changed_schedules import has_decayed
from descend.insight.compilers import seconds_of_compilers
from descend.insight.diagnosis import Trial
from descend.methods import Rule
from descend.models.history import History
from descend.models.linear import LinearModel
from descend.models.rows import rows_of

__all__ = [
    "CLEARLY",
    "FEW_LOOKS",
    "FEW_STEPS",
    "FOUND",
    "LEFT",
    "MATTERS",
    "MUCH",
    "REST",
    "STEPS",
    "Retraining",
    "largest",
    "settled",
    "told",
]

FEW_STEPS = 1_000  # of which training in batches usually makes more
FEW_LOOKS = 7  # looks at the loss: the start and up to five epochs

_SECONDS = 2.0  # that all trials together may take, or as long as training took
_MOST_COMPILING = 8.0  # seconds of compilers that are not counted among them
_MOVED = 1e-9  # share of what was learnt, by which the loss of training that has settled moves at most
_TRIALS = 8  # so many are to find room in the time that training took
_ROWS, STEPS = 50_000, 5_000  # in batches, on all rows: that one trial may go through in any case
_HELD_OUT = 0.25  # share of the rows, where it is asked whether what is learnt holds for others
_HOLDS = 0.01  # share by which the loss of rows held out must become lower, where there are any
MATTERS = 0.02  # share of all that was gained, from which on a gain counts
MUCH = 0.3  # share of what could have been gained
CLEARLY = 0.9  # of a loss: from there on another is lower by more than a trifle
FOUND = 0.9  # share of the loss of a constant, below which something is learnt
LEFT = 0.05  # share of the loss of a constant, or at the start: much is left to learn
REST = 0.005  # share of the loss at the start: what is left is no trifle
_OF_REST, _OF_REST_OF_LINEAR = 0.2, 0.05  # and this is much of it; of a linear model one expects the best there is


class Retraining(ABC):
    """Short trainings of what was trained, with one thing changed."""

    model: Any = None  # the estimator; None where a function of one's own was trained

    def __init__(
        self, history: History, outcome: Outcome, method: Any, rows: int, batch_size: int | None, asked: int
    ) -> None:  # fmt: skip
        self.history, self.outcome, self.method = history, outcome, method
        self.batch_size, self.in_batches = batch_size, batch_size is not None
        self._rows = rows
        made = float(history.epoch[-1])
        self.whole = asked if outcome is Outcome.DIVERGED else max(1, round(made))  # epochs of a training
        self._begin, self._compiled_before = time.perf_counter(), seconds_of_compilers()
        self._lasts = max(_SECONDS, float(history.seconds[-1]))
        room = _ROWS / rows if self.in_batches else STEPS
        lasts = max(float(history.seconds[-1]), 1e-9) * self.whole / max(made, 1.0)
        in_time = 1.0 if self.in_batches else max(1.0, _SECONDS / lasts) / _TRIALS
        share = min(in_time, max(1 / _TRIALS, min(1.0, room / self.whole)))
        self.epochs = max(1, round(share * self.whole))
        self.made, self.was_cut, self.lowest = 0, False, np.inf
        self._made_before: dict[Any, tuple[dict[str, Any], History | None]] = {}
        self.was_of_rows_alone = False  # whether what the last trial has learnt did not hold for the rows held out

    @abstractmethod
    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        """A training from the start, or from where training ended with the method begun anew."""

    @abstractmethod
    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """What may make it learn where it does not for what it is, or for where it began: the cure, and the changes."""

    @property
    def parameters(self) -> Any:
        """Those that training began with, or any that stand for them."""
        return np.zeros(2)

    @property
    def unreached(self) -> list[str]:
        """The parameters that no gradient reaches, by name, as far as that is known."""
        return []

    @property
    def is_deep(self) -> bool:
        """Whether it is known for a network of several layers, which may learn nothing for where it began."""
        return False

    @property
    def never_reached(self) -> list[str]:
        """Those on which the loss depends, and that no gradient reaches at the start or elsewhere either."""
        return []

    @property
    def dead(self) -> list[str]:
        """Those that no gradient reaches where training has ended, though it does elsewhere: their units are off."""
        return []

    @property
    def stuck(self) -> list[str]:
        """Those of the dead that have not moved at all; others may have arrived where there is no slope."""
        return []

    @property
    def lost(self) -> list[str]:
        """The parameters whose gradient is not finite at the start, by name, as far as that is known."""
        return []

    @property
    def knows_rows_held_out(self) -> bool:
        """Whether it knows more of rows held out than chance, as far as that is known."""
        return True

    @property
    def false_slopes(self) -> dict[str, float]:
        """A slope by differences of the loss that the gradient does not have, as evidence, as far as that is known."""
        return {}

    @abstractmethod
    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """What brings columns of different scale to one, where they are not: the cure, and the changes."""

    @abstractmethod
    def largest_columns(self) -> dict[str, str]:
        """The columns whose numbers are largest, where columns differ in scale, as evidence."""

    def anew(self, **changes: Any) -> History | None:
        """The history of a training from the start; None where it diverges, cannot be made, or time is up."""
        return self._remembered(changes, onward=False)

    def onward(self, **changes: Any) -> History | None:
        """The history of going on from where training ended, the method begun anew."""
        return self._remembered(changes, onward=True)

    def _remembered(self, changes: dict[str, Any], *, onward: bool) -> History | None:
        """What a trial has come to: it is made once, however many ask for it."""
        plain = int | float | str | type | None | Rule
        key = onward, tuple((name, repr(v) if isinstance(v, plain) else id(v)) for name, v in changes.items())
        if key in self._made_before:
            return self._made_before[key][1]
        tried = self._tried(changes, onward=onward)
        if not self.was_cut:
            self._made_before[key] = changes, tried  # with the changes, so that no other array gets their id
        return tried

    def _tried(self, changes: dict[str, Any], *, onward: bool) -> History | None:
        if self.made > 1 and self._elapsed > self._lasts:
            self.was_cut = True
            return None
        self.made, self.was_of_rows_alone = self.made + 1, False
        outcome, history = self._quietly(changes, onward=onward)
        if outcome is Outcome.INTERRUPTED:  # the trial has caught Ctrl-C, which was meant for all of this
            raise KeyboardInterrupt
        if history is None or outcome is Outcome.DIVERGED or not np.isfinite(history.loss[-1]):
            return None
        self.was_of_rows_alone = not self._holds_elsewhere(history)
        if self.was_of_rows_alone:
            return None
        self.lowest = min(self.lowest, float(history.loss[-1]))
        return history

    def as_before(self) -> History | None:
        """The history of going on as before, whatever rows held out say of it; None where it diverges."""
        outcome, history = self._quietly({"method": self.method}, onward=True)
        is_lost = history is None or outcome is Outcome.DIVERGED or not np.isfinite(history.loss[-1])
        return None if is_lost else history

    @property
    def _elapsed(self) -> float:
        """Seconds since the first trial, without those of compilers."""
        compiling = min(seconds_of_compilers() - self._compiled_before, _MOST_COMPILING)
        return time.perf_counter() - self._begin - compiling

    def has_time_for(self, epochs: int) -> bool:
        """Whether so many epochs would end in time."""
        of_each = np.diff(self.history.seconds) / np.diff(self.history.epoch)  # the first of them compiles
        return self._elapsed + epochs * float(np.median(of_each)) < self._lasts

    def _holds_elsewhere(self, tried: History) -> bool:
        """Whether what a trial has learnt holds for the rows held out, too; true where there are none."""
        before, after = self.history.validation, tried.validation
        if not (np.isfinite(before).any() and np.isfinite(after).any()):
            return True
        lowest = float(np.nanmin(before))
        return bool(after[-1] < lowest - _HOLDS * abs(lowest))

    def _quietly(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome | None, History | None]:
        """How a training ended, and its history; None where it cannot be made."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return self._made({"epochs": self.epochs, **changes}, onward=onward)
            except (ValueError, TypeError):
                return None, None

    @property
    def gained(self) -> tuple[float, float, float]:
        """The loss at the start, that of the parameters that were kept, and what was gained."""
        loss, validation = self.history.loss, self.history.validation
        was_stopped = self.outcome in {Outcome.CONVERGED, Outcome.STALLED} and np.isfinite(validation).any()
        end = float(loss[int(np.nanargmin(validation)) if was_stopped else -1])
        return float(loss[0]), end, max(float(loss[0]) - end, 0.0)

    @property
    def many_more(self) -> int:
        """The epochs of `FEW_STEPS` steps."""
        steps, epochs = float(self.history.steps[-1]), float(self.history.epoch[-1])
        return int(np.ceil(epochs * FEW_STEPS / max(steps, 1)))

    @cached_property
    def won_by_many_more(self) -> float | None:
        """The share of the loss that going on for `FEW_STEPS` steps would win; None where that is not known."""
        more, end = self.onward(epochs=self.many_more), self.gained[1]
        if more is None:
            return 0.0 if self.was_of_rows_alone else None
        return (end - settled(more)) / end if end > 0 else None

    def more_holds(self, more: int, by: float = _HOLDS) -> bool:
        """Whether so many more epochs lower the loss of rows held out by a share, too; true where that is not known."""
        if np.isfinite(self.history.validation).any():  # then each trial is judged by them
            return True
        as_many_steps = 1 / (1 - _HELD_OUT) if self.in_batches else 1.0  # of fewer rows
        tried = self.anew(epochs=round(as_many_steps * (self.whole + more)), validation=_HELD_OUT)
        if tried is None:
            return True
        then = min(int(np.searchsorted(tried.epoch, as_many_steps * self.whole)), len(tried) - 2)
        return bool(np.nanmin(tried.validation[then + 1 :]) < (1 - by) * tried.validation[then])

    def holds_for_others(self, **changes: Any) -> bool:
        """Whether with something changed a training is better on rows held out, too; false where that is not known."""
        if np.isfinite(self.history.validation).any():  # then each trial is judged by them
            return True
        same, changed = (self.anew(**{"epochs": self.whole, "validation": _HELD_OUT, **made}) for made in ({}, changes))
        if same is None or changed is None:
            return False
        return bool(changed.validation[-1] < (1 - _HOLDS) * same.validation[-1])

    @property
    def has_noise(self) -> bool:
        """Whether a batch is less than all rows."""
        return self.batch_size is not None and self.batch_size < self._rows

    @property
    def has_decayed(self) -> bool:
        """Whether a schedule took the rate down."""
        rates = self.history.rate[np.isfinite(self.history.rate)]
        return bool(len(rates)) and has_decayed(rates, float(rates.max()))

    @property
    def is_restless(self) -> bool:
        """Whether it was stopped because the validation loss rose, and the training loss with it."""
        return self.outcome is Outcome.STALLED and self.in_batches

    @property
    def is_at_rest(self) -> bool:
        """Whether it ended by itself on all rows, and would again."""
        return self.outcome is Outcome.STALLED and not self.in_batches

    @property
    def has_settled(self) -> bool:
        """Whether on all rows the loss has not moved any more at the end."""
        late = self.history.loss[-max(2, len(self.history) // 10) :]
        return not self.in_batches and float(np.ptp(late)) <= _MOVED * abs(float(self.history.loss[0] - late[-1]))

    @property
    def level(self) -> float:
        """The loss of what has learnt nothing."""
        first = np.searchsorted(self.history.epoch, 1.0)
        return float(np.min(self.history.loss[: first + 1]))

    def lowest_on_the_way(self, **changes: Any) -> float:
        """The lowest loss of a training from the start, also of one that diverges; infinite where it cannot be made."""
        _, history = self._quietly(changes, onward=False)
        return np.inf if history is None else float(np.nanmin(history.loss))

    def is_much_of_rest(self, won: float) -> bool:
        """Whether so much is a large share of the loss that is left, and that is no trifle."""
        start, end = float(self.history.loss[0]), float(self.history.loss[-1])
        share = _OF_REST_OF_LINEAR if isinstance(self.model, LinearModel) else _OF_REST
        return won > share * end and end > REST * start

    def is_much_of_learnt(self, won: float) -> bool:
        """Whether a linear model would learn so much more that it matters beside what it knows, and what is left."""
        end = float(self.history.loss[-1])
        return isinstance(self.model, LinearModel) and won > max(MATTERS * (self.level - end), REST * end)

    def is_much_of_a_signal(self, before: float, after: float) -> bool:
        """Whether so much more is learnt that it is much of what can be, and more than chance; false if not known."""
        return False

    def losses_beside(self, tried: History) -> dict[str, float]:
        """The loss at the end, and where it was when a shorter trial had ended, as evidence."""
        end, then = float(self.history.loss[-1]), self.beside(tried)
        return {"loss": end} | ({} if then == end else {f"loss after {tried.epoch[-1]:,.4g} epochs": then})

    def beside(self, tried: History) -> float:
        """What training had come to in as many epochs as a trial; at its end, where the trial came to rest itself."""
        epochs = float(tried.epoch[-1])
        came_to_rest = not self.in_batches and epochs < self.epochs
        row = int(np.searchsorted(self.history.epoch, np.inf if came_to_rest else epochs, side="right")) - 1
        return float(self.history.loss[max(row, 0)])


def told(history: History, before: float, more: str = "") -> Trial:
    """How a trial ended, beside the loss that there was; `more` says how, where it went on from the end."""
    epochs = float(history.epoch[-1])
    count = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.3g}"
    how = more or "from the start"
    made = f"1 epoch {how} ends" if epochs == 1 else f"{count} epochs {how} end"
    return Trial(f"{made} at loss {history.loss[-1]:.4g}, where it was {before:.4g}", history, bool(more))


def settled(history: History) -> float:
    """The loss at the end, in the middle of the last looks: a low one among high ones is luck."""
    return float(np.median(history.loss[-max(1, len(history) // 4) :]))


def largest(table: Any, names: Any) -> dict[str, str]:
    """The columns whose numbers are largest, as evidence."""
    found = rows_of(table, np.zeros(table.shape[0])).moments().largest(names)
    return {"largest columns": found} if found else {}
