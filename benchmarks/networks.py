"""The article's network on MNIST beside torch, Keras and scikit-learn; and how well it learns when it is tuned."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Result, compare, has, quiet, seconds
from descend import Adam, Cosine, GradientDescent, MLPClassifier, train
from descend.data.images import ImageSet, mnist

__all__ = ["WORKLOADS"]

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "mnist"
_LEARNT, _BATCH, _RATE = 48_000, 32, 0.01
_FLOPS = 6 * _LEARNT * (784 * 128 + 128 * 10) - 2 * _LEARNT * 784 * 128  # none for the gradient of the images


def _images() -> ImageSet | None:
    if FOLDER.exists():
        return mnist(FOLDER)
    print(f"the files of MNIST are not in {FOLDER}")
    return None


def _our_epoch(X: np.ndarray, y: np.ndarray, batch: int = _BATCH) -> Callable[[], object]:
    model = MLPClassifier(GradientDescent(_RATE), batch_size=batch, epochs=1, warm_start=True).fit(X, y)

    def epoch() -> None:
        trainer = model._trainer
        assert trainer is not None  # noqa: S101 - it has been fitted
        trainer.run(trainer._held[0], np.random.default_rng(0).permutation(_LEARNT), batch)
        assert np.isfinite(trainer.weights).all()  # noqa: S101 - waits for the device

    return epoch


def _torch_epoch(X: np.ndarray, y: np.ndarray, batch: int = _BATCH, device: str = "cpu") -> Callable[[], object]:
    import torch

    torch.set_num_threads(2)
    images, labels = torch.tensor(X, device=device), torch.tensor(y.astype(np.int64), device=device)
    layers = torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
    model = torch.nn.Sequential(*layers).to(device)
    rule, loss = torch.optim.SGD(model.parameters(), lr=_RATE), torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        order = torch.randperm(len(images), device=device)
        mixed, right = images[order], labels[order]
        for at in range(0, len(images), batch):
            rule.zero_grad(set_to_none=True)
            loss(model(mixed[at : at + batch]), right[at : at + batch]).backward()
            rule.step()
        assert torch.isfinite(layers[0].weight).all()  # noqa: S101 - waits for the device

    return epoch


def _keras_epoch(X: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    import keras

    layers = [
        keras.layers.Input((784,)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    rule = keras.optimizers.SGD(learning_rate=_RATE)
    model.compile(optimizer=rule, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(X, y, epochs=1, batch_size=_BATCH, verbose=0)


def _sklearn_epoch(X: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    from sklearn.neural_network import MLPClassifier as Theirs

    options = {"solver": "sgd", "learning_rate_init": _RATE, "momentum": 0.0, "batch_size": _BATCH, "max_iter": 1}
    return lambda: Theirs((128,), **options).fit(X, y)


def epochs(quick: bool) -> list[Result]:
    """An epoch of the article's network, training alone, beside each peer; and its share of the peak."""
    found = _images()
    if found is None:
        return []
    X, y = found.X[:_LEARNT].reshape(_LEARNT, -1), found.y[:_LEARNT]
    pixels = (X / 255).astype(np.float32)
    ours = _our_epoch(X, y)
    results, rounds = [], 3 if quick else 7
    for name, peer, goal in (
        ("torch", _torch_epoch, "≥ 3 × faster"),
        ("keras", _keras_epoch, "≥ 12 × faster"),
        ("sklearn", _sklearn_epoch, "≥ 40 × faster"),
    ):
        if has(name, "parity"):
            mine, other = compare(ours, peer(pixels, y), rounds)
            results.append(Result(f"MNIST, an epoch of 784-128-10 / {name}", mine, other, "s", goal))
    square = jnp.ones((2048, 2048))
    product = jax.jit(jnp.matmul)
    mine, other = compare(ours, lambda: np.asarray(product(square, square)), rounds)
    shares = [100 * (_FLOPS / a) / (2 * 2048**3 / b) for a, b in zip(mine, other, strict=True)]
    results.append(Result("MNIST, share of the peak of large float32 products", shares, [], "%", "≥ 75 %"))
    x, W = jnp.ones((_BATCH, 784)), jnp.ones((784, 128))
    many = jax.jit(
        lambda x, W: jax.lax.fori_loop(0, 1000, lambda i, c: (c[0] + 1e-9 * (c[0] @ c[1]).sum(), c[1]), (x, W))
    )
    mine, other = compare(ours, lambda: [np.asarray(a) for a in many(x, W)], rounds)
    of_small = [100 * (_FLOPS / a) / (1000 * 2 * _BATCH * 784 * 128 / b) for a, b in zip(mine, other, strict=True)]
    results.append(Result("the same, of products of 32 × 784 × 128", of_small, [], "%", ""))
    return results


def on_an_accelerator(quick: bool) -> list[Result]:
    """An epoch where JAX has an accelerator, beside torch on it; and its share of the peak of products there."""
    found = _images()
    if found is None or jax.default_backend() == "cpu":
        print("JAX has no accelerator here")
        return []
    X, y = found.X[:_LEARNT].reshape(_LEARNT, -1), found.y[:_LEARNT]
    pixels, results, rounds = (X / 255).astype(np.float32), [], 3 if quick else 7
    with jax.default_matmul_precision("float32"):
        square, product = jax.random.normal(jax.random.key(0), (8192, 8192)), jax.jit(jnp.matmul)
        times, _ = compare(lambda: product(square, square).block_until_ready(), None, rounds)
    peak = 2 * 8192**3 / min(times)
    for batch in (32, 512):
        peer = _torch_epoch(pixels, y, batch, "cuda") if has("torch", "parity") else None
        mine, other = compare(_our_epoch(X, y, batch), peer, rounds)
        name = f"MNIST on {jax.devices()[0].device_kind}, an epoch in batches of {batch}"
        results.append(Result(f"{name} / torch", mine, other, "ms", "", 1e3))
        shares = [100 * _FLOPS / a / peak for a in mine]
        results.append(Result(f"  its share of the {peak / 1e12:.0f} TFLOP/s of large products", shares, [], "%", ""))
    return results


_ARTICLE = """
import gzip, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from tensorflow.keras.layers import Dense
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import SGD
def read(name, skip):
    return np.frombuffer(gzip.open(f"{sys.argv[1]}/{name}").read(), np.uint8, offset=skip)
X = read("train-images-idx3-ubyte.gz", 16).reshape(60000, 784) / 255.0
y = read("train-labels-idx1-ubyte.gz", 8)
model = Sequential([Dense(128, activation="relu", input_shape=(784,)), Dense(10, activation="softmax")])
model.compile(optimizer=SGD(learning_rate=0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(X, y, epochs=10, validation_split=0.2, batch_size=32, verbose=0)
plt.plot(history.history["accuracy"]); plt.plot(history.history["val_accuracy"]); plt.savefig(sys.argv[2])
"""


def command(quick: bool) -> list[Result]:
    """The whole of `descend mnist`, beside the article's script; and the whole `fit`, beside Keras'."""
    if _images() is None or not has("tensorflow", "parity"):
        return []
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> None:
            arguments = ["-m", "descend", "mnist", "--data", str(FOLDER), "--plot", folder]
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

        def theirs() -> None:
            picture = str(Path(folder, "article.png"))
            subprocess.run([sys.executable, "-c", _ARTICLE, str(FOLDER), picture], check=True, capture_output=True)

        mine, other = compare(ours, theirs, 1 if quick else 3)
    return [Result("descend mnist --plot / the article's script", mine, other, "s", "≥ 5 × faster")]


def accuracy(quick: bool) -> list[Result]:
    """Test accuracy in the article's configuration, and tuned by a sweep of rates and methods, within ten epochs."""
    found = _images()
    if found is None:
        return []
    scores = [
        100 * MLPClassifier(GradientDescent(_RATE), epochs=10, validation=0.2, seed=seed)
        .fit(found.X, found.y)
        .score(found.X_test, found.y_test)
        for seed in range(2 if quick else 5)
    ]  # fmt: skip
    results = [Result("MNIST, test accuracy of the article's run, by seed", scores, [], "%", "mean ≥ 94.5 %")]
    steps = 10 * -(-len(found.X) // 64)
    best: tuple[float, float] = (0.0, 0.0)

    def search() -> None:
        nonlocal best
        tried = []
        for lr in (0.0005, 0.001, 0.002, 0.004):
            model = MLPClassifier(Adam(lr=Cosine(lr, steps=3 * 750)), batch_size=64, epochs=3, validation=0.2)
            tried.append((float(model.fit(found.X, found.y).history_.validation_score[-1]), lr))
        best = max(tried)

    cost = seconds(search)
    made = [
        100 * MLPClassifier(Adam(lr=Cosine(best[1], steps=steps)), batch_size=64, epochs=10, seed=seed)
        .fit(found.X, found.y)
        .score(found.X_test, found.y_test)
        for seed in range(1 if quick else 3)
    ]  # fmt: skip
    name = f"the same network, Adam with cosine, rate {best[1]:g} found in {cost:.0f} s"
    return [*results, Result(name, made, [], "%", "≥ 98 %")]


def _patches(x: Any, W: Any) -> Any:
    """A 3 × 3 convolution as one matrix product, which XLA runs quickly inside a loop on CPUs."""
    size = x.shape[1:3]
    wide = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    near = [wide[:, i : i + size[0], j : j + size[1]] for i in range(3) for j in range(3)]
    return jnp.concatenate(near, axis=-1) @ W


def _pooled(x: Any) -> Any:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def _convolved(p: Any, images: Any) -> Any:
    x = images[..., None].astype(jnp.float32) / 255
    for name in ("first", "second"):
        x = _pooled(jax.nn.relu(_patches(x, p[name]) + p[f"{name} bias"]))
    x = jax.nn.relu(x.reshape(len(x), -1) @ p["third"] + p["third bias"])
    return x @ p["last"] + p["last bias"]


def convolutions(quick: bool) -> list[Result]:
    """A small convolutional network of one's own through `train`: its test accuracy, and the time of training."""
    found = _images()
    if found is None:
        return []
    draw = np.random.default_rng(0)
    shapes = {"first": (9, 16), "second": (144, 32), "third": (1568, 64), "last": (64, 10)}
    params = {}
    for name, shape in shapes.items():
        params[name] = (draw.normal(size=shape) * (2 / shape[0]) ** 0.5).astype(np.float32)
        params[f"{name} bias"] = np.zeros(shape[1], np.float32)

    def loss(p: Any, X: Any, y: Any) -> Any:
        logs = jax.nn.log_softmax(_convolved(p, X))
        return -jnp.where(y[:, None] == jnp.arange(10), logs, 0).sum(axis=1).mean()

    rounds = 2 if quick else 5
    rule = Adam(lr=Cosine(0.002, steps=rounds * 938))
    made = train(loss, params, (found.X, found.y), rule, batch_size=64, epochs=rounds)
    blocks = np.array_split(np.arange(len(found.X_test)), 20)
    told = np.concatenate([np.argmax(_convolved(made.params, found.X_test[b]), axis=1) for b in blocks])
    score = 100 * float((told == found.y_test).mean())
    name = f"MNIST, convolutions of one's own, {rounds} epochs in {made.seconds:.0f} s"
    return [Result(name, [score], [], "%", "≥ 99 %")]


WORKLOADS = {
    "mnist-epoch": quiet(epochs),
    "mnist-accelerator": on_an_accelerator,
    "mnist-command": command,
    "mnist-accuracy": accuracy,
    "mnist-convolutions": convolutions,
}
