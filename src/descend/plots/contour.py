"""Functions of two variables: contours with the path, and the surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm

from descend.descent import Run
from descend.objectives import Landscape
from descend.plots.style import (
    ORANGE,
    SQUARE,
    axes,
    caption,
    domain_of,
    mark,
    names_of,
    objective_at,
    path_of,
    shown,
    title_of,
)

__all__ = ["contour_field", "contours", "surface"]

_SIDE = 160  # grid points along each side
_LEVELS = 18
_LABELLED = 3  # each so many-th level tells its cost
Domain = Sequence[tuple[float, float]]


def contours(objective: Callable[..., Any] | str | Run, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """Contours of a cost of two variables; of a run also its path, start, end and the known minima.

    Levels are spaced by ratios above the lowest value where the values span several orders of magnitude.
    """
    ax = contour_field(objective, axes(ax), domain)
    if isinstance(objective, Run):
        _draw_path(ax, objective)
    return ax


def contour_field(objective: Callable[..., Any] | str | Run, ax: Axes, domain: Domain | None = None) -> Axes:
    """The contours alone, without a path."""
    x, y, z = _grid(objective, domain)
    levels = _levels(z)
    bands = BoundaryNorm(levels, 256, extend="both")  # so that each band differs from the next, however far apart
    ax.contourf(x, y, z, levels=levels, cmap="cividis", norm=bands, extend="both")
    lines = ax.contour(x, y, z, levels=levels, colors="white", linewidths=0.5, alpha=0.7)
    ax.clabel(lines, levels[1::_LABELLED], fmt="%.3g", fontsize=7)
    first, second = names_of(objective)
    ax.set(xlabel=first, ylabel=second, title=title_of(objective), xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    if 1 / SQUARE <= (x[-1] - x[0]) / (y[-1] - y[0]) <= SQUARE:  # steepest steps cross the contours at right angles
        ax.set_aspect("equal")
    return ax


def _draw_path(ax: Axes, run: Run) -> None:
    path = shown(run)
    ax.plot(*path.T, color="black", linewidth=2.4, alpha=0.6)
    ax.plot(*path.T, color=ORANGE, marker=".", markersize=5, linewidth=1.3, label="path")
    for minimum in getattr(run.objective, "minima", ()) if isinstance(run.objective, Landscape) else ():
        mark(ax, [minimum[0]], [minimum[1]], kind="minimum")
    mark(ax, *path[:1].T, kind="start")
    if len(path) == len(path_of(run)):
        mark(ax, *path[-1:].T, kind="end")
    ax.set_title(caption(run), fontsize="medium")
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    ax.legend(once.values(), once.keys(), framealpha=0.9)


def surface(objective: Callable[..., Any] | str | Run, domain: Domain | None = None, ax: Axes | None = None) -> Axes:
    """The surface of a cost of two variables in 3-D; of a run with its path on it.

    `ax` must be made with projection="3d".
    """
    ax = axes(ax, projection="3d")
    x, y, z = _grid(objective, domain)
    low, high = np.nanmin(z), np.nanmax(z)
    is_steep = _is_steep(z)

    def height(value: Any) -> Any:  # on a steep surface all but the peaks would lie on the floor
        return np.log10(1 + 1e3 * np.maximum(value - low, 0) / (high - low)) if is_steep else value

    ax.plot_surface(*np.meshgrid(x, y), height(z), cmap="cividis", alpha=0.8, linewidth=0, rcount=80, ccount=80)  # type: ignore[attr-defined]
    first, second = names_of(objective)
    ax.set(xlabel=first, ylabel=second, zlabel="cost (log scale)" if is_steep else "cost", title=title_of(objective))
    if is_steep:
        costs = low + (high - low) * np.array([0, 0.01, 0.1, 1])
        ax.set_zticks(height(costs), [f"{cost:.4g}" for cost in costs])  # type: ignore[attr-defined]
    if isinstance(objective, Run):
        path = shown(objective)
        costs = height(objective.trace.f[: len(path)])
        ax.plot(*path.T, costs, color=ORANGE, marker=".", markersize=4, zorder=5, label="path")
        mark(ax, *path[:1].T, costs[:1], kind="start")
        mark(ax, *path[-1:].T, costs[-1:], kind="end")
        ax.legend()
    return ax


def _grid(
    objective: Callable[..., Any] | str | Run, domain: Domain | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(objective, Run) and path_of(objective).shape[1] != 2:
        raise ValueError(f"contours need two variables, this run has {path_of(objective).shape[1]}; see history(run)")
    if domain is None:
        domain = domain_of(objective) if isinstance(objective, Run) else [(-10, 10), (-10, 10)]
    if np.shape(domain) != (2, 2) or not all(low < high for low, high in domain):
        raise ValueError(f"a domain here is two pairs (low, high) with low < high, got {domain!r}")
    problem = objective_at(objective, domain)
    if problem.x0.shape != (2,):
        raise ValueError(f"contours need a cost of two variables, this one has shape {problem.x0.shape}")
    x, y = (np.linspace(*side, _SIDE) for side in domain)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(problem.x0.dtype)
    z = problem.at_points(points)[0].reshape(_SIDE, _SIDE).astype(float)
    return x, y, np.where(np.isfinite(z), z, np.nan)


def _is_steep(z: np.ndarray) -> bool:
    low, middle, high = np.nanpercentile(z, [0, 50, 100])
    return bool(high - low > 8 * (middle - low))


def _levels(z: np.ndarray) -> np.ndarray:
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    if low == high:
        return np.array([low - 1, low + 1])
    if _is_steep(z):
        return low + np.geomspace(1e-4 * (high - low), high - low, _LEVELS)
    return np.linspace(low, high, _LEVELS)
