"""Cases that strangers found."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import (
    QHM,
    AdaGrad,
    Adam,
    AdamW,
    Armijo,
    Cosine,
    DecoupledWeightDecay,
    ExponentialDecay,
    FTRLProximal,
    GradientDescent,
    Groups,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Nadam,
    Nesterov,
    OneCycle,
    Optax,
    Outcome,
    Polynomial,
    ReduceOnPlateau,
    SignSGD,
    WeightDecay,
    Yogi,
    landscape,
    minimize,
    train,
)
from descend.insight import Cause, Trial, check_gradient, retraining_causes, retraining_rates
from descend.insight.chance import loss_of_a_constant
from descend.insight.changed_methods import calmer
from descend.insight.resting import held_up
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.retraining import settled

pytestmark = pytest.mark.usefixtures("time_enough")


def table(seed: int = 0, kind: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(400, 4)).astype(kind)
    return X, (X @ np.array([1.0, -2, 3, 0.5]) + 1 + 0.3 * draw.normal(size=400)).astype(kind)


def squares(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((X @ p["w"] + p["b"] - y) ** 2)


BEGIN = {"w": np.zeros(4, np.float32), "b": np.float32(0)}


@pytest.mark.parametrize(("epochs", "batch_size"), [(30, 32), (300, None)])
def test_one_of_several_rates_is_told_in_training(epochs: int, batch_size: int | None) -> None:
    method = Groups({"w": GradientDescent(1e-7), "b": GradientDescent(0.05)})
    found = train(squares, BEGIN, table(), method, epochs=epochs, batch_size=batch_size).explain()
    assert (found.cause, found.cure) == (Cause.RATE_TOO_SMALL, "rules['w'].lr=0.1")


def test_one_of_several_rates_is_told() -> None:
    def cost(p: Any) -> Any:
        return (p["a"] - 1.0) ** 2 + (p["b"] - 2.0) ** 2

    method = Groups({"a": GradientDescent(1e-7), "b": GradientDescent(0.1)})
    found = minimize(cost, {"a": 5.0, "b": 0.0}, method, steps=500).explain()
    assert found.cause is Cause.RATE_TOO_SMALL
    assert found.cure.startswith("rules['a'].lr=")


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize(("epochs", "batch_size"), [(800, None), (80, 50)])
def test_parts_of_a_mixture_that_begin_as_one_stay_one(parts: int, epochs: int, batch_size: int | None) -> None:
    draw = np.random.default_rng(1)
    x = np.r_[draw.normal(-2, 0.5, 200), draw.normal(1.5, 0.8, 300)].astype(np.float32)

    def loss(p: Any, x: Any) -> Any:
        z = (x[:, None] - p["m"]) * jnp.exp(-p["s"])
        return -jnp.mean(jax.nn.logsumexp(jax.nn.log_softmax(p["l"]) - p["s"] - 0.5 * z**2 - 0.919, axis=1))

    def explained(means: np.ndarray) -> Any:
        start = {"l": np.zeros(parts, np.float32), "m": means.astype(np.float32), "s": np.zeros(parts, np.float32)}
        return train(loss, start, (x,), Adam(0.02), batch_size=batch_size, epochs=epochs).explain()

    found = explained(np.zeros(parts))
    assert (found.cause, found.cure) == (Cause.PLATEAU, "begin with numbers that differ from each other")
    if parts == 2:
        assert explained(np.array([-0.1, 0.1])).cause is Cause.HEALTHY


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [8, 32])
@pytest.mark.parametrize("around", [WeightDecay, DecoupledWeightDecay])
def test_a_decay_outranks_the_noise_of_batches(seed: int, batch_size: int, around: Any) -> None:
    method = around(GradientDescent(0.02), decay=5.0)
    found = train(squares, BEGIN, table(seed), method, batch_size=batch_size, epochs=30).explain()
    assert (found.cause, found.cure) == (Cause.PENALTY, "decay=0.05")


@pytest.mark.parametrize(("l2", "cause"), [(2.0, Cause.PENALTY), (1.0, Cause.PENALTY), (0.1, Cause.HEALTHY)])
@pytest.mark.parametrize("how", [{}, {"method": GradientDescent(0.02), "batch_size": 16, "epochs": 30}])
def test_a_penalty_is_told_alike_in_batches_and_on_all_rows(l2: float, cause: Cause, how: dict[str, Any]) -> None:
    X, y = table(kind=np.float64)
    assert LinearRegression(l2=l2, **how).fit(X, y).explain(X, y).cause is cause


def test_a_loss_that_falls_as_long_as_it_is_trained_is_not_well() -> None:
    X, _ = table()
    y = (X @ np.array([1.0, -2, 3, 0.5])).astype(np.float32)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean(0.5 * ((X @ p["w"] - y) * jnp.exp(-p["b"])) ** 2 + p["b"])

    found = train(loss, BEGIN, (X, y), Adam(Cosine(0.05, steps=2_000)), batch_size=40, epochs=200).explain()
    assert found.cause in {Cause.TOO_FEW_STEPS, Cause.UNBOUNDED}


def hops() -> tuple[Any, Any]:
    """The square, with a slope of its own that is wrong where x ≤ 1."""

    @jax.custom_vjp
    def square(x: Any) -> Any:
        return x**2

    square.defvjp(lambda x: (square(x), x), lambda x, t: (t * jnp.where(x > 1, 2 * x, -1.0),))
    return (lambda x: square(x)), jax.grad(lambda x: square(x))


def test_a_wrong_rule_is_found_where_it_led() -> None:
    cost, _ = hops()
    found = minimize(cost, 4.0, GradientDescent(0.1), steps=500).explain()
    assert found.cause is Cause.WRONG_GRADIENT
    assert found.evidence["by differences of the cost"] > 0 > found.evidence["slope along a direction, by the gradient"]


def test_a_wrong_rule_is_no_judge_of_itself() -> None:
    cost, gradient = hops()
    found = check_gradient(cost, gradient, 0.9)
    assert not found.is_right
    assert found.wrong[0].given == -1
    assert found.wrong[0].right == pytest.approx(1.8)
    assert check_gradient(cost, gradient, 2.0).is_right

    def right(x: Any) -> Any:
        return jnp.sum(jax.nn.softplus(x) + jax.nn.relu(x))

    seen = check_gradient(right, jax.grad(right), np.array([0.5, -2.0, 0.0]))
    assert seen.is_right
    assert "automatic differentiation" in repr(seen)  # right rules are judges


@pytest.mark.parametrize(("constant", "kind"), [(1e8, np.float32), (1e17, np.float64)])
def test_a_cost_that_drowns_in_a_constant_is_no_plateau(constant: float, kind: Any) -> None:
    def cost(x: Any) -> Any:
        return jnp.sum((x - 3.0) ** 2) + jnp.asarray(constant, kind)

    found = minimize(cost, np.array([5.0, 4.0], kind), GradientDescent(Armijo()), steps=500).explain()
    assert (found.cause, found.cure) == (Cause.PRECISION_FLOOR, "leave the large constant part of the cost out")


@pytest.mark.parametrize("seed", range(5))
def test_signs_on_columns_of_one_size_are_noise(seed: int) -> None:
    X, y = table(seed, np.float64)
    found = LinearRegression(SignSGD(0.3), batch_size=8, epochs=20).fit(X, y).explain(X, y)
    assert found.cause is Cause.NOISE_FLOOR


def test_a_start_is_told_as_it_is_given() -> None:
    def cost(p: Any) -> Any:
        return jnp.sin(p["a"]) + 0.1 * p["a"] ** 2 + jnp.sum((p["b"] - 1) ** 2)

    found = minimize(cost, {"a": 5.0, "b": np.zeros(2)}).explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert found.cure.startswith("start elsewhere, e.g. at {'a': ")
    assert ", 'b': [" in found.cure


# A twelfth examiner's cases.


def test_a_gate_that_no_gradient_reaches_is_told() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 2)).astype(np.float32)
    y = np.where(X[:, 1] > 0, 2 * X[:, 0], -X[:, 0]).astype(np.float32)

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((jnp.where(X @ p["gate"] > 0, X @ p["a"], X @ p["b"]) - y) ** 2)

    begin = {"gate": np.array([1, 0], np.float32), "a": np.zeros(2, np.float32), "b": np.zeros(2, np.float32)}
    found = train(loss, begin, (X, y), Adam(0.02), epochs=40).explain()
    assert (found.cause, found.evidence["no gradient reaches"]) == (Cause.WRONG_GRADIENT, "gate")


def test_a_schedule_that_was_to_outlast_training_is_prolonged() -> None:
    x = np.linspace(-3, 3, 600)
    y = np.sin(2 * x) + 0.02 * np.random.default_rng(0).normal(size=600)
    method = Adam(Cosine(0.02, steps=1_900))
    model = MLPRegressor(method, hidden=(64,), activation="tanh", epochs=100, validation=0.2).fit(x[:, None], y)
    found = model.explain(x[:, None], y)
    assert found.cause is Cause.TOO_FEW_STEPS
    assert found.cure.startswith("epochs=")
    assert "lr=Cosine(lr=0.02, steps=" in found.cure


@pytest.mark.parametrize("loss", ["absolute", "huber:1.0"])
def test_columns_of_one_size_are_not_ill_conditioned(loss: str) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 2))
    model = LinearRegression(GradientDescent(0.1), loss=loss, epochs=300, scale=False)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, 100 + X @ [1.0, 2.0])
    assert model.explain(X, 100 + X @ [1.0, 2.0]).cause in {Cause.RATE_TOO_SMALL, Cause.TOO_FEW_STEPS}


@pytest.mark.parametrize("schedule", [Polynomial, OneCycle, Cosine])
def test_any_schedule_that_ends_with_the_run_may_be_too_short(schedule: Any) -> None:
    method = Adam(schedule(0.05, steps=200))
    found = minimize(lambda x: np.sum(np.sqrt(1 + (x - 8) ** 2)), [0.0, 0.0], method, steps=200).explain()
    assert found.cause is Cause.TOO_FEW_STEPS
    assert found.cure.startswith(f"steps=400, lr={schedule.__name__}(lr=0.05, steps=400")


# What the looks rest on.


def test_more_epochs_that_end_higher_are_no_cure() -> None:
    def ends(loss: float) -> Any:
        made = SimpleNamespace(loss=np.array([loss]), epoch=np.array([7.0]))
        steps = SimpleNamespace(steps=np.array([20]))
        trials: Any = SimpleNamespace(
            whole=2, gained=(1.0, 0.5, 0.5), method=Adam(0.1), history=steps, has_time_for=lambda epochs: True,
            anew=lambda **changes: made,
        )  # fmt: skip
        return retraining_causes._longer(trials, 5.0, Trial("going on"), {})

    assert ends(0.6) is None
    assert ends(0.4).seen == "7 epochs from the start end at loss 0.4, where it was 0.5"


def test_a_smaller_rate_that_ends_higher_is_no_cure() -> None:
    class Looks:
        def __init__(self, loss: list[float]) -> None:
            self.loss = np.array(loss)

        def __len__(self) -> int:
            return len(self.loss)

    def onward(method: Any) -> Any:
        return Looks([-6.2] * 6 + [-7.0, -5.853] if float(method.lr) < 0.01 else [-6.2] * 8)

    trials: Any = SimpleNamespace(
        gained=(1.0, -6.117, 7.117), method=Adam(0.02), history=Looks([1.0, -6.0, -6.117]), onward=onward,
        has_decayed=False, was_cut=False, has_noise=True, is_restless=False, is_at_rest=False,
        is_much_of_rest=lambda won: False,
    )  # fmt: skip
    assert settled(onward(Adam(0.002))) < trials.gained[1]  # in the middle of its last looks it is lower
    assert retraining_rates.goes_to_and_fro(trials) is None


def test_only_ill_conditioned_columns_are_called_so() -> None:
    X, y = table(kind=np.float64)
    for columns, is_ill in (
        (X, False),
        (np.column_stack([X, X[:, 0] + 0.01 * np.random.default_rng(1).normal(size=400)]), True),
    ):
        for batch_size in (16, None):
            model = LinearRegression(GradientDescent(1e-4), batch_size=batch_size, epochs=5)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(columns, y)
            found = retraining_causes.ill_conditioned(OfModel(model, columns, y))
            assert (found is not None) is is_ill


def test_a_slope_that_leads_far_is_no_plateau() -> None:
    run = minimize(lambda x: jnp.sum((x - 1) ** 2), np.zeros(2), GradientDescent(1e-7), steps=100)
    assert held_up(run) is None


def test_numbers_that_have_come_apart_need_no_other_start() -> None:
    assert OfTraining(train(squares, BEGIN, table(), GradientDescent(0.05))).other_ways() == []


def test_a_cost_that_falls_to_minus_infinity_in_one_step_is_seen_in_the_evidence() -> None:
    found = minimize("log(x)", 1.0).explain()
    assert found.cause.name == "UNBOUNDED"
    assert found.evidence["cost a step later"] == float("-inf")
    risen = minimize("-log(x)", 1.0, maximize=True).explain()
    assert risen.cause.name == "UNBOUNDED"
    assert risen.evidence["cost a step later"] == float("inf")


def test_the_cost_at_an_edge_is_told_as_it_was_asked_for() -> None:
    def highest_at_an_edge(x: np.ndarray) -> np.ndarray:
        return np.where(x[0] < 1, -np.inf, -((x[0] - 1.1) ** 2))

    found = minimize(highest_at_an_edge, [2.0], GradientDescent(0.9), maximize=True).explain()
    assert found.cause.name == "LEFT_DOMAIN"
    assert found.evidence["cost there"] == float("-inf")


@pytest.mark.parametrize(
    ("formula", "x0", "cause"),
    [
        ("sqrt(x) + y**2", [1.0, 1.0], Cause.LEFT_DOMAIN),
        ("1/(1+exp(20*(x-1)))", 0.0, Cause.LEFT_DOMAIN),  # exp overflows, and 0 is made of inf/inf in the gradient
        ("x**3", 1.0, Cause.SADDLE),
        ("x**3 + 1e-3", 1.0, Cause.SADDLE),
        ("x**4", 1.0, Cause.HEALTHY),
    ],
)
def test_what_a_cost_is_like_at_the_end_is_named(formula: str, x0: Any, cause: Cause) -> None:
    assert minimize(formula, x0).explain().cause is cause


def test_a_rate_too_large_is_named_before_the_condition() -> None:
    found = minimize("rosenbrock", None, Adam(10.0), steps=2_000).explain()
    assert found.cause is Cause.RATE_TOO_LARGE
    assert minimize("rosenbrock", None, Adam(0.3), steps=2_000).fun < 1e-12
    assert found.cure == "lr=0.3"


def test_a_schedule_that_ends_beside_a_kink_has_arrived() -> None:
    run = minimize("abs(x)", 5.0, GradientDescent(Polynomial(0.3, steps=1_000)), steps=1_000)
    assert 0 < run.fun < 1e-3
    assert run.explain().cause is Cause.HEALTHY


def test_a_cure_that_takes_more_steps_than_the_run_had_says_so() -> None:
    scale = np.logspace(0, 2, 10)
    run = minimize(lambda x: jnp.sum(scale * x**2) / 2, np.ones(10), GradientDescent(0.01), steps=40)
    found = run.explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert (steps := re.search(r", with steps=(\d+)$", found.cure)) is not None
    assert minimize(run.objective, np.ones(10), steps=int(steps[1])).success
    assert not minimize(run.objective, np.ones(10), steps=40).success


@pytest.mark.parametrize(("landscape", "size"), [("ackley", 2), ("rastrigin", 20), ("levy", 12)])
def test_a_start_that_leads_to_the_known_minimum_is_told(landscape: str, size: int) -> None:
    start = np.random.default_rng(0).uniform(-4, 4, size)
    found = minimize(landscape, start).explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert "\n" not in found.cure
    assert minimize(landscape, found.evidence["from x0"]).fun < 1e-3


def _steep_start(x: Any) -> Any:
    """Its first gradient is 70 million times the next ones."""
    return jnp.exp(-8 * (x - 1)) + 0.01 * (x - 30) ** 2


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_schedule_of_optax_whose_closure_has_an_unset_variable_is_read() -> None:
    schedule = optax.exponential_decay(0.003, 5, 0.5)
    assert repr(Optax(optax.adam(schedule))) == repr(Optax(optax.adam(optax.exponential_decay(0.003, 5, 0.5))))
    assert repr(Optax(optax.adam(schedule))) != repr(Optax(optax.adam(optax.exponential_decay(0.003, 6, 0.5))))
    draw = np.random.default_rng(0)
    X = draw.normal(size=(2_000, 8))
    model = MLPClassifier(optax.adam(schedule), hidden=(16,), epochs=3).fit(X, (X[:, 0] > X[:, 1] ** 2).astype(int))
    assert model.explain(X, (X[:, 0] > X[:, 1] ** 2).astype(int)).cause is Cause.DECAYED_TOO_EARLY


@pytest.mark.parametrize("model", [LogisticRegression(Adam(0.01), batch_size=32), MLPClassifier(Adam(0.005), hidden=8)])
def test_weighted_classes_are_compared_with_a_weighted_constant(model: Any) -> None:
    draw = np.random.default_rng(6)
    X = draw.normal(size=(3_000, 4))
    y = (draw.random(3_000) < 1 / (1 + np.exp(4 - 1.5 * X[:, 0]))).astype(int)
    model.set_params(epochs=20, class_weight="balanced").fit(X, y)
    assert loss_of_a_constant(model, y) == pytest.approx(np.log(2))
    assert model.explain(X, y).cause is Cause.HEALTHY


def test_the_best_constant_counts_rows_as_often_as_their_weights_say() -> None:
    y, weights = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, 0.5, 0.5])
    model = LogisticRegression()
    assert loss_of_a_constant(model, y, weights) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert loss_of_a_constant(model, y, np.array([1.0, 1.0, 0.0, 0.0])) == 0


def test_a_place_far_from_a_minimum_is_not_well_for_a_steep_start() -> None:
    run = minimize(_steep_start, -1.0, AdaGrad(50.0), steps=2_000)
    assert abs(float(run.x) - 30) > 10
    found = run.explain()
    assert found.cause is Cause.STEP_VANISHED
    assert found.cure.startswith("Adam(lr=5), or a method that forgets")
    assert minimize(_steep_start, -1.0, Adam(5.0), steps=2_000).fun < 0.1 < run.fun


@pytest.mark.parametrize("lr", [0.5, 50.0])
def test_a_method_of_optax_that_tires_is_told_so(lr: float) -> None:
    run = minimize(_steep_start, -1.0, optax.adagrad(lr), steps=2_000)
    assert run.explain().cause is Cause.STEP_VANISHED


@pytest.mark.parametrize("method", [optax.lbfgs(), optax.polyak_sgd(), optax.sgd(1e-3, momentum=0.9)])
def test_a_method_of_optax_that_does_not_tire_is_not_told_so(method: Any) -> None:
    run = minimize("rosenbrock", [-1.2, 1.0], method, steps=30)
    assert run.explain().cause is not Cause.STEP_VANISHED


def test_a_lower_minimum_in_a_kink_is_found_though_no_descent_comes_to_rest_there() -> None:
    def ackley(x: Any) -> Any:
        mean = jnp.mean(jnp.cos(2 * jnp.pi * x))
        return 20 + jnp.e - 20 * jnp.exp(-0.2 * jnp.sqrt(jnp.mean(x**2))) - jnp.exp(mean)

    found = minimize(ackley, [5.0, 7.0]).explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert ", which leads towards [" in found.cure
    assert minimize(ackley, found.evidence["from x0"], steps=2_000).fun < 0.01


@pytest.mark.parametrize(
    ("cost", "x0", "method"),
    [
        (lambda x: x[0] ** 3 - 3 * x[0] + x[1] ** 2, [0.5, 1.0], None),
        ("3*x^2*exp(-x^2) - 0.1*sqrt(1 + x^2)", 0.1, GradientDescent(0.05)),
    ],
    ids=["at once", "little by little"],
)
def test_a_cost_that_falls_for_ever_elsewhere_has_no_better_minimum(cost: Any, x0: Any, method: Any) -> None:
    assert minimize(cost, x0, method).explain().cause is Cause.HEALTHY


def test_a_rate_that_fell_before_it_could_come_back_is_not_called_too_large() -> None:
    plateau = ReduceOnPlateau(0.001, factor=0.1, patience=2, threshold=0.5)
    run = minimize("rosenbrock", [-1.2, 1.0], Momentum(lr=plateau, mu=0.9), steps=2_000)
    assert run.outcome is Outcome.DIVERGED
    assert "its learning rate has fallen from 0.001 to" in run.message
    assert "smaller" not in run.message
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.DECAYED_TOO_EARLY, "lr=0.001")
    assert minimize("rosenbrock", [-1.2, 1.0], Momentum(lr=0.001, mu=0.9), steps=2_000).fun < 1e-6


@pytest.mark.parametrize("method", [optax.sgd(5.0), GradientDescent(5.0), Adam(200.0)])
def test_a_cost_that_overflows_far_out_has_no_edge_there(method: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 20))
    run = minimize(lambda x: jnp.log(jnp.sum(jnp.exp(rows @ x))) + jnp.sum(x**2) / 2, np.ones(20), method, steps=500)
    assert run.outcome is Outcome.DIVERGED
    assert run.explain().cause is Cause.RATE_TOO_LARGE


@pytest.mark.parametrize("barrier", [lambda gap: -jnp.log(gap), lambda gap: 1 / gap])
def test_a_barrier_that_is_infinite_is_an_edge(barrier: Any) -> None:
    run = minimize(lambda x: jnp.where(x < 1, barrier(1 - x) - 5 * x, jnp.inf), 0.0, GradientDescent(0.5))
    assert run.explain().cause is Cause.LEFT_DOMAIN


def test_what_takes_a_twentieth_of_the_cost_away_is_worth_more_steps() -> None:
    """Though it is next to nothing beside the steep way down to the valley."""
    found = minimize("rosenbrock", [-1.2, 1.0, 0.5], GradientDescent(0.001), steps=150).explain()
    assert found.cause is Cause.TOO_FEW_STEPS


@pytest.mark.parametrize("method", [GradientDescent(1e-4), optax.sgd(1e-4)])
@pytest.mark.parametrize("is_traced", [True, False])
def test_on_the_way_round_a_bend_it_is_in_no_local_minimum(method: Any, is_traced: bool) -> None:
    """The straight way from the valley of Rosenbrock's function to its minimum rises."""
    kind: Any = (lambda number: number) if is_traced else float
    run = minimize(
        lambda x: 100 * (kind(x[1]) - kind(x[0]) ** 2) ** 2 + (1 - kind(x[0])) ** 2, [-1.2, 1.0], method, steps=60
    )
    found = run.explain()
    assert found.cause is Cause.ILL_CONDITIONED
    assert found.evidence["lowest"] < 0 < found.evidence["largest curvature L"]


LOWER_ELSEWHERE: list[tuple[str, list[float], Any, int]] = [
    ("three-hump-camel", [-1.54, 1.51], Momentum(lr=Cosine(0.1, steps=200), mu=0.9), 1_000),
    ("goldstein-price", [-0.59, -0.7], Nesterov(1e-4, mu=0.9), 200),
    ("ackley", [3.64, -2.21], Yogi(0.02), 200),
    ("rastrigin", [2.64, 3.84], GradientDescent(Armijo()), 200),
]


@pytest.mark.parametrize(("name", "x0", "method", "steps"), LOWER_ELSEWHERE, ids=[case[0] for case in LOWER_ELSEWHERE])
def test_beside_a_local_minimum_a_lower_one_is_looked_for_too(name: str, x0: Any, method: Any, steps: int) -> None:
    run = minimize(landscape(name).__call__, x0, method, steps=steps)
    assert run.outcome is not Outcome.CONVERGED
    found = run.explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    start = found.evidence["from x0"]
    assert minimize(run.objective, start, method, steps=2_000).fun < run.fun - 0.1


def test_beside_one_of_several_minima_that_are_as_low_it_is_well() -> None:
    run = minimize(landscape("himmelblau").__call__, [0.14, -3.15], AdamW(1.0), steps=200)
    assert 1e-6 < run.fun < 0.01
    assert run.explain().cause is Cause.HEALTHY


@pytest.mark.parametrize(
    ("name", "x0", "method", "steps"),
    [("zakharov", [-0.37, 0.93], Nadam(0.1), 200), ("beale", [-1.12, -1.65], Adam(0.9), 200)],
)
def test_what_is_all_but_there_is_well(name: str, x0: Any, method: Any, steps: int) -> None:
    run = minimize(landscape(name).__call__, x0, method, steps=steps)
    assert run.outcome is Outcome.STEPS_EXHAUSTED
    found = run.explain()
    assert found.cause is Cause.HEALTHY
    assert found.evidence["what is left to win, of what was gained"] < 1e-8


def test_a_schedule_that_ended_too_high_is_told_with_a_rate_that_holds() -> None:
    run = minimize("matyas", [4.3, 3.51], GradientDescent(OneCycle(4.0, steps=200)), steps=1_000)
    found = run.explain()
    assert found.cause is Cause.DECAYED_TOO_EARLY


@pytest.mark.parametrize("method", [Adam(ExponentialDecay(9.0, factor=0.99)), optax.adam(9.0)])
def test_a_schedule_or_a_method_of_optax_that_diverges_is_told_to_be_slower(method: Any) -> None:
    run = minimize("goldstein-price", [-1.16, -0.98], method, steps=200)
    assert run.outcome is Outcome.DIVERGED
    assert run.explain().cause is Cause.RATE_TOO_LARGE


def test_what_leaves_the_numbers_upwards_is_not_called_unbounded() -> None:
    run = minimize("styblinski-tang", [-3.19, 4.39], Momentum(0.7, mu=0.9), steps=30)
    assert run.fun > 1e100
    assert "no bound" not in run.message
    assert run.explain().cause is Cause.RATE_TOO_LARGE


def test_where_nothing_is_known_what_the_default_steps_reach_is_told() -> None:
    run = minimize("matyas", [-2.48, -3.04], QHM(0.8, beta=0.999, nu=0.7), steps=200)
    found = run.explain()
    assert (found.cause, found.cure) == (Cause.UNKNOWN, "leave the method out: the default finds its steps")
    assert minimize("matyas", [-2.48, -3.04]).fun < 1e-12 < run.fun


def test_the_beta_of_ftrl_is_no_momentum() -> None:
    assert calmer(FTRLProximal(1.0, beta=1.0)) is None
    assert calmer(QHM(0.1, beta=0.99)) is not None


def test_a_larger_rate_that_gets_less_low_than_all_of_training_is_no_cure() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, 2))
    y = X[:, 0] + 0.1 * draw.normal(size=4_000)
    model = LinearRegression(Adam(0.01), epochs=200, batch_size=4_000).fit(X, y)
    assert model.explain(X, y).cause is Cause.HEALTHY


def test_a_linear_model_of_few_steps_is_told_to_go_on() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 8))
    y = (X @ draw.normal(size=8) + draw.logistic(size=200) > 0).astype(int)
    found = LogisticRegression(Adam(0.07), l2=0.0, epochs=2, batch_size=64).fit(X, y).explain(X, y)
    assert found.cause is Cause.TOO_FEW_STEPS
