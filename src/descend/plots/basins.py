"""Basins of attraction: each start in the colour of the point that it leads to."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from descend.plots.style import axes, drawable

__all__ = ["basins"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999933")
_NONE = "#DDDDDD"


def basins(found: Any, ax: Axes | None = None) -> Axes:
    """Each start in the colour of its end, or of the cost there where there are many; grey where there is none."""
    is_new, ax = ax is None, axes(ax)
    few = len(found.ends) <= len(_COLOURS)
    is_minimum = np.array([not few or found.is_minimum(number) for number in range(len(found.ends))], bool)
    if few:
        palette: Any = ListedColormap(_COLOURS).with_extremes(bad=_NONE)
        image, scale = np.where(found.which < 0, np.nan, found.which), Normalize(-0.5, len(_COLOURS) - 0.5)
    else:
        palette = colormaps["viridis"].with_extremes(bad=_NONE)
        image = np.where(found.which < 0, np.nan, found.fun[found.which])
        scale = Normalize(found.fun.min(), found.fun.max())
    if len(found.axes) == 1:
        _along_a_line(found, ax, is_minimum, palette(scale(np.ma.masked_invalid(image))))
    else:
        ax.pcolormesh(
            *found.axes, np.ma.masked_invalid(image).T, cmap=palette, norm=scale, shading="nearest", alpha=0.75
        )
        ax.set_facecolor(_NONE)
        inside = [all(a <= v <= b for v, (a, b) in zip(x, found.domain, strict=True)) for x in found.ends]
        _mark(ax, *found.ends.T, is_shown=np.array(inside, bool), is_minimum=is_minimum, size=9)
        ax.set(xlabel="x", ylabel="y")
    shown = []
    ends = zip(_COLOURS, found.ends, found.fun, found.shares, is_minimum, strict=False) if few else ()
    for colour, x, fun, share, is_lowest in ends:
        point = ", ".join(f"{v:.3g}" for v in x)
        rests = "" if is_lowest else ", no minimum"
        shown.append(Patch(color=colour, alpha=0.75, label=f"({point}): cost {fun:.4g}, {share:.1%}{rests}"))
    lost = float((found.which < 0).mean())
    if lost:
        shown.append(Patch(color=_NONE, label=f"did not converge, {lost:.1%}"))
    if not few:
        ax.figure.colorbar(ScalarMappable(scale, palette), ax=ax, label=f"cost of the end, of {len(found.ends)}")
    if shown:
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
        ax.legend(handles=shown, **(beside if few else {}))
        if few and is_new and isinstance(ax.figure, Figure):
            ax.figure.set_size_inches(9.6, 4.8)
    ax.set_title(f"Where {type(found.method).__name__} leads from each start")
    return ax


def _mark(ax: Axes, x: Any, y: Any, *, is_shown: np.ndarray, is_minimum: np.ndarray, size: float) -> None:
    """A star for each minimum; a cross where a start rests for it has no slope there."""
    for kind, sign in ((is_minimum, "*"), (~is_minimum, "X")):
        there = is_shown & kind
        ax.plot(x[there], y[there], sign, color="black", markersize=size, markeredgecolor="white")


def _along_a_line(found: Any, ax: Axes, is_minimum: np.ndarray, colours: np.ndarray) -> None:
    (x,) = found.axes
    values = np.array([found.problem.sign * float(found.problem.value(np.asarray(v))) for v in x])
    edges = np.concatenate([[x[0]], (x[1:] + x[:-1]) / 2, [x[-1]]])
    for i, colour in enumerate(colours):
        ax.axvspan(edges[i], edges[i + 1], color=colour, alpha=0.35, linewidth=0)
    ax.plot(x, drawable(values), color="black")
    inside = (found.ends[:, 0] >= x[0]) & (found.ends[:, 0] <= x[-1])
    _mark(ax, found.ends[:, 0], found.fun, is_shown=inside, is_minimum=is_minimum, size=12)
    ax.set(xlabel="x", ylabel="cost", xlim=(x[0], x[-1]))
    ax.grid(alpha=0.25)
