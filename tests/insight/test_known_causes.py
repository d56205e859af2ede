"""More runs of known cause, of functions, linear models, networks and own losses: false successes first."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits, load_iris

from descend import (
    Adam,
    AdamW,
    Armijo,
    Box,
    Cosine,
    DecoupledWeightDecay,
    Frozen,
    GradientDescent,
    LinearRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Outcome,
    Projected,
    SharpnessAware,
    SignSGD,
    minimize,
    train,
)
from descend.insight import Cause, basins, critical_points

pytestmark = pytest.mark.usefixtures("time_enough")


def told(run: Any) -> Any:
    return run.explain().cause


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_penalty_that_holds_a_run_away_is_named() -> None:
    run = minimize("(x-3)^2", 5.0, DecoupledWeightDecay(GradientDescent(0.1), 5.0), steps=1_000)
    found = run.explain()
    assert (found.cause, found.evidence["decay"], found.cure) == (Cause.PENALTY, 5.0, "decay=0.05")
    X, y = load_digits(return_X_y=True)
    for model in (
        MLPClassifier(Adam(3e-3), l2=10.0, hidden=16, epochs=10),
        MLPClassifier(AdamW(3e-3, decay=30.0), hidden=16, epochs=10),
    ):
        assert model.fit(X, y).explain(X, y).cause is Cause.PENALTY
    light = MLPClassifier(Adam(3e-3), l2=1e-3, hidden=16, epochs=20).fit(X, y)
    assert light.explain(X, y).cause is Cause.HEALTHY


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_an_optax_rate_that_is_too_small_is_not_healthy() -> None:
    X, y = load_digits(return_X_y=True)
    found = MLPClassifier(optax.adam(1e-6), hidden=32, epochs=5).fit(X, y).explain(X, y)
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "optax.chain(…, optax.scale(10000))")
    draw = np.random.default_rng(0)
    A = draw.normal(size=(200, 3))
    made = train(
        lambda p, A, b: jnp.mean((A @ p - b) ** 2), np.zeros(3), (A, A @ [1.0, 2, 3]), optax.sgd(1e-7), epochs=3
    )
    assert made.explain().cause is Cause.RATE_TOO_SMALL


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_what_is_frozen_is_not_healthy() -> None:
    X, y = load_iris(return_X_y=True)
    found = MLPClassifier(Frozen(), hidden=4, epochs=2).fit(X, y).explain(X, y)
    assert (found.cause, "frozen" in found.cure) == (Cause.UNKNOWN, True)
    found = minimize("x^2 + y^2", [2.0, 2.0], Frozen()).explain()
    assert (found.cause, "frozen" in found.cure) == (Cause.UNKNOWN, True)


@pytest.mark.parametrize(
    ("lr", "size", "epochs", "cause"),
    [(0.1, 1, 30, Cause.NOISE_FLOOR), (0.05, 1, 30, Cause.NOISE_FLOOR), (0.01, 16, 10, Cause.TOO_FEW_STEPS),
     (1.0, 16, 10, Cause.NOISE_FLOOR), (0.01, 16, 40, Cause.HEALTHY)],
)  # fmt: skip
def test_a_linear_model_above_its_optimum_is_not_healthy(lr: float, size: int, epochs: int, cause: Cause) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(400, 5))
    y = X @ [1.0, -2, 3, 0, 0.5] + draw.normal(size=400)
    model = LinearRegression(GradientDescent(lr), batch_size=size, epochs=epochs).fit(X, y)
    assert model.explain(X, y).cause is cause


def test_a_loss_that_rises_at_the_end_is_not_healthy_without_rows() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(400, 5))
    y = X @ [1.0, -2, 3, 0, 0.5] + draw.normal(size=400)
    found = LinearRegression(GradientDescent(0.2), batch_size=1, epochs=20).fit(X, y).explain()
    assert (found.cause, "explain(X, y)" in found.cure) == (Cause.UNKNOWN, True)


def test_a_wrong_sign_in_a_loss_of_ones_own_is_a_cost_without_a_bound() -> None:
    draw = np.random.default_rng(0)
    A = draw.normal(size=(200, 3))
    made = train(
        lambda p, A, b: -jnp.mean((A @ p - b) ** 2), np.zeros(3), (A, A @ [1.0, 2, 3]), GradientDescent(0.1), epochs=20
    )
    assert made.explain().cause is Cause.UNBOUNDED


@pytest.mark.parametrize("method", [GradientDescent(0.1), Adam(0.1), SignSGD(0.1)])
def test_the_corner_of_a_box_is_no_saddle(method: Any) -> None:
    run = minimize("x + y", [0.5, 0.5], Projected(method, Box(0, 1)))
    assert (run.success, told(run)) == (True, Cause.HEALTHY), run.message


def test_a_derivative_that_is_not_that_of_the_function_is_told() -> None:
    run = minimize(
        lambda x: jnp.sum((x - 1) ** 2) + jax.lax.stop_gradient(10 * jnp.sum(x**2)),
        np.array([5.0, 5]),
        GradientDescent(0.1),
    )
    found = run.explain()
    assert found.cause is Cause.WRONG_GRADIENT
    given, seen = found.evidence.values()
    assert abs(given - seen) > 0.1 * abs(seen)


def test_a_false_derivative_is_told_of_a_cost_of_data_too() -> None:
    def loss(w: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ w - y) ** 2) + jax.lax.stop_gradient(10 * jnp.sum(w**2))

    X = np.random.default_rng(0).normal(size=(50, 2))
    assert told(minimize(loss, [3.0, 3.0], GradientDescent(0.1), data=(X, X @ [1.0, 2]))) is Cause.WRONG_GRADIENT


def test_values_that_drown_in_a_constant_are_no_minimum() -> None:
    run = minimize(lambda x: 1e16 + float(x[0]) ** 2, np.array([500.0]), GradientDescent(0.1))
    assert (run.outcome, told(run)) == (Outcome.PRECISION_FLOOR, Cause.PRECISION_FLOOR)


def test_a_rate_far_below_the_limit_is_too_small_also_where_the_cost_is_ill_conditioned() -> None:
    for method in (GradientDescent(1e-6), Momentum(1e-6)):
        assert told(minimize("rosenbrock", [-1.2, 1], method, steps=2_000)) is Cause.RATE_TOO_SMALL
    run = minimize("x^2 + 1e5*y^2", [1, 1], GradientDescent(Armijo()), steps=500)
    assert told(run) is Cause.ILL_CONDITIONED


@pytest.mark.parametrize(("lr", "steps"), [(1e-6, 2_000), (1e-3, 2_000)])
def test_the_rate_that_is_advised_is_the_one_that_was_tried(lr: float, steps: int) -> None:
    def far(x: Any) -> Any:
        return np.log1p(np.sum((x - 3) ** 2))

    run = minimize(far, [50.0, -40.0], GradientDescent(lr), steps=steps)
    found = run.explain()
    again = minimize(far, [50.0, -40.0], GradientDescent(float(found.cure.removeprefix("lr="))), steps=steps)
    assert again.fun < run.fun
    assert f"{again.fun:.6g}" in found.seen


def test_a_cost_below_zero_gets_no_rate_that_hardly_moves() -> None:
    found = minimize("sin(5*x) + 0.1*x^2", 1.0, GradientDescent(1.0), steps=1_000).explain()
    assert (found.cause, float(found.cure.removeprefix("lr=")) > 1e-3) == (Cause.RATE_TOO_LARGE, True)


def test_methods_around_others_and_sets_of_arrays_are_explained() -> None:
    def bowl(x: Any) -> Any:
        return (x[0] - 1) ** 2 + 3 * (x[1] + 1) ** 2

    box = Box(np.array([-1.0, -1]), np.array([5.0, 6]))
    for method in (SharpnessAware(GradientDescent(1e-3)), Projected(GradientDescent(0.01), box)):
        assert told(minimize(bowl, [3.0, 3.0], method, steps=50)) in {Cause.RATE_TOO_SMALL, Cause.TOO_FEW_STEPS}


def test_a_schedule_that_has_ended_is_not_blamed_on_the_decay() -> None:
    run = minimize("booth", None, AdamW(Cosine(0.1, steps=30)), steps=200)
    assert "pulls x towards 0" not in run.message
    run = minimize("x^2 + 50*y^2", [1.0, 1.0], optax.sgd(optax.exponential_decay(0.015, 1, 0.9)))
    assert "a longer step" in run.message


def test_points_of_a_domain_where_the_cost_is_not_defined_are_left_out() -> None:
    (point,) = critical_points("x - log(x)", [(-3, 3)])
    assert point.kind == "minimum"
    assert float(point.x[0]) == pytest.approx(1.0)
    assert basins("x - log(x)", [(-3, 3)], resolution=15).ends.ravel() == pytest.approx([1.0], abs=1e-5)


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_network_of_raw_columns_is_blamed_on_them() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 5)) * [1, 1e3, 1, 1e4, 1]
    y = X[:, 0] - 2 * X[:, 2] + X[:, 4]
    model = MLPRegressor(GradientDescent(1e-8), hidden=(8,), epochs=10, scale=False).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, "scale=True" in found.cure) == (Cause.ILL_CONDITIONED, True)


def small_network() -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 5)).astype(np.float32)
    start = {
        "W": (draw.normal(size=(5, 16)) / 2).astype(np.float32), "b": np.zeros(16, np.float32),
        "v": (draw.normal(size=16) / 4).astype(np.float32), "c": np.float32(0),
    }  # fmt: skip

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jax.nn.relu(X @ p["W"] + p["b"]) @ p["v"] + p["c"] - y) ** 2)

    return loss, start, (X, X[:, 0] - 2 * X[:, 1])


def test_a_wrong_sign_is_told_also_where_adam_falls_slowly() -> None:
    loss, start, data = small_network()
    made = train(lambda p, X, y: -loss(p, X, y), start, data, Adam(0.01), epochs=5)
    assert made.explain().cause is Cause.UNBOUNDED


def test_a_gradient_that_is_nan_at_the_start_is_named() -> None:
    loss, start, data = small_network()
    made = train(lambda p, X, y: jnp.sqrt(p["c"] ** 2) + loss(p, X, y), start, data, Adam(0.01), epochs=2)
    found = made.explain()
    assert (found.cause, found.evidence) == (Cause.LEFT_DOMAIN, {"the gradient at the start is not finite in": "c"})


def test_penalties_are_told_on_all_rows_and_dropout_is_one() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 5))
    y = X @ [1.0, -2, 3, 0.5, -1] + 0.5 * draw.normal(size=600)
    causes = [m.fit(X, y).explain(X, y).cause for m in (LinearRegression(l2=100.0), LinearRegression(l2=0.01))]
    assert causes == [Cause.PENALTY, Cause.HEALTHY]
    told = X[:, 0] * X[:, 1] > 0
    found = MLPClassifier(Adam(0.01), hidden=(8,), epochs=20, dropout=0.95).fit(X, told).explain(X, told)
    assert (found.cause, found.cure) == (Cause.PENALTY, "dropout=0.0095")


def test_where_there_is_nothing_to_learn_or_it_was_stopped_in_time_all_is_well() -> None:
    draw = np.random.default_rng(5)
    X = draw.normal(size=(120, 60))
    y = 2 * X[:, 0] - X[:, 1] + draw.normal(size=120)
    stopped = LinearRegression(GradientDescent(0.01), batch_size=4, epochs=60, validation=0.3, patience=3).fit(X, y)
    assert "stopped early" in stopped.message_
    assert stopped.explain(X, y).cause is Cause.HEALTHY
    level = np.full(120, 3.0)
    assert LinearRegression(batch_size=32).fit(X, level).explain(X, level).cause is Cause.HEALTHY


def test_stochastic_descent_on_a_few_exact_rows_is_on_its_way() -> None:
    def squares(w: Any, x: Any, y: Any) -> Any:
        return np.mean((w[0] * x + w[1] - y) ** 2) / 2

    run = minimize(
        squares, [0, 0], GradientDescent(0.01), data=([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]), batch_size=1, steps=1_000
    )
    assert told(run) is Cause.TOO_FEW_STEPS


def test_a_jump_beside_is_no_saddle_and_a_logarithm_has_no_bound() -> None:
    run = minimize("floor(x) + x^2/10", 5.0, GradientDescent(0.1))
    assert "by a jump" in run.message
    assert told(run) is not Cause.SADDLE
    assert told(minimize("log(x^2)", 2.0)) is Cause.UNBOUNDED
    assert told(minimize("-log(x^2)", 2.0, maximize=True)) is Cause.UNBOUNDED
    found = minimize("x^2 - y^2", [1, 0]).explain()
    assert (found.cause, found.cure, found.evidence["beside it"]) == (Cause.SADDLE, "", "the cost has no bound")
    assert minimize("x^2", 5.0, gtol=0).success
