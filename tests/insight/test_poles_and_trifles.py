"""Costs that fall into a pole, minima of batches, noise that a method adds, trifles, and what networks are held up by."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, make_friedman1

from descend import (
    AdaGrad,
    Adam,
    AMSGrad,
    Cosine,
    GradientDescent,
    GradientNoise,
    Hypergradient,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Nesterov,
    Outcome,
    RMSProp,
    Rprop,
    Signum,
    minimize,
    train,
)
from descend.insight import Cause, check_gradient

pytestmark = [
    pytest.mark.usefixtures("time_enough"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def coulomb(p: Any) -> Any:
    return -1 / np.sqrt(np.sum(p**2))


POLES: list[tuple[Any, Any, Any, int]] = [
    ("-1/x + 0.1*x", 1.0, GradientDescent(0.01), 3_000),
    ("0.02*x^2 - 1/x", 1.5, GradientDescent(0.005), 2_000),
    ("-1/x^2 + x^2", 1.5, GradientDescent(0.01), 10_000),
    ("-1/x^2 + x^2", 1.5, Rprop(), 2_000),
    ("log(x^2)", 1.5, GradientDescent(0.01), 10_000),
    (coulomb, np.array([1.0, 0.5, 0.2]), GradientDescent(0.003), 5_000),
]


@pytest.mark.parametrize(("cost", "x0", "method", "steps"), POLES)
def test_a_cost_that_falls_into_a_pole_has_no_bound_whatever_the_rate(
    cost: Any, x0: Any, method: Any, steps: int
) -> None:  # fmt: skip
    assert minimize(cost, x0, method, steps=steps).explain().cause is Cause.UNBOUNDED


def test_a_rate_that_is_too_large_for_a_cost_with_a_minimum_is_still_named() -> None:
    assert minimize("x^3 - 3*x", 0.5, GradientDescent(0.5)).explain().cause is Cause.RATE_TOO_LARGE
    assert minimize("x^4 + y^4", [3.0, 2.0], GradientDescent(0.1)).explain().cause is Cause.RATE_TOO_LARGE


def test_where_rounding_hides_the_slope_nothing_is_called_a_kink() -> None:
    def collapse(p: Any) -> Any:
        return p[1] + (1.7 - p[0]) ** 2 / (2 * np.exp(2 * p[1]))

    run = minimize(collapse, np.array([1.7, 0.0]), GradientDescent(5.0), steps=3_000)
    assert run.outcome is Outcome.DIVERGED  # p[1] - 1 lowers it by 1, at any point
    assert "the gradient is not finite" in run.message


T = np.linspace(0, 6, 200)


@pytest.mark.parametrize("kind", [GradientDescent, Adam])
def test_a_lower_minimum_is_looked_for_of_batches_too(kind: Any) -> None:
    def sine(p: Any, t: Any, seen: Any) -> Any:
        return np.mean((np.sin(p[0] * t) - seen) ** 2)

    method = kind(Cosine(0.01, steps=3_000))
    run = minimize(sine, np.array([5.0]), method, data=(T, np.sin(2 * T)), batch_size=50, epochs=750)
    found = run.explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert found.evidence["better cost"] < run.fun


def test_a_minimum_is_not_ill_conditioned_for_a_trifle_and_a_lower_one_is_named() -> None:
    run = minimize("0.05*(y - 1)^2 + x^4 - 4*x^2 - x", [-1.2, 4.0], GradientDescent(0.04), steps=2_200, gtol=0)
    assert run.explain().cause is Cause.LOCAL_MINIMUM
    alone = minimize("3 + 0.05*(y - 1)^2 + 7*x^2", [-1.2, 4.0], GradientDescent(0.04), steps=1_700, gtol=0)
    assert alone.explain().cause is Cause.HEALTHY


@pytest.mark.parametrize(
    ("target", "method", "steps"),
    [
        (np.array([4.0, 4.0]), GradientDescent(0.5), 4),
        (np.array([3.0, -4.0, 5.0]), Nesterov(0.3, mu=0.5), 5),
    ],
)
def test_a_tenth_of_the_rate_is_no_cure_where_as_many_steps_of_the_same_do_as_well(
    target: np.ndarray, method: Any, steps: int
) -> None:
    def peaks(x: Any) -> Any:
        return np.sum(np.log(1 + (x - target) ** 2))

    assert minimize(peaks, np.zeros(len(target)), method, steps=steps).explain().cause is Cause.TOO_FEW_STEPS


@pytest.mark.parametrize("inner", [GradientDescent(0.02), Adam(0.05), Momentum(0.01, mu=0.9)], ids=repr)
def test_the_noise_that_a_method_adds_is_named(inner: Any) -> None:
    run = minimize(lambda x: np.sum(np.cosh(x - 2)), np.zeros(3), GradientNoise(inner, eta=4.0, gamma=0.0), steps=3_000)
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.NOISE_FLOOR, "leave GradientNoise out")
    assert found.evidence["variance of the noise that GradientNoise adds, at the end"] == 4


def test_noise_that_fades_is_not_blamed() -> None:
    method = GradientNoise(GradientDescent(0.02), eta=300.0, gamma=1.0)
    assert minimize(lambda x: np.sum((x - 2) ** 2), np.zeros(3), method, steps=60).explain().cause is (
        Cause.TOO_FEW_STEPS
    )


def test_a_rate_that_learns_itself_may_begin_far_too_small() -> None:
    method = GradientDescent(Hypergradient(1e-8, hyper=1e-14))
    assert minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(3), method, steps=800).explain().cause is (
        Cause.RATE_TOO_SMALL
    )


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_cure_beside_an_edge_ends_lower_than_the_run() -> None:
    run = minimize(lambda x: x[0] ** 1.5 + x[0] + (x[1] - 1) ** 2, np.array([2.1, 0.0]), Momentum(0.05, mu=0.5))
    found = run.explain()
    assert found.cause is Cause.LEFT_DOMAIN
    assert found.trial is None or found.trial.made.fun < run.fun


def test_the_start_of_a_cure_of_many_variables_is_kept() -> None:
    def cost(x: Any) -> Any:
        return np.sum(x[:-1] ** 2) + x[-1] ** 4 - 2 * x[-1] ** 2

    found = minimize(cost, np.r_[np.ones(19), 0.0]).explain()
    assert (found.cause, found.evidence_lines()[-1]) == (Cause.SADDLE, "beside it: 0.01 in x[19]")
    assert found.cure == "start a little beside it, at explain().trial.x0"
    assert found.trial is not None
    assert minimize(cost, found.trial.x0).fun == pytest.approx(-1)


DIGITS = load_digits(return_X_y=True)


def test_a_heavy_penalty_of_a_network_is_named() -> None:
    model = MLPClassifier(Adam(0.003), hidden=(64,), l2=0.3, epochs=30).fit(*DIGITS)
    found = model.explain(*DIGITS)
    assert (found.cause, found.cure) == (Cause.PENALTY, "l2=0.003")


def test_a_network_that_halves_its_loss_on_other_rows_too_needs_more_epochs() -> None:
    rows = make_friedman1(2_000, noise=0.3, random_state=6)
    model = MLPRegressor(Momentum(0.02, mu=0.9), hidden=(64, 64), epochs=3).fit(*rows)
    assert model.explain(*rows).cause is Cause.TOO_FEW_STEPS


def test_raw_columns_of_a_network_are_named_however_far_off_it_began() -> None:
    draw, n = np.random.default_rng(68), 1_500
    X = pd.DataFrame({"x1": draw.normal(size=n), "salary": draw.normal(0, 2_000, n), "x2": draw.normal(size=n)})
    y = np.sin(2 * X.x1) + X.x2**2 + X.salary / 4_000 + 0.05 * draw.normal(size=n)
    model = MLPRegressor(GradientDescent(1e-7), hidden=(32,), scale=False, epochs=40).fit(X, y)
    found = model.explain(X, y)
    assert found.cause is Cause.ILL_CONDITIONED
    assert "salary" in found.evidence["largest columns"]


def test_a_network_whose_units_are_off_learns_with_another_activation() -> None:
    draw = np.random.default_rng(79)
    X = draw.normal(size=(1_000, 5))
    y = np.sin(X[:, 0]) + X[:, 1]
    model = MLPRegressor(Adam(0.001), hidden=(2,) * 6, epochs=30).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.PLATEAU, 'activation="tanh"')


def test_columns_that_are_nearly_one_are_named_where_more_epochs_win_little() -> None:
    draw, n = np.random.default_rng(71), 1_000
    f = draw.normal(size=(n, 2))
    X = np.c_[f[:, 0], f[:, 0] + 0.02 * draw.normal(size=n), f[:, 1], f[:, 1] + 0.02 * draw.normal(size=n)]
    y = 50 * (X[:, 0] - X[:, 1]) + 50 * (X[:, 2] - X[:, 3]) + 0.05 * draw.normal(size=n)
    model = LinearRegression(GradientDescent(0.2), batch_size=100, epochs=60).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.ILL_CONDITIONED, "leave method and batch_size out")


def test_a_method_that_tires_gets_as_far_at_a_larger_rate_as_in_more_epochs() -> None:
    rows = load_diabetes(return_X_y=True)
    model = LinearRegression(AdaGrad(0.2), batch_size=32, epochs=150).fit(*rows)
    found = model.explain(*rows)
    assert (found.cause, found.cure) == (Cause.STEP_VANISHED, "lr=2")


def test_a_derivative_rule_that_is_wrong_on_one_side_of_a_hop_is_found() -> None:
    @jax.custom_jvp
    def softplus(z: Any) -> Any:
        return jnp.log1p(jnp.exp(z))

    @softplus.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        sign = jnp.where(primals[0] > 1.0, -1.0, 1.0)
        return softplus(primals[0]), sign * tangents[0] / (1 + jnp.exp(-primals[0]))

    def cost(x: Any) -> Any:
        return (softplus(x[0]) - 3.0) ** 2 + x[1] ** 2

    run = minimize(cost, np.array([0.0, 1.0]), GradientDescent(0.1), steps=500)
    assert run.x[0] < 1  # where the rule is right
    assert run.explain().cause is Cause.WRONG_GRADIENT


def test_steps_of_a_fixed_length_that_never_settle_go_to_and_fro() -> None:
    stiff = 2 * np.eye(10) - np.eye(10, k=1) - np.eye(10, k=-1)
    load = np.linspace(0.5, 1.5, 10)
    found = minimize(lambda u: 0.5 * u @ stiff @ u - load @ u, np.zeros(10), Signum(0.3), steps=800).explain()
    assert found.cause is Cause.OSCILLATING
    assert found.cure.startswith("lr=Cosine(")


def test_what_keeps_the_largest_is_not_told_to_forget_sooner() -> None:
    run = minimize(
        lambda x: np.sum(np.exp(-4 * x)) + 0.01 * np.sum((x - 12) ** 2), np.array([-3.0, -3.0]), AMSGrad(0.05),
        steps=2_000,
    )  # fmt: skip
    found = run.explain()
    assert (found.cause, found.cure) == (
        Cause.STEP_VANISHED,
        "lr=0.5, or a method that forgets old gradients, as Adam or RMSProp",
    )


def test_momentum_is_a_cure_with_its_numbers_where_it_is_one() -> None:
    cured = minimize("ill-conditioned", [100.0, 1.0], GradientDescent(0.01), steps=200).explain().cure
    assert cured.endswith(", or Momentum(lr=0.01, mu=0.9)")


def test_a_start_far_off_does_not_hide_a_bad_end() -> None:
    draw = np.random.default_rng(2059)
    X = draw.normal(size=(800, 4)).astype(np.float32)
    y = (X @ [1.0, -2.0, 3.0, 0.5]).astype(np.float32)
    model = train(
        lambda p, X, y: jnp.mean((X @ p["w"] - y) ** 2) / 2, {"w": np.full(4, 40, np.float32)}, (X, y), AdaGrad(1.0),
        epochs=20, batch_size=20,
    )  # fmt: skip
    assert model.explain().cause is Cause.STEP_VANISHED


def test_units_that_are_saturated_are_off_though_others_learn() -> None:
    draw = np.random.default_rng(2076)
    X = draw.uniform(-2, 2, size=(1_200, 3)).astype(np.float32)
    y = (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * draw.normal(size=1_200)).astype(np.float32)
    start = {
        "A": (0.5 * draw.normal(size=(3, 24))).astype(np.float32), "a": np.full(24, 60, np.float32),
        "B": (0.3 * draw.normal(size=24)).astype(np.float32), "b": np.float32(0),
    }  # fmt: skip

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jax.nn.sigmoid(X @ p["A"] + p["a"]) @ p["B"] + p["b"] - y) ** 2)

    found = train(loss, start, (X, y), GradientDescent(0.005), epochs=40).explain()
    assert (found.cause, found.evidence["no gradient reaches"]) == (Cause.PLATEAU, "A, a")


@pytest.mark.parametrize("seed", [2054, 3054])
def test_the_noise_of_batches_is_measured_by_what_a_linear_model_can_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(1_500, 6))
    y = (0.6 * X @ draw.normal(size=6) + draw.logistic(size=1_500) > 0).astype(int)
    model = LogisticRegression(RMSProp(0.03), batch_size=4, epochs=20).fit(X, y)
    assert model.explain(X, y).cause is Cause.NOISE_FLOOR


def test_a_gradient_that_is_none_is_refused_with_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"grad must be a function, got None; .*give jax\.grad"):
        check_gradient(lambda x: (x**2).sum(), None, [1.0, 2.0])  # type: ignore[arg-type]
