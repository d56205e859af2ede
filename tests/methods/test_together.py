"""What does not go together is refused with the reason: sets, clipping, averages, numbers in the wrong order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optax
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import (
    Adam,
    Averaged,
    Ball,
    Box,
    Chebyshev,
    ClipNorm,
    ClipValue,
    GradientDescent,
    L1Ball,
    LinearRegression,
    MLPRegressor,
    Momentum,
    Outcome,
    Polyak,
    PolyakEstimated,
    Projected,
    ReduceOnPlateau,
    Rprop,
    ScheduleFree,
    SilverStronglyConvex,
    Simplex,
    StrongWolfe,
    minimize,
)

TOGETHER = "changes each coordinate for itself"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Projected(Projected(GradientDescent(0.1), Simplex()), Box(0, 0.5)), "need not lie in the other"),
        (lambda: Projected(ClipValue(GradientDescent(0.1), 0.1), Simplex()), TOGETHER),
        (lambda: ClipValue(Projected(GradientDescent(0.1), Ball(1.0)), 0.1), TOGETHER),
        (lambda: Projected(optax.adam(0.1), Ball(1.0)), TOGETHER),
        (lambda: Projected(optax.rprop(0.1), L1Ball(1.0)), TOGETHER),
        (lambda: Averaged(Averaged(Adam(0.1))), "each hand out a point of their own"),
        (lambda: ScheduleFree(ScheduleFree(Adam())), "each hand out a point of their own"),
        (lambda: Chebyshev(L=1.0, mu=10.0), "mu must be no larger than L, got mu=10 and L=1"),
        (lambda: SilverStronglyConvex(2.0, 10.0), "mu must be no larger than L"),
        (lambda: StrongWolfe(sufficient=0.9, flatness=0.1), "sufficient must be no larger than flatness"),
        (lambda: Rprop(smallest=1.0, largest=0.1), "smallest must be no larger than largest"),
        (lambda: Chebyshev(L=np.array([1.0, 20.0]), mu=10.0), "got mu=10 and L=1"),
    ],
)
def test_what_has_no_meaning_together_is_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_what_keeps_the_direction_goes_with_every_set() -> None:
    for rule in (
        Projected(optax.sgd(0.1, momentum=0.5), Ball(1.0)),
        Projected(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)), Simplex()),
        Projected(optax.sgd(optax.warmup_constant_schedule(0.0, 0.1, 5)), Ball(1.0)),  # its first move is none
        Projected(optax.adam(0.1), Box(0)),
        ClipValue(Projected(GradientDescent(0.1), Box(0)), 0.1),
        ClipNorm(Projected(GradientDescent(0.1), Simplex()), 0.1),
        Projected(Momentum(0.1), Simplex()),
        Projected(
            optax.multi_transform({"w": optax.sgd(0.1)}, {"a": "w"}), Ball(9.0)
        ),  # for parameters of another form
    ):
        assert rule.reach(np.full(2, 0.5), np.full(2, 0.5)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("steepness", [1e9, 1e12, 1e20])
def test_the_search_for_a_rate_goes_on_where_it_stopped(steepness: float) -> None:
    run = minimize(lambda x: steepness * x**2, 1.0, GradientDescent(StrongWolfe()))
    assert run.outcome is Outcome.CONVERGED, run.message


def test_a_plateau_is_none_where_each_cost_is_that_of_a_batch() -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(400, 3)), draw.normal(size=400)
    plateau = GradientDescent(ReduceOnPlateau(0.001))
    for run in (
        lambda: minimize(lambda w, X, y: np.mean((X @ w - y) ** 2), np.zeros(3), plateau, data=(X, y), batch_size=1),
        lambda: LinearRegression(plateau, batch_size=16).fit(X, y),
        lambda: MLPRegressor(plateau, hidden=4).fit(X, y),
    ):
        with pytest.raises(ValueError, match="ReduceOnPlateau compares costs or gradients of successive steps"):
            run()
    with pytest.warns(ConvergenceWarning):  # all rows at each step are one cost
        assert LinearRegression(plateau, epochs=3).fit(X, y).n_iter_ == 3


def test_a_step_across_the_slope_has_an_end() -> None:
    curvatures, target = np.array([1.0, 3.0, 10.0, 0.5]), np.array([1.0, -2.0, 0.3, 0.7])
    for stepsize in (Polyak(0.0), PolyakEstimated()):  # which went to 1e300
        run = minimize(lambda x: np.sum(curvatures * (x - target) ** 2) / 2, np.ones(4), Adam(stepsize), steps=3_000)
        assert run.outcome is Outcome.CONVERGED, run.message
