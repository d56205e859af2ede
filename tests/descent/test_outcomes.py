"""Every run ends in a named outcome, and no failure is called a success."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import (
    Adam,
    GradientDescent,
    Momentum,
    NAdamW,
    Outcome,
    Polyak,
    RMSProp,
    Rprop,
    Run,
    SignSGD,
    WeightDecay,
    minimize,
)
from descend.objectives import LANDSCAPES

C, S, D, P, E = (
    Outcome.CONVERGED,
    Outcome.STALLED,
    Outcome.DIVERGED,
    Outcome.PRECISION_FLOOR,
    Outcome.STEPS_EXHAUSTED,
)


def case(objective: Any, x0: Any, method: Any = None, **kwargs: Any) -> Any:
    return lambda: minimize(objective, x0, method, **kwargs)


CASES: list[tuple[str, Outcome, str, Any]] = [
    ("a parabola", C, "gradient norm", case("x^2", 5.0, GradientDescent(0.1))),
    ("a quartic, flat at its bottom", C, "", case("x^4", 5.0)),
    ("negative costs", C, "minimum -7", case("(x - 1)^2 - 7", 5.0, GradientDescent(0.1))),
    ("a large constant", C, "", case("1e9 + x^2", 5.0, GradientDescent(0.1))),
    ("a start in the minimum", C, "after 0 steps", case("x^2", 0.0)),
    ("a start next to the minimum", C, "after 0 steps", case("1 + x^2", 1e-9)),
    ("a huge scale", C, "", case("1e12*x^2", 5.0, GradientDescent(4e-13))),
    ("a tiny scale", C, "", case("1e-12*x^2", 5.0)),
    ("float32", C, "", case("(x - 3)^2", np.float32(5), GradientDescent(0.1))),
    ("a tiny scale and no time", E, "", case("1e-10*x^2", 5.0, GradientDescent(0.1), steps=1000)),
    ("too few steps", E, "after 3 steps", case("x^2", 5.0, GradientDescent(0.1), steps=3)),
    ("a slow rate", E, "", case("x^2", 5.0, GradientDescent(1e-6), steps=1000)),
    ("no steps at all", E, "after 0 steps", case("x^2", 5.0, GradientDescent(0.1), steps=0)),
    ("a rate above 2/L", D, "smaller learning rate", case("x^2", 5.0, GradientDescent(1.1), steps=20)),
    ("a rate above 2/L, for long", D, "worse than 25", case("x^2", 5.0, GradientDescent(1.1), steps=5_000)),
    ("a rate far above 2/L", D, "at step", case("x^2", 5.0, GradientDescent(1e6), steps=5_000)),
    ("Rosenbrock, too fast", D, "at step 5 the cost or its gradient is not finite", case("rosenbrock", None, Momentum(0.1))),
    ("an unbounded cost", D, "no bound", case("-x^2", 1.0, GradientDescent(0.1))),
    ("an unbounded line", D, "no bound", case("x", 5.0)),
    ("inf on the way", D, "not finite", case("-log(x) + 0*x", 1.0, GradientDescent(-math.log(0.5) + 10), maximize=True)),
    ("the edge of the domain", D, "not finite", case("sqrt(x)", 0.01, GradientDescent(0.1))),
    ("a saddle", S, "the cost falls along", case("saddle", None)),
    ("a monkey saddle", S, "the cost falls along", case("monkey-saddle", None)),
    ("a start on a saddle", S, "the cost falls along", case("x*y", [0.0, 0.0])),
    ("a start on a maximum", S, "a maximum or saddle", case("cos(x)", 0.0)),
    ("a minimum where a maximum is sought", S, "a minimum or saddle", case("x^2", 0.0, maximize=True)),
    ("a plateau, small steps", S, "a longer step", case("plateau", None, GradientDescent(0.1))),
    ("a plateau, wild steps", S, "a plateau", case("plateau", None)),
    ("a constant", S, "flat", case("0*x + 3", 5.0)),
    ("a rate too small to move x", S, "larger learning rate", case("x^2", 5.0, GradientDescent(1e-20))),
    ("circling the minimum", S, "smaller", case("abs(x)", 5.0, GradientDescent(0.3), steps=5_000)),
    ("circling with Adam", S, "smaller", case("abs(x) + abs(y)", [5.0, 3.0], Adam(0.1), steps=50_000)),
    ("the floor of float32", P, "float64 reaches further", case("(x - 0.1)^2 + (x - 0.7)^2 + exp(x)", np.float32(5), gtol=1e-20)),
    ("the floor of float64", P, "rounding", case("(x - 0.1)^2 + (x - 0.7)^2 + exp(x)", 5.0, gtol=1e-20)),
    ("the kink of an absolute value", C, "at a kink", case("abs(x - 1/3)", 5.0)),
    ("the median", C, "at a kink", case(lambda c: np.sum(np.abs(np.array([1, 2, 3, 10.0, 20]) - c)), 0.0)),
    ("a root that falls for ever", S, "run far out", case("-sqrt(x)", 1.0)),
    ("a logarithm that falls for ever", S, "run far out", case("-log(1 + x^2)", 1.0)),
    ("an odd power", S, "maximum or saddle", case("(x - 1)^7", 3.0)),
    ("a form without a bound", D, "no bound", case("x^2 + y^2 - 3*x*y", [1.0, 1.0])),
    ("a pole", D, "no bound", case("1/x", -1.0)),
    ("jumps", S, "changes in jumps", case(lambda x: np.floor(x) ** 2, 5.3)),
    ("signs that circle", S, "smaller learning rate", case("(x - pi)^2", 0.0, SignSGD(0.01), steps=50_000)),
    ("a penalty of the method", S, "pulls x towards 0", case("(x - pi)^2", 0.0, NAdamW(0.1), steps=50_000)),
    ("the edge of a logarithm", S, "a little ahead it is nan", case("x*log(x) + 0*log(x - 0.5)", 2.0)),
]  # fmt: skip


@pytest.mark.parametrize("kappa", [1e4, 1e5, 1e6])
def test_what_momentum_carries_up_before_it_falls_goes_on(kappa: float) -> None:
    bends = np.geomspace(1, kappa, 30)
    run = minimize(
        lambda x: 0.5 * np.sum(bends * (x - 1) ** 2), np.zeros(30), Momentum.optimal(L=kappa, mu=1), steps=20_000
    )
    assert run.outcome is C
    assert run.trace.f.max() > 10 * run.trace.f[0]


def test_a_cure_is_given_once() -> None:
    A = np.random.default_rng(1).normal(size=(300, 4))
    method = WeightDecay(GradientDescent(0.1), decay=1e-4)
    run = minimize(lambda w: np.mean((A @ w - A @ [1.0, -2.0, 0.5, 0.0]) ** 2), np.zeros(4), method, steps=3_000)
    assert run.message.count("ftol=0") == 1


def test_what_goes_to_and_fro_in_a_long_run_is_seen_to_circle() -> None:
    assert "x circles" in minimize("rosenbrock", None, RMSProp(0.1)).message


@pytest.mark.parametrize(("name", "outcome", "says", "run"), CASES, ids=[c[0] for c in CASES])
def test_outcomes(name: str, outcome: Outcome, says: str, run: Any) -> None:
    result: Run = run()
    assert result.outcome is outcome, result.message
    assert says in result.message
    assert result.success == (outcome is C)
    assert result.status == list(Outcome).index(outcome)
    assert result.message.startswith(outcome.value[0].upper() + outcome.value[1:])
    assert np.isfinite(result.x).all()
    assert np.isfinite(result.fun)


def test_on_divergence_the_last_finite_point_is_returned_and_the_first_bad_step_named() -> None:
    x, path = 5.0, [5.0]
    while np.isfinite(x * x) and np.isfinite(2 * x * 2 * x):
        x = x - 1e30 * 2 * x
        path.append(x)
    run = minimize("x^2", 5.0, GradientDescent(1e30))
    bad = len(path) - 1
    assert f"at step {bad} " in run.message
    assert run.nit == bad - 1
    assert run.x == path[bad - 1]
    assert run.trace.step.tolist() == list(range(bad))


def test_eager_runs_are_judged_alike() -> None:
    def eager(f: Any) -> Any:
        return lambda x: float(f(float(x)))

    assert minimize(eager(lambda x: x * x), 5.0, GradientDescent(0.1)).outcome is C
    assert minimize(eager(lambda x: x * x), 5.0, GradientDescent(1e200), steps=50).outcome is D
    assert minimize(eager(lambda x: math.cos(x)), 0.0, steps=50).outcome is S
    assert minimize(eager(lambda x: x * x), 5.0, GradientDescent(1e-20), steps=50).outcome is S


def test_asked_tolerances_on_x_and_f_count_only_if_no_longer_step_would_help() -> None:
    slow = GradientDescent(1e-9)
    assert minimize("x^2", 5.0, slow, xtol=1e-6).outcome is S
    assert minimize("x^2", 5.0, GradientDescent(1e-12), ftol=1e-6).outcome is S
    good = minimize("(x - 1)^2 - 5", 5.0, GradientDescent(0.1), ftol=1e-6, gtol=0)
    assert good.outcome is C
    assert "ftol" in good.message
    assert minimize("(x - 1)^2 - 5", 5.0, GradientDescent(0.1), xtol=1e-6, gtol=0).outcome is C


def test_zero_switches_a_tolerance_off() -> None:
    run = minimize("x^2", 5.0, GradientDescent(0.4), gtol=0, xtol=0, ftol=0, steps=3_000)
    assert run.nit == 3_000


def test_tolerances_follow_the_dtype() -> None:
    step = GradientDescent(0.1)
    assert "tolerance 1.5e-08" in minimize("x^2", 5.0, step, steps=1).message
    assert "tolerance 0.00035" in minimize("x^2", np.float32(5), step, steps=1).message


def test_large_problems_are_judged_too() -> None:
    n = 5_000
    assert minimize(lambda x: jnp.sum((x - 1) ** 2), np.zeros(n)).outcome is C
    assert minimize(lambda x: jnp.sum(x**2), np.ones(n), GradientDescent(1.1), steps=50).outcome is D
    assert minimize(lambda x: 0 * jnp.sum(x), np.ones(n)).outcome is S


@pytest.mark.parametrize("name", LANDSCAPES)
def test_a_converged_landscape_is_at_a_local_minimum(name: str) -> None:
    run = minimize(name)
    if run.outcome is not C:
        assert name in {"saddle", "monkey-saddle", "plateau"}
        return
    x = np.atleast_1d(run.x)
    for direction in np.random.default_rng(0).normal(size=(50, x.size)):
        near = (x + 1e-3 * direction).reshape(np.shape(run.x))
        assert float(run.objective(near)) >= run.fun - 1e-12 * max(1, abs(run.fun))


@pytest.mark.parametrize("error", [RuntimeError("solver failed"), AssertionError("mesh"), ZeroDivisionError("1/0")])
def test_a_simulator_that_gives_up_on_the_way_ends_the_run_at_its_last_point(error: Exception) -> None:
    def simulated(x: Any) -> float:
        if float(x) > 2.5:
            raise error
        return (float(x) - 1) ** 2

    run = minimize(simulated, 2.0, GradientDescent(1.5))
    assert run.outcome is Outcome.DIVERGED
    assert str(error) in run.message
    assert run.fun == pytest.approx(4.0)
    with pytest.raises(type(error), match=str(error)):
        minimize(simulated, 3.0)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_maximum_without_bound_has_risen() -> None:
    assert "has risen to inf" in minimize("exp(x)-2*x", 1.0, maximize=True).message


def test_a_known_lowest_cost_above_the_start_is_refused() -> None:
    def hill(x: Any) -> Any:
        return 5 - np.sum((x - 1) ** 2)

    with pytest.raises(ValueError, match="fmin=5 is no lowest cost, for at the start it is 3.75.* fmin=-5"):
        minimize(hill, [2.0, 1.5], GradientDescent(Polyak(fmin=5)), maximize=True)
    assert minimize(hill, [2.0, 1.5], GradientDescent(Polyak(fmin=-5)), maximize=True).fun == pytest.approx(5)
    with pytest.raises(ValueError, match="give the lowest that there is"):
        minimize("x^2", 1.0, GradientDescent(Polyak(fmin=2)))
    assert minimize("x^2", 0.0, GradientDescent(Polyak(fmin=0))).outcome is Outcome.CONVERGED  # there from the start
    run = minimize("x^2", 1.0, GradientDescent(Polyak(fmin=0.5)), steps=3)  # it ends above the lowest cost
    assert run.resume(steps=3).nit >= run.nit


def test_a_decay_that_pulls_the_point_away_is_named() -> None:
    run = minimize(lambda x: np.sum((x - 2) ** 2), np.full(4, 1.95), WeightDecay(GradientDescent(0.1), 4.0), steps=300)
    assert run.outcome is Outcome.DIVERGED
    assert "try less decay=4, which pulls x towards 0, or a smaller learning rate" in run.message
    assert "decay" not in minimize("x^2", 1.0, GradientDescent(1.2), steps=50).message


def test_a_circle_of_the_method_is_no_floor_of_the_numbers() -> None:
    def cost(x: Any) -> Any:
        return np.sum((x - np.array([0.123456789, 0.3])) ** 2 * np.array([1.0, 5.0])) + 1

    for smallest in (1e-3, 1e-5, 1e-6):
        run = minimize(cost, [5.0, 3.0], Rprop(smallest=smallest))
        assert run.outcome is Outcome.STALLED
        assert "x circles" in run.message


def test_a_tolerance_that_was_asked_for_is_called_so() -> None:
    loose = minimize("x^2", 5.0, GradientDescent(0.1), gtol=1e-2)
    assert "is below the tolerance, 0.01, after" in loose.message
    strict = minimize("x^2", 5.0, GradientDescent(0.1), gtol=1e-12)
    assert "is as good as zero" in strict.message
