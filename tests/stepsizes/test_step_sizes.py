"""Step sizes: each with each method, and what is known of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import (
    Adam,
    AdGD,
    AdGD2,
    Armijo,
    BarzilaiBorwein,
    Chebyshev,
    DoG,
    DoWG,
    GradientDescent,
    Hypergradient,
    InverseLipschitz,
    Momentum,
    Polyak,
    PolyakEstimated,
    ShortBarzilaiBorwein,
    Silver,
    SilverStronglyConvex,
    StepSize,
    StrongWolfe,
    minimize,
)
from descend import stepsizes as package
from descend.methods import catalogue
from descend.stepsizes import Asks

L, MU = 10.0, 1.0


def example(kind: type[StepSize]) -> StepSize:
    if kind is package.Joined:
        return package.Joined((package.Warmup(0.05, 10), package.Cosine(0.05, 40)), at=(10,))
    given: dict[str, Any] = {"L": L, "mu": MU, "steps": 16, "every": 20, "lr": 0.05}
    return kind(**{name: given[name] for name in kind.names() if name in given})


KINDS = [
    kind
    for kind in vars(package).values()
    if isinstance(kind, type) and issubclass(kind, StepSize) and kind not in {StepSize, package.Schedule}
]
METHODS = [m for m in catalogue().values() if m.__module__.startswith("descend.") and "lr" in m.names()]


def valley(x: Any) -> Any:
    return 0.5 * (MU * x[0] ** 2 + L * x[1] ** 2)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_runs_with_gradient_descent_compiled_and_in_plain_python_alike(kind: type[StepSize], dtype: str) -> None:
    method, x0 = GradientDescent(example(kind)), np.array([3.0, 2.0], dtype)

    def only_called(x: Any) -> Any:
        return valley([float(x[0]), float(x[1])])

    compiled = minimize(valley, x0, method, steps=12, gtol=0)
    eager = minimize(only_called, x0, method, steps=12, gtol=0, grad=lambda x: np.array([MU, L], dtype) * x)
    assert compiled.x.dtype == eager.x.dtype == np.dtype(dtype)
    assert compiled.fun < valley(x0)
    rtol = 1e-9 if dtype == "float64" else 2e-2
    np.testing.assert_allclose(compiled.trace.lr[1:6], eager.trace.lr[1:6], rtol=rtol)
    np.testing.assert_allclose(compiled.trace.x[:6], eager.trace.x[:6], rtol=rtol, atol=1e-5)  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_pair_runs_or_is_refused_with_the_reason(kind: type[StepSize], method: Any) -> None:
    if not method.fits(kind.asks):
        with pytest.raises(ValueError, match=f"{kind.__name__} is for .*, which {method.__name__} is not"):
            method(lr=example(kind))
        return
    rule = method(lr=example(kind))
    state, x = rule.init(np.array([3.0, 2.0])), np.array([3.0, 2.0])
    for _ in range(3):
        g = np.array([MU, L]) * x
        change, state = rule.update(
            g, state, x, value=valley(x), value_fn=valley, grad_fn=lambda p: np.array([MU, L]) * p
        )
        assert np.isfinite(change).all()
        x = x + change


def test_which_methods_fit_is_found_by_trying() -> None:
    fits = {asks: {m.__name__ for m in METHODS if m.fits(asks)} for asks in Asks}
    assert fits[Asks.GRADIENT] == {"GradientDescent"}
    assert fits[Asks.ANY] == {m.__name__ for m in METHODS}
    assert {"Adam", "AdaGrad", "SignSGD"} <= fits[Asks.PROPORTIONAL]
    assert not {"Momentum", "Nesterov", "FTRLProximal", "Prodigy"} & fits[Asks.PROPORTIONAL]


@pytest.mark.parametrize("kind", [k for k in KINDS if k.compares], ids=lambda kind: kind.__name__)
def test_what_compares_steps_is_refused_with_batches(kind: type[StepSize]) -> None:
    with pytest.raises(ValueError, match="which batches make incomparable"):
        minimize(
            lambda w, X: np.mean((X @ w) ** 2), np.ones(2), GradientDescent(example(kind)), data=np.eye(2), batch_size=1
        )


@pytest.mark.parametrize(
    "stepsize",
    [Armijo(), StrongWolfe(), BarzilaiBorwein(), ShortBarzilaiBorwein(), Polyak(), PolyakEstimated(), AdGD(), AdGD2(),
     InverseLipschitz(), SilverStronglyConvex(L, MU), Chebyshev(L, MU), DoWG()],
    ids=repr,
)  # fmt: skip
def test_those_that_need_no_tuning_converge_on_a_valley(stepsize: StepSize) -> None:
    run = minimize(valley, [3.0, 2.0], GradientDescent(stepsize), steps=400)
    assert run.success, run.message
    np.testing.assert_allclose(run.x, 0, atol=1e-7)


def test_armijo_meets_its_condition_at_every_step() -> None:
    run = minimize("rosenbrock", None, GradientDescent(Armijo(sufficient=0.3)), steps=200)
    f, lr, size = run.trace.f, run.trace.lr, run.trace.gradient_norm
    assert (f[1:] <= f[:-1] - 0.3 * lr[1:] * size[:-1] ** 2 * (1 - 1e-9)).all()


def test_strong_wolfe_meets_both_conditions_at_every_step() -> None:
    run = minimize("rosenbrock", None, GradientDescent(StrongWolfe(flatness=0.5)), steps=100)
    x, f, lr = run.trace.x, run.trace.f, run.trace.lr
    assert x is not None
    g = np.array([run.problem.value_and_grad(p)[1] for p in x])
    slope = -(g[:-1] ** 2).sum(axis=1)
    after = -(g[1:] * g[:-1]).sum(axis=1)
    assert (f[1:] <= f[:-1] + 1e-4 * lr[1:] * slope).all()
    assert (np.abs(after) <= 0.5 * np.abs(slope) * (1 + 1e-9)).all()
    assert (lr[1:] > 0).all()


def test_barzilai_borwein_takes_the_two_secant_rates() -> None:
    s, y = np.array([1.0, 2.0]), np.array([3.0, 1.0])
    curvature = float(s @ y)
    assert BarzilaiBorwein()._secant(s, y, curvature) == pytest.approx(5 / 5)
    assert ShortBarzilaiBorwein()._secant(s, y, curvature) == pytest.approx(5 / 10)


def test_polyak_steps_half_way_on_a_parabola() -> None:
    """(f - f*)/|g|² = (x²/2)/x² = 1/2 for f = x²/2: each step halves x."""
    run = minimize("x^2/2 + 7", 8.0, GradientDescent(Polyak(fmin=7.0)), steps=5, gtol=0)
    np.testing.assert_allclose(run.trace.x[:, 0], 8.0 * 0.5 ** np.arange(6))  # type: ignore[index]


def test_polyak_converges_at_the_kink_of_an_absolute_value() -> None:
    assert minimize("abs(x) + abs(y)", [3.0, -1.0], GradientDescent(Polyak()), steps=100, gtol=0).fun < 1e-9


def test_adgd_finds_the_curvature_in_one_step() -> None:
    """On a parabola of curvature 4 the second rate is 1/(2·4), or 1/(√2·4); the first is short."""
    for stepsize, second in ((AdGD(), 1 / 8), (AdGD2(), 1 / (4 * np.sqrt(2)))):
        run = minimize("2*x^2", 1.0, GradientDescent(stepsize), steps=3, gtol=0)
        np.testing.assert_allclose(run.trace.lr[1:3], [1e-4 * 2 / 4, second], rtol=1e-6)


def test_adgd_follows_its_formulas_later_on() -> None:
    rules: list[tuple[Any, Any]] = [
        (AdGD(), lambda lr, theta, c: min(np.sqrt(1 + theta) * lr, 1 / (2 * c))),
        (
            AdGD2(),
            lambda lr, theta, c: min(np.sqrt(2 / 3 + theta) * lr, lr / np.sqrt(max(2 * (lr * c) ** 2 - 1, 1e-300))),
        ),
    ]
    for stepsize, rate in rules:
        run = minimize("rosenbrock", None, GradientDescent(stepsize), steps=40, gtol=0)
        x, lr = run.trace.x, run.trace.lr
        assert x is not None
        g = np.array([run.problem.value_and_grad(p)[1] for p in x])
        theta = lr[2] / lr[1] if type(stepsize) is AdGD else 1 / 3
        for k in range(3, 40):
            curvature = np.linalg.norm(g[k - 1] - g[k - 2]) / np.linalg.norm(x[k - 1] - x[k - 2])
            assert lr[k] == pytest.approx(rate(lr[k - 1], theta, curvature), rel=1e-6)
            theta = lr[k] / lr[k - 1]


def test_adgd2_takes_longer_steps_than_adgd() -> None:
    first, second = (minimize(valley, [3.0, 2.0], GradientDescent(s), steps=2_000) for s in (AdGD(), AdGD2()))
    assert second.nit < first.nit


def test_inverse_lipschitz_finds_the_rate_of_a_sphere() -> None:
    run = minimize("x^2 + y^2", [3.0, 2.0], GradientDescent(InverseLipschitz(first=64.0)), steps=1, gtol=0)
    assert run.trace.lr[1] == pytest.approx(0.5)
    np.testing.assert_allclose(run.x, 0, atol=1e-12)


def test_silver_steps_are_those_of_the_paper() -> None:
    """√2, 2, √2, 2 + √2, √2, 2, √2 (Altschuler & Parrilo 2024, section 1)."""
    root = np.sqrt(2)
    np.testing.assert_allclose(Silver(L=2.0)(np.arange(7.0)) * 2, [root, 2, root, 2 + root, root, 2, root])


def test_silver_steps_have_the_exponent_of_their_theory() -> None:
    """On Huber's function, the worst case for silver steps, the error after n = 2ᵏ - 1 steps falls like n^-1.2716."""
    ns, errors = 2 ** np.arange(4, 11) - 1, []
    for n in ns:
        rates = Silver(L=1.0)(np.arange(float(n)))
        delta = 1 / (2 * rates.sum() + 1)  # the kink is placed so that no step crosses it (the paper's lower bound)
        x = 1.0
        for rate in rates:
            x -= rate * float(np.clip(x, -delta, delta))
        errors.append(delta * abs(x) - delta**2 / 2 if abs(x) > delta else x**2 / 2)
    exponents = -np.diff(np.log(errors)) / np.diff(np.log(ns + 1))
    np.testing.assert_allclose(exponents[-1], np.log2(1 + np.sqrt(2)), rtol=2e-3)


def test_silver_steps_for_two_steps_are_the_optimal_ones() -> None:
    """For n = 2 the best rates are 2/(m + S) and 2/(2M + m - S), S = √(M² + (M - m)²) (Altschuler's thesis)."""
    big, small = 1.0, 0.1
    s = np.sqrt(big**2 + (big - small) ** 2)
    expected = [2 / (small + s), 2 / (2 * big + small - s)]
    np.testing.assert_allclose(SilverStronglyConvex(big, small, steps=2)(np.arange(4.0)), expected * 2, rtol=1e-12)
    assert SilverStronglyConvex(big, small, steps=1)(0.0) == pytest.approx(2 / (big + small))


def test_chebyshev_rates_are_the_inverse_zeros_and_their_polynomial_is_small() -> None:
    steps = 16
    rates = Chebyshev(L, MU, steps=steps)(np.arange(float(steps)))
    zeros = (L + MU) / 2 + (L - MU) / 2 * np.cos((2 * np.arange(1, steps + 1) - 1) * np.pi / (2 * steps))
    np.testing.assert_allclose(np.sort(rates), np.sort(1 / zeros), rtol=1e-12)
    curvatures = np.linspace(MU, L, 500)
    left = np.abs(np.prod(1 - rates[:, None] * curvatures, axis=0)).max()
    bound = 1 / np.cosh(steps * np.arccosh((L + MU) / (L - MU)))
    assert left == pytest.approx(bound, rel=1e-3)


def test_the_fractal_order_keeps_partial_products_small() -> None:
    kappa, steps = 1e4, 128
    rates = Chebyshev(kappa, 1.0, steps=steps)(np.arange(float(steps)))
    curvatures = np.geomspace(1, kappa, 2_000)
    ordered, sorted_ = (
        np.abs(np.cumprod(1 - r[:, None] * curvatures, axis=0)).max() for r in (rates, np.sort(rates)[::-1])
    )
    assert ordered < 1e6
    assert sorted_ > 1e30


def test_dog_and_dowg_follow_their_formulas() -> None:
    g = [np.array([3.0, 4.0]), np.array([0.0, 5.0])]
    for rule, weigh in ((DoG(first=0.1), lambda r: (r, 1.0)), (DoWG(first=0.1), lambda r: (r**2, r**2))):
        method, x = GradientDescent(rule), np.zeros(2)
        state, total, reach = method.init(x), 0.0, 0.1
        for gradient in g:
            reach = max(reach, float(np.linalg.norm(x)))
            numerator, weight = weigh(reach)
            total += weight * float(gradient @ gradient)
            change, state = method.update(gradient, state, x)
            np.testing.assert_allclose(change, -numerator / np.sqrt(total) * gradient)
            x = x + change


def test_hypergradient_learns_the_rate_by_its_formula() -> None:
    method = GradientDescent(Hypergradient(lr=0.1, hyper=0.01))
    x = np.array([1.0, 2.0])
    state = method.init(x)
    _, state = method.update(np.array([1.0, 2.0]), state, x)
    assert float(state.lr) == pytest.approx(0.1)
    _, state = method.update(np.array([3.0, -1.0]), state, x)
    assert float(state.lr) == pytest.approx(0.1 + 0.01 * (3 - 2))
    adam = Adam(Hypergradient(0.01, hyper=1e-3))
    assert minimize("x^2 + y^2", [1.0, 2.0], adam, steps=300).fun < 1e-3


def test_a_step_size_that_looks_needs_what_it_looks_at() -> None:
    g = np.ones(2)
    for stepsize, needs in ((Polyak(), "value="), (Armijo(), "value_fn="), (StrongWolfe(), "value_fn=")):
        method = GradientDescent(stepsize)
        with pytest.raises(TypeError, match=needs):
            method.update(g, method.init(g), g, value=None if needs == "value=" else 1.0)


def test_bad_step_sizes() -> None:
    with pytest.raises(ValueError, match="steps must be a power of two, got 12: try 16"):
        Chebyshev(L, MU, steps=12)
    with pytest.raises(TypeError, match="Silver needs L: largest curvature"):
        Silver()
    with pytest.raises(ValueError, match="Momentum.*has no meaning: Silver is for plain gradient descent"):
        Momentum(lr=Silver(1.0))
