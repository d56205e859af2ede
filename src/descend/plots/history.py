"""Quantities against the step: cost and gradient of one run, and several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from descend.descent import Run
from descend.descent.options import samples
from descend.descent.report import described
from descend.plots.style import BLUE, CYCLE, ORANGE, axes, drawable, spans_decades

__all__ = ["history", "rates"]


def history(run: Run, ax: Axes | None = None) -> Axes:
    """Cost (left scale) and gradient norm (right scale) against the step."""
    ax = axes(ax)
    trace = run.trace
    cost, norms = drawable(trace.f), drawable(trace.gradient_norm)
    beside = ax.twinx()
    beside.plot(trace.step, norms, color=ORANGE, linewidth=1, alpha=0.85, linestyle="--")
    if (norms > 0).any():
        beside.set_yscale("log", nonpositive="mask")
    beside.set_ylabel(_with_scale("gradient norm, dashed", beside), color=ORANGE)
    ax.set_zorder(beside.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.plot(trace.step, cost, color=BLUE, marker="." if len(trace) < 60 else "")
    if spans_decades(cost):
        ax.set_yscale("log")
    beyond = trace.step[np.isfinite(trace.f) & np.isnan(cost)]
    till = f" (beyond 1e100 from step {beyond[0]:,} on)" if len(beyond) else ""
    what = "cost of the batch" if samples(run.sampling) else "cost"
    ax.set(xlabel="step", title=f"{what.capitalize()} and gradient{till}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(_with_scale(what, ax), color=BLUE)
    for axis, side in ((ax, -1), (beside, 1)):  # the cost above, the gradient below: else they may coincide
        _make_room(axis, side)
    ax.grid(alpha=0.25)
    return ax


def _with_scale(label: str, ax: Axes) -> str:
    return f"{label}, log scale" if ax.get_yscale() == "log" else label


def _make_room(ax: Axes, side: int) -> None:
    """Leave a fifth of the height empty, below (-1) or above (1) what is drawn."""
    low, high = ax.get_ylim()
    if ax.get_yscale() == "log":
        more = (high / low) ** 0.2
        ax.set_ylim(low / more if side < 0 else low, high * more if side > 0 else high)
    else:
        more = 0.2 * (high - low)
        ax.set_ylim(low - more if side < 0 else low, high + more if side > 0 else high)


def rates(runs: Sequence[Run] | Run, ax: Axes | None = None) -> Axes:
    """The effect of the learning rate: x (of one variable) or the cost against the step, one line a run."""
    if isinstance(runs, Run):
        runs = [runs]
    if not runs:
        raise ValueError("rates needs at least one run")
    ax = axes(ax)
    shows_x = all(run.trace.x is not None and run.trace.x.shape[1] == 1 for run in runs)
    calm: list[np.ndarray] = []
    same = len({(type(run.method), run.lr is None) for run in runs}) == 1 and len({run.lr for run in runs}) == len(runs)
    for run, colour in zip(runs, _colours(len(runs)), strict=True):
        values = run.trace.x[:, 0] if shows_x and run.trace.x is not None else run.trace.f
        failed = run.outcome is not None and run.outcome.name == "DIVERGED"
        rate = "chosen by " + type(run.method.lr).__name__ if run.lr is None else f"{run.lr:.4g}"  # type: ignore[attr-defined]
        label = (f"lr = {rate}" if same else described(run.method)) + (" (diverged)" if failed else "")
        ax.plot(run.trace.step, values, color=colour, label=label, linestyle=":" if failed else "-")
        if not failed:
            ax.plot(run.trace.step[-1:], values[-1:], color=colour, marker="o", markersize=4)
        calm.append(values[:2] if failed else values)
    low, high = min(v.min() for v in calm), max(v.max() for v in calm)
    if not shows_x and all(spans_decades(run.trace.f) for run in runs):
        ax.set_yscale("log")
    elif high > low:
        ax.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    title = "Effect of the learning rate" if same else "Runs side by side"
    ax.set(xlabel="step", ylabel="x" if shows_x else "cost", title=title)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.25)
    ax.legend()
    return ax


def _colours(count: int) -> list[str]:
    return [CYCLE[i % len(CYCLE)] for i in range(count)]
