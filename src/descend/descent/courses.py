"""The problems of a race, each with its start and the lowest cost that is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from descend.objectives import Landscape
from descend.objectives.function import Problem, prepare
from descend.objectives.landscapes import is_landscape
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters

__all__ = ["Course", "courses_of", "distinct"]


class Course(NamedTuple):
    """One problem of a race."""

    name: str
    objective: Callable[..., Any]
    x0: Any
    problem: Problem
    known: float  # the lowest cost, where it is known
    quickly: bool


def distinct(names: list[str]) -> list[str]:
    """The names, with a number behind each that came before."""
    return [f"{name} ({names[:i].count(name) + 1})" if names[:i].count(name) else name for i, name in enumerate(names)]


def courses_of(objectives: Any, x0: Any, *, maximize: bool) -> list[Course]:
    """One objective from `x0`, or landscapes from their own starts; see `race` for what is legal."""
    many = isinstance(objectives, list | tuple)
    if many and x0 is not None:
        raise ValueError("with a list of landscapes each has its own start: leave x0 out")
    if many and not objectives:
        raise ValueError("the list of landscapes is empty")
    for objective in objectives if many else []:
        if not isinstance(objective, Landscape) and not (isinstance(objective, str) and is_landscape(objective)):
            raise TypeError(
                f"several objectives must be landscapes or names of them, which have own starts; got {objective!r}"
            )
    found = [named(objective, x0) for objective in (objectives if many else [objectives])]
    if many:
        return _together([objective for objective, _, _ in found], maximize=maximize)
    objective, start_at, in_words = found[0]
    start_at = as_parameters(start_at)
    problem = prepare(objective, start_at, maximize=maximize, written_in_words=in_words)
    return [Course(_name(objective), objective, start_at, problem, _known(objective, maximize=maximize), quickly=False)]


def _together(landscapes: list[Any], *, maximize: bool) -> list[Course]:
    """All landscapes of one shape as one function with a number for each, so that a method is compiled once."""
    courses, names = [], distinct([_name(found) for found in landscapes])
    starts = [as_parameters(found.start) for found in landscapes]
    for i, (found, start_at) in enumerate(zip(landscapes, starts, strict=True)):
        alike = [k for k, other in enumerate(starts) if other.shape == start_at.shape]
        functions = [landscapes[k].__call__ for k in alike]

        def one_of(x: Any, which: Any, functions: Any = functions) -> Any:
            return jax.lax.switch(which, functions, x)

        which = np.asarray(alike.index(i), np.int32)
        problem = prepare(one_of, start_at, data=(which,), maximize=maximize, written_in_words=True)
        courses.append(Course(names[i], found, start_at, problem, _known(found, maximize=maximize), quickly=True))
    return courses


def _name(objective: Any) -> str:
    known = (getattr(objective, attribute, None) for attribute in ("name", "text", "__name__"))
    return str(next((name for name in known if name), "objective"))


def _known(objective: Any, *, maximize: bool) -> float:
    is_known = isinstance(objective, Landscape) and not maximize and np.isfinite(objective.fmin)
    return float(objective.fmin) if is_known else np.inf
