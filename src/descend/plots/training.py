"""Training: the losses on the way, and what a linear model has learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from descend.plots.style import BLUE, GREY, ORANGE, axes, drawable, plain, spans_decades

__all__ = ["coefficients", "fitted_curve", "training", "training_overview"]

_POINTS, _FEW_POINTS = 2_000, 200  # rows that are drawn at most; and so many that do not hide each other
_SHOWN, _FEWEST = 15, 5  # bars; and so many have room


def training(history: Any, ax: Axes | None = None) -> Axes:
    """The loss of training rows, and of validation rows where there are some, against the epoch."""
    if not len(history):
        raise ValueError("there are no losses to draw: fit keeps them on the way, partial_fit does not")
    ax = axes(ax)
    few = len(history) < 60
    for name, values, colour in (
        ("training", history.loss, BLUE),
        ("validation", history.validation, ORANGE),
    ):
        there = np.isfinite(drawable(values))
        if there.any():
            ax.plot(history.epoch[there], values[there], color=colour, label=name, marker="." if few else "")
    if spans_decades(drawable(history.loss)):
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel="mean loss", title="Loss")
    if history.epoch[-1] > 1:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(ax.lines) > 1:
        ax.legend()
    ax.grid(alpha=0.25)
    return ax


def coefficients(
    names: Sequence[str], strengths: np.ndarray, ax: Axes | None = None, *, of: str = "prediction"
) -> Axes:
    """The strongest coefficients as bars: the change of the prediction when a column grows by its deviation."""
    ax = axes(ax)
    order = np.argsort(-np.abs(strengths))[:_SHOWN][::-1]
    colours = [BLUE if strengths[i] > 0 else ORANGE for i in order]
    ax.barh([plain(_short(names[i])) for i in order], strengths[order], color=colours)
    middle, room = (len(order) - 1) / 2, max(len(order), _FEWEST) / 2 + 0.1
    ax.set_ylim(middle - room, middle + room)
    ax.axvline(0, color=GREY, linewidth=0.8)
    title = "Coefficients" if len(names) <= _SHOWN else f"The {_SHOWN} strongest of {len(names)} coefficients"
    ax.set(title=title, xlabel=f"change of the {plain(_short(of))} per deviation of the column")
    ax.grid(alpha=0.25, axis="x")
    return ax


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"


def fitted_curve(
    x: np.ndarray, y: np.ndarray, predict: Callable[[np.ndarray], np.ndarray], names: tuple[str, str],
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """The rows of a table of one column against its target, and what is predicted; `predict` takes columns (n, 1)."""
    ax = axes(ax)
    some = np.linspace(0, len(x) - 1, min(len(x), _POINTS)).round().astype(int)
    ax.plot(x[some], y[some], ".", color=BLUE, alpha=0.5 if len(some) > _FEW_POINTS else 0.9, label=_rows(len(some)))
    along = np.linspace(x.min(), x.max(), 200)
    ax.plot(along, predict(along[:, None]), color=ORANGE, linewidth=2, label="prediction")
    ax.set(title="Rows and prediction", xlabel=plain(_short(names[0])), ylabel=plain(_short(names[1])))
    ax.legend()
    ax.grid(alpha=0.25)
    return ax


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def training_overview(history: Any, beside: Callable[[Axes], Axes]) -> Figure:
    """The losses, and beside them what is drawn of the model, as `descend fit --plot` does."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    training(history, left)
    beside(right)
    return figure
