"""Cures can be pasted as they are printed, and do what is said of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import (
    Cosine,
    ExponentialDecay,
    GradientDescent,
    InverseTime,
    Joined,
    LinearRegression,
    MLPRegressor,
    StepDecay,
    Warmup,
    minimize,
    train,
)
from descend.descent.report import described
from descend.insight import Cause
from descend.insight.retrained_losses import OfTraining

BOWL = "x^2 + 5*y^2"


@pytest.mark.parametrize(
    ("schedule", "slower"),
    [
        (Cosine(0.1, steps=20), Cosine(0.1, steps=400)),
        (StepDecay(0.1, every=2), StepDecay(0.1, every=200)),
        (ExponentialDecay(0.1, 0.5), ExponentialDecay(0.1, 0.993092)),
        (InverseTime(0.2, decay=100.0), InverseTime(0.2, decay=0.1)),
    ],
    ids=["cosine", "steps", "exponential", "inverse time"],
)
def test_a_schedule_that_is_over_early_gets_one_that_lasts(schedule: Any, slower: Any) -> None:
    run = minimize(BOWL, [3.0, 1.0], GradientDescent(schedule), steps=300)
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.DECAYED_TOO_EARLY, f"lr={described(slower)}")
    cured = minimize(BOWL, [3.0, 1.0], GradientDescent(slower), steps=300)
    assert cured.fun < 1e-6 * run.fun


def test_schedules_one_after_the_other_get_their_highest_rate() -> None:
    schedule = Joined((Warmup(0.1, 3), Cosine(0.1, 9)), at=(3,))
    found = minimize(BOWL, [3.0, 1.0], GradientDescent(schedule), steps=300).explain()
    assert (found.cause, found.cure) == (Cause.DECAYED_TOO_EARLY, "lr=0.1 in the place of Joined")


def _line(rows: int = 400) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(rows, 5))
    return X, X @ np.arange(5.0) + 0.1 * draw.normal(size=rows)


def test_of_slower_schedules_of_a_training_the_first_that_does_as_well_is_told() -> None:
    X, y = _line()
    model = LinearRegression(GradientDescent(Cosine(0.05, steps=10)), batch_size=32, epochs=20).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.DECAYED_TOO_EARLY, "lr=Cosine(lr=0.05, steps=260, end=0)")


def test_too_few_epochs_are_answered_with_how_many() -> None:
    X, y = _line()
    model = MLPRegressor(batch_size=32, epochs=2).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.TOO_FEW_STEPS, "epochs=7")
    cured = MLPRegressor(batch_size=32, epochs=7).fit(X, y)
    assert cured.history_.loss[-1] < 0.1 * model.history_.loss[-1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_slope_that_is_lost_in_the_rounding_of_the_loss_is_no_wrong_gradient() -> None:
    x = (5 + 2 * np.random.default_rng(1).normal(size=500)).astype(np.float32)

    def likelihood(p: Any, x: Any) -> Any:
        return jnp.mean(jnp.log(p["s"]) + ((x - p["m"]) / p["s"]) ** 2 / 2)

    far = {"m": np.float32(20), "s": np.float32(1.6e4)}  # nearly level: there a training has gone that diverged
    made = train(likelihood, far, (x,), GradientDescent(1e-9), epochs=1)
    slope = np.linalg.norm(made.gradient(far)[0][1])
    assert 0 < slope * 0.01 * 20 < np.finfo(np.float32).eps * made.loss(far)
    assert OfTraining(made).false_slopes == {}

    def turned(p: Any, x: Any) -> Any:
        return likelihood({"m": 2 * jax.lax.stop_gradient(p["m"]) - p["m"], "s": p["s"]}, x)

    near = {"m": np.float32(4), "s": np.float32(8)}
    assert OfTraining(train(turned, near, (x,), GradientDescent(1e-9), epochs=1)).false_slopes
