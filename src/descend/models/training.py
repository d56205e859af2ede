"""Training in batches, which ends in an outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from descend.descent.interrupts import Interrupts
from descend.descent.outcome import Finding, Outcome, margin
from descend.descent.progress import Progress as Bar
from descend.models.checkpoint import Checkpoint, CheckpointError, Progress
from descend.models.history import History
from descend.models.kernels import places, shuffled
from descend.models.trainers import Trainer

__all__ = [
    "EXPLODED",
    "Chunk",
    "Chunks",
    "Ending",
    "Measured",
    "beside_a_constant",
    "chunks_of",
    "enough_epochs",
    "parted",
    "rows_together",
    "sample_of",
    "some_of",
    "train_in_batches",
]

_EPOCHS, _STEPS = 10, 1_000  # epochs unless given: ten, or of few rows as many as make so many steps
_CHUNK = 65_536  # rows between two looks whether all is well, at least
_LOOKS = 8  # in an epoch of many rows, where steps are compiled
_SHARED = 8  # times as many rows for each of several threads, which take a while to get going
_MEASURED = 4_096  # rows on which the loss is measured on the way
_ROSE, _OF_GAINED = 0.1, 0.01  # shares of the training loss, and of what was gained: by so much more it bounces
_ROSE_MUCH = 0.1  # share of the first loss: a model that begins at the best constant may end a little above it
_NO_BETTER = 0.001  # share of the loss of a constant by which something that was learnt is lower
_SAME = 1e-3  # share of the loss by which it may differ where training goes on: that of another machine does
_BY_CHANCE = 6.0  # over the rows held out: such a share is lost and won by chance, where the best epoch was kept
EXPLODED = 1e4  # so many times the first loss is no noise
_PLACE = "epoch {task.completed:.2f} of {task.total}"
_SEEN = "loss {0:.4g}  score {1:.4f}  {2:,.0f} rows a second"


@dataclass(frozen=True)
class Ending:
    """How training ended."""

    weights: np.ndarray
    outcome: Outcome
    message: str
    epochs: float
    has_gone_back: bool = False  # to parameters that are not those of the last step
    was_to_converge: bool = False  # whether it should have gone on until the gradient is as good as zero
    cure: str = ""  # of a divergence, where it is known already
    finding: Finding | None = None  # for a diagnosis to start from


class Measured(NamedTuple):
    """What is seen of the model on the way; the fields are columns of `History`."""

    loss: float
    validation: float
    score: float
    validation_score: float
    gradient: float


class Chunk(NamedTuple):
    """Some rows to be gone through in this order; `done` is the share of the epoch that is made after them."""

    rows: Any  # Rows, or Samples: what the trainer takes
    order: np.ndarray
    done: float


Chunks = Callable[[int], Iterator[Chunk]]  # epoch → its chunks


def enough_epochs(rows: int, batch_size: int | None) -> int:
    """How many epochs make enough steps, unless their number is given: of few rows, or in large batches, more."""
    return max(_EPOCHS, -(-_STEPS * min(int(batch_size or rows), rows) // rows))


def rows_together(rows: int, jobs: int, *, is_compiled: bool) -> int:
    """How many of so many rows are gone through between two looks; few where each takes long, for Ctrl-C waits."""
    if not is_compiled:
        return _CHUNK
    return max(_CHUNK if jobs == 1 else _CHUNK * _SHARED * jobs, -(-rows // _LOOKS))


def chunks_of(rows: Any, batch_size: int, *, shuffle: bool, seed: int, together: int) -> Chunks:
    """Rows in memory: each epoch in an order of its own, or as they are stored; about `together` in a chunk."""
    size = max(batch_size, together // batch_size * batch_size)

    def chunks(epoch: int) -> Iterator[Chunk]:
        order = shuffled(len(rows), seed, epoch) if shuffle else None
        for place in range(0, len(rows), size):
            end = min(place + size, len(rows))
            yield Chunk(rows, places(place, end, len(rows)) if order is None else order[place:end], end / len(rows))

    return chunks


def parted(rows: Any, share: float, seed: int) -> tuple[Any, Any]:
    """The rows (or samples) to learn from, and that share of them which is held out; None where that is zero."""
    if not share:
        return rows, None
    order = shuffled(len(rows), seed, 2**31)
    held_out = max(1, round(share * len(rows)))
    if held_out >= len(rows):
        raise ValueError(f"validation={share} leaves none of the {len(rows)} rows to learn from")
    return rows.taken(np.sort(order[held_out:])), rows.taken(np.sort(order[:held_out]))


def sample_of(rows: Any, seed: int) -> Any:
    """The rows on which the loss is measured on the way."""
    if len(rows) <= _MEASURED:
        return rows
    return rows.taken(np.sort(some_of(len(rows), _MEASURED, seed)))


def some_of(rows: int, count: int, seed: int) -> np.ndarray:
    """So many of the rows, drawn without replacement, in random order."""
    return np.random.default_rng([seed, rows]).choice(rows, count, replace=False)


def train_in_batches(
    trainer: Trainer,
    chunks: Chunks,
    batch_size: int,
    epochs: int,
    measure: Callable[[np.ndarray], Measured],
    history: History,
    patience: int | None = None,
    checkpoint: Checkpoint | None = None,
    wants_to_stop: Callable[[np.ndarray], bool] = lambda weights: False,
    harmless: float = 0.0,
) -> Ending:
    """Go through the rows epoch by epoch. To a `harmless` loss none has risen, as to one that is rounding alone.

    The last finite parameters are kept where training explodes; the best ones where the validation loss has not
    become better for `patience` epochs. Ctrl-C ends it between two chunks, `wants_to_stop(weights)` between epochs.
    """
    epochs_before = float(history.epoch[-1]) if len(history) else 0.0

    def look(epoch: float, speed: float = np.nan) -> Measured:
        seen = measure(trainer.weights)
        history.add(
            epoch=epochs_before + epoch, steps=trainer.steps, rate=trainer.rate(), speed=speed,
            seconds=time.perf_counter() - begin, **seen._asdict(),
        )  # fmt: skip
        return seen

    weights, is_warm = trainer.weights, len(history) > 0
    at = Progress(np.nan, np.nan, weights)
    is_resumed = checkpoint is not None and checkpoint.load(trainer, history, at)
    if is_resumed:
        _check_goes_on(measure(trainer.weights).loss, float(history.loss[-1]), at.first)
    begin = time.perf_counter() - (float(history.seconds[-1]) if len(history) else 0.0)
    if not is_resumed:
        at.first, at.best_loss, *_ = look(0.0)
        # A warm start may begin at a loss that is nearly zero.
        at.worst = max(at.first, harmless, measure(np.zeros_like(weights)).loss if is_warm else -np.inf)
    loss, held_out = float(history.loss[-1]), float(history.validation[-1])
    has_been_stopped = False
    with Interrupts() as interrupts, Bar(None, epochs, _PLACE, _SEEN) as bar:
        while at.epoch < epochs and not _is_idle(at, patience) and not has_been_stopped:
            for number, chunk in enumerate(chunks(int(epochs_before) + at.epoch)):
                if number < at.chunk:
                    continue  # gone through before the run was stopped
                started = time.perf_counter()
                trainer.run(chunk.rows, chunk.order, batch_size)
                speed = len(chunk.order) / (time.perf_counter() - started)
                seen = look(at.epoch + chunk.done, speed)
                loss, held_out = seen.loss, seen.validation
                bar.show(at.epoch + chunk.done, loss, seen.score, speed)
                weights = trainer.weights
                if trainer.broke_at is not None:
                    message = f"diverged in epoch {at.epoch + 1}: at step {trainer.broke_at:,} the loss is not finite"
                    done = at.epoch + chunk.done
                    return Ending(weights, Outcome.DIVERGED, message, done, finding=Finding.NOT_FINITE)
                if not np.isfinite(weights).all() or _has_exploded(loss, at.worst):
                    message = f"diverged in epoch {at.epoch + 1}: the loss went {_to(loss)}"
                    return Ending(at.good, Outcome.DIVERGED, message, at.epoch + chunk.done)
                at.good, at.chunk = weights, number + 1
                if checkpoint is not None:
                    checkpoint.save(trainer, history, at, at_once=interrupts.came())
                if interrupts.came():
                    message = f"interrupted in epoch {at.epoch + 1}, where the loss was {loss:.6g}"
                    return Ending(at.good, Outcome.INTERRUPTED, message, at.epoch + chunk.done)
            at.epoch, at.chunk = at.epoch + 1, 0
            if held_out < at.best_loss:
                at.best_loss, at.best, at.best_epoch = held_out, at.good, at.epoch
            if checkpoint is not None:
                checkpoint.save(trainer, history, at, at_once=True)
            has_been_stopped = wants_to_stop(at.good)
    if patience is not None and at.best_epoch == 0 and at.epoch and not is_warm:
        rose = loss > at.first + _ROSE_MUCH * abs(at.first)
        message = (
            f"in {_counted(at.epoch)} the validation loss was never below its {at.best_loss:.6g} at the start, whose "
            f"parameters are kept, while the training loss went from {at.first:.6g} to {loss:.6g}"
        )
        outcome = Outcome.DIVERGED if rose else Outcome.STALLED
        return Ending(at.best, outcome, f"{outcome.value}: {message}", at.epoch, has_gone_back=True)
    if _is_idle(at, patience) and (rise := _rise_since(history, epochs_before + at.best_epoch, at.first)) is not None:
        message = (
            f"the validation loss was lowest, {at.best_loss:.6g}, after {_counted(at.best_epoch)}, whose parameters "
            f"are kept, but after it the training loss rose as well: from {rise[0]:.6g} to {rise[1]:.6g}. Try a "
            "smaller learning rate"
        )
        said = f"{Outcome.STALLED.value}: {message}"
        return Ending(at.best, Outcome.STALLED, said, at.epoch, has_gone_back=True, finding=Finding.RESTLESS)
    if _is_idle(at, patience):
        message = (
            f"stopped early after {_counted(at.epoch)}: the validation loss was lowest, {at.best_loss:.6g}, "
            f"after {at.best_epoch}, whose parameters are kept"
        )
        return Ending(at.best, Outcome.CONVERGED, message, at.epoch, has_gone_back=True)
    if loss > at.worst + max(margin(at.worst, at.good.dtype, history.loss), _ROSE_MUCH * abs(at.worst)):
        message = f"diverged: the loss rose from {at.first:.6g} to {loss:.6g}"
        return Ending(at.good, Outcome.DIVERGED, message, float(epochs))
    kept = at.best if patience is not None else at.good
    made = f"{'' if epochs == 1 else 'all '}{_counted(epochs)} made"
    if has_been_stopped:
        made = f"stopped by a callback after {_counted(at.epoch)}"
    elif at.epoch > epochs:
        made = f"the checkpoint has {_counted(at.epoch)} already, more than the {epochs} that were asked for"
    message = f"{made}: the loss went from {at.first:.6g} to {loss:.6g}"
    outcome = Outcome.INTERRUPTED if has_been_stopped else Outcome.STEPS_EXHAUSTED
    return Ending(kept, outcome, message, float(at.epoch), has_gone_back=patience is not None)


def _check_goes_on(loss: float, before: float, first: float) -> None:
    """Refuse a checkpoint at whose parameters the loss is another than it was when that was written."""
    if not np.isclose(loss, before, rtol=_SAME, atol=_SAME * abs(first), equal_nan=True):
        raise CheckpointError(
            f"the checkpoint is of another loss or model: at its parameters the loss is {loss:.6g}, and was "
            f"{before:.6g} when it was written. Go on with what it was trained with, or begin anew"
        )


def beside_a_constant(
    ending: Ending, losses: Callable[[Any], tuple[float, float, float]], sample: Any, held_out: Any
) -> Ending:
    """The ending, or that nothing was learnt, where the model does no better than the best prediction without columns.

    `losses(rows)` are those of both, and of a prediction without an error. Of a training that was stopped early the
    rows held out are the judges.
    """
    if ending.outcome not in {Outcome.STEPS_EXHAUSTED, Outcome.CONVERGED}:
        return ending
    was_stopped = ending.outcome is Outcome.CONVERGED
    loss, of_constant, floor = losses(held_out if was_stopped else sample)
    least = max(_NO_BETTER, _BY_CHANCE / len(held_out)) if was_stopped else _NO_BETTER
    if of_constant <= floor or of_constant - loss >= least * (of_constant - floor):  # or all targets are the same
        return ending
    outcome = Outcome.NOTHING_LEARNT
    message = f"{outcome.value}: {ending.message}, and a prediction that is the same for all rows has {of_constant:.6g}"
    if loss < of_constant and was_stopped:
        message += f": no more than chance brings about with {len(held_out)} rows"
    return replace(ending, outcome=outcome, message=message)


def _has_exploded(loss: float, worst: float) -> bool:
    """Whether a loss is no noise any more; one that may be below zero has no size to compare it with."""
    return not np.isfinite(loss) or (worst > 0 and loss > EXPLODED * worst)


def _is_idle(at: Progress, patience: int | None) -> bool:
    """Whether the validation loss has not become better for too long."""
    return patience is not None and at.chunk == 0 and at.epoch - at.best_epoch >= patience


def _rise_since(history: History, best: float, first: float) -> tuple[float, float] | None:
    """The training loss at the epoch that was best, and what it was like after it, where it rose much as well."""
    then = float(history.loss[np.searchsorted(history.epoch, best, side="right") - 1])
    since = float(np.median(history.loss[(history.epoch > best) & (history.epoch == np.floor(history.epoch))]))
    is_much = since - then > max(_ROSE * abs(then), _OF_GAINED * (first - then))
    return (then, since) if is_much else None


def _counted(epochs: int) -> str:
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _to(loss: float) -> str:
    return f"to {loss:.3g}" if np.isfinite(loss) else "beyond all numbers"
