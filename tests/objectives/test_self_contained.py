"""What is remembered of a function that refers to nothing that could change, and what is not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from descend import GradientDescent, minimize
from descend.objectives import function
from descend.objectives.self_contained import code_of

A = 3.0
state = [0]


def bowl(x: Any) -> Any:
    return np.sum((x - A) ** 2) + jnp.sin(math.pi) + sum(x[i] ** 2 for i in range(len(x)))


def counts(x: Any) -> Any:
    state[0] += 1
    return x**2


def noisy(x: Any) -> Any:
    return x**2 + np.random.normal()  # noqa: NPY002


def imports(x: Any) -> Any:
    import random

    return x**2 + random.random()  # noqa: S311


def calls_another(x: Any) -> Any:
    return A * bowl(x)


def reads_a_file(x: Any) -> Any:
    return x**2 + np.load("no.npy")


def with_default(x: Any, shift: Any = state) -> Any:
    return x**2


B = 0.0


def steps_aside(x: Any) -> Any:
    global B  # noqa: PLW0603
    B = x
    return x**2


def closes_over(value: Any) -> Callable[[Any], Any]:
    return lambda x: (x - value) ** 2


def of_methods(x: Any) -> Any:
    return (x.T.dot(x) + x.sum()).mean()


def test_self_contained_functions_have_a_key() -> None:
    assert code_of(bowl) is not None
    assert code_of(of_methods) is not None
    assert code_of(lambda x: 2 * x) is not None


@pytest.mark.parametrize(
    "other",
    [counts, noisy, imports, calls_another, reads_a_file, with_default, steps_aside, closes_over(1.0), np.sin,
     random.random, 3],
)  # fmt: skip
def test_others_have_none(other: Any) -> None:
    assert code_of(other) is None


def test_an_attribute_of_the_function_is_state() -> None:
    def marked(x: Any) -> Any:
        return x**2

    marked.runs_eagerly = True  # type: ignore[attr-defined]
    assert code_of(marked) is None


def test_equal_code_over_other_names_is_another_function() -> None:
    mine = {"np": np, "A": 3.0}
    twin = FunctionType(bowl.__code__, {**bowl.__globals__, **mine})
    assert code_of(twin) == code_of(bowl)
    mine["A"] = 4.0
    assert code_of(FunctionType(bowl.__code__, {**bowl.__globals__, **mine})) != code_of(bowl)
    assert code_of(FunctionType(bowl.__code__, {**bowl.__globals__, "np": math})) != code_of(bowl)
    assert code_of(FunctionType(bowl.__code__, {**bowl.__globals__, "np": random})) is None


def test_a_number_whose_name_is_that_of_a_method_is_seen() -> None:
    source: Any = FunctionType((lambda x: (x - dot) ** 2).__code__, {"dot": 1.0})  # type: ignore[name-defined] # noqa: F821
    assert minimize(source, 0.0).x == pytest.approx(1, abs=1e-6)
    source.__globals__["dot"] = 2.0
    assert minimize(source, 0.0).x == pytest.approx(2, abs=1e-6)


def test_what_is_known_is_not_found_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(x: Any) -> Any:
        return np.sum((x - 1) ** 4)

    x0 = np.array([2.0, 3.0])
    first = minimize(here, x0)
    monkeypatch.setattr(function, "trace", lambda *_: pytest.fail("traced anew"))
    second = minimize(here, x0)
    assert second.fun == first.fun
    with pytest.raises(pytest.fail.Exception, match="traced anew"):
        minimize(here, np.array([2.0, 3.5]))
    with pytest.raises(pytest.fail.Exception, match="traced anew"):
        minimize(here, x0.astype(np.float32))


def test_a_start_changed_in_place_is_another_start() -> None:
    def here(x: Any) -> Any:
        return np.sum((x - 1) ** 2)

    x0 = np.array([2.0, 3.0])
    minimize(here, x0, steps=1)
    x0[:] = 5.0
    assert minimize(here, x0, GradientDescent(0.1), steps=1).fun == pytest.approx(2 * (4 * 0.8) ** 2)
    again = np.array([2.0, 3.0])
    np.testing.assert_array_equal(minimize(here, again, steps=1).problem.x0, [2.0, 3.0])
    assert minimize(here, again, steps=1).trace.f[0] == 5.0


def test_the_maximum_is_not_the_minimum() -> None:
    def hill(x: Any) -> Any:
        return np.cos(x)

    assert minimize(hill, 0.5, GradientDescent(0.1), steps=2000).fun == pytest.approx(-1)
    assert minimize(hill, 0.5, GradientDescent(0.1), steps=2000, maximize=True).fun == pytest.approx(1)


def test_a_failure_is_told_each_time() -> None:
    def no_start(x: Any) -> Any:
        return np.log(x)

    for _ in range(2):
        with pytest.raises(ValueError, match="nan at the start"):
            minimize(no_start, -1.0)
