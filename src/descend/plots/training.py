"""Training: the losses on the way, and what a linear model has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descend.plots.style import BLUE, GREY, ORANGE, axes, drawable, plain, spans_decades

__all__ = ["coefficients", "training", "training_overview"]

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


def training_overview(history: Any, names: Sequence[str], strengths: np.ndarray, of: str = "prediction") -> Figure:
    """Losses and coefficients side by side, as `descend fit --plot` draws them."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    training(history, left)
    coefficients(names, strengths, right, of=of)
    return figure
