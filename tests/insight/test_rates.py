"""`find_lr`: one call, one number, for functions, sampled costs and models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDRegressor

from descend import (
    AdaGrad,
    Adam,
    ClipNorm,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    Momentum,
    Outcome,
    RMSProp,
    minimize,
    sweep,
)
from descend.insight import find_lr, rates
from descend.insight.short_runs import Ended, is_steady
from descend.insight.short_trainings import ShortTrainings
from descend.stepsizes import Armijo, Cosine, ExponentialDecay


def test_where_the_cost_bounces_a_smaller_rate_is_tried() -> None:
    """Steps of RMSProp do not shrink with the gradient: short runs like large rates, and long ones do not."""
    found = find_lr("booth", None, RMSProp(), steps=3_000)
    best = min(minimize("booth", None, RMSProp(lr), steps=3_000).fun for lr in np.geomspace(1e-3, 1, 13))
    assert found.fun < 10 * best
    assert found.fun < 1e-3 * minimize("booth", None, RMSProp(found.rates[found.costs.argmin()]), steps=3_000).fun


@pytest.mark.parametrize("objective", ["booth", "matyas"])
def test_a_rate_with_which_a_run_arrives_at_its_end_only(objective: str) -> None:
    """Best is the smallest rate that gets there in time, some 6 to 9 over the steps here; short runs do not show it."""
    found = find_lr(objective, None, RMSProp(), steps=1_000)
    grid = sweep(objective, None, RMSProp(np.geomspace(1e-6, 100, 100)), steps=1_000, rows=2)
    assert found.fun < 4 * np.nanmin(grid.fun)
    assert found.cost <= 0.05


def test_the_longer_the_runs_the_smaller_the_rate_where_it_fell_before() -> None:
    """The cost creeps here, between the walls of a valley, and does not stop falling: that alone tells nothing."""
    found = find_lr("rosenbrock", None, RMSProp(), steps=3_000)
    assert found.fun < 0.005


def test_a_short_run_that_has_converged_stays_there() -> None:
    """As the run of all steps does; to go on from there, RMSProp leaps away, and so the best rate looked bad."""
    found = find_lr("himmelblau", None, RMSProp(), steps=3_000)
    assert found.fun < 1e-12
    assert found.run is not None
    assert found.run.outcome is Outcome.CONVERGED


def test_beyond_the_limit_where_it_was_lowest_a_run_cannot_stay() -> None:
    found = find_lr("rosenbrock", None, GradientDescent())
    short = found.rates[found.costs.argmin()]
    assert found.lr < short / 1.5
    assert found.fun < minimize("rosenbrock", None, GradientDescent(short), steps=1_000).fun / 5


@pytest.mark.parametrize(("unit", "lr"), [(1e9, 1e-18), (1e-6, 1e12)])
def test_the_decades_move_to_where_the_rate_is(unit: float, lr: float) -> None:
    """ClipNorm at a limit that is never met is the method itself, of which no limit of stability is known."""
    found = find_lr(
        lambda x: np.sum((unit * x - 1) ** 2) / 2, [1 / unit / 2, 3 / unit], ClipNorm(GradientDescent(), 1e300)
    )
    assert np.isnan(found.limit)
    assert found.lr == pytest.approx(lr, rel=0.9)
    assert len(found.rates) > 49
    assert np.all(np.diff(found.rates) > 0)
    assert found.method == ClipNorm(GradientDescent(found.lr), 1e300)


def test_a_schedule_is_scaled_as_a_whole() -> None:
    found = find_lr("booth", None, Momentum(lr=Cosine(1.0, steps=500), mu=0.5), steps=500)
    assert found.fun < 1e-6
    assert isinstance(found.method, Momentum)
    assert isinstance(found.method.lr, Cosine)
    assert found.method.lr.lr == found.lr


def test_a_sampled_cost_is_judged_by_all_rows() -> None:
    X, y = load_diabetes(return_X_y=True)
    X, y = X / X.std(0), (y - y.mean()) / y.std()

    def loss(w: Any, X: Any, y: Any) -> Any:
        return np.mean((X @ w - y) ** 2)

    found = find_lr(loss, np.zeros(10), Adam(), data=(X, y), batch_size=32, epochs=20)
    assert found.run is not None
    assert found.run.nit == 20 * 14
    least = np.mean((X @ np.linalg.lstsq(X, y)[0] - y) ** 2)
    assert loss(found.run.x, X, y) < 1.02 * least


def test_a_maximum_is_climbed() -> None:
    found = find_lr("-(x - 2)^2", 5.0, maximize=True)
    assert found.fun == pytest.approx(0, abs=1e-12)
    assert found.costs.max() <= 0


@pytest.mark.parametrize(
    ("model", "load"),
    [
        (LinearRegression(GradientDescent(), batch_size=16), load_diabetes),
        (LinearRegression(GradientDescent(), epochs=200), load_diabetes),
        (LogisticRegression(batch_size=32, l2=0.01), load_digits),
        (MLPClassifier("adam", hidden=16, epochs=5), load_digits),
    ],
)
def test_a_model_gets_nearly_the_best_rate_of_a_grid(model: Any, load: Any) -> None:
    data = load(return_X_y=True)
    before = repr(model)
    found = find_lr(model, data=data)
    assert repr(model) == before
    assert not hasattr(model, "history_")
    assert found.cost < 0.05
    assert found.run is None
    assert found.model.history_.loss[-1] == found.fun
    assert found.model.method == found.method
    kind = type(found.method)
    losses = []
    for lr in found.lr * np.geomspace(0.01, 100, 9):
        again = type(model)(**{**model.get_params(), "method": kind(lr=lr)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *_, **__: None)
            losses.append(again.fit(*data).history_.loss[-1])
    assert found.fun <= 1.5 * np.nanmin(losses)
    assert np.nanmax(losses) > 1.5 * np.nanmin(losses)  # the rate matters


def test_columns_as_they_are_need_a_tiny_rate() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression(GradientDescent(), batch_size=16, epochs=5, scale=False, fit_intercept=False)
    found = find_lr(model, data=(1e5 * X, y - y.mean()))
    assert 1e-13 < found.lr < 1e-4
    assert found.model.history_.loss[-1] < found.model.history_.loss[0] / 1.8


def test_what_was_no_lower_than_the_start_is_left_out_of_the_picture() -> None:
    found = find_lr("rosenbrock", None, Momentum(mu=0.9))
    assert np.isinf(found.costs[found.rates > 0.02]).all()
    assert np.nanmax(found.costs[np.isfinite(found.costs)]) <= 24.2 + 1e-9  # the cost at the start


def test_the_picture_of_a_model_is_that_of_a_function() -> None:
    found = find_lr(LinearRegression(Adam(), batch_size=32, epochs=3), data=load_diabetes(return_X_y=True))
    labels = [text.get_text() for text in found.plot().get_legend().get_texts()]
    assert "cost after a short run" in labels
    assert f"found, {found.lr:.3g}" in labels
    plt.close("all")


def test_few_looks_at_a_loss_do_not_hide_a_rate_that_is_too_large() -> None:
    """Momentum takes off after the short runs, and three epochs show four losses."""
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(Momentum(), hidden=16, epochs=3)
    found = find_lr(model, data=((15 * X).astype("uint8").reshape(-1, 8, 8), y))
    assert found.model.history_.score[-1] > 0.93


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_low_cost_among_high_ones_is_luck(seed: int) -> None:
    X = np.random.default_rng(0).normal(size=(500, 4))
    y = X @ [1.0, 2, 3, 4]
    found = find_lr(
        lambda w, X, y: np.mean((X @ w - y) ** 2), np.zeros(4), "adam", data=(X, y), batch_size=32, epochs=5, seed=seed
    )
    assert 0.1 < found.lr < 2


def test_a_method_may_be_named_or_a_class() -> None:
    assert find_lr("x^2 + y^4", [2.0, 1.0], "adam").method == find_lr("x^2 + y^4", [2.0, 1.0], Adam).method
    with pytest.raises(ValueError, match="adam"):
        find_lr("x^2", 5.0, "adamm")


def test_what_makes_no_sense_is_refused() -> None:
    data = load_diabetes(return_X_y=True)
    with pytest.raises(TypeError, match="has none"):
        find_lr("x^2", 5.0, GradientDescent(lr=Armijo()))
    with pytest.raises(ValueError, match=r"as data=\(X, y\)"):
        find_lr(LinearRegression(Adam(), batch_size=8))
    with pytest.raises(ValueError, match="of its own"):
        find_lr(LinearRegression(Adam(), batch_size=8), data=data, steps=100)
    with pytest.raises(ValueError, match="of its own"):
        find_lr(LinearRegression(Adam(), batch_size=8), data=data, maximize=True)
    with pytest.raises(TypeError, match="nothing is to be found"):
        find_lr(LinearRegression(), data=data)
    with pytest.raises(TypeError, match="not SGDRegressor"):
        find_lr(SGDRegressor(), data=data)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        find_lr(LinearRegression(Adam(), batch_size=8), data=(data[0], data[1][:-1]))
    with pytest.raises(ValueError, match="steps must be"):
        find_lr("x^2", 5.0, steps=0)
    with pytest.raises(ValueError, match="the cost has no bound"):
        find_lr("x", 2.0, steps=50)
    with pytest.raises(ValueError, match="no rate gets lower than the start.*from 0 to 0"):
        find_lr(LinearRegression(Adam(), batch_size=2, epochs=5), data=(data[0][:1], data[1][:1]))


def test_the_search_is_cheap_whatever_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cost that gets better with each larger rate must not be climbed for ever."""
    lengths = []
    costs = rates._OfObjective.costs

    def counted(self: Any, tried: Any, length: int) -> Any:
        lengths.append(length * len(tried))
        return costs(self, tried, length)

    monkeypatch.setattr(rates._OfObjective, "costs", counted)
    found = find_lr("log(1 + exp(-x))", 0.0, Adam(), steps=1_000)
    assert sum(lengths) / 100_000 < found.cost < 0.05


def test_smaller_rates_follow_where_runs_of_all_steps_have_shown_the_way() -> None:
    best = sweep("rosenbrock", None, RMSProp(lr=np.geomspace(1e-3, 1, 40)), steps=1_000, rows=2).best
    assert find_lr("rosenbrock", None, RMSProp(), steps=1_000).fun < 1.5 * best.fun


def test_larger_rates_follow_where_the_largest_of_several_trainings_was_the_best() -> None:
    rows = load_digits(return_X_y=True)
    found = find_lr(LogisticRegression(AdaGrad(), batch_size=32, epochs=10), data=rows)
    assert found.lr == found.whole_rates[-1]
    assert found.whole_rates == pytest.approx(found.lr / np.array([9, 3, 1]))


def test_a_run_has_arrived_when_it_is_as_low_as_nearly_all_of_its_end() -> None:
    costs = np.append(np.linspace(10, 1, 400), 1 + 0.1 * np.random.default_rng(0).uniform(-1, 1, 600))
    assert Ended(1.0, 1_000, None, "", costs).arrival == pytest.approx(0.4, abs=0.003)


@pytest.mark.parametrize("schedule", [ExponentialDecay(0.01, 0.99), Cosine(0.01, steps=1_000)])
def test_short_runs_go_through_the_whole_schedule(schedule: Any) -> None:
    def bowl(x: Any) -> Any:
        return 0.5 * np.sum(np.geomspace(1, 100, 10) * x**2)

    grid = sweep(
        bowl, np.ones(10), GradientDescent(replace(schedule, lr=np.geomspace(1e-4, 1, 60))), steps=1_000, rows=2
    )
    found = find_lr(bowl, np.ones(10), GradientDescent(schedule), steps=1_000)
    assert found.lr == pytest.approx(grid.axes["lr.lr"][grid.best_lane], rel=0.4)  # of a decay it was a quarter


def test_short_trainings_go_through_the_whole_schedule() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression(GradientDescent(ExponentialDecay(0.05, 0.9)), epochs=100)
    trainings = ShortTrainings(model, (X, y))
    for lr in (0.1, 0.3):
        alike = LinearRegression(GradientDescent(ExponentialDecay(lr, 0.9**10)), epochs=10)
        with pytest.warns(ConvergenceWarning):
            loss = alike.fit(X, y).history_.loss[-1]
        assert trainings.costs(np.array([lr]), 10)[0] == pytest.approx(loss, rel=1e-5)


def test_a_schedule_may_begin_above_the_limit() -> None:
    for name, steady in (("lr", True), ("method.lr", True), ("lr.lr", False), ("method.lr.lr", False)):
        assert is_steady(name) is steady
    X, y = load_diabetes(return_X_y=True)
    for method, steady in ((GradientDescent(), True), (GradientDescent(Cosine(0.1, steps=300)), False)):
        assert ShortTrainings(LinearRegression(method, epochs=300), (X, y)).is_steady is steady


@pytest.mark.parametrize(("low", "high", "steps"), [(0.1, 20.0, 300), (1.0, 100.0, 300), (1.0, 1e4, 1_000)])
def test_of_an_ill_conditioned_cost_the_rate_is_just_below_the_limit(low: float, high: float, steps: int) -> None:
    curvatures = np.geomspace(low, high, 20)

    def cost(x: Any) -> Any:
        return np.sum(curvatures * x**2) / 2

    found = find_lr(cost, np.ones(20), GradientDescent(), steps=steps)
    assert found.limit == pytest.approx(2 / high)
    assert 0.9 < found.lr * high / 2 < 1
    lanes = sweep(cost, np.ones(20), GradientDescent(np.geomspace(1e-6, 100, 100)), steps=steps)
    assert found.fun < 1.5 * np.nanmin(np.where(lanes.has_diverged, np.inf, lanes.fun))
    assert found.cost < 0.05
