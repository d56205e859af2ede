"""Rows that strangers brought: those without a weight, without an end, of bytes, of another loss; and models read back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from descend import (
    Adam,
    LinearClassifier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Outcome,
    fit_table,
    train,
)
from descend.data import DataError
from descend.data.images import mnist
from descend.models.checkpoint import CheckpointError
from descend.models.losses import Poisson
from descend.models.pictures import are_of_mnist

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.3, 1000.0])
@pytest.mark.parametrize("made", [np.asarray, scipy.sparse.csr_matrix])
def test_a_column_that_varies_in_rows_without_a_weight_alone_is_constant(constant: float, made: Any) -> None:
    X, y, weights = draw().normal(size=(100, 3)), draw(1).normal(size=100), np.r_[np.ones(50), np.zeros(50)]
    X[:50, 0] = constant
    whole = LinearRegression().fit(made(X), y, sample_weight=weights)
    part = LinearRegression().fit(made(X[:50]), y[:50])
    np.testing.assert_allclose(whole.coef_, part.coef_, atol=1e-9)
    y[:50] = 3.0
    MLPRegressor(Adam(0.01), epochs=1).fit(X, y, sample_weight=weights)


def test_weights_that_leave_one_class_are_told() -> None:
    X = draw().normal(size=(100, 2))
    y = X[:, 0] > 0
    with pytest.warns(ConvergenceWarning, match="all rows that count, by their weights, are of one class"):
        LogisticRegression(l2=1.0).fit(X, y, sample_weight=y.astype(float))


# -- without an end -------------------------------------------------------------------------------------------------


def marked(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which a column marks some."""
    mark = np.r_[np.zeros(50), np.ones(20)]
    return np.c_[draw(seed).normal(size=70), mark], mark


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("made", [np.asarray, scipy.sparse.csr_matrix])
def test_a_column_that_marks_rows_of_one_class_has_no_best_coefficient(seed: int, scale: bool, made: Any) -> None:
    X, mark = marked(seed)
    y = np.where(mark == 1, True, draw(seed + 9).random(70) > 0.5)
    with pytest.warns(ConvergenceWarning, match="falls for ever along column 1: the rows that it marks"):
        assert LogisticRegression(l2=0, scale=scale).fit(made(X), y).outcome_ is Outcome.DIVERGED
    assert LogisticRegression(l2=1e-3, scale=scale).fit(made(X), y).outcome_ is Outcome.CONVERGED
    y[mark == 1] = draw(seed).random(20) > 0.2
    assert LogisticRegression(l2=0, scale=scale).fit(made(X), y).outcome_ is Outcome.CONVERGED


def test_a_column_that_marks_rows_without_events_has_no_best_coefficient() -> None:
    X, mark = marked(0)
    counts = np.where(mark == 1, 0, draw().poisson(3, 70)).astype(float)
    with pytest.warns(ConvergenceWarning, match="along column 1"):
        assert LinearRegression(loss="poisson").fit(X, counts).outcome_ is Outcome.DIVERGED
    counts[-1] = 1
    assert LinearRegression(loss="poisson").fit(X, counts).outcome_ is Outcome.CONVERGED


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_other_columns_tell_do_not_hide_one_without_an_end(seed: int) -> None:
    X, y = draw(seed).normal(size=(400, 2)), np.zeros(400, bool)
    y = X[:, 0] + 0.4 * draw(seed + 1).normal(size=400) > 0
    mark = draw(seed + 2).random(400) < 0.05
    with pytest.warns(ConvergenceWarning, match="along column 2"):
        LogisticRegression(l2=0).fit(np.c_[X, mark], y | mark)
    contrary = (y | mark) & (np.arange(400) != np.flatnonzero(mark)[0])
    assert LogisticRegression(l2=0).fit(np.c_[X, mark], contrary).outcome_ is Outcome.CONVERGED


def test_of_one_hot_columns_the_one_that_marks_is_named() -> None:
    which = draw().integers(0, 3, 300)
    y = np.where(which == 2, True, draw(1).random(300) > 0.4)
    with pytest.warns(ConvergenceWarning, match="along column 2: "):
        LogisticRegression(l2=0).fit(np.eye(3)[which], y)


def test_columns_that_repeat_others_have_an_end() -> None:
    X = draw().normal(size=(300, 3))
    y = draw(1).random(300) < 1 / (1 + np.exp(-8 * X[:, 0]))  # some rows are told nearly for certain
    assert LogisticRegression(l2=0).fit(np.c_[X, X[:, :1]], y).outcome_ is Outcome.CONVERGED


def test_columns_of_far_different_scale_do_not_end_at_the_precision_of_the_numbers() -> None:
    X = draw(1).normal(size=(500, 3))
    with pytest.warns(ConvergenceWarning, match=r"x\[0\] alone .* scale=True"):
        model = LinearRegression(scale=False).fit(X * [1e-6, 1, 1e6], X.sum(axis=1))
    assert model.outcome_ is Outcome.STALLED
    assert LinearRegression().fit(X * [1e-6, 1, 1e6], X.sum(axis=1)).score(X * [1e-6, 1, 1e6], X.sum(axis=1)) > 1 - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_an_exact_minimum_is_none_the_less_one_for_being_flat(seed: int) -> None:
    X = draw(seed).normal(size=((6, 20, 100)[seed % 3], 3))
    assert LinearClassifier(loss="hinge", l2=0).fit(X, X[:, 0] > 0).outcome_ is Outcome.CONVERGED
    for loss in ("absolute", "quantile:0.9"):  # the penalty leaves nothing but the intercept
        held = LinearRegression(loss=loss, l1=2.0).fit(X, X[:, 0])
        assert held.outcome_ is Outcome.CONVERGED
        assert not held.coef_.any()


@pytest.mark.parametrize(("loss", "far"), [("squared", 1e8), ("huber", 1e7), ("absolute", 1e7), ("quantile:0.9", 1e6)])
def test_targets_far_from_zero_are_learnt_from_features_in_float32(loss: str, far: float) -> None:
    X = draw().normal(size=(600, 2))
    y = far + X @ [2.0, 1.0]
    model = LinearRegression(loss=loss).fit(X.astype(np.float32), y)
    np.testing.assert_allclose(model.coef_, [2.0, 1.0], rtol=2e-3)


@pytest.mark.parametrize("model", [LogisticRegression(warm_start=True), LinearRegression(l1=1e-2, warm_start=True)])
def test_a_warm_start_on_other_units_ends_where_a_cold_one_does(model: Any) -> None:
    X = draw().normal(size=(300, 2))
    y: Any = X @ [2.0, 1.0] + draw(1).normal(size=300)
    y = y > 0 if hasattr(model, "class_weight") else y
    model.fit(X, y).fit(X * [1e-4, 1], y)
    cold = clone(model).fit(X * [1e-4, 1], y)
    np.testing.assert_allclose(model.coef_, cold.coef_, rtol=1e-5)


def test_a_warm_start_on_rows_of_another_spread_begins_with_the_coefficients_there_are() -> None:
    X = draw().normal(size=(300, 2))
    model = LinearRegression(warm_start=True).fit(X, X @ [2.0, 1.0] + 3)
    others = 3 * X + 5
    assert model.fit(others, others @ [2.0, 1.0] + 3).n_iter_ == 1
    np.testing.assert_allclose(model.coef_, [2.0, 1.0])


# -- what is learnt ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.5, 2.718, 1e3, 1e6])
def test_large_counts_are_learnt_though_their_loss_has_another_zero(mean: float) -> None:
    X = draw().normal(size=(3000, 2))
    y = draw(1).poisson(mean * np.exp(0.3 * X[:, 0])).astype(float)
    model = LinearRegression(Adam(0.01), loss="poisson", batch_size=32, epochs=5).fit(X, y)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED, model.message_


def test_the_floor_of_counts_is_the_cost_of_their_own_logarithm() -> None:
    y = np.array([0.0, 1.0, 7.0])
    p = np.linspace(-30, 5, 100_001)
    lowest = [Poisson().values(p, np.full(len(p), count)).min() for count in y]
    np.testing.assert_allclose(Poisson().floor(y), lowest, atol=1e-7)


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_the_unit_of_one_target_does_not_decide_what_of_another_is_learnt(unit: float) -> None:
    X = draw().normal(size=(400, 3))
    Y = np.c_[unit * draw(1).normal(size=400), X.sum(axis=1)]
    model = MLPRegressor(Adam(0.01), hidden=8, epochs=5).fit(X, Y)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED
    assert model.history_.loss[0] < 10


@pytest.mark.parametrize("kind", ["uint8", "int8", "float64"])
def test_bytes_of_a_table_are_numbers_like_others(kind: str) -> None:
    a, b = draw().integers(0, 4, (2, 800))
    table = pd.get_dummies(pd.DataFrame({"a": a, "b": b}).astype(str), dtype=kind)
    model = MLPClassifier(Adam(0.01), hidden=16, epochs=30).fit(table, a == b)
    assert model.score(table, a == b) == 1.0


# -- images -----------------------------------------------------------------------------------------------------------


def test_images_of_another_shape_are_refused() -> None:
    X, y = load_digits(return_X_y=True)
    images = (15 * X).reshape(-1, 8, 8)[:, :, 1:7].astype(np.uint8)
    model = MLPClassifier(Adam(0.01), hidden=8, epochs=2).fit(images, y)
    for call in (model.predict, lambda turned: model.partial_fit(turned, y)):
        with pytest.raises(ValueError, match="images of 8 × 6 pixels, got some of 6 × 8"):
            call(images.transpose(0, 2, 1))
    with pytest.raises(TypeError, match="give images of uint8, got int64"):
        model.predict(images.astype(np.int64))
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(images[:0])


@pytest.mark.skipif(not MNIST.exists(), reason="the files of MNIST are not there")
def test_own_images_are_not_taken_for_those_of_mnist() -> None:
    images = mnist(MNIST).X_test[:400]
    small = np.zeros_like(images)
    small[:, 7:21, 7:21] = images[:, ::2, ::2]
    for others in (np.concatenate([images, small]), np.concatenate([images, images // 3]), 255 - images):
        assert not are_of_mnist(others.reshape(len(others), -1), (28, 28))
    assert are_of_mnist(images.reshape(len(images), -1), (28, 28))


# -- read back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LogisticRegression, MLPClassifier])
@pytest.mark.parametrize("options", [{}, {"validation": 0.1, "patience": 3}])
def test_the_rate_that_was_found_is_kept(tmp_path: Path, kind: Any, options: dict[str, Any]) -> None:
    X = draw().normal(size=(2000, 3))
    y = (X.sum(axis=1) + draw(1).normal(size=2000)) > 0
    model = kind("adam", batch_size=32, epochs=5, class_weight={False: 1, True: 2}, **options).fit(X, y)
    model.save(tmp_path / "model")
    again = kind.load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    assert again.classes_.dtype == model.classes_.dtype
    for one in (model, again):
        before, rate = one.score(X, y), one.rate_
        one.partial_fit(X[:1], y[:1])
        assert one.rate_ == rate
        assert one.score(X, y) > before - 0.03
    assert model.set_params(method="momentum").partial_fit(X, y).rate_ != rate


def test_a_pickle_in_float64_goes_on_with_the_same_bits() -> None:
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(Adam(0.01), hidden=8, epochs=2, dtype="float64", warm_start=True).fit(X, y)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), again.fit(X, y).predict_proba(X))


def test_a_checkpoint_of_another_loss_is_refused(tmp_path: Path) -> None:
    X = draw().normal(size=(200, 3)).astype(np.float32)
    y = X.sum(axis=1)

    def loss(shift: float) -> Any:
        return lambda w, X, y: ((X @ w + shift - y) ** 2).mean()

    given = (np.zeros(3, np.float32), (X, y), Adam(0.1))
    train(loss(0.0), *given, epochs=2, checkpoint=tmp_path / "c")
    with pytest.raises(CheckpointError, match="of another loss or model"):
        train(loss(1.0), *given, epochs=4, checkpoint=tmp_path / "c", resume=True)
    assert train(loss(0.0), *given, epochs=4, checkpoint=tmp_path / "c", resume=True).success


# -- what cannot be read ----------------------------------------------------------------------------------------------


def test_data_of_train_may_be_pytrees_in_a_tuple() -> None:
    X = draw().normal(size=(60, 2)).astype(np.float32)

    def loss(w: Any, part: Any) -> Any:
        first, second = part.values() if isinstance(part, dict) else part
        return ((first @ w - second[:, 0]) ** 2).mean()

    for data in (({"x": X, "y": X},), ((X, X[:, :1]),)):
        assert train(loss, np.zeros(2, np.float32), data, Adam(0.1), epochs=1).success
    with pytest.raises(ValueError, match="data has no rows"):
        train(loss, np.zeros(2, np.float32), ({"x": X[:0], "y": X[:0]},), Adam(0.1), epochs=1)


def test_whole_numbers_that_are_rounded_are_told() -> None:
    ids = np.arange(64) + 2**40
    with pytest.warns(UserWarning, match="whole numbers up to 1099511627839, too long for the 32 bits"):
        train(lambda w, i: jnp.mean(w * i), np.float32(0), (ids,), Adam(0.1), epochs=1)


def test_there_is_nothing_to_draw_after_partial_fit() -> None:
    X = draw().normal(size=(60, 2))
    with pytest.raises(ValueError, match="no losses to draw"):
        MLPClassifier(Adam(0.1), hidden=4).partial_fit(X, X[:, 0] > 0).history_.plot()


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ((np.ones((10, 3)), np.ones(10)), "block 2 has 3 columns, those before have 5"),
        ((np.ones((10, 5)), np.ones(9)), "block 2 has 10 rows of features and 9 targets"),
        ((np.ones((10, 5)), np.ones(10), np.ones(10)), "got 3 parts as block 2"),
        (np.ones((10, 5)), "got a ndarray as block 2"),
    ],
)
def test_a_wrong_block_is_named(second: Any, says: str) -> None:
    first = draw().normal(size=(10, 5))
    with pytest.raises(ValueError, match=says):
        LinearRegression().fit_blocks(lambda: iter([(first, first[:, 0]), second]))


def test_numbers_of_thousands_of_values_are_no_classes(tmp_path: Path) -> None:
    pd.DataFrame({"a": draw().normal(size=3000), "price": np.arange(3000)}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="different numbers, each of which would be a class: take linear"):
        fit_table(tmp_path / "t.csv", "price", model="logistic")


@pytest.mark.parametrize("kind", [LogisticRegression, MLPClassifier])
@pytest.mark.parametrize(
    ("classes", "error", "told"),
    [
        (["a", None, "b", "a", None, "a"], ValueError, "the class of row 1 is missing, and of 1 more"),
        (["a", "b", np.nan, "a", "b", "a"], ValueError, "the class of row 2 is missing: leave such rows out"),
        (["a", "b", pd.NA, "a", "b", "a"], ValueError, "the class of row 2 is missing: leave such rows out"),
        (["a", 1, "b", "a", "b", "a"], TypeError, "the classes are text and others, 'a' and 1: give all as text"),
    ],
)
def test_classes_that_are_missing_or_mixed_are_named(kind: Any, classes: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        kind().fit(draw().normal(size=(6, 2)), np.array(classes, object))
