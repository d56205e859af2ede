"""Runs whose tolerances are switched off, so that they go on where nothing is left to win; and very many variables."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import Adam, GradientDescent, Outcome, minimize

OFF: dict[str, Any] = {"gtol": 0, "xtol": 0, "ftol": 0}
MANY = 100_000


@pytest.mark.parametrize("method", [None, Adam(0.01), GradientDescent(0.01)])
def test_a_run_that_rests_in_the_minimum_is_not_carried_off(method: Any) -> None:
    curvature = np.linspace(1, 50, 300)
    run = minimize(lambda x: jnp.sum(curvature * (x - 1) ** 2), np.zeros(300), method, steps=3_000, **OFF)
    assert run.outcome is not Outcome.DIVERGED
    assert run.fun < 1e-12


def test_of_very_many_variables_a_few_are_looked_along() -> None:
    """A matrix of one direction for each of them would not fit in memory."""
    resting = minimize(lambda x: jnp.sum((x - 1) ** 2), np.zeros(MANY), GradientDescent(0.5), steps=5, **OFF)
    assert resting.outcome is Outcome.CONVERGED
    stepped = minimize(lambda x: jnp.sum(jnp.floor(x) ** 2), np.full(MANY, 3.5), GradientDescent(0.1), steps=5)
    assert stepped.outcome is Outcome.STALLED
