"""Functions of one variable: the cost, its gradient, and the path on the curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from descend.descent import Run
from descend.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    axes,
    caption,
    domain_of,
    mark,
    objective_at,
    path_of,
    shown,
    title_of,
)

__all__ = ["cost_curve", "gradient_curve", "path_on_curve"]

_POINTS = 800
_POLE = 3.0  # times as large as the values usually are: where such change their sign, there is a pole
Objective = Callable[..., Any] | str


def cost_curve(objective: Objective | Run, domain: tuple[float, float] = (-10, 10), ax: Axes | None = None) -> Axes:
    """The cost against x over a domain (low, high)."""
    ax = axes(ax)
    x, f, _ = _sampled(objective, domain)
    _draw(ax, x, f, "cost")
    ax.set(xlabel="x", ylabel="cost", title=title_of(objective))
    ax.grid(alpha=0.25)
    return ax


def gradient_curve(objective: Objective | Run, domain: tuple[float, float] = (-10, 10), ax: Axes | None = None) -> Axes:
    """The gradient against x, with its zero line: where it crosses upwards the cost has a minimum."""
    ax = axes(ax)
    x, _, g = _sampled(objective, domain)
    _draw(ax, x, g, "gradient")
    ax.axhline(0, color=GREY, linestyle="--", linewidth=1)
    ax.set(xlabel="x", ylabel="gradient", title=f"Gradient of {title_of(objective)}")
    ax.grid(alpha=0.25)
    return ax


def path_on_curve(run: Run, ax: Axes | None = None) -> Axes:
    """The steps of a run of one variable on the curve of its cost, start and end marked."""
    if path_of(run).shape[1] != 1:
        raise ValueError(
            f"a path on a curve needs one variable, this run has {path_of(run).shape[1]}; see contours(run)"
        )
    ax = axes(ax)
    (domain,) = domain_of(run)
    cost_curve(run, domain, ax)
    path = shown(run)[:, 0]
    costs = run.trace.f[: len(path)]
    ax.plot(path, costs, color=ORANGE, marker=".", markersize=6, linewidth=1, alpha=0.8, label="path")
    mark(ax, path[:1], costs[:1], kind="start")
    if len(path) == len(path_of(run)):
        mark(ax, path[-1:], costs[-1:], kind="end")
    _, f, _ = _sampled(run, domain)
    low, high = np.nanmin([*f, *costs]), np.nanmax(f)
    ax.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    ax.set_xlim(*domain)
    ax.set_title(caption(run), fontsize="medium")
    ax.legend()
    return ax


def _draw(ax: Axes, x: np.ndarray, y: np.ndarray, label: str) -> None:
    """A line that breaks off at poles, which would be all that is seen."""
    usual = float(np.nanpercentile(np.abs(y), 90)) if np.isfinite(y).any() else 0.0
    at_pole = (np.sign(y[:-1]) * np.sign(y[1:]) < 0) & (np.minimum(abs(y[:-1]), abs(y[1:])) > _POLE * usual)
    if at_pole.any():
        y = y.copy()
        y[:-1][at_pole] = np.nan
        ax.set_ylim(-2 * _POLE * usual, 2 * _POLE * usual)
    ax.plot(x, y, color=BLUE, label=label)


def _sampled(objective: Objective | Run, domain: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if np.shape(domain) != (2,) or not -np.inf < domain[0] < domain[1] < np.inf:
        raise ValueError(f"a domain is (low, high) with finite low < high, got {domain!r}")
    low, high = domain
    problem = objective_at(objective, [domain])
    x = np.linspace(low, high, _POINTS, dtype=problem.x0.dtype)
    f, g = problem.at_points(x.reshape(-1, *problem.x0.shape))
    f, g = f.astype(float), g.reshape(-1).astype(float)
    return x, np.where(np.isfinite(f), f, np.nan), np.where(np.isfinite(g), g, np.nan)
