"""The picture of a diagnosis: the cost as it was, and with the cure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from descend import Adam, GradientDescent, LinearRegression, MLPClassifier, SignSGD, minimize, plots
from descend.insight import Cause, Diagnosis


def _lines(found: Diagnosis) -> tuple[Any, dict[str, tuple[np.ndarray, np.ndarray]]]:
    _, ax = plt.subplots()
    assert found.plot(ax) is ax
    lines = {re.sub("^as it was, .*", "as it was", str(line.get_label())): line.get_data() for line in ax.lines}
    plt.close(ax.figure)
    return ax, {name: (np.asarray(x), np.asarray(y)) for name, (x, y) in lines.items()}


def test_a_run_is_drawn_beside_the_run_with_the_cure() -> None:
    run = minimize("rosenbrock", None, GradientDescent(0.01))
    found = run.explain()
    ax, lines = _lines(found)
    assert found.explained is run
    assert found.trial is not None
    assert ax.get_title() == "The learning rate is too large"
    assert lines["as it was"][1][1] == run.trace.f[1]
    steps, costs = lines[found.cure]
    assert (steps[0], steps[-1], costs[-1]) == (0, 500, found.trial.made.fun)
    assert "limit of stability: 0.001328" in ax.get_legend().get_title().get_text()
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")


def test_a_cure_that_went_on_begins_at_the_end() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).cumsum(axis=1)
    run = minimize(lambda w: ((x @ w - 1) ** 2).mean(), np.zeros(3), SignSGD(0.05), steps=400)
    found = run.explain()
    assert found.trial is not None
    _, lines = _lines(replace(found, trial=replace(found.trial, goes_on=True)))
    assert lines[found.cure][0][0] == run.nit
    assert lines["as it was"][0][-1] == run.nit


def test_what_is_exactly_zero_is_drawn_at_the_bottom() -> None:
    found = minimize("x^2", 5.0, GradientDescent(1.1), steps=50).explain()
    ax, lines = _lines(found)
    assert ax.get_yscale() == "log"
    assert lines["lr=0.5"][1].tolist() == pytest.approx([25, 25e-17])


def test_a_healthy_run_has_one_line_and_costs_below_zero_no_logarithms() -> None:
    ax, lines = _lines(minimize("sin(x)", 1.0, GradientDescent(0.3)).explain())
    assert [*lines] == ["as it was"]
    assert (ax.get_title(), ax.get_yscale()) == ("Nothing is wrong", "linear")


def test_the_costs_of_batches_are_averaged() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(400, 3))
    y = X @ [1, 2, 3] + draw.normal(size=400)
    run = minimize(
        lambda w, X, y: ((X @ w - y) ** 2).mean(), np.zeros(3), GradientDescent(0.3), data=(X, y), batch_size=8,
        epochs=30,
    )  # fmt: skip
    ax, lines = _lines(run.explain())
    assert ax.get_ylabel() == f"cost of batches, mean of {len(run.trace) // 20} around"
    late = slice(len(run.trace) // 2, None)
    assert np.std(lines["as it was"][1][late]) < 0.5 * np.std(run.trace.f[late])


def test_a_training_is_drawn_with_its_validation_rows() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = LinearRegression(GradientDescent(1e-5), batch_size=16, epochs=20).fit(X, X @ [1.0, 2.0, 3.0])
    found = model.explain(X, X @ [1.0, 2.0, 3.0])
    ax, lines = _lines(found)
    assert found.trial is not None
    assert (lines["as it was"][1] == model.history_.loss).all()
    assert (lines["lr=0.1"][1] == found.trial.made.loss).all()
    assert ax.get_ylabel() == "loss"
    noise = (X[:, 0] > 0).astype(int)
    fitted = MLPClassifier(hidden=8, epochs=5, method=Adam(0.01), validation=0.3).fit(X, noise)
    dashed = [line for line in fitted.explain().plot().lines if line.get_linestyle() == "--"]
    plt.close("all")
    (validation,) = dashed
    assert (np.asarray(validation.get_ydata()) == fitted.history_.validation).all()


def test_without_costs_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no costs were kept"):
        Diagnosis(Cause.UNKNOWN).plot()


def test_beside_the_costs_is_the_sharpness() -> None:
    figure = plots.explained(minimize("x^2", 5.0, GradientDescent(1.1), steps=50).explain())
    assert [ax.get_title() for ax in figure.axes] == ["The learning rate is too large", "Sharpness along the run"]
