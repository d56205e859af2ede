"""The path of a run as a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes

from descend.descent import Run
from descend.plots.contour import contour_field
from descend.plots.curve import cost_curve
from descend.plots.style import ORANGE, axes, domain_of, mark, shown

__all__ = ["animate", "save_animation"]

_MOST_FRAMES = 60
_HELD = 25  # frames for which the end is held, before the film begins again


def animate(run: Run, ax: Axes | None = None) -> FuncAnimation:
    """The path of a run of one or two variables, step by step, in at most 60 frames, the last held; show or save it.

    Raises
    ------
    ValueError
        The run has more than two variables, or kept no path.
    """
    path = shown(run)
    if path.shape[1] > 2:
        raise ValueError(f"an animation shows one or two variables, this run has {path.shape[1]}")
    ax = axes(ax)
    figure = ax.get_figure()
    if path.shape[1] == 1:
        (domain,) = domain_of(run)
        cost_curve(run, domain, ax)
        path = np.column_stack([path[:, 0], run.trace.f[: len(path)]])
    else:
        contour_field(run, ax)
    mark(ax, *path[:1].T, kind="start")
    (line,) = ax.plot([], [], color=ORANGE, marker=".", linewidth=1.3)
    (ball,) = ax.plot([], [], color=ORANGE, marker="o", markeredgecolor="white", markersize=10)
    frames = np.unique(np.linspace(0, len(path) - 1, min(len(path), _MOST_FRAMES)).astype(int))
    frames = np.append(frames, [frames[-1]] * _HELD)

    def draw(row: int) -> Any:
        line.set_data(*path[: row + 1].T)
        ball.set_data(*path[row : row + 1].T)
        ax.set_title(f"step {run.trace.step[row]:,}, cost {run.trace.f[row]:.4g}")
        return line, ball

    return FuncAnimation(figure, draw, frames=frames, interval=60)  # type: ignore[arg-type]


def save_animation(run: Run, path: str | Path) -> Path:
    """Write the animation as .gif, .html or .mp4 (which needs ffmpeg).

    Raises
    ------
    ValueError
        Another kind of file, or ffmpeg is missing.
    """
    import matplotlib.pyplot as plt
    from matplotlib.animation import FFMpegWriter

    path = Path(path)
    if path.suffix not in {".gif", ".html", ".mp4"}:
        raise ValueError(f"an animation is saved as .gif, .html or .mp4, got {path.name!r}")
    if path.suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise ValueError("an .mp4 needs the program ffmpeg, which is not installed: install it, or save a .gif")
    film = animate(run)
    try:
        if path.suffix == ".html":
            path.write_text(film.to_jshtml(), encoding="utf-8")
        else:
            film.save(path, writer="pillow" if path.suffix == ".gif" else "ffmpeg")
    finally:
        plt.close(film._fig)  # type: ignore[attr-defined]
    return path
