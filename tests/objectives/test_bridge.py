"""The NumPy bridge: exact where it can be, refused with the cure where it cannot, never silently wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from descend import minimize
from descend.objectives.bridge import UntraceableError
from descend.objectives.differences import central_differences
from descend.objectives.function import DIFFERENCES, NUMPY, prepare

_spec = importlib.util.spec_from_file_location("snippets", Path(__file__).with_name("snippets.py"))
assert _spec is not None
assert _spec.loader is not None
snippets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(snippets)


@pytest.mark.parametrize("name", snippets.EXACT)
def test_the_gradient_of_numpy_code_is_exact(name: str) -> None:
    problem = prepare(snippets.EXACT[name], snippets.X3)
    assert (problem.gradient, problem.reason) == (NUMPY, "")
    for x in (snippets.X3, np.array([0.31, 1.27, -0.83])):
        value, grad = problem.value_and_grad(x)
        assert value == pytest.approx(problem.plain(x), rel=1e-12)
        np.testing.assert_allclose(grad, central_differences(problem.plain, x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", snippets.REFUSED)
def test_what_cannot_be_traced_runs_eagerly_and_says_why(name: str) -> None:
    problem = prepare(snippets.REFUSED[name], snippets.X3)
    assert problem.gradient == DIFFERENCES
    assert len(problem.reason) > 20
    _, grad = problem.value_and_grad(snippets.X3)
    np.testing.assert_allclose(grad, central_differences(problem.plain, snippets.X3), rtol=1e-12)


@pytest.mark.parametrize("name", snippets.RANDOM)
def test_functions_that_are_random_or_keep_state_are_found_out(name: str) -> None:
    with pytest.raises(ValueError, match="different values for the same x: it is random or keeps state"):
        prepare(snippets.RANDOM[name], snippets.X3)


def test_the_count_of_kinds_is_what_the_documentation_claims() -> None:
    assert len(snippets.EXACT) >= 140
    assert len(snippets.EXACT) + len(snippets.REFUSED) + len(snippets.RANDOM) >= 165


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (snippets.REFUSED["math.sin"], "write np.sin"),
        (snippets.REFUSED["if on a value"], "write np.where(condition, a, b)"),
        (snippets.REFUSED["boolean mask"], "write np.where(x > 0, x, 0)"),
        (snippets.REFUSED["item()"], "leave it out"),
        (snippets.REFUSED["plain array"], "build it with np.array([...])"),
        (snippets.REFUSED["fill_diagonal"], "build a new one with np.where"),
        (snippets.REFUSED["masked array"], "write np.where(mask, a, b)"),
        (snippets.REFUSED["where="], "np.where"),
        (snippets.REFUSED["sort in place"], "write np.sort(x)"),
        (snippets.REFUSED["isinstance"], "depends on the type of its argument"),
        (snippets.REFUSED["scipy.linalg.solve"], "use np.linalg"),
    ],
)
def test_a_refusal_says_what_to_write_instead(function: Any, says: str) -> None:
    assert says in prepare(function, snippets.X3).reason


def test_the_function_may_change_its_argument_without_harm() -> None:
    def spoils(x: Any) -> Any:
        x -= 1
        return np.sum(x**2)

    x0 = np.array([5.0, 6.0])
    run = minimize(spoils, x0)
    assert x0.tolist() == [5.0, 6.0]
    np.testing.assert_allclose(run.x, [1.0, 1.0], atol=1e-8)


def test_a_write_through_a_view_is_refused_not_lost() -> None:
    with pytest.raises(UntraceableError, match="writing into a slice"):
        jax.make_jaxpr(lambda x: _bridged_call(snippets.write_through_view, x))(np.ones(3))


def _bridged_call(function: Any, x: Any) -> Any:
    from descend.objectives.bridge import bridged, unbridged

    return unbridged(function(bridged(x)))


def test_float32_runs_meet_numpy_constants_without_promotion() -> None:
    constant = np.array([1.0, 2.0, 3.0])
    run = minimize(lambda x: np.sum((x - constant) ** 2), np.zeros(3, np.float32))
    assert run.x.dtype == np.float32
    np.testing.assert_allclose(run.x, constant, rtol=1e-5)
    constant[:] = [4.0, 5.0, 6.0]
    np.testing.assert_allclose(
        minimize(lambda x: np.sum((x - constant) ** 2), np.zeros(3, np.float32)).x, [4, 5, 6], rtol=1e-5
    )
