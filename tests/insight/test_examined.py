"""Runs of known cause that an examiner thought up who had not seen the code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_moons,
)

from descend import (
    AdaGrad,
    Adam,
    AdamW,
    ClipGlobalNorm,
    Cosine,
    DecoupledWeightDecay,
    Frozen,
    GradientDescent,
    Groups,
    LinearRegression,
    Lion,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Nesterov,
    Outcome,
    RMSProp,
    SignSGD,
    Signum,
    Warmup,
    WeightDecay,
    minimize,
    train,
)
from descend.insight import Cause, explain_training, retraining_rates, sampled, to_and_fro
from descend.insight.by_retraining import explain_by_retraining
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.trials import start_cost

pytestmark = pytest.mark.usefixtures("time_enough")

_DRAW = np.random.default_rng(0)
POINTS = _DRAW.normal(size=(60, 2))
SIDES = np.sign(POINTS @ [1.0, 0.5])
AWAY = np.random.default_rng(13).normal(size=(10, 3))
AWAY[:, 0] = np.abs(AWAY[:, 0]) + 0.1


def told(run: Any) -> Any:
    return run.explain().cause


NO_MINIMUM: dict[str, tuple[Any, Any, Any, int]] = {
    "separable classes": (
        lambda w: np.mean(np.logaddexp(0, -SIDES * (POINTS @ w))),
        np.zeros(2),
        GradientDescent(1.0),
        2_000,
    ),
    "log-sum-exp downhill": (lambda x: np.log(np.sum(np.exp(AWAY @ x))), np.zeros(3), GradientDescent(0.1), 2_000),
    "log-sum-exp by the default": (lambda x: np.log(np.sum(np.exp(AWAY @ x))), np.zeros(3), None, 10_000),
    "a valley that leads down": (lambda x, y: np.exp(x - y) - x + 0.5 * y, [0.0, 0.0], GradientDescent(0.1), 2_000),
    "a hill without a foot": (lambda x: 1 / (1 + x**2), 1.0, GradientDescent(0.5), 2_000),
    "softplus": ("log(1 + exp(x))", 1.0, GradientDescent(0.05), 60),
    "a likelihood that collapses": (
        lambda p: np.log(np.abs(p[1])) + (1 - p[0]) ** 2 / (2 * p[1] ** 2),
        [0.0, 1.0],
        None,
        10_000,
    ),
}


@pytest.mark.parametrize("name", NO_MINIMUM)
def test_a_cost_without_a_minimum_is_told(name: str) -> None:
    objective, x0, method, steps = NO_MINIMUM[name]
    run = minimize(objective, x0, method, steps=steps)
    assert not run.success
    assert told(run) is Cause.UNBOUNDED


@pytest.mark.parametrize("lr", [0.1, 0.5, 0.9])
def test_a_rate_is_not_too_small_where_a_larger_one_would_not_hold_at_the_minimum(lr: float) -> None:
    run = minimize(lambda x: np.log1p(np.sum(x**2)), np.full(3, 40.0), GradientDescent(lr), steps=300)
    assert told(run) is Cause.TOO_FEW_STEPS


@pytest.mark.parametrize("h", [1e-5, 1e-6, 1e-7])
@pytest.mark.parametrize("both_sides", [True, False])
def test_a_gradient_by_differences_of_ones_own_is_right(h: float, both_sides: bool) -> None:
    def cost(x: Any) -> Any:
        return np.sum((x - np.arange(5)) ** 2) + np.sum(np.cos(x))

    def grad(x: Any) -> Any:
        behind = h if both_sides else 0.0
        return np.array([(cost(x + h * e) - cost(x - behind * e)) / (h + behind) for e in np.eye(5)])

    assert told(minimize(cost, np.full(5, 3.0), GradientDescent(0.1), grad=grad)) is Cause.HEALTHY


def test_what_keeps_steps_short_is_named_and_not_the_rate() -> None:
    run = minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(3), GradientDescent(Warmup(0.1, steps=10**6)), steps=500)
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "lr=Warmup(lr=0.1, steps=50, start=0.01)")
    clipped = ClipGlobalNorm(GradientDescent(0.1), limit=0.01)
    found = minimize(lambda x: np.sum((x - 1_000) ** 2), np.zeros(4), clipped, steps=500).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "limit=100")
    found = minimize(lambda x, y: (x - 1) ** 2 + 2 * (y + 3) ** 2, [100.0, -80.0], Adam(1e-5), steps=1_000).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "lr=0.1")


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_rule_for_the_derivative_that_is_wrong_where_the_run_begins(kind: Any) -> None:
    @jax.custom_jvp
    def softplus(x: Any) -> Any:
        return jnp.logaddexp(x, 0.0)

    @softplus.defjvp
    def _(at: Any, way: Any) -> Any:
        return softplus(at[0]), jnp.where(at[0] > 3, -1.0, jax.nn.sigmoid(at[0])) * way[0]

    run = minimize(
        lambda x: softplus(x[0]) + 2 * softplus(-x[0] - 8.0) + (x[1] - 1) ** 2,
        np.array([-15.0, 0.0], kind),
        GradientDescent(0.5),
        steps=500,
    )
    assert told(run) is Cause.WRONG_GRADIENT


def test_noise_that_costs_next_to_nothing_is_healthy() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 5))
    y = X @ [1.0, -2, 3, 0.5, 0] + draw.normal(size=500)

    def loss(w: Any, X: Any, y: Any) -> Any:
        return np.mean((X @ w - y) ** 2)

    run = minimize(loss, np.zeros(5), GradientDescent(0.002), data=(X, y), batch_size=50, epochs=200)
    assert told(run) is Cause.HEALTHY
    tired = minimize(loss, np.full(5, 50.0), AdaGrad(0.05), data=(X, y), batch_size=20, epochs=50)
    assert told(tired) is Cause.RATE_TOO_SMALL
    assert start_cost(tired) == pytest.approx(loss(np.full(5, 50.0), X, y)), "of all rows, not of the first batch"


def test_a_run_that_was_about_to_converge_needs_more_steps_where_they_win_more_than_a_trifle() -> None:
    draw = np.random.default_rng(0)
    X = np.abs(draw.normal(size=(200, 3))) + 0.1
    y = draw.poisson(X @ [1.0, 2.0, 0.5])
    for steps, cause in ((20, Cause.TOO_FEW_STEPS), (300, Cause.HEALTHY)):
        run = minimize(lambda w: np.mean(X @ w - y * np.log(X @ w)), [3.0, 0.1, 4.0], GradientDescent(0.5), steps=steps)
        assert told(run) is cause


CANCER, DIABETES, DIGITS = (load(return_X_y=True) for load in (load_breast_cancer, load_diabetes, load_digits))
TOO_LARGE = {
    "Adam, a network of classes": (MLPClassifier(Adam(2.0), hidden=(32, 32), epochs=15), CANCER),
    "Adam, which larger batches do not cure": (MLPRegressor(Adam(0.3), hidden=(32, 32), epochs=15), DIABETES),
    "RMSProp, far above a constant": (MLPRegressor(RMSProp(0.3), hidden=(32, 32), epochs=15), DIABETES),
    "Adam, one where a tenth is too large, too": (MLPClassifier(Adam(1.0), hidden=(64, 32), epochs=10), DIGITS),
    "Adam, a linear model": (LinearRegression(Adam(300.0), batch_size=32, epochs=30), DIABETES),
    "gradient descent, a linear model": (LogisticRegression(GradientDescent(10.0), batch_size=32, epochs=30), CANCER),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_rate_that_is_too_large_for_a_model_is_told_and_its_cure_helps(name: str) -> None:
    model, data = TOO_LARGE[name]
    found = model.fit(*data).explain(*data)
    assert found.cause is Cause.RATE_TOO_LARGE
    cured = clone(model).set_params(method=type(model.method)(float(found.cure.removeprefix("lr=")))).fit(*data)
    assert cured.history_.loss[-1] < 0.6 * model.history_.loss[-1]
    assert cured.explain(*data).cause is not Cause.RATE_TOO_LARGE


@pytest.mark.parametrize("method", [GradientDescent(0.5), GradientDescent(0.1), Adam(1.0), GradientDescent(5.0)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_network_of_ones_own_whose_units_have_died_is_not_well(method: Any, has_bias: bool) -> None:
    X, y = (part.astype(np.float32) for part in make_friedman1(400, random_state=0))
    draw = np.random.default_rng(0)
    p = {"a": draw.normal(size=(10, 16)), "b": np.zeros(16), "c": draw.normal(size=16), "d": np.zeros(())}

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jnp.maximum(X @ p["a"] + p["b"], 0) @ p["c"] + has_bias * p["d"] - y) ** 2)

    start = {name: leaf.astype(np.float32) for name, leaf in p.items()}
    made = train(loss, start, (X, y), method, epochs=5)
    assert made.explain().cause in {Cause.RATE_TOO_LARGE, Cause.PLATEAU}
    assert train(loss, start, (X, y), GradientDescent(0.005), epochs=10).explain().cause is Cause.HEALTHY


def relu_far_below(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((jnp.maximum(X @ p["a"] - 30, 0) @ p["c"] - y) ** 2)


def saturated(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((1 / (1 + jnp.exp(-20 * (X @ p["a"]).sum(axis=1) - 30)) - (y > 0)) ** 2)


@pytest.mark.parametrize("loss", [relu_far_below, saturated])
def test_units_that_are_off_are_a_plateau_and_no_wrong_gradient(loss: Any) -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(300, 6)).astype(np.float32), draw.normal(size=300).astype(np.float32)
    start = {"a": 0.01 * draw.normal(size=(6, 8)).astype(np.float32), "c": np.ones(8, np.float32)}
    found = train(loss, start, (X, y), GradientDescent(0.01), epochs=10).explain()
    assert found.cause is Cause.PLATEAU
    assert "a" in found.evidence["no gradient reaches"]
    assert (
        train(loss, start, (X, y), Groups({"a": Frozen(), "c": Frozen()}), epochs=10).explain().cause is Cause.UNKNOWN
    )


def of_least_squares(method: Any, **options: Any) -> Any:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 4)).astype(np.float32)
    y = (X @ [1, -2, 3, 0.5] + 0.1 * draw.normal(size=300)).astype(np.float32)
    start = {"w": np.zeros(4, np.float32)}
    return train(lambda p, X, y: jnp.mean((X @ p["w"] - y) ** 2), start, (X, y), method, **options).explain()


@pytest.mark.parametrize(
    ("method", "cause", "cure"),
    [
        (WeightDecay(GradientDescent(0.05), decay=3.0), Cause.PENALTY, "decay=0.03"),
        (WeightDecay(Adam(0.05), decay=0.5), Cause.PENALTY, "decay=0.005"),
        (WeightDecay(Adam(0.05), decay=1e-3), Cause.HEALTHY, ""),
        (
            GradientDescent(Warmup(0.02, steps=1_000_000)),
            Cause.RATE_TOO_SMALL,
            "lr=Warmup(lr=0.02, steps=30, start=0.01)",
        ),
        (ClipGlobalNorm(GradientDescent(0.1), 1e-3), Cause.RATE_TOO_SMALL, "limit=10"),
        (GradientDescent(0.1), Cause.HEALTHY, ""),
    ],
    ids=["decay", "decay of Adam", "little decay", "warm-up", "limit", "healthy"],
)
def test_what_holds_a_loss_of_ones_own_up_is_named(method: Any, cause: Cause, cure: str) -> None:
    found = of_least_squares(method, epochs=30)
    assert (found.cause, found.cure) == (cause, cure)


@pytest.mark.parametrize("method", [GradientDescent(0.1), Momentum(0.05), Adam(0.1)])
def test_all_rows_at_their_lowest_are_well_though_no_tolerance_is_met(method: Any) -> None:
    assert of_least_squares(method, batch_size=None, epochs=500).cause is Cause.HEALTHY


def test_a_training_that_diverged_by_a_wrong_derivative_is_not_blamed_on_the_rate() -> None:
    square: Any = jax.custom_vjp(lambda v: v**2)
    square.defvjp(lambda v: (v**2, v), lambda v, slope: (-2 * slope * v,))
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 4)).astype(np.float32)
    rows, start = (X, (X @ [1, -2, 3, 0.5]).astype(np.float32)), {"w": np.zeros(4, np.float32)}
    for rule, cause in ((square, Cause.WRONG_GRADIENT), (jnp.square, Cause.RATE_TOO_LARGE)):
        lr = 0.01 if rule is square else 2.0
        made = train(lambda p, X, y, f=rule: jnp.mean(f(X @ p["w"] - y)), start, rows, GradientDescent(lr), epochs=5)
        assert made.outcome is Outcome.DIVERGED
        assert made.explain().cause is cause


def test_rounding_where_a_training_has_diverged_is_no_wrong_derivative() -> None:
    draw = np.random.default_rng(9)
    X, w = draw.normal(size=(400, 6)).astype(np.float32), draw.normal(size=6).astype(np.float32)
    y = (X @ w + 0.5 * draw.normal(size=400)).astype(np.float32)
    raw = X * np.array([1, 1, 1, 1, 300, 1000], np.float32)
    start = {"w": np.zeros(6, np.float32), "b": np.zeros((), np.float32)}
    made = train(
        lambda p, X, y: jnp.mean((X @ p["w"] + p["b"] - y) ** 2), start, (raw, y), GradientDescent(0.01), epochs=10
    )
    assert made.outcome is Outcome.DIVERGED
    assert made.explain().cause in {Cause.RATE_TOO_LARGE, Cause.ILL_CONDITIONED}


@pytest.mark.parametrize("epochs", [10, 40])
def test_with_rows_held_out_more_steps_that_do_not_help_them_speak_against_nothing(epochs: int) -> None:
    X, y = make_classification(600, 12, n_informative=5, flip_y=0.1, random_state=1)
    model = LogisticRegression(Adam(0.01), batch_size=32, epochs=epochs, validation=0.25).fit(X, y)
    assert model.explain(X, y).cause is Cause.HEALTHY


def digits_net(method: Any, epochs: int, validation: float = 0.0) -> Any:
    X, y = load_digits(return_X_y=True)  # some of the columns are empty, some nearly so
    draw = np.random.default_rng(0)
    start = {"a": 0.18 * draw.normal(size=(64, 48)), "b": np.zeros(48), "c": 0.2 * draw.normal(size=(48, 10))}

    def loss(p: Any, X: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(jax.nn.relu(X @ p["a"] + p["b"]) @ p["c"])
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

    parameters = {name: leaf.astype(np.float32) for name, leaf in start.items()}
    return train(
        loss, parameters, ((X / 16).astype(np.float32), y), method, epochs=epochs, validation=validation
    ).explain()


@pytest.mark.parametrize(
    ("method", "epochs", "causes"),
    [
        (Adam(1e-6), 6, {Cause.RATE_TOO_SMALL}),
        (Adam(1e-3), 1, {Cause.RATE_TOO_SMALL, Cause.TOO_FEW_STEPS}),
        (Adam(0.5), 8, {Cause.RATE_TOO_LARGE}),
        (ClipGlobalNorm(GradientDescent(0.1), 1e-4), 6, {Cause.RATE_TOO_SMALL}),
        (DecoupledWeightDecay(Adam(0.01), decay=10.0), 10, {Cause.PENALTY}),
        (Adam(Cosine(0.01, steps=20 * 57)), 20, {Cause.HEALTHY}),
    ],
    ids=["small rate", "one epoch", "large rate", "limit", "decay", "healthy"],
)
def test_nearly_empty_columns_are_not_blamed_for_what_another_rate_mends(
    method: Any, epochs: int, causes: set[Cause]
) -> None:
    assert digits_net(method, epochs).cause in causes


def test_a_small_loss_is_not_held_against_few_steps() -> None:
    schedule = Adam(Cosine(0.008, steps=20 * 36))  # of 36 batches in each of 20 epochs
    assert digits_net(schedule, 20, validation=0.2).cause is Cause.HEALTHY


def test_a_rate_that_has_fallen_is_no_cause_of_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + draw.normal(size=200)
    model = LinearRegression(GradientDescent(0.2), batch_size=4).fit(X, y)
    assert retraining_rates.goes_to_and_fro(OfModel(model, X, y)) is not None
    monkeypatch.setattr(OfModel, "has_decayed", True)
    assert retraining_rates.goes_to_and_fro(OfModel(model, X, y)) is None


def test_all_rows_in_one_batch_have_no_noise() -> None:
    X, y = make_moons(400, noise=0.15, random_state=3)
    for size, cause in ((400, Cause.OSCILLATING), (16, Cause.NOISE_FLOOR)):
        model = MLPClassifier(Lion(0.05), hidden=16, batch_size=size, epochs=300 * size // 400).fit(X, y)
        found = model.explain(X, y)
        assert found.cause in {cause, Cause.RATE_TOO_LARGE}
        assert "batch_size=1600" not in found.cure


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rate_that_has_fallen_is_not_told_to_fall(seed: int) -> None:
    X, y = make_moons(500, noise=0.15, random_state=0)
    schedule = Adam(Cosine(0.03, steps=16 * 120))
    model = MLPClassifier(schedule, hidden=(32, 32), batch_size=32, epochs=120, seed=seed, l2=1e-4).fit(X, y)
    assert model.explain(X, y).cause is not Cause.NOISE_FLOOR


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_penalty_a_decay_and_a_rate_that_are_too_large_are_told_apart() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    fast = LogisticRegression(Adam(5.0), batch_size=32, epochs=20).fit(X, y).explain(X, y)
    assert fast.cause is Cause.RATE_TOO_LARGE
    W, z = load_wine(return_X_y=True)
    pulled = LogisticRegression(AdamW(0.01, decay=5.0), batch_size=16, epochs=60).fit(W, z).explain(W, z)
    assert (pulled.cause, pulled.cure) == (Cause.PENALTY, "l2=1e-06, decay=0.05")
    raw = MLPClassifier(Adam(1e-3), hidden=16, epochs=30, scale=False).fit(W, z).explain(W, z)
    assert (raw.cause, raw.cure) == (Cause.ILL_CONDITIONED, "scale=True")


def test_a_rate_that_was_gone_early_is_told_beside_what_cannot_be_learnt() -> None:
    X, y = make_classification(800, 8, n_informative=4, flip_y=0.3, random_state=0)
    for steps, cause in ((5, Cause.DECAYED_TOO_EARLY), (15, Cause.DECAYED_TOO_EARLY), (1_000, Cause.HEALTHY)):
        model = LogisticRegression(Momentum(Cosine(0.02, steps=steps)), batch_size=32, epochs=40).fit(X, y)
        assert model.explain(X, y).cause is cause


def test_classes_that_are_told_apart_in_batches_without_a_penalty_have_no_best_coefficients() -> None:
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(GradientDescent(0.5), l2=0.0, batch_size=10, epochs=100).fit(X, y == 0)
    found = model.explain(X, y == 0)
    assert (found.cause, found.cure) == (Cause.UNBOUNDED, "l2=0.0001")
    assert found.seen
    kept = LogisticRegression(GradientDescent(0.5), l2=1e-3, batch_size=10, epochs=100).fit(X, y == 0)
    assert kept.explain(X, y == 0).cause is not Cause.UNBOUNDED
    assert not LogisticRegression(l2=0.0).fit(X[50:], y[50:] == 1).falls_for_ever(X[50:], y[50:] == 1)


# A second examiner's cases.


def _saturated(start: list[float], method: Any, seed: int = 0) -> Any:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=150)
    y = (x + draw.logistic(size=150) > 0).astype(float)
    return minimize(lambda p: np.mean((1 / (1 + np.exp(-(x * p[0] + p[1]))) - y) ** 2), start, method, steps=500)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("offset", [-20.0, -30.0, -40.0, -100.0, -800.0])
def test_what_is_saturated_is_a_plateau_and_never_a_success(offset: float) -> None:
    run = _saturated([1.0, offset], GradientDescent(0.5))
    assert not run.success
    found = run.explain()
    assert found.cause is Cause.PLATEAU
    if found.cure:
        start = [float(part) for part in found.cure.split("[")[1].split("]")[0].split(",")]
        method = None if "leave the method out" in found.cure else GradientDescent(0.5)
        assert minimize(run.objective, start, method).fun < 0.5 * run.fun
    assert "kink" not in _saturated([1.0, offset], None).message


def test_a_start_that_is_advised_is_the_one_that_was_tried() -> None:
    run = minimize(lambda x: np.sin(3 * x) + 0.1 * x**2, 6.0)
    found = run.explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    start = float(found.cure.split("[")[1].split("]")[0])
    assert minimize(run.objective, start).fun == pytest.approx(found.evidence["better cost"])


@pytest.mark.parametrize(
    "method", [Momentum(0.02), Nesterov(0.02), GradientDescent(0.02), Adam(0.02)], ids=lambda m: m.name
)
@pytest.mark.parametrize("decay", [1.0, 10.0])
def test_a_decay_that_holds_a_run_away_from_its_minimum_is_named(method: Any, decay: float) -> None:
    A = np.random.default_rng(1).normal(size=(100, 3))
    b = A @ [1.0, -2, 3]
    held = DecoupledWeightDecay(method, decay=decay)
    assert told(minimize(lambda w: np.mean((A @ w - b) ** 2), np.zeros(3), held, steps=2_000)) is Cause.PENALTY


def test_a_first_step_that_led_astray_is_told_from_too_few_steps() -> None:
    x = np.random.default_rng(3).gamma(3.0, 2.0, 200)

    def cost(p: Any) -> Any:
        return np.mean(np.log(p[1]) + (x - p[0]) ** 2 / (2 * p[1] ** 2))

    thrown = minimize(cost, [6.0, 0.5], GradientDescent(0.5), steps=500)
    found = thrown.explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_LARGE, "lr=0.05")
    assert minimize(cost, [6.0, 0.5], GradientDescent(0.05), steps=500).fun < thrown.fun - 0.5
    assert minimize(cost, [6.0, 3.0], GradientDescent(0.5), steps=5).explain().cause is Cause.TOO_FEW_STEPS


def test_a_decay_that_costs_next_to_nothing_is_well_where_it_balances_the_gradient() -> None:
    A = np.random.default_rng(1).normal(size=(100, 3))
    b = A @ [1.0, -2, 3]
    found = minimize(
        lambda w: np.mean((A @ w - b) ** 2), np.zeros(3), WeightDecay(GradientDescent(0.1), decay=1e-3), steps=2_000
    ).explain()
    assert (found.outcome, found.cause) == (Outcome.STALLED, Cause.HEALTHY)
    assert found.evidence["with decay=1e-05"] < found.evidence["cost"] < 1e-3


def test_moves_that_lead_nowhere_without_going_to_and_fro_are_told_as_such() -> None:
    circle = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 4 * np.pi, 25)])
    evidence = to_and_fro._to_and_fro(circle)
    assert evidence is not None
    assert evidence["net way of the last moves, as a share of their length"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rate", [1e-6, 1.1])
def test_a_rate_of_optax_is_told_from_what_it_does(rate: float) -> None:
    found = minimize(
        lambda x: np.sum((x - 3) ** 2 * np.array([1, 2.0])), [1.0, 20.0], optax.sgd(rate), steps=500
    ).explain()
    assert found.cause is (Cause.RATE_TOO_SMALL if rate < 1 else Cause.RATE_TOO_LARGE)
    assert "optax.scale" in found.cure


def test_a_first_step_that_leapt_out_of_the_well_was_too_large() -> None:
    run = minimize(lambda r: 4 * (r**-12.0 - r**-6.0), 0.8, GradientDescent(0.01), steps=500)
    assert told(run) is Cause.RATE_TOO_LARGE


@pytest.mark.parametrize("kind", [Lion, Signum, SignSGD])
def test_a_run_that_has_arrived_is_healthy_whatever_its_method(kind: Any) -> None:
    run = minimize(
        lambda x: np.sum((x - 1) ** 2 * np.array([1, 10.0])), [4.0, -3.0], kind(Cosine(0.01, steps=3_000)), steps=3_000
    )
    assert told(run) is Cause.HEALTHY


def test_a_likelihood_whose_width_collapses_has_no_bound() -> None:
    run = minimize(
        lambda p: p[1] + 0.5 * (3 - p[0]) ** 2 * np.exp(-2 * p[1]), [3.0, 0.0], GradientDescent(0.1), steps=1_000
    )
    assert told(run) is Cause.UNBOUNDED


TABLE = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
NUMBERS = TABLE @ np.array([1, -2, 0.5, 3], np.float32) + np.float32(0.5)
CLASSES = (NUMBERS > 0).astype(np.int32)


def _zeros() -> dict[str, Any]:
    return {"w": np.zeros(4, np.float32), "b": np.float32(0)}


def _squares(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((X @ p["w"] + p["b"] - y) ** 2)


CUT: dict[str, Any] = {
    "stop_gradient": jax.lax.stop_gradient,
    "floor": lambda z: jnp.floor(z * 4) / 4,
    "sign": jnp.sign,
}


@pytest.mark.parametrize("name", CUT)
def test_parameters_that_are_cut_off_from_the_loss_are_named(name: str) -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((CUT[name](X @ p["w"]) + p["b"] - y) ** 2)

    found = train(loss, _zeros(), (TABLE, NUMBERS), Adam(0.05), epochs=30).explain()
    assert (found.cause, found.evidence["no gradient reaches"]) == (Cause.WRONG_GRADIENT, "w")


@pytest.mark.parametrize(
    ("size", "method"), [(1e3, GradientDescent(1e-7)), (1e2, GradientDescent(1e-5)), (1e3, Momentum(5e-8))]
)
def test_columns_of_another_scale_among_the_data_of_a_loss_of_ones_own_are_told(size: float, method: Any) -> None:
    X = TABLE * np.array([1, size, 1, 1], np.float32)
    found = train(_squares, _zeros(), (X, NUMBERS), method, epochs=30).explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert found.cure.startswith("scale the columns of the data")
    assert "column 1" in found.evidence["largest columns"]


@pytest.mark.parametrize("method", [Adam(0.05), GradientDescent(0.5)], ids=lambda m: m.name)
def test_a_loss_whose_sign_is_wrong_falls_as_far_as_the_rate_takes_it(method: Any) -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean(jax.nn.log_softmax(X @ p["W"])[jnp.arange(len(y)), y])

    made = train(loss, {"W": np.zeros((4, 2), np.float32)}, (TABLE, CLASSES), method, epochs=20)
    assert told(made) is Cause.UNBOUNDED


@pytest.mark.parametrize("seed", [13, 4, 11])
def test_a_gap_to_the_rows_held_out_is_learning_by_heart_also_where_their_loss_does_not_rise(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(120, 40))
    y = X[:, 0] + draw.normal(size=120)
    model = MLPRegressor(Adam(0.01), hidden=(64,), epochs=150, validation=0.3).fit(X, y)
    assert model.explain(X, y).cause is Cause.OVERFITTING


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_raw_columns_are_told_before_a_rate_that_does_worse_than_a_constant() -> None:
    X = np.random.default_rng(3).normal(size=(400, 4))
    y = (X @ [1, -2, 0.5, 3] + 0.5 > 0).astype(int)
    model = MLPClassifier(Adam(1e-4), hidden=(16,), epochs=10, scale=False).fit(X - 50, y)
    found = model.explain(X - 50, y)
    assert found.cause is Cause.ILL_CONDITIONED
    assert found.cure.startswith("scale=True")


def test_a_rate_that_has_decayed_in_the_end_leaves_a_healthy_training_healthy() -> None:
    draw = np.random.default_rng(1)
    p = {"a": draw.normal(size=(4, 16)) * 0.5, "b": np.zeros(16), "c": draw.normal(size=16) * 0.3, "d": np.zeros(())}
    start = {name: leaf.astype(np.float32) for name, leaf in p.items()}

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jnp.tanh(X @ p["a"] + p["b"]) @ p["c"] + p["d"] - y) ** 2)

    made = train(loss, start, (TABLE, NUMBERS), Adam(Cosine(0.01, steps=13 * 200)), epochs=200)
    assert told(made) is Cause.HEALTHY
    in_haste = OfTraining(made)
    in_haste._lasts = -np.inf  # time is up after the first trials
    found = explain_by_retraining(in_haste, explain_training(made.history, made.outcome))
    assert in_haste.was_cut
    assert found.cause is Cause.HEALTHY


def test_a_way_down_beside_a_large_constant_is_no_plateau() -> None:
    run = minimize(lambda x: 1e8 + np.sum((x - 1) ** 2), np.full(3, 5.0), GradientDescent(0.1), steps=10)
    assert told(run) is Cause.TOO_FEW_STEPS


def test_a_minimum_far_away_and_a_hill_beyond_one_are_no_falls_without_end() -> None:
    far = minimize(lambda x: np.sum((x - 1_000) ** 2), np.zeros(2), GradientDescent(1e-6), steps=100)
    assert told(far) is Cause.RATE_TOO_SMALL
    run = minimize(lambda x: (x - 2) ** 2 / (1 + (x - 2) ** 4), 2.5, GradientDescent(0.01), steps=20)
    assert told(run) in {Cause.TOO_FEW_STEPS, Cause.RATE_TOO_SMALL}


def test_a_loss_of_ones_own_gets_no_cure_that_its_rows_held_out_speak_against() -> None:
    draw = np.random.default_rng(1)
    p = {"a": draw.normal(size=(20, 16)) * 0.3, "b": np.zeros(16), "c": draw.normal(size=16) * 0.3}
    X, noise = (part.astype(np.float32) for part in (draw.normal(size=(300, 20)), draw.normal(size=300)))

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jnp.tanh(X @ p["a"] + p["b"]) @ p["c"] - y) ** 2)

    start = {name: leaf.astype(np.float32) for name, leaf in p.items()}
    made = train(loss, start, (X, noise), Adam(0.001), epochs=8, validation=0.3)
    assert told(made) not in {Cause.TOO_FEW_STEPS, Cause.RATE_TOO_SMALL}


def test_larger_batches_and_averages_are_advised_only_where_they_get_below() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + draw.normal(size=200)
    run = minimize(
        lambda w, X, y: np.mean((X @ w - y) ** 2), np.zeros(3), GradientDescent(0.2), data=(X, y), batch_size=4
    )
    trials = OfModel(LinearRegression(GradientDescent(0.2), batch_size=4).fit(X, y), X, y)
    both = ["batch_size=16 and as many steps", "an average of the points, Averaged"]
    for below, advised in ((np.inf, both), (-np.inf, [])):
        assert sampled._calmed(run, 200, below) == advised
        assert retraining_rates._calmed(trials, below) == advised
