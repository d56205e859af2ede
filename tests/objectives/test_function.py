"""How a function is taken: NumPy, JAX, eager; and what is wrong with some functions."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import Adam, GradientDescent, minimize
from descend.objectives.function import DIFFERENCES, FORMULA, GIVEN, JAX, NUMPY, prepare
from descend.objectives.parameters import as_parameters


@pytest.mark.parametrize(
    ("function", "how"),
    [
        (lambda x: np.sum(x**2), NUMPY),
        (lambda x: (x * x).sum(), NUMPY),
        (lambda x: jnp.sum(x**2), JAX),
        (lambda x: jax.nn.softplus(x).sum() + (x * x).sum(), JAX),
        (jax.jit(lambda x: jnp.sum(x**2)), JAX),
        (lambda x: sum(math.cosh(v) for v in x), DIFFERENCES),
        ("x^2 + y^2", FORMULA),
        ("bowl", FORMULA),
    ],
)
def test_a_run_says_how_its_gradient_was_got(function: Any, how: str) -> None:
    run = minimize(function, [1.0, 2.0], GradientDescent(0.1), steps=5)
    assert run.gradient == how
    assert bool(run.gradient_reason) == (how == DIFFERENCES)
    assert how in repr(run)


def test_an_eager_run_takes_the_same_path_as_a_compiled_one() -> None:
    def numpy_cost(x: Any) -> Any:
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    def eager_cost(x: Any) -> float:
        return float(numpy_cost(x))

    def grad(x: Any) -> Any:
        return [-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]

    for method in (Adam(0.01), GradientDescent(1e-3), None):
        fast = minimize(numpy_cost, [-1.2, 1.0], method, steps=60)
        slow = minimize(eager_cost, [-1.2, 1.0], method, steps=60, grad=grad)
        assert slow.gradient == GIVEN
        assert fast.trace.x is not None
        assert slow.trace.x is not None
        np.testing.assert_allclose(fast.trace.x[:12], slow.trace.x[:12], rtol=1e-9, atol=1e-9)


def test_pytree_parameters_keep_their_structure_and_dtypes() -> None:
    start = {"w": np.ones((2, 2), np.float32), "b": np.zeros(2, np.float32), "n": [1, 2.0]}
    run = minimize(lambda p: jnp.sum(p["w"] ** 2) + jnp.sum((p["b"] - 1) ** 2) + p["n"][0] ** 2 + p["n"][1] ** 2, start)
    assert run.success
    assert run.x["w"].shape == (2, 2)
    assert [leaf.dtype for leaf in jax.tree.leaves(run.x)] == [np.float32] * 4
    np.testing.assert_allclose(run.x["b"], 1, rtol=1e-3)


def test_numpy_code_over_a_dict_of_parameters() -> None:
    run = minimize(lambda p: np.sum(p["w"] ** 2) + (p["b"] - 1) ** 2, {"w": np.ones(3), "b": 0})
    assert run.gradient == NUMPY
    assert run.x["b"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("x0", "shape", "dtype"),
    [
        (5, (), "float64"),
        (5.0, (), "float64"),
        (np.float32(5), (), "float32"),
        ([1, 2], (2,), "float64"),
        ((1.0, 2), (2,), "float64"),
        (range(1, 4), (3,), "float64"),
        ([[1, 2], [3, 4]], (2, 2), "float64"),
        (np.ones(3, np.float32), (3,), "float32"),
        (np.ones((2, 1)), (2, 1), "float64"),
        (np.arange(3), (3,), "float64"),
        (jnp.ones(3), (3,), "float32"),
    ],
)
def test_starts_of_all_kinds(x0: Any, shape: tuple[int, ...], dtype: str) -> None:
    run = minimize(lambda x: ((x - 1) ** 2).sum(), x0, steps=50)
    assert np.shape(run.x) == shape
    assert np.asarray(run.x).dtype == dtype
    np.testing.assert_allclose(run.x, 1, rtol=1e-3)


def test_a_series_is_a_vector() -> None:
    import pandas as pd

    assert minimize(lambda x: np.sum(x**2), pd.Series([1.0, 2.0])).x.shape == (2,)


@pytest.mark.parametrize(
    ("x0", "error", "says"),
    [
        ("five", TypeError, "x0 must be numbers, got 'five' (str)"),
        (["a", "b"], TypeError, "x0 must be numbers"),
        ([1.0, float("nan")], ValueError, "x0[1] is nan; a start must be finite"),
        (float("inf"), ValueError, "x0 is inf; a start must be finite"),
        ([], ValueError, "x0 is empty"),
        ([1.0, [2.0, 3.0]], TypeError, "regular shape"),
        (np.ones(2, np.float16), TypeError, "x0 is float16; a descent runs in float32 or float64"),
        (jnp.ones(2, jnp.bfloat16), TypeError, "x0 is bfloat16; a descent runs in float32 or float64"),
        (1j, TypeError, "x0 is complex"),
        (True, TypeError, "x0 must be numbers, got True (bool)"),
        (None, TypeError, "x0 is missing"),
        ({"a": np.array([1.0, np.inf])}, ValueError, "x0['a'][1] is inf"),
    ],
)
def test_bad_starts(x0: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        minimize(lambda x: np.sum(x**2), x0)
    assert says in str(caught.value)


def cost(x: Any, y: Any) -> Any:
    return x**2 + y**2


def test_a_function_of_several_scalars_starts_from_as_many_numbers() -> None:
    assert minimize(cost, [5, 5], GradientDescent(0.1), steps=20).x == pytest.approx([5 * 0.8**20] * 2)
    assert minimize(cost, [5, 5], grad=lambda x, y: (2 * x, 2 * y)).success
    assert minimize(lambda x, k=2: np.sum(x**k), [5.0, 5.0]).success
    with pytest.raises(TypeError, match=r"requires 2 arguments \(x, y\), but x0 has 3 numbers"):
        minimize(cost, [1, 2, 3])
    with pytest.raises(TypeError, match="but x0 has 1 number"):
        minimize(cost, 5.0)


@pytest.mark.parametrize(
    ("function", "x0", "error", "says"),
    [
        (
            lambda x: x * 2,
            [1.0, 2.0],
            TypeError,
            "must return one number, got an array of shape (2,); sum or average",
        ),
        (lambda x: None, 1.0, TypeError, "must return one number, got None"),
        (lambda x: "cost", 1.0, TypeError, "must return one number, got 'cost'"),
        (lambda x: x * 1j, 1.0, TypeError, "a real number, got a complex one"),
        (lambda x: np.log(x), -1.0, ValueError, "the objective is nan at the start x0 = -1."),
        (lambda x: 1 / x**2, 0.0, ValueError, "the objective is inf at the start"),
        (lambda x: np.sqrt(np.abs(x)), 0.0, ValueError, "it is not differentiable there; move the start"),
        (lambda x: np.sum(np.sqrt(x)), [1.0, 0.0], ValueError, "the gradient[1] is inf at the start"),
        (5.0, 1.0, TypeError, "the objective must be a function, a formula or a landscape, got 5.0"),
    ],
)
def test_bad_objectives(function: Any, x0: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        minimize(function, x0)
    assert says in str(caught.value)


def test_a_mistake_in_the_function_is_the_users_own_error() -> None:
    def broken(x: Any) -> Any:
        return x.sum() + undefined  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match="undefined"):
        minimize(broken, [1.0])
    with pytest.raises(IndexError):
        minimize(lambda x: x[7] ** 2, [1.0, 2.0])


@pytest.mark.parametrize(
    "function", [lambda x: np.sum(x**2), lambda x: math.fsum(v * v for v in x), lambda x: jnp.sum(x**2)]
)
def test_a_wrong_gradient_is_found_at_the_start(function: Any) -> None:
    with pytest.raises(ValueError, match="grad disagrees with the objective: along a random direction"):
        minimize(function, [1.0, 2.0], grad=lambda x: 3 * x)
    with pytest.raises(ValueError, match=r"grad returned shape \(1,\), x has shape \(2,\)"):
        minimize(function, [1.0, 2.0], grad=lambda x: 2 * x[:1])
    assert minimize(function, [1.0, 2.0], grad=lambda x: 2 * x).gradient == GIVEN


def test_values_of_size_one_are_numbers() -> None:
    X = np.ones((4, 2))
    run = minimize(lambda w: (X @ w - 1).T @ (X @ w - 1), np.zeros((2, 1)))
    assert run.x.shape == (2, 1)
    assert isinstance(run.fun, float)


def test_a_float32_constant_in_a_float64_run_is_warned_of() -> None:
    third = jnp.array([1 / 3])
    with pytest.warns(UserWarning, match="holds a float32 constant in a float64 run"):
        minimize(lambda x: jnp.sum((x - third) ** 2), [1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minimize(lambda x: jnp.sum((x - third) ** 2), np.ones(1, np.float32))
        minimize(lambda x: jnp.sum((x - np.array([1 / 3])) ** 2), [1.0])


def test_a_random_jax_function_is_found_out() -> None:
    draw = np.random.default_rng(0)
    with pytest.raises(ValueError, match="it is random or keeps state"):
        minimize(lambda x: jnp.sum(x**2) * draw.normal(), [1.0])


def test_a_callback_to_python_in_float64_runs_eagerly_and_says_so() -> None:
    def f(x: Any) -> Any:
        shape: Any = jax.ShapeDtypeStruct
        host = jax.pure_callback(lambda v: np.asarray(0.0, v.dtype), shape((), x.dtype), jax.lax.stop_gradient(x[0]))
        return jnp.sum(x**2) + host

    run = minimize(f, np.ones(2, np.float32))
    assert run.success
    assert run.gradient == JAX


def test_differences_choose_their_length_by_dtype() -> None:
    for dtype, accuracy in ((np.float64, 1e-9), (np.float32, 1e-3)):
        x = as_parameters(np.array([0.5, 100.0], dtype))
        problem = prepare(lambda x: math.sin(x[0]) + math.sqrt(x[1]), x)
        value, grad = problem.value_and_grad(x)
        assert value.dtype == grad.dtype == dtype
        np.testing.assert_allclose(grad, [math.cos(0.5), 0.05], rtol=accuracy)
        assert problem.evaluations_per_gradient == 5


def test_a_run_in_float64_leaves_the_gradient_of_one_in_float32_exact() -> None:
    scales = np.append(np.ones(99), 1.01)

    def bowl(x: Any) -> Any:
        return 0.5 * jnp.sum(scales * x * x)

    for kind in (np.float64, np.float32, np.float64):
        problem = prepare(bowl, np.ones(100, kind))
        assert problem.gradient == JAX
        np.testing.assert_allclose(problem.value_and_grad(np.ones(100, kind))[1], scales, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-3, 1e-6, 1e-9])
def test_differences_are_as_long_as_a_small_x_wants(unit: float) -> None:
    run = minimize(lambda x: math.sin(float(x) / unit) + 0.1 * (float(x) / unit) ** 2, 5 * unit)
    assert run.success
    assert abs(math.cos(run.x / unit) + 0.2 * run.x / unit) < 1e-6


def test_the_exact_gradient_of_a_potential_in_metres_is_believed() -> None:
    size = 3.4e-10

    def potential(r: Any) -> Any:
        return 0.0416 * ((size / r) ** 12 - (size / r) ** 6)

    def slope(r: Any) -> Any:
        return 0.0416 * (-12 * size**12 / r**13 + 6 * size**6 / r**7)

    assert prepare(potential, np.array([5e-10])).gradient == NUMPY
    run = minimize(potential, 5e-10, grad=slope)
    assert run.success
    assert run.fun == pytest.approx(-0.0104)
    assert abs(run.x) == pytest.approx(2 ** (1 / 6) * size)  # an even function
    with pytest.raises(ValueError, match="disagrees"):
        minimize(potential, 5e-10, grad=lambda r: 1.1 * slope(r))


def test_a_long_loop_over_coordinates_is_compiled_without_optimisation_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loop(x: Any) -> Any:
        return sum((x[i + 1] - x[i]) ** 2 for i in range(len(x) - 1)) + (x[0] - 1) ** 2

    def in_one(x: Any) -> Any:
        return np.sum(np.diff(x) ** 2) + (x[0] - 1) ** 2

    x0 = np.linspace(0, 1, 200)
    with pytest.warns(UserWarning, match=r"small operations, as a loop of Python"):
        long = prepare(loop, x0)
    short, few = prepare(in_one, x0), prepare(loop, x0[:20])
    assert [problem.traced().is_unrolled for problem in (long, short, few)] == [True, False, False]
    options: list[Any] = []
    monkeypatch.setattr(jax, "jit", lambda function, compiler_options: options.append(compiler_options))
    for problem in (long, few):
        problem.traced().compiled("a probe", lambda: lambda: 0)
    assert [given.get("xla_backend_optimization_level") for given in options] == [0, None]
    np.testing.assert_allclose(long.value_and_grad(x0)[1], short.value_and_grad(x0)[1], atol=1e-12)
