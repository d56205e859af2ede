"""What all pictures share: colours that colour-blind people can tell apart, markers, and new axes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from descend.descent import Run
from descend.descent.report import described
from descend.objectives import Landscape
from descend.objectives.function import Problem, prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, variables_of
from descend.sentences import counted

__all__ = [
    "BLUE",
    "CYCLE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SQUARE",
    "axes",
    "caption",
    "domain_of",
    "drawable",
    "mark",
    "names_of",
    "objective_at",
    "plain",
    "shown",
    "spans_decades",
    "squared",
    "title_of",
]

# Okabe & Ito (2008), Color Universal Design.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7f7f7f"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000")

SQUARE = 4.0  # times as wide as high, or as high as wide, up to which both axes get one scale
_BEYOND = 0.6  # share of the way from the start that is shown beyond the end, too
_WIDTH = 58  # characters of a line above a picture

Domain = Sequence[tuple[float, float]]


def axes(ax: Axes | None, **kwargs: Any) -> Axes:
    """The given axes, or new ones in a new pyplot figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    figure = plt.figure(layout="constrained")
    new: Axes = figure.add_subplot(**kwargs)
    return new


def plain(name: object) -> str:
    """A name of the user's as text, in which a dollar is one and begins no formula."""
    return str(name).replace("$", r"\$")


def mark(ax: Axes, *points: Any, kind: str) -> None:
    """Mark a start, an end or a minimum, the same way in each picture."""
    looks: dict[str, dict[str, Any]] = {
        "start": {"marker": "o", "markerfacecolor": "white", "markeredgecolor": ORANGE, "markersize": 8},
        "end": {"marker": "o", "color": ORANGE, "markeredgecolor": "white", "markersize": 9},
        "minimum": {"marker": "*", "color": GREEN, "markeredgecolor": "white", "markersize": 15},
    }
    ax.plot(*points, linestyle="none", label=kind, zorder=5, **looks[kind])


def domain_of(run: Run) -> list[tuple[float, float]]:
    """The part of the space to show for a run of one or two variables: all of the path, with a margin.

    Of a run that went astray only the neighbourhood of the start is shown; the path leaves the picture.
    """
    path = path_of(run)
    start = path[0]
    reach = 4 * np.maximum(np.abs(start), 1.0)
    near = path[(np.abs(path - start) <= reach).all(axis=1)]
    low, high = near.min(axis=0), near.max(axis=0)
    if isinstance(run.objective, Landscape) and run.objective.minima:
        minima = np.array(run.objective.minima, dtype=float).reshape(len(run.objective.minima), -1)
        close = minima[(np.abs(minima - start) <= 2 * reach).all(axis=1)]
        if len(close):
            low, high = np.minimum(low, close.min(axis=0)), np.maximum(high, close.max(axis=0))
    end = np.clip(path[-1], low, high)  # it shall not lie at the border: a bowl has two sides
    low, high = np.minimum(low, end - _BEYOND * (high - end)), np.maximum(high, end + _BEYOND * (end - low))
    far, wide = float(np.abs(near).max()), float((high - low).max())
    span = np.maximum(high - low, 0.1 * wide if wide > 1e-6 * far else 0.05 * max(1.0, far))
    if path.shape[1] == 1 and 0.1 * far < span[0]:  # show the curve on both sides of the origin, too
        low, high = np.minimum(low, -far), np.maximum(high, far)
    return squared(low - 0.25 * span, high + 0.25 * span)


def squared(low: np.ndarray, high: np.ndarray) -> list[tuple[float, float]]:
    """The (low, high) of each variable; of two that are about as wide, widened to a square."""
    wide = high - low
    if len(wide) == 2 and wide.max() <= SQUARE * wide.min():
        middle, half = (low + high) / 2, wide.max() / 2
        low, high = middle - half, middle + half
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def drawable(values: np.ndarray) -> np.ndarray:
    """The values as a picture can show them: beyond 1e100 the line ends, because its axis would overflow."""
    return np.where(np.abs(values) <= 1e100, values, np.nan)


def spans_decades(values: np.ndarray) -> bool:
    """Whether so much lies between the least and the largest that a scale of logarithms is needed."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() > 0 and known.max() > 50 * known.min())


def path_of(run: Run) -> np.ndarray:
    """The kept points of the path, shape (rows, n)."""
    if run.trace.x is None:
        raise ValueError("this run kept no path: it has too many parameters; plot history(run) instead")
    return run.trace.x


def shown(run: Run) -> np.ndarray:
    """The part of the path that lies near the picture, so that far points do not overflow the renderer."""
    path = path_of(run)
    limits = np.array(domain_of(run))
    span = limits[:, 1] - limits[:, 0]
    inside = ((path >= limits[:, 0] - 5 * span) & (path <= limits[:, 1] + 5 * span)).all(axis=1)
    return path[: len(path) if inside.all() else int(np.argmin(inside))]


def names_of(objective: Callable[..., Any] | str | Run) -> tuple[str, str]:
    """What the two variables are called."""
    if isinstance(objective, Run):
        first, second = objective.variables
    else:
        function = named(objective, np.zeros(2))[0] if isinstance(objective, str) else objective
        first, second = variables_of(function, 2)
    return first, second


def title_of(objective: Callable[..., Any] | str | Run) -> str:
    """The cost by its formula, or by the name of its landscape or function, where it has one; in lines of the width."""
    found = objective.objective if isinstance(objective, Run) else objective
    name = found if isinstance(found, str) else getattr(found, "text", None) or getattr(found, "name", None)
    name = name or getattr(found, "__name__", "")
    return plain(textwrap.fill(name, _WIDTH)) if name and name != "<lambda>" else "Cost"


def caption(run: Run) -> str:
    """What was minimised, by what, and how it ended, in lines of the width."""
    ended = run.outcome.value if run.outcome else "running"
    how = f"{described(run.method)}, {counted(run.nit, 'step')}: {ended}"
    return f"{title_of(run)}\n{textwrap.fill(how, _WIDTH)}"


def objective_at(objective: Callable[..., Any] | str | Run, domain: Domain) -> Problem:
    """The objective made ready for evaluation in a domain.

    Raises
    ------
    ValueError
        It is not finite at the middle nor at a few other points of the domain.
    """
    if isinstance(objective, Run):
        return objective.problem
    low, high = np.array(domain, dtype=float).T
    failure: Exception | None = None
    for share in (0.5, 0.317, 0.781, 0.95, 0.05):
        point = low + share * (high - low)
        start = as_parameters(point[0] if len(point) == 1 else point)
        function, _, in_words = named(objective, start)
        try:
            return prepare(function, start, written_in_words=in_words)
        except ValueError as error:
            failure = error
    raise failure if failure is not None else ValueError("the domain is empty")
