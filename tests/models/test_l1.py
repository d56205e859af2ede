"""The L1 penalty: scikit-learn's solutions with all rows, the same steps in kernels and in NumPy, zeros that are zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import ElasticNet
from sklearn.linear_model import LogisticRegression as Saga
from sklearn.preprocessing import StandardScaler

from descend import AdaGrad, Adam, Cosine, GradientDescent, LinearRegression, LogisticRegression, Lookahead, Momentum
from descend.models import Log
from descend.models.costs import RowsCost, Scaling
from descend.models.l1 import kept, pulled
from descend.models.rows import rows_of
from descend.models.trainers import Penalty, Streaming, Updating

X, Y = load_diabetes(return_X_y=True)
Z = StandardScaler().fit_transform(X)


@pytest.mark.parametrize(("alpha", "ratio"), [(5.0, 1.0), (1.0, 1.0), (2.0, 0.5), (0.1, 0.9)])
def test_all_rows_give_the_elastic_net(alpha: float, ratio: float) -> None:
    theirs = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-12, max_iter=100_000).fit(Z, Y)
    ours = LinearRegression(l1=alpha * ratio, l2=alpha * (1 - ratio)).fit(X, Y)
    assert ours.outcome_.name == "CONVERGED"
    np.testing.assert_allclose(ours.coef_ * X.std(axis=0), theirs.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


def test_sparse_rows_give_the_elastic_net() -> None:
    some = np.where(np.random.default_rng(0).random(Z.shape) < 0.4, Z, 0)
    theirs = ElasticNet(alpha=2.0, l1_ratio=0.8, tol=1e-12, max_iter=100_000).fit(some, Y)
    ours = LinearRegression(l1=1.6, l2=0.4, scale=False).fit(scipy.sparse.csr_matrix(some), Y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_logistic_regression_gives_what_saga_gives(load: Any) -> None:
    X, y = load(return_X_y=True)
    scaled = StandardScaler().fit_transform(X)
    theirs = Saga(C=1 / (len(y) * 0.01), l1_ratio=1.0, solver="saga", tol=1e-10, max_iter=100_000).fit(scaled, y)
    ours = LogisticRegression(l1=0.01, l2=0.0).fit(X, y)
    np.testing.assert_allclose(ours.coef_ * X.std(axis=0), theirs.coef_, atol=1e-5)
    assert (ours.coef_ == 0).sum() == (theirs.coef_ == 0).sum() > 0


@pytest.mark.parametrize("method", [GradientDescent(0.01), Momentum(0.002), Adam(0.05)], ids=lambda m: m.name)
def test_any_method_ends_at_the_same_point(method: Any) -> None:
    theirs = ElasticNet(alpha=5.0, l1_ratio=1.0, tol=1e-12, max_iter=100_000).fit(Z, Y)
    ours = LinearRegression(method, l1=5.0).fit(X, Y)
    np.testing.assert_allclose(ours.coef_ * X.std(axis=0), theirs.coef_, atol=1e-6)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("method", [GradientDescent(0.05), AdaGrad(0.3)], ids=lambda m: m.name)
def test_kernels_and_numpy_make_the_same_steps(method: Any, batch: int, sparse: bool) -> None:
    draw = np.random.default_rng(2)
    n, d = 60, 5
    # Each column is met in each row or in none: only then are all penalties due at each step.
    X = draw.normal(size=(n, d)) + 0.1
    rows = rows_of(scipy.sparse.csr_matrix(X) if sparse else X, np.sign(X @ [2.0, 0, 0, -1, 0] + 0.1))
    scaling = Scaling(np.zeros(d), np.ones(d), intercept=True, kind=rows.kind)
    kernel = Streaming(method, Log(), scaling, Penalty(0.01, 0.1), np.zeros(d + 1), rows)

    def cost_of(part: Any) -> RowsCost:
        return RowsCost(part, Log(), scaling, 0.01)

    plain = Updating(method, cost_of, 0.1, np.zeros(d + 1))
    for trainer in (kernel, plain):
        trainer.run(rows, np.arange(n), batch)
    np.testing.assert_allclose(kernel.weights, plain.weights, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(kernel.weights == 0, plain.weights == 0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_stochastic_steps_leave_exact_zeros_where_nothing_is_to_be_learnt(kind: Any) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, 20)).astype(kind)
    y = X[:, :3] @ np.array([3.0, -2.0, 1.0], kind)
    rate = Cosine(0.02, steps=20 * 63)
    model = LinearRegression(GradientDescent(rate), l1=0.2, batch_size=64, epochs=20).fit(X, y)
    assert np.count_nonzero(model.coef_[3:]) <= 3
    np.testing.assert_allclose(model.coef_, LinearRegression(l1=0.2).fit(X, y).coef_, atol=2e-3)


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_methods_that_do_not_stream_have_it_too() -> None:
    model = LinearRegression(Lookahead(Momentum(0.005)), l1=60.0, batch_size=50, epochs=5).fit(X, Y)
    assert (model.coef_ == 0).all()
    assert model.intercept_ == pytest.approx(Y.mean(), rel=0.05)


finite = st.floats(-100, 100)


@given(finite, finite, st.floats(0.01, 10), st.floats(1e-3, 1))
def test_no_step_crosses_zero_and_a_small_slope_does_not_leave_it(x: float, g: float, l1: float, lr: float) -> None:
    slope = pulled(np.float64(g), np.float64(x), l1)
    change = kept(np.float64(x), -lr * slope, slope, l1)
    after = x + change
    assert after * x >= 0
    if x == 0 and abs(g) <= l1:
        assert after == 0
    if x == 0 and abs(g) > l1 + 1e-9:
        assert after * g < 0


def test_bad_penalties_are_refused() -> None:
    bad: Any
    for bad in (-1.0, np.nan, np.inf, "much"):
        with pytest.raises(ValueError, match="l1 must be a number >= 0"):
            LinearRegression(l1=bad).fit(X, Y)


@pytest.mark.parametrize("apart", [1e-2, 1e-4])
def test_columns_that_nearly_repeat_each_other_take_no_thousands_of_steps(apart: float) -> None:
    draw = np.random.default_rng(0)
    first = draw.normal(size=(100, 2))
    rows = np.hstack([first, first + apart * draw.normal(size=first.shape)])
    y = 2 * rows[:, 0] - rows[:, 1] + 0.3 * draw.normal(size=100)
    ours = LinearRegression(l1=0.1).fit(rows, y)
    scaled, w = StandardScaler().fit_transform(rows), ours.coef_ * rows.std(axis=0)
    pull = scaled.T @ (y - ours.predict(rows)) / len(y)  # of the loss on each coefficient, which the penalty holds
    np.testing.assert_allclose(pull[w != 0], 0.1 * np.sign(w[w != 0]), atol=1e-7)
    assert (abs(pull) <= 0.1 + 1e-7).all()
    assert ours.outcome_.name == "CONVERGED"
    assert ours.n_iter_ < 1_000
