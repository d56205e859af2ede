"""The estimators: right answers, honest endings, scikit-learn's protocol."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from descend import (
    AdaGrad,
    Adam,
    Averaged,
    ClipGlobalNorm,
    Cosine,
    FTRLProximal,
    GradientDescent,
    LinearClassifier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Outcome,
    SignSGD,
)
from descend.insight import Cause
from descend.models import Huber, Quantile, training
from descend.models.losses import loss_named

DIABETES, CANCER, IRIS = (load(return_X_y=True) for load in (load_diabetes, load_breast_cancer, load_iris))
SAMPLED = {  # as in scikit-learn's own SGD: a row of weight two is not the row seen twice
    "check_sample_weight_equivalence_on_dense_data": "rows are sampled",
    "check_sample_weight_equivalence_on_sparse_data": "rows are sampled",
}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [
        LinearRegression(),
        LogisticRegression(),
        LinearClassifier(),
        LinearRegression(batch_size=1),
        LogisticRegression(batch_size=4),
    ],
    expected_failed_checks=lambda e: SAMPLED if e.batch_size else {},
)
@pytest.mark.filterwarnings("ignore:the learning rate.* was found on")  # of checks with ten rows
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    if "array_api" in str(check):
        pytest.skip("the array API needs SCIPY_ARRAY_API=1 before SciPy is imported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


def raw_columns() -> tuple[np.ndarray, np.ndarray]:
    """Columns whose scales go from 1 to a million, far from zero."""
    draw = np.random.default_rng(0)
    scales = np.logspace(0, 6, 5)
    X = (draw.normal(size=(3_000, 5)) + 3) * scales
    return X, X @ (draw.normal(size=5) / scales) + 7 + 0.1 * draw.normal(size=3_000)


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}, {"batch_size": 32, "method": "adam"}])
def test_raw_columns_are_no_trouble(options: Any) -> None:
    X, y = raw_columns()
    best = linear_model.LinearRegression().fit(X, y).score(X, y)
    model = LinearRegression(**options).fit(X, y)
    assert model.score(X, y) > best - 1e-3
    assert model.outcome_ in {Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED}


def test_without_scaling_it_diverges_and_says_which_columns_and_what_to_do() -> None:
    X, y = raw_columns()
    frame = pd.DataFrame(X, columns=["one", "two", "three", "four", "population"])
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch 1.*population.*scale=True"):
        model = LinearRegression(GradientDescent(0.01), batch_size=1, scale=False).fit(frame, y)
    assert model.outcome_ is Outcome.DIVERGED
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.predict(frame)).all()


def test_least_squares_is_exact() -> None:
    X, y = DIABETES
    ours, theirs = LinearRegression().fit(X, y), linear_model.LinearRegression().fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6)
    assert ours.intercept_ == pytest.approx(theirs.intercept_)
    assert ours.outcome_ is Outcome.CONVERGED
    ours32 = LinearRegression().fit(X.astype(np.float32), y)
    assert ours32.outcome_ is Outcome.CONVERGED
    assert ours32.score(X, y) == pytest.approx(ours.score(X, y), abs=1e-6)


def test_ridge_is_exact() -> None:
    X, y = DIABETES
    Z = StandardScaler().fit_transform(X)
    theirs = linear_model.Ridge(alpha=0.1 * len(y), tol=1e-12).fit(Z, y)
    np.testing.assert_allclose(LinearRegression(l2=0.1).fit(Z, y).coef_, theirs.coef_, rtol=1e-7)


@pytest.mark.parametrize("data", [CANCER, IRIS], ids=["two classes", "three"])
@pytest.mark.parametrize("sparse", [False, True])
def test_logistic_regression_is_exact(data: Any, sparse: bool) -> None:
    X, y = StandardScaler().fit_transform(data[0]), data[1]
    X = scipy.sparse.csr_matrix(X) if sparse else X
    theirs = linear_model.LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-10, max_iter=10_000).fit(X, y)
    ours = LogisticRegression(l2=0.01, scale=False).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    assert ours.outcome_ is Outcome.CONVERGED


def test_losses_find_what_they_are_for() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, 2))
    y = X @ [1.0, -2.0] + 3 + draw.exponential(size=4_000)
    y[::50] += 1e3  # outliers
    huber = LinearRegression(loss=Huber(0.5)).fit(X, y)
    np.testing.assert_allclose(huber.coef_, [1, -2], atol=0.1)
    median = LinearRegression(loss="absolute", batch_size=1, epochs=20).fit(X, y)
    assert (median.predict(X) > y).mean() == pytest.approx(0.5, abs=0.03)
    high = LinearRegression(loss=Quantile(0.9), batch_size=1, epochs=20).fit(X, y)
    assert (high.predict(X) > y).mean() == pytest.approx(0.9, abs=0.03)
    counts = draw.poisson(np.exp(X @ [0.5, 0.3] + 1))
    poisson = LinearRegression(loss="poisson").fit(X, counts)
    np.testing.assert_allclose(poisson.coef_, [0.5, 0.3], atol=0.03)
    assert (poisson.predict(X) > 0).all()


def test_batches_of_many_classes() -> None:
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(Adam(0.01), batch_size=32, epochs=5).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.predict_proba(X[:3]).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_partial_fit_goes_on_with_the_schedule(batch_size: int) -> None:
    X, y = CANCER
    method = AdaGrad(lr=Cosine(0.5, steps=len(y) // batch_size + 1))
    whole = LogisticRegression(method, batch_size=batch_size, epochs=1, shuffle=False, scale=False).fit(X / X.max(0), y)
    parts = LogisticRegression(method, batch_size=batch_size, scale=False)
    cut = 160
    for here in (slice(0, cut), slice(cut, None)):
        parts.partial_fit(X[here] / X.max(0), y[here], classes=[0, 1])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-10)


def test_partial_fit_learns_the_scales_on_the_way() -> None:
    X, y = raw_columns()
    model = LinearRegression("adagrad", batch_size=1)
    for _ in range(5):
        for begin in range(0, 3_000, 500):
            model.partial_fit(X[begin : begin + 500], y[begin : begin + 500])
    assert model.score(X, y) > 0.99


def test_warm_start_goes_on() -> None:
    X, y = CANCER
    once = LogisticRegression("adam", batch_size=32, epochs=6, seed=1).fit(X, y)
    twice = LogisticRegression("adam", batch_size=32, epochs=3, seed=1, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(once.coef_, twice.coef_)
    assert twice.history_.epoch[-1] == 6


def test_the_seed_fixes_the_result_bit_for_bit() -> None:
    X, y = CANCER
    first, same, other = (LogisticRegression(batch_size=1, seed=s).fit(X, y).coef_ for s in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_early_stopping_keeps_the_best() -> None:
    X, y = CANCER
    model = LogisticRegression(Adam(0.03), batch_size=8, epochs=500, validation=0.3, patience=3).fit(X, y)
    assert model.n_iter_ < 500
    assert "stopped early" in model.message_
    epochs = model.history_.epoch % 1 == 0
    best = np.nanmin(model.history_.validation[epochs])
    assert f"{best:.6g}" in model.message_


@pytest.mark.parametrize("method", [Averaged(GradientDescent(0.05)), "prodigy", "rprop", "momentum", Adam(0.01)])
def test_whatever_moves_parameters_moves_these(method: Any) -> None:
    X, y = CANCER
    assert LogisticRegression(method, batch_size=64, epochs=15).fit(X, y).score(X, y) > 0.93


def test_pipelines_searches_copies_and_pickles() -> None:
    X, y = CANCER
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__l2": [1e-3, 1e-1]}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.95
    model = clone(LogisticRegression(AdaGrad(0.1), batch_size=1, epochs=2)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert len(pickle.dumps(model)) < 20_000  # the rows are not in it
    balanced = LogisticRegression(class_weight="balanced").fit(X, y)
    assert balanced.predict(X).mean() < LogisticRegression().fit(X, y).predict(X).mean()


def test_rows_in_blocks() -> None:
    X, y = raw_columns()

    def blocks() -> Any:
        for begin in range(0, 3_000, 700):
            yield X[begin : begin + 700], y[begin : begin + 700]

    best = linear_model.LinearRegression().fit(X, y).score(X, y)
    whole, streamed = LinearRegression().fit(X, y), LinearRegression().fit_blocks(blocks)  # of XᵀX, made in blocks
    np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-7)
    assert streamed.outcome_.name == "CONVERGED"
    assert LinearRegression(batch_size=1, epochs=5).fit_blocks(blocks).score(X, y) > best - 1e-3
    labels = y > y.mean()

    def classes() -> Any:
        for begin in range(0, 3_000, 700):
            yield X[begin : begin + 700], labels[begin : begin + 700]

    assert LogisticRegression(epochs=5).fit_blocks(classes).score(X, labels) > 0.96


BAD: list[tuple[str, Any, Any, Any, str]] = [
    ("nan", LinearRegression(), [[np.nan], [1.0]], [1, 2], "NaN"),
    ("inf", LinearRegression(), [[np.inf], [1.0]], [1, 2], "infinity"),
    ("one class", LogisticRegression(), [[0.0], [1.0]], [1, 1], "one class only, 1"),
    ("text for numbers", LinearRegression(), [[0.0], [1.0]], ["a", "b"], "the target holds 'a', which is no number"),
    ("three classes", LinearClassifier(), [[0.0], [1.0], [2.0]], [0, 1, 2], "OneVsRestClassifier"),
    ("batch_size", LinearRegression(batch_size=0), [[0.0], [1.0]], [0, 1], "batch_size must be a whole number >= 1 or None, got 0"),
    ("tol", LinearRegression(tol=-1), [[0.0], [1.0]], [0, 1], "tol must be a number >= 0, got -1"),
    ("seed", LinearRegression().set_params(seed=None), [[0.0], [1.0]], [0, 1], "seed must be a whole number >= 0, got None"),
    ("scale", LinearRegression().set_params(scale="no"), [[0.0], [1.0]], [0, 1], "scale must be True or False, got 'no'"),
    ("l2", LinearRegression(l2=-1), [[0.0], [1.0]], [0, 1], "l2 must be a number >= 0, got -1"),
    ("loss", LinearRegression(loss="sqared"), [[0.0], [1.0]], [0, 1], "Did you mean 'squared'"),
    ("loss of the other kind", LinearRegression(loss="hinge"), [[0.0], [1.0]], [0, 1], "Hinge is not a loss for numbers"),
    ("method", LinearRegression("adm"), [[0.0], [1.0]], [0, 1], "unknown method 'adm'"),
    ("patience", LinearRegression(patience=2), [[0.0], [1.0]], [0, 1], "give validation"),
    ("counts", LinearRegression(loss="poisson"), [[0.0], [1.0]], [-1, 1], "counts >= 0, got -1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "model", "X", "y", "says"), BAD, ids=[b[0] for b in BAD])
def test_bad_input_is_told(name: str, model: Any, X: Any, y: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        model.fit(np.array(X), np.array(y))


@pytest.mark.parametrize(
    ("method", "looks"), [(GradientDescent(1e-3), 8), (ClipGlobalNorm(GradientDescent(1e-3), 1.0), 20)]
)
def test_looks_are_few_where_steps_are_compiled_and_near_where_each_takes_long(
    method: Any, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_CHUNK", 100)
    X = np.random.default_rng(0).normal(size=(2_000, 2))
    model = LinearRegression(method, batch_size=50, epochs=1).fit(X, X @ [1.0, 2.0])
    assert len(model.history_) == 1 + looks


READERS = [
    LinearRegression(),
    LinearRegression(scale=False),
    LinearRegression(batch_size=1),
    LinearRegression(batch_size=1, scale=False, epochs=1),
    LinearRegression(GradientDescent(1e-3), batch_size=8, scale=False, epochs=1, shuffle=False),
    LinearRegression(GradientDescent(1e-3), batch_size=1, scale=False, l1=1e-3),
    LinearRegression(GradientDescent(1e-3), batch_size=1, scale=False, validation=0.5),
    LinearRegression(SignSGD(1e-3), batch_size=1, scale=False),
    LinearRegression(ClipGlobalNorm(Adam(1e-3), 1.0), batch_size=16, scale=False),
    LinearRegression(loss="huber", batch_size=4, scale=False),
    LogisticRegression(GradientDescent(1e-3), batch_size=1, scale=False),
    LinearClassifier(AdaGrad(1e-2), loss="hinge", batch_size=1, scale=False),
]


@pytest.mark.filterwarnings("ignore:nothing learnt")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("model", READERS, ids=[repr(m).replace("\n", "") for m in READERS])
def test_what_is_not_finite_is_refused_wherever_it_is_found_and_the_model_stays(model: Any, bad: float) -> None:
    X, y = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32), np.arange(300) % 2.0
    fitted = clone(model).fit(X, y)
    coefficients, state = fitted.coef_.copy(), vars(fitted).copy()
    X[217, 1] = bad
    for weights in (None, np.where(np.arange(300) == 217, 0.0, 1.0)):
        with pytest.raises(ValueError, match="Input X contains (NaN|infinity)"):
            fitted.fit(X, y, weights)
        assert vars(fitted) == state
        np.testing.assert_array_equal(fitted.coef_, coefficients)


def test_a_method_that_does_not_carry_what_is_not_finite_is_not_relied_on() -> None:
    """The sign of an infinite gradient is one, and no look at the loss meets this row."""
    rows = 9_000
    X = np.random.default_rng(0).normal(size=(rows, 2))
    y = X @ [30.0, 30.0]
    looked_at = training.some_of(rows, training._MEASURED, 0)
    X[np.setdiff1d(np.arange(rows), looked_at)[-1], 1] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        LinearRegression(SignSGD(0.1), batch_size=500, epochs=1, scale=False, shuffle=False).fit(X, y)


def test_what_is_not_finite_is_found_among_rows_that_do_not_count() -> None:
    X, y = np.random.default_rng(0).normal(size=(20_000, 3)), np.arange(20_000) % 2.0
    X[7_500, 2] = np.nan
    counts = np.where((np.arange(20_000) > 4_000) & (np.arange(20_000) < 10_000), 0.0, 1.0)
    for model in (LinearRegression(), LogisticRegression(batch_size=100, epochs=1)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            model.fit(X, y, counts)


def test_bad_weights_and_matrices_are_told() -> None:
    X, y = DIABETES
    with pytest.raises(ValueError, match="sample_weight must be >= 0, got -1 for row 3"):
        LinearRegression().fit(X, y, np.where(np.arange(len(y)) == 3, -1.0, 1.0))
    broken = scipy.sparse.csr_matrix(np.eye(5))
    broken.indices[2] = 77
    with pytest.raises(ValueError, match="broken: column index 77"):
        LinearRegression(batch_size=1, scale=False).fit(broken, np.arange(5.0))
    with pytest.raises(ValueError, match="Adam moves coordinates whose gradient is zero"):
        LinearRegression(Adam(), batch_size=1).fit(scipy.sparse.csr_matrix(X), y)


def test_a_rare_column_of_ones_stays_one_where_rows_come_one_by_one() -> None:
    draw = np.random.default_rng(0)
    X = scipy.sparse.random(400, 300, 0.02, "csr", rng=draw, data_rvs=np.ones)
    y = np.asarray(X.sum(axis=1)).ravel() > 6
    method = AdaGrad(0.1)
    scaled, plain = (
        LogisticRegression(method, batch_size=1, epochs=2, scale=scale, fit_intercept=False).fit(X, y)
        for scale in (True, False)
    )
    np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=1e-12)
    tiny = LogisticRegression(method, batch_size=1, epochs=2, fit_intercept=False).fit(X * 1e-6, y)
    np.testing.assert_allclose(tiny.coef_ * 1e-6, plain.coef_, rtol=1e-6)


@pytest.mark.parametrize(("seed", "batch_size"), [(8, 32), (10, 32), (13, 64), (20, 300), (32, 300)])
def test_a_rate_that_is_found_takes_no_leap(seed: int, batch_size: int) -> None:
    # With AdaGrad all rates from about 1 on end alike on these rows, after a first step as long as the rate.
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(300, 3))
    y = X @ [1, 2, 3] + 0.1 * draw.normal(size=300) + 5
    model = LinearRegression(batch_size=batch_size).fit(X, y)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED
    assert 0.1 < model.rate_ < 20
    assert model.score(X, y) > 0.998


def test_a_stream_that_begins_with_a_row_is_warned_of() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.warns(UserWarning, match="found on 1 row, too few to tell. Begin with 100"):
        LinearRegression(batch_size=1).partial_fit(X[:1], X[:1, 0])
    many = np.random.default_rng(1).normal(size=(100, 3))
    LinearRegression(batch_size=1).partial_fit(many, many[:, 0])
    LinearRegression(AdaGrad(0.1), batch_size=1).partial_fit(X[:1], X[:1, 0])


def test_a_rate_is_found_where_all_are_equally_good() -> None:
    X = scipy.sparse.csr_matrix(np.eye(40))
    model = LinearRegression("adagrad", batch_size=1, epochs=1).fit(X, np.zeros(40))
    assert 0 < model.rate_ <= 10


def test_a_fit_that_begins_in_the_minimum_has_converged() -> None:
    X, y = DIABETES
    model = LinearRegression(warm_start=True).fit(X, y)
    assert model.fit(X, y).outcome_ is Outcome.CONVERGED
    assert "after 0 steps" in model.message_
    for empty in (np.ones((50, 2)), scipy.sparse.csr_matrix((50, 2))):
        assert LinearRegression().fit(empty, y[:50]).outcome_ is Outcome.CONVERGED
    far = LinearRegression().fit(X, y + 1e6)
    np.testing.assert_allclose(far.coef_, model.coef_, rtol=1e-4)  # and not stopped early by the size of the target


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_grid_search_goes_over_the_numbers_of_the_method() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression(Adam(Cosine(0.1, steps=100)), batch_size=32, epochs=3)
    assert LinearRegression(**model.get_params()).method == model.method
    search = GridSearchCV(model, {"method__lr.lr": [1e-4, 1.0], "epochs": [2, 3]}, cv=2).fit(X, y)
    assert search.best_params_["method__lr.lr"] == 1.0
    assert search.best_estimator_.method == Adam(Cosine(1.0, steps=100))
    assert model.method == Adam(Cosine(0.1, steps=100)), "the model that was given is as it was"
    for name, value, says in (("method__rate", 1, "no parameter"), ("method__beta1", 2.0, "beta1 must")):
        with pytest.raises(ValueError, match=says):
            model.set_params(**{name: value})
    with pytest.raises(ValueError, match="needs a method with numbers"):
        LinearRegression().set_params(method__lr=0.1)


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_model_begins_at_the_constant_that_suits_its_loss() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, 3))  # so few that the loss on the way is that of all rows
    y = 100 + draw.standard_t(2, size=4_000)
    y[:50] += 1e5
    for name, constant in (("absolute", np.median(y)), ("quantile:0.9", np.quantile(y, 0.9)), ("squared", y.mean())):
        model = LinearRegression(AdaGrad(1e-9), loss=name, batch_size=32, epochs=1).fit(X, y)
        loss = loss_named(name, of_classes=False)
        np.testing.assert_allclose(model.history_.loss[0], loss.values(np.full(len(y), constant), y).mean(), rtol=1e-6)
    for classes in (draw.random(4_000) < 0.01, np.where(draw.random(4_000) < 0.01, 2, draw.random(4_000) < 0.5)):
        shares = np.bincount(classes) / 4_000
        begun = LogisticRegression(batch_size=32, epochs=1).fit(X, classes).history_.loss[0]
        np.testing.assert_allclose(begun, -(shares @ np.log(shares)), rtol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_columns_that_hold_each_other_up_in_batches_are_no_success(batch_size: int) -> None:
    draw = np.random.default_rng(0)
    year = draw.integers(1950, 2021, 500).astype(float)
    X, y = np.column_stack([year, year**2]), 0.02 * (year - 1985) ** 2 + draw.normal(size=500)
    with pytest.warns(ConvergenceWarning, match="nothing learnt: .* a prediction that is the same for all rows has"):
        model = LinearRegression(batch_size=batch_size).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.ILL_CONDITIONED, "leave method and batch_size out")
    assert LinearRegression().fit(X, y).score(X, y) > 0.98


@pytest.mark.parametrize(
    ("model", "is_useless"),
    [
        (LinearRegression(FTRLProximal(0.1), batch_size=32), True),
        (LinearRegression(FTRLProximal(100.0), batch_size=32), False),
        (LinearRegression(GradientDescent(1e-6), batch_size=32, scale=False), True),
        (LinearRegression(GradientDescent(1e-6), batch_size=32, scale=False, fit_intercept=False), True),
        (LinearRegression(GradientDescent(1e-3), batch_size=32), False),
        (MLPRegressor(GradientDescent(1e-9), init="he_normal", epochs=1), True),
        (MLPRegressor(GradientDescent(0.01), epochs=3), False),
    ],
)
def test_what_is_no_better_than_a_constant_is_no_success(model: Any, is_useless: bool) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(2_000, 3))
    y = 100 + X @ [1.0, 2.0, 3.0] + draw.normal(size=2_000)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert (model.outcome_ is Outcome.NOTHING_LEARNT) == is_useless
    assert any("a prediction that is the same for all rows has" in str(w.message) for w in told) == is_useless
    assert not is_useless or model.explain(X, y).cause is not Cause.HEALTHY


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", [GradientDescent(0.01), Adam(0.01)])
def test_the_noise_of_batches_around_the_best_constant_is_no_divergence(method: Any, seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(400, 5))
    y = np.where(draw.random(400) < 0.8, 0, np.exp(X @ draw.normal(size=5) / 2))  # 0 is nearly the best there is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(method, loss="absolute", batch_size=32).fit(X, y)
    assert model.outcome_ is Outcome.NOTHING_LEARNT


def test_sparse_columns_that_lie_far_from_zero_are_named() -> None:
    draw = np.random.default_rng(0)
    dense = draw.normal(size=(500, 3)) + np.array([1_000.0, 0.0, 1.0])
    dense[draw.random(500) < 0.05, 0] = 0  # then it varies
    y = dense @ [1.0, 2.0, 3.0]
    far = scipy.sparse.csr_matrix(np.column_stack([dense, 50 + draw.normal(size=500), np.ones(500)]))
    with pytest.warns(UserWarning, match=r"1 of them \(column 3\) lie far from zero"):
        LinearRegression(batch_size=1, epochs=1).fit(far, y)


def test_counts_that_are_all_zero_at_first_do_not_ruin_what_comes() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(20_000, 4))
    y = draw.poisson(0.01 * np.exp(0.7 * X[:, 0] - 0.25)).astype(float)
    y[:50] = 0
    model = LinearRegression(AdaGrad(0.1), loss="poisson", batch_size=16)
    for k in range(0, len(y), 50):
        model.partial_fit(X[k : k + 50], y[k : k + 50])
    assert 0.5 < model.predict(X).sum() / y.sum() < 2


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_what_has_nothing_to_beat_is_not_called_nothing_learnt(smoothing: float) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(1_000, 5))
    rare = X[:, 0] > np.quantile(X[:, 0], 0.99)
    assert MLPRegressor(Adam(0.01), epochs=3).fit(X, np.full(1_000, 3.0)).outcome_ is Outcome.STEPS_EXHAUSTED
    model = MLPClassifier(Adam(0.01), epochs=20, label_smoothing=smoothing).fit(X, rare)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED


@pytest.mark.parametrize("seed", range(3))
def test_fewer_rows_than_columns_take_tens_of_steps(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(60, 2_000))
    model = LogisticRegression(epochs=300).fit(X, X[:, 0] + 0.5 * draw.normal(size=60) > 0)
    assert model.outcome_ is Outcome.CONVERGED
