"""Why training ended as it did, found by training it again: for a moment, with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from descend.descent import Outcome
from descend.insight.diagnosis import NO_MORE, Cause, Diagnosis
from descend.insight.retrained_losses import OfTraining
from descend.insight.retraining import FEW_LOOKS, FEW_STEPS, REST, Retraining
from descend.insight.retraining_causes import (
    at_chance,
    boundless,
    cut_off,
    hardly_begun,
    has_heavy_penalty,
    ill_conditioned,
    penalised,
    plateau,
    raw_columns,
    too_few_epochs,
    with_cure_tried,
    wrong_rule,
)
from descend.insight.retraining_rates import (
    decayed,
    diverged,
    goes_to_and_fro,
    rises_too_slowly,
    swings,
    too_large,
    too_small,
)
from descend.insight.trials import FROZEN
from descend.methods import Frozen, Rule
from descend.models.linear import LinearModel

__all__ = ["explain_by_retraining"]

_HARDLY_LEARNT = 0.01  # share of the loss after an epoch: of so little nobody knows whether it is all there is
_SAME = 1e-3  # share of the loss of a constant, within which the columns tell nothing and nothing is left to learn
_TRIFLE = 0.01  # share of the loss that more steps may win where nothing is left to learn


def explain_by_retraining(trials: Retraining, read: Diagnosis) -> Diagnosis:
    """The diagnosis, where trials bear it out; `read` is what the history alone tells."""
    with np.errstate(all="ignore"):  # numbers may be huge where training has gone astray
        return replace(_explained(trials, read), explained=trials.history)


def _explained(trials: Retraining, read: Diagnosis) -> Diagnosis:
    certain = {Cause.OVERFITTING, Cause.LEFT_DOMAIN, Cause.UNBOUNDED, Cause.PRECISION_FLOOR}
    has_diverged = trials.outcome is Outcome.DIVERGED
    if trials.outcome is Outcome.CONVERGED:  # of one that was stopped early, the training loss is not the measure
        if trials.in_batches and read.cause is Cause.HEALTHY and not trials.knows_rows_held_out:
            return Diagnosis(Cause.UNKNOWN, {**read.evidence, "what it knows": NO_MORE}, outcome=trials.outcome)
        found = None if trials.in_batches else penalised(trials)
        return read if found is None else replace(found, outcome=trials.outcome)
    if read.cause in certain:
        return with_cure_tried(trials, read)
    looks = boundless, cut_off, wrong_rule, rises_too_slowly, decayed, *_looks(trials, read), ill_conditioned
    for look in (wrong_rule, *_pulled(trials), diverged) if has_diverged else looks:
        found = look(trials)
        if found is not None:
            return replace(found, outcome=trials.outcome)
    evidence: dict[str, Any] = {"loss": float(trials.history.loss[-1])}
    if trials.was_cut:
        evidence["not all was tried"] = "that would have taken longer than the training"
    if has_diverged:
        return Diagnosis(read.cause, evidence, outcome=trials.outcome)
    start, end, gained = trials.gained
    learnt = gained > 0.5 * abs(start)
    is_frozen = isinstance(trials.method, Rule) and any(isinstance(part, Frozen) for part in trials.method.parts())
    if trials.stuck and not is_frozen and not learnt:
        at = {**evidence, "no gradient reaches": ", ".join(trials.stuck)}
        return Diagnosis(Cause.PLATEAU, at, "begin elsewhere: there is no slope here", outcome=trials.outcome)
    if isinstance(trials.method, Rule) and (trials.history.loss == start).all():
        cure = FROZEN if is_frozen else ""
        return Diagnosis(Cause.UNKNOWN, {**evidence, "loss at the start": start}, cure, outcome=trials.outcome)
    evidence["trainings that were tried"] = trials.made
    if np.isfinite(trials.lowest):
        evidence["the lowest loss among them"] = trials.lowest
    if at_chance(trials):
        evidence["what it knows"] = NO_MORE
        is_linear = isinstance(trials.model, LinearModel) and trials.outcome is Outcome.STEPS_EXHAUSTED
        is_lowest = is_linear and not trials.was_cut and end - trials.lowest < _SAME * abs(trials.level)
        return Diagnosis(Cause.HEALTHY if is_lowest else Cause.UNKNOWN, evidence, outcome=trials.outcome)
    if trials.never_reached:
        evidence["no gradient reaches"] = ", ".join(trials.never_reached)
    if trials.is_deep and not trials.level - end > _HARDLY_LEARNT * abs(trials.level):
        return Diagnosis(Cause.UNKNOWN, {**evidence, "loss at the start": start}, outcome=trials.outcome)
    ended_well = trials.outcome is Outcome.STEPS_EXHAUSTED  # with all steps made, and nothing that gets it much lower
    # Whether a rate that has fallen did so too early is looked at first: then it speaks against nothing.
    speaks_for = read.cause is Cause.HEALTHY or trials.has_decayed
    is_short = trials.history.steps[-1] < FEW_STEPS and end > 0.5 * trials.level and not trials.has_settled
    won = trials.won_by_many_more if is_short else 0.0
    has_begun = won is not None and (won < _TRIFLE or not trials.more_holds(trials.many_more))
    is_best = trials.is_at_rest and isinstance(trials.model, LinearModel) and end - trials.lowest < REST * (start - end)
    is_certain = not trials.was_cut or ((learnt or trials.has_settled) and speaks_for)
    is_well = is_best or (ended_well and has_begun and is_certain)
    return Diagnosis(Cause.HEALTHY if is_well else Cause.UNKNOWN, evidence, outcome=trials.outcome)


def _pulled(trials: Retraining) -> tuple[Callable[[Retraining], Diagnosis | None], ...]:
    """What is looked for first where something pulls at the parameters."""
    pulls = isinstance(trials.method, Rule) and trials.method.pulls(trials.parameters)
    return (penalised,) if pulls or has_heavy_penalty(trials) else ()


def _looks(trials: Retraining, read: Diagnosis) -> tuple[Callable[[Retraining], Diagnosis | None], ...]:
    """What is looked for, in the order that a first glance at the losses suggests."""
    start, end, gained = trials.gained
    is_own = isinstance(trials, OfTraining)  # nobody else has drawn its start, or scaled its columns
    early, late = ((raw_columns, plateau), ()) if is_own else ((), (plateau,))
    pulled = _pulled(trials)
    if end > 1.02 * start or trials.is_restless:  # the way led up
        return *pulled, too_large, goes_to_and_fro, penalised, plateau, too_small, raw_columns
    if not gained > 0.01 * abs(start) or at_chance(trials) or trials.unreached:
        order = (too_small, plateau) if is_own and not trials.unreached else (plateau, too_small)
        has_leapt = float(np.abs(trials.history.loss - start).max()) > 0.01 * abs(start)
        is_first = has_leapt and not any("activation" in changes for _, changes in trials.other_ways()[:1])
        before, after = ((too_large,), ()) if is_first else ((), (too_large,))
        return (
            *pulled,
            *before,
            raw_columns,
            *order,
            penalised,
            *after,
            goes_to_and_fro,
            too_few_epochs,
            hardly_begun,
        )
    if len(trials.history) < FEW_LOOKS:
        return (
            *pulled,
            raw_columns,
            too_large,
            *early[1:],
            goes_to_and_fro,
            too_few_epochs,
            too_small,
            hardly_begun,
            penalised,
            *late,
        )
    first = (*pulled, *early[:1], too_large, *early[1:], swings, raw_columns)
    held_up = () if trials.in_batches else (ill_conditioned,)  # else that is looked for last
    return *first, too_small, goes_to_and_fro, *held_up, too_few_epochs, penalised, hardly_begun, *late
