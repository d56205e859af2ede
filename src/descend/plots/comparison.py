"""Many runs in one picture: sweeps over rates, races of methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from descend.descent.race_result import Race
from descend.descent.sweep_result import Sweep
from descend.objectives import Landscape
from descend.plots.cells import Cells
from descend.plots.contour import contour_field
from descend.plots.style import BLUE, GREEN, GREY, ORANGE, axes, drawable, mark, squared

__all__ = ["paths", "profile", "race", "race_overview", "rates_by_step", "sweep", "sweep_overview"]

_BEYOND = 1.25  # times the steps until all methods of a picture are at the goal, it shows
_SHOWN = 6  # methods in one picture: more cannot be told apart
_COLOURS = (ORANGE, "#56B4E9", GREEN, "#CC79A7", "#E69F00", "#999999")  # to be seen on white and on dark contours


def sweep(result: Sweep, ax: Axes | None = None) -> Axes:
    """Final cost against the swept number, with the best and the diverged lanes; over two a heat map."""
    ax = axes(ax)
    if len(result.axes) == 1:
        return _one_axis(result, ax)
    if len(result.axes) == 2:
        return _two_axes(result, ax)
    raise ValueError(
        f"a picture shows one axis or two, this sweep has {len(result.axes)} ({', '.join(result.axes)}); "
        "use to_pandas()"
    )


def _one_axis(result: Sweep, ax: Axes) -> Axes:
    ((name, values),) = result.axes.items()
    cost, diverged = drawable(_above(result, result.fun)), result.has_diverged
    good = np.where(diverged, np.nan, cost)
    known = good[np.isfinite(good)]
    is_log = bool((known >= 0).all() and (known > 0).any())
    if is_log:  # what is exactly 0 is drawn at the bottom
        good = np.maximum(good, max(known[known > 0].min(), 1e-17 * known.max()))
    line = "none" if name == "start" else "-"  # the number of a start says nothing of where it is
    order = np.argsort(values)
    ax.plot(values[order], good[order], color=BLUE, marker=".", markersize=4, linestyle=line, label="final cost")
    if diverged.any():
        top = np.nanmax(good) if len(known) else 0.0
        if not len(known):
            ax.set_yticks([])  # no lane has a cost
        ax.plot(values[diverged], np.full(int(diverged.sum()), top), "x", color=ORANGE, label="diverged")
    if not diverged.all():
        best = result.best_lane
        ax.plot(values[best : best + 1], good[best : best + 1], "*", color=GREEN, markersize=14, label="best")
    limit = _stability_limit(result, name)
    if limit is not None and values.min() <= limit <= values.max():
        ax.axvline(limit, color=GREY, linestyle="--", linewidth=1, label=f"2/L = {limit:.3g}")
    if name == "start":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        ax.set_xscale("log" if (values > 0).all() and values.max() > 20 * values.min() else "linear")
    if is_log:
        ax.set_yscale("log")
    ax.set(
        xlabel=name,
        ylabel=_label(result, "final cost"),
        title=f"{len(result):,} lanes of {type(result.method).__name__}",
    )
    ax.grid(alpha=0.25)
    ax.legend()
    return ax


def _two_axes(result: Sweep, ax: Axes) -> Axes:
    (first, rows), (second, columns) = result.axes.items()
    cost = np.where(result.has_diverged, np.nan, drawable(_above(result, result.fun))).reshape(result.shape)
    image, label = _in_logs(cost, _label(result, "cost"))
    across, upwards = Cells(columns), Cells(rows)
    drawn = ax.pcolormesh(across.edges, upwards.edges, image[np.ix_(upwards.order, across.order)], cmap="cividis")
    ax.figure.colorbar(drawn, ax=ax, label=label)
    across.scale(ax, "x")
    upwards.scale(ax, "y")
    if not result.has_diverged.all():
        row, column = np.unravel_index(result.best_lane, result.shape)
        ax.plot([across.at(column)], [upwards.at(row)], "*", color=ORANGE, markersize=14, label="best")
        ax.legend()
    ax.set(xlabel=second, ylabel=first, title="Final cost (blank: diverged)")
    return ax


def rates_by_step(result: Sweep, ax: Axes | None = None) -> Axes:
    """The cost of each lane (upwards) at each step (to the right), as a heat map; blank far above the first."""
    if len(result.axes) != 1:
        raise ValueError(f"the heat map of the steps needs a sweep of one axis, this one has {len(result.axes)}")
    ax = axes(ax)
    ((name, values),) = result.axes.items()
    rows = result.ends.rows[:, :, 0].astype(float).T
    rows[result.has_diverged[:, None] & (result.ends.step > result.ends.steps[:, None])] = np.nan
    rows[rows > 10 * np.abs(rows[:, :1]) + 1e-300] = np.nan
    image, label = _in_logs(drawable(_above(result, result.problem.sign * rows)), _label(result, "cost"))
    upwards, steps = Cells(values), np.append(result.ends.step, result.ends.step[-1] + 1)
    drawn = ax.pcolormesh(steps, upwards.edges, image[upwards.order], cmap="cividis")
    ax.figure.colorbar(drawn, ax=ax, label=label)
    upwards.scale(ax, "y")
    ax.set(xlabel="step", ylabel=name, title="Cost by step (blank: above 10 times the first)")
    return ax


def sweep_overview(result: Sweep) -> Figure:
    """A figure of the sweep, with the heat map of its steps beside it where it has one axis."""
    has_steps = len(result.axes) == 1
    figure = Figure(figsize=(12, 4.8) if has_steps else (7, 5), layout="constrained")
    panels = figure.subplots(1, 2 if has_steps else 1, squeeze=False)[0]
    sweep(result, panels[0])
    if has_steps:
        rates_by_step(result, panels[1])
    return figure


def race(result: Race, ax: Axes | None = None, problem: str | None = None) -> Axes:
    """Cost against step of the best methods of a race on one problem, each at its best rate."""
    ax = axes(ax)
    problem = problem or result.problems[0]
    curves = [(name, result.entries[problem, name]) for name in result.methods[:_SHOWN]]
    over = _BEYOND * max(1, *(entry.reached for _, entry in curves))  # with all of them at the goal
    costs = [drawable(entry.curve[entry.step <= over]) for _, entry in curves]
    for (name, entry), cost, colour in zip(curves, costs, _COLOURS, strict=False):
        rate = "" if np.isnan(entry.rate) else f", lr = {entry.rate:.2g}"
        ax.plot(entry.step[: len(cost)], cost, color=colour, label=f"{name}{rate}", linewidth=1.3)
    known = np.concatenate(costs)
    known = known[np.isfinite(known)]
    if (known >= 0).all() and (known > 0).any():
        ax.set_yscale("log", nonpositive="mask")
    if np.isfinite(goal := curves[0][1].goal):
        ax.axhline(goal, color=GREY, linestyle="--", linewidth=1, label="goal")
    ax.set(xlabel="step", ylabel="cost", title=f"{len(curves)} best of {len(result.methods)} on {problem}")
    ax.grid(alpha=0.25)
    ax.legend()
    return ax


def paths(result: Race, ax: Axes | None = None, problem: str | None = None, methods: Sequence[str] = ()) -> Axes:
    """The paths of the best methods of a race on the contours of a cost of two variables."""
    ax = axes(ax)
    names = list(methods) or result.methods[:_SHOWN]
    runs = [result.run(name, problem) for name in names]
    if any(run.trace.x is None or run.trace.x.shape[1] != 2 for run in runs):
        raise ValueError("paths on contours need a cost of two variables; see race(result) for the costs")
    points = np.concatenate([run.trace.x for run in runs if run.trace.x is not None])
    minima = getattr(runs[0].objective, "minima", ()) if isinstance(runs[0].objective, Landscape) else ()
    points = np.concatenate([points, np.reshape(np.array(minima, float), (-1, 2))])
    low, high = np.percentile(points, [1, 99], axis=0)
    start = points[0]
    low, high = np.minimum(low, start), np.maximum(high, start)
    most = high - low  # so much farther a path is followed
    low, high = np.maximum(points.min(axis=0), low - most), np.minimum(points.max(axis=0), high + most)
    margin = 0.15 * np.maximum(high - low, 0.5)
    domain = squared(low - margin, high + margin)
    contour_field(runs[0], ax, domain)
    for name, run, colour in zip(names, runs, _COLOURS, strict=False):
        x: Any = run.trace.x
        ax.plot(*x.T, color=colour, linewidth=1.2, marker=".", markersize=2.5, label=name)
    for minimum in minima:
        mark(ax, [minimum[0]], [minimum[1]], kind="minimum")
    mark(ax, start[:1], start[1:], kind="start")
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    ax.legend(once.values(), once.keys(), facecolor="#dddddd", framealpha=0.95, fontsize="small")
    ax.set(title="Paths, each at its best rate", xlim=domain[0], ylim=domain[1])
    return ax


def profile(result: Race, ax: Axes | None = None) -> Axes:
    """The performance profile: the share of problems solved within so many times the evaluations of the best.

    Source: Dolan & Moré (2002), Math. Program. 91.
    """
    ax = axes(ax)
    factors = np.geomspace(1, 100, 300)
    for place, (name, colour) in enumerate(zip(result.methods[:_SHOWN], _COLOURS, strict=False)):
        # Lines that coincide are seen all the same: the better the method, the thinner its line and the higher it lies.
        look: dict[str, Any] = {"color": colour, "linewidth": 1.5 + 1.3 * place, "zorder": 3 - 0.1 * place}
        ax.step(factors, result.profile(name, factors), where="post", label=name, **look)
    ax.set(
        xscale="log",
        ylim=(0, 1.02),
        xlabel="evaluations, as a multiple of the best method's",
        ylabel="share of problems solved",
        title=f"{min(_SHOWN, len(result.methods))} best of {len(result.methods)} on {len(result.problems)} problems",
    )
    ax.grid(alpha=0.25)
    ax.legend()
    return ax


def race_overview(result: Race) -> Figure:
    """A figure of the race: costs, and paths where there are two variables; over many problems the profile."""
    if len(result.problems) > 1:
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        profile(result, figure.subplots())
        return figure
    has_paths = result.run().x_array.shape == (2,) if isinstance(result.run().x_array, np.ndarray) else False
    figure = Figure(figsize=(12, 4.8) if has_paths else (7, 4.8), layout="constrained")
    panels = figure.subplots(1, 2 if has_paths else 1, squeeze=False)[0]
    race(result, panels[-1])
    if has_paths:
        paths(result, panels[0])
    return figure


def _stability_limit(result: Sweep, name: str) -> float | None:
    """2/L of gradient descent where L is known."""
    L = getattr(result.objective, "L", None)
    return 2 / L if L and name == "lr" and type(result.method).__name__ == "GradientDescent" else None


def _lowest(result: Sweep) -> float:
    """The lowest cost where it is known: costs are shown above it."""
    lowest = getattr(result.objective, "fmin", 0.0) if result.problem.sign > 0 else 0.0
    return float(lowest) if np.isfinite(lowest) else 0.0


def _above(result: Sweep, costs: np.ndarray) -> np.ndarray:
    """Costs above the lowest, which rounding may have undershot."""
    return np.where(costs < _lowest(result), 0.0, costs - _lowest(result)) if _lowest(result) else costs


def _label(result: Sweep, what: str) -> str:
    return f"{what} above the minimum" if _lowest(result) else what


def _in_logs(cost: np.ndarray, label: str) -> tuple[np.ndarray, str]:
    """Logarithms, where the costs span decades; what is zero is shown as the lowest that is not."""
    known = cost[np.isfinite(cost)]
    above = known[known > 0]
    if above.size and (known >= 0).all() and above.max() > 50 * above.min():
        return np.log10(np.maximum(cost, max(above.min(), 1e-16 * above.max()))), f"log₁₀ of the {label}"
    return cost, label
