"""The picture that fits a run, and a figure with its path and its history side by side."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descend.descent import Run
from descend.plots.contour import contours
from descend.plots.curve import path_on_curve
from descend.plots.history import history

__all__ = ["as_svg", "overview", "picture"]


def picture(run: Run, ax: Axes | None = None) -> Axes:
    """The path on the curve (one variable), on contours (two variables), or the history (more)."""
    if _variables(run) == 1:
        return path_on_curve(run, ax)
    if _variables(run) == 2:
        return contours(run, ax=ax)
    return history(run, ax)


def overview(run: Run) -> Figure:
    """A figure of the path and, beside it, of the history; of the history alone where there is no path."""
    has_path = _variables(run) in {1, 2}
    figure = Figure(figsize=(12, 4.8) if has_path else (7, 4.5), layout="constrained")
    panels = figure.subplots(1, 2 if has_path else 1, squeeze=False)[0]
    if has_path:
        picture(run, panels[0])
    history(run, panels[-1])
    return figure


def as_svg(run: Run) -> str:
    """The overview as SVG text, for a notebook."""
    buffer = io.StringIO()
    overview(run).savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _variables(run: Run) -> int:
    """1 or 2 where the run's path can be drawn over its variables, else 0."""
    is_tree = not isinstance(run.x_array, np.ndarray)
    if run.trace.x is None or is_tree:
        return 0
    return {(): 1, (1,): 1, (2,): 2}.get(run.x_array.shape, 0)
