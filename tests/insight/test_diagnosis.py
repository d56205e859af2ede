"""What a run suffers from is told rightly, with numbers that are true and a cure that works."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optax
import pytest
from benchmarks.diagnoses import CASES

from descend import Adam, GradientDescent, Momentum, Outcome, minimize
from descend.insight import Cause

pytestmark = pytest.mark.usefixtures("time_enough")


@pytest.mark.parametrize(("name", "cause", "make"), CASES, ids=[case[0] for case in CASES])
def test_the_cause_is_told(name: str, cause: Cause, make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = make()
    found = run.explain()
    assert found.cause is cause, f"{run.message}\n{found}"
    assert found.outcome is run.outcome
    assert str(found).startswith(cause.value[0].upper())
    assert "DIVERGED" not in found.seen
    if cause is Cause.HEALTHY:
        assert not found.cure


def test_the_limit_of_stability_is_the_true_one_and_its_cure_works() -> None:
    run = minimize(lambda x: 3 * x[0] ** 2 + x[1] ** 2, [1.0, 1.0], GradientDescent(0.4), steps=200)
    found = run.explain()
    assert found.evidence["largest curvature L"] == pytest.approx(6, rel=1e-9)
    assert found.evidence["limit of stability"] == pytest.approx(2 / 6, rel=1e-6)
    cured = minimize(
        lambda x: 3 * x[0] ** 2 + x[1] ** 2, [1.0, 1.0], GradientDescent(float(found.cure.removeprefix("lr=")))
    )
    assert cured.outcome is Outcome.CONVERGED
    assert found.as_dict()["cause"] == "RATE_TOO_LARGE"


def test_what_is_not_known_is_said() -> None:
    found = minimize("x^2", 5.0, optax.sgd(1.2), steps=50).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_LARGE, "optax.chain(…, optax.scale(0.25))")
    assert "not known" in found.evidence["limit of stability"]
    assert minimize("x^2", 5.0, Adam(0.1), steps=0).explain().cause is Cause.TOO_FEW_STEPS


def test_large_runs_without_a_path_and_tiny_ones_are_explained() -> None:
    large = minimize(lambda x: np.sum(x**2), np.ones(2_000_000, np.float32), GradientDescent(1.2), steps=20)
    assert large.trace.x is None
    assert large.explain().cause is Cause.RATE_TOO_LARGE
    assert minimize("x^2", 5.0, GradientDescent(1e-3), steps=1).explain().cause is not Cause.HEALTHY


def test_a_kink_has_no_curvature_and_is_explained_all_the_same() -> None:
    found = minimize(lambda x: np.abs(x).sum(), [1.0, 2.0], Momentum(0.3), steps=3_000).explain()
    assert found.cause is Cause.OSCILLATING


def test_a_run_that_has_not_ended_is_refused() -> None:
    def look(run: Any) -> None:
        with pytest.raises(ValueError, match="has not ended"):
            run.explain()
        raise StopIteration

    minimize("rosenbrock", None, GradientDescent(1e-4), callback=look)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("method", [None, GradientDescent(0.1)])
def test_a_right_gradient_is_not_called_wrong_where_only_rounding_is_left(kind: Any, method: Any) -> None:
    draw = np.random.default_rng(0)
    A, b = draw.normal(size=(50, 5)).astype(kind), (100 * draw.normal(size=50) + 100).astype(kind)
    run = minimize(
        lambda w: np.mean((A @ w - b) ** 2), np.zeros(5, kind), method, grad=lambda w: 2 * A.T @ (A @ w - b) / kind(50)
    )
    assert run.explain().cause is not Cause.WRONG_GRADIENT
    valley = minimize(
        lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
        np.array([-1.2, 1], kind),
        grad=lambda x: np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]),
    )
    assert valley.explain().cause is not Cause.WRONG_GRADIENT


@pytest.mark.parametrize(
    ("objective", "x0", "maximize"),
    [
        ("-x^2", 1.0, False),
        (lambda x: x**2, 1.0, True),
        ("x + 2*y", [0.0, 0.0], False),
        ("x^3", 1.0, False),
    ],
)
def test_a_cost_without_a_bound_is_told_before_it_has_gone_far(objective: Any, x0: Any, maximize: bool) -> None:
    found = minimize(objective, x0, GradientDescent(0.1), steps=50, maximize=maximize).explain()
    assert found.cause is Cause.UNBOUNDED


@pytest.mark.parametrize(
    ("objective", "x0", "steps"),
    [
        ("x^3/(1 + x^2) + 0.01*x^4", 1.0, 500),  # level at 0, and lower beyond it
        ("(x^3/(1 + x^2) + 0.01*x^4) + y^2", [1.0, 0.5], 500),
        ("(x - 2)^5/(1 + (x - 2)^4) + 0.01*(x - 2)^6", 3.0, 2_000),
    ],
)
def test_a_level_place_beyond_which_the_cost_falls_is_no_minimum(objective: str, x0: Any, steps: int) -> None:
    run = minimize(objective, x0, GradientDescent(0.1), steps=steps)
    found = run.explain()
    assert found.cause is Cause.SADDLE
    assert "start beyond it" in str(found.cure)
    beyond = minimize(objective, [-1.0, 0.5] if np.ndim(x0) else (-1.0 if x0 == 1 else 1.0), GradientDescent(0.1))
    assert beyond.fun < run.fun


@pytest.mark.parametrize(
    "objective", ["x^4", "x^2/(1 + x^2)", "log(1 + exp(x)) - 0.1*x", "(x^2 + 1e-3)^0.5", "-1/(1 + (x - 9)^2)"]
)
def test_a_minimum_that_is_approached_slowly_is_no_pass(objective: str) -> None:
    for x0 in (1.0, 3.0):
        found = minimize(objective, x0, GradientDescent(0.05), steps=60).explain()
        assert found.cause not in {Cause.SADDLE, Cause.UNBOUNDED}


def test_a_minimum_with_a_hill_beyond_it_is_no_pass() -> None:
    """x⁴ is level at its minimum; beyond that it rises, and from -0.4 on the step of the tanh falls away."""
    found = minimize("x^4 + 2*tanh(8*(x + 0.8))", 1.0, GradientDescent(0.05), steps=30).explain()
    assert found.cause not in {Cause.SADDLE, Cause.UNBOUNDED}


def test_adam_forgets_and_does_not_tire() -> None:
    assert minimize("rosenbrock", None, Adam(0.01), steps=300).explain().cause is not Cause.STEP_VANISHED
