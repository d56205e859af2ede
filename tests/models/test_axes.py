"""Columns that nearly repeat each other: descent goes along their principal axes, and ends as good as the exact solution."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import QuantileRegressor

from descend import GradientDescent, LinearRegression, LogisticRegression, Outcome
from descend.insight import Cause
from descend.models.axes import axes_of_rows, axes_of_sparse, axes_of_sums, is_flat
from descend.models.costs import RowsCost, SoftmaxCost, cost_of
from descend.models.losses import Huber, Log, Squared
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


@pytest.mark.parametrize("intercept", [True, False])
def test_along_the_axes_of_sparse_columns_all_spread_alike(intercept: bool) -> None:
    X, y = groups()
    z, weight = scipy.sparse.csr_array(X) * 0.7, np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    weight /= weight.mean()
    axes = axes_of_sparse(z, weight, 1e-5, intercept=intercept)
    assert axes is not None
    mean = np.average(z.toarray(), axis=0, weights=weight) * intercept
    np.testing.assert_allclose(axes.center, mean)
    turned = (z.toarray() - mean) @ axes.columns
    spread = (turned * weight[:, None]).T @ turned / len(y) + 1e-5 * axes.columns.T @ axes.columns
    np.testing.assert_allclose(spread, np.eye(16), atol=1e-8)


def test_long_sparse_rows_are_not_turned() -> None:
    X, y = bent()
    few, many = (scipy.sparse.csr_array(np.tile(X, (1, times))) for times in (1, 6))
    assert "along other axes" in LogisticRegression().fit(few, y).message_
    assert "along" not in LogisticRegression().fit(many, y).message_  # 72 in each: their product takes too long


def test_sparse_columns_that_have_nothing_in_common_need_no_axes() -> None:
    X = scipy.sparse.random(500, 6, 0.5, random_state=0, format="csr")
    assert "repeat" not in LogisticRegression().fit(X, np.arange(500) % 2).message_


def bent(seed: int = 0, rows: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Columns that have much in common, and classes that they tell apart but for a few rows: there the loss is flat."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(rows, 12)) @ draw.normal(size=(12, 12))
    return X, (X @ draw.normal(size=12) + draw.logistic(size=rows) > 0).astype(int)


@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_axes_of_a_loss_make_its_curvature_one(kind: Any, l2: float, intercept: bool) -> None:
    X, y = bent()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    model: Any = LogisticRegression(l2=1e-4, fit_intercept=intercept).fit(kind(X), y)
    rows = replace(model._rows(kind(X), y, None, first=False), weights=weight / weight.mean())
    cost = RowsCost(rows, Log(), model._scaling, l2)
    w = np.append(0.3 * np.random.default_rng(2).normal(size=12), 0.2 * intercept)
    axes = cost.axes_at(w)
    way = np.column_stack([axes.weights(unit) for unit in np.eye(13)])  # from coordinates to parameters
    hessian = np.column_stack([(cost.grad(w + h) - cost.grad(w - h)) / 2e-6 for h in 1e-6 * np.eye(13)])
    np.testing.assert_allclose((way.T @ hessian @ way)[:-1, :-1], np.eye(12), atol=2e-4)
    if intercept:
        np.testing.assert_allclose((way.T @ hessian @ way)[-1, :-1], 0, atol=2e-4)


def test_the_axes_of_a_cost_along_axes_heed_its_penalty() -> None:
    X, y = nearly_twice(1e-3)
    model: Any = LogisticRegression().fit(X, y > 0)
    rows = model._rows(X, y > 0, None, first=False)
    z = model._scaling.applied(rows)
    axes = axes_of_rows(z, 0.0, np.zeros(2))
    assert axes is not None
    along: Any = RowsCost(rows, Log(), model._scaling, 1e-3).along(axes)
    found = along.axes_at(np.zeros(3))
    hessian = np.column_stack([(along.grad(h) - along.grad(-h)) / 2e-6 for h in 1e-6 * np.eye(3)])[:2, :2]
    np.testing.assert_allclose(found.columns.T @ hessian @ found.columns, np.eye(2), atol=1e-3)


def test_classes_need_few_steps_along_the_axes_of_their_loss() -> None:
    for X, y in (bent(), load_breast_cancer(return_X_y=True)):
        model = LogisticRegression().fit(X, y)
        plain = LogisticRegression(GradientDescent(AdaptiveBarzilaiBorwein()), epochs=50_000).fit(X, y)
        assert (model.outcome_, plain.outcome_) == (Outcome.CONVERGED, Outcome.CONVERGED)
        assert model.history_.loss[-1] == pytest.approx(plain.history_.loss[-1], rel=1e-9)
        np.testing.assert_allclose(model.decision_function(X), plain.decision_function(X), rtol=1e-4, atol=1e-4)
        assert model.n_iter_ < min(150, plain.n_iter_ / 2)
        told = [int(n) for n in re.findall(r"(\d+) steps", model.message_)]  # the last, and those before
        assert sum(told) == model.n_iter_
        assert model.history_.steps[-1] == model.history_.epoch[-1] == model.n_iter_
        assert (np.diff(model.history_.seconds) >= 0).all()


def test_rare_columns_without_a_penalty_are_no_matter_of_ten_thousand_steps() -> None:
    X, y = groups(20_000)
    rare = scipy.sparse.csr_matrix((np.ones(3), ([1, 5, 9], [0, 0, 0])), (X.shape[0], 1))
    y[[1, 5, 9]] = 1  # its coefficient has no end, but nothing is to win along it
    with pytest.warns(ConvergenceWarning, match="falls for ever along column 16"):
        model = LogisticRegression(l2=0.0).fit(scipy.sparse.hstack([X, rare]).tocsr(), y)
    assert model.n_iter_ < 300


def calls_of(name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows with each call of that method of the cost."""
    calls, method = [], getattr(RowsCost, name)

    def counted(self: RowsCost, *given: Any) -> Any:
        calls.append(name)
        return method(self, *given)

    monkeypatch.setattr(RowsCost, name, counted)
    return calls


def test_the_cost_is_looked_at_little_more_often_than_there_are_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = calls_of("_look", monkeypatch)
    for data in (bent(), groups()):
        looks.clear()
        model = LogisticRegression().fit(*data)
        assert len(looks) < 2 * model.n_iter_


def test_axes_are_taken_anew_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = calls_of("axes_at", monkeypatch)
    with pytest.warns(ConvergenceWarning):
        LogisticRegression(l2=0.0, scale=False, epochs=2_000).fit(*load_breast_cancer(return_X_y=True))
    assert len(taken) == 6  # after 30, 90, 210, 450, 930, 1,890
