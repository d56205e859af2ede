"""Stochastic, mini-batch and full gradient descent: one loop, three samplings."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import Adam, BarzilaiBorwein, GradientDescent, Outcome, minimize
from descend.descent.sampling import Sampling

draw = np.random.default_rng(0)
X = draw.normal(size=(23, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.3 + 0.1 * draw.normal(size=23)


def loss(w: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ w[:3] + w[3] - y) ** 2)


def by_hand(batch_size: int | None, epochs: int, seed: int, lr: float) -> tuple[np.ndarray, list[float]]:
    """The same descent in a loop of plain NumPy."""
    w, losses = np.zeros(4), []
    size = batch_size or len(X)
    sampling = Sampling(len(X), batch_size, seed)
    for epoch in range(epochs):
        order = np.arange(len(X)) if batch_size is None else sampling.order(epoch)
        for first in range(0, len(X), size):
            rows = order[first : first + size]
            x, y = np.c_[X[rows], np.ones(len(rows))], Y[rows]
            losses.append(float(np.mean((x @ w - y) ** 2)))
            w = w - lr * 2 / len(rows) * x.T @ (x @ w - y)
    return w, losses


@pytest.mark.parametrize("batch_size", [1, 5, 23, None])
@pytest.mark.parametrize("eager", [False, True])
def test_the_path_is_that_of_a_loop_by_hand(batch_size: int | None, eager: bool) -> None:
    def called(w: Any, x: Any, y: Any) -> Any:
        return float(loss(np.asarray(w, dtype=float), x, y)) if eager else loss(w, x, y)

    def grad(w: Any, x: Any, y: Any) -> Any:
        rows = np.c_[np.asarray(x), np.ones(len(y))]
        return 2 / len(y) * rows.T @ (rows @ w - y)

    run = minimize(
        called, np.zeros(4), GradientDescent(0.05), data=(X, Y), batch_size=batch_size, epochs=7, seed=3,
        grad=grad if eager else None, gtol=0,
    )  # fmt: skip
    w, losses = by_hand(batch_size, 7, 3, 0.05)
    np.testing.assert_allclose(run.x, w, rtol=1e-10)
    np.testing.assert_allclose(run.trace.f[:-1], losses, rtol=1e-10)
    assert run.fun == pytest.approx(loss(run.x, X, Y), rel=1e-12)


def test_the_last_short_batch_is_made_of_its_own_rows() -> None:
    """23 rows in batches of 5 end with 3; their gradient is the mean of three, not of five."""
    sampling = Sampling(23, 5, 0)
    assert (sampling.batches, sampling.short) == (5, 3)
    run = minimize(
        lambda w, x: np.mean(x) * w + 0 * w**2 + 1e3 * w**2,
        0.0,
        GradientDescent(1e-9),
        data=np.ones(23),
        batch_size=5,
        epochs=1,
    )
    np.testing.assert_allclose(run.trace.gradient_norm[:-1], 1.0, rtol=1e-5)


def test_the_trace_counts_steps_epochs_and_rows() -> None:
    run = minimize(loss, np.zeros(4), GradientDescent(0.05), data=(X, Y), batch_size=5, epochs=3)
    assert run.trace.step.tolist() == list(range(16))
    assert run.trace.rows_seen is not None
    assert run.trace.epoch is not None
    assert run.trace.rows_seen.tolist() == [0, 5, 10, 15, 20, 23, 28, 33, 38, 43, 46, 51, 56, 61, 66, 69]
    np.testing.assert_allclose(run.trace.epoch, run.trace.rows_seen / 23)
    assert {"epoch", "rows_seen"} <= set(run.to_pandas().columns)


def test_each_epoch_sees_every_row_once_in_a_new_order() -> None:
    sampling = Sampling(50, 7, 1)
    orders = [sampling.order(epoch) for epoch in range(4)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(orders[2], Sampling(50, 7, 1).order(2))
    assert not np.array_equal(orders[2], Sampling(50, 7, 2).order(2))


def test_the_seed_fixes_the_bits() -> None:
    runs = [minimize(loss, np.zeros(4), Adam(0.01), data=(X, Y), batch_size=4, epochs=40, seed=s) for s in (1, 1, 2)]
    assert np.array_equal(runs[0].x, runs[1].x)
    assert not np.array_equal(runs[0].x, runs[2].x)


def test_many_epochs_go_through_many_sets_of_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = minimize(loss, np.zeros(4), GradientDescent(0.05), data=(X, Y), batch_size=5, epochs=30)
    monkeypatch.setattr("descend.descent.sampling._MOST_PLACES", 50)
    pieces = minimize(loss, np.zeros(4), GradientDescent(0.05), data=(X, Y), batch_size=5, epochs=30)
    assert np.array_equal(whole.x, pieces.x)


def test_the_default_for_batches_learns() -> None:
    run = minimize(loss, np.zeros(4), data=(X, Y), batch_size=4, epochs=300)
    best = np.linalg.lstsq(np.c_[X, np.ones(23)], Y, rcond=None)[0]
    assert run.fun < 1.2 * loss(best, X, Y)
    assert run.outcome is Outcome.STEPS_EXHAUSTED
    full = minimize(loss, np.zeros(4), data=(X, Y))
    assert full.success
    np.testing.assert_allclose(full.x, best, rtol=1e-6)


def test_data_of_other_kinds() -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abc"))
    run = minimize(loss, np.zeros(4), data=(frame, pd.Series(Y)), batch_size=5, epochs=2)
    plain = minimize(loss, np.zeros(4), data=(X, Y), batch_size=5, epochs=2)
    assert np.array_equal(run.x, plain.x)
    one = minimize(lambda m, x: np.mean((x - m) ** 2), 0.0, data=[1.0, 2.0, 3.0])
    assert one.x == pytest.approx(2)
    labels = minimize(
        lambda w, x, k: jnp.mean(jnp.log(jnp.exp(w).sum()) - w[k]) + 0 * x.sum(), np.zeros(3),
        data=(X, np.arange(23) % 3), batch_size=6, epochs=2,
    )  # fmt: skip
    assert labels.trace.f[0] == pytest.approx(np.log(3))
    single = minimize(loss, np.zeros(4, np.float32), data=(X, Y), batch_size=5, epochs=2)
    assert single.x.dtype == np.float32


def test_divergence_of_a_sampled_run_is_named() -> None:
    run = minimize(loss, np.zeros(4), GradientDescent(5.0), data=(X, Y), batch_size=1, epochs=2)
    assert run.outcome is Outcome.DIVERGED
    assert np.isfinite(run.x).all()
    far = minimize(loss, np.zeros(4), GradientDescent(5.0), data=(X, Y), batch_size=1, epochs=200)
    assert far.outcome is Outcome.DIVERGED
    assert "is not finite" in far.message


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"data": (X, Y[:5])}, ValueError, "different numbers of rows: 23, 5"),
        ({"data": (X[:0], Y[:0])}, ValueError, "data has no rows"),
        ({"data": (np.where(X > 1, np.nan, X), Y)}, ValueError, "data holds nan at"),
        ({"data": (np.array([["a"] * 3] * 23), Y)}, TypeError, "data must be numbers"),
        ({"data": (X, 3.0)}, ValueError, "data must have rows"),
        ({"data": 3.0}, ValueError, "data must have rows"),
        ({"data": (X, Y), "batch_size": 0}, ValueError, "batch_size must be a whole number >= 1"),
        (
            {"data": (X, Y), "batch_size": 24},
            ValueError,
            "batch_size is 24, but the data has 23 rows; None takes all",
        ),
        ({"data": (X, Y), "epochs": 0}, ValueError, "epochs must be a whole number >= 1"),
        ({"data": (X, Y), "epochs": 2, "steps": 3}, ValueError, "give steps or epochs, not both"),
        (
            {"data": (X, Y), "batch_size": 2, "method": GradientDescent(BarzilaiBorwein())},
            ValueError,
            "or all rows at each step",
        ),
    ],
)
def test_bad_data(kwargs: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        minimize(loss, np.zeros(4), **kwargs)
    assert says in str(caught.value)
