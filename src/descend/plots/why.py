"""Pictures of why: rates that were tried, sharpness along a run against its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from descend.plots.style import BLUE, GREEN, GREY, ORANGE, axes, drawable

__all__ = ["found_rate", "sharpness"]


def found_rate(found: Any, ax: Axes | None = None) -> Axes:
    """The cost after short runs against the rate, with the rate that was found and the limit of stability."""
    ax = axes(ax)
    costs = drawable(np.where(np.isfinite(found.costs), found.costs, np.nan))
    ax.plot(found.rates, costs, color=BLUE, marker=".", label="cost after a short run")
    gone = found.rates[~np.isfinite(costs)]
    if len(gone):
        ax.axvspan(gone.min(), found.rates.max(), color=GREY, alpha=0.15, label="diverged")
    if np.isfinite(found.limit):
        ax.axvline(
            found.limit, color=ORANGE, linestyle="--", label=f"limit of stability at the start, {found.limit:.3g}"
        )
    ax.axvline(found.lr, color=GREEN, linewidth=2, label=f"found, {found.lr:.3g}")
    there = costs[np.isfinite(costs)]
    if len(there) and there.min() > 0 and there.max() > 20 * there.min():
        ax.set_yscale("log")
    ax.set(xscale="log", xlabel="learning rate", ylabel="cost", title="Which rate")
    ax.legend()
    ax.grid(alpha=0.25)
    return ax


def sharpness(run: Any, ax: Axes | None = None, *, points: int = 40) -> Axes:
    """The rate times the largest curvature along a run, against the limit that its method stands."""
    from descend.insight.curvature import curvature_of
    from descend.insight.stability import stability_limit
    from descend.objectives.parameters import from_vector

    if run.trace.x is None:
        raise ValueError("this run kept no path: it has too many parameters")
    ax = axes(ax)
    rows = np.unique(np.linspace(0, len(run.trace) - 1, points).astype(int))
    rate = float(np.nanmax(run.trace.lr)) if run.lr is None else run.lr
    products = []
    for row in rows:
        try:
            products.append(rate * curvature_of(run.problem, from_vector(run.trace.x[row], run.problem.x0)).largest)
        except ValueError:
            products.append(np.nan)
    ax.plot(run.trace.step[rows], drawable(np.array(products)), color=BLUE, marker=".", label="lr · largest curvature")
    limit = stability_limit(run.method, 1.0)
    if np.isfinite(limit):
        ax.axhline(limit, color=ORANGE, linestyle="--", label=f"limit of stability, {limit:.3g}")
    ax.set(xlabel="step", ylabel="lr · λ", title="Sharpness along the run")
    ax.legend()
    ax.grid(alpha=0.25)
    return ax
