"""Schedules: their formulas, and their equality with those of optax and torch."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from descend import (
    Adam,
    Constant,
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    GradientDescent,
    InverseTime,
    Joined,
    Momentum,
    OneCycle,
    Polynomial,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
    minimize,
)
from descend.fields import Number, positive

K = np.arange(0, 300)
SAME_IN_OPTAX = [
    (Constant(0.3), optax.constant_schedule(0.3)),
    (StepDecay(0.3, every=40, factor=0.5), optax.exponential_decay(0.3, 40, 0.5, staircase=True)),
    (ExponentialDecay(0.3, factor=0.97), optax.exponential_decay(0.3, 1, 0.97)),
    (Polynomial(0.3, steps=200, power=2.0, end=0.01), optax.polynomial_schedule(0.3, 0.01, 2.0, 200)),
    (Polynomial(0.3, steps=200), optax.linear_schedule(0.3, 0.0, 200)),
    (Cosine(0.3, steps=200, end=0.03), optax.cosine_decay_schedule(0.3, 200, alpha=0.1)),
    (Warmup(0.3, steps=50, start=0.1), optax.linear_schedule(0.03, 0.3, 50)),
    (
        Joined((Warmup(0.3, 50, start=0.1), Cosine(0.3, 150)), at=(50,)),
        optax.join_schedules([optax.linear_schedule(0.03, 0.3, 50), optax.cosine_decay_schedule(0.3, 150)], [50]),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), SAME_IN_OPTAX, ids=[repr(ours) for ours, _ in SAME_IN_OPTAX])
def test_schedules_equal_those_of_optax(ours: Schedule, theirs: Any) -> None:
    with jax.enable_x64(True):
        expected = [float(theirs(k)) for k in K]
    np.testing.assert_allclose(ours(K.astype(float)), expected, rtol=1e-12, atol=1e-15)


def test_formulas_at_known_places() -> None:
    assert InverseTime(0.1, decay=0.5)(4.0) == pytest.approx(0.1 / 3)
    assert InverseTime(0.1, decay=1.0, power=0.5)(3.0) == pytest.approx(0.05)
    restarts = CosineRestarts(1.0, steps=10, growth=2)
    np.testing.assert_allclose(
        restarts(np.array([0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0])), [1, 0.5, 1, 0.5, 1, 0.5, 1]
    )
    np.testing.assert_allclose(
        CosineRestarts(1.0, steps=10, growth=1)(np.array([0.0, 5.0, 10.0, 15.0])), [1, 0.5, 1, 0.5]
    )
    cycle = OneCycle(1.0, steps=100)
    assert cycle(0.0) == pytest.approx(1 / 25)
    assert cycle(29.0) == pytest.approx(1.0)
    assert cycle(99.0) == pytest.approx(1 / 25e4)


@pytest.mark.parametrize(
    ("ours", "name", "settings"),
    [
        (StepDecay(0.3, every=40, factor=0.5), "StepLR", {"step_size": 40, "gamma": 0.5}),
        (ExponentialDecay(0.3, factor=0.97), "ExponentialLR", {"gamma": 0.97}),
        (Polynomial(0.3, steps=200, power=2.0), "PolynomialLR", {"total_iters": 200, "power": 2.0}),
        (Warmup(0.3, steps=50, start=0.1), "LinearLR", {"start_factor": 0.1, "total_iters": 50}),
        (CosineRestarts(0.3, steps=20, growth=2, end=0.01), "CosineAnnealingWarmRestarts", {"T_0": 20, "T_mult": 2, "eta_min": 0.01}),
        (OneCycle(0.3, steps=300, rise=0.25), "OneCycleLR", {"max_lr": 0.3, "total_steps": 300, "pct_start": 0.25}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_schedules_equal_those_of_torch(ours: Schedule, name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="torch is in the extra 'parity': pip install '.[parity]'")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **settings)
    theirs = []
    for _ in K:
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if len(theirs) < len(K):
            scheduler.step()
    np.testing.assert_allclose(ours(K.astype(float)), theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_trace_shows_the_scheduled_rate(dtype: str) -> None:
    schedule = Joined((Warmup(0.1, 10), Cosine(0.1, 40)), at=(10,))
    run = minimize("x^2 + 3*y^2", np.ones(2, dtype), Adam(schedule), steps=50, gtol=0)
    np.testing.assert_allclose(run.trace.lr[1:], schedule(np.arange(50.0)), rtol=1e-4 if dtype == "float32" else 1e-12)


def test_a_schedule_is_an_optax_schedule() -> None:
    x = np.ones(2, np.float32)
    transformation = optax.sgd(Cosine(0.5, 10))
    change, _ = transformation.update(x, transformation.init(x), x)
    np.testing.assert_allclose(change, -0.5, rtol=1e-6)


def test_a_new_number_in_a_schedule_does_not_compile_again() -> None:
    from descend.objectives import tracing

    minimize("x^2", 3.0, Momentum(Cosine(0.1, 100)), steps=5)
    before = dict(tracing._made)
    minimize("x^2", 3.0, Momentum(Cosine(0.2, 70)), steps=5)
    assert tracing._made.keys() == before.keys()


def test_reduce_on_plateau_is_right_for_negative_costs() -> None:
    """torch's relative threshold takes any cost above -1 · (1 - 1e-4) … for better when the best is negative."""
    rising = minimize("x^2 - 100", 3.0, GradientDescent(ReduceOnPlateau(1.0, factor=0.5, patience=3)), steps=9, gtol=0)
    # At rate 1 gradient descent hops between 3 and -3: the cost stays, and after 3 idle steps the rate is halved.
    np.testing.assert_allclose(rising.trace.lr[1:6], [1, 1, 1, 1, 0.5])
    assert rising.x == pytest.approx(0.0)


def test_reduce_on_plateau_does_not_go_below_its_smallest_rate() -> None:
    method = GradientDescent(ReduceOnPlateau(1.0, factor=0.1, patience=1, smallest=0.95))
    assert minimize("x^2", 3.0, method, steps=30, gtol=0).trace.lr[-1] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Cosine(0.1, steps=-5), "steps must be whole, >= 1, got -5"),
        (
            lambda: Cosine(0.1, steps=0.5),
            "steps must be whole, >= 1",
        ),
        (lambda: Cosine(0.1), "Cosine needs steps: how many steps it takes"),
        (lambda: Cosine(-0.1, 5), "lr must be > 0"),
        (lambda: Joined((Cosine(0.1, 5), Constant(0.1)), at=()), "2 schedules need 1 growing steps"),
        (lambda: Joined((0.1, Constant(0.1)), at=(5,)), "schedules must be a tuple of schedules"),
        (lambda: Joined((Cosine(0.1, 5), Constant(0.1)), at=(-5,)), "at must be a tuple of whole numbers > 0"),
        (
            lambda: Adam(lr=lambda k: 0.1),  # type: ignore[arg-type]
            "lr must be a number > 0",
        ),
    ],
)
def test_bad_schedules(make: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert says in str(caught.value)


def test_a_schedule_of_ones_own_that_leaves_the_rates_is_refused() -> None:
    class Downwards(Schedule):
        """Falls below zero."""

        lr: Number = positive(0.1, "the first rate")

        def __call__(self, k: Any) -> Any:
            """The rate after k steps."""
            return self.lr * (1 - k / 10)

    with pytest.raises(ValueError, match=r"gives the rate -0.01 at step 11: a rate is a finite number >= 0"):
        minimize("x^2", 3.0, GradientDescent(Downwards()), steps=30)
    assert minimize("x^2", 3.0, GradientDescent(Downwards()), steps=10).nit == 10
