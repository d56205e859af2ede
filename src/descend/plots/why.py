"""Pictures of why: rates and other numbers that were tried; sharpness against its limit, cost against its bound."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descend.plots.style import BLUE, GREEN, GREY, ORANGE, axes, drawable, spans_decades

__all__ = ["escape", "found_rate", "guarantee", "sharpness", "tuned"]

_WIDE = 20  # times the limit of stability, from which on sharpness is drawn by ratios


def found_rate(found: Any, ax: Axes | None = None) -> Axes:
    """The cost after short runs, and after all steps, against the rate; the rate found, and the limit of stability."""
    ax = axes(ax)
    costs = drawable(np.where(np.isfinite(found.costs), found.costs, np.nan))
    ax.plot(found.rates, costs, color=BLUE, marker=".", label="cost after a short run")
    gone = found.rates[~np.isfinite(costs)]
    if len(gone):
        ax.axvspan(gone.min(), found.rates.max(), color=GREY, alpha=0.15, label="no lower than at the start")
    if np.isfinite(found.limit):
        ax.axvline(
            found.limit, color=ORANGE, linestyle="--", label=f"limit of stability at the start, {found.limit:.3g}"
        )
    ax.axvline(found.lr, color=GREEN, linewidth=2, label=f"found, {found.lr:.3g}")
    whole = drawable(np.where(np.isfinite(found.whole_costs), found.whole_costs, np.nan))
    ax.plot(found.whole_rates, whole, "o", color=GREEN, markeredgecolor="white", zorder=4, label="cost after all steps")
    if spans_decades(np.concatenate([costs, whole])):
        ax.set_yscale("log")
    ax.set(xscale="log", xlabel="learning rate", ylabel="cost", title="Which rate")
    ax.legend()
    ax.grid(alpha=0.25)
    return ax


def escape(found: Any, ax: Axes | None = None) -> Axes:
    """The cost that each repetition of each way has found, the best way on top."""
    ax = axes(ax)
    ways = found.ways[::-1]
    draw = np.random.default_rng(0)
    for place, way in enumerate(ways):
        beside = place + draw.uniform(-0.18, 0.18, len(way.costs))  # so that equal costs do not hide each other
        ax.plot(way.costs, beside, "o", color=BLUE, alpha=0.45, markersize=5)
        ax.plot([np.median(way.costs)] * 2, [place - 0.3, place + 0.3], color=ORANGE, linewidth=2)
    ax.plot([], [], color=ORANGE, linewidth=2, label="median")
    ax.set_yticks(range(len(ways)), [f"{way.name}, {100 * way.share:.0f} %" for way in ways])
    which, how = ("highest", "high") if found.maximize else ("lowest", "low")
    title = f"Ways out, and how often each comes as {how} as any"
    ax.set(xlabel=f"{which} cost found in {found.budget:,} steps", title=title)
    ax.legend()
    ax.grid(alpha=0.25, axis="x")
    return ax


def sharpness(run: Any, ax: Axes | None = None, *, points: int = 40) -> Axes:
    """The rate times the largest curvature, as the method sees it, against the edge of stability.

    Along a run, at so many points; or what `edge_over_training` has found of a network.
    """
    from descend.descent import Run
    from descend.insight.edge import Edge, edge_along

    if isinstance(run, Run):
        found, where = edge_along(run, np.linspace(0, len(run.trace) - 1, points).astype(int)), "along the run"
    elif isinstance(run, Edge):
        found, where = run, "over training"
    else:
        raise TypeError(f"give a run, or what edge_over_training has found of a network, not {type(run).__name__}")
    ax = axes(ax)
    what = "largest curvature as the method scales it" if found.is_adaptive else "largest curvature"
    ax.plot(found.step, drawable(found.product), color=BLUE, marker=".", label=f"lr · {what}")
    if np.isfinite(found.edge):
        ax.axhline(found.edge, color=ORANGE, linestyle="--", label=f"limit of stability, {found.edge:.3g}")
    ax.set(xlabel="step", ylabel="lr · λ", title=f"Sharpness {where}")
    seen = found.product[np.isfinite(found.product)]
    if seen.size and seen.max() > _WIDE * found.edge and seen.min() > 0:  # on a linear axis it would hide the limit
        ax.set_yscale("log")
    ax.legend()
    ax.grid(alpha=0.25)
    return ax


def guarantee(found: Any, ax: Axes | None = None) -> Axes:
    """The cost above the minimum along a run on a quadratic, and what no run from this cost exceeds."""
    ax = axes(ax)
    between = f"μ = {found.smallest:.3g} and L = {found.largest:.3g}"
    ax.plot(found.step, drawable(found.bound), color=ORANGE, linestyle="--", label=f"never above, between {between}")
    above = np.where(found.measured > 0, found.measured, np.nan)  # where rounding is all that is left
    ax.plot(found.step, drawable(above), color=BLUE, label="this run")
    ax.set(yscale="log", xlabel="step", ylabel="cost above the minimum", title="Theory and practice")
    ax.legend()
    ax.grid(alpha=0.25)
    return ax


def tuned(found: Any) -> Figure:
    """The cost of each trial against each of its numbers, longer runs larger and darker, and what was found."""
    figure, panels = plt.subplots(
        1, len(found.names), figsize=(4 * len(found.names) + 1, 4), sharey=True, squeeze=False, layout="constrained"
    )
    good = np.isfinite(found.costs)
    order = np.argsort(found.steps[good], kind="stable")  # the longest on top
    lengths, costs = found.steps[good][order], drawable(found.costs[good][order])
    best = {name: (float(value), legal) for name, value, legal in found.method.numbers() if name in found.names}
    for ax, name, values in zip(panels[0], found.names, found.values.T, strict=True):
        value, legal = best[name]
        # What may not exceed 1, such as a decay, differs by how far it is from 1.
        shown, at, label = (1 - values, 1 - value, f"1 - {name}") if legal.high == 1 else (values, value, name)
        points = ax.scatter(
            shown[good][order], costs, c=lengths, s=12 + 30 * lengths / lengths.max(), cmap="viridis_r", norm="log"
        )
        ax.axvline(at, color=GREEN, linewidth=2)
        if shown.min() > 0 and shown.max() > 10 * shown.min():
            ax.set_xscale("log")
        ax.set(xlabel=label)
        ax.set_title(f"found: {name} = {value:.4g}", color=GREEN)
        ax.grid(alpha=0.25)
    if spans_decades(costs):
        panels[0, 0].set_yscale("log")
    panels[0, 0].set_ylabel("cost where the run ended")
    figure.colorbar(points, ax=panels, label="steps of the run")
    figure.suptitle(f"{len(found.values)} trials, {int((~good).sum())} of them diverged")
    return figure
