"""A tenth examiner's cases: what a cure promises is what one gets who pastes it; what optax hides is seen."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

import descend
from descend import (
    Adam,
    AdamW,
    Cosine,
    GradientDescent,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Polyak,
    minimize,
    train,
)
from descend.insight import Cause
from descend.methods import Optax, Rule

pytestmark = pytest.mark.usefixtures("time_enough")

_DRAW = np.random.default_rng(11)
PLACES = _DRAW.uniform(-2, 2, (800, 2)).astype("f")
WAVES = (np.sin(2 * PLACES[:, 0]) * PLACES[:, 1]).astype("f")
_BEGIN = np.random.default_rng(0)
START = {
    "W": (0.7 * _BEGIN.normal(size=(2, 32))).astype("f"),
    "b": np.zeros(32, "f"),
    "v": (0.18 * _BEGIN.normal(size=32)).astype("f"),
}
DIGITS = load_digits(return_X_y=True)
COLUMNS = np.random.default_rng(0).normal(size=(2_000, 3)).astype("f")
SUMS = (COLUMNS @ [1, 2, 3]).astype("f")


def of_waves(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((jnp.tanh(X @ p["W"] + p["b"]) @ p["v"] - y) ** 2)


def of_sums(p: Any, X: Any, y: Any) -> Any:
    return jnp.mean((X @ p["w"] - y) ** 2)


def loss_told(seen: str) -> float:
    (told,) = re.findall(r"end at loss ([-\d.e]+),", seen)
    return float(told)


def pasted(cure: str) -> dict[str, Any]:
    """The arguments that a cure names: epochs, and the rate or schedule."""
    given: dict[str, Any] = {}
    if found := re.search(r"epochs=(\d+)", cure):
        given["epochs"] = int(found[1])
    if found := re.search(r"lr=Cosine\(lr=([\d.e-]+), steps=(\d+), end=0\)", cure):
        given["lr"] = Cosine(float(found[1]), steps=int(found[2]))
    elif found := re.search(r"lr=([\d.e-]+)$", cure):
        given["lr"] = float(found[1])
    return given


@pytest.mark.parametrize(
    ("method", "epochs"),
    [(Adam(Cosine(0.001, steps=25)), 1), (Momentum(0.5, mu=0.99), 15), (Adam(0.001), 2), (Adam(0.002), 20)],
)
def test_a_training_ends_where_its_cure_says(method: Any, epochs: int) -> None:
    found = train(of_waves, START, (PLACES, WAVES), method, epochs=epochs).explain()
    given = {"epochs": epochs, **pasted(found.cure)}
    cured = type(method)(
        **{name: getattr(method, name) for name in method.names()} | {"lr": given.pop("lr", method.lr)}
    )
    made = train(of_waves, START, (PLACES, WAVES), cured, **given)
    assert made.success
    assert made.history.loss[-1] == pytest.approx(loss_told(found.seen), rel=1e-3)


def test_a_model_ends_where_its_cure_says() -> None:
    X, y = DIGITS
    found = MLPClassifier(Adam(0.001), hidden=64, epochs=2).fit(X, y).explain(X, y)
    assert found.cause is Cause.TOO_FEW_STEPS
    cured = MLPClassifier(Adam(0.001), hidden=64, **pasted(found.cure)).fit(X, y)
    assert cured.history_.loss[-1] == pytest.approx(loss_told(found.seen), rel=1e-3)


def test_the_rate_told_after_a_divergence_learns_in_all_epochs() -> None:
    with pytest.warns(UserWarning, match="diverged in epoch 1"):
        model = MLPRegressor(GradientDescent(2.0), hidden=32, epochs=10).fit(PLACES, 30 * WAVES)
    found = model.explain(PLACES, 30 * WAVES)
    assert found.cause is Cause.RATE_TOO_LARGE
    assert found.evidence["loss at the start"] == pytest.approx(model.history_.loss[0])
    cured = MLPRegressor(GradientDescent(pasted(found.cure)["lr"]), hidden=32, epochs=10).fit(PLACES, 30 * WAVES)
    assert cured.score(PLACES, 30 * WAVES) > 0.3


HEAVY = [
    optax.adamw(0.02, weight_decay=3.0),
    optax.adamw(0.02, weight_decay=1.0),
    optax.chain(optax.add_decayed_weights(1.0), optax.sgd(0.05)),
]


@pytest.mark.parametrize("method", [*HEAVY, AdamW(0.02, decay=3.0)])
def test_a_decay_that_optax_hides_is_a_penalty(method: Any) -> None:
    found = train(of_sums, {"w": np.zeros(3, "f")}, (COLUMNS, SUMS), method, epochs=20).explain()
    assert found.cause is Cause.PENALTY
    assert ("optax" in found.cure) is not isinstance(method, AdamW)
    assert train(of_sums, {"w": np.zeros(3, "f")}, (COLUMNS, SUMS), optax.adamw(0.02), epochs=20).explain().cause in {
        Cause.HEALTHY
    }


@pytest.mark.parametrize(
    "method",
    [optax.adamw(0.01, weight_decay=1.0), optax.chain(optax.add_decayed_weights(5.0), optax.sgd(0.1))],
)
def test_a_run_that_optax_pulls_away_is_told_so(method: Any) -> None:
    run = minimize(lambda x: jnp.mean((x - 3) ** 2), np.zeros(3), method, steps=3_000)
    assert run.explain().cause is Cause.PENALTY
    assert minimize(lambda x: jnp.mean((x - 3) ** 2), np.zeros(3), optax.adam(0.1), steps=3_000).explain().cause is (
        Cause.HEALTHY
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("method", [optax.adamw(0.01, weight_decay=10.0), AdamW(0.01, decay=10.0)])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_of_a_linear_model_a_decay_is_told_before_its_condition(method: Any, batch_size: int | None) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(method, batch_size=batch_size).fit(X, y)
    assert model.explain(X, y).cause is Cause.PENALTY


@pytest.mark.parametrize(
    ("transformation", "decay"),
    [
        (optax.adam(0.1), 0.0),
        (optax.sgd(0.1, momentum=0.9), 0.0),
        (optax.lbfgs(), 0.0),  # asks for values, which a probe does not have
        (optax.noisy_sgd(0.1, key=jax.random.key(0)), 0.0),  # its noise is not a pull
        (optax.adamw(0.02, weight_decay=3.0), 0.06),
        (optax.adamw(optax.linear_schedule(0, 0.1, 100), weight_decay=1.0), 0.002),
        (optax.lion(0.1, weight_decay=0.2), 0.02),
    ],
)
def test_what_pulls_the_parameters_is_probed(transformation: Any, decay: float) -> None:
    pulls = Optax(transformation).pulls(np.zeros(3))
    assert list(pulls.values()) == ([pytest.approx(decay, rel=1e-4)] if decay else [])
    assert Optax(transformation).without_pull().pulls(np.zeros(3)) == {}
    assert descend.ClipNorm(Optax(transformation), 1.0).pulls(np.zeros(3)) == pulls


def parts_by_name(seed: int) -> Any:
    masked = optax.masked(optax.add_decayed_weights(0.1), {"w": True, "b": bool(seed)})
    return optax.chain(masked, optax.sgd(0.05))


@pytest.mark.parametrize(
    "method",
    [parts_by_name(0), optax.multi_transform({"a": optax.adam(0.1), "b": optax.sgd(0.1)}, {"w": "a", "b": "b"})],
    ids=["masked", "multi"],
)
def test_a_transformation_for_parameters_of_certain_names_is_explained(method: Any) -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ p["w"] + p["b"] - y) ** 2)

    start = {"w": np.zeros(3, "f"), "b": np.zeros((), "f")}
    assert train(loss, start, (COLUMNS, SUMS), method, epochs=20).explain().cause is Cause.HEALTHY
    assert minimize(lambda p: loss(p, COLUMNS, SUMS), start, method, steps=300).explain().cause is not None


def test_a_transformation_is_known_by_its_code_and_numbers() -> None:
    def text(transformation: Any) -> str:
        rule: Rule = Optax(transformation)
        return repr(rule)

    assert text(optax.adam(0.01)) == text(optax.adam(0.01)) != text(optax.adam(0.02))
    assert text(parts_by_name(0)) == text(parts_by_name(0)) != text(parts_by_name(1))
    waves = [optax.sgd(optax.cosine_decay_schedule(0.1, steps)) for steps in (100, 101)]
    assert text(waves[0]) != text(waves[1])
    scales = [optax.chain(optax.scale(jnp.float32(by))) for by in (0.1, 0.2)]
    assert text(scales[0]) != text(scales[1])


@pytest.mark.parametrize("seed", [24, 29, 33, 38, 39, 42])
def test_k_means_with_an_idle_center_is_in_a_local_minimum(seed: int) -> None:
    places = np.concatenate([np.random.default_rng(seed).normal(m, 0.3, 40) for m in (-10.0, 0.0, 10.0)])

    def cost(centers: Any) -> Any:
        return np.mean(np.min((places[:, None] - centers) ** 2, 1))

    run = minimize(cost, [-10.0, 10.1, 10.2], GradientDescent(0.1))
    assert "jumps" not in run.message
    found = run.explain()
    assert found.cause is Cause.LOCAL_MINIMUM
    assert found.evidence["better cost"] < 0.2


def test_a_level_floor_with_a_lower_place_down_the_same_valley_is_a_plateau() -> None:
    def cost(x: Any) -> Any:
        return x[0] ** 2 - jnp.exp(-((x[1] - 8) ** 2))

    run = minimize(cost, np.array([1.0, 3.0]), GradientDescent(0.3), steps=200)
    assert run.explain().cause is Cause.PLATEAU


def test_a_slope_of_nothing_is_no_rate_that_is_too_large() -> None:
    run = minimize(lambda x: -jnp.exp(-jnp.sum((x - 1) ** 2) / 0.02), np.array([3.0, 1.0]))
    assert not run.success
    found = run.explain()
    assert (found.cause, found.evidence["gradient norm there"]) == (Cause.PLATEAU, pytest.approx(2.8e-85, rel=0.1))


def test_a_level_above_the_minimum_is_told_of_polyak() -> None:
    run = minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(2), GradientDescent(Polyak(8.0)), steps=500)
    found = run.explain()
    assert (found.evidence["fmin"], found.evidence["cost"]) == (8, pytest.approx(8))
    assert "PolyakEstimated" in found.cure


def test_a_schedule_that_optax_hides_has_decayed() -> None:
    def cost(x: Any) -> Any:
        return jnp.sum((x - 1) ** 2)

    early = minimize(cost, np.zeros(3), optax.sgd(optax.exponential_decay(0.05, 5, 0.3)), steps=1_000).explain()
    assert (early.cause, "begun anew" in early.seen) == (Cause.DECAYED_TOO_EARLY, True)
    late = minimize(cost, np.zeros(3), optax.sgd(optax.cosine_decay_schedule(0.1, 300)), steps=300).explain()
    assert late.cause is Cause.HEALTHY


@pytest.mark.parametrize(
    ("method", "cause"),
    [
        (optax.sgd(optax.exponential_decay(0.005, 20, 0.5)), Cause.DECAYED_TOO_EARLY),
        (optax.adam(optax.cosine_decay_schedule(0.01, 63)), Cause.DECAYED_TOO_EARLY),
        (optax.adam(optax.cosine_decay_schedule(0.1, 630)), Cause.HEALTHY),
    ],
)
def test_a_schedule_that_optax_hides_has_decayed_in_training(method: Any, cause: Cause) -> None:
    assert train(of_sums, {"w": np.zeros(3, "f")}, (COLUMNS, SUMS), method, epochs=10).explain().cause is cause


@pytest.mark.parametrize(
    ("transformation", "left"),
    [
        (optax.adam(0.1), 1.0),
        (optax.adagrad(0.1), 1.0),  # it tires of slopes, and here there are none
        (optax.lbfgs(), 1.0),
        (optax.polyak_sgd(), 1.0),  # which does not move where the cost is zero
        (optax.sgd(optax.linear_schedule(0.1, 0.05, 800)), 0.5),
        (optax.adam(optax.warmup_constant_schedule(0, 0.1, 100)), 1.0),
    ],
)
def test_what_a_schedule_has_left_is_probed(transformation: Any, left: float) -> None:
    assert Optax(transformation).rate_left(np.zeros(3), 1_000) == pytest.approx(left, rel=1e-6)


def test_what_more_epochs_win_by_heart_is_no_reason_for_more() -> None:
    draw = np.random.default_rng(3)
    X = draw.normal(size=(600, 4)).astype("f")
    y = (X @ [0.5, 0.4, 0, 0] + draw.normal(size=600)).astype("f")
    found = MLPRegressor(hidden=16, epochs=30, seed=2).fit(X, y).explain(X, y)
    assert found.cause is Cause.HEALTHY
    assert found.evidence["loss"] > found.evidence["the lowest loss among them"]


def test_a_largest_step_that_keeps_rprop_short_is_told() -> None:
    method = descend.Rprop(first=1e-6, largest=1e-5)
    found = minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(2), method, steps=1_000).explain()
    assert found.cause is Cause.RATE_TOO_SMALL
    assert found.cure.startswith("largest=")
