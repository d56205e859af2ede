"""Columns that nearly repeat each other: descent goes along their principal axes, and ends as good as the exact solution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import QuantileRegressor

from descend import GradientDescent, LinearRegression, LogisticRegression, Outcome
from descend.insight import Cause
from descend.models.axes import axes_of_rows, axes_of_sparse, axes_of_sums, is_flat
from descend.models.costs import RowsCost, SoftmaxCost, cost_of
from descend.models.losses import Huber, Squared
from descend.stepsizes import AdaptiveBarzilaiBorwein


def nearly_twice(apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    a, z = draw.normal(size=(2, 1_000))
    return np.column_stack([a, a + apart * z]), a + 3 * z + 0.1 * draw.normal(size=1_000)


def pinball(error: np.ndarray, q: float) -> float:
    return float(np.mean(np.maximum(q * error, (q - 1) * error)))


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("loss", ["squared", "huber", "absolute", "quantile:0.9"])
def test_columns_that_nearly_repeat_each_other_are_told_apart(apart: float, loss: str) -> None:
    X, y = nearly_twice(apart)
    model = LinearRegression(loss=loss).fit(X, y)  # warnings are errors here
    assert model.outcome_ in {Outcome.CONVERGED, Outcome.PRECISION_FLOOR}
    if loss in {"absolute", "quantile:0.9"}:
        q = 0.5 if loss == "absolute" else 0.9
        exact = QuantileRegressor(quantile=q, alpha=0).fit((Z := (X - X.mean(0)) / X.std(0)), y)
        assert pinball(y - model.predict(X), q) <= (1 + 1e-3) * pinball(y - exact.predict(Z), q)
        assert model.explain(X, y).cause is Cause.HEALTHY
    else:
        assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(0.01, rel=0.1)
    if apart < 1e-2:
        assert "Columns nearly repeat each other (κ about" in model.message_


def test_powers_of_a_time_in_seconds_are_learnt() -> None:
    draw = np.random.default_rng(0)
    t = 1.7e9 + np.sort(draw.uniform(0, 3_600, 1_000))
    u = (t - t.mean()) / t.std()
    y = 10 * u**2 + u + draw.normal(size=1_000)
    for loss in ("squared", "quantile:0.5"):
        assert (
            LinearRegression(loss=loss).fit(np.column_stack([t, t**2]), y).score(np.column_stack([t, t**2]), y) > 0.98
        )


def test_columns_that_repeat_each_other_to_the_last_digit_share_their_coefficient() -> None:
    draw = np.random.default_rng(0)
    km = 1e4 + draw.normal(size=500)
    X = np.column_stack([km, km / 1.609344, draw.normal(size=500)])
    model = LinearRegression().fit(X, 3 * km + X[:, 2])
    assert np.abs(model.coef_).max() < 10  # and not 1e9 and -1e9
    assert "repeat" not in model.message_
    assert model.score(X, 3 * km + X[:, 2]) > 1 - 1e-12


def test_single_precision_goes_along_the_axes_of_its_sums() -> None:
    X, y = nearly_twice(1e-2)
    model = LinearRegression().fit(X.astype(np.float32), y)
    assert "principal axes" in model.message_
    assert np.mean((model.predict(X.astype(np.float32)) - y) ** 2) == pytest.approx(0.01, rel=0.1)


def test_a_stream_goes_along_the_axes_of_its_sums() -> None:
    X, y = nearly_twice(1e-4)
    streamed = LinearRegression().fit_blocks(lambda: iter([(X[:600], y[:600]), (X[600:], y[600:])]))
    assert "principal axes" in streamed.message_
    np.testing.assert_allclose(streamed.predict(X), LinearRegression().fit(X, y).predict(X), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [0.0, 1e-6])
def test_classes_are_told_by_what_differs(classes: int, l2: float) -> None:
    X, y = nearly_twice(1e-5)
    draw = np.random.default_rng(1)
    y = np.digitize(y + draw.logistic(size=len(y)), [0, 2][: classes - 1])
    model = LogisticRegression(l2=l2).fit(X, y)
    apart = np.column_stack([X[:, 0], (X[:, 1] - X[:, 0]) * 1e5])
    exact = LogisticRegression(l2=0.0).fit(apart, y)
    assert model.outcome_ in {Outcome.CONVERGED, Outcome.PRECISION_FLOOR}
    if l2 == 0:
        np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(apart), atol=1e-5)


@given(st.integers(0, 20), st.sampled_from([0.0, 1e-3]))
def test_a_cost_along_axes_is_the_cost(seed: int, l2: float) -> None:
    draw = np.random.default_rng(seed)
    X, y = nearly_twice(1e-3, seed)
    model: Any = LinearRegression(l2=l2).fit(X, y)
    rows = model._rows(X, y, None, first=False)
    moments = rows.moments()
    z = model._scaling.applied(rows)
    axes = axes_of_rows(z, l2, moments.mean / moments.deviation)
    if l2:
        assert axes is None  # the penalty curves what was flat
        return
    assert axes is not None
    v = draw.normal(size=3)
    np.testing.assert_allclose(axes.coordinates(axes.weights(v)), v, rtol=1e-9)
    for penalty in (0.0, 1e-3):
        for cost in (
            RowsCost(rows, Huber(0.5), model._scaling, penalty),
            cost_of(rows, Squared(), model._scaling, penalty, in_batches=False),
        ):
            along = cost.along(axes)
            assert along(v) == pytest.approx(cost(axes.weights(v)), rel=1e-6)
            slopes = [(along(v + h) - along(v - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
            np.testing.assert_allclose(along.grad(v), slopes, rtol=1e-4, atol=1e-4)
    several = SoftmaxCost(model._rows(X, np.arange(1_000.0) % 3, None, first=False), model._scaling, 1e-3, 3)
    w = draw.normal(size=(3, 3))
    value = several(axes.weights(w))  # first: what it keeps of the rows must not go along
    assert several.along(axes)(w) == pytest.approx(value, rel=1e-6)


def test_sums_that_have_too_few_digits_give_no_axes() -> None:
    for apart, known in ((1e-2, True), (1e-3, True), (1e-6, False)):
        X, _ = nearly_twice(apart)
        z = (X - X.mean(0)) / X.std(0)
        gram = z.T @ z / len(z)
        assert is_flat(gram, 0.0)
        assert not is_flat(gram, 1.0)
        found = axes_of_sums(gram, 0.0)
        assert (found is not None) == known
        if found is not None:
            exact = axes_of_rows(z, 0.0, np.zeros(2))
            assert exact is not None
            assert found.condition == pytest.approx(exact.condition, rel=1e-4)


def groups(rows: int = 800, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Each row is in one of the groups of three kinds, as one-hot columns that sum to one: κ is beyond all bounds."""
    draw = np.random.default_rng(seed)
    places = [draw.integers(0, many, rows) + first for many, first in ((5, 0), (8, 5), (3, 13))]
    X = scipy.sparse.csr_matrix((np.ones(3 * rows), (np.tile(np.arange(rows), 3), np.concatenate(places))), (rows, 16))
    chance = 1 / (1 + np.exp(-X @ draw.normal(size=16)))
    return X, (draw.uniform(size=rows) < chance).astype(int)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sparse_columns_go_along_their_axes_to_the_same_end(intercept: bool, weighted: bool) -> None:
    X, y = groups()
    weight = np.random.default_rng(1).integers(1, 4, len(y)) if weighted else None
    model = LogisticRegression(l2=1e-5, fit_intercept=intercept).fit(X, y, weight)
    plain = LogisticRegression(
        GradientDescent(AdaptiveBarzilaiBorwein()), l2=1e-5, fit_intercept=intercept, epochs=20_000
    ).fit(X, y, weight)
    assert "principal axes" in model.message_
    assert "principal axes" not in plain.message_
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, plain.intercept_, atol=1e-6)
    assert model.n_iter_ < plain.n_iter_ / 2 or not intercept  # without one, what is flat is so altogether


@pytest.mark.parametrize("intercept", [True, False])
def test_a_cost_of_sparse_rows_along_axes_is_the_cost(intercept: bool) -> None:
    X, y = groups()
    model: Any = LogisticRegression(l2=1e-5, fit_intercept=intercept).fit(X, y)
    rows = model._rows(X, y.astype(float), None, first=False)
    axes = axes_of_sparse(model._scaling.applied(rows), rows.weights, 1e-5, intercept=intercept)
    assert axes is not None
    assert bool(axes.center.any()) is intercept
    draw = np.random.default_rng(0)
    several = SoftmaxCost(replace(rows, y=np.arange(len(y)) % 3.0), model._scaling, 1e-5, 3)
    for cost, v in ((model._cost(rows, in_batches=False), draw.normal(size=17)), (several, draw.normal(size=(3, 17)))):
        np.testing.assert_allclose(axes.coordinates(axes.weights(v)), v, rtol=1e-9, atol=1e-9)
        along = cost.along(axes)
        assert along(v) == pytest.approx(cost(axes.weights(v)), rel=1e-9)
        way = draw.normal(size=v.shape) * ([1.0] * 16 + [float(intercept)])
        slope = (along(v + 1e-6 * way) - along(v - 1e-6 * way)) / 2e-6
        assert float((along.grad(v) * way).sum()) == pytest.approx(slope, rel=1e-5)


def test_sparse_columns_that_have_nothing_in_common_need_no_axes() -> None:
    X = scipy.sparse.random(500, 6, 0.5, random_state=0, format="csr")
    assert "axes" not in LogisticRegression().fit(X, np.arange(500) % 2).message_
