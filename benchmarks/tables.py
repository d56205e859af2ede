"""Linear models and readers, side by side with scikit-learn, NumPy, PyArrow and kernels written by hand."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.csv
import scipy.sparse
from numba import njit
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.linear_model import LogisticRegression as ByBFGS
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import Result, compare, has, quiet, seconds
from descend import AdaGrad, Adam, GradientDescent, LinearRegression, LogisticRegression
from descend.data import Encoder, source_of
from descend.data.svmlight import read_svmlight
from descend.models import Squared
from descend.models.costs import RowsCost, Scaling
from descend.models.kernels import places, shuffled
from descend.models.rows import Rows, rows_of
from descend.models.trainers import Penalty, Streaming

__all__ = ["WORKLOADS"]

SHARED = Path(__file__).parents[2] / "shared" / "data"
_L2 = 1e-4  # as by default
_FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}


def _dense(rows: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.standard_normal((rows, 64), np.float32)
    return X, X @ draw.standard_normal(64, np.float32) + 0.1 * draw.standard_normal(rows, np.float32)


def each_row(quick: bool) -> list[Result]:
    """One epoch of stochastic gradient descent, 1,000,000 × 64 float32, the whole fit; and the kernel alone."""
    X, y = _dense(100_000 if quick else 1_000_000)
    results = []
    for shuffle, goal in ((False, "≥ 7 ×"), (True, "≥ 10 ×")):

        def ours(shuffle: bool = shuffle) -> Any:
            method = GradientDescent(1e-3)
            return LinearRegression(method, batch_size=1, epochs=1, scale=False, shuffle=shuffle).fit(X, y)

        def theirs(shuffle: bool = shuffle) -> Any:
            options = {"learning_rate": "constant", "eta0": 1e-3, "alpha": 0.0}
            return SGDRegressor(max_iter=1, tol=None, shuffle=shuffle, random_state=0, **options).fit(X, y)

        losses = [float(np.mean((model().predict(X) - y) ** 2)) for model in (ours, theirs)]
        mine, other = compare(ours, theirs, 3 if quick else 7, settle=0.2)
        order = "shuffled" if shuffle else "stored order"
        name = f"SGD, an epoch, {order} / SGDRegressor (losses {losses[0]:.5f}, {losses[1]:.5f})"
        results.append(Result(name, mine, other, "ms", f"{goal} faster", 1e3))
        rows = rows_of(X, y)
        in_turn = shuffled(len(y), 1, 0) if shuffle else places(0, len(y), len(y))
        alone = partial(_pass, GradientDescent(1e-3), rows, in_turn)
        kernel, other = compare(alone, theirs, 3 if quick else 7, settle=0.2)
        results.append(Result(f"the same, our kernel alone, {order}", kernel, other, "ms", "", 1e3))
    if has("torch", "parity"):
        results.append(_beside_torch(X, y, mine))
    return results


def _beside_torch(X: np.ndarray, y: np.ndarray, ours: list[float]) -> Result:
    """A torch loop over a two-hundredth of the rows; its cost is linear in them, so it is scaled."""
    import torch

    model, few = torch.nn.Linear(64, 1), len(y) // 200
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    rows = [(torch.from_numpy(X[i : i + 1]), torch.from_numpy(y[i : i + 1])) for i in range(few)]

    def epoch() -> None:
        for row, target in rows:
            optimizer.zero_grad()
            ((model(row)[:, 0] - target) ** 2 / 2).mean().backward()
            optimizer.step()

    epoch()
    theirs = [200 * seconds(epoch) for _ in ours]
    return Result("SGD, an epoch, shuffled / torch loop, 1/200 of it measured", ours, theirs, "ms", "", 1e3)


def several_classes(quick: bool) -> list[Result]:
    """One epoch of softmax regression, 7 classes, 200,000 × 54 float32, beside seven times one against the rest."""
    draw = np.random.default_rng(0)
    X = draw.standard_normal((20_000 if quick else 200_000, 54), np.float32)
    y = (X @ draw.standard_normal((54, 7), np.float32) + 3 * draw.gumbel(size=(len(X), 7))).argmax(axis=1)

    def theirs() -> Any:
        options = {"learning_rate": "constant", "eta0": 1e-3, "alpha": 0.0, "max_iter": 1, "tol": None}
        return SGDClassifier(loss="log_loss", random_state=0, **options).fit(X, y)

    results = []
    for batch in (1, 32):

        def ours(batch: int = batch) -> Any:
            method = GradientDescent(1e-3 * batch)
            return LogisticRegression(method, l2=0.0, batch_size=batch, epochs=1, scale=False).fit(X, y)

        right = [float(np.mean(model().predict(X) == y)) for model in (ours, theirs)]
        mine, other = compare(ours, theirs, 3 if quick else 7)
        name = f"softmax of 7 classes, batches of {batch} / SGDClassifier (right {right[0]:.4f}, {right[1]:.4f})"
        results.append(Result(name, mine, other, "ms", "", 1e3))
    return results


def default_classes(quick: bool) -> list[Result]:
    """The default fit of two classes, to the last digits, beside L-BFGS on the same cost, to its usual tolerance."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(20_000 if quick else 200_000, 30)) @ draw.normal(size=(30, 30))
    y = X @ draw.normal(size=30) + draw.logistic(size=len(X)) > 0
    sets: list[tuple[str, Any, Any]] = [(f"{len(X):,} × 30, columns alike", X, y)]
    if (SHARED / "a9a.t").exists():
        sparse, sides = read_svmlight(SHARED / "a9a.t")
        sets += [("a9a.t", sparse.astype(float), sides), ("a9a.t, dense", sparse.toarray().astype(float), sides)]
    results = []
    for name, X, y in sets:

        def theirs(X: Any = X, y: Any = y) -> Any:
            scaled = StandardScaler(with_mean=not scipy.sparse.issparse(X)).fit_transform(X)
            return ByBFGS(C=1 / (_L2 * len(y)), max_iter=10_000).fit(scaled, y)

        def ours(X: Any = X, y: Any = y) -> Any:
            return LogisticRegression(l2=_L2).fit(X, y)

        steps = f"{ours().n_iter_} steps; L-BFGS {theirs().n_iter_[0]}"
        results.append(
            Result(f"classes by default, {name} ({steps})", *compare(ours, theirs, 3 if quick else 9), "ms", "", 1e3)
        )
    return results


def _plain(rows: Rows) -> Scaling:
    d = rows.features
    return Scaling(np.zeros(d), np.ones(d), intercept=True, kind=rows.kind)


def _pass(method: Any, rows: Rows, order: np.ndarray) -> Any:
    start = np.zeros(rows.features + 1, rows.kind)
    trainer = Streaming(method, Squared(), _plain(rows), Penalty(), start, rows)
    trainer.run(rows, order, 1)
    return trainer


@njit(fastmath=_FAST, error_model="numpy")  # type: ignore[untyped-decorator]
def _adagrad_by_hand(X: Any, y: Any, w: Any, s: Any, lr: Any, eps: Any) -> None:
    for i in range(X.shape[0]):
        p = w[64]
        for j in range(64):
            p += X[i, j] * w[j]
        e = p - y[i]
        for j in range(64):
            g = e * X[i, j]
            s[j] += g * g
            w[j] -= lr * g / (np.sqrt(s[j]) + eps)
        s[64] += e * e
        w[64] -= lr * e / (np.sqrt(s[64]) + eps)


@njit(fastmath=_FAST, error_model="numpy")  # type: ignore[untyped-decorator]
def _adam_by_hand(X: Any, y: Any, w: Any, m: Any, v: Any, lr: Any, b1: Any, b2: Any, eps: Any, one: Any) -> None:
    for i in range(X.shape[0]):
        p = w[64]
        for j in range(64):
            p += X[i, j] * w[j]
        e = p - y[i]
        c1, c2 = one - b1 ** np.float32(i + 1), one - b2 ** np.float32(i + 1)
        for j in range(65):
            g = e * X[i, j] if j < 64 else e
            m[j] = b1 * m[j] + (one - b1) * g
            v[j] = b2 * v[j] + (one - b2) * g * g
            w[j] -= lr * (m[j] / c1) / (np.sqrt(v[j] / c2) + eps)


def by_hand(quick: bool) -> list[Result]:
    """AdaGrad and Adam row by row, beside kernels that hold the rule in so many words."""
    X, y = _dense(200_000)
    rows, order = rows_of(X, y), places(0, len(y), len(y))
    f = np.float32

    def zeros(count: int) -> list[np.ndarray]:
        return [np.zeros(65, f) for _ in range(count)]

    pairs: list[tuple[str, Any, Callable[[], Any]]] = [
        ("AdaGrad", AdaGrad(0.1), lambda: _adagrad_by_hand(X, y, *zeros(2), f(0.1), f(1e-8))),
        ("Adam", Adam(1e-3), lambda: _adam_by_hand(X, y, *zeros(3), f(1e-3), f(0.9), f(0.999), f(1e-8), f(1))),
    ]
    results = []
    for name, method, theirs in pairs:
        mine, other = compare(partial(_pass, method, rows, order), theirs, 5 if quick else 21)
        per_row = 1e9 / len(y)
        results.append(Result(f"{name}, a row / kernel by hand", mine, other, "ns", "≤ 1.1 ×", per_row))
    return results


def gradient(quick: bool) -> list[Result]:
    """The full-batch gradient, 1,000,000 × 64, beside the two passes of its peers, and beside only reading the rows."""
    X, y = _dense(1_000_000)
    rows, w = rows_of(X, y), np.linspace(-1, 1, 65, dtype=np.float32)

    def ours() -> Any:
        return RowsCost(rows, Squared(), _plain(rows), 0.0).grad(w)

    def by_numpy() -> Any:
        return X.T @ (X @ w[:64] + w[64] - y) / len(y)

    peers = {"NumPy": by_numpy, "JAX": _gradient_of_jax(X, y, w)}
    if has("torch", "parity"):
        peers["torch"] = _gradient_of_torch(X, y, w)
    rounds, results = 5 if quick else 15, []
    for name, theirs in peers.items():
        np.testing.assert_allclose(ours()[:64], theirs(), rtol=1e-2, atol=1e-4)
        mine, other = compare(ours, theirs, rounds, settle=0.2)
        results.append(Result(f"gradient of all rows / {name}, two passes", mine, other, "ms", "≥ 2 × faster", 1e3))
    halves = [np.split(of.reshape(-1), 2) for of in (rows.values, rows.y, rows.weights)]
    pool = ThreadPoolExecutor(2)
    mine, read = compare(ours, lambda: list(pool.map(_read, *halves)), rounds, settle=0.2)
    results.append(
        Result("gradient of all rows / two threads that only add them up", mine, read, "ms", "≤ 1.25 ×", 1e3)
    )
    return results


def _gradient_of_jax(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[], Any]:
    @jax.jit
    def both(X: Any, y: Any, w: Any) -> Any:
        return X.T @ (X @ w[:64] + w[64] - y) / len(y)

    there = jax.device_put((X, y, w))
    return lambda: np.asarray(both(*there))


def _gradient_of_torch(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[], Any]:
    import torch

    A, b, v = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(w)

    def both() -> Any:
        return (A.T @ (A @ v[:64] + v[64] - b) / len(y)).numpy()

    return both


@njit(fastmath=_FAST, nogil=True)  # type: ignore[untyped-decorator]
def _read(values: Any, y: Any, weights: Any) -> Any:
    total = values[0] * 0
    for of in (values, y, weights):
        for i in range(of.size):
            total += of[i]
    return total


_FIRST = """
import time
import numpy as np
import descend.models
X = np.random.default_rng(0).normal(size=(1000, 5)); y = X @ np.arange(5.0)
begin = time.perf_counter()
descend.models.LinearRegression("adagrad", batch_size=1, epochs=1).fit(X, y)
print(time.perf_counter() - begin)
"""


def first_fit(quick: bool) -> list[Result]:
    """The first fit of a new process, whose kernels an earlier one has compiled."""

    def seconds() -> float:
        done = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, text=True, check=True)
        return float(done.stdout)

    seconds()
    times = [seconds() for _ in range(3 if quick else 7)]
    return [Result("first fit of a process, kernels on disk", times, [], "s", "≤ 0.5 s")]


def reading(quick: bool) -> list[Result]:
    """Sparse text beside scikit-learn's reader, and a CSV file to features beside PyArrow alone."""
    draw = np.random.default_rng(0)
    X = scipy.sparse.random(60_000 if quick else 300_000, 1_000, 0.015, "csr", rng=draw)
    text = io.BytesIO()
    dump_svmlight_file(X, draw.integers(0, 2, X.shape[0]), text, zero_based=False)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        sparse, table = Path(folder, "a.svm"), Path(folder, "a.csv")
        sparse.write_bytes(text.getvalue())
        rounds = 2 if quick else 5
        mine, other = compare(lambda: read_svmlight(sparse), lambda: load_svmlight_file(str(sparse)), rounds)
        size = sparse.stat().st_size / 1e6
        results.append(Result(f"LIBSVM text, {size:.0f} MB / scikit-learn", mine, other, "s", "≥ 5 × faster"))
        numbers = draw.normal(size=(100_000 if quick else 400_000, 20))
        pa.csv.write_csv(pa.table({f"c{i}": numbers[:, i] for i in range(20)}), table)

        def features() -> int:
            source = source_of(table)
            return sum(len(batch) for batch in source.batches())

        def learnt() -> int:
            source = source_of(table)
            return sum(len(X) for X, _ in Encoder.learnt(source, "c0").blocks(source))

        def arrow() -> int:
            with pa.csv.open_csv(table) as reader:
                return sum(len(batch) for batch in reader)

        size = table.stat().st_size / 1e6
        mine, other = compare(features, arrow, rounds)
        results.append(Result(f"CSV, {size:.0f} MB, a pass / PyArrow alone", mine, other, "s", "≤ 1.25 ×"))
        mine, other = compare(learnt, arrow, rounds)
        results.append(Result("the same: encoding learnt and features made, two passes", mine, other, "s", ""))
    return results


def rows_are_linear(quick: bool) -> list[Result]:
    """The time of a row from 10⁵ to 10⁷ rows (to 10⁶ where quick), AdaGrad."""
    results = []
    for count in (10**5, 10**6) if quick else (10**5, 10**6, 10**7):
        X, y = _dense(count)
        rows, order = rows_of(X, y), np.arange(count)
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            _pass(AdaGrad(0.1), rows, order)
            times.append(time.perf_counter() - begin)
        results.append(Result(f"AdaGrad, a row of {count:,}", times, [], "ns", "within 15 %", 1e9 / count))
    return results


WORKLOADS = {
    "each-row": quiet(each_row),
    "several-classes": quiet(several_classes),
    "default-classes": quiet(default_classes),
    "by-hand": by_hand,
    "gradient-of-all": gradient,
    "first-fit": first_fit,
    "reading": reading,
    "linear-in-rows": rows_are_linear,
}
