"""Each experiment of the article in a line or two, with its numbers (computed here as the article does)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import AdaGrad, GradientDescent, Momentum, minimize, plots


def cost_function(x: Any) -> Any:
    return x**2 + 5 * x + 10


def gradient(x: Any) -> Any:
    return 2 * x + 5


def multivariable_cost(x: Any, y: Any) -> Any:
    return x**2 + y**2


def squared_error(w: Any, x: Any, y: Any) -> Any:
    """Half the mean squared error, whose gradient is the article's mean of error·x."""
    return np.mean((w[0] * x + w[1] - y) ** 2) / 2


DATA = ([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])


def test_cost_and_gradient_plots() -> None:
    assert plots.cost_curve(cost_function).get_title() == "cost_function"
    assert plots.gradient_curve(cost_function).get_title() == "Gradient of cost_function"


def test_basic_gradient_descent() -> None:
    x = 5.0
    for _ in range(20):
        x = x - 0.1 * gradient(x)
    run = minimize(cost_function, 5, GradientDescent(lr=0.1), steps=20)
    assert run.x == pytest.approx(x, rel=1e-14)
    assert f"{run.x:.4f}" == "-2.4135"


def test_learning_rates() -> None:
    runs = [minimize(cost_function, 5, GradientDescent(lr), steps=50, gtol=0) for lr in (0.01, 0.1, 0.5)]
    assert [f"{run.x:.4f}" for run in runs] == ["0.2313", "-2.4999", "-2.5000"]
    assert plots.rates(runs).get_title() == "Effect of the learning rate"


def test_stochastic_gradient_descent() -> None:
    run = minimize(squared_error, [0, 0], GradientDescent(0.01), data=DATA, batch_size=1, steps=1000)
    assert run.x == pytest.approx([2, 0], abs=0.12)
    assert run.fun < 1e-3


def test_mini_batch_gradient_descent() -> None:
    run = minimize(squared_error, [0, 0], GradientDescent(0.01), data=DATA, batch_size=2, steps=1000)
    assert run.x == pytest.approx([2, 0], abs=0.12)
    assert run.fun < 1e-3


def test_momentum() -> None:
    x, velocity = 5.0, 0.0
    for _ in range(20):
        velocity = 0.9 * velocity - 0.1 * gradient(x)
        x = x + velocity
    run = minimize(cost_function, 5, Momentum(lr=0.1, mu=0.9), steps=20)
    assert run.x == pytest.approx(x, rel=1e-12)
    assert f"{run.x:.4f}" == "-5.1194"


def test_adagrad() -> None:
    x, total = 5.0, 0.0
    for _ in range(20):
        total += gradient(x) ** 2
        x = x - 1 / (np.sqrt(total) + 1e-8) * gradient(x)
    run = minimize(cost_function, 5, AdaGrad(lr=1), steps=20)
    assert run.x == pytest.approx(x, rel=1e-12)
    assert f"{run.x:.4f}" == "-0.6919"


def test_several_variables() -> None:
    run = minimize(multivariable_cost, [5, 5], GradientDescent(0.1), steps=20)
    assert [f"{v:.4f}" for v in run.x] == ["0.0576", "0.0576"]


def test_contour_plot_with_the_path() -> None:
    run = minimize(multivariable_cost, [8, 8], GradientDescent(0.1), steps=50)
    assert run.plot().get_xlabel() == "x"
    assert run.trace.x is not None
    np.testing.assert_allclose(run.trace.x, 8 * 0.8 ** np.arange(51)[:, None] * np.ones(2), rtol=1e-12)


def test_linear_regression() -> None:
    np.random.seed(0)  # noqa: NPY002 - the article's own data
    X = 2 * np.random.rand(100, 1)  # noqa: NPY002
    y = 4 + 3 * X + np.random.randn(100, 1)  # noqa: NPY002
    theta = np.random.randn(2, 1)  # noqa: NPY002
    X_b = np.c_[np.ones((100, 1)), X]
    expected = theta
    for _ in range(1000):
        expected = expected - 0.01 * (2 / 100 * X_b.T.dot(X_b.dot(expected) - y))
    run = minimize(lambda t, x, z: np.mean((x @ t - z) ** 2), theta, GradientDescent(0.01), data=(X_b, y), steps=1000)
    np.testing.assert_allclose(run.x, expected, rtol=1e-10)
    assert [f"{v:.4f}" for v in run.x.ravel()] == ["4.2061", "2.9827"]


def test_the_hard_part_local_minima() -> None:
    ends = [minimize("sin(x) + 0.1*x^2", start).x for start in (5, -3)]
    assert ends == pytest.approx([3.8374671065, -1.3064400084])
