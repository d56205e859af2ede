"""Products within a training stay in their thread: on a busy machine those of BLAS wait for each other."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_info

from descend.models import costs
from descend.models.costs import Scaling, SoftmaxCost
from descend.models.rows import rows_of
from descend.models.threads import threads, without_threads_of_blas


def _threads_of_blas() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_products_stay_in_the_thread_that_asks_for_them() -> None:
    before = _threads_of_blas()
    with without_threads_of_blas():
        assert set(_threads_of_blas()) == {1}
        assert set(threads().submit(_threads_of_blas).result()) == {1}
    assert _threads_of_blas() == before


def test_the_cost_of_several_classes_is_that_of_all_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = load_digits(return_X_y=True)
    rows = rows_of(X, y.astype(float))
    scaling = Scaling(X.mean(axis=0), np.full(64, 0.1), intercept=True, kind=np.float64)
    w = np.random.default_rng(0).normal(size=(10, 65)) * 0.1
    whole = SoftmaxCost(rows, scaling, 0.01, 10)
    value, grad = whole(w), whole.grad(w)
    for most in (0, costs._KEPT):
        monkeypatch.setattr(costs, "_KEPT", most)
        monkeypatch.setattr(costs, "_FEWEST", 500)
        parted = SoftmaxCost(rows, scaling, 0.01, 10)
        for _ in range(2):
            np.testing.assert_allclose(parted(w + 0.0), value, rtol=1e-13)
            np.testing.assert_allclose(parted.grad(w), grad, rtol=1e-10, atol=1e-15)
            assert (parted._kept is None) == (most == 0)
            parted._found = None
