"""Rates that are found on few rows, wide tables, columns that are not scaled, and streams: they learn, and do not leap."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import (
    AdaGrad,
    Adam,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    Outcome,
    SignSGD,
)
from descend.insight import Cause
from descend.models import Absolute, Quantile
from descend.models.losses import Huber


@pytest.mark.parametrize("shape", [(6, 2), (10, 5), (20, 8), (60, 100), (200, 20)])
@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "poisson"])
def test_a_found_rate_learns_and_does_not_leap(shape: tuple[int, int], loss: str) -> None:
    for seed in range(3):
        draw = np.random.default_rng(seed)
        X, w = draw.normal(size=shape), draw.normal(size=shape[1])
        y = X @ w + 5 + draw.normal(size=len(X))
        if loss == "poisson":
            y = draw.poisson(np.exp(np.clip(X @ w / 3, -3, 3))).astype(float)
        for batch_size in (8, 10_000):
            model = LinearRegression(loss=loss, batch_size=batch_size).fit(X, y)
            losses = model.history_.loss
            assert 1e-4 < model.rate_ < 20
            assert model.outcome_ is not Outcome.DIVERGED
            assert losses[-1] < losses[0]
            assert losses.max() < losses[0] + 4 * abs(losses[0])


def test_classes_of_few_wide_rows_are_learnt_in_batches() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(60, 100))
    model = LogisticRegression(batch_size=8).fit(X, X[:, 0] > 0)
    assert model.score(X, X[:, 0] > 0) > 0.95


def test_a_target_that_other_rows_say_nothing_of_is_learnt_all_the_same() -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(400, 300)), draw.normal(size=400)
    model = LinearRegression(batch_size=8).fit(X, y)
    assert model.rate_ > 1e-3
    assert model.history_.loss[-1] < 0.8 * model.history_.loss[0]


def raw() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(1_000, 4))
    y = X @ [1.0, -2, 0, 3] + 5 + draw.normal(size=1_000)
    return X * [1.0, 100, 1, 1e4], y


def test_columns_that_are_not_scaled_get_a_rate_that_does_not_diverge_and_are_blamed() -> None:
    X, y = raw()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression("gradient-descent", scale=False).fit(X, y)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED, model.message_
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.ILL_CONDITIONED, "scale=True")


@pytest.mark.filterwarnings("ignore:the learning rate.* was found on 50 rows")
def test_a_stream_whose_columns_come_to_another_scale_finds_its_rate_anew() -> None:
    X, y = raw()
    X, y = X / [1.0, 100, 1, 1e4], y.copy()
    X[:50] *= 1e-3
    y = X @ [1.0, -2, 0, 3] + 5 + 0.1 * np.random.default_rng(1).normal(size=1_000)
    model = LinearRegression(batch_size=8)

    def three_passes() -> None:
        for i in [*range(0, 1_000, 50)] * 3:
            model.partial_fit(X[i : i + 50], y[i : i + 50])

    with pytest.warns(UserWarning, match="is found anew on these"):
        three_passes()
    assert model.score(X, y) > 0.99


def test_a_stream_whose_columns_come_to_another_scale_is_told_where_its_rate_was_given() -> None:
    draw, model = np.random.default_rng(0), LinearRegression(AdaGrad(0.3))
    X = draw.normal(size=(100, 3))
    model.partial_fit(X * 1e-3, X @ [1, 2, 3])
    with pytest.warns(UserWarning, match="what was learnt from those may be far off"):
        model.partial_fit(X, X @ [1, 2, 3])
    model.partial_fit(X, X @ [1, 2, 3])  # told once; warnings are errors here


def test_a_column_that_begins_to_vary_later_is_no_other_scale() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    X[:100, 2] = 7.0
    X[100:, 2] *= 1e-3
    model = LinearRegression(AdaGrad(0.3))
    for part in (X[:100], X[100:]):
        model.partial_fit(part, part[:, 0])  # warnings are errors here


def test_a_fit_ends_a_stream_and_its_scales() -> None:
    X, y = raw()
    model = LinearRegression(batch_size=8).partial_fit(X * 1e-3, y).fit(X, y)
    model.partial_fit(X, y)  # warnings are errors here


@pytest.mark.parametrize("method", [Adam(5.0), SignSGD(1.0)])
def test_early_stopping_that_is_noise_is_no_success(method: Any) -> None:
    X, y = raw()
    with pytest.warns(UserWarning, match="the training loss rose as well"):
        model = LinearRegression(method, batch_size=1, epochs=50, validation=0.2, patience=3).fit(X, y)
    assert model.outcome_ is Outcome.STALLED
    assert model.explain(X, y).cause is Cause.RATE_TOO_LARGE
    good = LinearRegression(batch_size=16, epochs=50, validation=0.2, patience=3).fit(X, y)
    assert good.outcome_ is Outcome.CONVERGED
    assert good.explain(X, y).cause is Cause.HEALTHY


def test_a_model_that_only_saw_a_stream_says_what_it_cannot_tell() -> None:
    X, y = raw()
    found = LinearRegression(batch_size=8).partial_fit(X, y).explain(X, y)
    assert (found.cause, "use fit" in found.cure) == (Cause.UNKNOWN, True)


def test_classes_of_a_later_call_must_be_those_of_the_first() -> None:
    X, y = raw()
    model = LogisticRegression().partial_fit(X, y > 5, classes=[False, True])
    network = MLPClassifier(hidden=4).partial_fit(X, y > 5, classes=[False, True])
    for classifier in (model, network):
        with pytest.raises(ValueError, match="are not those of the first call"):
            classifier.partial_fit(X, y > 5, classes=[1, 2, 3])
    with pytest.raises(ValueError, match="classes is for classifiers"):
        LinearRegression().partial_fit(X, y).partial_fit(X, y, classes=[1, 2])


def test_zero_counts_are_told_in_their_words() -> None:
    X, _ = raw()
    with pytest.warns(UserWarning, match="all targets are zero"):
        LinearRegression(loss="poisson").fit(X, np.zeros(len(X)))


# -- blocks -------------------------------------------------------------------------------------------------


def test_blocks_of_named_columns_keep_their_order() -> None:
    pd = pytest.importorskip("pandas")
    X, y = raw()
    table = pd.DataFrame(X, columns=[*"abcd"])
    model = LinearRegression().fit_blocks(lambda: iter([(table[:500], y[:500]), (table[500:], y[500:])]))
    assert [*model.feature_names_in_] == [*"abcd"]
    assert model.score(table, y) > 0.9
    other = table[[*"dcba"]]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(other)
    with pytest.raises(ValueError, match="feature names"):
        LinearRegression().fit_blocks(lambda: iter([(table[:500], y[:500]), (other[500:], y[500:])]))


@pytest.mark.parametrize("batch_size", [None, 8])
def test_blocks_that_are_used_up_after_one_pass_are_refused(batch_size: int | None) -> None:
    X, y = raw()
    used = iter([(X, y)])
    with pytest.raises(ValueError, match="1,000 rows the first time and 0 now"):
        LinearRegression(batch_size=batch_size).fit_blocks(lambda: used)


def test_blocks_that_make_no_sense_are_refused_and_empty_ones_skipped() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    X, y = raw()
    with pytest.raises(TypeError, match="must be a function"):
        LinearRegression().fit_blocks([(X, y)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dense blocks"):
        LinearRegression().fit_blocks(lambda: iter([(sparse.csr_matrix(X), y)]))
    model = LinearRegression().fit_blocks(lambda: iter([(X[:0], y[:0]), (X, y)]))
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-6)


def test_blocks_of_another_loss_are_gone_through_twice_for_two_epochs_unless_told_otherwise() -> None:
    X, y = raw()
    passes = 0

    def blocks() -> Any:
        nonlocal passes
        passes += 1
        yield X, y > 5

    model = LogisticRegression().fit_blocks(blocks)
    assert passes == 2  # one to look, one to put them in pieces
    assert model.n_iter_ == 2
    assert model.score(X, y > 5) > 0.85


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "quantile:0.9"])
@pytest.mark.parametrize("target", [7.3, -3.3, 0.0, 1e8])
def test_rounding_around_a_constant_target_is_no_divergence(loss: str, target: float) -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    for batch_size in (1, 8):
        model = LinearRegression(loss=loss, batch_size=batch_size).fit(X, np.full(200, target))
        np.testing.assert_allclose(model.predict(X), target, rtol=1e-6, atol=1e-12)
        assert model.outcome_ is Outcome.STEPS_EXHAUSTED


def test_targets_of_tiny_units_still_diverge() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        LinearRegression(GradientDescent(10.0), batch_size=8).fit(X, 1e-10 * X[:, 0])


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_the_rate_that_is_advised_after_a_divergence_does_not_diverge(loss: str) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 4))
    y = draw.poisson(np.exp(X @ [0.5, -0.5, 0.3, 0.2] + 3)).astype(float)
    with pytest.warns(ConvergenceWarning, match="below about") as told:
        LinearRegression(GradientDescent(10.0), loss=loss).fit(X, y)
    advised = float(str(told[0].message).split("below about ")[1].split()[0])
    model = LinearRegression(GradientDescent(advised), loss=loss).fit(X, y)
    assert model.outcome_ is Outcome.CONVERGED


@pytest.mark.parametrize("loss", [Huber(), Absolute(), Quantile(0.3)])
def test_the_best_constant_is_found_beside_an_outlier(loss: Any) -> None:
    y = np.append(np.arange(101.0), 1e15)
    q = 0.3 if isinstance(loss, Quantile) else 0.5
    assert loss.constant(y, np.ones(len(y))) == pytest.approx(np.quantile(y[:-1], q), abs=1.0)


def test_a_training_loss_that_rose_a_little_is_no_divergence() -> None:
    draw = np.random.default_rng(7)
    X, y = draw.normal(size=(400, 5)), draw.normal(size=400)
    with pytest.warns(ConvergenceWarning, match="Stalled|stalled"):
        model = LinearRegression(batch_size=16, validation=0.2, patience=3, epochs=50, seed=7).fit(X, y)
    assert model.outcome_ is Outcome.STALLED
    assert model.history_.loss[-1] > model.history_.loss[0]


@pytest.mark.parametrize("seed", [1, 3])
def test_what_a_step_would_still_better_by_a_billionth_is_no_stall(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X, z = draw.normal(size=(1_000, 3)), draw.normal(size=1_000)
    y = X @ [1, 2, 3] + 3 * z + 0.1 * draw.normal(size=1_000)
    model = LinearRegression(loss="huber", scale=False).fit(np.column_stack([X, X[:, 0] + 3e-3 * z]), y)
    assert model.outcome_ is Outcome.PRECISION_FLOOR
