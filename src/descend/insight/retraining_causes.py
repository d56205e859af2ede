"""The causes of a training that went badly, each told by trainings with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from descend.insight.chance import KNOWS
from descend.insight.changed_methods import (
    Rescaled,
    calmer,
    has_decayed,
    highest_rate,
    less_noise,
    lighter,
    loosened,
    rates_in,
    rescaled,
    risen,
    round_rate,
    with_rate,
)
from descend.insight.diagnosis import ENDLESS, WRONG_SIGN, Cause, Diagnosis
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.retraining import FEW_LOOKS, FEW_STEPS, REST, STEPS, Retraining, settled, told
from descend.insight.slow import tires
from descend.insight.to_and_fro import ILL, RISING
from descend.insight.trials import RIGHT_RULE, rises
from descend.methods import Around, Method, Rule
from descend.models.all_rows import BOUNDING_L2
from descend.models.history import History
from descend.models.linear import LinearModel
from descend.stepsizes.schedule import Schedule

__all__ = [
    "at_chance",
    "boundless",
    "cut_off",
    "decayed",
    "diverged",
    "goes_to_and_fro",
    "hardly_begun",
    "ill_conditioned",
    "penalised",
    "plateau",
    "raw_columns",
    "swings",
    "too_few_epochs",
    "too_large",
    "too_small",
    "with_cure_tried",
    "wrong_rule",
]

_MATTERS = 0.02  # share of all that was gained, from which on a gain counts
_MUCH = 0.3  # share of what could have been gained
_HELD_UP = 0.05  # share of the loss that is left, by which the default on all rows must be lower
_ROWS_A_COLUMN = 5  # from so many on a lower loss is no overfitting
_LEFT, _FOUND = 0.05, 0.9  # shares of the loss of a constant: so much is left, and so much is learnt something
_FAR_ABOVE = 10.0  # times the loss of a constant
_AS_WELL = 0.1  # share of what scaled columns win, that may be missing
_AGAIN = 0.05  # share of what was gained, that is gained once more
_QUARTER = 0.25  # of the loss: without a decay so little is left
_PACE = 10.0  # times lower at a hundred times the rate, at least, where a loss falls as far as the rate takes it
_LOST, _USUAL = 1e-6, (0.001, 0.1)  # a rate below that is far from those that are usual


def boundless(trials: Retraining) -> Diagnosis | None:
    """Whether the loss falls for ever: to zero as coefficients grow, or below zero as far as a larger rate lets it."""
    model = trials.model
    if isinstance(trials, OfModel) and isinstance(model, LinearModel) and model.falls_for_ever(*trials.rows):
        evidence = {"loss": float(trials.history.loss[-1]), "with much larger coefficients": 0.0}
        return with_cure_tried(trials, Diagnosis(Cause.UNBOUNDED, evidence, f"l2={BOUNDING_L2:g}"))
    start, end, _ = trials.gained
    if not end < min(0.0, start):
        return None
    before = end
    for factor in (100, 10_000):
        larger = rescaled(trials.method, factor)
        lowest = np.inf if larger is None else trials.lowest_on_the_way(method=larger.method)
        is_endless = lowest < -ENDLESS * max(1.0, abs(start))
        keeps_pace = factor == 10_000 and lowest < _PACE * before < _PACE**2 * end  # as far as the rate takes it
        before = lowest
        if larger is not None and (is_endless or keeps_pace):
            evidence = {"loss at the start": start, "loss": end, f"loss with {larger.how}": lowest}
            return Diagnosis(Cause.UNBOUNDED, evidence, WRONG_SIGN)
    return None


def with_cure_tried(trials: Retraining, read: Diagnosis) -> Diagnosis:
    """What is certain from the losses alone; where a penalty is its cure, that is tried first."""
    bounded = trials.fitted(l2=BOUNDING_L2) if read.cause is Cause.UNBOUNDED and isinstance(trials, OfModel) else None
    if bounded is None:
        return read
    seen = f"with it training ends at loss {bounded.history_.loss[-1]:.4g} ({bounded.outcome_.name})"
    return replace(read, cure=f"l2={BOUNDING_L2:g}", seen=seen)


def diverged(trials: Retraining) -> Diagnosis | None:
    """A training that diverged: columns of other scales, or a rate that is too large."""
    start = float(trials.history.loss[0])
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    evidence: dict[str, Any] = {"learning rate": float(rates[-1])} if len(rates) else {}
    if lost := trials.lost:
        cure = "write the loss so that its slope is finite there: a root, a norm or a division at 0?"
        return Diagnosis(Cause.LEFT_DOMAIN, {"the gradient at the start is not finite in": ", ".join(lost)}, cure)
    cures: list[tuple[str, dict[str, Any]]] = []
    scaled = trials.scaled()[:1]
    cures += scaled
    evidence |= trials.largest_columns() if scaled else {}
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
            if (cure, changes) in scaled:
                break
    if best is None:
        return None
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, best[0], told(best[1], "from the start", start))


def decayed(trials: Retraining) -> Diagnosis | None:
    """Whether the schedule took the rate down before training was there."""
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    kept = trials.method
    schedule = getattr(kept, "lr", None)
    if not (len(rates) and isinstance(kept, Method | Around) and isinstance(schedule, Schedule)):
        return None
    highest = highest_rate(schedule, int(trials.history.steps[-1]), rates)
    if not has_decayed(rates[-1], highest):
        return None
    method = with_rate(kept, highest)
    _, end, gained = trials.gained
    tried = trials.onward(method=method)
    if tried is None or not end - tried.loss[-1] > min(_MATTERS * max(gained, end), _AGAIN * gained):
        return None
    evidence = {"rate at its highest": highest, "rate at the end": float(rates[-1])}
    cure = f"let {type(schedule).__name__} take more steps to decay"
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, told(tried, f"more at lr={highest:.3g}", end))


def too_large(trials: Retraining) -> Diagnosis | None:
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
    finds_back = is_lost and tried.loss[-1] < _FOUND * level
    went_astray = (finds_back or not is_lost) and won > max(_MUCH * (start - tried.loss[-1]), REST * abs(start))
    halves = won > 0.5 * before > 0.5 * _LEFT * level
    if not (went_astray or halves or finds_back):
        return None
    evidence = {"loss at the start": start, "loss": before}
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, cure, told(tried, "from the start", before))


def goes_to_and_fro(trials: Retraining) -> Diagnosis | None:
    """Whether the noise of batches, or a rate that is too large, keeps the loss up: a smaller rate gets lower."""
    start, end, gained = trials.gained
    smaller = rescaled(trials.method, 0.1)
    if smaller is None or (trials.has_decayed and end <= start):  # the rate has fallen already
        return None
    slow, same = trials.onward(method=smaller.method), trials.onward()
    won = 0.0 if slow is None else end - settled(slow)
    as_it_was = 0.0 if same is None else end - settled(same)
    is_unknown = same is None and trials.was_cut  # what going on as before would have come to
    matters = won > _MATTERS * max(gained, end) or trials.is_much_of_rest(won)
    goes_on = not trials.is_restless and not trials.is_at_rest  # going on as before is no cure where it has stopped
    if slow is None or is_unknown or not matters or (won < 2 * as_it_was and goes_on):
        return None
    evidence = {"loss": end, "going on with a tenth of the rate": end - won}
    if not trials.is_at_rest and same is not None:
        evidence["going on as before"] = end - as_it_was
    if end > 1.02 * start:
        return Diagnosis(Cause.RATE_TOO_LARGE, evidence, smaller.how, told(slow, f"more at {smaller.how}", end))
    cause = Cause.NOISE_FLOOR if trials.has_noise else Cause.OSCILLATING
    others = _calmed(trials, end - won / 2) if trials.has_noise else []
    cure = " or ".join([f"a rate that falls at the end, to {smaller.how}", *others])
    return Diagnosis(cause, evidence, cure, told(slow, f"more at {smaller.how}", end))


def _calmed(trials: Retraining, below: float) -> list[str]:
    """What else lowers the noise so much that going on ends below a loss: larger batches, an average of the points."""
    assert trials.batch_size is not None  # noqa: S101 - it trains in batches
    ways = less_noise(trials.method, trials.batch_size).items()
    tried = {cure: trials.onward(**changes) for cure, changes in ways}
    return [cure for cure, history in tried.items() if history is not None and history.loss[-1] < below]


def swings(trials: Retraining) -> Diagnosis | None:
    """Whether momentum takes the loss of all rows up and down."""
    loss = trials.history.loss
    found = calmer(trials.method)
    if found is None or len(loss) < FEW_LOOKS or not rises(loss) > RISING:
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
    return Diagnosis(Cause.OSCILLATING, evidence, cure, told(tried, "from the start", before))


def too_small(trials: Retraining) -> Diagnosis | None:
    """Whether a much larger rate gets much farther in the same time: one that rises sooner, or that no limit holds."""
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    if (found := risen(trials.method, rates)) is not None:
        return _farther(trials, [(found[0], False)])
    if isinstance(trials.method, Rule):
        looser = _farther(trials, [(loosened(trials.method, factor), False) for factor in (10_000, 100, 10)])
        if looser is not None:
            return looser
    known = rates_in(trials.method).values() if isinstance(trials.method, Rule) else ()
    highest = max((float(rate) for rate in known if isinstance(rate, float | int)), default=np.inf)
    usual = [rate / highest for rate in _USUAL] if highest < _LOST else []
    factors = (*usual, 10_000, 100, 10, 1_000_000)  # the boldest last: it may do well by chance
    larger = ((rescaled(trials.method, factor), factor > 10_000 and factor not in usual) for factor in factors)
    return _farther(trials, larger)


def _farther(trials: Retraining, larger: Iterable[tuple[Rescaled | None, bool]]) -> Diagnosis | None:
    """The best of changed methods, if one gets much farther; the bold ones are tried only where no other did."""
    start, _, _ = trials.gained
    best: tuple[str, History] | None = None
    for changed, is_bold in larger:
        tried = None if changed is None or (best and is_bold) else trials.anew(method=changed.method)
        if changed is None or tried is None or (best and not tried.loss[-1] < best[1].loss[-1]):
            continue
        before = trials.beside(tried)
        won = before - float(tried.loss[-1])
        goes_farther = start - tried.loss[-1] > 1.5 * max(start - before, 0) and won > _MATTERS * abs(start)
        halves = not trials.in_batches and won > 0.5 * before and trials.is_much_of_rest(won)
        if (goes_farther and tried.loss[-1] < trials.level) or halves:
            best = changed.how, tried
    if best is None:
        return None
    cure, tried = best
    before = trials.beside(tried)
    cause = Cause.STEP_VANISHED if isinstance(trials.method, Method) and tires(trials.method) else Cause.RATE_TOO_SMALL
    evidence = {"loss at the start": start, "loss": before}
    return Diagnosis(cause, evidence, cure, told(tried, "from the start", before))


def raw_columns(trials: Retraining) -> Diagnosis | None:
    """Whether columns that are not brought to one scale hold it up."""
    start, end, _ = trials.gained
    if isinstance(trials, OfTraining) and not end > _MATTERS * abs(start):
        return None
    for cure, changes in trials.scaled():
        found = _changed(trials, Cause.ILL_CONDITIONED, cure, half=True, learns=0.0, **changes)
        if found is not None and _does_as_well(trials, changes):
            return None
        if found is not None:
            return replace(found, evidence={**found.evidence, **trials.largest_columns()})
    return None


def _does_as_well(trials: Retraining, changes: dict[str, Any]) -> bool:
    """Whether another rate, a weaker decay or a looser limit wins most of what changed data win."""
    made = trials.anew(**changes)
    if made is None or not isinstance(trials, OfTraining) or not isinstance(trials.method, Rule):
        return False
    loss = float(made.loss[-1]) + _AS_WELL * (trials.beside(made) - float(made.loss[-1]))
    weaker, factors = lighter(trials.method), (10, 100, 0.1, 10_000, 0.01)
    changed = [None if weaker is None else weaker[0]]
    changed += [other and other.method for other in (loosened(trials.method, factor) for factor in (10_000, 100))]
    changed += [other and other.method for other in (rescaled(trials.method, factor) for factor in factors)]
    tried = (trials.anew(method=method) for method in changed if method is not None)
    return any(history is not None and history.loss[-1] < loss for history in tried)


def _changed(
    trials: Retraining, cause: Cause, cure: str, *, half: bool = False, learns: float = 0.25, **changes: Any
) -> Diagnosis | None:
    """Whether something else than the rate makes it learn much more from the start, or, `half`, half the loss away.

    At least the share `learns` of what is won must be learnt, rather than there from the start.
    """
    start, _, _ = trials.gained
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
    return Diagnosis(cause, {"loss at the start": start, "loss": before}, cure, told(tried, "from the start", before))


def cut_off(trials: Retraining) -> Diagnosis | None:
    """Whether no gradient reaches some parameters, neither at the start nor at the end, and much is left to learn."""
    start, end, _ = trials.gained
    if not (names := trials.never_reached) or not end > _LEFT * min(abs(start), trials.level):
        return None
    cure = "look for stop_gradient, round, floor, sign, argmax or a comparison on their way to the loss"
    evidence = {"no gradient reaches": ", ".join(names), "loss at the start": start, "loss": end}
    return Diagnosis(Cause.WRONG_GRADIENT, evidence, cure)


def wrong_rule(trials: Retraining) -> Diagnosis | None:
    """Whether a derivative is not that of the loss, and much is left to learn."""
    start, end, _ = trials.gained
    if not end > _LEFT * min(abs(start), trials.level) or not (false := trials.false_slopes):
        return None
    return Diagnosis(Cause.WRONG_GRADIENT, {**false, "loss at the start": start, "loss": end}, RIGHT_RULE)


def ill_conditioned(trials: Retraining) -> Diagnosis | None:
    """Whether a linear model gets much lower on all rows with the default steps, which suit flat directions, too."""
    if not isinstance(trials, OfModel) or not isinstance(trials.model, LinearModel):
        return None
    rows, columns = np.shape(trials.rows[0])
    if columns > rows / _ROWS_A_COLUMN:  # it would learn the rows by heart
        return None
    evidence: dict[str, Any] = {}
    if not trials.in_batches:
        condition = trials.condition
        if trials.is_at_rest or not condition > ILL:
            return None
        evidence["condition of the columns"] = condition
    _, end, gained = trials.gained
    tried = trials.anew(method=None, batch_size=None, validation=0.0, epochs=STEPS)
    won = 0.0 if tried is None else end - float(tried.loss[-1])
    if tried is None or not (won > max(_MATTERS * gained, _HELD_UP * end) or trials.is_much_of_rest(won)):
        return None
    evidence |= {"loss": end, "loss on all rows, with the default steps": float(tried.loss[-1])}
    seen = f"{tried.epoch[-1]:,.0f} steps end at loss {tried.loss[-1]:.4g}, where it was {end:.4g}"
    cure = "leave method and batch_size out" if trials.in_batches else "leave method out"
    return Diagnosis(Cause.ILL_CONDITIONED, evidence, cure, seen)


def too_few_epochs(trials: Retraining) -> Diagnosis | None:
    """Whether more of the same gets lower."""
    if trials.is_at_rest:
        return None
    _, end, gained = trials.gained
    more = trials.onward(epochs=max(trials.epochs, 5))
    whole = max(gained, end) if trials.in_batches else end  # on all rows it should have converged
    won = 0.0 if more is None else end - settled(more)
    is_much = isinstance(trials.model, LinearModel) and trials.is_much_of_rest(won)
    if more is None or not won > 0 or not (won >= _MATTERS * whole or is_much):
        return None
    if trials.in_batches and rises(more.loss) > RISING:  # it goes up and down, and a low end is luck
        return None
    return Diagnosis(Cause.TOO_FEW_STEPS, {"loss": end}, "more epochs", told(more, "more", end))


def hardly_begun(trials: Retraining) -> Diagnosis | None:
    """Whether so few steps were made that many more, which take no time either, get much lower."""
    start, end, _ = trials.gained
    steps = int(trials.history.steps[-1])
    usual = min(abs(start), _FAR_ABOVE * trials.level)  # a start far above what a constant has says nothing
    if trials.is_at_rest or steps >= FEW_STEPS or not end > _LEFT * usual:
        return None
    won = trials.won_by_many_more
    if won is None or not won > _MUCH:
        return None
    seen = f"going on for {FEW_STEPS:,} steps ends at loss {(1 - won) * end:.4g}, where it was {end:.4g}"
    return Diagnosis(Cause.TOO_FEW_STEPS, {"steps": steps, "loss": end}, "more epochs", seen)


def plateau(trials: Retraining) -> Diagnosis | None:
    """Whether a network does not learn for what it is, or for where it began."""
    start, end, _ = trials.gained
    much_is_left = (isinstance(trials, OfTraining) and end > 0.05 * abs(start)) or at_chance(trials)
    for cure, changes in trials.other_ways():
        found = _changed(trials, Cause.PLATEAU, cure, half=much_is_left, **changes)
        if found is not None:
            evidence = {"no gradient reaches": ", ".join(trials.unreached)} if trials.unreached else {}
            return replace(found, evidence={**found.evidence, **evidence})
    return None


def penalised(trials: Retraining) -> Diagnosis | None:
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
    is_half = before - tried.loss[-1] > 0.5 * (max(start, before) - tried.loss[-1])
    is_rest = found is not None and tried.loss[-1] < _QUARTER * before and before > REST * start
    if not (is_half or is_rest):
        return None
    evidence = {**given, "loss at the start": start, "loss": before}
    return Diagnosis(Cause.PENALTY, evidence, ", ".join(cures), told(tried, "from the start", before))


def at_chance(trials: Retraining) -> bool:
    """Whether the model has learnt no more than a constant."""
    return isinstance(trials, OfModel) and not trials.knows_rows_held_out
