"""Losses with a corner (absolute, quantile, hinge) on all rows: as good as linear programming and LIBLINEAR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import QuantileRegressor
from sklearn.svm import LinearSVC

from descend import GradientDescent, LinearRegression, Outcome
from descend.insight import Cause
from descend.models import Absolute, Hinge, LinearClassifier, Quantile
from descend.models.losses import loss_named


def pinball(error: np.ndarray, q: float) -> float:
    return float(np.mean(np.maximum(q * error, (q - 1) * error)))


def whole_numbers() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.integers(0, 5, size=(500, 5)).astype(float)
    return X, np.round(X @ [3.0, -2.0, 1.0, 0.0, 2.0] + draw.normal(size=500))


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("load", [lambda: load_diabetes(return_X_y=True), whole_numbers])
def test_quantiles_are_those_of_linear_programming(q: float, load: Any) -> None:
    X, y = load()
    best = QuantileRegressor(quantile=q, alpha=0, solver="highs").fit(X, y)
    model = LinearRegression(loss="absolute" if q == 0.5 else f"quantile:{q}").fit(X, y)
    assert model.outcome_ is Outcome.CONVERGED
    assert pinball(y - model.predict(X), q) <= 1.0001 * pinball(y - best.predict(X), q)


def test_the_support_vector_machine_is_that_of_liblinear() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)

    def cost(model: Any) -> float:
        w, side = model.coef_.ravel(), 2 * y - 1
        return float(np.mean(np.maximum(0, 1 - side * (X @ w + model.intercept_[0]))) + 0.05 * w @ w)

    svc = LinearSVC(C=10 / len(y), loss="hinge", intercept_scaling=10, tol=1e-8, max_iter=200_000, random_state=0)
    model = LinearClassifier(loss="hinge", l2=0.1).fit(X, y)
    assert model.outcome_ is Outcome.CONVERGED
    assert cost(model) <= 1.0001 * cost(svc.fit(X, y))


def test_the_message_says_by_how_much_the_loss_was_changed_and_the_history_goes_on() -> None:
    X, y = whole_numbers()
    model = LinearRegression(loss="absolute").fit(X, y)
    width = float(model.message_.split("within ")[1].split()[0])
    least = float(np.mean(np.abs(y - model.predict(X))))
    assert 0 <= model.history_.loss[-1] - least <= width / 2 <= 5e-4 * least
    assert (np.diff(model.history_.epoch) >= 0).all()
    assert model.n_iter_ == model.history_.epoch[-1]


def test_an_exact_fit_is_found() -> None:
    X = np.random.default_rng(1).normal(size=(80, 3))
    exact = LinearRegression(loss="absolute").fit(X, X @ [1.0, -2.0, 0.5] + 3)
    np.testing.assert_allclose(exact.coef_, [1, -2, 0.5], atol=1e-5)


def test_a_start_that_is_the_minimum_and_classes_that_can_be_told_apart_end_well() -> None:
    X = np.random.default_rng(0).normal(size=(200, 4))
    for model, y in (
        (LinearRegression(loss="quantile:0.9"), np.zeros(200)),
        (LinearRegression(loss="absolute", l2=0.1), np.full(200, 7.0)),
    ):
        model.fit(X, y)
        assert model.outcome_ is Outcome.CONVERGED
        np.testing.assert_allclose(model.predict(X), y)
        assert model.explain(X, y).cause is Cause.HEALTHY
    told = LinearClassifier(loss="hinge", l2=0.0).fit(X, X[:, 0] > 0)
    assert told.outcome_ is not Outcome.DIVERGED
    assert told.score(X, X[:, 0] > 0) == 1.0


def test_what_could_not_be_rounded_off_less_is_not_called_converged() -> None:
    X = np.random.default_rng(1).normal(size=(20, 60))
    with pytest.warns(ConvergenceWarning):
        model = LinearClassifier(loss="hinge", l1=0.02, l2=0.0, epochs=3_000).fit(X, np.arange(20) % 2)
    assert model.outcome_ in {Outcome.STALLED, Outcome.STEPS_EXHAUSTED}
    assert model.history_.loss[-1] < 0.1


def test_an_l1_penalty_beside_a_corner_gives_what_linear_programming_gives() -> None:
    draw = np.random.default_rng(1)
    X = draw.normal(size=(81, 3))
    y, size = X @ [1.0, 0, 0] + draw.laplace(size=81), X.std(axis=0)
    model = LinearRegression(loss="absolute", l1=0.3).fit(X, y)
    best = QuantileRegressor(quantile=0.5, alpha=0.15, solver="highs").fit(
        X / size, y
    )  # half the loss, half the penalty
    assert model.outcome_ is Outcome.CONVERGED
    np.testing.assert_allclose(model.coef_ * size, best.coef_, atol=1e-3)
    assert (model.coef_ == 0).tolist() == (best.coef_ == 0).tolist() == [False, True, True]


def test_a_method_of_ones_own_and_a_width_of_ones_own_are_taken_as_they_are() -> None:
    X, y = whole_numbers()
    with pytest.warns(ConvergenceWarning, match="All steps made"):
        own = LinearRegression(GradientDescent(0.1), loss="absolute", epochs=50).fit(X, y)
    assert "rounded" not in own.message_
    assert own.n_iter_ <= 50
    wide = LinearRegression(loss=Absolute(width=2.0)).fit(X, y)
    assert "rounded" not in wide.message_
    assert wide.outcome_ is Outcome.CONVERGED


@pytest.mark.parametrize("loss", [Absolute(), Quantile(0.3), Hinge()])
def test_a_rounded_corner_is_larger_by_half_the_width_at_most_and_meets_the_pieces(loss: Any) -> None:
    p, y = np.linspace(-3, 3, 6001), np.ones(6001)
    width = 0.5
    sharp, bent = loss.values(p, y), loss.rounded(width).values(p, y)
    more = bent - sharp
    assert more.min() >= -1e-15
    assert 0.2 * width < more.max() <= width / 2 + 1e-12
    assert (more[np.abs(p - 1) > width] == 0).all()
    assert np.abs(np.diff(bent, 2)).max() < 3e-6  # 1/width · h²: no corner is left


@pytest.mark.parametrize(("text", "made"), [("quantile:0.9", Quantile(0.9)), ("quantile:0.9,0.1", Quantile(0.9, 0.1))])
def test_a_loss_is_named_with_its_numbers(text: str, made: object) -> None:
    assert loss_named(text, of_classes=False) == made


@pytest.mark.parametrize("text", ["quantile:much", "quantile:2", "quantle:0.9", "absolute:1,2"])
def test_a_name_with_numbers_that_make_no_sense_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError), match=r"colon|q must|Did you mean|at most"):
        loss_named(text, of_classes=False)


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("far", [1e6, 1e9])
def test_targets_far_off_do_not_round_the_others_off(q: float, far: float) -> None:
    X, y = load_diabetes(return_X_y=True)
    y = y.copy()
    y[:8] = far
    found = LinearRegression(loss=f"quantile:{q}").fit(X, y)
    exact = QuantileRegressor(quantile=q, alpha=0).fit(X, y)
    assert found.outcome_ is Outcome.CONVERGED
    assert pinball((y - found.predict(X))[8:], q) < 1.001 * pinball((y - exact.predict(X))[8:], q)


@pytest.mark.parametrize("loss", ["absolute", "quantile:0.9"])
def test_the_origin_of_the_target_does_not_matter(loss: str) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(400, 3))
    y = X @ [1, 2, 3] + draw.normal(size=400)
    near, far = (LinearRegression(loss=loss).fit(X, y + origin) for origin in (0.0, 1.6e9))
    assert far.outcome_ is Outcome.CONVERGED
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-5)
    assert far.intercept_ - 1.6e9 == pytest.approx(near.intercept_, abs=1e-5)
