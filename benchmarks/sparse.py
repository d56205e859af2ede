"""Sparse logistic regression, side by side with scikit-learn and Vowpal Wabbit: the time until a training loss."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from benchmarks.tables import SHARED
from benchmarks.timing import Result, compare, has, quiet, seconds
from descend import AdaGrad, LogisticRegression
from descend.data.svmlight import read_svmlight

__all__ = ["WORKLOADS"]

_PASSES = 10  # of the peers
_MOST_TRIED = 20  # passes of ours


def sparse_rows(rows: int, columns: int) -> tuple[Any, np.ndarray]:
    """Rows of about 35 columns, of which some are met much more often than others; labels from a sparse truth."""
    draw = np.random.default_rng(0)
    each = draw.poisson(35, rows).clip(1)
    starts = np.concatenate([[0], np.cumsum(each)])
    ids = np.minimum((columns * draw.random(starts[-1]) ** 3).astype(np.int64), columns - 1)
    X = scipy.sparse.csr_matrix((np.ones(len(ids), np.float32), ids, starts), shape=(rows, columns))
    X.sum_duplicates()
    truth = draw.normal(size=columns) * 0.5
    margin = X @ truth
    return X, draw.random(rows) < 1 / (1 + np.exp(-(margin - margin.mean())))


def to_a_loss(quick: bool) -> list[Result]:
    """The time until the training loss is that of ten passes of a peer, fitting alone: reading is not in it."""
    rounds = 3 if quick else 7
    sets: list[tuple[str, Any, Any]] = [("300,000 × 100,000", *sparse_rows(30_000 if quick else 300_000, 100_000))]
    if (SHARED / "a9a.t").exists():
        X, y = read_svmlight(SHARED / "a9a.t")
        sets.append(("a9a.t", X, y > 0))
    results = []
    for name, X, y in sets:
        results += _beside_scikit_learn(name, X, y, rounds)
        if has("vowpalwabbit", "bench"):
            results += _beside_vowpal_wabbit(name, X, y, rounds)
    return results


def _beside_scikit_learn(name: str, X: Any, y: Any, rounds: int) -> list[Result]:
    def theirs(alpha: float) -> Any:
        return SGDClassifier(loss="log_loss", alpha=alpha, max_iter=_PASSES, tol=None, random_state=0).fit(X, y)

    goal = "≥ 5 × faster" if name == "a9a.t" else "≥ 10 × faster"
    losses = {alpha: float(log_loss(y, theirs(alpha).predict_proba(X))) for alpha in (1e-3, 3e-4, 1e-4, 3e-5)}
    best = min(losses, key=lambda alpha: losses[alpha])
    results = []
    for alpha, which in ((1e-4, "its default"), (best, "the best of four")):
        peer = f"SGDClassifier, alpha {alpha:g}, {which}"
        results += _compared(name, X, y, losses[alpha], peer, partial(theirs, alpha), goal, rounds)
    return results


def _beside_vowpal_wabbit(name: str, X: Any, y: Any, rounds: int) -> list[Result]:
    """Its reading, from its own cache, is told beside: a thread of its own does it, so that the two do not add up."""
    from vowpalwabbit import Workspace

    goal = "≥ 5 × faster" if name == "a9a.t" else "≥ 8 × faster"
    results = []
    with tempfile.TemporaryDirectory() as folder:
        rows, model, told = (str(Path(folder, part)) for part in ("rows", "model", "told"))
        _write(rows, X, y)

        def run(options: str) -> None:
            Workspace(f"-d {rows} --quiet -b 18 {options}").finish()

        def learn(options: str) -> None:
            run(f"--cache_file {rows}.cache --passes {_PASSES} --holdout_off {options}")

        learn("--noop")  # makes the cache
        reading = statistics.median(seconds(lambda: learn("--noop")) for _ in range(rounds))
        for learner in ("--loss_function logistic", "--loss_function logistic --ftrl"):
            learn(f"{learner} -f {model}")
            run(f"-t -i {model} -p {told} --link logistic")
            loss = float(log_loss(y, np.loadtxt(told)))
            peer = f"vw {learner} (with a learner that does nothing: {reading:.2f} s)"
            results += _compared(name, X, y, loss, peer, partial(learn, learner), goal, rounds)
    return results


def _compared(
    name: str, X: Any, y: Any, loss: float, peer: str, theirs: Callable[[], object], goal: str, rounds: int
) -> list[Result]:  # fmt: skip
    results = []
    for what, method in (("rate found", "adagrad"), ("AdaGrad(0.3)", AdaGrad(0.3))):

        def ours(passes: int, method: Any = method) -> Any:
            return LogisticRegression(method, batch_size=1, epochs=passes, l2=0.0, scale=False).fit(X, y)

        passes = next((e for e in range(1, _MOST_TRIED + 1) if log_loss(y, ours(e).predict_proba(X)) <= loss), None)
        if passes is None:
            print(f"{name}: the loss {loss:.4f} of {peer} was not reached in {_MOST_TRIED} passes, {what}")
            continue
        mine, other = compare(partial(ours, passes), theirs, rounds)
        label = f"{name} to {loss:.4f}, {passes} passes, {what} / {peer}"
        results.append(Result(label, mine, other, "ms", goal, 1e3))
    return results


def _write(path: str, X: Any, y: np.ndarray) -> None:
    """The rows as Vowpal Wabbit reads them."""
    with Path(path).open("w") as file:
        for i, label in enumerate(y):
            here = slice(X.indptr[i], X.indptr[i + 1])
            stored = zip(X.indices[here], X.data[here], strict=True)
            file.write(f"{1 if label else -1} | {' '.join(f'{j}:{value:g}' for j, value in stored)}\n")


WORKLOADS = {"to-a-loss": quiet(to_a_loss)}
