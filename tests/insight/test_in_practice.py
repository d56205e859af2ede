"""Situations out of practice that look like others: an outside examiner's pairs."""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from descend import (
    Adam,
    Cosine,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    Outcome,
    train,
)
from descend.insight import Cause
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.retraining_causes import too_few_epochs
from descend.insight.retraining_rates import too_small

pytestmark = pytest.mark.usefixtures("time_enough")

ALL_DIGITS, ALL_NAMES = load_digits(return_X_y=True)
ALL_DIGITS = ALL_DIGITS.astype(np.float32)
DIGITS, NAMES = ALL_DIGITS[:800], ALL_NAMES[:800]
APART = np.random.default_rng(0).normal(size=(400, 5))
SIDES = (APART[:, 0] > 0).astype(int)


def fitted(model: Any, X: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


@pytest.mark.parametrize(("share", "cause"), [(0.1, Cause.HEALTHY), (0.99, Cause.PENALTY)])
def test_labels_that_are_smoothed_away_are_a_penalty(share: float, cause: Cause) -> None:
    model = fitted(MLPClassifier(Adam(0.003), hidden=32, epochs=30, label_smoothing=share), DIGITS, NAMES)
    found = model.explain(DIGITS, NAMES)
    assert found.cause is cause
    assert found.cure == ("label_smoothing=0.0099" if cause is Cause.PENALTY else "")


@pytest.mark.parametrize(("share", "cause"), [(0.5, Cause.HEALTHY), (0.9, Cause.PENALTY)])
def test_a_dropout_of_nearly_all_is_no_lack_of_steps(share: float, cause: Cause) -> None:
    width = 64 if cause is Cause.HEALTHY else 16
    model = fitted(MLPClassifier(Adam(0.003), hidden=width, epochs=30, dropout=share), DIGITS, NAMES)
    assert model.explain(DIGITS, NAMES).cause is cause


@pytest.mark.parametrize("lr", [1.0, 10.0])
def test_classes_that_are_told_apart_want_a_penalty_and_no_larger_rate(lr: float) -> None:
    model = fitted(LogisticRegression(GradientDescent(lr), l2=0.0, epochs=500), APART, SIDES)
    found = model.explain(APART, SIDES)
    assert (found.cause, found.cure) == (Cause.UNBOUNDED, "l2=0.0001")


def test_a_rate_that_has_learnt_nothing_of_them_is_too_small_first() -> None:
    model = fitted(LogisticRegression(GradientDescent(1e-5), l2=0.0, epochs=500), APART, SIDES)
    assert model.explain(APART, SIDES).cause is Cause.RATE_TOO_SMALL


def test_a_loss_of_classes_that_is_zero_by_rounding_has_no_minimum() -> None:
    model = fitted(LogisticRegression(GradientDescent(1e7), l2=0.0, epochs=500), APART, SIDES)
    assert model.history_.loss[-1] == 0
    assert model.outcome_ is Outcome.DIVERGED
    X, y = APART[:3], np.array([1.0, 2.0, 3.0])
    assert fitted(LinearRegression(), X, y).outcome_ is Outcome.CONVERGED  # numbers may be met without an error


def weak(strength: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(21)
    X = draw.normal(size=(4_000, 5))
    signal = X @ draw.normal(size=5)
    return X, strength * signal / signal.std() + np.sqrt(1 - strength**2) * draw.normal(size=4_000)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(GradientDescent(0.01), epochs=23),
        LinearRegression(GradientDescent(0.001), epochs=230),
        LinearRegression(GradientDescent(0.001), batch_size=32, epochs=2),
    ],
)
def test_half_of_a_weak_signal_is_not_all_that_can_be_learnt(model: Any) -> None:
    X, y = weak()
    found = fitted(model, X, y).explain(X, y)
    assert found.cause in {Cause.RATE_TOO_SMALL, Cause.TOO_FEW_STEPS}
    assert found.trial is not None
    assert found.trial.made.loss[-1] < model.history_.loss[-1] - 0.3 * (
        model.history_.loss[0] - model.history_.loss[-1]
    )


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(GradientDescent(0.3), epochs=230),
        LinearRegression(GradientDescent(Cosine(0.02, steps=1_250)), batch_size=32, epochs=10),
    ],
)
def test_all_of_a_weak_signal_is_well(model: Any) -> None:
    X, y = weak()
    assert fitted(model, X, y).explain(X, y).cause is Cause.HEALTHY


def test_more_steps_are_enough_where_they_win_much_of_a_weak_signal() -> None:
    X, y = weak(0.17)
    for epochs, is_short in ((30, True), (1_000, False)):
        model = fitted(LinearRegression(GradientDescent(0.01), epochs=epochs), X, y)
        assert (too_few_epochs(OfModel(model, X, y)) is not None) == is_short


def test_what_rows_held_out_say_does_not_make_noise_of_a_rate() -> None:
    model = MLPClassifier(Adam(0.003), hidden=32, epochs=10, validation=0.2, seed=5)
    found = fitted(model, ALL_DIGITS, ALL_NAMES).explain(ALL_DIGITS, ALL_NAMES)
    assert found.cause is not Cause.NOISE_FLOOR  # going on at the same rate gets lower than at a tenth of it


def test_the_loss_is_that_at_the_end_and_that_of_a_shorter_trial_is_told_beside_it() -> None:
    model = fitted(MLPClassifier(GradientDescent(1e-4), hidden=16, epochs=400), DIGITS, NAMES)
    evidence = model.explain(DIGITS, NAMES).evidence
    assert evidence["loss"] == model.history_.loss[-1]
    (then,) = (value for name, value in evidence.items() if name.startswith("loss after "))
    assert then > evidence["loss"]


def trained(away: float, lr: float, epochs: int, batch_size: int | None = None) -> Any:
    draw = np.random.default_rng(1)
    X = draw.normal(size=(600, 4))
    y = X @ [1.0, 2, 3, -1] + 0.5 * draw.normal(size=600)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ p["w"] + p["b"] - y) ** 2) / 2

    data = (X + away).astype(np.float32), y.astype(np.float32)
    start = {"w": np.zeros(4, np.float32), "b": np.float32(0)}
    return train(loss, start, data, GradientDescent(lr), epochs=epochs, batch_size=batch_size)


@pytest.mark.parametrize(("lr", "epochs", "batch_size"), [(1e-3, 60, None), (1e-3, 1_000, None), (2e-4, 30, 32)])
def test_columns_far_from_zero_hold_a_training_up(lr: float, epochs: int, batch_size: int | None) -> None:
    found = trained(20.0, lr, epochs, batch_size).explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert "scale the columns of the data" in found.cure


def test_who_is_there_at_the_end_was_not_too_slow_on_the_way() -> None:
    trials = OfTraining(trained(0.0, 0.1, 60))  # within a ten-thousandth of the lowest loss
    trials.epochs = 7  # as where there is little time: by then a rate of 1 is there, and this one is not
    assert too_small(trials) is None
    slow = OfTraining(trained(0.0, 0.1, 20))
    slow.epochs = 7
    assert too_small(slow) is not None


def test_a_start_far_above_what_a_constant_has_does_not_hide_an_offset() -> None:
    draw = np.random.default_rng(1)
    X = draw.normal(size=(600, 4))
    data = (X + 20).astype(np.float32), (X @ [1, 2, 3, -1] - 60 + 0.5 * draw.normal(size=600)).astype(np.float32)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ p["w"] + p["b"] - y) ** 2) / 2

    start = {"w": np.zeros(4, np.float32), "b": np.float32(0)}
    found = train(loss, start, data, GradientDescent(1e-3), epochs=60, batch_size=None).explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert found.trial is not None
    assert found.trial.made.loss[-1] < 0.15
