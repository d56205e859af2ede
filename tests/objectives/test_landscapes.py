"""Named landscapes: every minimum is one, every constant is right, every gradient is exact."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from descend import Landscape, landscape, minimize
from descend.objectives import LANDSCAPES
from descend.objectives.differences import central_differences
from descend.objectives.function import prepare
from descend.objectives.landscapes import ANY_DIMENSION, ill_conditioned
from descend.objectives.parameters import as_parameters

ALL = [landscape(name) for name in LANDSCAPES] + [landscape(name, n=5) for name in ANY_DIMENSION]
each = pytest.mark.parametrize("found", ALL, ids=lambda found: f"{found.name}-{found.n}")


def inside(found: Landscape, count: int, seed: int = 0) -> np.ndarray:
    low, high = np.array(found.domain, dtype=float).T
    points: np.ndarray = low + (high - low) * np.random.default_rng(seed).random((count, found.n))
    return points if isinstance(found.start, tuple) else points[:, 0]


@each
def test_every_minimum_has_the_lowest_value(found: Landscape) -> None:
    for minimum in found.minima:
        x = np.asarray(minimum, dtype=float)
        value = float(found(x))
        assert value == pytest.approx(found.fmin, rel=1e-13, abs=1e-13)
        for scale in (1e-3, 1e-1, 1.0):
            near = x + scale * np.random.default_rng(1).normal(size=(200, *x.shape))
            assert min(float(found(p)) for p in near) >= value - 1e-12
    lowest = min(float(found(p)) for p in inside(found, 2_000))
    assert lowest >= found.fmin - 1e-12


@each
def test_every_minimum_is_stationary(found: Landscape) -> None:
    if found.name == "ackley":  # pointed at its bottom
        return
    for minimum in found.minima:
        x = as_parameters(minimum if isinstance(minimum, float) else list(minimum))
        _, grad = prepare(found, x, written_in_words=True).value_and_grad(x)
        np.testing.assert_allclose(grad, 0, atol=1e-12 * max(1.0, 1e3))


def test_himmelblau_and_the_camel_list_all_their_minima() -> None:
    for name, count in (("himmelblau", 4), ("six-hump-camel", 2)):
        found = landscape(name)
        ends = [minimize(found, p) for p in inside(found, 60)]
        lowest = {tuple(np.round(run.x, 5)) for run in ends if run.fun < found.fmin + 1e-9}
        assert lowest == {tuple(np.round(m, 5)) for m in found.minima}
        assert len(found.minima) == count


@each
def test_gradients_equal_central_differences(found: Landscape) -> None:
    for x in inside(found, 5, seed=3):
        x = as_parameters(x)
        _, grad = prepare(found, x, written_in_words=True).value_and_grad(x)
        rough = central_differences(lambda p: float(found(p)), x)
        scale = max(1.0, float(np.abs(rough).max()), abs(float(found(x))))
        np.testing.assert_allclose(grad, rough, rtol=1e-6, atol=1e-8 * scale)


@each
def test_curvatures_lie_between_mu_and_L(found: Landscape) -> None:
    if found.L is None:
        return
    largest, smallest = -np.inf, np.inf
    for x in [*inside(found, 40), *(np.asarray(m, dtype=float) for m in found.minima)]:
        hessian = np.atleast_2d(_hessian(found, np.asarray(x)))
        eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        largest, smallest = (
            max(largest, float(np.abs(eigenvalues).max())),
            min(smallest, float(eigenvalues[0])),
        )
    assert largest <= found.L * (1 + 1e-5)
    if found.mu is not None:
        assert smallest >= found.mu * (1 - 1e-5)
    if found.name not in {"logistic", "rastrigin", "waves"}:  # where the bound is taken at a known point
        assert largest == pytest.approx(found.L, rel=1e-4)


def _hessian(found: Landscape, x: np.ndarray) -> np.ndarray:
    problem = prepare(found, as_parameters(x), written_in_words=True)
    flat = np.atleast_1d(x)
    rows = []
    for i in range(flat.size):
        h = np.zeros_like(flat)
        h[i] = 1e-5
        ahead = problem.value_and_grad((flat + h).reshape(x.shape))[1]
        behind = problem.value_and_grad((flat - h).reshape(x.shape))[1]
        rows.append(np.ravel(ahead - behind) / 2e-5)
    return np.array(rows)


@each
def test_the_printed_formula_is_the_function(found: Landscape) -> None:
    if found.n > 2:
        return
    import sympy

    expression = found.expression()
    names = [sympy.Symbol(name, real=True) for name in ("x", "y")[: found.n]]
    for x in inside(found, 3, seed=5):
        value = float(expression.subs(dict(zip(names, np.atleast_1d(x), strict=True))))
        assert value == pytest.approx(float(found(x)), rel=1e-10)
    assert found.latex()
    assert found.source


def test_the_issue_asks_for_these() -> None:
    asked = "parabola bowl waves rosenbrock beale himmelblau booth matyas rastrigin ackley styblinski-tang goldstein-price six-hump-camel three-hump-camel levy griewank zakharov monkey-saddle saddle ill-conditioned logistic plateau"
    assert set(asked.split()) == set(LANDSCAPES)


@pytest.mark.parametrize("given", [*map(landscape, LANDSCAPES), landscape("ill-conditioned", 5, 37.0)])
def test_a_pickled_landscape_is_the_same(given: Landscape) -> None:
    again = pickle.loads(pickle.dumps(given))  # noqa: S301 - our own
    assert (again.name, again.n, again.kappa, again.start) == (given.name, given.n, given.kappa, given.start)
    beside = np.asarray(given.start) + 0.1
    assert again(beside) == given(beside)


def test_names_and_dimensions() -> None:
    assert landscape("Rosenbrock", n=7).n == 7
    assert landscape("six hump camel").name == "six-hump-camel"
    assert landscape("ill-conditioned", n=4, kappa=1e6).L == 1e6
    with pytest.raises(ValueError, match=r"unknown landscape 'rosenbork'.*Did you mean 'rosenbrock'"):
        landscape("rosenbork")
    with pytest.raises(ValueError, match="booth has 2 variables, got a start of 3 numbers"):
        landscape("booth", n=3)
    with pytest.raises(ValueError, match="at least 2 variables"):
        landscape("rosenbrock", n=1)
    with pytest.raises(ValueError, match="kappa must be >= 1"):
        ill_conditioned(2, 0.5)
    with pytest.raises(ValueError, match=r"booth takes 2 numbers, the point has shape \(3,\)"):
        landscape("booth")(np.ones(3))


def test_a_landscape_has_its_own_start_and_takes_the_dimension_of_another() -> None:
    assert minimize("booth").success
    assert minimize("rosenbrock", [-1.2, 1.0, -1.2, 1.0]).x.shape == (4,)
    assert minimize(landscape("bowl"), [1.0, 2.0]).success
