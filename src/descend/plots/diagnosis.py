"""A diagnosis: the cost on the way as it was, and with the cure that was tried."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d

from descend.descent import Run
from descend.plots.style import BLUE, GREEN, axes, drawable, plain, spans_decades
from descend.plots.why import sharpness

__all__ = ["diagnosis", "explained"]

_LONGER = 20  # times as many steps, from which on the shorter line would be a point
_FEW = 60  # costs: each is marked, and none is an average
_WINDOWS = 20  # in so many parts the costs of batches are averaged
_NOTHING = 1e-17  # of the first cost
_EVIDENCE, _WIDE = 4, 56  # lines of evidence, and letters in a line


class _Line(NamedTuple):
    """What is drawn of a run, or of the history of a training."""

    steps: np.ndarray
    costs: np.ndarray
    validation: np.ndarray
    label: str


def diagnosis(found: Any, ax: Axes | None = None) -> Axes:
    """The cost against the step, as it was and with the cure; the legend holds the evidence.

    A trial that went on from the end is drawn from there. Of a training it is the loss, that of validation rows dashed.

    Raises
    ------
    ValueError
        The diagnosis was not made of a run, or of a training with looks at the loss.
    """
    if found.explained is None or not len(_line(found.explained).steps):
        raise ValueError("there is nothing to draw: no costs were kept on the way")
    ax = axes(ax)
    was = _line(found.explained)
    ended = "" if found.outcome is None else f", {found.outcome.name}"
    lines = [(was, BLUE, f"as it was{ended}")]
    if found.trial is not None and found.trial.made is not None:
        cured = _line(found.trial.made)
        begins = was.steps[-1] if found.trial.goes_on else 0
        tried = textwrap.fill(found.cure.split(", or ")[0], _WIDE)  # the first of several
        lines.append((cured._replace(steps=begins + cured.steps), GREEN, tried))
    costs = np.concatenate([drawable(line.costs) for line, _, _ in lines])
    known = costs[np.isfinite(costs)]
    is_log = not (known < 0).any() and spans_decades(known[known > 0])
    for line, colour, label in reversed(lines):  # a cure of more steps lies under what it goes on from
        few = "." if len(line.steps) < _FEW else ""
        ax.plot(line.steps, _drawn(line.costs, is_log), color=colour, label=plain(label), marker=few)
        if np.isfinite(line.validation).any():
            ax.plot(line.steps, _drawn(line.validation, is_log), color=colour, linestyle="--", label="validation")
    if is_log:
        ax.set_yscale("log")
    lasts = [max(float(line.steps[-1]), 1.0) for line, _, _ in lines]
    if max(lasts) > _LONGER * min(lasts):
        ax.set_xscale("symlog", linthresh=min(lasts))
        ax.set_xlim(left=0)
    ax.set(xlabel="step", ylabel=was.label)
    ax.set_title(textwrap.fill(found.cause.value[0].upper() + found.cause.value[1:], _WIDE))
    evidence = [plain(textwrap.fill(line, _WIDE)) for line in found.evidence_lines()[:_EVIDENCE]]
    ax.legend(reverse=True, title="\n".join(evidence), alignment="left", title_fontsize="small", fontsize="small")
    ax.grid(alpha=0.25)
    return ax


def _drawn(costs: np.ndarray, is_log: bool) -> np.ndarray:
    """The costs as they are drawn: on a scale of logarithms what is exactly 0 is next to nothing of the first."""
    return np.where(is_log & (costs == 0), _NOTHING * abs(costs[0]) or np.nan, drawable(costs))


def explained(found: Any) -> Figure:
    """The diagnosis of a run, and beside it the sharpness along that run against the limit of stability."""
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    diagnosis(found, left)
    sharpness(found.explained, right)
    return figure


def _line(of: Any) -> _Line:
    if not isinstance(of, Run):
        return _Line(of.steps, of.loss, of.validation, "loss")
    costs, nothing = of.trace.f, np.full(len(of.trace), np.nan)
    if of.sampling is None or not of.sampling.samples or len(costs) < _FEW:
        return _Line(of.trace.step, costs, nothing, "cost")
    window = len(costs) // _WINDOWS
    means = uniform_filter1d(costs, window, mode="reflect")
    return _Line(of.trace.step, means, nothing, f"cost of batches, mean of {window} around")
