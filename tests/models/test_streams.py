"""Streams: the rate is that with which rows are told before they are learnt, and a change of scale is met, or told."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from descend import AdaGrad, GradientDescent, LinearRegression, LogisticRegression, MLPRegressor, Momentum, Outcome
from descend.models import MLPClassifier
from descend.models.drift import followed
from descend.models.rate_search import RateSearch
from descend.models.reading import grows_with_the_gradient

DRAW = np.random.default_rng(0)
Z = DRAW.normal(size=(6_000, 4))
Y = Z @ [1.0, 2, 3, 4] + DRAW.normal(size=6_000)
OTHER = "come to another scale"


def streamed(model: Any, X: Any, y: Any, chunk: int = 100, **options: Any) -> Any:
    for i in range(0, len(y), chunk):
        model.partial_fit(X[i : i + chunk], y[i : i + chunk], **options)
    return model


@pytest.mark.filterwarnings("ignore:columns .*have come to another scale|the learning rate.* was found on")
@pytest.mark.parametrize("chunk", [20, 100])
@pytest.mark.parametrize(
    ("model", "most"),
    [(MLPClassifier("adam"), 0.25), (LogisticRegression(batch_size=1), 0.35), (LogisticRegression(), 0.4)],
)
def test_probabilities_learnt_from_small_chunks_are_no_nonsense(model: Any, most: float, chunk: int) -> None:
    X, y = load_digits(return_X_y=True)
    order = DRAW.permutation(len(y))
    found = streamed(model, X[order], y[order], chunk, classes=range(10))
    assert log_loss(y, found.predict_proba(X)) < most  # ten equal ones have 2.3; a rate found by heart left 1.4 to 3.6


def test_the_rate_of_a_stream_is_that_with_which_rows_are_told_before_they_are_learnt() -> None:
    model = LinearRegression(GradientDescent, batch_size=1, scale=False).partial_fit(Z[:500], Y[:500])

    def told_before(lr: float) -> float:
        errors, other = [], LinearRegression(GradientDescent(lr), batch_size=1, scale=False)
        other.partial_fit(Z[:10], Y[:10])
        for i in range(10, 500, 10):
            errors.append(((other.predict(Z[i : i + 10]) - Y[i : i + 10]) ** 2).mean())
            other.partial_fit(Z[i : i + 10], Y[i : i + 10])
        return float(np.mean(errors))

    rates = np.geomspace(1e-4, 0.3, 30)
    assert told_before(model.rate_) < 1.05 * min(map(told_before, rates))


def test_a_rate_that_does_nothing_is_no_answer() -> None:
    class Rows(list[float]):
        y = np.zeros(1)

        def taken(self, order: np.ndarray) -> Rows:
            return Rows([self[i] for i in order])

    class Harmful:
        """Each step does harm, the more the larger the rate."""

        def __init__(self, lr: float) -> None:
            self.lr, self.weights = lr, np.zeros(1)

        def run(self, rows: Any, order: Any, size: int) -> None:
            self.weights = self.weights + self.lr * len(order)

    def cost(weights: np.ndarray, some: Any) -> float:
        return float(1 + weights[0])

    rate = RateSearch(lambda lr, some: Harmful(lr), Rows([0.0] * 100), 1, cost, 0).best_of_stream()  # type: ignore[arg-type,return-value]
    assert 1e-5 <= rate <= 1e-3


@pytest.mark.parametrize("times", [0.01, 0.05, 100.0, 1000.0])
@pytest.mark.parametrize("batch_size", [None, 1])
def test_the_rate_is_found_anew_where_the_target_comes_to_another_scale(times: float, batch_size: int | None) -> None:
    y = Y.copy()
    y[:100] *= times
    with pytest.warns(UserWarning, match=f"the target has {OTHER}.*found anew") as told:
        model = streamed(LinearRegression(batch_size=batch_size), Z, y)
    assert len(told) == 1
    assert model.score(Z[1000:], y[1000:]) > 0.95


def test_a_shop_that_opens_later_is_told() -> None:
    y = np.where(np.arange(6_000) < 100, 0.01 * DRAW.normal(size=6_000), 50 + Y)
    for model in (MLPRegressor(), LinearRegression(AdaGrad(1.0))):
        with pytest.warns(UserWarning, match=f"target ha(s|ve) {OTHER}"):
            streamed(model, Z, y)
    streamed(
        LinearRegression(GradientDescent(0.01), batch_size=1), Z, y
    )  # whose steps grow with the target; no warning


@pytest.mark.parametrize("which", ["columns", "target", "smaller target"])
def test_a_network_tells_of_another_scale_once(which: str, tmp_path: Path) -> None:
    X, y = Z.copy(), Y.copy()
    if which == "columns":
        X[:100, 3] = 0.01 * X[:100, 3]
    else:
        y[:100] *= 0.01 if which == "target" else 1000
    model = MLPRegressor.load(MLPRegressor().partial_fit(X[:100], y[:100]).save(tmp_path / "m"))
    with pytest.warns(UserWarning, match=OTHER) as told:
        streamed(model, X[100:], y[100:])
    assert len(told) == 1


def test_rare_columns_and_the_same_scale_are_no_other() -> None:
    X = (DRAW.random((3_000, 20)) < 0.02).astype(float)
    X[::100] = 1.0  # so that each varies at once
    streamed(MLPRegressor(), X, X @ np.arange(20.0) + DRAW.normal(size=3_000))
    streamed(LinearRegression(batch_size=1), Z, Y)


def test_a_drift_forgets_what_lies_far_back() -> None:
    seen = followed(None, 1000 * Z[:100])
    assert not seen.is_far
    for i in range(100, 6_000, 100):
        seen = followed(seen, Z[i : i + 100])
    assert seen.is_far
    assert not seen.anew().is_far
    columns = followed(None, Z[:100, :0], 1000 * Z[:100])
    for i in range(100, 6_000, 100):
        columns = followed(columns, Z[i : i + 100, :0], Z[i : i + 100])
    assert not columns.is_far, "a column may be rare"


@pytest.mark.parametrize("kind", [GradientDescent, Momentum])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_rate_that_is_found_holds_for_rare_classes(kind: Any, batch_size: int) -> None:
    draw = np.random.default_rng(2)
    c = draw.zipf(1.5, 3_000) % 100
    X = (c[:, None] == np.unique(c)).astype(float)
    y = np.sin(c) + 0.1 * draw.normal(size=3_000)
    model = LinearRegression(kind, batch_size=batch_size).fit(X, y)
    assert model.score(X, y) > 0.9


def test_it_is_derived_whether_a_step_grows_with_the_gradient() -> None:
    assert grows_with_the_gradient(GradientDescent(0.1))
    assert grows_with_the_gradient(Momentum(0.1))
    assert not grows_with_the_gradient(AdaGrad(0.1))


def test_the_first_row_does_not_tell_how_far_a_step_may_go() -> None:
    X, y = load_diabetes(return_X_y=True)
    for seed in range(3):
        assert LinearRegression(batch_size=1, seed=seed).fit(X, y).score(X, y) > 0.5  # 0.40 with a rate cut by one row


def test_large_batches_make_enough_steps() -> None:
    model = LinearRegression(batch_size=1_000).fit(Z[:1_000], Y[:1_000])
    assert model.n_iter_ == 1_000
    assert model.score(Z, Y) == pytest.approx(LinearRegression().fit(Z[:1_000], Y[:1_000]).score(Z, Y), abs=1e-4)
    assert LinearRegression(batch_size=10).fit(Z, Y).n_iter_ == 10


@pytest.mark.parametrize("model", [MLPRegressor(epochs=1), LinearRegression(AdaGrad(0.3), batch_size=16)])
@pytest.mark.parametrize("times", [100.0, 1.0])
def test_a_stream_that_goes_on_from_a_fit_is_measured_by_that(model: Any, times: float) -> None:
    model.fit(Z[:1_000], Y[:1_000])
    with contextlib.nullcontext() if times == 1 else pytest.warns(UserWarning, match=OTHER):
        streamed(model, times * Z[1_000:4_000], Y[1_000:4_000])


def test_a_network_tells_of_a_target_that_is_of_another_scale_than_where_it_was_fitted() -> None:
    model = MLPRegressor(epochs=1).fit(Z[:1_000], Y[:1_000])
    with pytest.warns(UserWarning, match=OTHER):
        model.partial_fit(Z[1_000:1_100], 1e3 * Y[1_000:1_100])
    again = model.fit(Z[:1_000], 1e3 * Y[:1_000])
    again.partial_fit(Z[1_000:1_100], 1e3 * Y[1_000:1_100])  # no warning


def test_a_network_that_is_fitted_anew_forgets_the_stream_before() -> None:
    model = MLPRegressor(epochs=1).fit(Z[:1_000], Y[:1_000]).partial_fit(Z[1_000:1_100], Y[1_000:1_100])
    model.fit(100 * Z[:1_000], Y[:1_000]).partial_fit(100 * Z[1_000:1_100], Y[1_000:1_100])  # no warning


def test_a_model_that_has_learnt_from_blocks_forgets_the_stream_before() -> None:
    model = LinearRegression(AdaGrad(0.3), batch_size=16, loss="huber").partial_fit(Z[:200], Y[:200])
    model.fit_blocks(lambda: ((100 * Z[i : i + 500], Y[i : i + 500]) for i in (0, 500)))
    model.partial_fit(100 * Z[1_000:1_200], Y[1_000:1_200])  # no warning


@pytest.mark.parametrize("method", [GradientDescent(3.0), Momentum(3.0, mu=0.5)])
def test_a_stream_that_explodes_is_told_and_not_learnt(method: Any) -> None:
    model = LinearRegression(method)
    with pytest.warns(ConvergenceWarning, match="diverged on these rows, which are not learnt"):
        streamed(model, np.tile(Z[:500], (50, 1)), np.tile(Y[:500], 50), 500)
    assert np.isfinite(model.coef_).all()


def test_a_stream_whose_steps_are_long_for_a_while_is_none() -> None:
    model = LinearRegression(GradientDescent(0.1))
    for i in range(200):
        model.partial_fit(Z[i : i + 1], [0.0])  # of one row, whose target is zero by chance
        model.partial_fit(Z[i : i + 200], Y[i : i + 200])
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED
    assert model.score(Z, Y) > 0.5


def test_few_rows_do_not_tell_that_a_stream_explodes() -> None:
    model = LinearRegression(GradientDescent(0.5), scale=False)
    model.partial_fit(Z[:200], Y[:200])
    model.partial_fit(3 * np.ones((1, 4)), [0.0])  # too long a step for that row, whose target is zero by chance
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED


def test_weights_of_a_stream_count_as_they_are_given() -> None:
    plain, heavy = (LinearRegression(GradientDescent(rate), scale=False) for rate in (0.05, 0.01))
    plain.partial_fit(Z[:200], Y[:200])
    heavy.partial_fit(Z[:200], Y[:200], sample_weight=np.full(200, 5.0))
    np.testing.assert_allclose(plain.coef_, heavy.coef_, rtol=1e-12)
