"""Cases that once were called by a wrong name, or went wrong without a word."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import AdaGrad, Adam, Armijo, Frozen, GradientDescent, Method, Outcome, landscape, minimize, sweep
from descend.descent.kinks import at_kink
from descend.insight import Cause
from descend.methods.method import Rate, rate
from descend.objectives.function import DIFFERENCES, JAX, NUMPY, prepare

rng = np.random.default_rng(0)
A, b = rng.normal(size=(30, 3)), rng.normal(size=30)


def test_writes_through_a_view_are_never_read_as_jax_code() -> None:
    def cost(w: Any) -> Any:
        r = A @ w - b
        first = r[:10]
        first *= 5
        return (r**2).sum()

    run = minimize(cost, np.zeros(3))
    assert run.gradient == DIFFERENCES
    assert "slice" in run.gradient_reason
    assert run.fun == pytest.approx(cost(run.x))
    np.testing.assert_allclose(
        run.x,
        np.linalg.lstsq(A * np.r_[[5.0] * 10, [1.0] * 20][:, None], b * np.r_[[5.0] * 10, [1.0] * 20], rcond=None)[0],
        rtol=1e-5,
    )


def test_a_refusal_that_the_function_catches_is_not_forgotten() -> None:
    def cost(x: Any) -> Any:
        v = (x**2).sum()
        try:
            if v < 1:
                v = v + 5 * (x[0] - 0.5) ** 2
        except Exception:  # noqa: S110
            pass
        return v

    run = minimize(cost, [2.0, 2.0])
    assert run.gradient == DIFFERENCES
    assert run.fun == pytest.approx(float(cost(np.asarray(run.x))))


def test_one_jax_objective_does_not_vouch_for_others() -> None:
    minimize(lambda x, y: jnp.sin(x) ** 2 + jnp.exp(y**2), [1.0, 2.0])
    with pytest.raises(ValueError, match="random"):
        minimize(lambda x, y: x**2 + y**2 + rng.normal(), [1.0, 2.0])
    run = minimize(lambda x, y: x**2 + y**2 if isinstance(x, np.floating) else (x - 7) ** 2 + y**2, [1.0, 2.0])
    assert run.gradient == DIFFERENCES
    np.testing.assert_allclose(run.x, 0, atol=1e-6)


def test_eager_jax_code_runs_in_the_dtype_of_the_run() -> None:
    seen = set()

    def cost(x: Any) -> float:
        value = jnp.sum((x - np.pi) ** 2) + 10.0
        seen.add(str(value.dtype))
        return float(value)

    run = minimize(cost, [3.0, 4.0])
    assert run.success, run.message
    np.testing.assert_allclose(run.x, np.pi, atol=1e-6)
    assert "float32" not in seen


def test_the_cost_is_that_of_the_run_whatever_changes_later() -> None:
    runs = []
    for lam in (1.0, 2.0, 3.0):
        runs.append(minimize(lambda x: lam * (1 + (float(x) - 1) ** 2), 0.0))
    assert [run.fun for run in runs] == pytest.approx([1, 2, 3])
    X = np.array([1.0, 2.0, 3.0])
    run = minimize(lambda w: np.sum((X * w - 1) ** 2), 0.0)
    X[:] = 100
    assert run.fun == pytest.approx(3 / 7)


def test_a_tolerance_that_was_asked_for_is_kept() -> None:
    assert minimize("x^2", 5.0, GradientDescent(0.1), gtol=1e-14, steps=100).outcome is Outcome.STEPS_EXHAUSTED
    data = rng.normal(size=20)
    off = minimize(lambda m, x: np.mean((x - m) ** 2), 0.0, GradientDescent(0.1), data=data, gtol=0, steps=200)
    assert off.outcome in {Outcome.PRECISION_FLOOR, Outcome.STEPS_EXHAUSTED}


def test_gradients_neither_under_nor_overflow_in_their_norm() -> None:
    tiny = minimize(lambda x: np.float32(1e-25) * np.sum((x - 3) ** 2), np.zeros(2, np.float32))
    np.testing.assert_allclose(tiny.x, 3, rtol=1e-3)
    huge = minimize(lambda w: np.sum((w * np.float32(1e10) - np.float32(3e10)) ** 2), np.zeros(2, np.float32))
    np.testing.assert_allclose(huge.x, 3, rtol=1e-3)


def test_a_run_whose_first_batch_is_not_finite_has_its_start_in_the_trace() -> None:
    run = minimize(
        lambda w, x: jnp.mean(jnp.log(x - x.min() + (x.shape[0] > 1)) * w + w**2), 1.0, GradientDescent(0.1),
        data=np.arange(5.0), batch_size=1, epochs=2,
    )  # fmt: skip
    assert run.outcome is Outcome.DIVERGED
    assert run.trace.step.tolist() == [0]
    assert run.best["f"] == run.trace.f[0]
    assert run._repr_html_()


def test_a_redefined_method_is_not_the_old_one() -> None:
    ends = []
    for factor in (1.0, 2.0):

        class Scaled(Method):
            """Gradient descent times a factor from outside."""

            lr: Rate = rate(0.1)

            @staticmethod
            def step(g: Any, lr: Any) -> Any:
                return -factor * lr * g

        ends.append(minimize(lambda x: x**2, 5.0, Scaled(0.1), steps=3).x)
    assert ends == pytest.approx([5 * 0.8**3, 5 * 0.6**3])


def test_classes_of_parameters_may_be_defined_again() -> None:
    for _ in range(2):

        class P(NamedTuple):
            a: Any
            b: Any

        assert minimize(lambda p: np.sum(p.a**2) + p.b**2, P(np.ones(2), 3.0)).success


@pytest.mark.parametrize(
    ("objective", "x0", "kwargs"),
    [
        (lambda x: np.abs(x), 0.1, {"method": GradientDescent(10.0), "steps": 101}),
        (
            lambda x: np.log1p(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2),
            [-1.2, 1.0],
            {"method": GradientDescent(5.0), "steps": 1000},
        ),
        (lambda x: np.tanh(x**2), 0.5, {"method": GradientDescent(100.0)}),
    ],
)
def test_what_ends_worse_than_it_began_is_no_success(objective: Any, x0: Any, kwargs: Any) -> None:
    run = minimize(objective, x0, **kwargs)
    assert run.outcome is Outcome.DIVERGED
    assert "worse than" in run.message


@pytest.mark.parametrize(
    ("objective", "x0", "lr"),
    [
        (lambda x: x**3, 1.0, 0.1),
        (lambda x: x - np.sin(x), 1.0, 0.5),
        (lambda x: x[0] ** 2 - x[1] ** 6, [1.0, 0.01], 0.1),
        (lambda x: np.sum(x[:-1] ** 2) - x[-1] ** 2, np.r_[np.ones(99), 0.0], 0.1),
        (
            lambda x: (
                jnp.sum(x[:500] ** 2) + jnp.sum((x[500:] + jnp.roll(x[500:], 1)) ** 2) - 0.3 * jnp.sum(x[500:505]) ** 2
            ),
            np.zeros(900),
            0.1,
        ),
        (lambda x: float(np.sum(x[:-1] ** 2) - 0.01 * x[-1] ** 2), np.zeros(9), 0.1),
    ],
)
def test_inflections_and_saddles_are_no_minima(objective: Any, x0: Any, lr: float) -> None:
    run = minimize(objective, x0, GradientDescent(lr), steps=100_000)
    assert run.outcome is Outcome.STALLED, run.message
    assert "falls along" in run.message


def stress(points: Any) -> Any:
    d = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    i, j = np.triu_indices(len(points), 1)
    return ((d[i, j] - 1) ** 2).sum()


@pytest.mark.parametrize(
    ("objective", "x0"),
    [
        (lambda w: np.nansum((w - np.array([1.0, np.nan, 3.0])) ** 2), 0.0),
        (stress, np.random.default_rng(0).normal(size=(3, 2))),
        (lambda x: np.where(x > 0, x**2 * np.log(x), 0).sum() + np.sum((x - 2) ** 2), [0.0, 1.0]),
    ],
)
def test_a_nan_of_automatic_differentiation_alone_is_no_kink(objective: Any, x0: Any) -> None:
    run = minimize(objective, x0, steps=300)
    assert run.gradient == DIFFERENCES
    assert "automatic differentiation gives nan" in run.gradient_reason
    assert run.fun < run.trace.f[0]


def test_a_nan_of_the_gradient_on_the_way_is_told_apart_from_divergence() -> None:
    run = minimize(lambda x: np.where(x > 0, np.sqrt(x) * x, x**2).sum(), [1.0, 2.0], GradientDescent(0.5))
    if run.outcome is Outcome.DIVERGED:
        assert "the gradient is not finite, though the cost is" in run.message


@pytest.mark.parametrize(
    ("objective", "x0"), [(np.linalg.norm, [1.0, 2.0]), (lambda x: np.linalg.norm(x - 1), [3.0, 2.0])]
)
def test_a_minimum_at_a_kink_is_found(objective: Any, x0: Any) -> None:
    run = minimize(objective, x0)
    assert run.outcome in {Outcome.CONVERGED, Outcome.PRECISION_FLOOR}, run.message
    assert run.fun < 1e-6
    assert np.isfinite(run.fun)


def test_regressions_in_their_own_units_converge() -> None:
    z = rng.normal(size=500)
    p = 5e5 + 1.5e5 * z + 2e4 * rng.normal(size=500)
    run = minimize(lambda w: np.sum((w[0] + w[1] * z - p) ** 2), [0, 0])
    assert run.success, run.message
    np.testing.assert_allclose(run.x, np.polynomial.polynomial.polyfit(z, p, 1), rtol=1e-10)


def test_rounding_is_no_saddle() -> None:
    for seed in range(10):
        x0 = np.random.default_rng(seed).normal(size=2) * 3
        run = minimize(lambda x: 1 - x @ np.array([1, 2]) / (np.linalg.norm(x) * np.sqrt(5)), x0)
        assert run.outcome is not Outcome.STALLED, run.message


def test_a_large_constant_part_is_named() -> None:
    for constant in (1e16, 1e17):
        run = minimize(lambda x, c=constant: c + (float(x) - 3) ** 2, 0.0)
        assert not run.success
        assert "rounding of a large constant" in run.message
    run = minimize(lambda x: 1e12 + (float(x) - 3) ** 2, 0.0)  # differences take a longer step there
    assert run.success, run.message
    assert abs(run.x - 3) < 1e-3


ROUNDED: dict[str, tuple[Any, float]] = {
    "printed with three decimals": (lambda x: round(float(((x - 1) ** 2).sum()), 3), 0.02),
    "printed with six digits": (lambda x: float(f"{float(((x - 1) ** 2).sum()):.6g}"), 1e-3),
    "an inner float32": (lambda x: float(np.float32(float(((x - 1) ** 2).sum()))), 1e-3),
    "absolute, with two decimals": (lambda x: round(float(np.abs(x - 1).sum()), 2), 0.05),
}


@pytest.mark.parametrize("method", [None, GradientDescent(0.1)], ids=["default", "gradient descent"])
@pytest.mark.parametrize("name", ROUNDED)
def test_values_with_few_digits_lead_to_the_minimum_as_far_as_they_can(name: str, method: Any) -> None:
    cost, error = ROUNDED[name]
    run = minimize(cost, np.array([5.0, -3.0]), method, steps=500)
    assert run.problem.noise > 0
    assert run.outcome in {Outcome.CONVERGED, Outcome.PRECISION_FLOOR}, run.message
    np.testing.assert_allclose(run.x, 1, atol=error)
    assert run.explain().cause in {Cause.HEALTHY, Cause.PRECISION_FLOOR}


def test_exact_values_have_no_noise() -> None:
    for cost in (lambda x: float(((x - 1) ** 2).sum()), lambda x: math.exp(float(x[0])) + float(x[1]) ** 2):
        problem = minimize(cost, np.array([2.0, -3.0]), steps=1).problem
        assert problem.noise == problem.exactness == 0


def test_what_is_random_is_refused_or_trusted_for_its_gradient_alone() -> None:
    draw = np.random.default_rng(0)

    def cost(x: Any) -> float:
        return float(((x - 1) ** 2).sum() + 1e-3 * draw.normal())

    start = np.array([5.0, -3.0])
    with pytest.raises(ValueError, match="different values for the same x: it is random"):
        minimize(cost, start)
    run = minimize(cost, start, GradientDescent(0.1), grad=lambda x: 2 * (x - 1), steps=300)
    assert run.success, run.message
    assert run.explain().cause is Cause.HEALTHY
    with pytest.raises(ValueError, match="grad gives different values for the same x"):
        minimize(lambda x: float(((x - 1) ** 2).sum()), start, grad=lambda x: 2 * (x - 1) + draw.normal(size=2))


def test_sampled_runs_end_at_a_finite_cost() -> None:
    W = np.random.default_rng(0).normal(size=(60, 3))
    for seed in range(4):
        run = minimize(
            lambda w, X, y: np.mean((X @ w - y) ** 2), np.zeros(3), GradientDescent(3.0),
            data=(W, W @ np.array([1, 2, 3])), batch_size=1, steps=500, seed=seed,
        )  # fmt: skip
        assert run.outcome is Outcome.DIVERGED
        assert np.isfinite(run.fun)
        assert np.isfinite(run.x).all()


def test_climbing_is_told_in_its_own_words() -> None:
    run = minimize(np.cos, np.pi, maximize=True)
    assert run.outcome is Outcome.STALLED
    assert "minimum or saddle" in run.message
    with pytest.raises(TypeError, match="maximize must be True or False, got 'no'"):
        minimize(np.cos, 1.0, maximize="no")  # type: ignore[arg-type]


def test_errors_of_arithmetic_on_the_way_are_places_without_a_value() -> None:
    run = minimize(lambda x: 10 * float(x) - math.log(x), 5.0)
    assert run.x == pytest.approx(0.1, rel=1e-5)
    far = minimize(lambda x: float(x) - math.log(x), 5.0, GradientDescent(10.0))
    assert far.outcome is Outcome.DIVERGED
    assert "math" in far.message or "log" in far.message or "ValueError" in far.message
    assert far.plot()
    with pytest.raises(ValueError, match="math|expected"):
        minimize(lambda x: math.log(x), -1.0)


def test_exact_gradients_are_not_refused_where_value_and_slope_vanish_or_bend() -> None:
    assert minimize(lambda x: x**2 + x**3, 0.0, grad=lambda x: 2 * x + 3 * x**2).success
    assert minimize(lambda x: (np.exp(x) - 1) ** 2, 0.0).gradient == NUMPY
    kinked = minimize(lambda x: np.sum(np.maximum(x, 0) + (x + 1) ** 2), [0.0], grad=lambda x: (x > 0) + 2 * (x + 1))
    assert kinked.success


def test_evaluations_by_differences_are_counted_as_they_are_made() -> None:
    calls = [0]

    def cost(x: Any) -> float:
        calls[0] += 1
        return math.fsum(float(v) ** 2 * (i + 1) for i, v in enumerate(x))

    minimize(cost, [1.0, 2.0, 3.0], steps=0)
    checks, calls[0] = calls[0], 0
    run = minimize(cost, [1.0, 2.0, 3.0], steps=5, gtol=0)
    assert run.nfev <= calls[0] <= run.nfev + checks + 60


def test_keys_of_jax_are_constants() -> None:
    key = jax.random.key(0)
    run = minimize(lambda x: jnp.sum((x - jax.random.normal(key, (2,))) ** 2), [1.0, 2.0])
    assert run.success
    assert run.gradient == JAX


def test_whole_numbers_in_float32_runs_do_not_wrap() -> None:
    run = minimize(lambda w, x: jnp.mean((w - x) ** 2) / 1e18, np.float32(0), data=np.array([3_000_000_000, 1]))
    assert run.x == pytest.approx(1.5e9, rel=1e-2)


def test_constants_of_formulas_may_be_large() -> None:
    assert minimize("100000*100000*(x-1)^2", np.float32(3)).x == pytest.approx(1, abs=1e-3)
    assert minimize("x^2*pow(10,100)", 1.0).x == pytest.approx(0, abs=1e-8)


def test_runs_may_be_written_to() -> None:
    run = minimize("x^2 + y^2", [1.0, 2.0])
    run.x[...] += 1
    run.jac[...] += 1


def test_smaller_matters() -> None:
    assert minimize("x^2", np.array(5.0).astype(">f8")).success
    assert minimize("x^2", 5.0, time_limit=np.float32(30)).success  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="masked"):
        minimize("x^2 + y^2", np.ma.array([1.0, 2.0], mask=[False, True]))
    with pytest.raises(ValueError, match="empty"):
        minimize(lambda p: 0.0, {})
    with pytest.raises(TypeError, match="a landscape has a name"):
        landscape(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no kappa"):
        landscape("booth", kappa=3.0)
    with pytest.raises(ValueError, match="whole number >= 1"):
        landscape("bowl", n=0)


def test_the_optax_protocol_meets_masks_and_injected_numbers() -> None:
    import optax

    params = {"w": jnp.ones(2), "b": jnp.ones(1)}
    split = optax.multi_transform({"a": Adam(0.1).optax(), "z": GradientDescent(0.1).optax()}, {"w": "a", "b": "a"})
    change, _ = split.update(params, split.init(params), params)
    np.testing.assert_allclose(change["w"], -0.1, rtol=1e-5)
    injected = optax.inject_hyperparams(lambda lr: Adam(lr).optax())(lr=0.1)
    change, _ = jax.jit(injected.update)(params, injected.init(params), params)
    np.testing.assert_allclose(change["w"], -0.1, rtol=1e-5)


def test_data_that_the_objective_does_not_take_is_named() -> None:
    with pytest.raises(
        TypeError, match="called with 3 arguments, .*takes \\(w, b, x, y\\): write it as f\\(w, X, y\\)"
    ):
        minimize(lambda w, b, x, y: 0.0, [0.0, 0.0], data=(np.ones(3), np.ones(3)))
    with pytest.raises(TypeError, match="takes \\(w\\)"):
        minimize(lambda w: 0.0, [0.0, 0.0], data=(np.ones(3), np.ones(3)))


def test_a_misspelt_landscape_is_suggested() -> None:
    with pytest.raises(
        ValueError, match="'rosenbrok' is neither a formula nor a landscape. Did you mean 'rosenbrock'?"
    ):
        minimize("rosenbrok", 1.0)


def test_the_mean_of_booleans_is_traced_as_numpy_computes_it() -> None:
    run = minimize(lambda x: np.mean(x > np.array([0.3, 2, 2])) + np.sum(x**2), np.ones(3), GradientDescent(0.1))
    assert run.gradient.startswith("exact, of the NumPy code")


def test_a_direction_of_many_variables_names_the_largest() -> None:
    run = minimize(lambda x: np.sum(x**2) - 3 * (x[100] - x[101]) ** 2, np.ones(200))
    assert "in x[100]" in run.message
    assert "in x[101]" in run.message


def test_mistakes_in_an_own_method_are_explained() -> None:
    class Forgetful(Method):
        """Forgets its slot."""

        lr: Rate = rate(0.1)

        @staticmethod
        def step(g: Any, v: Any, lr: Any) -> Any:
            return -lr * (g + v)

    class Numpy(Method):
        """Uses NumPy's square root."""

        lr: Rate = rate(0.1)

        @staticmethod
        def step(g: Any, lr: Any) -> Any:
            return -lr * np.sqrt(np.asarray(g))

    with pytest.raises(TypeError, match="Forgetful.step must return 2 values \\(the change, v\\), got 1"):
        minimize("x^2", 1.0, Forgetful())
    with pytest.raises(TypeError, match="Numpy.step uses a function of NumPy: write it in operators and the words"):
        minimize("x^2", 1.0, Numpy())


@pytest.mark.parametrize(("lr", "batch_size"), [(1.0, 2), (1.0, 1), (0.5, 1), (0.1, 4)])
def test_a_divergence_is_not_taken_for_the_noise_of_batches(lr: float, batch_size: int) -> None:
    data = np.arange(1.0, 6.0), np.arange(2.0, 12.0, 2.0)
    run = minimize(
        lambda w, x, y: np.mean((w[0] * x + w[1] - y) ** 2), np.zeros(2), GradientDescent(lr), data=data,
        batch_size=batch_size, epochs=20,
    )  # fmt: skip
    assert run.outcome is Outcome.DIVERGED
    assert "worse than 44 at the start" in run.message


KINKED = [  # objective, start, the minimum
    ("(x-1)^2+3*abs(x)", 5.0, 1.0),
    ("(x-1)^2/2+2*abs(x)", 5.0, 0.5),
    ("abs(x-1)+x^2/4", 5.0, 0.25),
    ("abs(x)+abs(y)+(x-0.3)^2+(y-3)^2", [3.0, 1.0], 2.84),
]


@pytest.mark.parametrize(("objective", "x0", "least"), KINKED, ids=[k[0] for k in KINKED])
def test_a_minimum_at_a_kink_is_one(objective: str, x0: Any, least: float) -> None:
    run = minimize(objective, x0)
    assert run.outcome is Outcome.CONVERGED
    assert run.fun == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("method", [None, GradientDescent(Armijo())])
def test_a_kink_along_which_the_cost_falls_is_no_end(method: Any) -> None:
    run = minimize(lambda x: 10 * np.abs(x[0] - x[1]) + (x[0] - 3) ** 2 + (x[1] - 1) ** 2, np.zeros(2), method)
    assert run.fun > 2.1  # the minimum is 2, in the kink
    assert not run.success
    if method is None:
        assert run.outcome is Outcome.STALLED
        assert "which falls along [0.707 0.707]" in run.message
    found = run.explain()
    assert found.cure.startswith("take AdaGrad(lr=")
    again = minimize(run.objective, np.zeros(2), AdaGrad(float(found.cure[16:-1])), steps=5_000)
    assert again.fun < run.fun - 0.3


@pytest.mark.parametrize("x0", [6.0, 5.0, 6.33, 5.33, 5.67])
def test_a_place_in_steps_is_no_minimum(x0: float) -> None:
    run = minimize(lambda x: round(float(x) ** 2), x0)
    assert run.outcome is Outcome.STALLED
    assert "jumps" in run.message
    assert minimize(lambda x: float(f"{(x - 1) ** 2:.6f}"), 3.0).success  # printed digits are no steps


def test_what_is_frozen_is_told() -> None:
    run = minimize("x^2", 3.0, Frozen())
    assert run.outcome is Outcome.STALLED
    assert "nothing that may move betters the cost 9" in run.message
    assert "gradient of norm 6" in run.message


def test_none_is_no_number() -> None:
    with pytest.raises(TypeError, match="x0 must be numbers"):
        minimize(lambda x: sum(x), [1, None])


@pytest.mark.parametrize("steep", [1.0, 1e4, 1e9])
def test_a_steep_bowl_is_no_kink(steep: float) -> None:
    x = np.array(1e-13)
    bowl, kink = (prepare(f, x) for f in (lambda p: steep * p**2, lambda p: steep * np.abs(p)))
    assert not at_kink(bowl, x, steep * 1e-26, np.array(2e-13 * steep))
    assert at_kink(kink, x, steep * 1e-13, np.array(steep))


@pytest.mark.parametrize(
    ("at", "unit"), [(1e6, 1.0), (1e5, 1.0), (1e3, 0.1), (1.0, 1e-5), (1.7e9, 3_600.0), (-1e6, 1.0), (3e-9, 1e-9)]
)
def test_what_can_only_be_called_is_minimised_where_it_varies_within_a_small_part_of_x(at: float, unit: float) -> None:
    def cost(x: Any) -> float:  # its minimum lies at ln 2
        u = (float(x) - at) / unit
        return math.exp(u) - 2 * u

    def together(x: Any) -> float:
        return cost(x[0]) + math.cosh(x[1] - 2)

    run = minimize(cost, at + 2 * unit)
    assert run.success, run.message
    np.testing.assert_allclose((run.x - at) / unit, math.log(2), atol=1e-5)
    run = minimize(together, [at + 2 * unit, 0.0])
    rounding = np.spacing(abs(at)) / unit
    assert cost(run.x[0]) - cost(at + unit * math.log(2)) < 1e-9 + rounding, run.message


@pytest.mark.parametrize("unit", [1.0, 1e-2, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10])
def test_what_hangs_on_a_difference_of_small_coordinates_is_not_converged_at_its_start(unit: float) -> None:
    def bond(x: Any) -> float:  # moved as a whole, it is the same
        return (1 - math.exp(-2 * (abs(float(x[1]) - float(x[0])) / unit - 1.1))) ** 2 - 1

    for far in (2.4, 2.5, 2.7):
        run = minimize(bond, [1.0 * unit, far * unit])
        assert run.fun < -1 + 1e-6, run.message


def test_beside_the_edge_of_its_domain_a_function_has_a_slope_from_inside() -> None:
    def cost(x: Any) -> float:
        return (math.sqrt(float(x[0])) - 1.2) ** 2 + (float(x[1]) - 2) ** 2

    run = minimize(cost, [1e-9, 0.0])
    np.testing.assert_allclose(run.x, [1.44, 2], atol=1e-5)

    def bounded(x: Any) -> float:
        return (float(x[0]) - 1) ** 2 + 0 * math.log(float(x[0]) + 1e-9)

    np.testing.assert_allclose(minimize(bounded, [0.0]).x, [1], atol=1e-5)


def test_what_was_measured_far_away_does_not_hold_at_the_start_again() -> None:
    calls = 0

    def bond(x: Any) -> float:
        nonlocal calls
        calls += 1
        return (1 - math.exp(-2 * (abs(float(x[1]) - float(x[0])) / 1e-8 - 1.1))) ** 2 - 1

    problem = prepare(bond, np.array([1e-8, 2.5e-8]))
    assert (problem.units < 1e-4).all()
    problem.units_at(np.array([0.5, 1.5]))
    before = calls
    np.testing.assert_array_equal(problem.units_at(np.array([1.2e-8, 2.4e-8])), problem.units)
    assert calls == before


def test_a_right_gradient_of_values_of_few_digits_is_not_refused() -> None:
    def grad(x: Any) -> Any:
        return 2 * (np.asarray(x, float) - [1, -2])

    for digits in (4, 6):

        def cost(x: Any, digits: int = digits) -> float:
            return float(f"%.{digits}g" % (1 + (float(x[0]) - 1) ** 2 + (float(x[1]) + 2) ** 2))

        np.testing.assert_allclose(minimize(cost, [0.3, 0.1], grad=grad).x, [1, -2], atol=1e-6)
        with pytest.raises(ValueError, match="grad disagrees with the objective"):
            minimize(cost, [0.3, 0.1], grad=lambda x: -grad(x))
    for seed in range(10):
        start = np.random.default_rng(seed).normal(size=2) * 3
        prepare(lambda x: float(f"{-76.4 + (float(x[0]) - 1) ** 2 + (float(x[1]) + 2) ** 2:.4g}"), start, grad=grad)


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 1e-3), (np.float32, 1e-6), (np.float64, 1e-9)])
def test_numbers_in_small_units_do_not_make_a_gradient_as_good_as_zero(dtype: Any, unit: float) -> None:
    scale = dtype(unit)

    def rosenbrock(p: Any) -> Any:
        u, v = p[0] / scale, p[1] / scale
        return 100 * (v - u**2) ** 2 + (1 - u) ** 2

    run = minimize(rosenbrock, np.array([-1.2 * unit, unit], dtype), Adam(1e-3 * unit), steps=300)
    assert run.outcome is Outcome.STEPS_EXHAUSTED, run.message
    beside = minimize(
        lambda p: rosenbrock(p) + (p[2] - 1) ** 2,
        np.array([-1.2 * unit, unit, 9.0], dtype),
        Adam(1e-3 * unit),
        steps=300,
    )
    assert beside.outcome is Outcome.STEPS_EXHAUSTED, beside.message  # another coordinate is of another size
    found = sweep(f"({1 / unit:g}*x - 1)^4", dtype(2 * unit), Adam(np.geomspace(1e-6, 1e-3, 5) * unit), steps=100)
    assert found.outcomes == [Outcome.STEPS_EXHAUSTED] * 5


@pytest.mark.parametrize("unit", [1.0, 1e4, 1e8])
def test_a_saddle_is_none_the_less_one_for_its_size(unit: float) -> None:
    run = minimize(lambda x: (x[0] / unit) ** 2 - (x[1] / unit) ** 4, [unit, 0.0])
    assert run.outcome is Outcome.STALLED, run.message
