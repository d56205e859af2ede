"""The causes of a training that went badly other than its rate, each told by trainings with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from descend.insight.changed_methods import (
    how_fast,
    innermost,
    lighter,
    loosened,
    rescaled,
    round_rate,
    with_rate,
)
from descend.insight.changed_schedules import prolonged
from descend.insight.diagnosis import ENDLESS, WRONG_SIGN, Cause, Diagnosis, Trial
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.retraining import (
    FEW_STEPS,
    FOUND,
    LEFT,
    MATTERS,
    MUCH,
    REST,
    STEPS,
    Retraining,
    settled,
    told,
)
from descend.insight.tired import tires
from descend.insight.to_and_fro import ILL, RISING
from descend.insight.trials import RIGHT_RULE, rises
from descend.methods import Method, Rule
from descend.models.all_rows import BOUNDING_L2
from descend.models.history import History
from descend.models.linear import LinearModel

__all__ = [
    "at_chance",
    "boundless",
    "cut_off",
    "hardly_begun",
    "has_heavy_penalty",
    "ill_conditioned",
    "penalised",
    "plateau",
    "raw_columns",
    "too_few_epochs",
    "with_cure_tried",
    "wrong_rule",
]

_TRIFLE = 1e-4  # share of the loss at the start
_HELD_UP = 0.05  # share of the loss that is left, by which the default on all rows must be lower
_ROWS_A_COLUMN = 5  # from so many on a lower loss is no overfitting
_LITTLE = 0.1  # of the loss: by so much more learning by heart lowers it, too
_FAR_ABOVE = 10.0  # times the loss of a constant
_AS_WELL, _MOST = 0.1, 0.5  # shares of what scaled columns win, that may be missing
_QUARTER = 0.25  # of the loss: without a decay so little is left
_LIGHTER = (1e2, 1e4, 1e6)  # times as light, a penalty is tried: the heaviest of those that win about as much
_MUCH_LESS = 0.2  # share of the loss of rows held out
_FAR_MORE = 4.0  # times as much as more epochs, that the default steps win where it is ill-conditioned
_MUCH_MORE = 1.5  # times as much won, for which a still lighter penalty is taken
_HEAVY = 0.1  # of l2 or l1: the default is a thousandth of that, or nothing
_PACE = 10.0  # times lower at a hundred times the rate, at least, where a loss falls as far as the rate takes it


def boundless(trials: Retraining) -> Diagnosis | None:
    """Whether the loss falls for ever: to zero as coefficients grow, or below zero as far as a larger rate lets it."""
    model = trials.model
    if isinstance(trials, OfModel) and isinstance(model, LinearModel) and _has_no_end(trials, model):
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


def _has_no_end(trials: OfModel, model: LinearModel) -> bool:
    """Whether the loss of a model that has learnt much falls for ever: one that has not lacks other things first."""
    has_learnt = float(trials.history.loss[-1]) < 0.5 * trials.level
    return model.falls_for_ever(*trials.rows) or (has_learnt and trials.has_no_end)


def with_cure_tried(trials: Retraining, read: Diagnosis) -> Diagnosis:
    """What is certain from the losses alone; where a penalty is its cure, that is tried first."""
    bounded = trials.fitted(l2=BOUNDING_L2) if read.cause is Cause.UNBOUNDED and isinstance(trials, OfModel) else None
    if bounded is None:
        return read
    ended = f"with it training ends at loss {bounded.history_.loss[-1]:.4g} ({bounded.outcome_.name})"
    return replace(read, cure=f"l2={BOUNDING_L2:g}", trial=Trial(ended, bounded.history_))


def raw_columns(trials: Retraining) -> Diagnosis | None:
    """Whether columns that are not brought to one scale hold it up."""
    start, end, _ = trials.gained
    usual = min(abs(start), _FAR_ABOVE * trials.level)  # of raw columns a start may be far above what a constant has
    is_usual = isinstance(trials, OfTraining) and not trials.lies_far
    if not end > (MATTERS if is_usual else REST) * usual:
        return None
    for cure, changes in trials.scaled():
        found = _changed(trials, Cause.ILL_CONDITIONED, cure, half=True, learns=0.0, **changes)
        is_alone = isinstance(trials, OfModel) and "method" not in changes  # an estimator's own way to scale
        if found is not None and not is_alone and _does_as_well(trials, changes):
            return None
        if found is not None:
            return replace(found, evidence={**found.evidence, **trials.largest_columns()})
    return None


def _does_as_well(trials: Retraining, changes: dict[str, Any]) -> bool:
    """Whether another rate, a weaker decay or a looser limit wins most of what changed data win."""
    made = trials.anew(**changes)
    if made is None or not isinstance(trials.method, Rule):
        return False
    share = _MOST if "method" in changes else _AS_WELL  # where scaled columns alone are no cure
    loss = float(made.loss[-1]) + share * (trials.beside(made) - float(made.loss[-1]))
    loss = min(loss, FOUND * trials.level) if isinstance(trials, OfModel) else loss
    weaker, factors = lighter(trials.method, trials.parameters), (10, 100, 0.1, 10_000, 0.01, 1_000_000)
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
    is_much = before - tried.loss[-1] >= MUCH * (max(start, tried.loss[0]) - tried.loss[-1])
    learnt = tried.loss[0] - tried.loss[-1]
    is_learnt = learnt > max(learns * (before - tried.loss[-1]), 0.1 * tried.loss[0])
    is_half = 0 < tried.loss[-1] < 0.5 * before or trials.is_much_of_rest(before - float(tried.loss[-1]))
    if not is_learnt or not (is_much or (half and is_half)):
        return None
    return Diagnosis(cause, {"loss at the start": start, **trials.losses_beside(tried)}, cure, told(tried, before))


def cut_off(trials: Retraining) -> Diagnosis | None:
    """Whether no gradient reaches some parameters, neither at the start nor at the end, and much is left to learn."""
    start, end, _ = trials.gained
    if not (names := trials.never_reached) or not end > LEFT * min(abs(start), trials.level):
        return None
    cure = "look for stop_gradient, round, floor, sign, argmax or a comparison on their way to the loss"
    evidence = {"no gradient reaches": ", ".join(names), "loss at the start": start, "loss": end}
    return Diagnosis(Cause.WRONG_GRADIENT, evidence, cure)


def wrong_rule(trials: Retraining) -> Diagnosis | None:
    """Whether a derivative is not that of the loss, and much is left to learn."""
    start, end, _ = trials.gained
    if not end > LEFT * min(abs(start), trials.level) or not (false := trials.false_slopes):
        return None
    return Diagnosis(Cause.WRONG_GRADIENT, {**false, "loss at the start": start, "loss": end}, RIGHT_RULE)


def ill_conditioned(trials: Retraining) -> Diagnosis | None:
    """Whether a linear model gets much lower on all rows with the default steps, which suit flat directions, too."""
    if not isinstance(trials, OfModel) or not _has_many_rows(trials):
        return None
    is_penalised = trials.model.l2 > 0 or trials.model.l1 > 0
    if trials.in_batches and is_penalised and hasattr(trials.rows[0], "tocsr"):  # in other units, in batches
        return None
    evidence: dict[str, Any] = {}
    condition = trials.condition
    if condition <= ILL or (not trials.in_batches and (trials.is_at_rest or np.isnan(condition))):
        return None
    if np.isfinite(condition):
        evidence["condition of the columns"] = condition
    start, end, gained = trials.gained
    tried = trials.anew(method=None, batch_size=None, validation=0.0, epochs=STEPS)
    won = 0.0 if tried is None else end - float(tried.loss[-1])
    is_most_of_rest = not trials.in_batches and won > max(0.5 * end, _TRIFLE * start)
    is_much = won > max(MATTERS * gained, _HELD_UP * end) or trials.is_much_of_rest(won) or is_most_of_rest
    if tried is None or not is_much:
        return None
    evidence |= {"loss": end, "loss on all rows, with the default steps": float(tried.loss[-1])}
    ended = f"{tried.epoch[-1]:,.0f} steps end at loss {tried.loss[-1]:.4g}, where it was {end:.4g}"
    cure = "leave method and batch_size out" if trials.in_batches else "leave method out"
    return Diagnosis(Cause.ILL_CONDITIONED, evidence, cure, Trial(ended, tried))


def _has_many_rows(trials: Retraining) -> bool:
    """Whether a linear model has so many rows that it cannot learn them by heart."""
    if not isinstance(trials, OfModel) or not isinstance(trials.model, LinearModel):
        return False
    rows, columns = np.shape(trials.rows[0])
    return bool(columns <= rows / _ROWS_A_COLUMN)


def too_few_epochs(trials: Retraining) -> Diagnosis | None:
    """Whether more of the same gets lower."""
    if trials.is_at_rest:
        return None
    _, end, gained = trials.gained
    if isinstance(trials, OfModel):  # a start above what a constant has says nothing
        gained = min(gained, max(trials.level - end, 0.0))
    more = trials.onward(epochs=max(trials.epochs, 5))
    whole = max(gained, end) if trials.in_batches else end  # on all rows it should have converged
    won = 0.0 if more is None else end - settled(more)
    matters = won >= MATTERS * whole or trials.is_much_of_a_signal(end, end - won)
    if more is None or not (won > 0 and (matters or _is_most_of_rest(trials, more, won))):
        return None
    if trials.in_batches and rises(more.loss) > RISING and _planned(trials, 2) is None:
        return None  # it goes up and down, and a low end is luck; a schedule that begins anew does so, too
    is_little = not isinstance(trials.model, LinearModel) and won < _LITTLE * end
    if is_little and not trials.more_holds(round(more.epoch[-1])):
        return None
    return _longer(trials, more.epoch[-1], told(more, end, "more with the method begun anew"), {"loss": end})


def _is_most_of_rest(trials: Retraining, more: History, won: float) -> bool:
    """Whether what more epochs win is much of what is left; of a network, of the loss of rows held out, too."""
    if not isinstance(trials, OfModel) or not trials.is_much_of_rest(won):
        return False
    return isinstance(trials.model, LinearModel) or trials.more_holds(round(more.epoch[-1]), by=_MUCH_LESS)


def _planned(trials: Retraining, times: float) -> Any:
    """So many times as long a schedule, of one that was to end with the training; else None."""
    return prolonged(getattr(innermost(trials.method), "lr", None), int(trials.history.steps[-1]), times)


def hardly_begun(trials: Retraining) -> Diagnosis | None:
    """Whether so few steps were made that many more, which take no time either, get much lower."""
    start, end, _ = trials.gained
    steps = int(trials.history.steps[-1])
    usual = min(abs(start), _FAR_ABOVE * trials.level)  # a start far above what a constant has says nothing
    if trials.is_at_rest or steps >= FEW_STEPS or not end > LEFT * usual:
        return None
    won = trials.won_by_many_more
    if won is None or not (won > MUCH or (_is_short_of_the_best(trials, won) and trials.more_holds(trials.many_more))):
        return None
    seen = f"going on for {FEW_STEPS:,} steps ends at loss {(1 - won) * end:.4g}, where it was {end:.4g}"
    return _longer(trials, trials.many_more, Trial(seen), {"steps": steps, "loss": end})


def _is_short_of_the_best(trials: Retraining, won: float) -> bool:
    """Whether a share of the loss matters: of a linear model one expects the best there is."""
    return isinstance(trials.model, LinearModel) and won > 2 * MATTERS


def _longer(trials: Retraining, more: float, onward: Trial, evidence: dict[str, Any]) -> Diagnosis | None:
    """The cure of so many more epochs: tried from the start, as a user will, if there is time, else by going on."""
    epochs, end = trials.whole + round(more), trials.gained[1]
    cure, changes = f"epochs={epochs}", {"epochs": epochs}
    longer = _planned(trials, epochs / trials.whole)
    if longer is not None:  # the schedule was to end with the training, and goes on to
        changes["method"] = with_rate(trials.method, longer)
        cure += f", {how_fast(changes['method'])}"
    if not trials.has_time_for(epochs):
        return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, onward)
    made = trials.anew(**changes)
    if made is None or not made.loss[-1] < end:
        return None
    if (tired := _goes_as_far(trials, float(made.loss[-1]), evidence)) is not None:
        return tired
    held_up = ill_conditioned(trials)
    if held_up is not None and held_up.trial is not None:
        with_default = float(held_up.trial.made.loss[-1])
        if end - with_default > _FAR_MORE * (end - made.loss[-1]):
            return held_up
    return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, told(made, end))


def _goes_as_far(trials: Retraining, loss: float, evidence: dict[str, Any]) -> Diagnosis | None:
    """Whether a method whose steps shrink gets as low in as many epochs at ten times the rate, as in many more."""
    larger = rescaled(trials.method, 10)
    if larger is None or not (isinstance(trials.method, Method) and tires(trials.method)):
        return None
    tried = trials.anew(method=larger.method)
    if tried is None or not tried.loss[-1] < loss:
        return None
    return Diagnosis(Cause.STEP_VANISHED, evidence, larger.how, told(tried, trials.beside(tried)))


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
    lowest, most, cure, tried = trials.lowest, 0.0, "", None
    without: dict[str, Any] = {}
    for times in _LIGHTER:
        lighter_cure, changes = _lighter(trials, times)
        made = trials.anew(**changes) if changes else None
        won = -np.inf if made is None else trials.beside(made) - float(made.loss[-1])
        if made is not None and (tried is None or won > _MUCH_MORE * most):
            cure, tried, most, without = lighter_cure, made, won, changes
            if _MUCH_MORE * won > trials.beside(made) > 0:  # more than all there is cannot be won
                break
    trials.lowest = lowest  # without its penalty it is another cost
    if tried is None:
        return None
    start, before = float(trials.history.loss[0]), trials.beside(tried)
    is_half = before - tried.loss[-1] > 0.5 * (max(start, before) - tried.loss[-1])
    is_half |= at_chance(trials) and tried.loss[-1] < 0.5 * before  # whatever the start was
    pulls = trials.method.pulls(trials.parameters) if isinstance(trials.method, Rule) else {}
    is_apart = trials.in_batches and _has_many_rows(trials)  # on all rows the loss holds the penalty itself
    is_rest = (bool(pulls) or is_apart) and tried.loss[-1] < _QUARTER * before and before > REST * start
    is_heavy = has_heavy_penalty(trials) and not isinstance(trials.model, LinearModel)
    drops_most = _penalties_of(trials).get("dropout", 0.0) > _MOST
    may_matter = (bool(pulls) or is_heavy or drops_most) and tried.loss[-1] < 0.5 * before and before > REST * start
    if not (is_half or is_rest or (may_matter and trials.holds_for_others(epochs=trials.whole, **without))):
        return None
    evidence = {**_penalties_of(trials), **pulls, "loss at the start": start, **trials.losses_beside(tried)}
    return Diagnosis(Cause.PENALTY, evidence, cure, told(tried, before))


def _penalties_of(trials: Retraining) -> dict[str, float]:
    """Those of the estimator, not of its method."""
    has = {} if trials.model is None else trials.model.get_params()
    return {name: float(has[name]) for name in ("l2", "l1", "dropout", "label_smoothing") if has.get(name)}


def has_heavy_penalty(trials: Retraining) -> bool:
    """Whether the estimator has so large a penalty that it is looked at before the rate."""
    has = _penalties_of(trials).items()
    return any(value >= _HEAVY if name in {"l2", "l1"} else value > _MOST for name, value in has)


def _lighter(trials: Retraining, times: float) -> tuple[str, dict[str, Any]]:
    """All penalties so many times as light: the cure, and the changes; none where there are none."""
    changes: dict[str, Any] = {name: round_rate(value / times) for name, value in _penalties_of(trials).items()}
    cures = [f"{name}={value:g}" for name, value in changes.items()]
    if (found := lighter(trials.method, trials.parameters, times)) is not None:
        changes["method"], how = found
        cures.append(how)
    return ", ".join(cures), changes


def at_chance(trials: Retraining) -> bool:
    """Whether the model has learnt no more than a constant."""
    return isinstance(trials, OfModel) and not trials.knows_rows_held_out
