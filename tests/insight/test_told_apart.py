"""Causes that look alike are told apart, and what is well is not called sick: an eighth examiner's cases, and a ninth's."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numba
import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_diabetes, load_digits

from descend import (
    QHM,
    AdaGrad,
    Adam,
    AdamW,
    ClipGlobalNorm,
    Cosine,
    ExponentialDecay,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    Outcome,
    Polynomial,
    ReduceOnPlateau,
    Rprop,
    Silver,
    Warmup,
    minimize,
    train,
)
from descend.insight import Cause, compilers
from descend.insight.compilers import seconds_of_compilers

pytestmark = pytest.mark.usefixtures("time_enough")

DRAW = np.random.default_rng(0)
POSITIVE = abs(DRAW.normal(size=(500, 64)))
CLASSES = (POSITIVE @ DRAW.normal(size=(64, 3))).argmax(1)


def _steep(p: Any, X: Any, y: Any) -> Any:
    shares = jax.nn.log_softmax(1_000 * (X @ p))
    return -jnp.mean(jnp.sum(jax.nn.one_hot(y, 3) * shares, -1))


@pytest.mark.parametrize(
    ("method", "epochs", "cause"), [(GradientDescent(1e-7), 60, Cause.RATE_TOO_SMALL), (GradientDescent(0.1), 5, None)]
)
def test_the_slope_of_a_loss_that_bends_within_a_short_way_is_not_called_wrong(
    method: Any, epochs: int, cause: Cause | None
) -> None:
    found = train(_steep, np.zeros((64, 3)), (POSITIVE, CLASSES), method, epochs=epochs).explain()
    assert found.cause is not Cause.WRONG_GRADIENT
    assert cause is None or found.cause is cause


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("method", "epochs", "cause", "cure"),
    [
        (GradientDescent(0.02), 30, Cause.HEALTHY, ""),
        (GradientDescent(1e-6), 10, Cause.RATE_TOO_SMALL, "lr=0.01"),
        (ClipGlobalNorm(GradientDescent(0.05), limit=1e-4), 10, Cause.RATE_TOO_SMALL, "limit=1"),
    ],
    ids=["healthy", "rate", "limit"],
)
def test_a_column_that_is_nearly_empty_is_not_blamed(method: Any, epochs: int, cause: Cause, cure: str) -> None:
    draw = np.random.default_rng(0)
    X = np.column_stack([draw.normal(size=(400, 3)), (np.arange(400) == 7) * 1e-2])
    y = X[:, :3] @ [1, 2, 3.0]
    model = LinearRegression(method, batch_size=16, epochs=epochs, scale=False).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (cause, cure)


def test_sparse_rows_with_a_penalty_are_not_compared_with_another_penalty() -> None:
    S = scipy.sparse.random(1_000, 200, density=0.03, rng=0, format="csr")
    y = np.asarray(S @ np.random.default_rng(2).normal(size=200) > 0).astype(int)
    model = LogisticRegression(AdaGrad(0.5), batch_size=16, epochs=80, l2=0.001).fit(S, y)
    assert model.explain(S, y).cause is Cause.HEALTHY


def _least_squares(seed: int, columns: int) -> tuple[Any, float]:
    draw = np.random.default_rng(seed)
    A = draw.normal(size=(40, columns))
    t = A @ draw.normal(size=columns) + 0.3 * draw.normal(size=40)
    return lambda w: np.mean((A @ w - t) ** 2), float(2 * np.linalg.eigvalsh(A.T @ A / 40)[-1])


COST, LIPSCHITZ = _least_squares(55, 6)


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        (Rprop(), 300),
        (GradientDescent(Silver(L=LIPSCHITZ)), 1_023),
        (GradientDescent(Silver(L=LIPSCHITZ)), 127),
        (QHM(0.2), 2_000),
        (GradientDescent(ReduceOnPlateau(0.2)), 2_000),
    ],
    ids=["Rprop", "Silver", "Silver, fewer steps", "QHM", "ReduceOnPlateau"],
)
def test_what_alternates_by_design_or_has_won_all_but_a_trifle_is_well(method: Any, steps: int) -> None:
    found = minimize(COST, np.zeros(6), method, steps=steps).explain()
    assert found.cause is Cause.HEALTHY, found


def test_steps_that_alternate_are_not_told_to_go_to_and_fro_where_little_is_left() -> None:
    def bowl(x: Any) -> Any:
        return np.sum((x - 1) ** 2 * np.array([1, 2, 3]))

    found = minimize(bowl, np.zeros(3), GradientDescent(Silver(L=6.0)), steps=127).explain()
    assert found.cause is Cause.HEALTHY, found


def test_a_run_whose_rate_has_gone_stalls_with_little_left_to_win() -> None:
    K = 2 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)
    method = Adam(ExponentialDecay(0.1, 0.95))
    run = minimize(lambda x: x @ (K @ x) / 2 - x[-1], np.zeros(20), method, steps=2_000)
    assert run.outcome is Outcome.STALLED
    assert run.explain().cause is Cause.DECAYED_TOO_EARLY


def test_pixels_at_the_border_are_not_blamed_for_a_tiny_rate() -> None:
    X, y = load_digits(return_X_y=True)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, 10) * jax.nn.log_softmax(X @ p), -1))

    data = (X / 16).astype(np.float32), y
    found = train(loss, np.zeros((64, 10), np.float32), data, GradientDescent(1e-5), epochs=5).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "lr=0.1")


def test_silver_steps_have_not_decayed_because_the_last_are_short() -> None:
    found = minimize(COST, np.zeros(6), GradientDescent(Silver(L=4e3)), steps=255).explain()
    assert found.cause is not Cause.DECAYED_TOO_EARLY


@pytest.mark.parametrize(
    ("cost", "start", "lr", "steps"),
    [
        ("-exp(-x^2/2)", 6.0, 0.1, 500),
        (lambda x: 4 * ((1 / x) ** 12 - (1 / x) ** 6), 8.0, 0.005, 500),
        (lambda x: -np.exp(-np.sum((x - 1) ** 2)), [4.0, 4.0], 0.1, 300),
        (lambda x: -1 / (1 + np.sum(x**2)), [50.0], 0.1, 500),
    ],
    ids=["a well", "Lennard-Jones", "two variables", "Cauchy"],
)
def test_far_from_a_well_more_steps_are_no_cure(cost: Any, start: Any, lr: float, steps: int) -> None:
    run = minimize(cost, start, GradientDescent(lr), steps=steps)
    found = run.explain()
    assert found.cause is Cause.PLATEAU
    assert found.cure.startswith("leave the method out")
    assert minimize(cost, start).fun < run.fun - 0.9


def test_a_rule_that_gives_no_slope_where_there_is_one_is_no_jump_also_in_float32() -> None:
    @jax.custom_vjp
    def square(x: Any) -> Any:
        return x**2

    def back(x: Any, g: Any) -> Any:
        return (g * jnp.where(jnp.abs(x) > 0.5, 2 * x, 0.0),)

    square.defvjp(lambda x: (x**2, x), back)
    run = minimize(lambda x: square(x[0] - 3) + (x[1] - 2) ** 2, np.zeros(2, np.float32), GradientDescent(0.1))
    assert run.outcome is Outcome.STALLED
    assert "jump" not in run.message
    assert run.explain().cause is Cause.WRONG_GRADIENT


@pytest.mark.parametrize("large", [1e3, 1e4])
def test_what_cancels_in_float32_is_neither_plateau_nor_saddle(large: float) -> None:
    def cost(x: Any) -> Any:
        return jnp.sum((large + x) ** 2 - large**2 - 2 * large * x + (x - 1) ** 2)

    found = minimize(cost, np.array([3.0, 2.0], np.float32), GradientDescent(0.05), steps=1_000).explain()
    assert (found.cause, found.cure) == (Cause.PRECISION_FLOOR, "start in float64")
    assert minimize(cost, np.array([3.0, 2.0]), GradientDescent(0.05), steps=1_000).success


def test_a_schedule_is_told_whole_where_its_rate_is_the_cure() -> None:
    found = minimize("x^2 + 5*y^2", [3.0, 1.0], GradientDescent(Warmup(1e-6, steps=20)), steps=300).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "lr=Warmup(lr=0.01, steps=20, start=0.01)")


def test_a_schedule_that_was_to_end_with_the_run_has_not_decayed_too_early() -> None:
    def explained(steps: int, last: int) -> Any:
        method = GradientDescent(Cosine(0.02, steps=steps))
        return minimize("x^2 + 5*y^2", [3.0, 1.0], method, steps=last).explain()

    found = explained(60, 60)
    assert (found.cause, found.cure) == (Cause.TOO_FEW_STEPS, "steps=120, lr=Cosine(lr=0.02, steps=120, end=0)")
    assert explained(60, 600).cause is Cause.DECAYED_TOO_EARLY
    assert explained(2_000, 2_000).cause is Cause.HEALTHY
    X, y = POSITIVE, POSITIVE @ np.arange(64.0)
    for epochs, cause in ((10, Cause.TOO_FEW_STEPS), (40, Cause.DECAYED_TOO_EARLY)):
        model = LinearRegression(GradientDescent(Cosine(2e-3, steps=160)), batch_size=32, epochs=epochs).fit(X, y)
        assert model.explain(X, y).cause is cause


def test_a_warm_up_that_has_hardly_begun_is_told_before_more_epochs() -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, 3) * jax.nn.log_softmax(X @ p), -1))

    warm = GradientDescent(Warmup(0.1, steps=10**6, start=0.001))
    found = train(loss, np.zeros((64, 3)), (POSITIVE, CLASSES), warm, epochs=5).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "lr=Warmup(lr=0.1, steps=8, start=0.001)")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_of_a_penalty_that_is_far_too_heavy_the_cure_wins_most_there_is() -> None:
    X, y = load_diabetes(return_X_y=True)
    for l1, l2, cure in (1e4, 0.0, "l1=1"), (0.0, 1e5, "l2=0.1"), (0.0, 50.0, "l2=0.5"):
        found = LinearRegression(l1=l1, l2=l2).fit(X, y).explain(X, y)
        assert (found.cause, found.cure) == (Cause.PENALTY, cure)


def test_what_compilers_take_is_told_apart() -> None:
    before = seconds_of_compilers()
    jax.jit(lambda x: jnp.sin(x) * 17.25)(1.0)
    of_jax = seconds_of_compilers()
    assert of_jax > before
    compilers._of_numba.on_end(None)  # of one that had begun before this file was imported
    numba.njit(lambda x: x * 17.25)(1.0)
    assert seconds_of_compilers() > of_jax


# A ninth examiner's cases.


@pytest.mark.parametrize("start", [14.0, 12.0, 9.0, -6.0])
@pytest.mark.parametrize("method", [None, GradientDescent(0.1), Adam(0.1)], ids=["default", "descent", "Adam"])
def test_where_a_spot_is_out_of_sight_nothing_is_well(start: float, method: Any) -> None:
    t = np.linspace(0, 6, 60)

    def spot(p: Any) -> Any:
        return np.mean((np.exp(-4 * (t - p) ** 2) - np.exp(-4 * (t - 2) ** 2)) ** 2)

    run = minimize(spot, start, method, steps=500)
    assert not run.success, run.message
    assert run.explain().cause not in {Cause.HEALTHY, Cause.PRECISION_FLOOR}
    assert minimize(spot, 2.1).success


def test_a_start_in_a_minimum_beside_a_constant_is_no_plateau() -> None:
    for start in (1.0, 1.0 + 1e-9, 1.001):
        assert minimize(lambda x: 5 + (x - 1) ** 2, start).success
        assert minimize(lambda x: 5 + np.sum((x - 1) ** 4), np.full(2, start)).success


@pytest.mark.parametrize("method", [Adam(Cosine(0.01, steps=20)), AdamW(Polynomial(0.01, steps=20))])
def test_a_rate_that_has_gone_to_nothing_is_no_warm_up(method: Any) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(800, 6)).astype(np.float32)
    y = (X @ np.array([1, -2, 0.5, 0, 1, 0]) + 1).astype(np.float32)
    made = train(lambda p, X, y: jnp.mean((X @ p - y) ** 2), np.zeros(6, np.float32), (X, y), method, epochs=30)
    found = made.explain()
    assert found.cause is Cause.DECAYED_TOO_EARLY
    assert "steps=750" in found.cure


@pytest.mark.parametrize(
    ("formula", "start", "method", "steps"),
    [
        ("2*x + 5/(x - 1)", 9.0, GradientDescent(1e-5), 1_000),
        ("100/x + 4*x", 20.0, GradientDescent(1e-5), 1_000),
        ("100/x + 4*x", 20.0, GradientDescent(0.1), 10),
        ("100/x + 4*x + 100/y + y", [20.0, 30.0], GradientDescent(1e-5), 1_000),
    ],
)
def test_a_pole_behind_the_minimum_is_no_endless_fall(formula: str, start: Any, method: Any, steps: int) -> None:
    run = minimize(formula, start, method, steps=steps)
    found = run.explain()
    assert found.cause is Cause.RATE_TOO_SMALL
    cured = minimize(formula, start, GradientDescent(float(found.cure.removeprefix("lr=").split(",")[0])), steps=1_000)
    assert 0 < cured.fun < run.fun, "and not beyond the pole"
    assert minimize("-x^2 + x", 1.0, GradientDescent(1e-3), steps=100).explain().cause is Cause.UNBOUNDED


def test_what_no_gradient_reaches_is_told_beside_a_training_that_went_well() -> None:
    draw = np.random.default_rng(4)
    Z = (draw.normal(size=(800, 2)) @ draw.normal(size=(2, 8)) + 0.1 * draw.normal(size=(800, 8))).astype(np.float32)
    start = {name: (0.3 * draw.normal(size=s)).astype(np.float32) for name, s in (("e", (8, 2)), ("d", (2, 8)))}

    def loss(p: Any, X: Any) -> Any:
        return jnp.mean((jax.lax.stop_gradient(X @ p["e"]) @ p["d"] - X) ** 2)

    found = train(loss, start, (Z,), Adam(0.01), epochs=60).explain()
    assert (found.cause, found.evidence["no gradient reaches"]) == (Cause.HEALTHY, "e")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_deep_network_that_has_hardly_learnt_is_not_called_well(seed: int) -> None:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(800, 6)).astype(np.float32)
    y = (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]).astype(np.float32)
    widths = [6, *[8] * 8, 1]
    start = [
        ((draw.normal(size=(a, b)) / a**0.5).astype(np.float32), np.zeros(b, np.float32))
        for a, b in itertools.pairwise(widths)
    ]

    def loss(p: Any, X: Any, y: Any) -> Any:
        for W, b in p[:-1]:
            X = jax.nn.sigmoid(X @ W + b)
        return jnp.mean(((X @ p[-1][0] + p[-1][1])[:, 0] - y) ** 2)

    assert train(loss, start, (X, y), GradientDescent(0.05), epochs=30).explain().cause is Cause.UNKNOWN


def test_where_level_ground_ends_in_a_slope_there_is_no_jump() -> None:
    run = minimize(lambda x: (x[0] - 1) ** 2 - jnp.maximum(x[1] - 2.45, 0), [1.5, 2.4], GradientDescent(0.1))
    assert not run.success
    assert "jump" not in run.message


def test_a_run_that_stalls_where_its_schedule_ends_had_more_steps_to_make() -> None:
    run = minimize("rosenbrock", None, GradientDescent(Cosine(1e-3, steps=200)), steps=2_000)
    assert run.outcome is Outcome.STALLED
    assert run.explain().cause is Cause.DECAYED_TOO_EARLY


def test_what_was_learnt_within_the_first_epoch_is_well() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(2_000, 3))
    y = X @ [1.0, 2.0, 3.0] + draw.normal(size=2_000)
    made = train(lambda p, X, y: jnp.mean((X @ p - y) ** 2), np.zeros(3), (X, y), GradientDescent(0.05), epochs=6)
    assert made.explain().cause is Cause.HEALTHY


def test_a_rate_far_too_small_is_no_matter_of_columns() -> None:
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(X @ p["W"] + p["b"]), y[:, None], 1).mean()

    start = {"W": np.zeros((64, 10), np.float32), "b": np.zeros(10, np.float32)}
    found = train(loss, start, (X, y), GradientDescent(1e-6), epochs=2).explain()
    assert found.cause is Cause.RATE_TOO_SMALL, found


def test_a_dropout_of_nearly_all_is_a_penalty() -> None:
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(Adam(0.003), hidden=16, epochs=30, dropout=0.9).fit(X, y)
    found = model.explain(X, y)
    assert found.cause is Cause.PENALTY, found
    assert found.cure.startswith("dropout=")
