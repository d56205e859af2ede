"""A weak signal is no chance where there are many rows, and a penalty is no rate: an outside examiner's cases."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from descend import AdaGrad, Adam, Cosine, GradientDescent, LinearRegression, LogisticRegression, MLPRegressor, Outcome
from descend.insight import Cause
from descend.insight.chance import knows_nothing, loss_of_a_constant

pytestmark = pytest.mark.usefixtures("time_enough")

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(4_000, 4))
OUTLIERS = X[:500] @ [1.0, 2, -1, 0.5] + np.where(DRAW.random(500) < 0.05, 200 * DRAW.normal(size=500), 0)
CLICKS = (0.25 * X[:, 0] + DRAW.logistic(size=4_000) > 0).astype(int)
COUNTS = DRAW.poisson(np.exp(0.15 * X[:, 0] - 1))
FAINT = 0.14 * X[:, 0] + DRAW.normal(size=4_000)


def fitted(model: Any, X: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y)


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (LinearRegression(GradientDescent(0.5), loss="huber:1.5", batch_size=500, epochs=400), (X[:500], OUTLIERS)),
        (LinearRegression(Adam(0.01), loss="absolute", batch_size=16, epochs=40), (X[:500], OUTLIERS)),
        (LogisticRegression(Adam(lr=Cosine(0.02, steps=2_500)), batch_size=32, epochs=20), (X, CLICKS)),
        (LinearRegression(Adam(0.01), loss="poisson", batch_size=64, epochs=30), (X, COUNTS)),
        (LinearRegression(AdaGrad(0.1), batch_size=32), (X, FAINT)),
    ],
    ids=["huber", "absolute", "clicks", "counts", "faint"],
)
def test_what_is_learnt_of_a_weak_signal_is_no_chance(model: Any, rows: Any) -> None:
    assert fitted(model, *rows).explain(*rows).cause is Cause.HEALTHY


@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("strength", [0.14, 0.11])
def test_a_small_rate_shows_in_a_weak_signal_too(batch_size: int | None, strength: float) -> None:
    y = strength * X[:, 0] + DRAW.normal(size=4_000)
    model = fitted(LinearRegression(GradientDescent(1e-6), batch_size=batch_size, epochs=5), X, y)
    assert model.explain(X, y).cause is Cause.RATE_TOO_SMALL


def test_of_no_signal_nothing_is_known() -> None:
    known = 0
    for seed in range(20):
        y = np.random.default_rng(100 + seed).random(4_000) < 0.3
        known += not knows_nothing(LogisticRegression().fit(X, y), y)
    assert known == 0
    noise = np.random.default_rng(1).normal(size=4_000)
    model = fitted(LinearRegression(AdaGrad(0.1), batch_size=32), X, noise)
    assert "no more than" in model.explain(X, noise).evidence["what it knows"]


def test_the_loss_of_a_constant_is_that_of_the_best_one() -> None:
    for loss, best in (("absolute", np.median(FAINT)), ("squared", FAINT.mean())):
        model = LinearRegression(loss=loss, scale=False).fit(X, 1e3 + FAINT)
        error = FAINT - best
        expected = np.abs(error).mean() if loss == "absolute" else (error**2).mean() / 2
        assert loss_of_a_constant(model, 1e3 + FAINT) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_penalty_that_leaves_a_constant_is_no_divergence(activation: str) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 4))
    y = X @ [1.0, 2, -1, 0.5] + 0.1 * draw.normal(size=300)
    model = fitted(MLPRegressor(Adam(0.01), hidden=16, activation=activation, epochs=80, l2=3.0), X, y)
    assert model.outcome_ is Outcome.NOTHING_LEARNT
    found = model.explain(X, y)
    assert found.cause is Cause.PENALTY
    assert found.trial is not None
    assert found.trial.made.loss[-1] < 0.1 * model.history_.loss[-1]


def test_a_rate_that_was_too_small_at_once_has_not_vanished() -> None:
    y = 1e6 + 2e5 * (X[:400] @ [1.0, 2, -1, 0.5] + 0.5 * DRAW.normal(size=400))
    model = fitted(LinearRegression(AdaGrad(1.0), batch_size=16, epochs=20), X[:400], y)
    assert model.explain(X[:400], y).cause is Cause.RATE_TOO_SMALL


def test_raw_columns_at_their_optimum_are_well() -> None:
    draw = np.random.default_rng(0)
    raw = draw.normal(size=(400, 5)) * [1e3, 1, 1e-3, 1, 1]
    y = 1e6 + 2e5 * (raw @ [1e-3, 2, -1e3, 0.5, 1] + 0.5 * draw.normal(size=400))
    model = fitted(LinearRegression(scale=False), raw, y)
    assert model.outcome_ is Outcome.STALLED
    assert model.explain(raw, y).cause is Cause.HEALTHY


def test_a_warm_start_is_told_apart_from_the_first_fit() -> None:
    y = X[:400] @ [1.0, 2, -1, 0.5] + DRAW.normal(size=400)
    model = LinearRegression(GradientDescent(0.01), batch_size=32, epochs=5, warm_start=True).fit(X[:400], y)
    assert "where the warm start began" not in model.explain(X[:400], y).evidence
    before = float(model.history_.loss[-1])
    fitted(model.set_params(method=GradientDescent(5.0)), X[:400], y)
    found = model.explain(X[:400], y)
    assert found.cause is Cause.RATE_TOO_LARGE
    assert found.evidence["where the warm start began"] == before
    rows = load_breast_cancer(return_X_y=True)
    again = LogisticRegression(warm_start=True).fit(*rows)
    assert (np.diff(again.history_.epoch) == 0).any(), "in turns, along other axes: one fit all the same"
    assert "where the warm start began" not in again.explain(*rows).evidence
