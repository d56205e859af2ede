"""Which start leads where: the basins of attraction of a method, from a grid of starts in one compiled call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from descend.arguments import whole
from descend.descent.engine import SMALL_GRADIENT
from descend.descent.lanes import run_lanes
from descend.descent.options import last_step, ready
from descend.descent.outcome import gradient_scale
from descend.descent.watch import Tolerances
from descend.insight.curvature import curvature_of
from descend.insight.stationary import kind_of, prepared_within
from descend.methods import GradientDescent, Rule, as_rule
from descend.objectives.function import Problem
from descend.stepsizes import BarzilaiBorwein

__all__ = ["Basins", "basins"]

_APART = 1e-3  # of the domain: ends that are nearer count as one
_LOOKED_AT = 30  # starts, to see how large a gradient is
_ALIKE = 1e-9  # of the largest cost seen: nearer ends are as low
_TOLD = 12  # ends that have a line in the text


@dataclass(frozen=True)
class Basins:
    """Where each start of a grid leads.

    Attributes
    ----------
    problem, method, domain
        What was minimised, by what, and the (low, high) of each variable.
    axes
        The starts along each variable, shape (resolution,) each.
    ends, fun
        The points that starts lead to, shape (k, n), and the cost there, lowest first.
    which
        The number of the end of each start, shape (resolution,) * n: `which[i, j]` for the start (axes[0][i],
        axes[1][j]); -1 where the run did not converge.
    steps
        The steps to it, of the same shape.
    """

    problem: Problem
    method: Rule
    domain: list[tuple[float, float]]
    axes: list[np.ndarray]
    ends: np.ndarray
    fun: np.ndarray
    which: np.ndarray
    steps: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """The share of the starts that lead to each end, shape (k,)."""
        return np.bincount(self.which[self.which >= 0], minlength=len(self.ends)) / self.which.size

    def is_minimum(self, number: int) -> bool:
        """Whether an end is none of the places where a start rests because it has no slope there."""
        x = self.ends[number].astype(float).reshape(self.problem.x0.shape)
        return kind_of(curvature_of(self.problem, x)) not in {"maximum", "saddle"}

    def plot(self, ax: Any = None) -> Any:
        """Each start in the colour of its end."""
        from descend import plots

        return plots.basins(self, ax)

    def __repr__(self) -> str:
        """A line for each end."""
        lines = []
        for number, (x, fun, share) in enumerate(zip(self.ends[:_TOLD], self.fun, self.shares, strict=False)):
            rests = "" if self.is_minimum(number) else ", no minimum: a start there has no slope"
            lines.append(f"{100 * share:5.1f} %  to {np.array2string(x, precision=4)}, cost {fun:.6g}{rests}")
        if len(self.ends) > _TOLD:
            rest = 100 * self.shares[_TOLD:].sum()
            lines.append(f"{rest:5.1f} %  to {len(self.ends) - _TOLD} others, of higher cost")
        lost = float((self.which < 0).mean())
        return "\n".join([*lines, f"{100 * lost:5.1f} %  did not converge"] if lost else lines)


def basins(
    objective: Callable[..., Any] | str,
    domain: Sequence[tuple[float, float]] | tuple[float, float],
    method: Any = None,
    *,
    resolution: int = 101,
    steps: int = 1_000,
) -> Basins:
    """Run a method from each point of a grid, and tell the points that the runs lead to apart.

    Parameters
    ----------
    objective
        As in `minimize`, of one number or of two.
    domain
        (low, high) of each variable; of one that pair alone will do.
    method
        As in `minimize`. Default: gradient descent with Barzilai–Borwein steps, which sometimes leaps into another
        basin; a small fixed rate, `GradientDescent(0.001)`, shows where the slope itself leads.
    resolution
        Starts along each variable.
    steps
        So many steps at most from each.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came and what is legal.
    """
    box = np.array(domain, float).reshape(-1, 2)
    if len(box) not in {1, 2} or not (np.isfinite(box).all() and (box[:, 0] < box[:, 1]).all()):
        raise ValueError(f"domain must be (low, high) of one variable or of two, low < high, got {domain!r}")
    whole("resolution", resolution, least=2)
    rule = as_rule(GradientDescent(lr=BarzilaiBorwein()) if method is None else method)
    problem = prepared_within(objective, box)
    x0 = problem.x0
    ready(rule, None, x0)
    axes = [np.linspace(low, high, resolution) for low, high in box]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(box))
    starts = points.reshape(-1, *x0.shape).astype(x0.dtype)
    some = starts[:: max(1, len(starts) // _LOOKED_AT)]
    scale = np.nanmax([gradient_scale(problem, point, problem.value_and_grad(point)[1]) for point in some])
    small = Tolerances(None, None, None).gradient(x0.dtype, float(scale))
    made = run_lanes(problem, None, rule, (), starts, small, rows=2, last=last_step(None, steps, None))
    which, ends = _told_apart(made.x, made.code == SMALL_GRADIENT, _APART * (box[:, 1] - box[:, 0]))
    fun = np.array([problem.sign * float(problem.value(x.reshape(x0.shape).astype(x0.dtype))) for x in ends])
    size = np.nanmax(np.abs([float(problem.value(point)) for point in some]))
    alike = np.round(fun / (_ALIKE * size)) if size else fun  # costs that differ by rounding alone have no order
    order = np.lexsort((*ends.T[::-1], alike))
    place = np.append(np.argsort(order), -1)  # of an end in the new order; -1 stays -1
    shape = (resolution,) * len(box)
    return Basins(
        problem, rule, [(float(low), float(high)) for low, high in box], axes, ends[order], fun[order],
        place[which].reshape(shape), made.steps.reshape(shape),
    )  # fmt: skip


def _told_apart(x: np.ndarray, converged: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the end of each run, -1 where there is none, and for each end the first point that came there.

    Points in one cell of a grid of width `apart`, or in cells that touch, are one end. A valley has many.
    """
    which = np.full(len(x), -1)
    if not converged.any():
        return which, np.empty((0, x.shape[1]))
    there = x[converged]
    cells, cell = np.unique(np.floor(there / apart), axis=0, return_inverse=True)
    touching = KDTree(cells).query_pairs(1.0, p=np.inf, output_type="ndarray")
    graph = coo_array((np.ones(len(touching)), touching.T), shape=(len(cells), len(cells)))
    _, of_cell = connected_components(graph, directed=False)
    which[converged] = of_cell[cell.reshape(-1)]
    _, first = np.unique(which[converged], return_index=True)
    return which, there[first]
