"""What theory guarantees on a quadratic: never broken, reached, and refused where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import Adam, Cosine, GradientDescent, Momentum, Nesterov, landscape, minimize
from descend.insight import guarantee
from descend.stepsizes import Chebyshev


def quadratic(curvatures: Any, seed: int = 0) -> Any:
    n = len(curvatures)
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    H = Q @ np.diag(curvatures) @ Q.T
    b = np.random.default_rng(seed + 1).normal(size=n)
    return lambda x: x @ H @ x / 2 - b @ x + 3


def test_the_bound_of_gradient_descent_is_that_of_the_textbook() -> None:
    run = minimize("ill-conditioned", [100.0, 1.0], GradientDescent(0.015), steps=100)
    found = guarantee(run)
    assert [found.smallest, found.largest] == pytest.approx([1.0, 100.0])
    factor = max(abs(1 - 0.015 * 1), abs(1 - 0.015 * 100))
    np.testing.assert_allclose(found.bound, found.measured[0] * factor ** (2.0 * found.step), rtol=1e-9)


@pytest.mark.parametrize(
    "method",
    [
        GradientDescent(0.015),
        GradientDescent.optimal(100.0, 1.0),
        Momentum.optimal(100.0, 1.0),
        Nesterov.optimal(100.0, 1.0),
        GradientDescent(Cosine(0.019, steps=60)),
        GradientDescent(Chebyshev(100.0, 1.0, steps=32)),
        GradientDescent(0.0205),  # diverges
    ],
    ids=repr,
)
def test_no_run_exceeds_it_and_the_worst_one_reaches_it(method: Any) -> None:
    for seed in range(4):
        found = guarantee(minimize(quadratic(np.geomspace(1, 100, 7), seed), np.ones(7), method, steps=60))
        counts = found.measured > 1e-11 * found.measured[0]  # else rounding is measured
        assert (found.measured[counts] <= found.bound[counts] * (1 + 1e-6)).all()
        assert (np.diff(found.step) > 0).all()
        assert len(found.step) == len(found.bound)
    # All of the cost is at the curvature at which the method is slowest or fastest apart.
    alone = [guarantee(minimize(quadratic([1.0, 100.0]), start, method, steps=60)) for start in np.eye(2) * 1e4]
    assert max((f.measured / f.bound)[f.step <= 5].max() for f in alone) == pytest.approx(1, abs=1e-3)


def test_it_holds_for_float32_and_for_ascent() -> None:
    run = minimize(lambda x: x @ x, np.ones(3, np.float32), GradientDescent(0.1), steps=20)
    found = guarantee(run)
    np.testing.assert_allclose(found.bound, 3 * 0.8 ** (2.0 * found.step), rtol=1e-5)
    climbed = guarantee(minimize("5 - x^2", 1.0, GradientDescent(0.1), steps=20, maximize=True))
    np.testing.assert_allclose(climbed.measured, climbed.bound, rtol=1e-9)


@pytest.mark.parametrize(
    ("objective", "start", "method", "says"),
    [
        ("rosenbrock", None, GradientDescent(1e-4), "no quadratic"),
        ("x^4", 1.0, GradientDescent(0.01), "no quadratic"),
        ("(x + y)^2", [1.0, 2.0], GradientDescent(0.01), "no single minimum"),
        ("x^2", 1.0, Adam(0.1), "Adam is no linear map"),
        ("x^2", 1.0, None, "BarzilaiBorwein are not known beforehand"),
    ],
)
def test_where_nothing_is_guaranteed_it_says_why(objective: Any, start: Any, method: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        guarantee(minimize(objective, start, method, steps=20))


def test_a_run_far_gone_is_measured_from_the_same_minimum() -> None:
    objective = quadratic(np.geomspace(1, 100, 5))
    near, far = (guarantee(minimize(objective, np.ones(5), GradientDescent(lr), steps=5_000)) for lr in (0.01, 0.1))
    assert far.measured[-1] > 1e100
    assert far.measured[0] == pytest.approx(near.measured[0], rel=1e-12)
    assert (far.measured <= far.bound * (1 + 1e-6)).all()


def test_a_curvature_too_rough_to_tell_is_not_called_another() -> None:
    def called(x: Any) -> float:
        return float(x[0]) ** 2 + 5 * float(x[1]) ** 2 - float(x[0])

    run = minimize(called, np.array([3.0, 2.0]), GradientDescent(0.05), steps=30)
    assert guarantee(run).largest == pytest.approx(10, rel=1e-5)
    with pytest.raises(ValueError, match="or too rough: of a function that can only be called, take float64"):
        guarantee(minimize(called, np.array([3.0, 2.0], np.float32), GradientDescent(0.05), steps=30))


def test_batches_and_many_variables_are_refused() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    run = minimize(
        lambda w, X: ((X @ w) ** 2).mean(), np.ones(2), GradientDescent(0.1), data=(X,), batch_size=4, epochs=2
    )
    with pytest.raises(ValueError, match="saw batches"):
        guarantee(run)
    with pytest.raises(ValueError, match="at most 500 variables, got 501"):
        guarantee(minimize(lambda x: x @ x, np.ones(501), GradientDescent(0.1), steps=2))


def test_its_picture_shows_both() -> None:
    ax = guarantee(minimize("ill-conditioned", [100.0, 1.0], Momentum.optimal(100.0, 1.0), steps=50)).plot()
    assert [line.get_label() for line in ax.get_lines()] == ["never above, between μ = 1 and L = 100", "this run"]
    assert ax.get_yscale() == "log"


@pytest.mark.parametrize("lr", [0.5, 2.0, 4.0, 5.2, Cosine(4.0, steps=60)])
def test_on_a_landscape_of_known_curvature_the_theorem_holds(lr: Any) -> None:
    known = landscape("logistic")
    run = minimize(known, None, GradientDescent(lr), steps=60, gtol=0, xtol=0, ftol=0)
    found = guarantee(run)
    assert (found.largest, found.smallest) == (known.L, known.mu)
    assert (found.measured <= found.bound * (1 + 1e-9) + 1e-12).all()
    if lr == 4.0:  # not idle: of the digits that are won half are promised
        assert np.log(found.bound[20] / found.bound[0]) < 0.4 * np.log(found.measured[20] / found.measured[0])
    with pytest.raises(ValueError, match="no quadratic"):
        guarantee(minimize(known, None, GradientDescent(0.1), steps=5, maximize=True))
    with pytest.raises(ValueError, match="for GradientDescent alone"):
        guarantee(minimize(known, None, Momentum(0.1), steps=5))
