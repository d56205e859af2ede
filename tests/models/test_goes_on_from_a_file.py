"""A model that was saved and loaded trains on as the one that never left memory does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_iris

from descend.methods import AdaGrad, Adam, Averaged, FTRLProximal, GradientDescent, Momentum, ScheduleFree
from descend.models import LinearRegression, LogisticRegression, MLPClassifier
from descend.models.estimator import Estimator
from descend.models.files import load_file, save_file
from descend.stepsizes import InverseTime, Warmup

METHODS = [
    AdaGrad(0.1), Adam(0.05), Momentum(0.01), GradientDescent(InverseTime(0.1, decay=0.1)), FTRLProximal(0.1),
    ScheduleFree(GradientDescent(0.1)), Averaged(Adam(0.01)), "adam", None,
]  # fmt: skip


def rows(seed: int, *, sparse: bool = False) -> tuple[Any, np.ndarray]:
    draw = np.random.default_rng(seed)
    X = draw.normal(2.0, 3.0, (300, 6))
    if sparse:
        X = scipy.sparse.csr_array(X * (draw.random(X.shape) < 0.3))
    return X, X @ np.arange(6.0) + draw.normal(size=300)


def again(model: Any, path: Path) -> Any:
    return type(model).load(model.save(path))


def is_same(one: Estimator, other: Any, X: Any) -> None:
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    weights = getattr(one, "coef_", None)
    if weights is not None:
        np.testing.assert_array_equal(weights, other.coef_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_stream_goes_on(method: Any, batch_size: int, tmp_path: Path) -> None:
    has_average = isinstance(method, Averaged | ScheduleFree)
    model = LinearRegression(method, batch_size=batch_size, l2=1e-3, scale=not has_average).partial_fit(*rows(0))
    other = again(again(model, tmp_path / "a"), tmp_path / "b")
    for seed in (1, 2):
        is_same(model.partial_fit(*rows(seed)), other.partial_fit(*rows(seed)), rows(3)[0])
    begun = LinearRegression(method, batch_size=batch_size, l2=1e-3, scale=not has_average).partial_fit(*rows(0))
    begun._forget_steps()
    if method != GradientDescent(0.1):
        assert (begun.partial_fit(*rows(1)).partial_fit(*rows(2)).coef_ != model.coef_).any()


@pytest.mark.parametrize("method", [AdaGrad(0.1), FTRLProximal(0.1), "adagrad"])
def test_a_stream_of_sparse_rows_goes_on(method: Any, tmp_path: Path) -> None:
    model = LinearRegression(method, batch_size=1, l2=1e-2, l1=1e-3).partial_fit(*rows(0, sparse=True))
    other = again(model, tmp_path / "a")
    few = tuple(part[:20] for part in rows(1, sparse=True))  # by themselves they would tell other counts of the columns
    is_same(model.partial_fit(*few), other.partial_fit(*few), rows(3, sparse=True)[0])


@pytest.mark.parametrize("method", [*METHODS[:4], *METHODS[5:]])
@pytest.mark.parametrize("kind", [LogisticRegression, MLPClassifier])
def test_a_warm_start_goes_on(kind: Any, method: Any, tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    more = {"hidden": 5, "dropout": 0.1} if kind is MLPClassifier else {}
    model = kind(method, batch_size=10, epochs=2, warm_start=True, **more).fit(X, y)
    other = again(model, tmp_path / "a")
    is_same(model.fit(X, y), other.fit(X, y), X)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    np.testing.assert_array_equal(model.history_.steps, other.history_.steps)


def test_a_network_learns_on_from_blocks(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier(Adam(Warmup(0.01, steps=50)), hidden=5).partial_fit(X, y)
    other = again(model, tmp_path / "a")
    for half in (slice(0, None, 2), slice(1, None, 2)):
        model.partial_fit(X[half], y[half])
        other.partial_fit(X[half], y[half])
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_the_scale_with_which_a_stream_began_is_kept(tmp_path: Path) -> None:
    X, y = rows(0)
    other = again(LinearRegression(AdaGrad(0.1), batch_size=1).partial_fit(X, y), tmp_path / "a")
    with pytest.warns(UserWarning, match="columns have come to another scale"):
        other.partial_fit(1e3 * X, y)


def test_where_the_file_knows_other_things_of_the_method_it_begins_and_says_so(tmp_path: Path) -> None:
    model = LinearRegression(AdaGrad(0.1), batch_size=1).partial_fit(*rows(0))
    arrays, header = load_file(model.save(tmp_path / "a"), "linear model")
    del arrays["trainer.powers"]
    other = LinearRegression.load(save_file(tmp_path / "b", "linear model", arrays, header))
    with pytest.warns(UserWarning, match="trained in another way: the method begins"):
        other.partial_fit(*rows(1))
    begun = LinearRegression(AdaGrad(0.1), batch_size=1).partial_fit(*rows(0))
    begun._forget_steps()
    is_same(begun.partial_fit(*rows(1)), other, rows(3)[0])
