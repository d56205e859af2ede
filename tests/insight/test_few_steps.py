"""Trainings of few steps, of a wrong derivative, and by heart: what short trainings must not be taken for."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import (
    Adam,
    Cosine,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Outcome,
    train,
)
from descend.insight import Cause
from descend.insight.retrained_losses import OfTraining

pytestmark = [
    pytest.mark.usefixtures("time_enough"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

_DRAW = np.random.default_rng(0)
PLACES = np.sort(_DRAW.uniform(-3, 3, 400))[:, None]
WAVE = np.sin(2 * PLACES[:, 0]) + 0.05 * _DRAW.normal(size=400)
ROWS = _DRAW.normal(size=(600, 4)).astype(np.float32)
NOISE, SIDES = _DRAW.normal(size=600).astype(np.float32), _DRAW.integers(0, 2, 600)
BENT = (np.sin(2 * ROWS[:, 0]) + ROWS[:, 1] * ROWS[:, 2]).astype(np.float32)


def drawn(inputs: int, outputs: int, seed: int = 0) -> np.ndarray:
    numbers: np.ndarray = np.random.default_rng(seed).normal(size=(inputs, outputs)).astype(np.float32)
    return numbers * np.float32((2 / inputs) ** 0.5)


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize(("lr", "epochs"), [(0.05, 5), (0.05, 40), (0.1, 15)])
def test_a_network_of_few_steps_needs_more(lr: float, epochs: int) -> None:
    network = MLPRegressor(GradientDescent(lr), hidden=(32,), activation="tanh", batch_size=400, epochs=epochs, seed=1)
    found = network.fit(PLACES, WAVE).explain(PLACES, WAVE)
    assert found.cause is Cause.TOO_FEW_STEPS
    assert found.cure == f"epochs={1_000 + epochs}"
    assert found.seen.startswith(f"{1_000 + epochs:,} epochs from the start end at loss")


def test_what_has_hardly_learnt_in_few_steps_is_not_called_well() -> None:
    network = MLPRegressor(GradientDescent(0.01), hidden=(32,), activation="tanh", batch_size=400, epochs=15, seed=1)
    assert network.fit(PLACES, WAVE).explain(PLACES, WAVE).cause is not Cause.HEALTHY


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_was_stopped_early_and_knows_nothing_has_learnt_nothing(kind: Any, seed: int) -> None:
    network = kind(Adam(0.01), hidden=(64,), epochs=100, validation=0.25, patience=8, seed=seed)
    target = NOISE if kind is MLPRegressor else SIDES
    network.fit(ROWS, target)
    assert network.outcome_ in {Outcome.NOTHING_LEARNT, Outcome.STALLED}
    assert network.explain(ROWS, target).cause in {Cause.UNKNOWN, Cause.OVERFITTING}


def test_who_was_stopped_early_knows_nothing_and_fits_its_rows_has_learnt_them_by_heart() -> None:
    draw = np.random.default_rng(5)
    X = draw.normal(size=(90, 70))
    y = (X[:, 0] + draw.normal(size=(2, 90))[1] > 0).astype(int)
    model = LogisticRegression(Adam(0.01), epochs=300, batch_size=18, validation=0.25, patience=5, l2=0.0).fit(X, y)
    found = model.explain(X, y)
    assert (found.outcome, found.cause) == (Outcome.NOTHING_LEARNT, Cause.OVERFITTING)
    # Of one that has hardly begun nothing of the kind is said.
    short = LogisticRegression(Adam(1e-6), epochs=9, batch_size=18, validation=0.25, patience=5).fit(X, y)
    assert (short.outcome_, short.explain(X, y).cause) != (Outcome.NOTHING_LEARNT, Cause.OVERFITTING)


def test_who_was_stopped_early_and_knows_something_has_converged() -> None:
    model = LogisticRegression(Adam(0.02), batch_size=8, epochs=100, validation=0.3, patience=8, l2=0.0)
    assert model.fit(ROWS, (ROWS[:, 0] + NOISE) > 0).outcome_ is Outcome.CONVERGED


def logistic(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean(jnp.logaddexp(0, X @ p["w"]) - y * (X @ p["w"]))


def test_a_likelihood_that_cannot_get_lower_is_healthy_however_few_steps_it_took() -> None:
    X = np.random.default_rng(0).normal(size=(1_024, 6)).astype(np.float32)
    chances = 1 / (1 + np.exp(-X @ [1.0, -2.0, 0.5, 0.0, 1.0, 0.0]))
    y = (np.random.default_rng(1).random(1_024) < chances).astype(np.float32)
    method = Adam(Cosine(0.1, steps=640))
    assert train(logistic, {"w": np.zeros(6, np.float32)}, (X, y), method, epochs=20).explain().cause is Cause.HEALTHY
    model = LogisticRegression(method, batch_size=32, epochs=20, l2=0.0).fit(X, y)
    assert model.explain(X, y).cause is Cause.HEALTHY


@pytest.mark.parametrize(("share", "cause"), [(0.0, Cause.UNKNOWN), (0.7, Cause.HEALTHY)])
def test_a_loss_that_does_not_mind_the_order_of_rows_held_out_is_not_called_well(share: float, cause: Cause) -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean(((jnp.tanh(X @ p["W"]) @ p["V"])[:, 0] - y) ** 2)

    start = {"W": drawn(4, 16), "V": drawn(16, 1, 1) / 2}
    y = NOISE + np.float32(share) * ROWS[:, 0]
    training = train(loss, start, (ROWS, y), Adam(0.005), epochs=40, validation=0.3, patience=4)
    assert (training.outcome, training.explain().cause) == (Outcome.CONVERGED, cause)


def test_who_was_stopped_at_once_and_gained_nothing_has_learnt_nothing_by_heart() -> None:
    draw = np.random.default_rng(1)
    X, y = draw.normal(size=(600, 3)), draw.integers(0, 2, 600)
    model = LogisticRegression(Adam(0.01), batch_size=16, epochs=30, validation=0.3, patience=4).fit(X, y)
    assert model.outcome_ is Outcome.STALLED
    assert model.explain(X, y).cause is Cause.UNKNOWN


def wrong(derivative: Any) -> Any:
    @jax.custom_vjp
    def activation(z: Any) -> Any:
        return jnp.tanh(z)

    activation.defvjp(lambda z: (jnp.tanh(z), z), lambda z, ct: (ct * derivative(z),))
    return activation


@pytest.mark.parametrize(
    "derivative",
    [lambda z: 0.5 * (1 - jnp.tanh(z) ** 2), lambda z: 1 + jnp.tanh(z) ** 2, lambda z: -(1 - jnp.tanh(z) ** 2)],
    ids=["half", "a sign within", "negated"],
)
def test_a_wrong_derivative_rule_in_a_training_is_told(derivative: Any) -> None:
    activation = wrong(derivative)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean(((activation(X @ p["W"] + p["b"]) @ p["V"])[:, 0] - y) ** 2)

    start = {"W": drawn(4, 32), "b": np.zeros(32, np.float32), "V": drawn(32, 1, 1)}
    found = train(loss, start, (ROWS, BENT), Adam(0.005), epochs=10).explain()
    assert found.cause is Cause.WRONG_GRADIENT
    assert {"slope along W, by the gradient", "by differences of the loss"} <= found.evidence.keys()


@pytest.mark.parametrize("kind", ["twins", "powers"])
def test_columns_that_nearly_follow_from_others_are_told_from_too_few_steps(kind: str) -> None:
    draw = np.random.default_rng(0)
    x = draw.uniform(size=400)
    twins = np.column_stack([x, x + 0.001 * draw.normal(size=400), draw.normal(size=400)])
    X = twins if kind == "twins" else x[:, None] ** np.arange(1, 10)
    y = 400 * (X[:, 0] - X[:, 1]) + X[:, 2] if kind == "twins" else np.sin(6 * x)
    found = LinearRegression(GradientDescent(0.2), epochs=2_000).fit(X, y).explain(X, y)
    assert (found.cause, found.cure) == (Cause.ILL_CONDITIONED, "leave method out")
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    values = np.linalg.eigvalsh(scaled.T @ scaled)
    assert found.evidence["condition of the columns"] == pytest.approx(values[-1] / values[0], rel=1e-2)


@pytest.mark.parametrize(("lr", "epochs", "cause"), [(0.01, 60, Cause.RATE_TOO_SMALL), (0.2, 8, Cause.TOO_FEW_STEPS)])
def test_columns_apart_from_each_other_are_not_ill_conditioned(lr: float, epochs: int, cause: Cause) -> None:
    X = np.random.default_rng(0).normal(size=(400, 5))
    found = LinearRegression(GradientDescent(lr), epochs=epochs).fit(X, X.sum(axis=1)).explain(X, X.sum(axis=1))
    assert found.cause is cause


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_autoencoder_of_few_epochs_rests_on_no_plateau(epochs: int) -> None:
    def loss(p: Any, X: Any) -> Any:
        return jnp.mean((jax.nn.relu(X @ p["W"]) @ p["V"] - X) ** 2)

    factors = np.random.default_rng(1).normal(size=(1_500, 8))
    pictures = (factors @ np.random.default_rng(2).normal(size=(8, 64)) / 3).astype(np.float32)
    training = train(loss, {"W": drawn(64, 16), "V": drawn(16, 64, 1)}, (pictures,), Adam(0.001), epochs=epochs)
    assert training.explain().cause in {Cause.TOO_FEW_STEPS, Cause.RATE_TOO_SMALL}


def test_who_has_no_matrices_is_not_told_to_draw_them() -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jax.nn.relu(X @ p["w"] - 1e3) - y) ** 2)

    training = train(loss, {"w": np.ones(4, np.float32)}, (ROWS, BENT), Adam(0.01), epochs=3)
    trials = OfTraining(training)
    assert (trials.unreached, trials.other_ways()) == (["w"], [])


def test_a_table_of_ratings_learnt_by_heart_is_told() -> None:
    draw = np.random.default_rng(0)
    pairs = draw.integers(0, 60, (600, 2)).astype(np.int32)
    tastes = draw.normal(size=(2, 60, 3))
    ratings = np.sum(tastes[0][pairs[:, 0]] * tastes[1][pairs[:, 1]], axis=1).astype(np.float32)

    def loss(p: Any, pairs: Any, ratings: Any) -> Any:
        return jnp.mean((jnp.sum(p["U"][pairs[:, 0]] * p["V"][pairs[:, 1]], axis=1) - ratings) ** 2)

    start = {name: draw.normal(size=(60, 30)).astype(np.float32) * 0.3 for name in "UV"}
    training = train(loss, start, (pairs, ratings), Adam(0.01), epochs=60, validation=0.3)
    assert training.explain().cause is Cause.OVERFITTING
