"""Runs that a long step has thrown on to flat ground, and costs that fall far before they rise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import Adam, GradientDescent, Outcome, WeightDecay, minimize
from descend.insight import Cause

pytestmark = pytest.mark.usefixtures("time_enough")

_TIMES, _CHANNELS, _INPUTS = np.linspace(0.1, 5, 30), np.linspace(0, 5, 60), np.linspace(0, 1, 20)
_PEAK = np.exp(-((_CHANNELS - 2.5) ** 2) / 0.5)
_HOT = np.linspace(1, 2, 20)


def morse(x: Any) -> Any:
    return (1 - jnp.exp(-1.5 * (x[0] - 1.2))) ** 2


THROWN: dict[str, tuple[Any, Any, float, int]] = {
    "the inner wall of Morse's potential": (morse, [-1.5], 0.1, 500),
    "the same in float32": (morse, np.array([-1.0], np.float32), 0.3, 500),
    "Beer and Lambert's law": (
        lambda k: jnp.mean((jnp.exp(-k[0] * _TIMES) - np.exp(-0.5 * _TIMES)) ** 2),
        [-1.0],
        3.0,
        100,
    ),
    "the height and centre of a peak": (
        lambda p: jnp.sum((p[0] * jnp.exp(-((_CHANNELS - p[1]) ** 2) / 0.5) - _PEAK) ** 2),
        [30.0, 2.1],
        0.2,
        500,
    ),
    "a neuron of ReLU": (
        lambda p: jnp.mean((jax.nn.relu(p[0] * _INPUTS + p[1]) - _INPUTS) ** 2),
        [3.0, 2.0],
        1.6,
        100,
    ),
    "an exponential of float32": (
        lambda w: jnp.sum((jnp.exp(10 * w) - 1) ** 2),
        np.array([2.0], np.float32),
        2e-18,
        500,
    ),
    "a saturated square": (lambda x: (1 - jnp.exp(-x[0])) ** 2, [-3.0], 0.1, 500),
}


@pytest.mark.parametrize("name", THROWN)
def test_who_is_thrown_on_to_flat_ground_has_not_converged(name: str) -> None:
    function, x0, lr, steps = THROWN[name]
    run = minimize(function, x0, GradientDescent(lr), steps=steps)
    assert run.outcome is Outcome.STALLED
    assert "a plateau, on to which a long step has led" in run.message
    found = run.explain()
    assert found.cause is Cause.RATE_TOO_LARGE
    assert found.cure


@pytest.mark.parametrize("method", [None, GradientDescent(0.01)], ids=["default", "gradient descent"])
def test_above_the_known_minimum_of_a_landscape_nothing_is_called_well(method: Any) -> None:
    found = minimize("ackley", [3.0, 2.0], method).explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert found.evidence["lowest cost that is known"] == 0.0


_X = np.random.default_rng(1).normal(size=(300, 4))
_Y = (np.random.default_rng(2).random(300) < 1 / (1 + np.exp(-_X @ [1.0, -2.0, 0.5, 0.0]))) * 1.0


@pytest.mark.parametrize(("size", "cause"), [(30.0, Cause.LOCAL_MINIMUM), (300.0, Cause.PLATEAU)])
def test_what_is_saturated_is_led_to_a_start_nearer_to_zero(size: float, cause: Cause) -> None:
    run = minimize(lambda w: jnp.mean((jax.nn.sigmoid(_X @ w) - _Y) ** 2), np.full(4, size))
    found = run.explain()
    assert found.cause is cause
    assert "0.133366 (CONVERGED)" in found.seen


def test_what_stands_still_but_for_its_last_digit_does_not_circle() -> None:
    A = np.random.default_rng(1).normal(size=(300, 4))
    method = WeightDecay(GradientDescent(0.1), decay=1e-3)
    run = minimize(lambda w: jnp.mean((A @ w - A @ [1.0, -2.0, 0.5, 0.0]) ** 2), np.zeros(4), method, steps=3_000)
    assert run.outcome is Outcome.STALLED
    assert "circles" not in run.message


def test_a_saturated_neuron_is_on_no_saddle() -> None:
    run = minimize(lambda w: (jax.nn.sigmoid(w[0]) - 0.2) ** 2, [400.0], GradientDescent(5.0), steps=50)
    assert run.explain().cause is Cause.PLATEAU


def test_a_smaller_rate_is_advised_that_gets_there_in_as_many_steps() -> None:
    run = minimize(lambda p: jnp.sum((p - 1) ** 2), [2.0, 3.0], Adam(100.0), steps=60)
    found = run.explain()
    assert (run.outcome, found.cause) == (Outcome.DIVERGED, Cause.RATE_TOO_LARGE)
    lr = float(found.cure.removeprefix("lr="))
    assert found.seen.startswith("60 steps end at cost")
    assert minimize(lambda p: jnp.sum((p - 1) ** 2), [2.0, 3.0], Adam(lr), steps=60).fun < 0.01


@pytest.mark.parametrize(("x0", "lr"), [(-5.0, 20.0), (0.9, 0.2)])
def test_a_flat_minimum_is_one(x0: float, lr: float) -> None:
    run = minimize(lambda x: jax.nn.relu(1 - x[0]), [x0], GradientDescent(lr), steps=100)
    assert (run.outcome, run.fun) == (Outcome.CONVERGED, 0.0)


FAR: dict[str, tuple[Any, Any, float]] = {
    "a square of an exponential": (lambda x: (jnp.exp(x[0]) - 1) ** 2, [12.0], 1e-13),
    "log cosh": (lambda x: jnp.log(jnp.cosh(x[0] / 1_000)) * 1_000, [5e5], 1.0),
    "Arrhenius' law": (
        lambda p: jnp.mean((jnp.exp(p[0] - p[1] * _HOT) - np.exp(1 - 2 * _HOT)) ** 2),
        [10.0, -3.0],
        1e-15,
    ),
    "growth": (lambda k: jnp.mean((jnp.exp(k[0] * _CHANNELS) - np.exp(0.5 * _CHANNELS)) ** 2), [6.0], 1e-27),
}


@pytest.mark.parametrize("name", FAR)
def test_a_cost_with_a_minimum_between_two_looks_has_a_bound(name: str) -> None:
    function, x0, lr = FAR[name]
    assert minimize(function, x0, GradientDescent(lr), steps=200).explain().cause is Cause.RATE_TOO_SMALL
