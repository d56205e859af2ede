"""The causes of a training that went badly that lie in its rate, each told by trainings with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from descend.descent.report import described
from descend.insight.chance import KNOWS
from descend.insight.changed_methods import (
    Rescaled,
    calmer,
    each_rescaled,
    falling,
    how_fast,
    less_noise,
    loosened,
    rates_in,
    rescaled,
    risen,
    with_rate,
)
from descend.insight.changed_schedules import FADED, faded, has_ended, highest_rate, prolonged, slower
from descend.insight.diagnosis import Cause, Diagnosis
from descend.insight.retraining import CLEARLY, FEW_LOOKS, FOUND, LEFT, MATTERS, MUCH, REST, Retraining, settled, told
from descend.insight.tired import tires
from descend.insight.to_and_fro import RISING
from descend.insight.trials import rises
from descend.methods import Around, Method, RMSProp, Rule
from descend.models.history import History
from descend.stepsizes.schedule import Schedule

__all__ = ["decayed", "diverged", "goes_to_and_fro", "rises_too_slowly", "swings", "too_large", "too_small"]

_LEFT_OVER = 0.15  # share of what a constant has
_OF_THE_LOSS = 0.05  # that twice as long a training wins, on rows held out, too
_TWICE_AS_MUCH = 0.1  # share of what was gained, that is won in twice as long a training
_NEARLY_ALL = 0.999  # share of the loss
_TRIFLE = 1e-3  # share of the loss at the end
_BY_LUCK = 1.1  # times as much must be won as by going on, whose low end may be luck where it goes up and down
_AGAIN = 0.05  # share of what was gained, that is gained once more
_LOST, _USUAL = 1e-6, (0.001, 0.1)  # a rate below that is far from those that are usual


def diverged(trials: Retraining) -> Diagnosis | None:
    """A training that diverged: columns of other scales, or a rate that is too large."""
    start = float(trials.history.loss[0])
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    evidence: dict[str, Any] = {"learning rate": float(rates[-1])} if len(rates) else {}
    evidence["loss at the start"] = start
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
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, best[0], told(best[1], start))


def decayed(trials: Retraining) -> Diagnosis | None:
    """Whether the schedule took the rate down before training was there."""
    _, end, gained = trials.gained
    if (left := faded(trials.method, trials.parameters, int(trials.history.steps[-1]))) is not None:
        tried = trials.onward()
        if tried is None or not end - tried.loss[-1] > min(MATTERS * max(gained, end), _AGAIN * gained):
            return None
        return Diagnosis(Cause.DECAYED_TOO_EARLY, left, FADED, told(tried, end, "more, the method begun anew,"))
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    kept = trials.method
    schedule = getattr(kept, "lr", None)
    if not (len(rates) and isinstance(kept, Method | Around) and isinstance(schedule, Schedule)):
        return None
    highest = highest_rate(schedule, int(trials.history.steps[-1]), rates)
    if not has_ended(schedule, int(trials.history.steps[-1]), rates, highest):
        return None
    method = with_rate(kept, highest)
    tried = trials.onward(method=method)
    goes_on = tried is not None and end - tried.loss[-1] > min(MATTERS * max(gained, end), _AGAIN * gained)
    evidence = {"rate at its highest": highest, "rate at the end": float(rates[-1])}
    made, whole = int(trials.history.steps[-1]), trials.whole
    if (twice := prolonged(schedule, made, 2)) is not None:
        longer = trials.anew(method=with_rate(kept, twice), epochs=2 * whole)
        # Noise may hide what a high rate wins, until it falls.
        least = MATTERS if goes_on or end < 0 else _TWICE_AS_MUCH
        won = -np.inf if longer is None else end - float(longer.loss[-1])
        changes = {"method": with_rate(kept, twice), "epochs": 2 * whole}
        is_rest = end > _LEFT_OVER * trials.level and won > _OF_THE_LOSS * end
        is_much = won > least * max(gained, end) or (is_rest and trials.holds_for_others(**changes))
        if longer is None or not is_much:
            return None
        cure = f"epochs={2 * whole}, {how_fast(with_rate(kept, twice))}"
        return Diagnosis(Cause.TOO_FEW_STEPS, evidence, cure, told(longer, end))
    if tried is None or not goes_on:
        return None
    cure, seen = f"lr={highest:.3g} in the place of {type(schedule).__name__}", told(tried, end, "more with it")
    lowest = np.inf
    for slow in slower(schedule, made):
        longer = trials.anew(method=with_rate(kept, slow))
        if longer is not None and longer.loss[-1] < min(CLEARLY * lowest, before := trials.beside(longer)):
            lowest = float(longer.loss[-1])
            cure, seen = f"lr={described(slow)}", told(longer, before)
    return Diagnosis(Cause.DECAYED_TOO_EARLY, evidence, cure, seen)


def too_large(trials: Retraining) -> Diagnosis | None:
    """Whether much smaller rates get much farther from the start, also where the large one has led to no way back."""
    start, end, level = float(trials.history.loss[0]), float(trials.history.loss[-1]), trials.level
    is_lost = end > KNOWS * level
    highest = float(np.nanmax(trials.history.rate, initial=0.0))
    best: tuple[str, History, float] | None = None
    for factor in (0.1, 0.01, 0.001):
        smaller = rescaled(trials.method, factor)
        tried = None if smaller is None else trials.anew(method=smaller.method)
        if smaller is None or tried is None:
            continue
        before, after = trials.beside(tried), float(tried.loss[-1])
        if best is None or after < best[1].loss[-1]:
            best = smaller.how, tried, before
        if after >= before and not is_lost and not factor * highest > _USUAL[1]:  # far above all rates are alike
            break
        if best[1] is not tried and best[1].loss[-1] < best[2]:
            break
    if best is None:
        return None
    cure, tried, before = best
    won = before - float(tried.loss[-1])
    finds_back = is_lost and tried.loss[-1] < FOUND * level
    went_astray = (finds_back or not is_lost) and won > max(MUCH * (start - tried.loss[-1]), REST * abs(start))
    halves = won > 0.5 * before > 0.5 * LEFT * level
    if not (went_astray or halves or finds_back):
        return None
    evidence = {"loss at the start": start, **trials.losses_beside(tried)}
    return Diagnosis(Cause.RATE_TOO_LARGE, evidence, cure, told(tried, before))


def goes_to_and_fro(trials: Retraining) -> Diagnosis | None:
    """Whether the noise of batches, or a rate that is too large, keeps the loss up: a smaller rate gets lower."""
    start, end, gained = trials.gained
    smaller = rescaled(trials.method, 0.1)
    if smaller is None or (trials.has_decayed and end <= start):  # the rate has fallen already
        return None
    slow, same = (trials.onward(method=method) for method in (smaller.method, trials.method))
    won = 0.0 if slow is None else end - settled(slow)
    same = trials.as_before() if same is None and not trials.was_cut else same
    as_it_was = 0.0 if same is None else end - settled(same)
    is_unknown = same is None and trials.was_cut  # what going on as before would have come to
    matters = won > MATTERS * max(gained, end) or trials.is_much_of_rest(won) or trials.is_much_of_learnt(won)
    goes_on = not trials.is_restless and not trials.is_at_rest  # going on as before is no cure where it has stopped
    late = trials.history.loss[len(trials.history) // 2 :]
    is_luck = trials.has_noise and rises(late) > RISING  # what going on as before has won
    least = (_BY_LUCK if is_luck else 2) * as_it_was
    if slow is None or is_unknown or not matters or (won < least and goes_on) or not slow.loss[-1] < end:
        return None
    evidence = {"loss": end, "going on with a tenth of the rate": end - won}
    if not trials.is_at_rest and same is not None:
        evidence["going on as before"] = end - as_it_was
    if end > 1.02 * start:
        return Diagnosis(Cause.RATE_TOO_LARGE, evidence, smaller.how, told(slow, end, f"more at {smaller.how}"))
    cause = Cause.NOISE_FLOOR if trials.has_noise else Cause.OSCILLATING
    others = _calmed(trials, end - won / 2) if trials.has_noise else []
    how, seen = f"a rate that falls at the end, to {smaller.how}", told(slow, end, f"more at {smaller.how}")
    falls = falling(trials.method, int(trials.history.steps[-1]))
    if falls is not None and trials.has_time_for(trials.whole):
        made = trials.anew(method=falls.method, epochs=trials.whole)
        if made is not None and made.loss[-1] < end - won / 2:
            how, seen = falls.how, told(made, end)
    return Diagnosis(cause, evidence, ", or ".join([how, *others]), seen)


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
    return Diagnosis(Cause.OSCILLATING, evidence, cure, told(tried, before))


def rises_too_slowly(trials: Retraining) -> Diagnosis | None:
    """Whether a schedule that warms up is still far from the rate it leads to, and one that does so sooner is not."""
    rates = trials.history.rate[np.isfinite(trials.history.rate)]
    found = risen(trials.method, rates, int(trials.history.steps[-1]))
    return None if found is None else _farther(trials, [(found[0], False)])


def too_small(trials: Retraining) -> Diagnosis | None:
    """Whether a much larger rate, or one that no limit holds, gets much farther in the same time."""
    if isinstance(trials.method, Rule):
        looser = _farther(trials, [(loosened(trials.method, factor), False) for factor in (10_000, 100, 10)])
        if looser is not None:
            return looser
    known = rates_in(trials.method).values() if isinstance(trials.method, Rule) else ()
    highest = max((float(rate) for rate in known if isinstance(rate, float | int)), default=np.inf)
    usual = [rate / highest for rate in _USUAL] if highest < _LOST else []
    factors = (*usual, 10_000, 100, 10, 1_000_000)  # the boldest last: it may do well by chance
    larger = ((rescaled(trials.method, factor), factor > 10_000 and factor not in usual) for factor in factors)
    return _farther(trials, larger) or _farther(
        trials, ((one, False) for factor in (1e6, 1e4, 1e2) for one in each_rescaled(trials.method, factor))
    )


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
        is_more = start - tried.loss[-1] > 1.5 * max(start - before, 0)
        is_signal = trials.is_much_of_a_signal(before, before - won)
        goes_farther = is_more and (won > MATTERS * abs(start) or is_signal)
        least = _NEARLY_ALL if trials.in_batches else 0.5  # in batches a larger rate may do better by chance
        halves = won > least * before and trials.is_much_of_rest(won)
        end = float(trials.history.loss[-1])  # what all of training has come to, not only by then
        is_lowest = end - tried.loss[-1] > _TRIFLE * abs(end)
        if is_lowest and ((goes_farther and tried.loss[-1] < trials.level) or halves):
            best = changed.how, tried
    if best is None:
        return None
    cure, tried = best
    before = trials.beside(tried)
    has_tired = _has_tired(trials, MUCH * (before - float(tried.loss[-1])))
    cause = Cause.STEP_VANISHED if has_tired else Cause.RATE_TOO_SMALL
    rates = [*rates_in(trials.method).values()] if isinstance(trials.method, Rule) else []
    evidence = {"learning rate": float(rates[0])} if len(rates) == 1 else {}
    evidence |= {"loss at the start": start, **trials.losses_beside(tried)}
    return Diagnosis(cause, evidence, cure, told(tried, before))


def _has_tired(trials: Retraining, least: float) -> bool:
    """Whether its steps shrink, and one that forgets wins so much at the same rate: else that was too small at once."""
    lr = getattr(trials.method, "lr", None)
    if not (isinstance(trials.method, Method) and tires(trials.method)):
        return False
    tried = trials.anew(method=RMSProp(lr=float(lr))) if isinstance(lr, float | int | np.number) else None
    return tried is None or trials.beside(tried) - tried.loss[-1] > least
