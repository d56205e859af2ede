"""What the losses of a training tell, and what is around a network, where the answer is known."""

from __future__ import annotations

import re
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from descend import (
    AdaGrad,
    Adam,
    BarzilaiBorwein,
    Cosine,
    ExponentialDecay,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Momentum,
    Outcome,
    RMSProp,
    plots,
    train,
)
from descend.insight import Cause, edge_over_training, explain_training, loss_slice, network_curvature, noise_scale
from descend.insight.retrained_losses import OfTraining
from descend.insight.retrained_models import OfModel
from descend.insight.retraining_rates import goes_to_and_fro
from descend.models.history import History

pytestmark = pytest.mark.usefixtures("time_enough")

X, Y = load_digits(return_X_y=True)
DRAW = np.random.default_rng(0)


def overfits() -> Any:
    A, b = DRAW.normal(size=(120, 30)), DRAW.integers(0, 2, 120)
    return MLPClassifier(Adam(0.01), epochs=60, validation=0.5).fit(A, b)


CASES: list[tuple[str, Cause, Any]] = [
    ("noise by heart", Cause.OVERFITTING, overfits),
    ("a rate that explodes", Cause.RATE_TOO_LARGE, lambda: MLPRegressor(GradientDescent(1e4), activation="identity").fit(X, Y)),
    ("a linear one that explodes", Cause.RATE_TOO_LARGE, lambda: LinearRegression(GradientDescent(10.0), batch_size=1, scale=False).fit(X, Y)),
    ("three slow epochs", Cause.TOO_FEW_STEPS, lambda: MLPClassifier(GradientDescent(0.003), epochs=3).fit(X, Y)),
    ("digits", Cause.HEALTHY, lambda: MLPClassifier(Adam(0.01), epochs=30).fit(X, Y)),
    ("least squares", Cause.HEALTHY, lambda: LinearRegression().fit(X, Y)),
    ("separable classes", Cause.UNBOUNDED, lambda: LogisticRegression(l2=0.0).fit(load_iris().data[:100], load_iris().target[:100])),
    ("stopped early", Cause.HEALTHY, lambda: MLPClassifier(Adam(0.01), epochs=99, validation=0.2, patience=2).fit(X, Y)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cause", "make"), CASES, ids=[case[0] for case in CASES])
def test_the_cause_of_a_training_is_told(name: str, cause: Cause, make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make()
    found = model.explain()
    assert found.cause is cause, f"{model.message_}\n{found}"
    assert bool(found.cure) == (cause is not Cause.HEALTHY)


def _train(method: Any, epochs: int) -> Any:
    """Least squares with a noise of 0.5, so that the loss ends at about 0.25, trained as a function of one's own."""
    draw = np.random.default_rng(1)
    A = draw.normal(size=(1_000, 5))
    b = A @ np.arange(5.0) + 0.5 * draw.normal(size=1_000)

    def loss(p: Any, A: Any, b: Any) -> Any:
        return jnp.mean((A @ p["w"] - b) ** 2)

    return train(loss, {"w": np.zeros(5)}, (A, b), method, epochs=epochs)


OF_FUNCTIONS: list[tuple[Cause, Any, int]] = [
    (Cause.RATE_TOO_LARGE, GradientDescent(3.0), 5),
    (Cause.RATE_TOO_SMALL, GradientDescent(1e-6), 5),
    (Cause.STEP_VANISHED, AdaGrad(0.01), 10),
    (Cause.RATE_TOO_SMALL, AdaGrad(1e-4), 5),
    (Cause.DECAYED_TOO_EARLY, GradientDescent(ExponentialDecay(0.003, 0.97)), 8),
    (Cause.TOO_FEW_STEPS, Adam(0.01), 8),
    (Cause.NOISE_FLOOR, Adam(4.0), 30),
    (Cause.HEALTHY, GradientDescent(0.003), 30),
]


@pytest.mark.parametrize(("cause", "method", "epochs"), OF_FUNCTIONS, ids=[case[0].name for case in OF_FUNCTIONS])
def test_training_a_function_of_ones_own_is_explained_by_training_it_again(
    cause: Cause, method: Any, epochs: int
) -> None:
    made = _train(method, epochs)
    found = made.explain()
    assert found.cause is cause, f"{made.message}\n{found}"
    assert bool(found.seen) == (cause is not Cause.HEALTHY), "the cure was tried"
    if cause in {Cause.RATE_TOO_LARGE, Cause.RATE_TOO_SMALL, Cause.STEP_VANISHED}:
        lr = float(found.cure.removeprefix("lr="))
        assert made.again(method=type(method)(lr)).history.loss[-1] < 0.5, "and it is one"


def test_what_time_did_not_allow_to_try_proves_nothing() -> None:
    class Cut(OfTraining):
        def onward(self, **changes: Any) -> Any:
            self.was_cut = not changes
            return super().onward(**changes) if changes else None

    assert goes_to_and_fro(Cut(_train(Adam(0.01), 8))) is None


def line(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    A = draw.normal(size=(300, 4))
    return A, A @ np.array([3.0, -2, 1, 0.5]) + noise * draw.normal(size=300)


def raw(noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    A, b = line(noise)
    return A * [1.0, 1e3, 1e6, 1.0], b


G = GradientDescent
RETRAINED: list[tuple[str, Cause, Any, Any]] = [
    ("columns of other scales", Cause.RATE_TOO_LARGE, LinearRegression(G(0.01), batch_size=1, scale=False), raw()),
    ("all rows, beyond the limit", Cause.RATE_TOO_LARGE, LinearRegression(G(3.0), epochs=200), line()),
    ("a network whose units die", Cause.RATE_TOO_LARGE, MLPClassifier(G(2.0), hidden=(32, 32), epochs=15), (X[:600], Y[:600])),
    ("tiny steps on all rows", Cause.RATE_TOO_SMALL, LinearRegression(G(1e-6), epochs=1_000), line()),
    ("tiny steps in batches", Cause.RATE_TOO_SMALL, LogisticRegression(G(1e-6), batch_size=16, epochs=20), (X, Y > 4)),
    ("a network with tiny steps", Cause.RATE_TOO_SMALL, MLPClassifier(G(1e-6), epochs=10), (X[:600], Y[:600])),
    ("a network with tinier steps", Cause.RATE_TOO_SMALL, MLPRegressor(G(1e-7), hidden=(16,), epochs=10), line()),
    ("one epoch", Cause.TOO_FEW_STEPS, LinearRegression(G(0.005), batch_size=32, epochs=1), line()),
    ("ten steps", Cause.TOO_FEW_STEPS, LinearRegression(G(0.5), epochs=5), line()),
    ("single rows on noise", Cause.NOISE_FLOOR, LinearRegression(G(0.05), batch_size=1, epochs=40), line(5.0)),
    ("a cosine that is over", Cause.DECAYED_TOO_EARLY, LinearRegression(G(Cosine(0.02, steps=40)), epochs=500), line()),
    ("too much momentum", Cause.OSCILLATING, LinearRegression(Momentum(0.1, mu=0.999), epochs=400), line()),
    ("little momentum, well", Cause.HEALTHY, LinearRegression(Momentum(0.05, mu=0.3), batch_size=16, epochs=60), line()),
    ("steps of another kind", Cause.TOO_FEW_STEPS, LinearRegression(G(BarzilaiBorwein()), epochs=2), raw()),
    ("AdaGrad far from its goal", Cause.STEP_VANISHED, LinearRegression(AdaGrad(0.01), batch_size=8, epochs=30), line()),
    ("raw columns", Cause.ILL_CONDITIONED, LinearRegression(G(1e-7), epochs=2_000, scale=False), (raw()[0][:, :2], line()[1])),
    ("deep sigmoids", Cause.PLATEAU, MLPClassifier(G(0.05), hidden=(32,) * 8, activation="sigmoid", epochs=20), (X[:600], Y[:600])),
    ("a network that has learnt", Cause.HEALTHY, MLPClassifier(Adam(0.003), hidden=(32,), epochs=30, validation=0.2), (X, Y)),
    ("a line that is met", Cause.HEALTHY, LinearRegression(G(0.05), batch_size=16, epochs=60), line()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cause", "model", "rows"), RETRAINED, ids=[case[0] for case in RETRAINED])
def test_with_the_rows_the_cause_is_told_and_the_cure_was_tried(name: str, cause: Cause, model: Any, rows: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(model).fit(*rows)
    before = {n: np.copy(v) for n, v in vars(model).items() if isinstance(v, np.ndarray)}, len(model.history_)
    found = model.explain(*rows)
    assert found.cause is cause, f"{model.message_}\n{found}"
    assert found.outcome is model.outcome_
    if cause is not Cause.HEALTHY:
        assert found.cure
        after, was = map(float, re.findall(r"(?:at loss|it was) ([-+.e\d]+\d)", found.seen))
        assert after < was
    for n, v in before[0].items():  # the model is as it was
        np.testing.assert_array_equal(getattr(model, n), v)
    assert len(model.history_) == before[1]


def test_the_columns_that_are_too_large_are_named() -> None:
    rows = raw()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(G(0.01), batch_size=1, scale=False).fit(*rows)
    found = model.explain(*rows)
    assert found.cure == "scale=True"
    assert found.evidence["largest columns"].startswith("column 2 (about 1.0")


@pytest.mark.parametrize(("lr", "is_well"), [(0.5, True), (0.05, False), (0.02, False)])
def test_what_was_to_converge_and_has_not_is_well_where_nothing_gets_lower(lr: float, is_well: bool) -> None:
    rows = line(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(G(lr), epochs=25, tol=1e-300).fit(*rows)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED
    assert (model.explain(*rows).cause is Cause.HEALTHY) is is_well


def test_without_rows_a_decayed_rate_is_not_called_healthy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression(G(ExponentialDecay(0.01, factor=0.97)), batch_size=8, epochs=40).fit(*line(1.0))
    found = model.explain()
    assert found.cause is Cause.UNKNOWN
    assert "explain(X, y)" in found.cure


def test_before_fit_there_is_nothing_to_explain() -> None:
    for model in (LinearRegression(), MLPClassifier()):
        with pytest.raises(NotFittedError):
            model.explain()


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_the_curvature_of_softmax_regression_is_that_of_its_formula() -> None:
    A, b = DRAW.normal(size=(300, 3)), DRAW.integers(0, 2, 300)
    model = MLPClassifier(GradientDescent(1e-12), hidden=(), epochs=1, dtype="float64", scale=False).fit(A, b)
    layers = model.layers_
    scores = A @ layers[0].W
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    ones = np.column_stack([A, np.ones(300)])
    inner = np.stack([np.diag(p) - np.outer(p, p) for p in share])
    hessian = np.einsum("ni,nj,nkl->ikjl", ones, ones, inner).reshape(8, 8) / 300
    assert network_curvature(model, A, b).largest == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)


def test_the_noise_scale_is_that_of_its_definition() -> None:
    draw = np.random.default_rng(0)
    A = draw.normal(size=(2_048, 1))
    b = 2 * A[:, 0] + 3 * draw.normal(size=2_048)
    model = MLPRegressor(GradientDescent(1e-9), hidden=(), epochs=1, dtype="float64", scale=False).fit(A, b)
    residual = (
        (A @ model.layers_[0].W)[:, 0] + model.layers_[0].b - model._targets(b, np.ones(2_048), first=False)[:, 0]
    )
    each = 2 * residual[:, None] * np.column_stack([A, np.ones(2_048)])
    mean = each.mean(axis=0)
    true = each.var(axis=0).sum() / (mean @ mean)
    assert noise_scale(model, A, b) == pytest.approx(true, rel=0.25)
    # Of two batches it is known without an estimate: the signal is g₁·g₂, the noise 16·|g₁ - g₂|²/2.
    order = np.random.default_rng(0).permutation(32)
    first, second = each[:32][order[:16]].mean(axis=0), each[:32][order[16:]].mean(axis=0)
    exact = 8 * ((first - second) @ (first - second)) / (first @ second)
    assert noise_scale(model, A[:32], b[:32]) == pytest.approx(exact, rel=1e-9)
    with pytest.raises(ValueError, match="at least 32 rows"):
        noise_scale(model, A[:20], b[:20])


def test_a_slice_has_the_network_in_its_middle() -> None:
    model = MLPClassifier(Adam(0.01), hidden=16, epochs=15).fit(X, Y)
    values = loss_slice(model, X, Y, points=9)
    assert values[4, 4] == values.min()
    assert values[4, 4] == pytest.approx(model.history_.loss[-1], rel=1e-4)
    assert plots.loss_landscape(values).get_title() == "Loss around the weights"


def test_training_that_only_got_worse_is_no_success() -> None:
    A, b = DRAW.normal(size=(200, 20)), DRAW.integers(0, 2, 200)
    with pytest.warns(Warning, match="the validation loss was never below"):
        model = MLPClassifier(Adam(3.0), validation=0.2, patience=2).fit(A, b)
    assert model.outcome_ in {Outcome.DIVERGED, Outcome.STALLED}
    assert model.explain().cause is not Cause.HEALTHY


def test_losses_below_zero_do_not_diverge_and_one_that_is_nan_at_the_start_is_not_the_rates_fault() -> None:
    rows = np.linspace(-1, 1, 64, dtype=np.float32)
    below = float(np.mean((np.float32(0.03) - rows) ** 2)) + 1e-6  # the first loss is -1e-6, a later one above zero
    calming = GradientDescent(lr=ExponentialDecay(0.4, factor=0.98))
    falling = train(
        lambda w, x: jnp.mean((w - x) ** 2) - below, np.float32(0.03), rows, calming, batch_size=1, epochs=12
    )
    assert falling.history.loss[0] < 0 < falling.history.loss.max()
    assert falling.success, falling.message
    broken = train(lambda w, x: jnp.log(w - 1) * x.mean(), np.float32(0.0), rows, epochs=1)
    assert broken.outcome is Outcome.DIVERGED
    assert broken.explain().cause is Cause.LEFT_DOMAIN
    with pytest.raises(ValueError, match="patience must be a whole number >= 1 or None, got 0"):
        train(lambda w, x: w**2 + 0 * x.mean(), np.float32(1.0), rows, validation=0.2, patience=0)


def _bold(method: Any, epochs: int) -> Any:
    return MLPRegressor(method, hidden=16, activation="tanh", batch_size=len(Y), epochs=epochs)


def test_descent_on_all_rows_goes_along_the_edge_of_stability() -> None:
    """Cohen et al. (2021), figure 1: the sharpness rises to 2/lr and stays about there."""
    found = edge_over_training(_bold(GradientDescent(0.3), 200), X, Y, points=20)
    assert found.edge == pytest.approx(2)
    assert found.step.tolist() == np.linspace(1, 200, 20).round().tolist()
    assert abs(np.median(found.product[10:]) - 2.05) < 0.2
    assert np.all(np.abs(found.product[10:] - 2.05) < 0.6)
    slow = edge_over_training(_bold(GradientDescent(0.03), 20), X, Y, points=5)
    assert np.all(slow.product < 1.2)
    adaptive = edge_over_training(_bold(RMSProp(0.002), 200), X, Y, points=20)
    assert adaptive.is_adaptive
    assert 1.8 < np.median(adaptive.product[10:]) < 3.2


def test_the_sharpness_over_training_is_that_of_the_network_and_leaves_it_alone() -> None:
    model = _bold(GradientDescent(0.03), 7).fit(X, Y)
    before = model.layers_[0].W.copy()
    found = edge_over_training(model, X, Y, points=3)
    assert found.step.tolist() == [1, 4, 7]
    assert found.product[-1] == pytest.approx(0.03 * network_curvature(model, X, Y).largest, rel=1e-3)
    assert np.array_equal(model.layers_[0].W, before)
    with pytest.raises(ValueError, match="nothing to look at: diverged"), pytest.warns(ConvergenceWarning):
        edge_over_training(_bold(GradientDescent(1e30), 3), X, Y)
    with pytest.raises(TypeError, match="not LinearRegression"):
        edge_over_training(LinearRegression(), X, Y)
    with pytest.raises(ValueError, match="points must be"):
        edge_over_training(model, X, Y, points=0)
    with pytest.raises(TypeError, match="not MLPRegressor"):
        plots.sharpness(model)


@pytest.mark.parametrize("shift", [-10.0, None], ids=["dead units", "weights of zero"])
def test_parameters_that_no_gradient_reaches_are_named_and_another_start_is_tried(shift: float | None) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 4)).astype(np.float32)
    y = np.abs(X[:, 0]) + X[:, 1]
    size = 0.0 if shift is None else 0.3
    params = {
        "W1": (size * draw.normal(size=(4, 12))).astype(np.float32),
        "b1": np.full(12, shift or 0.0, np.float32),
        "W2": (size * draw.normal(size=(12, 1))).astype(np.float32),
        "b2": np.float32(0),
    }

    def loss(p: Any, X: Any, y: Any) -> Any:
        return jnp.mean(((jax.nn.relu(X @ p["W1"] + p["b1"]) @ p["W2"])[:, 0] + p["b2"] - y) ** 2)

    found = train(loss, params, (X, y), Adam(0.01), epochs=20).explain()
    assert found.cause is Cause.PLATEAU
    assert found.evidence["no gradient reaches"] == "W1, W2, b1"
    assert "random matrices" in found.cure
    assert "20 epochs from the start end at loss" in found.seen


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_without_rows_a_loss_at_the_level_of_chance_is_not_well() -> None:
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(Adam(0.01), hidden=8, epochs=20, l2=10.0).fit(X[:600], y[:600])
    assert model.score(X[:600], y[:600]) < 0.2
    assert model.explain().cause is Cause.UNKNOWN


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_network_at_the_level_of_chance_is_not_well() -> None:
    draw = np.random.default_rng(0)
    A = draw.normal(size=(600, 5))
    noise = draw.integers(0, 5, 600)
    stopped = MLPClassifier(Adam(0.001), epochs=60, validation=0.3, patience=5).fit(A, noise)
    assert stopped.explain(A, noise).cause is not Cause.HEALTHY
    blind = MLPRegressor(Adam(0.003), epochs=5).fit(np.zeros((600, 5)), A[:, 0])
    found = blind.explain(np.zeros((600, 5)), A[:, 0])
    assert found.cause is Cause.UNKNOWN
    assert "no more than a prediction that is the same for all rows" in str(found)
    assert not found.seen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(3))
def test_noise_gets_no_cure_that_lowers_the_loss_of_its_own_rows_alone(seed: int) -> None:
    draw = np.random.default_rng(seed)
    A, noise = draw.normal(size=(600, 20)), draw.integers(0, 2, 600)
    for model in (
        MLPClassifier(Adam(1e-3), hidden=32, epochs=10, validation=0.2),
        MLPRegressor(Adam(1e-3), hidden=32, epochs=10, validation=0.2),
        LogisticRegression(batch_size=32, validation=0.2),
    ):
        found = model.fit(A, noise).explain(A, noise)
        assert not found.cure or found.cause is Cause.OVERFITTING
        assert found.cause is not Cause.HEALTHY or isinstance(model, LogisticRegression)


def test_the_patience_that_is_advised_does_not_stop_before_the_lowest_loss() -> None:
    validation = [1.0, 0.8, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, 0.7, 0.8]
    history = History()
    for epoch, held_out in enumerate(validation):
        history.add(epoch=epoch, steps=epoch, loss=0.9**epoch, validation=held_out, seconds=0.0)
    found = explain_training(history, Outcome.STEPS_EXHAUSTED)
    assert found.cause is Cause.OVERFITTING
    assert found.cure.startswith("patience=5,")


def test_what_no_linear_network_can_learn_is_learnt_with_a_hidden_layer() -> None:
    A = np.random.default_rng(0).normal(size=(600, 2))
    b = A[:, 0] * A[:, 1] > 0
    found = MLPClassifier(Adam(0.01), hidden=(), epochs=30).fit(A, b).explain(A, b)
    assert (found.cause, found.cure) == (Cause.PLATEAU, "hidden=(128,)")


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_the_cure_of_scaled_columns_is_found_where_the_loss_began_far_above_chance() -> None:
    model = MLPClassifier(Adam(0.003), epochs=20, scale=False).fit(X + 1e4, Y)
    assert model.explain(X + 1e4, Y).cure == "scale=True"


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_an_explanation_wants_the_rows_of_the_fit_and_ends_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MLPClassifier(Adam(1e-6), hidden=16, epochs=5).fit(X, Y)
    with pytest.raises(ValueError, match="15 is none of its classes"):
        model.explain(X, Y + 15)

    def interrupted(self: OfModel, changes: Any, **_: Any) -> Any:
        return Outcome.INTERRUPTED, self.history

    monkeypatch.setattr(OfModel, "_made", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.explain(X, Y)


def test_the_lowest_loss_that_was_tried_is_one_of_the_same_cost() -> None:
    draw = np.random.default_rng(1)
    A = draw.normal(size=(400, 5))
    b = A @ [1.0, 2, 3, 4, 5] + 3 * draw.normal(size=400) > 0
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegression(RMSProp(0.01), l2=1e-1, epochs=300).fit(A, b)
    best = LogisticRegression(l2=1e-1).fit(A, b).history_.loss[-1]
    evidence = model.explain(A, b).evidence
    assert evidence["the lowest loss among them"] >= best - 1e-9


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("name", ["rmsprop", "lion", "sign-sgd"])
def test_a_model_that_has_come_to_rest_is_not_told_to_take_more_steps(name: str) -> None:
    draw = np.random.default_rng(0)
    A = draw.normal(size=(2_000, 5))
    b = A @ [1.0, 2, 3, 4, 5] + draw.normal(size=2_000)
    with pytest.warns(ConvergenceWarning, match="Stalled"):
        found = LinearRegression(name).fit(A, b).explain(A, b)
    assert found.cause is Cause.OSCILLATING
    assert found.cure.startswith("lr=Cosine(")


def test_noisy_steps_far_above_the_exact_loss_are_not_well() -> None:
    draw = np.random.default_rng(1)
    A = draw.normal(size=(1_000, 8)) * [1, 2, 5, 0.1, 1, 1, 1, 1]
    b = A @ draw.normal(size=8) + draw.normal(size=1_000)
    found = LinearRegression("lion", batch_size=32).fit(A, b).explain(A, b)
    assert found.cause is not Cause.HEALTHY
    assert found.seen


def test_columns_that_are_not_scaled_are_told_beside_where_training_ended() -> None:
    draw = np.random.default_rng(1)
    A = draw.normal(size=(2_000, 5))
    b = A @ [1.0, 2, 3, 4, 5] + draw.normal(size=2_000)
    A = A * 10.0 ** np.array([-3, -1, 0, 1, 3])
    with pytest.warns(ConvergenceWarning):
        model = LinearRegression(scale=False).fit(A, b)
    found = model.explain(A, b)
    assert found.cure == "scale=True"
    assert found.evidence["loss"] == pytest.approx(model.history_.loss[-1])
