"""The same method with a number changed: other rates (also inside schedules), less momentum, weaker penalties."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from descend.descent.report import described
from descend.insight.changed_schedules import paced
from descend.methods import Around, Averaged, Method, Optax, Rule, as_rule
from descend.stepsizes import StepSize
from descend.stepsizes.schedule import Cosine, Schedule

__all__ = [
    "Rescaled",
    "at_pace",
    "calmer",
    "calmer_of_optax",
    "each_rescaled",
    "falling",
    "how_fast",
    "innermost",
    "less_noise",
    "lighter",
    "limits_of",
    "loosened",
    "rates_in",
    "rescaled",
    "risen",
    "round_rate",
    "with_rate",
]

_LIMITS = {"limit", "largest"}
_CALM = 0.9  # momentum that is not called much
_MUCH_IN_OPTAX = 0.95  # of a move that is left a step later: what adapts as well keeps a little more than its momentum
_SOONER = 10.0  # of the steps that were made, a warm-up takes one
_LATER = 1e9  # steps within which a schedule that warms up has done so
_LESS_NOISE = 4  # times as many rows in a batch


def less_noise(method: Any, batch_size: int) -> dict[str, dict[str, Any]]:
    """What lowers the noise of batches, besides a smaller rate: the cure in words, and what it changes."""
    return {
        f"batch_size={_LESS_NOISE * batch_size} and as many steps": {"batch_size": _LESS_NOISE * batch_size},
        "an average of the points, Averaged": {"method": Averaged(method)},
    }


def round_rate(lr: float) -> float:
    """A rate as it is told, so that what was tried is what the user will try."""
    return float(f"{lr:.3g}")


def with_rate(method: Any, lr: float | StepSize) -> Any:
    """The same method with another rate or schedule, also where it stands inside of others."""
    if isinstance(method, Around):
        return replace(method, method=with_rate(method.method, lr))
    return replace(method, lr=lr)


def at_pace(method: Any, times: float) -> Any:
    """The method with a schedule that takes so many times as long, where it has one that can."""
    schedule = paced(getattr(innermost(method), "lr", None), times)
    return method if schedule is None else with_rate(method, schedule)


def lighter(method: Any, params: Any, times: float = 100.0) -> tuple[Any, str] | None:
    """The method with penalties so many times as light, and these in words; None where it has none.

    What optax hides inside cannot be made lighter: it is left out.
    """
    if not isinstance(method, Rule) or not method.pulls(params):
        return None
    light = {name: round_rate(value / times) for name, value in method.penalties().items()}
    how = [f"{name.split('.')[-1]}={value:g}" for name, value in light.items()]
    made = method.with_numbers(light.get)
    if isinstance(inside := innermost(made), Optax) and inside.own_pulls(params):
        made = _with_innermost(made, inside.without_pull())
        how.append("less weight decay in the optax transformation, or none")
    return made, ", ".join(how)


def _with_innermost(method: Any, rule: Rule) -> Any:
    """The same around another rule."""
    return replace(method, method=_with_innermost(method.method, rule)) if isinstance(method, Around) else rule


def innermost(method: Any) -> Any:
    """The method inside of all that is around it."""
    while isinstance(method, Around):
        method = method.method
    return method


def calmer(method: Any) -> tuple[str, Any] | None:
    """The name of its momentum, and the method with much less of it; None where it has little or none."""
    name = next((n for n in ("mu", "beta1", "beta") if isinstance(method, Method) and n in method.names()), "")
    if not name or not _CALM < float(getattr(method, name)) < 1:  # FTRL's β is no share
        return None
    less = min(_CALM, max(0.0, 1 - 10 * (1 - float(getattr(method, name)))))
    return name, replace(method, **{name: less})


def calmer_of_optax(first: float, share: float) -> dict[str, Optax]:
    """Transformations of optax with that first move, and less momentum than that share, in words; none if it is low."""
    import optax

    if not _MUCH_IN_OPTAX < share < 1:
        return {}
    lr = round_rate(first)
    ways = {f"optax.sgd({lr:g}, momentum=0.9)": optax.sgd(lr, momentum=0.9), f"optax.adam({lr:g})": optax.adam(lr)}
    return {how: Optax(transformation) for how, transformation in ways.items()}


class Rescaled(NamedTuple):
    """A method with other rates."""

    method: Rule
    how: str  # in words


def rates_in(rule: Rule) -> dict[str, Any]:
    """Name → its learning rates, also those inside schedules and of wrapped methods."""
    return {name: value for name, value, _ in rule.numbers() if name.split(".")[-1] == "lr"}


def rescaled(method: Any, factor: float) -> Rescaled | None:
    """The same method with its rates times a factor; None if it has none, or they are still to be found."""
    if method is None or isinstance(method, type | str):
        return None
    rule = as_rule(method)
    if isinstance(rule, Optax):
        return Rescaled(rule.scaled(factor), f"optax.chain(…, optax.scale({factor:g}))")
    rates = rates_in(rule)
    if not rates:
        return None
    made = rule.with_numbers(lambda name, v: _told_as(v * factor) if name in rates else v)
    return Rescaled(made, how_fast(made))


def each_rescaled(method: Any, factor: float) -> list[Rescaled]:
    """The same method with one of its several rates, as groups have them, times a factor, for each of these."""
    rates = rates_in(method) if isinstance(method, Rule) else {}
    if len(rates) < 2:
        return []
    changed = ((name, _told_as(rate * factor)) for name, rate in rates.items())
    return [Rescaled(method.with_numbers({name: rate}.get), f"{name}={rate:g}") for name, rate in changed]


def how_fast(rule: Any) -> str:
    """The rate of a method, or its schedule, as one would write it."""
    stepsize = getattr(innermost(rule), "lr", None)
    if isinstance(stepsize, Schedule):
        return f"lr={described(stepsize)}"
    return f"lr={float(next(iter(rates_in(rule).values()))):.3g}"


def falling(method: Any, steps: int) -> Rescaled | None:
    """The same method with a rate that falls to zero in so many steps, along a cosine; None where it has no rate."""
    lr = getattr(innermost(method), "lr", None)
    if not isinstance(lr, float | int):
        return None
    made = with_rate(method, Cosine(lr, steps=max(2, steps)))
    return Rescaled(made, how_fast(made))


def loosened(method: Any, factor: float) -> Rescaled | None:
    """The same method with its limits times a factor; None where there are none."""
    rule = as_rule(method)
    looser = {name: round_rate(factor * value) for name, value in limits_of(rule).items()}
    how = ", ".join(f"{name.split('.')[-1]}={value:g}" for name, value in looser.items())
    return Rescaled(rule.with_numbers(looser.get), how) if looser else None


def limits_of(rule: Rule) -> dict[str, float]:
    """Name → value of what keeps its steps short: limits of the gradient, or of a step (Rprop's)."""
    return {name: float(value) for name, value, _ in rule.numbers() if name.split(".")[-1] in _LIMITS}


def risen(method: Any, seen: np.ndarray, steps: int) -> tuple[Rescaled, float] | None:
    """The method with a schedule that rises sooner, and the rate that it rises to; None where it is near, or falls."""
    stepsize = getattr(method, "lr", None)
    if not isinstance(stepsize, Schedule) or not len(seen):
        return None
    highest = float(np.max(stepsize(np.geomspace(max(1, steps), _LATER, 2_000).round())))
    if not highest > 2 * seen.max() or seen[-1] < seen.max():
        return None
    length = getattr(stepsize, "steps", None)
    sooner = None if length is None else paced(stepsize, steps / _SOONER / float(length))
    if sooner is None:
        return Rescaled(with_rate(method, highest), f"lr={highest:.3g} from the start"), highest
    return Rescaled(made := with_rate(method, sooner), how_fast(made)), highest


def _told_as(rate: Any) -> Any:
    return round_rate(rate) if np.ndim(rate) == 0 else rate
