"""The options that `minimize`, `sweep` and `race` have in common, checked and made ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from descend.arguments import whole
from descend.descent.sampling import Sampling
from descend.methods import Adam, GradientDescent, Rule, as_rule
from descend.objectives.parameters import dtype_of
from descend.stepsizes import BarzilaiBorwein, Polyak, StepSize
from descend.stepsizes.schedule import Schedule

__all__ = ["cast", "check_goal", "check_options", "check_rates", "last_step", "ready", "samples", "sampling_of"]


def ready(method: Any, sampling: Sampling | None, x0: Any) -> Rule:
    """The method with its numbers in the dtype of x, so that a new number is not a new compilation."""
    if method is None:
        method = Adam(lr=0.01) if samples(sampling) else GradientDescent(lr=BarzilaiBorwein())
    rule = as_rule(method)
    for name, value, legal in rule.numbers():
        if np.ndim(value) > 0 and not legal.any_rank:
            raise ValueError(
                f"{name} is an array of {np.size(value)} numbers; minimize takes one: "
                "sweep(objective, x0, method) makes a run for each"
            )
    for part in rule.parts():
        if samples(sampling) and isinstance(part, StepSize) and (part.compares or part.waits):
            raise ValueError(
                f"{type(part).__name__} compares costs or gradients of successive steps, which batches make "
                "incomparable: give a number or a schedule as lr, or all rows at each step"
            )
    rule = cast(rule, dtype_of(x0))
    nearest = rule.reach(x0, x0)
    for inside, given in zip(jax.tree.leaves(nearest), jax.tree.leaves(x0), strict=True):
        if not np.allclose(inside, given, rtol=1e-5, atol=1e-8):
            place = np.array2string(np.asarray(inside), threshold=6, precision=4)
            raise ValueError(f"x0 lies outside the set of the projection; start inside it, e.g. at {place}")
    return rule


def check_rates(rule: Rule, last: int) -> None:
    """Refuse a schedule of a user's own that leaves the numbers a rate may be."""
    for part in rule.parts():
        if isinstance(part, Schedule) and not type(part).__module__.startswith("descend."):
            steps = np.unique(np.linspace(0, max(0, last - 1), 1_000).round())
            rates = np.broadcast_to(np.asarray(part(steps), float), steps.shape)
            bad = np.flatnonzero(~(rates >= 0) | ~np.isfinite(rates))
            if len(bad):
                raise ValueError(
                    f"{type(part).__name__} gives the rate {rates[bad[0]]:.4g} at step {steps[bad[0]]:.0f}: "
                    "a rate is a finite number >= 0; np.maximum(…, 0) keeps it there"
                )


def cast(rule: Rule, kind: np.dtype[Any]) -> Rule:
    """The rule with its numbers in that dtype, so that a new number is not a new compilation."""
    made: Rule = jax.tree.map(lambda leaf: np.asarray(leaf, kind)[()], rule)
    return made


def check_goal(rule: Rule, first: float, *, maximize: bool) -> None:
    """Refuse a step size that goes to a known cost, above the first one."""
    for part in rule.parts():
        if isinstance(part, Polyak) and first < (fmin := float(part.fmin)):
            turned = f": of a maximum the sign is turned, fmin={-fmin:g}" if maximize else " that there is"
            seen = -first if maximize else first
            raise ValueError(
                f"fmin={fmin:g} is no lowest cost, for at the start it is {seen:.6g} already: give the lowest{turned}"
            )


def check_options(
    *, grad: Callable[..., Any] | None, callback: Callable[..., Any] | None, time_limit: float | None, maximize: bool
) -> None:
    """Raise where an option makes no sense, before any work is done."""
    if not isinstance(maximize, bool | np.bool):
        raise TypeError(f"maximize must be True or False, got {maximize!r}")
    for name, function in (("grad", grad), ("callback", callback)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function, got {function!r}")
    if time_limit is not None and not (isinstance(time_limit, int | float | np.number) and time_limit > 0):
        raise ValueError(f"time_limit must be a number of seconds > 0, got {time_limit!r}")


def samples(sampling: Sampling | None) -> bool:
    """Whether each step sees a batch instead of all data."""
    return sampling is not None and sampling.samples


def sampling_of(parts: tuple[Any, ...], batch_size: int | None, epochs: int | None, seed: int) -> Sampling | None:
    """How the steps see the data; None where there is none."""
    whole("seed", seed, least=0)
    for name, count in (("batch_size", batch_size), ("epochs", epochs)):
        if count is not None:
            if not parts:
                raise ValueError(f"{name} needs data: minimize(loss, w0, data=(X, y), {name}={count!r})")
            whole(name, count)
    if not parts:
        return None
    count = len(jax.tree.leaves(parts)[0])
    if batch_size is not None and batch_size > count:
        raise ValueError(f"batch_size is {batch_size}, but the data has {count} rows; None takes all")
    return Sampling(count, int(batch_size) if batch_size is not None else None, int(seed))


def last_step(sampling: Sampling | None, steps: int | None, epochs: int | None) -> int:
    """The last step that may be made."""
    if steps is not None and epochs is not None:
        raise ValueError(f"give steps or epochs, not both (steps={steps}, epochs={epochs})")
    if steps is not None:
        whole("steps", steps, least=0)
        return int(steps)
    if sampling is not None and (epochs is not None or sampling.samples):
        made = (100 if epochs is None else int(epochs)) * sampling.batches
        whole("epochs × batches", made)
        return made
    return 10_000
