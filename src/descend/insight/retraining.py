"""Why training ended as it did, found by training it again: for a moment, with one thing changed."""

from __future__ import annotations

import copy
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import numpy as np
from sklearn.base import clone

from descend.descent import Outcome
from descend.insight.chance import KNOWS, knows_nothing, loss_of_a_constant
from descend.insight.diagnosis import ENDLESS, Cause, Diagnosis
from descend.insight.rescaled import rates_in, rescaled
from descend.insight.slow import tires
from descend.insight.to_and_fro import RISING
from descend.insight.trials import FROZEN, calmer, highest_rate, lighter, rises, round_rate, with_rate
from descend.methods import Around, Averaged, Frozen, Method, Rule, method_named
from descend.methods.in_files import known
from descend.models.finite import finite_rows
from descend.models.history import History
from descend.models.linear import LinearModel
from descend.models.rows import rows_of
from descend.stepsizes.schedule import Schedule

__all__ = ["OfModel", "OfTraining", "explain_by_retraining"]

_SECONDS = 2.0  # that all trials together may take, or as long as training took
_FEW_LOOKS = 7  # looks at the loss: the start and up to five epochs
_TRIALS = 8  # so many are to find room in the time that training took
_ROWS, _STEPS = 50_000, 5_000  # in batches, on all rows: that one trial may go through in any case
_MATTERS = 0.02  # share of all that was gained, from which on a gain counts
_MUCH = 0.3  # share of what could have been gained
_L2 = 1e-4  # a penalty that gives a loss that falls for ever a lowest place
_HOLDS = 0.01  # share by which the loss of rows held out must become lower, where there are any
_HELD_UP = 0.05  # share of the loss that is left, by which the default on all rows must be lower
_ROWS_A_COLUMN = 5  # from so many on a lower loss is no overfitting
_LEFT, _FOUND = 0.05, 0.9  # shares of the loss of a constant: so much is left, and so much is learnt something
_LOST, _USUAL = 1e-6, (0.001, 0.1)  # a rate below that is far from those that are usual
_REST = 0.005  # share of the loss at the start: what is left is no trifle
_NOTHING = "no more than a prediction that is the same for all rows"
_OF_REST, _OF_REST_OF_LINEAR = 0.2, 0.05  # and this is much of it; of a linear model one expects the best there is


class Retraining(ABC):
    """Short trainings of what was trained, with one thing changed."""

    model: Any = None  # the estimator; None where a function of one's own was trained

    def __init__(self, history: History, outcome: Outcome, method: Any, rows: int, batch_size: int | None) -> None:
        self.history, self.outcome, self.method = history, outcome, method
        self.batch_size, self.in_batches = batch_size, batch_size is not None
        self._whole = max(1, round(float(history.epoch[-1])))
        self._ends = time.perf_counter() + max(_SECONDS, float(history.seconds[-1]))
        room = _ROWS / rows if self.in_batches else _STEPS
        lasts = max(float(history.seconds[-1]), 1e-9)
        in_time = 1.0 if self.in_batches else max(1.0, _SECONDS / lasts) / _TRIALS
        share = min(in_time, max(1 / _TRIALS, min(1.0, room / self._whole)))
        self.epochs = max(1, round(share * self._whole))
        self.made, self.was_cut, self.lowest = 0, False, np.inf

    @abstractmethod
    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        """A training from the start, or from where training ended with the method begun anew."""

    @abstractmethod
    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """What may make it learn where it does not for what it is, or for where it began: the cure, and the changes."""

    @property
    def unreached(self) -> list[str]:
        """The parameters that no gradient reaches, by name, as far as that is known."""
        return []

    @property
    def lost(self) -> list[str]:
        """The parameters whose gradient is not finite at the start, by name, as far as that is known."""
        return []

    def anew(self, **changes: Any) -> History | None:
        """The history of a training from the start; None where it diverges, cannot be made, or time is up."""
        return self._tried(changes, onward=False)

    def onward(self, **changes: Any) -> History | None:
        """The history of going on from where training ended, the method begun anew."""
        return self._tried(changes, onward=True)

    def _tried(self, changes: dict[str, Any], *, onward: bool) -> History | None:
        if self.made > 1 and time.perf_counter() > self._ends:
            self.was_cut = True
            return None
        self.made += 1
        outcome, history = self._quietly(changes, onward=onward)
        if outcome is Outcome.INTERRUPTED:  # the trial has caught Ctrl-C, which was meant for all of this
            raise KeyboardInterrupt
        if history is None or outcome is Outcome.DIVERGED or not np.isfinite(history.loss[-1]):
            return None
        if not self._holds_elsewhere(history):
            return None
        self.lowest = min(self.lowest, float(history.loss[-1]))
        return history

    def _holds_elsewhere(self, tried: History) -> bool:
        """Whether what a trial has learnt holds for the rows held out, too; true where there are none."""
        before, after = self.history.validation, tried.validation
        if not (np.isfinite(before).any() and np.isfinite(after).any()):
            return True
        lowest = float(np.nanmin(before))
        return bool(np.nanmin(after) < lowest - _HOLDS * abs(lowest))

    def _quietly(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome | None, History | None]:
        """How a training ended, and its history; None where it cannot be made."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return self._made({"epochs": self.epochs, **changes}, onward=onward)
            except (ValueError, TypeError):
                return None, None

    @property
    def is_restless(self) -> bool:
        """Whether it was stopped because the validation loss rose, and the training loss with it."""
        return self.outcome is Outcome.STALLED and self.in_batches

    @property
    def is_at_rest(self) -> bool:
        """Whether it ended by itself on all rows, and would again."""
        return self.outcome is Outcome.STALLED and not self.in_batches

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
        return won > share * end and end > _REST * start

    def beside(self, tried: History) -> float:
        """What training had come to in as many epochs as a trial; at its end, where the trial came to rest itself."""
        epochs = float(tried.epoch[-1])
        came_to_rest = not self.in_batches and epochs < self.epochs
        row = int(np.searchsorted(self.history.epoch, np.inf if came_to_rest else epochs, side="right")) - 1
        return float(self.history.loss[max(row, 0)])


class OfModel(Retraining):
    """Of an estimator, on the rows that it was fitted on."""

    def __init__(
        self, model: Any, X: Any, y: Any, sample_weight: Any = None, names: Sequence[str] | None = None
    ) -> None:
        size = model.get_params().get("batch_size")
        super().__init__(model.history_, model.outcome_, _method_of(model), np.shape(X)[0], size)
        self.model, self.rows, self.names = model, (X, y, sample_weight), names
        self._latest: Any = None
        _check_rows(model, X, y)

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = copy.copy(self.model) if onward else clone(self.model)
        if onward:
            made.history_, made._trainer = History(), None
        plain = {"checkpoint": None, "resume": False, "patience": None, "warm_start": onward}
        self._latest = made.set_params(**{**plain, **changes}).fit(*self.rows)
        return made.outcome_, made.history_

    def _holds_elsewhere(self, tried: History) -> bool:
        is_held_out = np.isfinite(tried.validation).any()
        return super()._holds_elsewhere(tried) and not (is_held_out and knows_nothing(self._latest, self.rows[1]))

    @property
    def level(self) -> float:
        """See `Retraining.level`."""
        return loss_of_a_constant(self.model, self.rows[1])

    def fitted(self, **changes: Any) -> Any:
        """The model of a training from the start; None where it diverges, cannot be made, or time is up."""
        return None if self.anew(**changes) is None else self._latest

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.other_ways`."""
        has = self.model.get_params()
        if "activation" not in has:
            return []
        ways: list[tuple[str, dict[str, Any]]] = [] if has["scale"] else [("scale=True", {"scale": True})]
        hidden = np.atleast_1d(np.asarray(has["hidden"]))
        ways += [] if hidden.size else [("hidden=(128,)", {"hidden": (128,)})]
        ways += [] if has["activation"] == "relu" else [('activation="relu"', {"activation": "relu"})]
        return [*ways, (f"seed={has['seed'] + 1}, another start", {"seed": has["seed"] + 1})]


def _method_of(model: Any) -> Any:
    """The method of an estimator, with the rate that was found for it."""
    method: Any = known(model.method)
    if not isinstance(method, str | type) or not hasattr(model, "rate_"):
        return method
    kind: Any = method_named(method) if isinstance(method, str) else method
    return kind(lr=model.rate_) if "lr" in kind.names() else kind()


def _check_rows(model: Any, X: Any, y: Any) -> None:
    """Refuse what the model would refuse: a trial that cannot be made proves nothing."""
    flat = X if hasattr(X, "tocsr") or np.ndim(X) < 3 else np.asarray(X).reshape(len(X), -1)
    finite_rows(model, flat, y, reset=False, accept_sparse="csr", multi_output=True)
    if hasattr(model, "classes_") and len(strange := np.setdiff1d(np.asarray(y), model.classes_)):
        raise ValueError(
            f"explain takes the rows that the model was fitted on: {strange.tolist()[0]!r} is none of its classes, "
            f"{', '.join(map(repr, model.classes_[:5].tolist()))}"
        )


class OfTraining(Retraining):
    """Of what `train` has trained."""

    def __init__(self, training: Any) -> None:
        size = training.again.keywords["batch_size"]
        super().__init__(training.history, training.outcome, training.method, training.rows, size)
        self._training = training

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = self._training.again(**({"params": self._training.params} if onward else {}), **changes)
        return made.outcome, made.history

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """Matrices drawn at random. Source: Glorot & Bengio (2010), AISTATS."""
        draw, leaves = np.random.default_rng(0), jax.tree.leaves(self._training.params)
        if max(np.ndim(leaf) for leaf in leaves) < 2:
            return []

        def begun(leaf: Any) -> Any:
            if np.ndim(leaf) < 2:
                return np.zeros_like(leaf)
            *field, inputs, outputs = np.shape(leaf)
            bound = (6 / (np.prod(field) * (inputs + outputs))) ** 0.5
            return draw.uniform(-bound, bound, np.shape(leaf)).astype(leaf.dtype)

        cure = "begin with random matrices, ±√(6/(rows + columns)), and zeros in the rest"
        return [(cure, {"params": jax.tree.map(begun, self._training.params)})]

    @cached_property
    def unreached(self) -> list[str]:
        """See `Retraining.unreached`."""
        return [name for name, leaf in self._training.gradient(self._training.params) if not np.any(leaf)]

    @property
    def lost(self) -> list[str]:
        """See `Retraining.lost`."""
        start = self._training.again.keywords["params"]
        return [name for name, leaf in self._training.gradient(start) if not np.isfinite(leaf).all()]


def explain_by_retraining(trials: Retraining, read: Diagnosis) -> Diagnosis:
    """The diagnosis, where trials bear it out; `read` is what the history alone tells."""
    certain = {Cause.OVERFITTING, Cause.LEFT_DOMAIN, Cause.UNBOUNDED, Cause.PRECISION_FLOOR}
    has_diverged = trials.outcome is Outcome.DIVERGED
    if trials.outcome is Outcome.CONVERGED:  # of one that was stopped early, the training loss is not the measure
        if trials.in_batches and read.cause is Cause.HEALTHY and _knows_nothing(trials):
            return Diagnosis(Cause.UNKNOWN, {**read.evidence, "what it knows": _NOTHING}, outcome=trials.outcome)
        found = None if trials.in_batches else _penalised(trials)
        return read if found is None else replace(found, outcome=trials.outcome)
    if read.cause in certain:
        return _with_cure_tried(trials, read)
    for look in (_diverged,) if has_diverged else (_boundless, *_looks(trials, read), _ill_conditioned):
        found = look(trials)
        if found is not None:
            return replace(found, outcome=trials.outcome)
    evidence: dict[str, Any] = {"loss": float(trials.history.loss[-1])}
    if trials.was_cut:
        evidence["not all was tried"] = "that would have taken longer than the training"
    if has_diverged:
        return Diagnosis(read.cause, evidence, outcome=trials.outcome)
    start, _, gained = _gained(trials)
    if isinstance(trials.method, Rule) and (trials.history.loss == start).all():
        cure = FROZEN if any(isinstance(part, Frozen) for part in trials.method.parts()) else ""
        return Diagnosis(Cause.UNKNOWN, {**evidence, "loss at the start": start}, cure, outcome=trials.outcome)
    evidence["trainings that were tried"] = trials.made
    if np.isfinite(trials.lowest):
        evidence["the lowest loss among them"] = trials.lowest
    if _knows_nothing(trials):
        evidence["what it knows"] = _NOTHING
        return Diagnosis(Cause.UNKNOWN, evidence, outcome=trials.outcome)
    learnt = gained > 0.5 * abs(start)
    # Training in batches ends when all epochs are made; what was to converge and has not is not called well.
    ended_well = trials.outcome is Outcome.STEPS_EXHAUSTED and trials.in_batches
    is_well = ended_well and (not trials.was_cut or (learnt and read.cause is Cause.HEALTHY))
    return Diagnosis(Cause.HEALTHY if is_well else Cause.UNKNOWN, evidence, outcome=trials.outcome)


def _with_cure_tried(trials: Retraining, read: Diagnosis) -> Diagnosis:
    """What is certain from the losses alone; where a penalty is its cure, that is tried first."""
    bounded = trials.fitted(l2=_L2) if read.cause is Cause.UNBOUNDED and isinstance(trials, OfModel) else None
    if bounded is None:
        return read
    told = f"with it training ends at loss {bounded.history_.loss[-1]:.4g} ({bounded.outcome_.name})"
    return replace(read, cure=f"l2={_L2:g}", seen=told)


def _boundless(trials: Retraining) -> Diagnosis | None:
    """Whether the loss falls for ever: to zero as coefficients grow, or below zero as far as a larger rate lets it."""
    model = trials.model
    if isinstance(trials, OfModel) and isinstance(model, LinearModel) and model.falls_for_ever(*trials.rows):
        evidence = {"loss": float(trials.history.loss[-1]), "with much larger coefficients": 0.0}
        return _with_cure_tried(trials, Diagnosis(Cause.UNBOUNDED, evidence, f"l2={_L2:g}"))
    start, end, _ = _gained(trials)
    if not end < min(0.0, start):
        return None
    for factor in (100, 10_000):
        larger = rescaled(trials.method, factor)
        lowest = np.inf if larger is None else trials.lowest_on_the_way(method=larger.method)
        if larger is not None and lowest < -ENDLESS * max(1.0, abs(start)):
            evidence = {"loss at the start": start, "loss": end, f"loss with {larger.how}": lowest}
            return Diagnosis(Cause.UNBOUNDED, evidence, "look for a wrong sign in the loss, or bound it")
    return None


def _told(history: History, how: str, before: float) -> str:
    epochs = float(history.epoch[-1])
    count = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.3g}"
    return f"{count} epochs {how} end at loss {history.loss[-1]:.4g}, where it was {before:.4g}"


def _diverged(trials: Retraining) -> Diagnosis | None:
    """A training that diverged: columns of other scales, or a rate that is too large."""
    start = float(trials.history.loss[0])
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    evidence: dict[str, Any] = {"learning rate": float(rates[-1])} if len(rates) else {}
    if lost := trials.lost:
        cure = "write the loss so that its slope is finite there: a root, a norm or a division at 0?"
        return Diagnosis(Cause.LEFT_DOMAIN, {"the gradient at the start is not finite in": ", ".join(lost)}, cure)
    cures: list[tuple[str, dict[str, Any]]] = []
    if _is_raw(trials):
        evidence |= _largest_columns(trials)
        cures.append(("scale=True", {"scale": True}))
    for k in range(1, 6):
        smaller = rescaled(trials.method, 0.25**k)
        if smaller is not None:
            cures.append((smaller.how, {"method": smaller.method}))
    cures.append(("leave method out", {"method": None}))
    best: tuple[str, History] | None = None
    for cure, changes in cures:
        tried = trials.anew(**changes)
        is_better = tried is not None and tried.loss[-1] < (start if best is None else best[1].loss[-1])
        if best is not None and not is_better:
            break  # of rates that end well the first may be at the edge, and is not taken
        if tried is not None and is_better:
            best = cure, tried
            if "scale" in changes:
                break
    if best is None:
        return None
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, best[0], _told(best[1], "from the start", start))


def _is_raw(trials: Retraining) -> bool:
    """Whether columns could be brought to one scale, and are not."""
    return not getattr(trials.model, "scale", True)


def _largest_columns(trials: Any) -> dict[str, str]:
    """The columns whose numbers are largest, where columns differ in scale."""
    X = trials.rows[0]
    plain = X if hasattr(X, "tocsr") else np.asarray(X, float).reshape(np.shape(X)[0], -1)
    numbered = [f"column {j}" for j in range(plain.shape[1])]
    names = trials.names or getattr(trials.model, "feature_names_in_", numbered)
    largest = rows_of(plain, np.zeros(plain.shape[0])).moments().largest(names)
    return {"largest columns": largest} if largest else {}


def _gained(trials: Retraining) -> tuple[float, float, float]:
    """The loss at the start, that of the parameters that were kept, and what was gained."""
    loss, validation = trials.history.loss, trials.history.validation
    was_stopped = trials.outcome in {Outcome.CONVERGED, Outcome.STALLED} and np.isfinite(validation).any()
    end = float(loss[int(np.nanargmin(validation)) if was_stopped else -1])
    return float(loss[0]), end, max(float(loss[0]) - end, 0.0)


def _decayed(trials: Retraining) -> Diagnosis | None:
    """Whether the schedule took the rate down before training was there."""
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    kept = trials.method
    schedule = getattr(kept, "lr", None)
    if not (len(rates) and isinstance(kept, Method | Around) and isinstance(schedule, Schedule)):
        return None
    highest = highest_rate(schedule, int(trials.history.steps[-1]), rates)
    if not rates[-1] < 0.05 * highest:
        return None
    method = with_rate(kept, highest)
    _, end, gained = _gained(trials)
    tried = trials.onward(method=method)
    if tried is None or end - tried.loss[-1] < _MATTERS * max(gained, end):
        return None
    evidence = {"rate at its highest": highest, "rate at the end": float(rates[-1])}
    cure = f"let {type(schedule).__name__} take more steps to decay"
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, _told(tried, f"more at lr={highest:.3g}", end))


def _too_large(trials: Retraining) -> Diagnosis | None:
    """Whether much smaller rates get much farther from the start, also where the large one has led to no way back."""
    start, end, level = float(trials.history.loss[0]), float(trials.history.loss[-1]), trials.level
    is_lost = end > KNOWS * level
    best: tuple[str, History, float] | None = None
    for factor in (0.1, 0.01, 0.001):
        smaller = rescaled(trials.method, factor)
        tried = None if smaller is None else trials.anew(method=smaller.method)
        if smaller is None or tried is None:
            continue
        before, after = trials.beside(tried), float(tried.loss[-1])
        if best is None or after < best[1].loss[-1]:
            best = smaller.how, tried, before
        if after >= before and not is_lost:
            break
        if best[1] is not tried and best[1].loss[-1] < best[2]:
            break
    if best is None:
        return None
    cure, tried, before = best
    won = before - float(tried.loss[-1])
    went_astray = won > max(_MUCH * (start - tried.loss[-1]), _REST * abs(start))
    halves = won > 0.5 * before > 0.5 * _LEFT * level
    finds_back = is_lost and tried.loss[-1] < _FOUND * level
    if not (went_astray or halves or finds_back):
        return None
    evidence = {"loss at the start": start, "loss": before}
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, cure, _told(tried, "from the start", before))


def _to_and_fro(trials: Retraining) -> Diagnosis | None:
    """Whether the noise of batches, or a rate that is too large, keeps the loss up: a smaller rate gets lower."""
    start, end, gained = _gained(trials)
    smaller = rescaled(trials.method, 0.1)
    if smaller is None:
        return None
    slow, same = trials.onward(method=smaller.method), trials.onward()
    won = 0.0 if slow is None else end - _settled(slow)
    as_it_was = 0.0 if same is None else end - _settled(same)
    is_unknown = same is None and trials.was_cut  # what going on as before would have come to
    matters = won > _MATTERS * max(gained, end) or trials.is_much_of_rest(won)
    goes_on = not trials.is_restless and not trials.is_at_rest  # going on as before is no cure where it has stopped
    if slow is None or is_unknown or not matters or (won < 2 * as_it_was and goes_on):
        return None
    evidence = {"loss": end, "going on with a tenth of the rate": end - won}
    if not trials.is_at_rest:
        evidence["going on as before"] = np.inf if same is None else end - as_it_was
    if end > 1.02 * start:
        return Diagnosis(Cause.RATE_TOO_LARGE, evidence, smaller.how, _told(slow, f"more at {smaller.how}", end))
    cause = Cause.NOISE_FLOOR if trials.in_batches else Cause.OSCILLATING
    others = _calmed(trials, end - won / 2) if trials.in_batches else []
    cure = " or ".join([f"a rate that falls at the end, to {smaller.how}", *others])
    return Diagnosis(cause, evidence, cure, _told(slow, f"more at {smaller.how}", end))


def _calmed(trials: Retraining, below: float) -> list[str]:
    """What else lowers the noise so much that going on ends below a loss: larger batches, an average of the points."""
    ways: dict[str, dict[str, Any]] = {"an average of the points, Averaged": {"method": Averaged(trials.method)}}
    if trials.batch_size is not None:
        ways[f"batch_size={4 * trials.batch_size}"] = {"batch_size": 4 * trials.batch_size}
    tried = {cure: trials.onward(**changes) for cure, changes in ways.items()}
    return [cure for cure, history in tried.items() if history is not None and history.loss[-1] < below]


def _swings(trials: Retraining) -> Diagnosis | None:
    """Whether momentum takes the loss of all rows up and down."""
    loss = trials.history.loss
    found = calmer(trials.method)
    if found is None or len(loss) < _FEW_LOOKS or not rises(loss) > RISING:
        return None
    name, method = found
    tried = trials.anew(method=method)
    if tried is None or not tried.loss[-1] < (before := trials.beside(tried)):
        return None
    evidence = {
        "share of the moves of the loss that go up": rises(loss),
        name: float(getattr(trials.method, name)),
    }
    cure = f"{name}={getattr(method, name):.3g}"
    return Diagnosis(Cause.OSCILLATING, evidence, cure, _told(tried, "from the start", before))


def _too_small(trials: Retraining) -> Diagnosis | None:
    """Whether a much larger rate gets much farther in the same time."""
    start, _, _ = _gained(trials)
    best: tuple[str, History] | None = None
    rates = rates_in(trials.method).values() if isinstance(trials.method, Rule) else ()
    highest = max((float(rate) for rate in rates if isinstance(rate, float | int)), default=np.inf)
    usual = [rate / highest for rate in _USUAL] if highest < _LOST else []
    for factor in (*usual, 10_000, 100, 10, 1_000_000):  # the boldest last: it may do well by chance
        larger = rescaled(trials.method, factor)
        is_bold = factor > 10_000 and factor not in usual
        tried = None if larger is None or (best and is_bold) else trials.anew(method=larger.method)
        if larger is None or tried is None or (best and not tried.loss[-1] < best[1].loss[-1]):
            continue
        before = trials.beside(tried)
        won = before - float(tried.loss[-1])
        goes_farther = start - tried.loss[-1] > 1.5 * max(start - before, 0) and won > _MATTERS * abs(start)
        halves = not trials.in_batches and won > 0.5 * before and trials.is_much_of_rest(won)
        if goes_farther or halves:
            best = larger.how, tried
    if best is None:
        return None
    cure, tried = best
    before = trials.beside(tried)
    cause = Cause.STEP_VANISHED if isinstance(trials.method, Method) and tires(trials.method) else Cause.RATE_TOO_SMALL
    evidence = {"loss at the start": start, "loss": before}
    return Diagnosis(cause, evidence, cure, _told(tried, "from the start", before))


def _raw(trials: Retraining) -> Diagnosis | None:
    """Whether columns that are not brought to one scale hold it up."""
    if not _is_raw(trials):
        return None
    ways: dict[str, dict[str, Any]] = {"scale=True": {}, "scale=True, and leave method out": {"method": None}}
    for cure, also in ways.items():
        found = _changed(trials, Cause.ILL_CONDITIONED, cure, half=True, learns=0.0, scale=True, **also)
        if found is not None:
            break
    return found and replace(found, evidence={**found.evidence, **_largest_columns(trials)})


def _changed(
    trials: Retraining, cause: Cause, cure: str, *, half: bool = False, learns: float = 0.25, **changes: Any
) -> Diagnosis | None:
    """Whether something else than the rate makes it learn much more from the start, or, `half`, half the loss away.

    At least the share `learns` of what is won must be learnt, rather than there from the start.
    """
    start, _, _ = _gained(trials)
    tried = trials.anew(**changes)
    if tried is None:
        return None
    before = trials.beside(tried)
    is_much = before - tried.loss[-1] >= _MUCH * (max(start, tried.loss[0]) - tried.loss[-1])
    learnt = tried.loss[0] - tried.loss[-1]
    is_learnt = learnt > max(learns * (before - tried.loss[-1]), 0.1 * tried.loss[0])
    is_half = 0 < tried.loss[-1] < 0.5 * before or trials.is_much_of_rest(before - float(tried.loss[-1]))
    if not is_learnt or not (is_much or (half and is_half)):
        return None
    return Diagnosis(cause, {"loss at the start": start, "loss": before}, cure, _told(tried, "from the start", before))


def _ill_conditioned(trials: Retraining) -> Diagnosis | None:
    """Whether a linear model gets much lower without batches, where the default steps suit flat directions, too."""
    if not isinstance(trials, OfModel) or not isinstance(trials.model, LinearModel) or not trials.in_batches:
        return None
    rows, columns = np.shape(trials.rows[0])
    if columns > rows / _ROWS_A_COLUMN:  # it would learn the rows by heart
        return None
    _, end, gained = _gained(trials)
    tried = trials.anew(method=None, batch_size=None, validation=0.0, epochs=_STEPS)
    won = 0.0 if tried is None else end - float(tried.loss[-1])
    if tried is None or not (won > max(_MATTERS * gained, _HELD_UP * end) or trials.is_much_of_rest(won)):
        return None
    evidence = {"loss": end, "loss on all rows, with the default steps": float(tried.loss[-1])}
    told = f"{tried.epoch[-1]:,.0f} steps end at loss {tried.loss[-1]:.4g}, where it was {end:.4g}"
    return Diagnosis(Cause.ILL_CONDITIONED, evidence, "leave method and batch_size out", told)


def _settled(history: History) -> float:
    """The loss at the end, in the middle of the last looks: a low one among high ones is luck."""
    return float(np.median(history.loss[-max(1, len(history) // 4) :]))


def _too_few(trials: Retraining) -> Diagnosis | None:
    """Whether more of the same gets lower."""
    if trials.is_at_rest:
        return None
    _, end, gained = _gained(trials)
    more = trials.onward(epochs=max(trials.epochs, 5))
    whole = max(gained, end) if trials.in_batches else end  # on all rows it should have converged
    won = 0.0 if more is None else end - _settled(more)
    is_much = isinstance(trials.model, LinearModel) and trials.is_much_of_rest(won)
    if more is None or not won > 0 or not (won >= _MATTERS * whole or is_much):
        return None
    if trials.in_batches and rises(more.loss) > RISING:  # it goes up and down, and a low end is luck
        return None
    return Diagnosis(Cause.TOO_FEW_STEPS, {"loss": end}, "more epochs", _told(more, "more", end))


def _plateau(trials: Retraining) -> Diagnosis | None:
    """Whether a network does not learn for what it is, or for where it began."""
    start, end, _ = _gained(trials)
    much_is_left = (isinstance(trials, OfTraining) and end > 0.05 * abs(start)) or _knows_nothing(trials)
    for cure, changes in trials.other_ways():
        found = _changed(trials, Cause.PLATEAU, cure, half=much_is_left, **changes)
        if found is not None:
            evidence = {"no gradient reaches": ", ".join(trials.unreached)} if trials.unreached else {}
            return replace(found, evidence={**found.evidence, **evidence})
    return None


def _penalised(trials: Retraining) -> Diagnosis | None:
    """Whether a penalty, or a decay of the parameters, keeps it from learning most of what could be learnt."""
    has = {} if trials.model is None else trials.model.get_params()
    given = {name: float(has[name]) for name in ("l2", "l1", "dropout") if has.get(name)}
    changes: dict[str, Any] = {name: round_rate(value / 100) for name, value in given.items()}
    cures = [f"{name}={value:g}" for name, value in changes.items()]
    if (found := lighter(trials.method)) is not None:
        changes["method"], how = found
        cures.append(how)
        given |= {name.split(".")[-1]: value for name, value in trials.method.penalties().items()}
    lowest = trials.lowest
    tried = trials.anew(**changes) if changes else None
    trials.lowest = lowest  # without its penalty it is another cost
    if tried is None:
        return None
    start, before = float(trials.history.loss[0]), trials.beside(tried)
    if not before - tried.loss[-1] > 0.5 * (max(start, before) - tried.loss[-1]):
        return None
    evidence = {**given, "loss at the start": start, "loss": before}
    return Diagnosis(Cause.PENALTY, evidence, ", ".join(cures), _told(tried, "from the start", before))


def _knows_nothing(trials: Retraining) -> bool:
    return isinstance(trials, OfModel) and knows_nothing(trials.model, trials.rows[1])


def _looks(trials: Retraining, read: Diagnosis) -> tuple[Callable[[Retraining], Diagnosis | None], ...]:
    """What is looked for, in the order that a first glance at the losses suggests."""
    start, end, gained = _gained(trials)
    if end > 1.02 * start or trials.is_restless:  # the way led up
        return _decayed, _too_large, _to_and_fro, _penalised, _plateau, _too_small, _raw
    if not gained > 0.01 * abs(start) or _knows_nothing(trials) or trials.unreached:
        own_start = isinstance(trials, OfTraining) and not trials.unreached
        first, second = (_too_small, _plateau) if own_start else (_plateau, _too_small)
        return _decayed, _penalised, _too_large, first, second, _raw, _to_and_fro, _too_few
    early = (_plateau,) if isinstance(trials, OfTraining) else ()  # nobody else has drawn its start
    late = () if early else (_plateau,)
    if len(trials.history) < _FEW_LOOKS:
        return _raw, _too_large, *early, _to_and_fro, _too_few, _too_small, _penalised, *late
    return _decayed, _too_large, *early, _swings, _raw, _too_small, _to_and_fro, _too_few, _penalised, *late
