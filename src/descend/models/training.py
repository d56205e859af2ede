"""Training a linear model: on all rows at each step, or in batches; either way it ends in an outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from descend.descent import Outcome, minimize
from descend.descent.outcome import margin
from descend.descent.sampling import Sampling
from descend.methods import GradientDescent, Method, Rule
from descend.models.costs import Cost, Scaling
from descend.models.history import History
from descend.models.losses import Loss
from descend.models.rows import Rows
from descend.models.trainers import Streaming, Trainer
from descend.stepsizes import AdaptiveBarzilaiBorwein

__all__ = ["Chunk", "Chunks", "Ending", "best_rate", "chunks_of", "sample_of", "train_in_batches", "train_on_all_rows"]

_CHUNK = 65_536  # rows between two looks whether all is well
_MEASURED = 4_096  # rows on which the loss is measured on the way
_EXPLODED = 1e4  # so many times the first loss is no noise
_TRIED = 2_048  # rows for which each rate is tried
_BUDGET = 8_192  # steps of a row for each rate, where there are few rows


@dataclass(frozen=True)
class Ending:
    """How training ended."""

    weights: np.ndarray
    outcome: Outcome
    message: str
    epochs: float


class Chunk(NamedTuple):
    """Some rows to be gone through in this order; `done` is the share of the epoch that is made after them."""

    rows: Rows
    order: np.ndarray
    done: float


Chunks = Callable[[int], Iterator[Chunk]]  # epoch → its chunks


def chunks_of(rows: Rows, batch_size: int, *, shuffle: bool, seed: int) -> Chunks:
    """Rows in memory: each epoch in an order of its own, or as they are stored."""
    sampling = Sampling(len(rows), batch_size, seed)
    size = max(batch_size, _CHUNK // batch_size * batch_size)

    def chunks(epoch: int) -> Iterator[Chunk]:
        order = sampling.order(epoch) if shuffle else np.arange(len(rows))
        for place in range(0, len(rows), size):
            yield Chunk(rows, order[place : place + size], min(1.0, (place + size) / len(rows)))

    return chunks


def sample_of(rows: Rows, seed: int) -> Rows:
    """The rows on which the loss is measured on the way."""
    if len(rows) <= _MEASURED:
        return rows
    return rows.taken(np.sort(Sampling(len(rows), None, seed).order(2**31)[:_MEASURED]))


def train_on_all_rows(cost: Cost, start: np.ndarray, rule: Rule | None, steps: int, gtol: float | None) -> Any:
    """The run of `minimize` on the cost of all rows; without a rule, with a step size that needs no tuning."""
    rule = GradientDescent(lr=AdaptiveBarzilaiBorwein()) if rule is None else rule
    return minimize(cost, start, rule, grad=cost.grad, steps=steps, gtol=gtol)


def train_in_batches(
    trainer: Trainer,
    chunks: Chunks,
    batch_size: int,
    epochs: int,
    measure: Callable[[np.ndarray], tuple[float, float]],
    history: History,
    patience: int | None = None,
) -> Ending:
    """Go through the rows epoch by epoch.

    `measure(weights)` is the loss of a sample of the rows, and of the validation rows (nan without). The last finite
    parameters are kept where training explodes; the best ones where the validation loss has not become better for
    `patience` epochs.
    """
    begin = time.perf_counter()
    epochs_before = float(history.epoch[-1]) if len(history) else 0.0

    def look(epoch: float) -> tuple[float, float]:
        loss, held_out = measure(trainer.weights)
        history.add(
            epoch=epochs_before + epoch, steps=trainer.steps, loss=loss, validation=held_out, rate=trainer.rate(),
            seconds=time.perf_counter() - begin,
        )  # fmt: skip
        return loss, held_out

    first, held_out = look(0.0)
    loss, good = first, trainer.weights
    best, best_epoch = (held_out, good), 0
    for epoch in range(epochs):
        for chunk in chunks(int(epochs_before) + epoch):
            trainer.run(chunk.rows, chunk.order, batch_size)
            loss, held_out = look(epoch + chunk.done)
            weights = trainer.weights
            if not np.isfinite(weights).all() or not loss <= _EXPLODED * max(first, 1e-30):
                message = f"diverged in epoch {epoch + 1}: the loss went {_to(loss)}"
                return Ending(good, Outcome.DIVERGED, message, epoch + chunk.done)
            good = weights
        if held_out < best[0]:
            best, best_epoch = (held_out, good), epoch + 1
        if patience is not None and epoch + 1 - best_epoch >= patience:
            message = (
                f"stopped early after {_counted(epoch + 1)}: the validation loss was lowest, {best[0]:.6g}, after "
                f"{best_epoch}, whose coefficients are kept"
            )
            return Ending(best[1], Outcome.CONVERGED, message, epoch + 1)
    if loss > first + margin(first, good.dtype, history.loss):
        message = f"diverged: the loss rose from {first:.6g} to {loss:.6g}"
        return Ending(good, Outcome.DIVERGED, message, float(epochs))
    kept = best[1] if patience is not None else good
    message = f"all {_counted(epochs)} made: the loss went from {first:.6g} to {loss:.6g}"
    return Ending(kept, Outcome.STEPS_EXHAUSTED, message, float(epochs))


def _counted(epochs: int) -> str:
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _to(loss: float) -> str:
    return f"to {loss:.3g}" if np.isfinite(loss) else "beyond all numbers"


def best_rate(
    method: type[Method],
    loss: Loss,
    scaling: Scaling,
    l2: float,
    start: np.ndarray,
    rows: Rows,
    batch_size: int,
    epochs: int,
    measure: Callable[[np.ndarray, Rows], float],
    seed: int,
) -> float:
    """The rate with which a pass over some rows (more than one where there are few) leaves the lowest loss on others.

    Tried are three rates a decade, from far too small to far too large for the scale of the target.
    """
    order = Sampling(len(rows), None, seed).order(2**30)
    count = min(_TRIED * max(1, min(batch_size, 32)), max(1, len(rows) * 2 // 3))
    passes = max(1, min(epochs, _BUDGET // count))
    tried, judged = rows.taken(order[:count]), rows.taken(order[count:][:_TRIED] if len(rows) > count else order)
    spread = float(np.std(rows.y[:_CHUNK])) or 1.0
    places, found = np.arange(len(tried)), []
    for lr in np.geomspace(1e-5 * min(1.0, spread), 10 * max(1.0, spread), 19 + round(3 * abs(np.log10(spread)))):
        trainer = Streaming(method(lr=float(lr)), loss, scaling, l2, start, tried)
        for _ in range(passes):
            trainer.run(tried, places, min(batch_size, len(tried)))
        cost = measure(trainer.weights, judged)
        found.append((cost if np.isfinite(cost) else np.inf, float(lr)))
    return min(found)[1]
