"""What is compiled is found again by what was traced."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import GradientDescent, minimize, train
from descend.objectives import tracing


def times(factor: float) -> Any:
    return tracing.compiled(lambda x, y: jnp.sum(factor * x) + y)


def test_two_functions_of_one_program_are_compiled_once_and_another_is_another() -> None:
    x = np.arange(7, dtype=np.float32)
    assert float(times(2.0)(x, np.float32(1))) == 43.0
    made = set(tracing._made)
    assert float(times(2.0)(x + 1, np.float32(1))) == 57.0
    assert set(tracing._made) == made
    assert float(times(3.0)(x, np.float32(1))) == 64.0
    assert len(set(tracing._made) - made) == 1


X, COLUMN = np.arange(12.0).reshape(6, 2), np.arange(6.0)[:, None]


@pytest.mark.parametrize(
    "cost",
    [
        lambda t: np.mean((X @ t - COLUMN) ** 2),
        lambda t: np.mean((COLUMN - X @ t) ** 2),
        lambda t: jnp.mean(jnp.abs(X @ t - COLUMN) + jnp.sum(t**2)),
        lambda t: np.mean((X @ t[:, None] - COLUMN[:, 0]) ** 2),
    ],
)
def test_a_column_against_a_row_is_told(cost: Any) -> None:
    with pytest.warns(UserWarning, match=r"shape \(6,\) and of shape \(6, 1\), and makes \(6, 6\) of them"):
        minimize(cost, np.zeros(2), steps=2)


def test_it_is_told_of_batches_and_of_trained_models() -> None:
    def cost(t: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ t - y) ** 2)

    for size, run in (
        (6, lambda: minimize(cost, np.zeros(2), data=(X, COLUMN), steps=2)),
        (6, lambda: minimize(cost, np.zeros(2), GradientDescent(0.01), data=(X, COLUMN), batch_size=3, steps=2)),
        (3, lambda: train(cost, np.zeros(2), (X, COLUMN), GradientDescent(0.001), batch_size=3, epochs=1)),
    ):
        with pytest.warns(UserWarning, match=rf"makes \({size}, {size}\) of them"):
            run()


@pytest.mark.parametrize(
    "cost",
    [
        lambda t: np.mean((X @ t - COLUMN.ravel()) ** 2),
        lambda t: np.mean(((X @ t)[:, None] - COLUMN) ** 2),
        lambda t: np.sum((t[:, None] - t[None, :] - 1) ** 2) + t @ t,
        lambda t: np.sum((t.reshape(-1, 1) * t) ** 2) + t @ t,
        lambda t: np.sum(np.exp(-((COLUMN - COLUMN.T) ** 2)) @ X @ t) + t @ t,
        lambda t: np.sum(np.outer(t, t)) + t @ t,
        lambda t: np.sum((t[0] * COLUMN - (t[0] * COLUMN).T) ** 2) + t @ t,
    ],
)
def test_what_is_meant_is_not_told(cost: Any) -> None:
    minimize(cost, np.ones(2), steps=2)  # warnings are errors


def test_the_power_of_other_languages_is_explained() -> None:
    with pytest.raises(TypeError, match=r"write x\*\*2"):
        minimize(lambda x: x ^ 2, 5.0)
