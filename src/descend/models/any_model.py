"""`train`: any JAX function of parameters and rows, trained in batches."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Never

import jax
import numpy as np

from descend.arguments import flag, no_others, share, whole
from descend.descent.options import ready, sampling_of
from descend.descent.outcome import Finding, Outcome
from descend.descent.sampling import as_data
from descend.methods import Adam, Rule
from descend.models.checkpoint import Checkpoint, about, check_resume
from descend.models.descending import Descending
from descend.models.history import History
from descend.models.samples import Samples
from descend.models.training import Ending, Measured, chunks_of, parted, sample_of, train_in_batches
from descend.objectives.parameters import as_parameters, from_vector
from descend.objectives.tracing import compiled, same_constants
from descend.words import precision

__all__ = ["Training", "train"]

_WORK = 4e9  # numbers of parameters times rows between two looks whether all is well
_BLOCK = 512  # rows whose loss is measured together


@dataclass(frozen=True)
class Training:
    """What `train` has made.

    Attributes
    ----------
    params
        The parameters, as they were given, as NumPy arrays: the last finite ones, or with `patience` the best.
    outcome, message
        How training ended, and the sentence that says so.
    history
        The losses on the way, see `History`; `score` is the metric.
    method
        What made the steps.
    seconds
        From the call to its end.
    rows
        How many rows there were.
    kept
        The row of `history` whose parameters these are.
    finding
        What was found at the end, for a diagnosis to start from.
    again
        `again(**changes)` trains once more as `train` did, with some of its parameters changed.
    """

    params: Any
    outcome: Outcome
    message: str
    history: History
    method: Rule
    seconds: float
    rows: int
    kept: int
    finding: Finding | None = field(repr=False)
    again: partial[Training] = field(repr=False, compare=False)

    @property
    def success(self) -> bool:
        """Whether it ended well: all epochs made, or stopped where validation was best."""
        return self.outcome in {Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED}

    def gradient(self, params: Any) -> list[tuple[str, Any]]:
        """The gradient of the loss of many rows at some parameters, array by array, with their names."""
        found = jax.tree_util.tree_leaves_with_path(self._gradient_of_rows(params, *self._sample()))
        return [(jax.tree_util.keystr(path, simple=True, separator="."), np.asarray(leaf)) for path, leaf in found]

    def loss(self, params: Any) -> float:
        """The loss of many rows at some parameters."""
        return float(self._loss_of_rows(params, *self._sample()))

    def knows_rows_held_out(self, orders: int = 39) -> bool:
        """Whether the loss of rows held out is lower than with the first part of the data in so many other orders.

        By chance it is so once in `orders` + 1. True where nothing was held out, or the data have one part only.
        """
        share, seed = float(self.again.keywords["validation"]), int(self.again.keywords["seed"])
        parts = self._data()
        if not share or len(parts) < 2:
            return True
        first, *others = sample_of(parted(Samples(parts), share, seed)[1], 0).parts
        loss, draw = self._loss_of_rows, np.random.default_rng(seed)
        own = float(loss(self.params, first, *others))
        count = len(jax.tree.leaves(first)[0])
        mixed = (Samples((first,)).taken(draw.permutation(count)).parts[0] for _ in range(orders))
        return all(own < float(loss(self.params, other, *others)) for other in mixed)

    def _data(self) -> tuple[Any, ...]:
        return as_data(self.again.keywords["data"], jax.tree.leaves(self.params)[0])

    @cached_property
    def _loss_of_rows(self) -> Callable[..., Any]:
        return self._of(lambda loss: loss)

    @cached_property
    def _gradient_of_rows(self) -> Callable[..., Any]:
        return self._of(jax.grad)

    def _sample(self) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = sample_of(Samples(self._data()), 0).parts
        return parts

    def _of(self, made: Callable[[Any], Any]) -> Callable[..., Any]:
        """What is made of the loss, as a function of parameters and rows."""
        loss = self.again.args[0]
        given = {"key": None} if "key" in inspect.signature(loss).parameters else {}
        of_rows = compiled(made(lambda x, *rows: loss(x, *rows, **given)))

        def of(params: Any, *rows: Any) -> Any:
            with precision(jax.tree.leaves(params)[0].dtype):
                return of_rows(params, *rows)

        return of

    def explain(self) -> Any:
        """Why training ended as it did: a `Diagnosis`.

        Trainings with one thing changed tell the causes apart, and the cure was tried; they take as long as the
        training, or two seconds, and what compilers take.
        """
        from descend.insight import explain_training
        from descend.insight.by_retraining import explain_by_retraining
        from descend.insight.retrained_losses import OfTraining

        return explain_by_retraining(OfTraining(self), explain_training(self.history, self.outcome, self.finding))

    def plot(self) -> Any:
        """Loss and metric against the epoch; returns a Figure."""
        from descend import plots

        return plots.learning(self.history)

    def __repr__(self) -> str:
        there = {name: column[self.kept] for name, column in self.history.columns().items()}
        shown = ("loss", "validation", "score", "validation_score")
        seen = ", ".join(f"{name.replace('_', ' ')} {there[name]:.4g}" for name in shown if np.isfinite(there[name]))
        return f"Training: {self.message} ({seen}; {self.seconds:.3g} s)"


def train(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    method: Any = None,
    *,
    batch_size: int | None = 32,
    epochs: int = 10,
    metric: Callable[..., Any] | None = None,
    validation: float = 0.0,
    patience: int | None = None,
    shuffle: bool = True,
    devices: int = 1,
    checkpoint: Any = None,
    resume: bool = False,
    callback: Callable[[Training], object] | None = None,
    seed: int = 0,
    **others: Never,
) -> Training:
    """Train a model that is written in JAX (or Flax, Equinox, …) in batches; a whole epoch is one compiled call.

    Parameters
    ----------
    loss
        `loss(params, *rows)` → the mean cost of some rows. If it has a parameter `key` it is given a PRNG key in each
        step (dropout, noise), and `None` where the loss is measured.
    params
        A pytree of arrays of float32 or float64.
    data
        A tuple of arrays, or pytrees of arrays, with one row per sample, e.g. (X, y).
    method
        A method with its rate, its name, or an optax transformation. Default: `Adam(0.001)`.
    batch_size, epochs
        Rows that make one step, None for all; and passes over the data. The last batch of an epoch may be short.
    metric
        `metric(params, *rows)` → a number to be watched, such as the share told right; a mean over rows.
    validation, patience
        The share of rows held out, and after how many epochs without a better loss on them training stops, with the
        best parameters restored.
    devices
        Over how many devices the rows of a batch are spread.
    checkpoint, resume
        A file that holds the whole state of training; with `resume` training goes on from it, with the same bits.
    callback
        Called with the `Training` so far after each epoch. Raise StopIteration to end it.
    seed
        Of the order of the rows, and of the keys.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came and what is legal.
    """
    begin = time.perf_counter()
    no_others(train, others)
    again = partial(
        train, loss, params=params, data=data, method=method, batch_size=batch_size, epochs=epochs,
        validation=validation, shuffle=shuffle, devices=devices, seed=seed,
    )  # fmt: skip
    params = as_parameters(params)
    samples = Samples(as_data(data, jax.tree.leaves(params)[0]))
    share("validation", validation)
    if patience is not None and not validation:
        raise ValueError("patience looks at the validation loss: give validation=0.2, too")
    check_resume(checkpoint, resume)
    whole("batch_size", batch_size, optional=True)
    whole("epochs", epochs)
    whole("devices", devices)
    whole("patience", patience, optional=True)
    if metric is not None and not callable(metric):
        raise TypeError(f"metric must be a function (params, *rows) -> number, got {metric!r}")
    whole("seed", seed, least=0)
    flag("shuffle", shuffle)
    flag("resume", resume)
    samples, held_out = parted(samples, float(validation), int(seed))
    size = min(batch_size or len(samples), len(samples))
    sampling = sampling_of(samples.parts, size, None, seed)
    rule = ready(Adam(0.001) if method is None else method, sampling, params)
    takes_key = "key" in inspect.signature(loss).parameters
    kind = jax.tree.leaves(params)[0].dtype

    def cost(x: Any, *rows: Any) -> Any:
        *rows, key = rows  # type: ignore[assignment]
        return loss(x, *rows, key=jax.random.wrap_key_data(key)) if takes_key else loss(x, *rows)

    def seen(x: Any, *rows: Any) -> tuple[Any, Any]:
        value = loss(x, *rows, key=None) if takes_key else loss(x, *rows)
        return _one_number("loss", value), np.nan if metric is None else _one_number("metric", metric(x, *rows))

    with precision(kind):
        _refuse_frozen_randomness(seen, params, *samples.taken(np.arange(size)).parts)
    look = compiled(seen)

    def measured(weights: np.ndarray, some: Samples) -> tuple[float, float]:
        x, total = from_vector(weights, params), np.zeros(2)
        with precision(kind):
            for at in range(0, len(some), _BLOCK):
                rows = some.taken(np.arange(at, min(at + _BLOCK, len(some))))
                total += len(rows) * np.array([float(number) for number in look(x, *rows.parts)])
        return float(total[0] / len(some)), float(total[1] / len(some))

    sample, history = sample_of(samples, int(seed)), History()

    def measure(weights: np.ndarray) -> Measured:
        of_held_out = (np.nan, np.nan) if held_out is None else measured(weights, held_out)
        of_sample = measured(weights, sample)
        return Measured(of_sample[0], of_held_out[0], of_sample[1], of_held_out[1], np.nan)

    trainer = Descending(rule, cost, params, int(seed), devices)
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    together = max(size, int(_WORK / weights))
    chunks = chunks_of(samples, size, shuffle=shuffle, seed=int(seed), together=together)

    def made(ending: Ending) -> Training:
        x = from_vector(ending.weights, params)
        seconds = time.perf_counter() - begin
        kept = int(np.nanargmin(history.validation)) if ending.has_gone_back else len(history) - 1
        return Training(
            x, ending.outcome, ending.message, history, rule, seconds, len(samples), kept, ending.finding, again
        )

    def wants_to_stop(weights: np.ndarray) -> bool:
        if callback is None:
            return False
        try:
            callback(made(Ending(weights, Outcome.STEPS_EXHAUSTED, "so far", 0.0)))
        except StopIteration:
            return True
        return False

    common = (trainer, chunks, size, int(epochs), measure, history, patience)
    if checkpoint is None:
        return made(train_in_batches(*common, None, wants_to_stop))
    what = {"method": repr(rule), "batch_size": str(size), "shuffle": str(shuffle), "seed": str(seed)}
    same = about(what, [np.asarray(leaf) for leaf in jax.tree.leaves((params, samples.parts))])
    with Checkpoint(checkpoint, same, resume=resume) as file:
        return made(train_in_batches(*common, file, wants_to_stop))


def _one_number(name: str, value: Any) -> Any:
    """The value, if it is one real number."""
    if value is None or isinstance(value, tuple | list | dict | str):
        came = f"a {type(value).__name__} of {len(value)}" if value is not None else "None"
        raise TypeError(f"the {name} must return one number, got {came}: return that number alone")
    if np.shape(value) != ():
        raise TypeError(f"the {name} must return one number, got an array of shape {np.shape(value)}: average it")
    if np.iscomplexobj(value):
        raise TypeError(f"the {name} must return a real number, got a complex one; take .real or jnp.abs")
    return value


def _refuse_frozen_randomness(loss: Callable[..., Any], *arguments: Any) -> None:
    """Refuse a loss that draws its random numbers outside of JAX: compiled, it has the same in every step."""
    first, second = (jax.make_jaxpr(partial(loss))(*arguments) for _ in range(2))  # a new function is traced anew
    texts = [re.sub("0x[0-9a-f]+", "", str(program.jaxpr)) for program in (first, second)]
    if texts[0] != texts[1] or not same_constants(first, second):
        raise ValueError(
            "the loss is another one each time it is traced: it draws random numbers with NumPy or Python, or keeps "
            "state, and compiled it would have the same numbers in every step. Give it a parameter `key`, "
            "loss(params, X, y, key), and draw with jax.random; key is None where the loss is measured"
        )
