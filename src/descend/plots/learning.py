"""How a network learnt, and what: histories, a confusion matrix, images that it told wrong, its first weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from descend.plots.style import BLUE, ORANGE, axes, plain
from descend.plots.training import training

__all__ = ["confusion", "first_weights", "learning", "loss_landscape", "scores", "wrong_images"]

_SHOWN_CLASSES = 30  # whose counts are written into the matrix


def scores(history: Any, ax: Axes | None = None, *, name: str = "accuracy") -> Axes:
    """The score of training rows, and of validation rows where there are some, against the epoch."""
    ax = axes(ax)
    has_begun = (history.epoch > 0) | (len(history) < 4)  # the untrained network would squeeze the rest together
    for label, values, colour in (
        ("training", history.score, BLUE),
        ("validation", history.validation_score, ORANGE),
    ):
        there = np.isfinite(values) & has_begun
        if there.any():
            ax.plot(history.epoch[there], values[there], color=colour, label=label, marker="." * (len(history) < 60))
    ax.set(xlabel="epoch", ylabel=name, title=name.capitalize())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(ax.lines) > 1:
        ax.legend()
    ax.grid(alpha=0.25)
    return ax


def learning(history: Any, *, name: str = "accuracy") -> Figure:
    """Score and loss side by side."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    scores(history, left, name=name)
    training(history, right).xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def confusion(classes: Sequence[Any], true: np.ndarray, predicted: np.ndarray, ax: Axes | None = None) -> Axes:
    """How often each class was taken for each other; what was told right is left out of the colours."""
    from sklearn.metrics import confusion_matrix

    ax = axes(ax)
    names = list(classes)
    counts = confusion_matrix(true, predicted, labels=names)
    wrong = counts * ~np.eye(len(names), dtype=bool)
    ax.imshow(wrong, cmap="Oranges", vmax=max(1, wrong.max()))
    if len(names) <= _SHOWN_CLASSES:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                dark = i != j and count > 0.6 * wrong.max()
                ax.text(
                    j, i, f"{count:,}", ha="center", va="center", fontsize=8, color="white" if dark else "black",
                    weight="bold" if i == j else "normal",
                )  # fmt: skip
        ax.set_xticks(range(len(names)), [plain(name) for name in names], rotation=90 * (max(map(_width, names)) > 3))
        ax.set_yticks(range(len(names)), [plain(name) for name in names])
    share = np.trace(counts) / max(1, counts.sum())
    ax.set(xlabel="told", ylabel="true", title=f"{100 * share:.2f} % right; errors in colour")
    return ax


def _width(name: Any) -> int:
    return len(str(name))


def wrong_images(
    images: np.ndarray,
    true: np.ndarray,
    predicted: np.ndarray,
    certainty: np.ndarray,
    *,
    most: int = 32,
    shades: str = "gray_r",
) -> Figure:
    """Images that were told wrong, those first of which the network was most certain.

    `shades` are matplotlib's: "gray_r" draws light ink on black as ink on paper, "gray" leaves pictures as they are.
    """
    wrong = np.flatnonzero(true != predicted)
    wrong = wrong[np.argsort(-certainty[wrong])]
    columns = 8
    rows = max(1, -(-min(most, len(wrong)) // columns))
    figure = Figure(figsize=(1.25 * columns, 1.5 * rows + 0.5), layout="constrained")
    figure.suptitle(f"{len(wrong):,} of {len(true):,} told wrong" + (", the surest first" if len(wrong) else ""))
    for place, ax in enumerate(np.ravel(figure.subplots(rows, columns))):
        ax.set_axis_off()
        if place < min(most, len(wrong)):
            at = wrong[place]
            ax.imshow(images[at], cmap=shades)
            ax.set_title(f"{plain(true[at])} → {plain(predicted[at])}  {100 * certainty[at]:.0f} %", fontsize=8)
    return figure


def first_weights(W: np.ndarray, shape: tuple[int, ...], *, most: int = 64) -> Figure:
    """What each unit of the first layer looks for: its weights as an image, those with the largest first."""
    order = np.argsort(-np.linalg.norm(W, axis=0))[:most]
    columns = min(16, len(order))
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(0.75 * columns, 0.75 * rows + 0.6), layout="constrained")
    figure.suptitle(f"First-layer weights, {len(order)} of {W.shape[1]} units (blue up, red down)")
    for place, ax in enumerate(np.ravel(figure.subplots(rows, columns))):
        ax.set_axis_off()
        if place < len(order):
            unit = W[:, order[place]].reshape(shape)
            limit = np.abs(unit).max() or 1.0
            ax.imshow(unit, cmap="RdBu", vmin=-limit, vmax=limit)
    return figure


def loss_landscape(values: np.ndarray, reach: float = 1.0, ax: Axes | None = None) -> Axes:
    """What `insight.loss_slice` gives, as contours; the network itself is in the middle."""
    ax = axes(ax)
    places = np.linspace(-reach, reach, len(values))
    low, high = float(np.nanmin(values)), float(np.nanpercentile(values, 98))
    levels = np.geomspace(max(low, 1e-12), high, 18) if low > 0 and high > 4 * low else np.linspace(low, high, 18)
    shown = ax.contourf(places, places, values.T, levels=np.unique(levels), cmap="viridis_r", extend="max")
    ax.contour(places, places, values.T, levels=np.unique(levels), colors="white", linewidths=0.4)
    ax.plot(0, 0, marker="*", color=ORANGE, markeredgecolor="white", markersize=15)
    if ax.figure is not None:
        ax.figure.colorbar(shown, ax=ax, label="loss", format="%.3g")
    ax.set(title="Loss around the weights", xlabel="one random direction", ylabel="another", aspect="equal")
    return ax
