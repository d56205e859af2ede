"""Curvature, limits of stability, gradient checks, stationary points and rates, where the answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend import (
    QHM,
    AdaBelief,
    AdaGrad,
    Adam,
    AdaMax,
    AMSGrad,
    ClipNorm,
    GradientDescent,
    Lion,
    Momentum,
    Nadam,
    Nesterov,
    Prodigy,
    RMSProp,
    SignSGD,
    minimize,
)
from descend.insight import (
    Cause,
    check_gradient,
    convergence_factor,
    critical_points,
    curvature,
    edge_along,
    edge_of_stability,
    find_lr,
    stability_limit,
)
from descend.insight.stability import preconditioner

pytestmark = pytest.mark.usefixtures("time_enough")

# -- curvature ----------------------------------------------------------------------------------------------


@given(st.integers(1, 32), st.integers(0, 100))
def test_of_few_variables_the_eigenvalues_are_exact(n: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    A = draw.normal(size=(n, n))
    A = A + A.T
    found = curvature(lambda x: 0.5 * x @ A @ x, draw.normal(size=n))
    values = np.linalg.eigvalsh(A)
    assert found.is_exact
    assert found.largest == pytest.approx(values[-1], rel=1e-9, abs=1e-9)
    assert found.smallest == pytest.approx(values[0], rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(A @ found.of_largest, values[-1] * found.of_largest, atol=1e-8 * n)


@pytest.mark.parametrize("n", [200, 10_000, 1_000_000])
def test_of_many_the_largest_is_within_a_percent_in_few_products(n: int) -> None:
    bends = np.concatenate([np.geomspace(1e-3, 5, n - 3), [20, 50, 100.0]])
    found = curvature(lambda x: 0.5 * np.sum(bends * x**2) + np.sum(x) / n, np.zeros(n))
    assert found.largest == pytest.approx(100, rel=0.01)
    assert found.products < 30
    assert not found.is_exact


def test_a_dense_spectrum_too() -> None:
    draw = np.random.default_rng(0)
    A = draw.normal(size=(400, 300)) / 20
    found = curvature(lambda x: 0.5 * np.sum((A @ x) ** 2), np.zeros(300))
    assert found.largest == pytest.approx(np.linalg.norm(A, 2) ** 2, rel=0.01)
    assert found.products < 30


def test_what_can_only_be_called_is_differenced_and_a_maximum_bends_down() -> None:
    eager = minimize(lambda x: math.cos(x), 0.3, steps=0)
    assert not eager.problem.is_traced
    found = curvature(eager)
    assert found.largest == pytest.approx(-math.cos(0.3), rel=1e-5)
    assert found.condition == np.inf
    with pytest.raises(ValueError, match="second derivatives are not finite"):
        curvature("x^1.5", 0.0)


# -- limits of stability ------------------------------------------------------------------------------------


@given(st.floats(0, 0.99), st.floats(1e-3, 1e4))
def test_limits_are_those_of_theory(mu: float, largest: float) -> None:
    assert stability_limit(GradientDescent(), largest) == pytest.approx(2 / largest, rel=1e-6)
    assert stability_limit(Momentum(mu=mu), largest) == pytest.approx(2 * (1 + mu) / largest, rel=1e-5)
    assert stability_limit(Nesterov(mu=mu), largest) == pytest.approx(2 * (1 + mu) / ((1 + 2 * mu) * largest), rel=1e-5)


@pytest.mark.parametrize("method", [GradientDescent(), Momentum(mu=0.8), Nesterov(mu=0.5), QHM(beta=0.7, nu=0.4)])
def test_a_run_agrees_with_the_limit(method: Any) -> None:
    limit = stability_limit(method, 6.0)
    for share, goes_wrong in ((0.98, False), (1.02, True)):
        numbers = {name: getattr(method, name) for name in method.names()} | {"lr": share * limit}
        run = minimize("3*x^2", 1.0, type(method)(**numbers), steps=2_000, gtol=0.0, ftol=0.0, xtol=0.0)
        assert (run.fun > 3) == goes_wrong


def test_the_factor_is_that_of_the_run_and_unknown_limits_are_nan() -> None:
    run = minimize("x^2", 1.0, Momentum(0.05, mu=0.6), steps=200, gtol=0.0, xtol=0.0, ftol=0.0)
    far = np.log(np.abs(run.trace.f[100]) / np.abs(run.trace.f[40])) / 2 / 60
    assert np.exp(far) == pytest.approx(convergence_factor(Momentum(mu=0.6), 0.05, 2.0), rel=0.02)
    assert np.isnan(stability_limit(Adam(), 1.0))
    assert np.isnan(stability_limit(GradientDescent(), -1.0))
    with pytest.raises(ValueError, match="Adam is not linear"):
        convergence_factor(Adam(), 0.1, 1.0)


# -- the edge of adaptive methods ----------------------------------------------------------------------------


@given(st.floats(0, 0.97))
def test_the_edge_of_adam_is_that_of_theory(beta1: float) -> None:
    assert edge_of_stability(Adam(beta1=beta1)) == pytest.approx((2 + 2 * beta1) / (1 - beta1), rel=1e-6)
    assert edge_of_stability(Momentum(mu=beta1)) == pytest.approx(2 * (1 + beta1), rel=1e-5)


def test_edges_of_the_others() -> None:
    for method, edge in ((RMSProp(), 2), (AdaGrad(), 2), (AMSGrad(), 38), (AdaMax(), 38), (AdaBelief(), 38)):
        assert edge_of_stability(method) == pytest.approx(edge, rel=1e-3)
    for unknown in (Lion(), SignSGD(), Prodigy(), ClipNorm(Adam(), 1.0)):
        assert np.isnan(edge_of_stability(unknown))


@pytest.mark.parametrize("share", [0.97, 1.03])
@pytest.mark.parametrize("kind", [Adam, RMSProp, Nadam, AdaMax])
def test_the_edge_is_sharp_while_the_preconditioner_hardly_changes(kind: Any, share: float) -> None:
    slow = {"rho" if kind is RMSProp else "beta2": 1 - 1e-5}
    method = kind(**slow)
    seen = tuple(np.array([0.0 if slot == "m" else 4.0]) for slot in kind.slots)
    state = method.init(np.zeros(1))._replace(t=np.int32(2**30), slots=seen)
    divisor = preconditioner(method, state)
    assert divisor is not None
    stepped = kind(lr=share * edge_of_stability(method) * float(divisor[0]) / 3.0, **slow)
    x, sizes = np.array([1e-6]), []
    for _ in range(400):
        change, state = stepped.update(3.0 * x, state, x)
        x = x + change
        sizes.append(abs(float(x[0])))
    assert (max(sizes) > 1e-3) == (share > 1)  # there the method comes to see larger gradients, and divides by more


def test_rmsprop_comes_to_rest_at_its_edge_and_explain_says_so() -> None:
    run = minimize("ill-conditioned", [100.0, 1.0], RMSProp(0.05), steps=3_000, gtol=0)
    found = edge_along(run, [0, len(run.trace) - 1])
    assert found.is_adaptive
    assert found.product[-1] == pytest.approx(2, rel=1e-3)
    told = run.explain()
    assert told.cause is Cause.OSCILLATING
    assert told.evidence["limit of stability"] == pytest.approx(2)
    assert "CONVERGED" in told.seen


def test_the_edge_along_plain_descent_is_the_curvature() -> None:
    run = minimize("rosenbrock", None, GradientDescent(1e-3), steps=50)
    found = edge_along(run, [0, 50])
    assert not found.is_adaptive
    assert found.product[0] == pytest.approx(1e-3 * curvature("rosenbrock", [-1.2, 1.0]).largest)
    assert found.product[1] == pytest.approx(1e-3 * curvature(run).largest)


# -- gradients ----------------------------------------------------------------------------------------------


def cost(x: Any) -> Any:
    return np.sum(x**3) + np.prod(np.cos(x))


def slope(x: Any) -> Any:
    return 3 * x**2 - np.prod(np.cos(x)) * np.tan(x)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_right_gradient_is_called_right_and_one_wrong_coordinate_is_named(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=40).astype(kind)
    assert check_gradient(cost, slope, x).is_right
    for place, factor in ((7, 1.05), (33, -1.0)):
        factors = np.ones(40)
        factors[place] = factor
        found = check_gradient(cost, lambda x, f=factors: f.astype(kind) * slope(x), x)
        assert [w.name for w in found.wrong] == [f"x[{place}]"]
        assert found.wrong[0].right == pytest.approx(slope(x.astype(float))[place], rel=1e-9)
        assert f"x[{place}]: given" in str(found)


def test_without_tracing_differences_judge() -> None:
    def called(x: Any) -> float:
        return math.sin(x[0]) * math.exp(x[1])

    def right(x: Any) -> Any:
        return np.array([math.cos(x[0]) * math.exp(x[1]), math.sin(x[0]) * math.exp(x[1])])

    assert check_gradient("x^2", lambda x: 2 * x, 3.0).is_right
    found = check_gradient(called, right, [0.5, 2.0])
    assert found.is_right
    assert "differences" in str(found)
    assert [w.name for w in check_gradient(called, lambda x: right(x) * [1, 1.001], [0.5, 2.0]).wrong] == ["x[1]"]


def test_pytrees_data_and_many_arguments() -> None:
    tree = {"w": np.ones(3), "b": np.float64(2.0)}
    X = np.arange(6.0).reshape(2, 3)

    def fun(p: Any, X: Any) -> Any:
        return ((X @ p["w"] + p["b"]) ** 2).sum()

    def grad(p: Any, X: Any) -> Any:
        r = 2 * (X @ p["w"] + p["b"])
        return {"w": X.T @ r, "b": 2 * r.sum()}

    assert [w.name for w in check_gradient(fun, grad, tree, data=(X,)).wrong] == ["x['b']"]
    assert check_gradient(lambda x, y: x * y**2, lambda x, y: [y**2, 2 * x * y], [2.0, 3.0]).is_right
    with pytest.raises(ValueError, match=r"shape \(2,\), x has shape \(3,\)"):
        check_gradient(cost, lambda x: x[:2], [1.0, 2.0, 3.0])
    assert not check_gradient(cost, lambda x: np.full(3, np.nan), [1.0, 2.0, 3.0]).is_right


# -- stationary points --------------------------------------------------------------------------------------


def test_himmelblau_has_four_minima_four_saddles_and_a_maximum() -> None:
    found = critical_points("himmelblau", [(-5, 5), (-5, 5)])
    assert [point.kind for point in found].count("minimum") == 4
    assert [point.kind for point in found].count("saddle") == 4
    assert [point.kind for point in found].count("maximum") == 1
    assert found[0].fun == pytest.approx(0, abs=1e-12)
    assert sorted(point.fun for point in found) == [point.fun for point in found]


def test_the_articles_curve_has_two_valleys_and_a_hill() -> None:
    found = critical_points("sin(x) + 0.1*x^2", [(-4, 6)])
    assert [(p.kind, round(float(p.x[0]), 3)) for p in found] == [
        ("minimum", -1.306),
        ("minimum", 3.837),
        ("maximum", 1.977),
    ]
    with pytest.raises(ValueError, match="low < high"):
        critical_points("x^2", [(1, 1)])


# -- rates --------------------------------------------------------------------------------------------------

PROBLEMS: list[Any] = [
    ("rosenbrock", None, GradientDescent()),
    ("rosenbrock", None, Adam()),
    ("beale", None, Momentum(mu=0.9)),
    ("ill-conditioned", [100.0, 1.0], GradientDescent()),
    ("x^2 + y^2", [5.0, 5.0], GradientDescent()),
]


@pytest.mark.parametrize(("objective", "x0", "method"), PROBLEMS)
def test_the_rate_that_is_found_is_nearly_the_best_of_a_grid_at_a_twentieth_of_its_cost(
    objective: Any, x0: Any, method: Any
) -> None:
    from descend import sweep

    found = find_lr(objective, x0, method, steps=1_000)
    assert found.cost < 0.05
    numbers = {name: getattr(method, name) for name in method.names()}
    grid = sweep(objective, x0, type(method)(**{**numbers, "lr": np.geomspace(1e-6, 10, 100)}), steps=1_000, rows=2)
    best = np.nanmin(np.where(grid.has_diverged, np.inf, grid.fun))
    assert found.run is not None
    assert found.fun <= max(1.5 * best, 1e-8 * found.run.trace.f[0])  # or both are there


def test_find_lr_says_what_makes_no_sense() -> None:
    with pytest.raises(TypeError, match="must be a Method"):
        find_lr("x^2", 5.0, lambda g: g)
    with pytest.raises(ValueError, match="no rate from"):
        find_lr("x^2", 0.0)
    assert "limit of stability is 1 at the start" in str(find_lr("x^2", 5.0))


def test_at_a_kink_any_slope_between_the_sides_is_right() -> None:
    def kinks(x: Any) -> Any:
        return np.sum(np.abs(x)) + np.sum(np.maximum(x, 0))

    at = np.array([0.0, 2.0, -1.0])
    for between in (-1.0, 0.0, 0.5, 2.0):
        assert check_gradient(kinks, lambda x, s=between: np.where(x == 0, s, np.sign(x) + (x > 0)), at).is_right
    for outside in (-1.2, 2.2):
        found = check_gradient(kinks, lambda x, s=outside: np.where(x == 0, s, np.sign(x) + (x > 0)), at)
        assert [wrong.name for wrong in found.wrong] == ["x[0]"]
    assert not check_gradient(lambda x: x**2, lambda x: 2 * x + 1e-3, 0.0).is_right  # smooth: the sides come together
    assert not check_gradient(lambda x: 1e6 * x**2, lambda x: 2e6 * x + 0.5, 0.0).is_right  # however much it bends
    for x in (np.array([0.1, 0.3]) + 1e-17, np.array([0.1, 0.3], np.float32)):  # in a minimum all is rounding
        assert check_gradient(
            lambda p: np.sum((p - [0.1, 0.3]) ** 4 + (p - [0.1, 0.3]) ** 2),
            lambda p: 4 * (p - [0.1, 0.3]) ** 3 + 2 * (p - np.array([0.1, 0.3])),
            x,
        ).is_right
