"""What outside examiners found last: kinks, noise under any method, methods that are soon there, medium penalties."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from descend import (
    Adam,
    AdamW,
    Cosine,
    DecoupledWeightDecay,
    GradientDescent,
    GradientNoise,
    LinearRegression,
    LogisticRegression,
    MLPRegressor,
    Momentum,
    Nesterov,
    Optax,
    Outcome,
    Polynomial,
    StepDecay,
    WeightDecay,
    landscape,
    minimize,
)
from descend.insight import Cause

pytestmark = pytest.mark.usefixtures("time_enough")

_DRAW = np.random.default_rng(0)
ROWS = _DRAW.normal(size=(80, 10))
TARGETS = 3 * ROWS[:, 0] - 2 * ROWS[:, 1] + 0.3 * _DRAW.normal(size=80)
NOISY = TARGETS + 2 * _DRAW.normal(size=80)


def lasso(w: Any) -> Any:
    return np.mean((ROWS @ w - TARGETS) ** 2) / 2 + 0.3 * np.abs(w).sum()


def hinges(w: Any) -> Any:
    return np.maximum(0, 1 - np.sign(TARGETS) * (ROWS[:, :4] @ w)).mean() + 0.05 * (w**2).sum()


def crossed(x: Any) -> Any:
    """Its minimum, 1/12, is where two kinks cross."""
    return np.maximum(np.abs(x[0] - 1) + 0.5 * np.abs(x[1] + 2), 0.1 * np.abs(x[0] + x[1]))


def squares(w: Any, rows: Any, targets: Any) -> Any:
    return jnp.mean((rows @ w - targets) ** 2)


IN_KINKS: list[tuple[str, Any, int, Any, int]] = [
    ("lasso", lasso, 10, Cosine(0.2, steps=20_000), 20_000),
    ("hinges", hinges, 4, Polynomial(0.5, steps=30_000), 30_000),
    ("crossed", crossed, 2, Cosine(0.5, steps=20_000), 20_000),
]


@pytest.mark.parametrize(("name", "cost", "size", "lr", "steps"), IN_KINKS, ids=[case[0] for case in IN_KINKS])
def test_what_a_schedule_has_brought_to_a_minimum_in_kinks_is_well(
    name: str, cost: Any, size: int, lr: Any, steps: int
) -> None:
    run = minimize(cost, np.zeros(size), GradientDescent(lr), steps=steps)
    assert run.nit == steps  # it was not given up while its rate had yet to fall
    assert run.explain().cause is Cause.HEALTHY


def test_the_same_at_a_constant_rate_is_not() -> None:
    run = minimize(lasso, np.zeros(10), GradientDescent(0.2), steps=20_000)
    assert run.nit < 20_000
    assert run.fun > 1.45 > minimize(lasso, np.zeros(10), GradientDescent(Cosine(0.2, steps=20_000)), steps=20_000).fun
    assert run.explain().cause is Cause.OSCILLATING


def test_a_schedule_that_has_come_down_for_good_is_not_waited_for() -> None:
    run = minimize(lasso, np.zeros(10), GradientDescent(StepDecay(0.2, every=10**9)), steps=3_000)
    falls = minimize(lasso, np.zeros(10), GradientDescent(Cosine(0.2, steps=500, end=0.2)), steps=20_000)
    assert run.nit == 3_000  # it falls one day
    assert falls.nit < 20_000


@pytest.mark.parametrize("methods", [(optax.sgd(0.03), GradientDescent(0.03)), (optax.adam(0.1), Adam(0.1))])
def test_the_noise_of_batches_is_told_of_a_method_of_optax_too(methods: tuple[Any, Any]) -> None:
    runs = [minimize(squares, np.zeros(10), m, data=(ROWS, NOISY), batch_size=4, epochs=80) for m in methods]
    assert runs[0].fun == pytest.approx(runs[1].fun, rel=1e-6)
    found = [run.explain() for run in runs]
    assert [each.cause for each in found] == [Cause.NOISE_FLOOR] * 2
    assert "optax.scale(0.1)" in found[0].cure


def test_noise_that_was_asked_for_is_no_large_rate() -> None:
    run = minimize(lambda w: np.mean((ROWS @ w - TARGETS) ** 2), np.zeros(10),
                   GradientNoise(GradientDescent(0.1), eta=1.0, gamma=0.01), steps=800)  # fmt: skip
    assert run.explain().cause is Cause.NOISE_FLOOR


STIFF = 2 * np.eye(15) - np.eye(15, k=1) - np.eye(15, k=-1)
SOON: list[tuple[str, Any, int, Any, int]] = [
    ("L-BFGS", lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(), 4, optax.lbfgs(), 10),
    ("momentum", lambda x: (np.linspace(1, 60, 10) * (x - 1) ** 2).sum() / 2, 10, Momentum(0.03, 0.75), 20),
    ("Nesterov", lambda x: x @ STIFF @ x / 2 - 0.1 * x.sum(), 15, Nesterov(0.25, 0.8), 30),
]


@pytest.mark.parametrize(("name", "cost", "size", "method", "steps"), SOON, ids=[case[0] for case in SOON])
def test_what_is_soon_there_needs_more_steps_and_no_other_method(
    name: str, cost: Any, size: int, method: Any, steps: int
) -> None:
    start = np.full(size, -1.0) if name == "L-BFGS" else np.zeros(size)
    found = minimize(cost, start, method, steps=steps).explain()
    assert found.cause is Cause.TOO_FEW_STEPS
    assert minimize(cost, start, method, steps=500).success


def test_a_rate_that_throws_far_off_is_blamed_and_not_the_start() -> None:
    times = np.linspace(0, 5, 60)
    seen = 3 * np.exp(-0.8 * times) + 0.5 + 0.02 * np.random.default_rng(77).normal(size=60)

    def misfit(p: Any) -> Any:
        return np.mean((p[0] * np.exp(-(p[1] ** 2) * times) + p[2] - seen) ** 2)

    run = minimize(misfit, np.array([1.0, 0.5, 0.0]), Adam(5.0), steps=400)
    assert abs(run.x[1]) > 10
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_LARGE, "lr=0.5")
    assert minimize(misfit, np.array([1.0, 0.5, 0.0]), Adam(0.5), steps=400).fun < 0.01 * run.fun


def test_a_start_beside_a_saddle_leads_off_the_next_ones_too() -> None:
    def wells(x: Any) -> Any:
        return ((x**2 - 1) ** 2).sum()

    found = minimize(wells, np.zeros(8), Momentum(0.02, 0.9), steps=300).explain()
    assert found.cause is Cause.SADDLE
    assert "…" not in found.cure
    assert minimize(wells, found.evidence["beside it"], Momentum(0.02, 0.9)).fun < 1e-9


def test_twice_as_long_a_schedule_over_batches_is_asked_for_in_epochs() -> None:
    run = minimize(squares, np.zeros(10), Adam(Cosine(0.05, steps=24)), data=(ROWS, TARGETS), batch_size=10, epochs=3)
    assert run.explain().cure == "epochs=6, lr=Cosine(lr=0.05, steps=48, end=0)"


def test_a_method_that_forgets_slowly_is_told_to_forget_sooner() -> None:
    run = minimize(lambda x: jnp.exp(-8 * (x - 1)) + 0.01 * (x - 30) ** 2, -1.0, Adam(0.5, beta2=0.999999), steps=2_000)
    found = run.explain()
    assert found.cause is Cause.STEP_VANISHED
    assert found.cure.endswith(", or a smaller beta2")


def test_where_the_gradient_is_zero_is_said_rightly() -> None:
    run = minimize(lambda x: 1 - np.exp(-((x - 0.5) ** 2).sum()), [1.2, 0.1], GradientDescent(30.0), steps=200)
    assert run.outcome is Outcome.DIVERGED
    assert "at the start, though the gradient is as good as zero here" in run.message


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_heavy_penalty_is_looked_at_before_the_rate() -> None:
    draw = np.random.default_rng(1)
    X = draw.uniform(-2, 2, size=(3_000, 2))
    y = 3 * np.sin(X[:, 0]) * X[:, 1]
    model = MLPRegressor(Adam(0.005), hidden=32, epochs=40, l2=0.5).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.PENALTY, "l2=0.005")
    assert model.set_params(l2=0.005).fit(X, y).score(X, y) > 0.9


def test_a_schedule_that_ended_with_much_left_needs_to_be_longer() -> None:
    draw = np.random.default_rng(5)
    X = draw.uniform(-3, 3, size=(4_000, 1))
    y = np.sin(2 * X[:, 0]) + 0.3 * draw.normal(size=4_000)
    schedule = Adam(Cosine(0.01, steps=125 * 80))
    model = MLPRegressor(schedule, hidden=32, epochs=80, activation="tanh").fit(X, y)
    found = model.explain(X, y)
    assert found.cause is Cause.TOO_FEW_STEPS
    assert found.cure.startswith("epochs=160, lr=Cosine(")


def test_a_network_is_measured_by_what_a_constant_has_not_by_its_start() -> None:
    draw = np.random.default_rng(1)
    X = draw.uniform(-2, 2, size=(3_000, 2))
    y = 3 * np.sin(X[:, 0]) * X[:, 1]
    model = MLPRegressor(Adam(0.005), hidden=32, epochs=1).fit(X, y)
    assert model.history_.loss[0] > 2 * np.var(y)
    assert model.message_.startswith("1 epoch made: ")
    assert model.explain(X, y).cause is Cause.TOO_FEW_STEPS


def test_a_model_of_one_epoch_that_is_there_is_well() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(20_000, 3))
    y = (X[:, 0] + draw.logistic(size=20_000) > 0).astype(int)
    assert LogisticRegression(batch_size=32, epochs=2).fit(X, y).explain(X, y).cause is Cause.HEALTHY


STRONG: list[tuple[Any, str]] = [
    (optax.sgd(0.2, momentum=0.998), "optax.sgd(0.2, momentum=0.9)"),
    (optax.adam(0.3, b1=0.999), "optax.sgd(0.3, momentum=0.9)"),
]


@pytest.mark.parametrize(("method", "cure"), STRONG, ids=["sgd", "adam"])
def test_the_momentum_that_optax_hides_is_found_by_what_it_does(method: Any, cure: str) -> None:
    def bowl(x: Any) -> Any:
        return (np.array([1.0, 2, 3]) * (x - 1) ** 2).sum() / 2

    run = minimize(bowl, np.zeros(3), method, steps=500)
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.OSCILLATING, cure)
    share = cure.removeprefix("optax.sgd(").removesuffix(", momentum=0.9)")
    assert minimize(bowl, np.zeros(3), optax.sgd(float(share), momentum=0.9), steps=500).fun < 1e-9 < run.fun


def test_what_optax_carries_on_is_its_momentum() -> None:
    x = {"a": np.zeros(2), "b": np.zeros(())}
    assert Optax(optax.sgd(0.2, momentum=0.98)).carries_on(x) == pytest.approx((0.2, 0.98))
    assert Optax(optax.sgd(0.2)).carries_on(x) == pytest.approx((0.2, 0.0))
    assert Optax(optax.lbfgs()).carries_on(x) == (0.0, 0.0)  # it asks for the cost


def test_a_schedule_that_was_cut_short_needs_the_steps_that_it_was_made_for() -> None:
    run = minimize(
        landscape("six-hump-camel").__call__, [0.38, -0.24], GradientDescent(Cosine(1e-3, steps=200)), steps=100
    )
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.TOO_FEW_STEPS, "steps=200")


def misfit(w: Any) -> Any:
    return np.mean((PLAIN @ w - SUMS) ** 2)


PLAIN = np.random.default_rng(7).normal(size=(80, 6))
SUMS = PLAIN @ np.arange(6.0) + 2
DECAYS: list[tuple[str, Any, int]] = [
    ("decoupled", DecoupledWeightDecay(GradientDescent(0.1), decay=0.5), 200),
    ("decoupled, at rest", DecoupledWeightDecay(GradientDescent(0.1), decay=0.5), 1_000),
    ("coupled", WeightDecay(GradientDescent(0.1), decay=0.5), 1_000),
    ("optax", optax.chain(optax.add_decayed_weights(0.5), optax.sgd(0.1)), 1_000),
    ("Adam", DecoupledWeightDecay(Adam(0.05), decay=0.3), 2_000),
]


@pytest.mark.parametrize(("name", "method", "steps"), DECAYS, ids=[case[0] for case in DECAYS])
def test_a_decay_of_medium_strength_is_named(name: str, method: Any, steps: int) -> None:
    run = minimize(misfit, np.zeros(6), method, steps=steps)
    assert run.fun > 1.5 * minimize(misfit, np.zeros(6)).fun
    assert run.explain().cause is Cause.PENALTY


def test_what_a_decay_takes_of_a_run_at_rest_is_named_however_little_it_is() -> None:
    def raised(w: Any) -> Any:
        return misfit(w) + 20

    run = minimize(raised, np.zeros(6), DecoupledWeightDecay(GradientDescent(0.1), decay=0.5), steps=200)
    best = minimize(raised, np.zeros(6)).fun
    assert run.outcome is Outcome.STEPS_EXHAUSTED
    assert run.fun - best < 0.1 * (raised(np.zeros(6)) - best)
    assert run.explain().cause is Cause.PENALTY


def test_a_light_decay_is_no_penalty() -> None:
    assert minimize(misfit, np.zeros(6), AdamW(0.05), steps=2_000).explain().cause is not Cause.PENALTY


@pytest.mark.parametrize(("decay", "is_told"), [(5.0, True), (0.01, False)])
def test_a_decay_that_costs_half_of_the_loss_on_other_rows_too_is_named(decay: float, is_told: bool) -> None:
    draw = np.random.default_rng(77)
    X = draw.normal(size=(500, 8))
    y = X @ draw.normal(size=8) * 2 - 1 + draw.normal(size=500)
    model = MLPRegressor(DecoupledWeightDecay(Adam(0.005), decay=decay), hidden=(32,), epochs=40).fit(X, y)
    assert (model.explain(X, y).cause is Cause.PENALTY) == is_told


def test_a_start_of_named_parameters_is_told_by_their_names() -> None:
    product = np.outer([1, 2, 3.0], [1, -1.0])
    start = {"u": np.zeros(3), "v": np.zeros(2)}
    found = minimize(
        lambda p: jnp.sum((product - jnp.outer(p["u"], p["v"])) ** 2), start, GradientDescent(0.01), steps=300
    )
    assert "at {'u': [" in found.explain().cure


def test_of_a_gradient_of_ones_own_it_is_said_that_it_may_be_wrong() -> None:
    run = minimize(lambda w: misfit(w) + w @ w / 2, np.zeros(6), GradientDescent(0.1),
                   grad=lambda w: 2 * PLAIN.T @ (PLAIN @ w - SUMS) / 80, steps=500)  # fmt: skip
    assert run.message.endswith("; or grad= is wrong there")
    assert run.explain().cause is Cause.WRONG_GRADIENT


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_columns_that_are_nearly_one_hold_up_descent_on_all_rows() -> None:
    """Little of the variance is left, but it is fifty times the least there is, and in the coefficients."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(400, 1)) + 0.01 * draw.normal(size=(400, 4))
    y = X @ [3, -2, 5, -4.0] + 0.01 * draw.normal(size=400)
    model = LinearRegression(GradientDescent(0.2), epochs=300).fit(X, y)
    found = model.explain(X, y)
    assert found.cause is Cause.ILL_CONDITIONED
    assert LinearRegression().fit(X, y).explain(X, y).cause is Cause.HEALTHY
