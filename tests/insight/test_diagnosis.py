"""What a run suffers from is told rightly, with numbers that are true and a cure that works."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optax
import pytest
from benchmarks.diagnoses import CASES

from descend import Adam, GradientDescent, Momentum, Outcome, minimize
from descend.insight import Cause


@pytest.mark.parametrize(("name", "cause", "make"), CASES, ids=[case[0] for case in CASES])
def test_the_cause_is_told(name: str, cause: Cause, make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = make()
    found = run.explain()
    assert found.cause is cause, f"{run.message}\n{found}"
    assert found.outcome is run.outcome
    assert str(found).startswith(cause.value[0].upper())
    if cause is Cause.HEALTHY:
        assert not found.cure


def test_the_limit_of_stability_is_the_true_one_and_its_cure_works() -> None:
    run = minimize(lambda x: 3 * x[0] ** 2 + x[1] ** 2, [1.0, 1.0], GradientDescent(0.4), steps=200)
    found = run.explain()
    assert found.evidence["largest curvature L"] == pytest.approx(6, rel=1e-9)
    assert found.evidence["limit of stability"] == pytest.approx(2 / 6, rel=1e-6)
    cured = minimize(
        lambda x: 3 * x[0] ** 2 + x[1] ** 2, [1.0, 1.0], GradientDescent(float(found.cure.removeprefix("lr=")))
    )
    assert cured.outcome is Outcome.CONVERGED
    assert found.as_dict()["cause"] == "RATE_TOO_LARGE"


def test_what_is_not_known_is_said() -> None:
    foreign = minimize("x^2", 5.0, optax.sgd(1.2), steps=50).explain()
    assert foreign.cause is Cause.RATE_TOO_LARGE or "not known" in str(foreign) or foreign.cause is Cause.UNKNOWN
    assert minimize("x^2", 5.0, Adam(0.1), steps=0).explain().cause is not Cause.HEALTHY


def test_large_runs_without_a_path_and_tiny_ones_are_explained() -> None:
    large = minimize(lambda x: np.sum(x**2), np.ones(2_000_000, np.float32), GradientDescent(1.2), steps=20)
    assert large.trace.x is None
    assert large.explain().cause in {Cause.RATE_TOO_LARGE, Cause.UNKNOWN}
    assert minimize("x^2", 5.0, GradientDescent(1e-3), steps=1).explain().cause is not Cause.HEALTHY


def test_a_kink_has_no_curvature_and_is_explained_all_the_same() -> None:
    found = minimize(lambda x: np.abs(x).sum(), [1.0, 2.0], Momentum(0.3), steps=3_000).explain()
    assert found.cause in {Cause.OSCILLATING, Cause.RATE_TOO_LARGE}


def test_a_run_that_has_not_ended_is_refused() -> None:
    def look(run: Any) -> None:
        with pytest.raises(ValueError, match="has not ended"):
            run.explain()
        raise StopIteration

    minimize("rosenbrock", None, GradientDescent(1e-4), callback=look)
