"""The Numba reader: kernels make the same steps as the method read by NumPy, for each method and loss."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import scipy.sparse

from descend import AdaGrad, Adam, Cosine, FTRLProximal, GradientDescent, Momentum, Rprop
from descend.fields import Number, positive
from descend.methods import Method, catalogue
from descend.methods.method import Rate, rate
from descend.models import Absolute, Hinge, Huber, Log, Poisson, Quantile, Squared, SquaredHinge
from descend.models.costs import GramCost, RowsCost, Scaling, SoftmaxCost, cost_of
from descend.models.emitting import UnknownOperationError
from descend.models.kernels import mixed, on_lines, shuffled
from descend.models.rate_search import RateSearch
from descend.models.reading import ScalarMethod, begins_at_zero, read_method, streams
from descend.models.rows import Rows, rows_of
from descend.models.trainers import Penalty, Streaming, Updating, check_fits_sparse_rows
from descend.words import precision

LOSSES = [Squared(), Absolute(), Huber(0.7), Quantile(0.8), Poisson(), Log(), Hinge(), SquaredHinge()]
STREAMED = [m for m in catalogue().values() if m.__module__.startswith("descend.") and streams(m())]
SPARSE = [m for m in STREAMED if ScalarMethod(m, sharp=False).is_exact_on_sparse_rows]


def some_rows(*, sparse: bool = False, classes: bool = False, kind: Any = np.float64, n: int = 60, d: int = 5) -> Rows:
    draw = np.random.default_rng(3)
    X = draw.normal(size=(n, d)) * (draw.random((n, d)) < 0.6)
    y = np.sign(X @ np.arange(1, d + 1) + 0.1) if classes else X @ np.arange(1, d + 1) + 0.5
    X = X.astype(kind)
    return rows_of(scipy.sparse.csr_matrix(X) if sparse else X, y, draw.random(n) + 0.5)


def scaling_of(rows: Rows, *, intercept: bool = True) -> Scaling:
    d = rows.features
    shift = np.zeros(d) if rows.is_sparse else np.linspace(-1, 1, d)
    return Scaling(shift, np.linspace(0.5, 2, d), intercept=intercept, kind=rows.kind)


def read_by_numpy(
    method: Any, loss: Any, scaling: Scaling, rows: Rows, batch: int, l2: float, calls: int = 1
) -> np.ndarray:
    """The same descent in plain NumPy, with JAX's derivative of the loss; in so many calls, each with whole batches."""
    Z = scaling.applied(rows)
    Z = np.asarray(Z.todense() if rows.is_sparse else Z)
    Z = np.column_stack([Z, np.full(len(rows), float(scaling.intercept))])
    x = np.zeros(Z.shape[1])
    state = method.init(x)
    parts = np.split(np.arange(len(rows)), calls)
    for here in (part[begin : begin + batch] for part in parts for begin in range(0, len(part), batch)):
        p, y = Z[here] @ x, rows.y[here]
        with precision(np.float64):
            slopes = np.array([float(type(loss).slope(a, b, *loss.arguments)) for a, b in zip(p, y, strict=True)])
        g = (slopes * rows.weights[here]) @ Z[here] / len(p)
        g[:-1] += l2 * x[:-1]
        change, state = method.update(g, state, x)
        x = x + change
    return x


# The formula is read once for rows and for batches: some methods stand for all in batches.
@pytest.mark.parametrize(
    ("method", "batch"),
    [
        *((method, 1) for method in STREAMED),
        *((method, 7) for method in (GradientDescent, AdaGrad, Adam, FTRLProximal)),
    ],
    ids=lambda v: v if isinstance(v, int) else v.__name__,
)
def test_each_method_makes_the_same_steps_in_the_kernel(method: Any, batch: int) -> None:
    rows = some_rows()
    scaling = scaling_of(rows)
    trainer = Streaming(method(), Squared(), scaling, Penalty(0.01), np.zeros(6), rows)
    trainer.run(rows, np.arange(30), batch)
    trainer.run(rows, np.arange(30, 60), batch)  # goes on where it was
    expected = read_by_numpy(method(), Squared(), scaling, rows, batch, 0.01, calls=2)
    np.testing.assert_allclose(trainer.weights, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("method", SPARSE, ids=lambda m: m.__name__)
def test_sparse_rows_give_what_dense_ones_give(method: Any, batch: int) -> None:
    dense, sparse = some_rows(classes=True), some_rows(sparse=True, classes=True)
    scaling = scaling_of(sparse)
    found = []
    for rows in (dense, sparse):
        trainer = Streaming(method(), Log(), scaling, Penalty(), np.zeros(6), rows)
        trainer.run(rows, np.arange(len(rows))[::-1], batch)
        found.append(trainer.weights)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-11, atol=1e-14)


def test_which_methods_are_exact_on_sparse_rows_is_found_out() -> None:
    assert {m.__name__ for m in SPARSE} == {"GradientDescent", "SignSGD", "AdaGrad", "FTRLProximal"}
    with pytest.raises(ValueError, match=r"Adam moves coordinates whose gradient is zero.*AdaGrad"):
        check_fits_sparse_rows(Adam())


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: type(v).__name__)
def test_each_loss_has_its_slope_in_the_kernel(loss: Any, sparse: bool) -> None:
    rows = some_rows(sparse=sparse, classes=loss.of_classes)
    scaling = scaling_of(rows)
    trainer = Streaming(GradientDescent(1e-3), loss, scaling, Penalty(), np.zeros(6), rows)
    trainer.run(rows, np.arange(len(rows)), 1)
    expected = read_by_numpy(GradientDescent(1e-3), loss, scaling, rows, 1, 0.0)
    np.testing.assert_allclose(trainer.weights, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: type(v).__name__)
def test_the_whole_gradient_is_that_of_the_value(loss: Any, sparse: bool) -> None:
    rows = some_rows(sparse=sparse, classes=loss.of_classes)
    cost = RowsCost(rows, loss, scaling_of(rows), 0.1)
    w = np.linspace(-0.41, 0.52, 6)
    Z = scaling_of(rows).applied(rows)
    p = np.asarray(Z @ w[:-1]).ravel() + w[-1]
    value = float(rows.weights @ loss.values(p, rows.y)) / len(rows) + 0.05 * float(w[:-1] @ w[:-1])
    assert cost(w) == pytest.approx(value, rel=1e-13)
    h = 1e-6
    slopes = [(cost(w + h * e) - cost(w - h * e)) / (2 * h) for e in np.eye(6)]
    np.testing.assert_allclose(cost.grad(w), slopes, rtol=1e-6, atol=1e-7)


def test_gram_and_rows_are_the_same_cost() -> None:
    rows = some_rows(n=50_000)  # more blocks than are handed to a thread at a time
    scaling = scaling_of(rows)
    gram, plain = cost_of(rows, Squared(), scaling, 0.3, in_batches=False), RowsCost(rows, Squared(), scaling, 0.3)
    assert isinstance(gram, GramCost)
    for w in (np.zeros(6), np.linspace(-2, 3, 6)):
        assert gram(w) == pytest.approx(plain(w), rel=1e-12)
        np.testing.assert_allclose(gram.grad(w), plain.grad(w), rtol=1e-11)


def test_the_bits_of_a_gradient_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from descend.models import costs

    rows = some_rows(n=40_000, kind=np.float32)
    w = np.linspace(-1, 1, 6, dtype=np.float32)
    found = []
    for threads in (1, 2, 5):
        with ThreadPoolExecutor(threads) as pool:
            monkeypatch.setattr(costs, "threads", lambda pool=pool: pool)
            found.append(RowsCost(rows, Log(), scaling_of(rows), 0.0).grad(w).tobytes())
    assert len(set(found)) == 1


def rows_of_classes(*, sparse: bool, kind: Any = np.float64) -> Rows:
    rows = some_rows(sparse=sparse, kind=kind)
    y = np.random.default_rng(5).integers(0, 3, len(rows)).astype(kind)
    return dataclasses.replace(rows, y=y)


def softmax_by_jax(method: Any, scaling: Scaling, rows: Rows, batch: int, l2: float, x: np.ndarray) -> np.ndarray:
    """Descent from x, (classes, d + 1), with JAX's derivative of its own logarithm of softmax; one call of all rows."""
    Z = scaling.applied(rows)
    Z = np.asarray(Z.todense() if rows.is_sparse else Z)
    Z = np.column_stack([Z, np.full(len(rows), float(scaling.intercept))])
    free = np.arange(x.shape[1]) == x.shape[1] - 1  # the intercept has no penalty

    def cost(w: Any, here: Any) -> Any:
        shares = jax.nn.log_softmax(Z[here] @ w.T)
        seen = jax.numpy.take_along_axis(shares, rows.y[here].astype(int)[:, None], 1)[:, 0]
        return -(seen * rows.weights[here]).mean() + l2 / 2 * ((w * ~free) ** 2).sum()

    state = method.init(x)
    for begin in range(0, len(rows), batch):
        with precision(np.float64):
            g = np.asarray(jax.grad(cost)(x, np.arange(begin, min(begin + batch, len(rows)))))
        change, state = method.update(g, state, x)
        x = x + change
    return x


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(
    ("method", "sparse"),
    [
        *((method, False) for method in (GradientDescent, AdaGrad, Adam, Rprop)),
        (GradientDescent, True),
        (AdaGrad, True),
    ],
    ids=lambda v: {False: "dense", True: "sparse"}[v] if isinstance(v, bool) else v.__name__,
)
def test_methods_make_the_same_steps_of_several_classes(method: Any, sparse: bool, batch: int) -> None:
    rows, begin = rows_of_classes(sparse=sparse), np.linspace(-0.4, 0.5, 18).reshape(3, 6)
    begin = begin * (not begins_at_zero(method))
    begin[:, -1] *= batch > 1
    scaling, l2 = scaling_of(rows, intercept=batch > 1), 0.0 if sparse else 0.01
    trainer = Streaming(method(), Log(), scaling, Penalty(l2), begin, rows)
    np.testing.assert_array_equal(trainer.weights, begin)
    trainer.run(rows, np.arange(21), batch)
    kept = trainer.arrays()
    trainer = Streaming(method(), Log(), scaling, Penalty(l2), np.zeros((3, 6)), rows)
    trainer.restore(kept)
    trainer.run(rows, np.arange(21, 60), batch)  # goes on where it was
    expected = softmax_by_jax(method(), scaling, rows, batch, l2, begin)
    np.testing.assert_allclose(trainer.weights, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_penalties_and_another_scaling_reach_the_right_class(sparse: bool) -> None:
    rows, scaling = rows_of_classes(sparse=sparse), scaling_of(rows_of_classes(sparse=sparse))
    begin = np.linspace(-0.4, 0.5, 18).reshape(3, 6)
    penalty = Penalty(0.02, 0.05)
    streaming = Streaming(AdaGrad(0.1), Log(), scaling, penalty, begin, rows)
    cost = partial(SoftmaxCost, scaling=scaling, l2=penalty.l2, classes=3)
    updating = Updating(AdaGrad(0.1), cost, penalty.l1, begin)
    for trainer in (streaming, updating):
        trainer.run(rows, np.arange(60), 60)  # of so many rows each column is met in all but surely
        trainer.move_to(trainer.weights * np.arange(1, 7), scaling)
        trainer.run(rows, np.arange(60), 60)
    np.testing.assert_allclose(streaming.weights, updating.weights, rtol=1e-9)


def test_softmax_has_the_gradient_of_its_value() -> None:
    rows = some_rows()
    rows = rows_of(rows.values, np.arange(60) % 3, rows.weights)
    cost = SoftmaxCost(rows, scaling_of(rows), 0.2, 3)
    w = np.linspace(-1, 1, 18).reshape(3, 6)

    def value(w: Any) -> Any:
        Z = jax.numpy.asarray(scaling_of(rows).applied(rows))
        scores = Z @ w[:, :-1].T + w[:, -1]
        own = scores[jax.numpy.arange(60), rows.y.astype(int)]
        logs = own - jax.scipy.special.logsumexp(scores, axis=1)
        return -(rows.weights * logs).mean() + 0.1 * (w[:, :-1] ** 2).sum()

    with precision(np.float64):
        expected, slope = jax.value_and_grad(value)(jax.numpy.asarray(w))
    assert cost(w) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(cost.grad(w), slope, rtol=1e-10, atol=1e-14)


def test_float32_stays_float32() -> None:
    rows = some_rows(kind=np.float32)
    trainer = Streaming(Adam(), Log(), scaling_of(rows), Penalty(), np.zeros(6, np.float32), rows)
    trainer.run(rows, np.arange(60), 1)
    assert trainer.weights.dtype == np.float32


def test_a_schedule_gives_each_step_its_rate() -> None:
    rows = some_rows()
    scaling = scaling_of(rows)
    trainer = Streaming(Momentum(lr=Cosine(0.05, steps=60)), Squared(), scaling, Penalty(), np.zeros(6), rows)
    trainer.run(rows, np.arange(60), 1)
    expected = read_by_numpy(Momentum(lr=Cosine(0.05, steps=60)), Squared(), scaling, rows, 1, 0.0)
    np.testing.assert_allclose(trainer.weights, expected, rtol=1e-11)


def test_an_own_method_runs_in_the_kernel() -> None:
    class Damped(Method):
        """Divides by the size of the gradient."""

        lr: Rate = rate(0.05)
        floor: Number = positive(1.0)

        @staticmethod
        def step(g: Any, s: Any, lr: Any, floor: Any) -> Any:
            s = 0.5 * s + abs(g)
            return -lr * g / (s + floor), s

    rows = some_rows()
    trainer = Streaming(Damped(), Squared(), scaling_of(rows), Penalty(), np.zeros(6), rows)
    trainer.run(rows, np.arange(60), 1)
    expected = read_by_numpy(Damped(), Squared(), scaling_of(rows), rows, 1, 0.0)
    np.testing.assert_allclose(trainer.weights, expected, rtol=1e-12)


def test_an_operation_that_kernels_do_not_know_is_named() -> None:
    class Odd(Method):
        """Uses a function that no kernel has."""

        lr: Rate = rate(0.05)

        @staticmethod
        def step(g: Any, lr: Any) -> Any:
            return -lr * jax.scipy.special.erf(g)

    rows = some_rows()
    with pytest.raises((UnknownOperationError, Exception), match=r"the formula uses erf, which the streaming kernels"):
        Streaming(Odd(), Squared(), scaling_of(rows), Penalty(), np.zeros(6), rows).run(rows, np.arange(60), 1)


def test_powers_of_the_step_count_are_carried_as_products() -> None:
    assert len(read_method(Adam).bases) == 2
    assert read_method(AdaGrad).bases == []
    assert read_method(FTRLProximal).numbers == ["beta", "l1", "l2"]


_FIT = """
import sys, numpy as np
from descend.models.kernels import Kind, each_row
from descend.models import LinearRegression, Squared
from descend import AdaGrad
X = np.arange(40.0).reshape(20, 2) % 7
LinearRegression(AdaGrad(0.1), batch_size=1, epochs=1).fit(X, X[:, 0])
kernel = each_row(AdaGrad, Squared, Kind(sparse=False, scaled=True, ridge=False, sharp=False, weighted=False, intercept=True))
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def test_kernels_are_kept_on_disk_and_a_damaged_one_is_compiled_anew(tmp_path: Path) -> None:
    def fit() -> str:
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _FIT], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert fit() == "0 1"
    kernels = list(tmp_path.rglob("*.kernel"))
    assert kernels
    assert fit() == "1 0"
    for i, path in enumerate(kernels):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if i % 2 else b"")
    assert fit() == "0 1"
    assert fit() == "1 0"


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_moments_in_one_pass_are_those_of_two(kind: Any) -> None:
    draw = np.random.default_rng(0)
    X = (draw.standard_normal((9_000, 5)) * [1e-3, 1, 1e3, 0, 1] + [1e3, 0, 1e6, 0.1, 0]).astype(kind)
    X[4_000, 4] = 1e7
    weights = np.where(np.arange(9_000) < 700, 0, draw.random(9_000))  # the first rows do not count,
    X[0] = 1e15  # however wild they are
    rows = rows_of(X, X[:, 0], weights)
    found, exact, w = rows.moments(), X.astype(np.float64), rows.weights.astype(np.float64)
    mean = w @ exact / w.sum()
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(found.squares[[0, 1, 2, 4]], (w @ (exact - mean) ** 2)[[0, 1, 2, 4]], rtol=1e-9)
    assert found.deviation[3] == 1  # a column that does not vary
    assert found.count == pytest.approx(w.sum())
    halves = [rows.taken(np.arange(9_000)[part]).moments() for part in (slice(4_500), slice(4_500, None))]
    np.testing.assert_allclose(halves[0].with_more(halves[1]).squares[:3], found.squares[:3], rtol=1e-9)


def test_softmax_keeps_its_digits_where_a_class_is_all_but_certain() -> None:
    X, w = np.array([[40.0]]), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    tiny = 2 * np.exp(-40)
    for right, loss, slope in ((0, np.log1p(tiny), -40 * tiny), (1, 40 + np.log1p(tiny), 40 / (1 + tiny))):
        rows = rows_of(X, np.array([float(right)]))
        cost = SoftmaxCost(rows, Scaling(np.zeros(1), np.ones(1), intercept=True, kind=np.float64), 0.0, 3)
        assert cost(w) == pytest.approx(loss, rel=1e-12, abs=0)
        assert cost.grad(w)[0, 0] == pytest.approx(slope, rel=1e-12, abs=0)


def test_a_penalty_of_a_rare_column_does_not_leap_over_zero() -> None:
    X = scipy.sparse.csr_matrix(([1e-9, *np.ones(99)], (np.arange(100), [0] + [1] * 99)), shape=(100, 2))
    rows = rows_of(X, np.zeros(100))
    scaling = Scaling(np.zeros(2), np.ones(2), intercept=False, kind=np.float64)
    # The first column is met once in a hundred rows, and penalised a hundred times as much then: 1 - 0.5·0.3·100 is -14.
    trainer = Streaming(GradientDescent(0.5), Squared(), scaling, Penalty(0.3), np.array([1.0, 0.0, 0.0]), rows)
    trainer.run(rows, np.arange(100), 1)
    assert trainer.weights[0] == pytest.approx(0, abs=1e-12)


def test_a_search_for_a_rate_goes_through_few_rows_often() -> None:
    rows: Rows = some_rows(n=30)
    made: list[Any] = []

    class Counting:
        is_compiled, weights = True, np.zeros(6)

        def __init__(self) -> None:
            self.order = np.empty(0, int)

        def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
            assert len(rows) == 30
            self.order = np.append(self.order, order)

    def trainer_at(lr: float, some: Rows) -> Any:
        made.append(Counting())
        return made[-1]

    RateSearch(trainer_at, rows, 4, lambda weights, some: 1.0, 0).best()
    orders = [trainer.order for trainer in made if len(trainer.order)]  # of one only the start is looked at
    assert len(orders) > 5
    for order in orders:
        assert np.bincount(order).tolist() == [10] * 30
    assert any((orders[0] != order).any() for order in orders[1:]), "in more than one order"


def test_of_the_orders_in_which_few_rows_are_tried_the_worst_counts() -> None:
    rows: Rows = some_rows(n=30)
    runs: dict[float, int] = {}

    class Lucky:
        """With a small rate the first order leads to 0, and all others to 10; with a large one all lead to 5."""

        is_compiled = True

        def __init__(self, lr: float) -> None:
            self.lr, self.weights = lr, np.array([20.0])

        def run(self, rows: Rows, order: np.ndarray, batch_size: int) -> None:
            runs[self.lr] = runs.get(self.lr, 0) + 1
            lucky = 0.0 if runs[self.lr] == 1 else 10.0
            self.weights = np.array([lucky if self.lr < 0.1 else 5.0])

    found = RateSearch(lambda lr, some: Lucky(lr), rows, 4, lambda weights, some: float(weights[0]), 0).best()  # type: ignore[arg-type, return-value]
    assert found >= 0.1


@pytest.mark.parametrize("rows", [1, 2, 256, 257, 258, 1_000])
def test_an_order_is_that_of_fisher_and_yates_however_far_ahead_it_is_drawn(rows: int) -> None:
    order, state = list(range(rows)), np.random.SeedSequence([3, 1]).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        for i in range(rows - 1, 0, -1):
            state = state + np.uint64(0x9E3779B97F4A7C15)
            k = int(mixed(state) >> np.uint64(32)) * (i + 1) >> 32
            order[i], order[k] = order[k], order[i]
    assert shuffled(rows, 3, 1).tolist() == order


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_state_begins_at_lines_of_memory(kind: Any) -> None:
    for shape in ((1, 65), (3, 16), (2, 1)):
        given = np.arange(np.prod(shape), dtype=kind).reshape(shape)
        made = on_lines(given)
        assert all(row.ctypes.data % 64 == 0 for row in made)
        assert made.flags.c_contiguous
        np.testing.assert_array_equal(made[:, : shape[1]], given)
        assert not made[:, shape[1] :].any()


def test_an_intercept_that_there_is_not_is_never_moved() -> None:
    rows = some_rows()
    for batch in (1, 7):
        trainer = Streaming(Adam(0.1), Squared(), scaling_of(rows, intercept=False), Penalty(), np.zeros(6), rows)
        trainer.run(rows, np.arange(60), batch)
        assert trainer.weights[-1] == 0
        assert trainer.weights[:-1].all()
        assert trainer.arrays()["state"].shape == (3, 6)  # without what fills up the lines
