"""Runs that suffer from a known cause, and healthy ones: what `run.explain()` says of them.

`python -m benchmarks.diagnoses` prints the confusion matrix; the tests run the same cases.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from descend import (
    AdaGrad,
    Adam,
    Cosine,
    ExponentialDecay,
    GradientDescent,
    Momentum,
    Nesterov,
    Projected,
    RMSProp,
    Run,
    Simplex,
    StepDecay,
    minimize,
)
from descend.insight import Cause

__all__ = ["CASES", "Case"]

Case = tuple[str, Cause, Callable[[], Run]]
C = Cause


def _run(objective: Any, x0: Any, method: Any = None, **options: Any) -> Callable[[], Run]:
    return lambda: minimize(objective, x0, method, progress=False, **options)


def _quadratic(*bends: float) -> Callable[..., Any]:
    scales = np.array(bends)
    return lambda x: 0.5 * np.sum(scales * x**2)


def _rows(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(count, 3))
    return X, X @ [1.0, -2.0, 3.0] + noise * draw.normal(size=count)


def _squares(w: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


def _wrong(x: Any) -> Any:
    """The gradient of x², with an error where x is negative."""
    return np.where(x > 0, 2 * x, 1.5 * x)


def _scaled_columns(w: Any) -> Any:
    X = np.random.default_rng(0).normal(size=(50, 2)) * [1.0, 100.0]
    return np.mean((X @ w - X @ np.array([1.0, 1.0])) ** 2)


def _sphere_gradient(x: Any) -> Any:
    g = 2 * x
    return g * np.where(np.abs(x) < 2, np.array([1.0, 1.0, 0.5]), 1.0)


_TIMES = np.linspace(0, 3, 40)


def _wave(w: Any, t: Any, y: Any) -> Any:
    return np.mean((np.sin(w * t) - y) ** 2)


def _spread_saddle(x: Any) -> Any:
    along = np.sum(x) / x.size**0.5
    return np.sum(x**2) - 2 * along**2 + along**4


CASES: list[Case] = [
    ("a parabola, rate 1.1 of a limit of 1", C.RATE_TOO_LARGE, _run("x^2", 5.0, GradientDescent(1.1), steps=100)),
    ("the same, for long", C.RATE_TOO_LARGE, _run("x^2", 5.0, GradientDescent(1.3), steps=5_000)),
    ("a bowl, one steep side", C.RATE_TOO_LARGE, _run(_quadratic(1, 100), [1.0, 1.0], GradientDescent(0.021), steps=300)),
    ("momentum beyond its limit", C.RATE_TOO_LARGE, _run(_quadratic(1, 10), [1.0, 1.0], Momentum(0.4, mu=0.9), steps=300)),
    ("Nesterov beyond its limit", C.RATE_TOO_LARGE, _run(_quadratic(1, 10), [1.0, 1.0], Nesterov(0.2, mu=0.9), steps=300)),
    ("Rosenbrock, too fast", C.RATE_TOO_LARGE, _run("rosenbrock", None, GradientDescent(0.01))),
    ("Rosenbrock with momentum, too fast", C.RATE_TOO_LARGE, _run("rosenbrock", None, Momentum(0.1))),
    ("Beale, too fast", C.RATE_TOO_LARGE, _run("beale", [1.0, 1.0], GradientDescent(1.0))),
    ("a column in other units", C.RATE_TOO_LARGE, _run(_scaled_columns, [0.0, 0.0], GradientDescent(0.1), steps=200)),
    ("a quartic, far out", C.RATE_TOO_LARGE, _run("x^4", 10.0, GradientDescent(0.1))),
    ("a parabola", C.HEALTHY, _run("x^2", 5.0, GradientDescent(0.1))),
    ("the article's cost", C.HEALTHY, _run("x^2 + 5*x + 10", 5.0)),
    ("the article's bowl", C.HEALTHY, _run("x^2 + y^2", [5.0, 5.0], GradientDescent(0.1))),
    ("Rosenbrock", C.HEALTHY, _run("rosenbrock", None)),
    ("Booth", C.HEALTHY, _run("booth", None)),
    ("Matyas", C.HEALTHY, _run("matyas", None)),
    ("Beale", C.HEALTHY, _run("beale", [2.0, 0.3])),
    ("Himmelblau, of whose four minima none is lower", C.HEALTHY, _run("himmelblau", None)),
    ("Adam on a bowl", C.HEALTHY, _run(_quadratic(1, 3), [1.0, 2.0], Adam(0.05))),
    ("a negative cost", C.HEALTHY, _run("(x - 1)^2 - 7", 5.0, GradientDescent(0.2))),
    ("a start in the minimum", C.HEALTHY, _run("x^2", 0.0)),
    ("a smooth corner", C.HEALTHY, _run("sqrt(1 + x^2)", 4.0)),
    ("least squares", C.HEALTHY, _run(_squares, [0.0, 0.0, 0.0], data=_rows(200, 0.1))),
    ("a maximum, sought", C.HEALTHY, _run("-(x - 2)^2", 5.0, maximize=True)),
    ("twenty variables", C.HEALTHY, _run(_quadratic(*np.linspace(1, 5, 20)), np.ones(20), GradientDescent(0.1))),
    ("the article's two valleys", C.LOCAL_MINIMUM, _run("sin(x) + 0.1*x^2", 5.0)),
    ("a quartic with two valleys", C.LOCAL_MINIMUM, _run("x^4 - 4*x^2 + x", 2.0)),
    ("Rastrigin", C.LOCAL_MINIMUM, _run("rastrigin", [2.2, 1.8], GradientDescent(0.001))),
    ("Styblinski–Tang", C.LOCAL_MINIMUM, _run("styblinski-tang", [3.0, 3.0])),
    ("three-hump camel", C.LOCAL_MINIMUM, _run("three-hump-camel", [2.0, -1.0])),
    ("a saddle", C.SADDLE, _run("saddle", None)),
    ("x y", C.SADDLE, _run("x*y", [0.0, 0.0])),
    ("a ridge between two valleys", C.SADDLE, _run("x^2 + (y^2 - 1)^2", [2.0, 0.0], GradientDescent(0.05))),
    ("the top of a hill", C.SADDLE, _run("cos(x)", 0.0)),
    ("a plateau", C.PLATEAU, _run("plateau", None, GradientDescent(0.1))),
    ("far out on a bump", C.PLATEAU, _run("-exp(-x^2)", 7.0, GradientDescent(0.1))),
    ("a constant", C.PLATEAU, _run("0*x + 3", 5.0)),
    ("a parabola, tiny steps", C.RATE_TOO_SMALL, _run("x^2", 5.0, GradientDescent(1e-5), steps=1_000)),
    ("a bowl, tiny steps", C.RATE_TOO_SMALL, _run("x^2 + y^2", [5.0, 5.0], GradientDescent(1e-4), steps=500)),
    ("momentum, tiny steps", C.RATE_TOO_SMALL, _run("x^2", 5.0, Momentum(1e-6), steps=1_000)),
    ("Adam, tiny steps", C.RATE_TOO_SMALL, _run("x^2", 5.0, Adam(1e-5), steps=1_000)),
    ("RMSProp, tiny steps", C.RATE_TOO_SMALL, _run("(x - 3)^2", -5.0, RMSProp(1e-5), steps=500)),
    ("a rate that does not move x", C.RATE_TOO_SMALL, _run("x^2", 5.0, GradientDescent(1e-20))),
    ("κ = 100", C.ILL_CONDITIONED, _run("ill-conditioned", [100.0, 1.0], GradientDescent(0.01), steps=200)),
    ("κ = 10,000", C.ILL_CONDITIONED, _run(_quadratic(1, 10_000), [1.0, 1.0], GradientDescent(1.9e-4), steps=2_000)),
    ("κ = 1,000 in five variables", C.ILL_CONDITIONED, _run(_quadratic(1, 3, 30, 300, 1000), np.ones(5), GradientDescent(1e-3), steps=500)),
    ("Rosenbrock's valley", C.ILL_CONDITIONED, _run("rosenbrock", None, GradientDescent(1e-3), steps=2_000)),
    ("momentum in a narrow valley", C.ILL_CONDITIONED, _run(_quadratic(1, 10_000), [1.0, 1.0], Momentum(1e-4, mu=0.5), steps=1_000)),
    ("eight steps of the default in a narrow valley", C.TOO_FEW_STEPS, _run("rosenbrock", None, steps=8)),
    ("five steps", C.TOO_FEW_STEPS, _run("x^2", 5.0, GradientDescent(0.1), steps=5)),
    ("twenty steps of the article", C.TOO_FEW_STEPS, _run("x^2 + 5*x + 10", 5.0, GradientDescent(0.1), steps=20)),
    ("ten steps of momentum", C.TOO_FEW_STEPS, _run("x^2 + y^2", [5.0, 5.0], Momentum(0.05, mu=0.5), steps=10)),
    ("an unbounded parabola", C.UNBOUNDED, _run("-x^2", 1.0, GradientDescent(0.1))),
    ("an unbounded line", C.UNBOUNDED, _run("x", 5.0)),
    ("an unbounded cubic", C.UNBOUNDED, _run("x^3", -1.0)),
    ("the edge of a root", C.LEFT_DOMAIN, _run("sqrt(x)", 0.01, GradientDescent(0.1))),
    ("the edge of a logarithm", C.LEFT_DOMAIN, _run("x - log(x)", 4.0, GradientDescent(6.0))),
    ("around a kink", C.OSCILLATING, _run("abs(x)", 5.0, GradientDescent(0.3), steps=5_000)),
    ("around a kink, with Adam", C.OSCILLATING, _run("abs(x) + abs(y)", [5.0, 3.0], Adam(0.1), steps=5_000)),
    ("exactly at the limit", C.OSCILLATING, _run("x^2", 5.0, GradientDescent(1.0), steps=500)),
    ("AdaGrad far from its goal", C.STEP_VANISHED, _run("x^2", 100.0, AdaGrad(0.1), steps=1_000)),
    ("AdaGrad in a bowl", C.STEP_VANISHED, _run("x^2 + y^2", [50.0, -50.0], AdaGrad(0.2), steps=2_000)),
    ("exponential decay, too early", C.DECAYED_TOO_EARLY, _run("x^2", 100.0, GradientDescent(lr=ExponentialDecay(0.05, factor=0.9)), steps=500)),
    ("cosine over a tenth of the run", C.DECAYED_TOO_EARLY, _run("rosenbrock", None, GradientDescent(lr=Cosine(1e-3, steps=200)), steps=2_000)),
    ("steps of decay, too early", C.DECAYED_TOO_EARLY, _run(_quadratic(1, 10), [10.0, 10.0], GradientDescent(lr=StepDecay(0.05, every=10, factor=0.1)), steps=300)),
    ("float32 at its end", C.PRECISION_FLOOR, _run("(x - 1000.1)^2 + 1e4*cos(x/1e4)", np.float32(900), GradientDescent(0.3), gtol=1e-12)),
    ("noise of single rows", C.NOISE_FLOOR, _run(_squares, [0.0, 0.0, 0.0], GradientDescent(0.05), data=_rows(500, 1.0), batch_size=1, epochs=30)),
    ("noise of small batches", C.NOISE_FLOOR, _run(_squares, [0.0, 0.0, 0.0], GradientDescent(0.2), data=_rows(500, 2.0), batch_size=4, epochs=30)),
    ("a domain with an edge", C.HEALTHY, _run("x - log(x)", 3.0)),
    ("a simplex", C.HEALTHY, _run(lambda x: np.sum((x - np.array([2.0, 0.0, 0.0])) ** 2), [0.2, 0.3, 0.5], Projected(GradientDescent(0.1), Simplex()))),
    ("a kink, with steps that fade", C.HEALTHY, _run("abs(x)", 5.0, GradientDescent(lr=ExponentialDecay(0.3, factor=0.98)), steps=4_000)),
    ("two wells that can only be called", C.LOCAL_MINIMUM, _run(lambda x: math.sin(x) + 0.1 * x * x, 5.0)),
    ("two wells of a pytree", C.LOCAL_MINIMUM, _run(lambda p: np.sin(p["a"]) + 0.1 * p["a"] ** 2 + p["b"] ** 2, {"a": 5.0, "b": 1.0})),
    ("a frequency", C.LOCAL_MINIMUM, _run(_wave, 5.0, GradientDescent(0.01), data=(_TIMES, np.sin(2 * _TIMES)))),
    ("two wells, in tiny units", C.LOCAL_MINIMUM, _run(lambda x: 1e-6 * (x**4 - 4 * x**2 + x), 2.0)),
    ("a saddle along a thousand variables at once", C.SADDLE, _run(_spread_saddle, np.zeros(1_000), GradientDescent(0.1))),
    ("a saddle in float32", C.SADDLE, _run("saddle", np.array([2.0, 0.0], np.float32), GradientDescent(0.1))),
    ("single rows, tiny steps", C.RATE_TOO_SMALL, _run(_squares, [0.0, 0.0, 0.0], GradientDescent(1e-6), data=_rows(300, 0.5), batch_size=2, epochs=5)),
    ("single rows beyond their limit", C.RATE_TOO_LARGE, _run(_squares, [0.0, 0.0, 0.0], GradientDescent(0.6), data=_rows(300, 0.5), batch_size=1, epochs=2)),
    ("batches without noise, on their way", C.TOO_FEW_STEPS, _run(_squares, [0.0, 0.0, 0.0], GradientDescent(0.1), data=_rows(300, 0.0), batch_size=20, epochs=1)),
    ("Adam far too fast", C.RATE_TOO_LARGE, _run(_quadratic(1, 3), [1.0, 2.0], Adam(20.0), steps=30)),
    ("too much momentum", C.OSCILLATING, _run(_quadratic(1, 10), [5.0, 5.0], Momentum(0.01, mu=0.995), steps=400)),
    ("-log x falls slowly for ever", C.UNBOUNDED, _run("-log(x)", 1.0, GradientDescent(10.0), steps=5_000)),
    ("RMSProp in a cycle of two", C.OSCILLATING, _run("ill-conditioned", [100.0, 1.0], RMSProp(0.05), steps=3_000, gtol=0)),
    ("a gradient wrong on one side", C.WRONG_GRADIENT, _run(lambda x: x**2, 5.0, Momentum(0.1), grad=_wrong, steps=30)),
    ("one coordinate half, near the goal", C.WRONG_GRADIENT, _run(lambda x: np.sum(x**2), [5.0, 4.0, 3.0], GradientDescent(0.1), grad=_sphere_gradient, steps=20)),
]  # fmt: skip


def main() -> None:
    """Print each case that was told wrong, the confusion matrix and the share told right."""
    warnings.simplefilter("ignore")
    pairs: Counter[tuple[str, str]] = Counter()
    slowest = 0.0
    for name, cause, make in CASES:
        run = make()
        begin = time.perf_counter()
        found = run.explain()
        seconds = time.perf_counter() - begin
        slowest = max(slowest, seconds - run.seconds)
        pairs[cause.name, found.cause.name] += 1
        if found.cause is not cause:
            print(f"WRONG  {name}: is {cause.name}, told {found.cause.name}   ({run.message})")
    names = [cause.name for cause in Cause]
    print("\ntrue \\ told".ljust(21) + " ".join(f"{name[:6]:>6}" for name in names))
    for true in names:
        if any(pair[0] == true for pair in pairs):
            print(true.ljust(20) + " ".join(f"{pairs[true, told] or '·':>6}" for told in names))
    right = sum(count for (true, told), count in pairs.items() if true == told)
    sick = sum(count for (true, told), count in pairs.items() if true == "HEALTHY" != told)
    print(
        f"\n{right} of {len(CASES)} right ({100 * right / len(CASES):.1f} %)   goal ≥ 95 %; healthy called sick: {sick}"
    )
    print(f"longest explanation beyond the time of its run: {slowest:.2f} s   goal ≤ 2 s")


if __name__ == "__main__":
    main()
