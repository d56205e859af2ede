"""SciPy's habits: the names of `OptimizeResult`, and descend as a method of `scipy.optimize.minimize`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize

import descend
from descend import Adam, GradientDescent


def test_a_run_answers_to_the_names_of_a_result() -> None:
    run = descend.minimize(scipy.optimize.rosen, [-1.2, 1.0])
    result = scipy.optimize.minimize(scipy.optimize.rosen, [-1.2, 1.0], method="BFGS")
    for name in ("x", "fun", "jac", "success", "status", "message", "nit", "nfev", "njev"):
        assert type(getattr(run, name)) is not type(None), name
        assert hasattr(result, name)
    np.testing.assert_allclose(run.x, result.x, atol=1e-4)
    np.testing.assert_allclose(run.jac, scipy.optimize.rosen_der(run.x), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("jac", [None, scipy.optimize.rosen_der])
def test_descend_is_a_method_of_scipy(jac: Any) -> None:
    result = scipy.optimize.minimize(scipy.optimize.rosen, [-1.2, 1.0], method=descend.scipy(), jac=jac)
    assert isinstance(result, scipy.optimize.OptimizeResult)
    assert result.success
    np.testing.assert_allclose(result.x, 1, atol=1e-6)
    adam = scipy.optimize.minimize(
        scipy.optimize.rosen, [-1.2, 1.0], method=descend.scipy(Adam(0.1)), jac=jac, options={"maxiter": 50}
    )
    assert adam.nit == 50
    assert not adam.success


def test_value_and_gradient_in_one_function_and_extra_arguments() -> None:
    result = scipy.optimize.minimize(
        lambda x, a: (np.sum((x - a) ** 2), 2 * (x - a)),
        [5.0, 5.0],
        args=(3.0,),
        method=descend.scipy(),
        jac=True,
    )
    np.testing.assert_allclose(result.x, 3)


def test_tol_and_callback() -> None:
    seen: list[Any] = []
    result = scipy.optimize.minimize(
        lambda x: np.sum(x**2),
        [5.0],
        method=descend.scipy(GradientDescent(0.1)),
        tol=1e-2,
        callback=seen.append,
    )
    assert result.success
    assert 1e-3 < abs(result.jac[0]) <= 1e-2
    assert seen


@pytest.mark.parametrize("kwargs", [{"bounds": [(0, 1)]}, {"constraints": {"type": "eq", "fun": lambda x: x[0]}}])
def test_what_it_cannot_do_it_says(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="descend's methods know no"):
        scipy.optimize.minimize(lambda x: np.sum(x**2), [5.0], method=descend.scipy(), **kwargs)
    with pytest.raises(ValueError, match="unknown option 'maxfun'"):
        scipy.optimize.minimize(lambda x: np.sum(x**2), [5.0], method=descend.scipy(), options={"maxfun": 3})
