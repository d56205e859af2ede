"""Runs that once were told wrong: each was found by somebody who tried, and its true cause is known."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import (
    AdaGrad,
    Adam,
    AMSGrad,
    Averaged,
    ClipGlobalNorm,
    ClipValue,
    Cosine,
    ExponentialAverage,
    ExponentialDecay,
    GradientDescent,
    InverseTime,
    LinearRegression,
    LogisticRegression,
    Lookahead,
    MLPRegressor,
    Momentum,
    Outcome,
    RMSProp,
    ScheduleFree,
    WeightDecay,
    minimize,
    train,
)
from descend.insight import Cause
from descend.insight.changed_schedules import highest_rate

pytestmark = pytest.mark.usefixtures("time_enough")

DRAW = np.random.default_rng(0)
A = DRAW.normal(size=(500, 3))
B = A @ [1, 2, 3.0] + 0.5 * DRAW.normal(size=500)
BEST = np.linalg.lstsq(A, B, rcond=None)[0]


def squares(w: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e-8, 1e-9, 1e-12])
@pytest.mark.parametrize("method", [None, GradientDescent(0.05)], ids=["default", "gradient descent"])
def test_the_unit_of_the_solution_does_not_matter(unit: float, method: Any) -> None:
    run = minimize(lambda w: np.mean((A @ w - unit * B) ** 2), np.zeros(3), method)
    assert run.success, run.message
    np.testing.assert_allclose(run.x / unit, BEST, rtol=1e-6)
    assert run.explain().cause is Cause.HEALTHY


@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e-9])
def test_noise_is_told_whatever_the_unit(unit: float) -> None:
    run = minimize(squares, np.zeros(3), GradientDescent(0.05), data=(A, unit * B), batch_size=1, epochs=30)
    assert run.explain().cause is Cause.NOISE_FLOOR


@pytest.mark.parametrize("x0", [1 + 1e-9, 1 - 1e-12])
def test_who_starts_in_the_minimum_is_there(x0: float) -> None:
    run = minimize(lambda x: ((x - 1) ** 2).sum(), np.full(3, x0), GradientDescent(0.1))
    assert (run.outcome, run.nit) == (Outcome.CONVERGED, 0)
    assert run.explain().cause is Cause.HEALTHY


EDGE: list[tuple[str, Any, list[float], Any]] = [
    ("two variables", "2*x^2 + 0.5*y^2", [3.0, 3.0], GradientDescent(1.9999 / 4)),
    ("ill-conditioned", lambda x: 0.5 * (100 * x[0] ** 2 + x[1] ** 2), [5.0, 0.0], GradientDescent(0.01998)),
    ("momentum", lambda x: 50 * x[0] ** 2, [5.0], Momentum(0.999 * 0.038, mu=0.9)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cost", "x0", "method"), EDGE, ids=[case[0] for case in EDGE])
def test_just_below_the_limit_it_goes_to_and_fro(name: str, cost: Any, x0: Any, method: Any) -> None:
    found = minimize(cost, x0, method, steps=300).explain()
    assert found.cause is Cause.OSCILLATING
    lr = float(found.cure.removeprefix("lr="))
    assert minimize(cost, x0, method.with_numbers(lambda n, v: lr if n == "lr" else v), steps=300).fun < 1e-9


@pytest.mark.parametrize(
    "cost", ["(x - 1)^2 + 10000000000000000", lambda x: (x - 1) ** 2 + np.float32(1e8)], ids=["float64", "float32"]
)
def test_in_a_minimum_that_rounding_hides_it_is_at_the_precision_of_the_numbers(cost: Any) -> None:
    x0 = 1.5 if isinstance(cost, str) else np.float32(1.5)
    run = minimize(cost, x0, GradientDescent(0.3), gtol=1e-12)
    assert run.x == pytest.approx(1, abs=1e-6)
    found = run.explain()
    assert found.cause in {Cause.PRECISION_FLOOR, Cause.HEALTHY}
    assert found.cause is Cause.HEALTHY or "constant part" in found.cure


def test_noisy_values_with_a_given_gradient_are_no_saddle() -> None:
    def cost(x: Any) -> float:
        wild = abs(math.sin(sum(float(v) * (12.9898 + i * 78.233) for i, v in enumerate(x)) * 43758.5453))
        return sum((float(v) - 1) ** 2 for v in x) + 1e-4 * (wild - 0.6)

    run = minimize(cost, [4.0, 3.0, 2.0], GradientDescent(0.1), grad=lambda x: 2 * (np.asarray(x) - 1), steps=400)
    assert run.success, run.message
    assert run.explain().cause is Cause.HEALTHY


def test_jumps_are_a_plateau_and_no_saddle() -> None:
    run = minimize(lambda x: np.round(np.sum((x - 2) ** 2), 3), [5.0, 4.0], GradientDescent(0.1))
    assert run.outcome is Outcome.STALLED
    assert "jumps" in run.message
    assert run.explain().cause is Cause.PLATEAU


@pytest.mark.parametrize(
    "step", [jnp.floor, lambda t: jnp.floor(t) ** 2, lambda t: t > 0], ids=["floor", "floor squared", "a threshold"]
)
def test_a_step_in_one_variable_is_no_saddle_though_the_other_has_a_slope(step: Any) -> None:
    run = minimize(lambda x: (x[0] - 1) ** 2 + step(x[1]), [1.5, 2.4], GradientDescent(0.1))
    assert "a little further on the cost falls by a jump" in run.message
    found = run.explain()
    assert (found.cause, found.cure) == (
        Cause.PLATEAU, "put a smooth cost in the place of floor, round or a comparison"
    )  # fmt: skip
    saddle = minimize("(x - 1)^2 - y^2 + y^4", [1.5, 0.0], GradientDescent(0.1))
    assert saddle.explain().cause is Cause.SADDLE


WELL: list[tuple[str, Any, int]] = [
    ("averaged", Averaged(GradientDescent(0.02), after=500), 1),
    ("running average", ExponentialAverage(GradientDescent(0.02)), 1),
    ("schedule-free", ScheduleFree(GradientDescent(0.05)), 8),
    ("cosine", GradientDescent(Cosine(0.05, steps=1280)), 16),
]


@pytest.mark.parametrize(("name", "method", "size"), WELL, ids=[case[0] for case in WELL])
def test_what_ends_well_in_batches_is_called_well(name: str, method: Any, size: int) -> None:
    run = minimize(squares, np.zeros(3), method, data=(A, B), batch_size=size, epochs=40 if size > 8 else 20)
    assert float(squares(run.x, A, B)) < 1.01 * float(squares(BEST, A, B))
    assert run.explain().cause is Cause.HEALTHY


def test_an_average_is_not_told_by_the_points_that_it_averages() -> None:
    run = minimize("x^2", 5.0, Averaged(GradientDescent(0.9999)), steps=400)
    assert abs(run.x) < 0.05
    assert run.explain().cause is not Cause.OSCILLATING


def test_a_method_that_never_forgets_a_steep_place_has_vanished_steps() -> None:
    run = minimize(lambda x: np.exp(-20 * x) + 0.5 * (x - 3) ** 2, -1.0, AMSGrad(0.5), steps=2_000)
    assert run.explain().cause is Cause.STEP_VANISHED


def test_a_cure_of_what_diverged_holds_as_long_as_the_run_was() -> None:
    start = [-1.2, 1.0]
    found = minimize("rosenbrock", start, RMSProp(100.0), steps=2_000).explain()
    assert found.cause is Cause.RATE_TOO_LARGE
    cured = minimize("rosenbrock", start, RMSProp(float(found.cure.removeprefix("lr="))), steps=2_000)
    assert cured.outcome is not Outcome.DIVERGED


def test_the_cure_of_a_model_is_no_rate_at_the_edge() -> None:
    y = A @ [1, -1, 2.0] + DRAW.normal(size=500) > 0
    model = LogisticRegression(Momentum(100.0), batch_size=32, epochs=5)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(A, y)
    found = model.explain(A, y)
    assert found.cause is Cause.RATE_TOO_LARGE
    cured = LogisticRegression(Momentum(float(found.cure.removeprefix("lr="))), batch_size=32, epochs=5).fit(A, y)
    assert cured.history_.loss[-1] < 0.8 * np.log(2)


def test_the_highest_rate_of_a_schedule_is_told_also_where_no_look_saw_it() -> None:
    assert highest_rate(InverseTime(0.1, decay=1.0), 1_000, np.array([0.01, 0.001])) == pytest.approx(0.1)
    method = GradientDescent(InverseTime(0.1, decay=1.0))
    found = minimize(squares, np.zeros(3), method, data=(A, B), batch_size=50, epochs=5).explain()
    assert found.cause is Cause.DECAYED_TOO_EARLY
    assert found.evidence["rate at its highest"] == pytest.approx(0.1)


def test_what_float32_cannot_hold_is_sent_to_float64() -> None:
    with pytest.raises(ValueError, match="in float64 it is finite: give x0 in float64"):
        minimize(lambda x: (x**2).sum(), np.full(2, 1e25, np.float32))


BROKEN = A.copy()
BROKEN[17, 2] = np.nan


@pytest.mark.parametrize("model", [LinearRegression(), LinearRegression(scale=False), MLPRegressor()], ids=str)
def test_the_place_of_what_is_not_finite_is_named(model: Any) -> None:
    with pytest.raises(ValueError, match="Input X contains NaN: nan in row 17, column 2"):
        model.fit(BROKEN, B)
    with pytest.raises(ValueError, match="Input y contains infinity.* inf in row 3, and 1 more"):
        model.fit(A, np.where(np.isin(np.arange(500), [3, 8]), np.inf, B))
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="row 17, column 'income'"):
        model.fit(pandas.DataFrame(BROKEN, columns=["age", "rooms", "income"]), B)


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_rows_that_the_model_would_refuse_explain_nothing() -> None:
    model = LinearRegression(GradientDescent(1e-6), batch_size=5, epochs=2).fit(A, B)
    assert model.explain(A, B).cause is Cause.RATE_TOO_SMALL
    for X, y, told in ((BROKEN, B, "row 17"), (A, B[:20], "inconsistent numbers"), (A[:, :2], B, "2 features")):
        with pytest.raises(ValueError, match=told):
            model.explain(X, y)


QUADRATIC = "(x-1)^2 + 3*(y-1)^2"


@pytest.mark.parametrize(
    "method",
    [
        Averaged(Adam(Cosine(0.01, steps=20))),
        ClipGlobalNorm(Momentum(Cosine(0.001, steps=20)), 1.0),
        Lookahead(Adam(Cosine(0.01, steps=20))),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_schedule_inside_of_a_wrapper_can_have_decayed_too_early(method: Any) -> None:
    assert minimize(QUADRATIC, [0.0, 0.0], method, steps=100).explain().cause is Cause.DECAYED_TOO_EARLY


@pytest.mark.parametrize("around", [Lookahead, Averaged, lambda m: ClipValue(WeightDecay(m, 1e-3), 1e300)])
def test_a_rate_inside_of_a_wrapper_can_be_too_large_or_too_small(around: Any) -> None:
    def bowl(x: Any) -> Any:
        return 50 * np.sum(x**2)

    found = minimize(bowl, np.ones(3), around(GradientDescent(0.05)), steps=100).explain()
    assert found.cause is Cause.RATE_TOO_LARGE
    assert minimize(bowl, np.ones(3), around(GradientDescent(float(found.cure[3:]))), steps=100).fun < 1
    assert minimize(bowl, np.ones(3), around(GradientDescent(1e-7)), steps=500).explain().cause is Cause.RATE_TOO_SMALL


@pytest.mark.parametrize(
    ("steps", "cause"), [(20, Cause.TOO_FEW_STEPS), (40, Cause.TOO_FEW_STEPS), (60, Cause.HEALTHY), (79, Cause.HEALTHY)]
)
def test_what_comes_in_is_not_called_oscillating(steps: int, cause: Cause) -> None:
    found = minimize(QUADRATIC, [0.0, 0.0], Lookahead(GradientDescent(0.25)), steps=steps).explain()
    assert found.cause is cause


def nearly_alike() -> tuple[np.ndarray, np.ndarray]:
    """Rows with two columns that are all but the same, and a target that is in their difference."""
    draw = np.random.default_rng(3)
    X = draw.normal(size=(400, 3))
    X[:, 2] = X[:, 0] + 0.01 * X[:, 2]
    return X, X @ [-100, 1, 100]


@pytest.mark.parametrize(
    "method",
    [GradientDescent(Cosine(0.1, steps=2_500)), Averaged(GradientDescent(0.1), after=500), GradientDescent(0.1)],
)
def test_flat_directions_are_seen_in_batches(method: Any) -> None:
    X, y = nearly_alike()
    run = minimize(squares, np.zeros(3), method, data=(X, y), batch_size=16, epochs=100)
    found = run.explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert found.cure.startswith("leave the method and batch_size out")
    assert run.fun > 0.1
    assert minimize(squares, np.zeros(3), data=(X, y)).fun < 1e-9


def test_flat_directions_of_a_linear_model_are_seen_in_batches() -> None:
    X, y = nearly_alike()
    model = LinearRegression(GradientDescent(0.1), batch_size=50, epochs=100).fit(X, y)
    found = model.explain(X, y)
    assert model.score(X, y) < 0.9
    assert (found.cause, found.cure) == (Cause.ILL_CONDITIONED, "leave method and batch_size out")
    assert LinearRegression().fit(X, y).score(X, y) > 0.999
    assert LinearRegression(batch_size=50).fit(X[:, :2], X[:, 0]).explain(X[:, :2], X[:, 0]).cause is Cause.HEALTHY


def test_another_start_is_one_for_the_users_own_method() -> None:
    method = GradientDescent(0.1)
    found = minimize("1 - exp(-x^2)", 6.5, method).explain()
    start = float(found.cure.split("[")[1].split("]")[0])
    assert minimize("1 - exp(-x^2)", start, method).fun < 1e-9


def test_nobody_is_sent_beside_a_saddle_where_the_cost_has_no_bound() -> None:
    found = minimize("x^2 + y^3", [2.0, 0.0], GradientDescent(0.1)).explain()
    assert (found.cause, found.cure) == (Cause.SADDLE, "")
    assert found.evidence["beside it"] == "the cost has no bound"


def test_a_place_without_a_loss_is_not_blamed_on_the_rate() -> None:
    def loss(w: Any, X: Any, y: Any) -> Any:
        return jnp.where(w[0] > 0.4, jnp.nan, jnp.mean((X @ w - y) ** 2))

    made = train(loss, np.zeros(3), (A, B), Adam(0.05), epochs=3)
    assert made.outcome is Outcome.DIVERGED
    assert made.explain().cause is Cause.LEFT_DOMAIN
    wild = train(squares, np.zeros(3), (A, B), GradientDescent(1e12), epochs=3)
    assert "is not finite" in wild.message
    assert wild.explain().cause is Cause.RATE_TOO_LARGE


def test_the_decay_of_a_schedule_is_no_penalty() -> None:
    run = minimize(
        lambda x, y, z: ((x - 1) ** 2 + 0.3 * (y + 2) ** 2 + 0.1 * (z - 3) ** 2) / 2, [0.0, 0.0, 0.0],
        GradientDescent(InverseTime(0.3, decay=1.0, power=2.0)), steps=2_000,
    )  # fmt: skip
    assert run.explain().cause is Cause.DECAYED_TOO_EARLY


def test_further_down_the_same_slope_is_no_other_minimum() -> None:
    """A convex function has one minimum, and a run that its tolerance ended on a flat slope stands in that valley."""
    scales = np.array([1, 1e-2, 1e-4], np.float32)
    for seed in range(4):
        draw = np.random.default_rng(seed)
        centre = draw.normal(size=3).astype(np.float32)
        start = (centre + 3 * draw.normal(size=3)).astype(np.float32)
        run = minimize(lambda x, centre=centre: np.sum(scales * (x - centre) ** 2) / 2, start)
        assert run.explain().cause is not Cause.LOCAL_MINIMUM
    assert minimize("(x - 1)^6", np.float32(1.1)).explain().cause is not Cause.LOCAL_MINIMUM


@pytest.mark.parametrize("unit", [1.0, 10.0, 1_000.0])
def test_a_lower_minimum_is_looked_for_in_the_units_of_x(unit: float) -> None:
    run = minimize(lambda x: ((x / unit) ** 2 - 1) ** 2 + 0.3 * (x / unit), 1.3 * unit)
    assert run.explain().cause is Cause.LOCAL_MINIMUM


@pytest.mark.parametrize(
    "method",
    [GradientDescent(Cosine(1e-6, 1_000)), AdaGrad(1e-5), Adam(ExponentialDecay(1e-7, 0.999)), Averaged(AdaGrad(1e-5))],
)
def test_rates_that_are_far_too_small_are_told_also_where_they_fall_or_the_method_tires(method: Any) -> None:
    found = minimize("(x - 3)^2 + 2*(y + 1)^2", [0.0, 0.0], method, steps=500).explain()
    assert found.cause is Cause.RATE_TOO_SMALL
    assert found.cure.startswith("lr=")


@pytest.mark.parametrize("schedule", [ExponentialDecay(0.05, 0.7), ExponentialDecay(0.005, 0.97)])
def test_a_rate_that_falls_too_early_is_not_called_too_small(schedule: Any) -> None:
    found = minimize("(x - 3)^2", 0.0, GradientDescent(schedule), steps=500).explain()
    assert found.cause is Cause.DECAYED_TOO_EARLY
