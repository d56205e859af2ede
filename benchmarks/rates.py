"""The rates that `find_lr` finds, beside the best of a grid of 100 rates."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits

from benchmarks.timing import Result
from descend import (
    AdaGrad,
    Adam,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    Method,
    MLPClassifier,
    Momentum,
    Nesterov,
    RMSProp,
    sweep,
)
from descend.insight import find_lr
from descend.objectives import LANDSCAPES, landscape

__all__ = ["WORKLOADS"]

_GRID = np.geomspace(1e-6, 100, 100)
_ASIDE = _GRID * (_GRID[1] / _GRID[0]) ** 0.5
_AS_GOOD = 1.5
_NAMES = (
    "rosenbrock beale himmelblau booth matyas zakharov ill-conditioned logistic bowl goldstein-price three-hump-camel"
)
_PROBLEMS: list[tuple[str, Any]] = [
    *((name, None) for name in _NAMES.split()),
    ("rosenbrock", [-1.0, 2.0]),
    ("rosenbrock", [2.0, 2.0]),
    ("x^4 + y^4", [2.0, 1.0]),
    ("log(1 + x^2) + 0.1*y^2", [5.0, 3.0]),
]
_METHODS = [GradientDescent(), Momentum(mu=0.9), Nesterov(mu=0.9), Adam(), RMSProp(), AdaGrad()]


def _with(method: Method, lr: Any) -> Method:
    return replace(method, lr=lr)  # type: ignore[call-arg]


def _beside(what: str, ratios: dict[str, float], cost: float) -> list[Result]:
    missed = {name: ratio for name, ratio in ratios.items() if ratio > _AS_GOOD}
    for name, ratio in missed.items():
        print(f"    {name}: {ratio:.3g} times the loss of the best of the grid")
    name = f"{what}: {len(ratios) - len(missed)} of {len(ratios)} within 1.5 ×; loss / best of 100 rates"
    return [
        Result(name, [*ratios.values()], [], "×", "≤ 1.5 ×"),
        Result("the largest cost of a search, of a grid's", [cost], [], "%", "≤ 5 %", 100),
    ]


def functions(quick: bool) -> list[Result]:
    """15 functions and 6 methods, runs of 1,000 and 3,000 steps; losses below 1e-8 of the first count as that.

    The same is asked of another grid of 100 rates, half a step aside: it tells how far the figure is a matter of luck.
    """
    ratios: dict[str, float] = {}
    aside: list[float] = []
    cost = 0.0
    for steps in (1_000,) if quick else (1_000, 3_000):
        for objective, x0 in _PROBLEMS:
            lowest = landscape(objective).fmin if objective in LANDSCAPES else 0.0
            for method in _METHODS:
                grids = [sweep(objective, x0, _with(method, rates), steps=steps, rows=2) for rates in (_GRID, _ASIDE)]
                best, other = (np.nanmin(np.where(grid.has_diverged, np.inf, grid.fun)) for grid in grids)
                found = find_lr(objective, x0, method, steps=steps)
                assert found.run is not None  # noqa: S101 - of an objective
                least = 1e-8 * abs(found.run.trace.f[0] - lowest)
                name = f"{objective} {x0 or ''} {type(method).__name__} {steps}"
                ratios[name] = max(found.fun - lowest, least) / max(best - lowest, least)
                aside.append(max(other - lowest, least) / max(best - lowest, least))
                cost = max(cost, found.cost)
    print(
        f"    a grid of 100 rates half a step aside: {sum(r <= _AS_GOOD for r in aside)} of {len(aside)} within 1.5 ×"
    )
    return _beside("find_lr, functions", ratios, cost)


def models(quick: bool) -> list[Result]:
    """Trainings of linear models and a network."""
    diabetes, digits = load_diabetes(return_X_y=True), load_digits(return_X_y=True)
    cases: list[tuple[Any, Any, Any]] = [
        (LinearRegression(batch_size=16), diabetes, GradientDescent),
        (LinearRegression(batch_size=16), diabetes, Adam),
        (LinearRegression(epochs=500), diabetes, GradientDescent),
        (LogisticRegression(batch_size=32), digits, GradientDescent),
        (LogisticRegression(batch_size=32), digits, AdaGrad),
        (LogisticRegression(batch_size=32, l2=0.01), digits, AdaGrad),
        (MLPClassifier(hidden=32, epochs=5), digits, GradientDescent),
        (MLPClassifier(hidden=32, epochs=5), digits, Adam),
    ]
    ratios: dict[str, float] = {}
    cost = 0.0
    for model, data, kind in cases[:3] if quick else cases:
        model.set_params(method=kind())
        found = find_lr(model, data=data)
        losses = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for lr in _GRID:
                losses.append(clone(model).set_params(method=kind(lr=lr)).fit(*data).history_.loss[-1])
        ratios[repr(model)] = found.fun / np.nanmin(losses)
        cost = max(cost, found.cost)
    return _beside("find_lr, models", ratios, cost)


WORKLOADS = {"find-lr": functions, "find-lr-models": models}
