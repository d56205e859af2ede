"""What is seen and told while a linear model learns: history, scikit-learn's callbacks, several threads, false success."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from descend import AdaGrad, Adam, GradientDescent, LinearClassifier, LinearRegression, LogisticRegression, Momentum
from descend.insight import Cause

X, Y = load_breast_cancer(return_X_y=True)


class Recorder:
    """A callback that writes down what it is told, and stops after an epoch."""

    def __init__(self, stop_after: int = 99) -> None:
        self.stop_after = stop_after
        self.told: list[tuple[str, str, int]] = []
        self.scores: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self.told.append(("setup", context.task_name, 0))

    def teardown(self, estimator: Any, context: Any) -> None:
        self.told.append(("teardown", context.task_name, 0))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        self.told.append(("end", context.task_name, context.task_id))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, Y))
        return bool(context.task_name == "epoch" and context.task_id + 1 >= self.stop_after)


def test_callbacks_are_told_of_each_epoch_and_get_a_model_that_predicts() -> None:
    callback = Recorder()
    model = LogisticRegression("adagrad", batch_size=8, epochs=3).set_callbacks(callback).fit(X, Y)
    inside = [(what, "epoch", k) for k in range(3) for what in ("begin", "end")]
    ends = [("end", "fit", 0), ("teardown", "fit", 0)]
    assert callback.told == [("setup", "fit", 0), ("begin", "fit", 0), *inside, *ends]
    assert callback.scores[-1] == model.score(X, Y)


def test_a_callback_can_stop_the_training() -> None:
    callback = Recorder(stop_after=2)
    model = LogisticRegression("adagrad", batch_size=8, epochs=9).set_callbacks(callback).fit(X, Y)
    assert (model.n_iter_, model.message_[:36]) == (2, "stopped by a callback after 2 epochs")
    assert callback.told.count(("end", "epoch", 1)) == 1


def test_callbacks_are_torn_down_where_training_fails_and_each_task_that_began_ends() -> None:
    callback = Recorder()
    diverging = LogisticRegression(GradientDescent(1e9), batch_size=8, epochs=3, scale=False)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        diverging.set_callbacks(callback).fit(X, Y)
    begun = sorted(told[1:] for told in callback.told if told[0] == "begin")
    assert begun == sorted(told[1:] for told in callback.told if told[0] == "end")
    assert callback.told[-1][0] == "teardown"


def test_the_history_holds_what_a_person_wants_to_see() -> None:
    model = LogisticRegression("adagrad", batch_size=8, epochs=3, validation=0.25).fit(X, Y)
    history = model.history_
    assert history.loss[-1] < history.loss[0]
    assert history.gradient[-1] < history.gradient[0]
    assert np.isnan(history.speed[0])
    assert (history.speed[1:] > 0).all()
    assert history.score[-1] > 0.93
    assert set(history.to_pandas().columns) >= {"score", "gradient", "speed", "validation"}


def test_the_score_in_the_history_is_that_of_the_model() -> None:
    for data, model in (
        (load_diabetes(return_X_y=True), LinearRegression("adagrad", batch_size=4, epochs=2)),
        (load_breast_cancer(return_X_y=True), LinearClassifier("adagrad", batch_size=4, epochs=2)),
        (load_iris(return_X_y=True), LogisticRegression("adagrad", batch_size=4, epochs=2)),
    ):
        model.fit(*data)
        assert model.history_.score[-1] == pytest.approx(model.score(*data), rel=1e-12)


def test_the_gradient_in_the_history_is_that_of_the_loss() -> None:
    model = LogisticRegression(GradientDescent(0.1), batch_size=len(Y), epochs=1, l2=0.0, scale=False)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    model.fit(Z, Y)
    slopes = np.column_stack([Z, np.ones(len(Y))]).T @ (0.5 - Y) / len(Y)  # at zero
    assert model.history_.gradient[0] == pytest.approx(np.linalg.norm(slopes), rel=1e-12)


@pytest.mark.parametrize("scale", [True, False])
def test_separable_classes_without_a_penalty_are_no_success(scale: bool) -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[:100], y[:100]
    with pytest.warns(ConvergenceWarning, match="the loss falls for ever.*l2=0.0001"):
        model = LogisticRegression(l2=0.0, scale=scale).fit(X, y)
    assert model.outcome_.name == "DIVERGED"
    assert model.score(X, y) == 1
    assert LogisticRegression(l2=1e-4, scale=scale).fit(X, y).outcome_.name == "CONVERGED"


def test_separable_classes_are_told_before_training_has_come_to_its_end() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="the loss falls for ever.*l2=0.0001"):
        model = LogisticRegression(l2=0.0, epochs=3_000).fit(X, y)
    found = model.explain(X, y)
    assert (found.cause, found.cure) == (Cause.UNBOUNDED, "l2=0.0001")
    assert "ends at loss 0.04" in found.seen
    again = LogisticRegression.of_file(*model.to_file())
    assert again.explain().cause is Cause.UNBOUNDED, "what was found is in the file"


def test_a_best_model_without_a_penalty_is_a_success() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 3))
    y = X[:, 0] + draw.logistic(size=300) > 0
    assert LogisticRegression(l2=0.0).fit(X, y).outcome_.name == "CONVERGED"
    assert LinearRegression(loss="poisson").fit(X, draw.poisson(3.0, 300)).outcome_.name == "CONVERGED"
    exact = LinearRegression().fit(X, X @ [1.0, 2.0, 3.0])  # the loss goes to zero
    assert exact.outcome_.name == "CONVERGED"


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("method", [AdaGrad(0.3), Adam(0.01), Momentum(0.001)], ids=lambda m: m.name)
def test_several_threads_learn_as_well(method: Any, batch: int) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(20_000, 8))
    y = X @ np.arange(8.0) + 1
    model = LinearRegression(method, batch_size=batch, epochs=3, n_jobs=3).fit(X, y)
    assert model.score(X, y) > 0.999
    assert model._trainer is not None
    assert model._trainer.steps == 3 * -(-20_000 // batch)


def test_several_threads_on_sparse_rows() -> None:
    draw = np.random.default_rng(0)
    X = scipy.sparse.random(20_000, 3_000, 0.005, "csr", rng=draw)
    y = X @ draw.normal(size=3_000) + 0.1 > 0
    losses = []
    for jobs in (1, 4):
        model = LogisticRegression(AdaGrad(0.3), batch_size=1, epochs=2, n_jobs=jobs).fit(X, y)
        losses.append(log_loss(y, model.predict_proba(X)))
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_jobs": 0, "batch_size": 1}, "n_jobs must be a whole number >= 1, got 0"),
        ({"n_jobs": None, "batch_size": 1}, "n_jobs must be a whole number >= 1, got None"),
        ({"n_jobs": 2}, "n_jobs is for training in batches"),
        ({"n_jobs": 2, "batch_size": 1, "checkpoint": "c"}, "depends on timing"),
        ({"n_jobs": 2, "batch_size": 5, "method": "prodigy"}, "n_jobs is for methods that are compiled"),
    ],
)
def test_threads_where_they_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticRegression(**options).fit(X, Y)
