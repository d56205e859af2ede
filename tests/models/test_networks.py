"""Networks: their arithmetic, scikit-learn's protocol, what is said of bad input, and the article's experiment."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from descend import Adam, Cosine, GradientDescent, MLPClassifier, MLPRegressor, Momentum, Outcome, train
from descend.data.images import mnist
from descend.models import training
from descend.models.checkpoint import CheckpointError
from descend.models.descending import Descending
from descend.models.files import ModelFileError
from descend.models.network import ACTIVATIONS, INITIALISERS, Layer, Network, cross_entropy
from descend.models.samples import Samples

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
real = pytest.mark.skipif(not MNIST.exists(), reason="the files of MNIST are not there")
DIGITS = tuple(part[:1_792] for part in load_digits(return_X_y=True))
IRIS = load_iris(return_X_y=True)

# -- the arithmetic -----------------------------------------------------------------------------------------


def by_hand(layers: Any, X: np.ndarray, y: np.ndarray, lr: float) -> list[Layer]:
    """One step of gradient descent of a relu network with softmax, by the chain rule."""
    (W1, b1), (W2, b2) = layers
    before = X @ W1 + b1
    hidden = np.maximum(before, 0)
    error = (scipy.special.softmax(hidden @ W2 + b2, axis=1) - np.eye(W2.shape[1])[y]) / len(X)
    back = (error @ W2.T) * (before > 0)
    return [
        Layer(W1 - lr * X.T @ back, b1 - lr * back.sum(axis=0)),
        Layer(W2 - lr * hidden.T @ error, b2 - lr * error.sum(axis=0)),
    ]


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_an_epoch_is_that_of_the_chain_rule() -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(50, 4)), draw.integers(0, 3, 50)
    model = MLPClassifier(
        GradientDescent(0.1), hidden=5, batch_size=8, epochs=2, dtype="float64", scale=False, shuffle=False
    )
    layers: Any = Network((4, 5, 3)).start(0, "glorot_uniform", np.float64)
    for _ in range(2):
        for begin in range(0, 50, 8):  # the last batch holds two rows
            layers = by_hand(layers, X[begin : begin + 8], y[begin : begin + 8], 0.1)
    model.fit(X, y)
    for ours, theirs in zip(jax.tree.leaves(model.layers_), jax.tree.leaves(layers), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    loss = scipy.special.logsumexp(z := model._scores(X), axis=1) - z[np.arange(50), y]
    assert model.history_.loss[-1] == pytest.approx(loss.mean(), rel=1e-12)
    assert model.history_.score[-1] == model.score(X, y)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_same_in_numpy_and_jax_and_has_a_finite_slope(name: str) -> None:
    x = np.array([-800.0, -30, -1, -1e-9, 1e-9, 0.5, 30, 800])
    with jax.enable_x64(True), np.errstate(all="ignore"):
        np.testing.assert_allclose(ACTIVATIONS[name](x), ACTIVATIONS[name](jnp.asarray(x)), rtol=1e-12, atol=1e-15)
        slopes = jax.vmap(jax.grad(lambda v: jnp.asarray(ACTIVATIONS[name](v))))(jnp.asarray(x))
        assert np.isfinite(slopes).all()
        h = 1e-6
        inner = x[2:6]
        numeric = (ACTIVATIONS[name](inner + h) - ACTIVATIONS[name](inner - h)) / (2 * h)
        far_from_kink = np.abs(inner) > h
        np.testing.assert_allclose(slopes[2:6][far_from_kink], numeric[far_from_kink], rtol=1e-6)


def test_activations_are_those_of_jax() -> None:
    x = jnp.linspace(-4, 4, 50)
    for name, theirs in (
        ("sigmoid", jax.nn.sigmoid),
        ("silu", jax.nn.silu),
        ("gelu", jax.nn.gelu),
        ("elu", jax.nn.elu),
        ("leaky_relu", jax.nn.leaky_relu),
    ):
        np.testing.assert_allclose(ACTIVATIONS[name](x), theirs(x), atol=2e-6)


@given(st.integers(0, 1000), st.floats(0, 0.9))
def test_cross_entropy_is_that_of_optax(seed: int, smoothing: float) -> None:
    draw = np.random.default_rng(seed)
    scores, y = draw.normal(size=(6, 4)) * 10, draw.integers(0, 4, 6)
    targets = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    with jax.enable_x64(True):
        theirs = optax.softmax_cross_entropy(jnp.asarray(scores), jnp.asarray(targets))
    np.testing.assert_allclose(cross_entropy(scores, y, smoothing), theirs, rtol=1e-10, atol=1e-14)  # scores of ±30


@pytest.mark.parametrize("name", INITIALISERS)
def test_weights_begin_with_the_variance_of_their_paper(name: str) -> None:
    layers = Network((400, 300, 10)).start(1, name, np.float32)
    variance = {"glorot": 2 / 700, "he": 2 / 400, "lecun": 1 / 400}[name.split("_", maxsplit=1)[0]]
    assert layers[0].W.var() == pytest.approx(variance, rel=0.02)
    if name.endswith("uniform"):
        assert np.abs(layers[0].W).max() <= (3 * variance) ** 0.5 * 1.0001
    assert not layers[0].b.any()


def test_l2_dropout_and_smoothing_act() -> None:
    X, y = DIGITS
    plain = MLPClassifier(epochs=3).fit(X, y)
    decayed = MLPClassifier(epochs=3, l2=0.1).fit(X, y)
    assert np.linalg.norm(decayed.layers_[0].W) < 0.7 * np.linalg.norm(plain.layers_[0].W)
    smooth = MLPClassifier(epochs=3, label_smoothing=0.3).fit(X, y)
    assert smooth.predict_proba(X).max(axis=1).mean() < plain.predict_proba(X).max(axis=1).mean() - 0.1
    dropped = MLPClassifier(epochs=3, dropout=0.5).fit(X, y)
    assert dropped.score(X, y) > 0.9
    assert not np.array_equal(dropped.layers_[0].W, plain.layers_[0].W)
    again = MLPClassifier(epochs=3, dropout=0.5).fit(X, y)
    np.testing.assert_array_equal(dropped.layers_[0].W, again.layers_[0].W)


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    network = Network((1, 20_000, 1), "identity", dropout=0.25)
    layers = [Layer(np.ones((1, 20_000)), np.zeros(20_000)), Layer(np.full((20_000, 1), 1 / 20_000), np.zeros(1))]
    out = network.outputs(layers, jnp.ones((1, 1)), jax.random.key(0))
    assert float(out[0, 0]) == pytest.approx(1.0, abs=0.02)
    assert float(out[0, 0]) != 1.0


# -- scikit-learn's protocol --------------------------------------------------------------------------------

SAMPLED = {
    "check_sample_weight_equivalence_on_dense_data": "rows are sampled: a weight of two is not a row met twice, as in SGDClassifier"
}


CHECKED: dict[str, Any] = {"hidden": 16, "batch_size": 256, "epochs": 300}  # one shape of batch, to be compiled once


@parametrize_with_checks([MLPClassifier(**CHECKED), MLPRegressor(**CHECKED)], expected_failed_checks=lambda _: SAMPLED)  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_it_works_in_pipelines_and_grid_searches() -> None:
    X, y = IRIS
    assert cross_val_score(make_pipeline(StandardScaler(), MLPClassifier(hidden=8)), X, y).mean() > 0.93
    search = GridSearchCV(
        MLPClassifier(epochs=60), {"method": [Adam(0.001), Adam(0.01)], "hidden": [(4,), (16,)]}, cv=3
    ).fit(X, y)
    assert search.best_score_ > 0.93


def test_a_clone_and_other_numbers_do_not_compile_anew() -> None:
    X, y = DIGITS
    model = MLPClassifier(GradientDescent(0.1), epochs=1, l2=0.1, dropout=0.1).fit(X, y)
    compiled: list[str] = []

    def note(event: str, duration_secs: float, **_: Any) -> None:
        compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        for changes in ({"method": GradientDescent(0.05)}, {"l2": 0.01}, {"dropout": 0.3}):
            clone(model).set_params(**changes).fit(X, y)
        assert not [name for name in compiled if "backend_compile" in name]
        clone(model).set_params(hidden=7).fit(X, y)
        assert [name for name in compiled if "backend_compile" in name]
    finally:
        jax.monitoring.unregister_event_duration_listener(note)  # those of others stay


def test_regression_of_one_number_and_of_several_in_the_users_units() -> None:
    X, y = load_diabetes(return_X_y=True)
    one = MLPRegressor(hidden=8, epochs=150).fit(X, 1e6 * y)
    assert one.score(X, 1e6 * y) > 0.5
    assert one.history_.loss[-1] == pytest.approx(np.mean((one.predict(X) - 1e6 * y) ** 2), rel=1e-4)
    two = MLPRegressor(hidden=8, epochs=150).fit(X, np.column_stack([y, -1e-3 * y]))
    assert two.predict(X).shape == (len(X), 2)
    assert two.score(X, np.column_stack([y, -1e-3 * y])) > 0.5


def test_columns_of_any_scale_are_learnt() -> None:
    X, y = IRIS
    assert (
        MLPClassifier()
        .fit(X * [1, 1e6, 1e-6, 1e3] + [0, 0, 5, -1e5], y)
        .score(X * [1, 1e6, 1e-6, 1e3] + [0, 0, 5, -1e5], y)
        > 0.95
    )


@pytest.mark.filterwarnings("ignore:columns or the target have come to another scale")  # pixels at the edge
def test_partial_fit_goes_on_with_the_schedule() -> None:
    X, y = DIGITS
    model = MLPClassifier(Momentum(lr=Cosine(0.05, steps=200), mu=0.9))
    for begin in range(0, 1600, 160):
        model.partial_fit(X[begin : begin + 160], y[begin : begin + 160], classes=np.arange(10))
    assert model._trainer is not None
    assert model._trainer.steps == 50
    assert model._trainer.rate() == pytest.approx(0.05 * (1 + np.cos(np.pi * 49 / 200)) / 2, rel=1e-5)
    assert model.score(X[1600:], y[1600:]) > 0.7


def test_a_warm_start_goes_on_and_another_form_begins_anew() -> None:
    X, y = DIGITS
    model = MLPClassifier(Adam(0.01), hidden=16, epochs=2, warm_start=True).fit(X, y)
    first = model.history_.loss[-1]
    model.fit(X, y)
    assert model.history_.epoch[-1] == 4
    assert model.history_.loss[-1] < first
    model.set_params(method=GradientDescent(0.1)).fit(X, y)
    assert model.history_.epoch[-1] == 6
    with pytest.warns(UserWarning, match="warm_start begins anew: hidden changed"):
        model.set_params(hidden=(8, 8)).fit(X, y)
    assert [layer.W.shape[1] for layer in model.layers_] == [8, 8, 10]
    assert model.history_.epoch[-1] == 2


def test_rows_that_stream_are_learnt() -> None:
    X, y = DIGITS
    order = np.argsort(y, kind="stable")  # one class after the other

    def blocks() -> Any:
        for begin in range(0, len(y), 300):
            rows = order[begin : begin + 300]
            yield X[rows], y[rows]

    assert MLPClassifier(epochs=15).fit_blocks(blocks).score(X, y) > 0.97


def test_early_stopping_restores_the_best_weights() -> None:
    X, y = DIGITS
    model = MLPClassifier(Adam(0.01), epochs=200, validation=0.2, patience=5).fit(X, y)
    assert model.outcome_ is Outcome.CONVERGED
    assert model.n_iter_ < 200
    _, held_out = training.parted(model._samples(X, y, None, first=False), 0.2, 0)
    weights = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(model.layers_)])
    assert model._measure(weights, held_out)[0] == pytest.approx(model.history_.validation.min(), rel=1e-6)


def test_the_rate_of_a_named_method_is_found() -> None:
    X, y = DIGITS
    model = MLPClassifier("gradient-descent", epochs=10).fit(X, y)
    assert 0.01 < model.rate_ < 5
    assert model.score(X, y) > 0.97


def test_more_kinds_of_numbers() -> None:
    X, y = DIGITS
    assert MLPClassifier(dtype="bfloat16", epochs=5).fit(X, y).score(X, y) > 0.93
    wide = MLPClassifier(dtype="float64", epochs=5).fit(X, y)
    assert wide.layers_[0].W.dtype == np.float64
    assert MLPClassifier(optax.adam(1e-3), epochs=5).fit(X, y).score(X, y) > 0.93
    images = X.reshape(-1, 8, 8).astype(np.uint8)
    pixels = MLPClassifier(epochs=5).fit(images, y)
    assert pixels.predict(images[:3]).shape == (3,)
    with pytest.raises(TypeError, match="learnt from bytes"):
        pixels.predict(images / 255.0)


def test_several_devices_give_the_same_network() -> None:
    code = (
        "import numpy as np\nfrom descend import MLPClassifier, GradientDescent\nfrom sklearn.datasets import load_digits\n"
        "X, y = load_digits(return_X_y=True)\n"
        "a, b = (MLPClassifier(GradientDescent(0.1), epochs=2, dtype='float64', devices=k).fit(X, y) for k in (1, 2))\n"
        "np.testing.assert_allclose(a.layers_[0].W, b.layers_[0].W, rtol=1e-9, atol=1e-12)\nprint('same')"
    )
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "same", done.stderr
    with pytest.raises(ValueError, match="devices=64, but this machine has"):
        MLPClassifier(devices=64).fit(*IRIS)


# -- what goes wrong ----------------------------------------------------------------------------------------


def test_a_rate_that_diverges_is_named_and_the_last_finite_weights_are_kept() -> None:
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(
        ConvergenceWarning,
        match=r"diverged in epoch 1: at step (\d+) the loss is not finite; the last finite weights are kept. Try a smaller learning rate than 1e\+04",
    ):
        model = MLPRegressor(GradientDescent(1e4), activation="identity").fit(X, y)
    assert model.outcome_ is Outcome.DIVERGED
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model.layers_))
    assert np.abs(model.layers_[0].W).max() > 10  # not the weights of the start


def test_the_last_finite_weights_are_those_before_the_step_that_broke() -> None:
    def loss(x: Any, rows: Any, key: Any) -> Any:
        return jnp.sum(x**4) + 0 * rows.sum()

    start, order = np.array([2.0], np.float32), np.arange(40)
    trainer = Descending(GradientDescent(np.array(1.0, np.float32)), loss, start, 0)
    trainer.run(Samples((np.zeros(40, np.float32),)), order, 1)
    x = start.copy()
    with np.errstate(over="ignore"):
        while np.isfinite((x - 4 * x**3) ** 4).all():
            x = x - 4 * x**3
    np.testing.assert_allclose(trainer.weights, x, rtol=1e-5)
    assert trainer.broke_at == trainer.steps + 2


@pytest.mark.filterwarnings("ignore:nothing learnt")
def test_a_short_batch_is_that_of_its_own_rows() -> None:
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(50, 3)), draw.integers(0, 3, 50)
    options: dict[str, Any] = {"hidden": (4,), "dtype": "float64", "scale": False, "shuffle": False, "l2": 0.1}
    whole, start = (MLPClassifier(Momentum(lr), epochs=2, **options).fit(X, y) for lr in (0.1, 1e-300))
    parts = MLPClassifier(Momentum(0.1), **options)
    for rows in (slice(32), slice(32, None)) * 2:
        parts.partial_fit(X[rows], y[rows], classes=range(3))
    for a, b, before in zip(*(jax.tree.leaves(m.layers_) for m in (whole, parts, start)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)
        assert np.abs(a - before).max() > 1e-2


BAD: list[tuple[dict[str, Any], str]] = [
    ({"hidden": (0,)}, "hidden must be widths of layers, whole numbers >= 1"),
    ({"hidden": "wide"}, "hidden must be widths"),
    ({"activation": "relo"}, "activation must be one of relu.*Did you mean 'relu'"),
    ({"init": "zeros"}, "init must be one of glorot_uniform"),
    ({"dtype": "float16"}, "dtype must be one of float32, bfloat16, float64"),
    ({"dropout": 1.0}, r"dropout must be a share in \[0, 1\), got 1.0"),
    ({"label_smoothing": -0.1}, r"label_smoothing must be a share in \[0, 1\)"),
    ({"batch_size": 0}, "batch_size must be a whole number >= 1 or None, got 0"),
    ({"epochs": 2.5}, "epochs must be a whole number >= 1 or None, got 2.5"),
    ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ({"scale": "no"}, "scale must be True or False, got 'no'"),
    ({"shuffle": 3}, "shuffle must be True or False"),
    ({"l2": True}, "l2 must be a number >= 0, got True"),
    ({"patience": 3}, "give validation=0.2"),
    ({"method": "adm"}, "unknown method 'adm'"),
    ({"l2": "much"}, "l2 must be a number >= 0"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "says"), BAD, ids=[next(iter(b[0])) for b in BAD])
def test_bad_parameters_are_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        MLPClassifier(**options).fit(*IRIS)


def test_bad_data_is_told() -> None:
    X, y = IRIS
    with pytest.raises(ValueError, match="one class only"):
        MLPClassifier().fit(X, np.zeros(len(X)))
    for unit, how in ((1e60, "large"), (1e-50, "small")):
        with pytest.raises(ValueError, match=f"column 0 holds numbers too {how} for float32, up to .*dtype='float64'"):
            MLPClassifier().fit(X * unit, y)
        assert MLPClassifier(dtype="float64").fit(X * unit, y).score(X * unit, y) > 0.9
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        MLPClassifier().fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier().fit(np.where(X > 7, np.nan, X), y)
    with pytest.raises(ValueError, match="none of the classes"):
        MLPClassifier().partial_fit(X[:100], y[:100]).partial_fit(X[100:], y[100:])


# -- files, checkpoints -------------------------------------------------------------------------------------


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    X, y = DIGITS
    model = MLPClassifier(hidden=(20, 10), activation="tanh", epochs=3, validation=0.1).fit(X, y)
    again = MLPClassifier.load(model.save(tmp_path / "digits.descend"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.history_.loss, model.history_.loss)
    numbers = MLPRegressor(epochs=3).fit(X, X[:, :2])
    np.testing.assert_array_equal(
        MLPRegressor.load(numbers.save(tmp_path / "n.descend")).predict(X), numbers.predict(X)
    )
    (tmp_path / "p").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelFileError, match="pickle"):
        MLPClassifier.load(tmp_path / "p")
    content = bytearray((tmp_path / "digits.descend").read_bytes())
    content[-5] ^= 1
    (tmp_path / "digits.descend").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        MLPClassifier.load(tmp_path / "digits.descend")


def test_a_network_goes_on_from_a_pickle_between_processes() -> None:
    X, y = DIGITS
    model = MLPClassifier(epochs=2, warm_start=True).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
    np.testing.assert_array_equal(copy.fit(X, y).layers_[0].W, model.fit(X, y).layers_[0].W)


TRAINING = """
import os, signal, sys
from sklearn.datasets import load_digits
from descend import Adam, MLPClassifier
import descend.models.checkpoint as checkpoints
import descend.models.neural as neural
begin, save, left = checkpoints.Checkpoint.__init__, checkpoints.Checkpoint.save, int(sys.argv[2])
def saved(self, *args, **options):
    global left
    save(self, *args, **options)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.Checkpoint.__init__ = lambda self, path, about, **o: begin(self, path, about, **{**o, "every": 0.0})
checkpoints.Checkpoint.save = saved
neural._WORK = 3e7  # many chunks in an epoch
X, y = load_digits(return_X_y=True)
model = MLPClassifier(Adam(0.01), hidden=16, epochs=6, dropout=0.2, validation=0.1, checkpoint=sys.argv[1], resume=True)
print(model.fit(X, y).layers_[0].W.tobytes().hex())
"""


def test_training_that_is_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """It dies after so many writings of its checkpoint, in the midst of an epoch, and once more after others."""

    def end(name: str, after: int) -> tuple[int, str]:
        command = [sys.executable, "-c", TRAINING, str(tmp_path / name), str(after)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    code, whole = end("whole", 0)
    assert (code, len(whole)) == (0, 64 * 16 * 8 + 1)
    for after in (3, 7):
        assert end("killed", after) == (-signal.SIGKILL, "")
    assert end("killed", 0) == (0, whole)


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    X, y = DIGITS
    MLPClassifier(epochs=1, checkpoint=tmp_path / "c").fit(X, y)
    with pytest.raises(CheckpointError, match="another training"):
        MLPClassifier(epochs=2, checkpoint=tmp_path / "c", resume=True).fit(X + 1, y)


# -- any JAX model ------------------------------------------------------------------------------------------


def linear_loss(w: Any, X: Any, y: Any) -> Any:
    return jnp.mean((X @ w["w"] + w["b"] - y) ** 2)


def test_train_takes_any_jax_function() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(500, 3)).astype(np.float32)
    y = (X @ [1.0, 2.0, 3.0] + 4).astype(np.float32)
    start = {"w": np.zeros(3, np.float32), "b": np.float32(0)}
    seen: list[int] = []
    found = train(
        linear_loss,
        start,
        (X, y),
        Adam(0.05),
        epochs=20,
        validation=0.2,
        callback=lambda so_far: seen.append(len(so_far.history)),
        metric=lambda w, X, y: jnp.abs(X @ w["w"] + w["b"] - y).mean(),
    )
    np.testing.assert_allclose(found.params["w"], [1, 2, 3], atol=1e-2)
    assert found.success
    assert found.params["w"].dtype == np.float32
    assert seen == list(range(2, 22))
    assert found.history.score[-1] < 0.05
    assert "all 20 epochs made" in repr(found)

    def stop(_: object) -> None:
        raise StopIteration

    stopped = train(linear_loss, start, (X, y), epochs=20, callback=stop)
    assert "stopped by a callback after 1 epoch" in stopped.message
    assert stopped.outcome is Outcome.INTERRUPTED
    assert start["w"].tolist() == [0, 0, 0]


def test_train_hands_a_key_to_a_loss_that_wants_one_and_says_what_is_wrong() -> None:
    X = np.ones((64, 2), np.float32)

    def noisy(w: Any, X: Any, key: Any = None) -> Any:
        return jnp.mean((w - (0 if key is None else jax.random.normal(key))) ** 2) + 0 * X.mean()

    # With this rate each step lands on its own draw: one more step, another place.
    once, twice = (train(noisy, np.float32(1.0), X[:k], GradientDescent(0.5), batch_size=1, epochs=1) for k in (1, 2))
    assert once.params != twice.params
    a, b = (train(noisy, np.float32(1.0), X, GradientDescent(0.1), epochs=2, seed=s) for s in (0, 1))
    assert a.params != b.params
    assert a.history.loss[0] == 1.0
    with pytest.raises(TypeError, match="the loss must return one number"):
        train(lambda w, X: X @ w, np.zeros(2, np.float32), X)
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        train(noisy, np.float32(1.0), X, epochs=0)
    broken = train(lambda w, X: -jnp.sum(w**4) * X.mean(), np.float32(2.0), X, GradientDescent(1.0))
    assert broken.outcome is Outcome.DIVERGED
    assert np.isfinite(broken.params)


# -- the article's experiment -------------------------------------------------------------------------------


@real
def test_the_article_on_mnist() -> None:
    found = mnist(MNIST)
    model = MLPClassifier(GradientDescent(0.01), hidden=128, batch_size=32, epochs=10, validation=0.2).fit(
        found.X, found.y
    )
    assert model.score(found.X_test, found.y_test) > 0.943
    assert model.history_.validation_score[-1] > 0.935
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED


def test_a_network_from_a_file_refuses_columns_in_another_order(tmp_path: Path) -> None:
    import pandas as pd

    X, y = load_iris(return_X_y=True, as_frame=True)
    again = MLPClassifier.load(MLPClassifier(epochs=5).fit(X, y).save(tmp_path / "iris.descend"))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(X[X.columns[::-1]])
    assert again.predict(pd.DataFrame(X)).shape == (150,)


def test_numbers_in_class_weights_and_options_survive_the_file(tmp_path: Path) -> None:
    X, y = DIGITS
    y = np.where(y > 4, 10, 2)
    numbers: dict[str, Any] = {"epochs": np.int64(1), "batch_size": np.int64(16)}
    model = MLPClassifier(class_weight={2: 1.0, 10: 2.0}, **numbers).fit(X, y)
    again = MLPClassifier.load(model.save(tmp_path / "n.descend"))
    assert again.class_weight == {2: 1.0, 10: 2.0}
    again.partial_fit(X, y)


def test_a_fit_that_failed_leaves_no_network_that_predicts() -> None:
    model = MLPClassifier(devices=64)
    with pytest.raises(ValueError, match="devices=64"):
        model.fit(*IRIS)
    with pytest.raises(NotFittedError):
        model.predict(IRIS[0])
    model.set_params(devices=1, epochs=2).partial_fit(*IRIS)
    with pytest.raises(ValueError, match="devices=64"):
        model.set_params(devices=64).fit(*IRIS)
    with pytest.raises(NotFittedError):
        model.predict(IRIS[0])  # the weights are random again


def test_floats_after_bytes_are_refused_in_training_too() -> None:
    images = DIGITS[0].reshape(-1, 8, 8).astype(np.uint8)
    model = MLPClassifier(epochs=1).fit(images, DIGITS[1])
    with pytest.raises(TypeError, match="learnt from bytes"):
        model.partial_fit(images / 255.0, DIGITS[1])


def test_the_numbers_of_a_training_are_those_of_its_parameters() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    y = X @ np.array([1, 2, 3], np.float32)

    def loss(w: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ w - y) ** 2)

    made = train(loss, np.zeros(3, np.float32), (X, y), Adam(0.05), epochs=100, validation=0.2, patience=3)
    assert made.kept < len(made.history) - 1
    assert f"validation {made.history.validation[made.kept]:.4g}" in repr(made)
    assert made.history.validation[made.kept] == np.nanmin(made.history.validation)
    with pytest.raises(ValueError, match="epochs must be a whole number >= 1, got None"):
        train(loss, np.zeros(3, np.float32), (X, y), epochs=None)  # type: ignore[arg-type]


def test_no_batch_size_means_all_rows() -> None:
    X, y = np.eye(3, dtype=np.float32), np.ones(3, np.float32)

    def loss(w: Any, X: Any, y: Any) -> Any:
        return jnp.mean((X @ w - y) ** 2)

    weights = [train(loss, np.zeros(3, np.float32), (X, y), batch_size=size).params for size in (None, 3)]
    assert np.array_equal(weights[0], weights[1])
    networks = [MLPRegressor(hidden=(4,), batch_size=size, epochs=3).fit(X, y).predict(X) for size in (None, 3)]
    assert np.array_equal(networks[0], networks[1])


def test_a_network_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    path = MLPClassifier(epochs=1).fit(*IRIS).save(tmp_path / "n.descend")
    with pytest.raises(TypeError, match="holds an MLPClassifier: MLPClassifier.load reads it"):
        MLPRegressor.load(path)


def test_a_checkpoint_that_is_further_says_so(tmp_path: Path) -> None:
    MLPClassifier(epochs=3, checkpoint=tmp_path / "c").fit(*IRIS)
    again = MLPClassifier(epochs=2, checkpoint=tmp_path / "c", resume=True).fit(*IRIS)
    assert again.message_.startswith("the checkpoint has 3 epochs already, more than the 2 that were asked for")


def test_a_loss_that_draws_with_numpy_is_refused_and_one_that_draws_with_its_key_is_not() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    params = {"w": np.zeros(2, np.float32)}

    def frozen(p: Any, X: Any) -> Any:
        return jnp.mean((X @ p["w"] - 1 + np.random.default_rng().normal(size=len(X))) ** 2)

    def frozen_number(p: Any, X: Any) -> Any:
        return jnp.mean((X @ p["w"] - np.random.default_rng().normal()) ** 2)

    def drawn(p: Any, X: Any, key: Any) -> Any:
        noise = 0.0 if key is None else jax.random.normal(key, (len(X),))
        return jnp.mean((X @ p["w"] - 1 + noise) ** 2)

    for loss in (frozen, frozen_number):
        with pytest.raises(ValueError, match="another one each time it is traced"):
            train(loss, params, (X,), epochs=1)
    made = [train(drawn, params, (X,), epochs=1).params["w"] for _ in range(2)]
    np.testing.assert_array_equal(*made)


def test_rows_of_no_weight_do_not_set_the_scale() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(900, 3))
    y = X @ [1.0, 2.0, -1.0]
    weights = np.append(np.zeros(100), np.ones(800))
    X_wild, y_wild = X.copy(), y.copy()
    X_wild[:100], y_wild[:100] = 1e4, 1e8
    model = MLPRegressor("adam", hidden=8, epochs=20).fit(X_wild, y_wild, sample_weight=weights)
    assert model.score(X[100:], y[100:]) > 0.95


@pytest.mark.parametrize("away", [1e7, 1.7e9])
def test_columns_far_from_zero_keep_their_digits(away: float, tmp_path: Path) -> None:
    """Seconds since 1970, of which float32 knows every 128th."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(800, 2))
    y = X @ [1.0, 2.0]
    near, far = (MLPRegressor("adam", hidden=8, epochs=20).fit(X + by, y) for by in (0.0, away))
    assert far.score(X + away, y) > 0.95
    assert far.score(X + away, y) == pytest.approx(near.score(X, y), abs=1e-3)
    far.save(tmp_path / "far.descend")
    np.testing.assert_array_equal(MLPRegressor.load(tmp_path / "far.descend").predict(X + away), far.predict(X + away))
