"""Sweeps: lanes equal single runs, do not disturb each other, and tell how they ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descend import (
    Adam,
    Armijo,
    Averaged,
    Box,
    ClipGlobalNorm,
    Cosine,
    GradientDescent,
    Lookahead,
    Momentum,
    Outcome,
    Polyak,
    Prodigy,
    Projected,
    landscape,
    minimize,
    plots,
    sweep,
)
from descend.objectives import tracing


def rosen(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


START = [-1.2, 1.0]
RATES = np.array([1e-4, 1e-3, 3e-3])


@pytest.mark.parametrize(
    "method",
    [
        lambda lr: GradientDescent(lr / 10),
        lambda lr: Momentum(lr / 10, mu=0.9),
        lambda lr: Adam(lr),
        lambda lr: Adam(Cosine(lr, steps=80)),
        lambda lr: ClipGlobalNorm(Adam(lr), 1.0),
        lambda lr: GradientDescent(Armijo(first=lr)),
        lambda lr: Averaged(Adam(lr), after=20),
        lambda lr: Prodigy(first=lr),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_lane_is_the_single_run(method: Any, dtype: str) -> None:
    x0 = np.array(START, dtype)
    lanes = sweep(rosen, x0, method(RATES), steps=100, gtol=0)
    assert lanes.x.dtype == dtype
    for i, lr in enumerate(RATES):
        single = minimize(rosen, x0, method(float(lr)), steps=100, gtol=0, xtol=0, ftol=0)
        rtol = 1e-9 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(lanes.x[i], single.x, rtol=rtol, atol=rtol)
        assert lanes[i].fun == pytest.approx(single.fun, rel=100 * rtol, abs=rtol)
        assert (lanes[i].nit, lanes[i].nfev) == (single.nit, single.nfev)
        np.testing.assert_allclose(lanes[i].trace.f[:20], single.trace.f[:20], rtol=rtol)
        assert lanes[i].outcome is minimize(rosen, x0, method(float(lr)), steps=100, gtol=0).outcome


def test_the_axes_are_the_product_of_all_arrays_and_the_starts() -> None:
    starts = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 0.5]])
    lanes = sweep(rosen, None, Adam(lr=np.array([0.01, 0.1]), beta1=np.array([0.5, 0.9])), starts=starts, steps=50)
    assert list(lanes.axes) == ["lr", "beta1", "start"]
    assert lanes.shape == (2, 2, 3)
    assert len(lanes) == 12
    place = {name: values[7] for name, values in lanes.values.items()}
    assert place == {"lr": 0.1, "beta1": 0.5, "start": 1}
    single = minimize(rosen, starts[1], Adam(0.1, beta1=0.5), steps=50)
    np.testing.assert_allclose(lanes.x[7], single.x, rtol=1e-9)
    np.testing.assert_allclose(lanes[7].trace.x[0], starts[1])  # type: ignore[index]


def test_half_the_lanes_diverging_leave_the_others_alone_bit_for_bit() -> None:
    good = np.linspace(0.01, 0.09, 8)
    alone = sweep("x^2 + 10*y^2", [3.0, 2.0], GradientDescent(good), steps=300, gtol=0)
    beside = sweep("x^2 + 10*y^2", [3.0, 2.0], GradientDescent(np.append(good, 10 * good + 1)), steps=300, gtol=0)
    np.testing.assert_array_equal(beside.x[:8], alone.x)
    np.testing.assert_array_equal(beside.fun[:8], alone.fun)
    assert beside.has_diverged.tolist() == [False] * 8 + [True] * 8
    assert {beside[i].outcome for i in range(8, 16)} == {Outcome.DIVERGED}
    assert np.isfinite(beside.x).all()


def test_lanes_end_by_themselves_and_freeze() -> None:
    lanes = sweep("x^2", 5.0, GradientDescent(np.array([0.5, 0.1, 0.001])), steps=400)
    assert lanes.outcomes == [Outcome.CONVERGED, Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED]
    assert lanes.steps.tolist()[0] == 1
    assert lanes.steps.tolist()[2] == 400
    assert lanes.best.x == 0.0
    assert lanes.best_lane == 0
    assert len(lanes[0].trace) == 2


def test_a_saddle_is_not_called_a_minimum_in_a_lane() -> None:
    lanes = sweep("x^2 - y^2 + y^4", None, GradientDescent(0.1), starts=[[1.0, 0.0], [1.0, 0.1]], steps=1_000)
    assert lanes.outcomes == [Outcome.STALLED, Outcome.CONVERGED]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_lane_ends_at_the_step_at_which_its_run_ends(dtype: Any) -> None:
    """Converged, out of steps, and beyond all numbers at two different steps."""
    rates = [0.5, 1e-3, 3.0, 30.0]
    lanes = sweep("x^2", np.array([5.0], dtype), GradientDescent(np.array(rates)), steps=2_000)
    alone = [minimize("x^2", np.array([5.0], dtype), GradientDescent(lr), steps=2_000) for lr in rates]
    assert [lanes[i].nit for i in range(4)] == [run.nit for run in alone]
    assert len({run.nit for run in alone}) == 4


def test_which_lanes_diverged_does_not_depend_on_the_sign_of_the_cost_or_the_batch() -> None:
    still = sweep("-exp(-(x - 1)^2)", 1.0, GradientDescent(np.array([0.1, 0.2])), steps=20)
    assert not still.has_diverged.any()
    up = sweep("4 - x^2", 1.0, GradientDescent(np.array([0.1, 0.2])), maximize=True, steps=20)
    assert not up.has_diverged.any()
    draw = np.random.default_rng(0)
    x = draw.normal(size=200)
    y = 2 * x + 0.5 * draw.normal(size=200)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return ((w * x - y) ** 2).mean()

    for seed in range(5):
        lanes = sweep(
            loss, 0.0, GradientDescent(np.geomspace(1e-3, 0.1, 4)), data=(x, y), batch_size=1, steps=300, seed=seed
        )
        assert not lanes.has_diverged.any()


def test_arrays_that_belong_to_x_are_no_axes() -> None:
    box = Box(low=np.array([0.5, -9.0]), high=2.0)
    lanes = sweep("x^2 + 3*y^2", [1.0, 2.0], Projected(GradientDescent(np.array([0.01, 0.1, 0.2])), box), steps=300)
    assert list(lanes.axes) == ["method.lr"]
    np.testing.assert_allclose(lanes.best.x, [0.5, 0.0], atol=1e-7)
    assert lanes.best.success


def test_the_best_lane_has_the_lowest_cost() -> None:
    lanes = sweep("sin(x) + x^2/10", method=GradientDescent(0.4), starts=[3.84, -3.0, 1e8], steps=500)
    assert lanes.best.fun == lanes.fun.min() == pytest.approx(-0.7945823)


def test_a_start_where_the_cost_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match="the objective is nan at start 1"):
        sweep("-log(x) + x^2", method=Adam(0.1), starts=[1.0, -1.0])


def test_new_rates_do_not_compile_again() -> None:
    sweep(rosen, START, Adam(np.geomspace(1e-3, 1, 5)), steps=10)
    before = set(tracing._made)
    sweep(rosen, START, Adam(np.geomspace(1e-2, 2, 5)), steps=30)
    sweep(rosen, START, Adam(np.geomspace(1e-2, 2, 5), beta1=0.8), steps=30)
    assert set(tracing._made) == before


def test_more_lanes_than_fit_are_made_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    whole = sweep(rosen, START, Adam(np.geomspace(1e-3, 1, 10)), steps=20)
    monkeypatch.setattr(importlib.import_module("descend.descent.sweep"), "_MOST_LANES", 4)
    parts = sweep(rosen, START, Adam(np.geomspace(1e-3, 1, 10)), steps=20)
    assert len(parts) == 10
    np.testing.assert_allclose(parts.x, whole.x, rtol=1e-12)


def test_rows_are_bounded_and_thinned() -> None:
    lanes = sweep("x^2 + y^2", [3.0, 4.0], GradientDescent(np.array([1e-4, 1e-5])), steps=1_000, rows=11)
    assert lanes[0].trace.step.tolist() == [*range(0, 1_000, 101), 1_000]
    few = sweep("x^2 + y^2", [3.0, 4.0], GradientDescent(np.array([1e-4, 1e-5])), steps=1_000, rows=2)
    assert few[1].trace.step.tolist() == [0, 1_000]
    np.testing.assert_array_equal(few.x, lanes.x)


def test_batches_and_data() -> None:
    draw = np.random.default_rng(0)
    rows, w = draw.normal(size=(60, 2)), np.array([1.0, -2.0])

    def loss(v: Any, X: Any, y: Any) -> Any:
        return np.mean((X @ v - y) ** 2)

    lanes = sweep(
        loss, np.zeros(2), Adam(np.array([0.01, 0.1])), data=(rows, rows @ w), batch_size=16, epochs=5, seed=3
    )
    single = minimize(loss, np.zeros(2), Adam(0.1), data=(rows, rows @ w), batch_size=16, epochs=5, seed=3)
    np.testing.assert_allclose(lanes.x[1], single.x, rtol=1e-9)
    assert lanes.fun[1] == pytest.approx(single.fun)


def test_a_function_that_can_only_be_called_is_swept_lane_by_lane() -> None:
    def only_called(x: Any) -> Any:
        return rosen([float(x[0]), float(x[1])])

    slow, fast = (sweep(f, START, Adam(np.array([0.01, 0.1])), steps=30, rows=7) for f in (only_called, rosen))
    np.testing.assert_allclose(slow.x, fast.x, rtol=1e-4)
    np.testing.assert_array_equal(slow.ends.step, fast.ends.step)
    np.testing.assert_allclose(slow.ends.rows, fast.ends.rows, rtol=1e-3, equal_nan=True)


def test_maximize_and_pytrees() -> None:
    up = sweep("5 - (x - 2)^2", 0.0, GradientDescent(np.array([0.01, 0.3])), maximize=True, steps=200)
    assert up.best.fun == pytest.approx(5)
    tree = sweep(
        lambda p: (p["a"] - 1) ** 2 + (p["b"] ** 2).sum(), {"a": 0.0, "b": np.ones(2)}, GradientDescent(RATES), steps=9
    )
    assert set(tree[0].x) == {"a", "b"}
    assert tree.x.shape == (3, 3)


def test_the_table_is_saved(tmp_path: Path) -> None:
    lanes = sweep("x^2", 5.0, GradientDescent(np.array([0.1, 2.0])), steps=100)
    table = lanes.to_pandas()
    assert table.columns.tolist() == ["lr", "fun", "gradient_norm", "steps", "diverged"]
    assert table.diverged.tolist() == [False, True]
    saved = json.loads(lanes.save(tmp_path / "s.json").read_text())
    assert saved["best"]["lr"] == 0.1
    assert saved["lanes"]["lr"] == [0.1, 2.0]
    assert lanes.save(tmp_path / "s.csv").read_text().startswith('"lr"')
    assert "2 lanes over 2 × lr" in repr(lanes)
    assert "1 diverged" in repr(lanes)


def test_pictures_of_sweeps() -> None:
    lanes = sweep("parabola", None, GradientDescent(np.geomspace(1e-3, 10, 21)), steps=100)
    ax = plots.sweep(lanes)
    labels = {line.get_label() for line in ax.get_lines()}
    assert {"final cost", "diverged", "best", "2/L = 1"} <= labels
    assert plots.rates_by_step(lanes).get_xlabel() == "step"
    two = sweep(rosen, START, Momentum(np.geomspace(1e-4, 1e-2, 5), mu=np.array([0.0, 0.9])), steps=50)
    assert plots.sweep(two).get_xlabel() == "mu"
    assert len(plots.sweep_overview(lanes).axes) == 4 - 1
    three = sweep(rosen, None, Momentum(RATES, mu=np.array([0.0, 0.9])), starts=[START, [0.0, 0.0]], steps=5)
    with pytest.raises(ValueError, match="a picture shows one axis or two, this sweep has 3"):
        plots.sweep(three)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sweep(rosen, START, Adam(0.1)), "nothing to sweep"),
        (lambda: Adam(lr=np.array([])), "lr is an empty array"),
        (lambda: Adam(lr=np.array([0.1, np.nan])), "lr must be > 0 and finite, got nan"),
        (lambda: Adam(lr=np.array([0.1, -1.0])), "lr must be > 0, got -1.0"),
        (
            lambda: Adam(rate=np.array([0.1])),  # type: ignore[call-arg]
            "Adam has no hyperparameter 'rate'",
        ),
        (
            lambda: sweep(rosen, START, Adam(np.ones((2, 2)))),
            "lr has shape (2, 2); an axis of a sweep has one dimension",
        ),
        (lambda: sweep(rosen, START, Adam(RATES), starts=[START]), "give x0 or starts=, not both"),
        (lambda: sweep(rosen, None, Adam(RATES), starts=[]), "at least one"),
        (
            lambda: sweep(rosen, None, Adam(RATES), starts=[[0.0, 1.0], [1.0]]),
            "all starts must have one structure and shape",
        ),
        (lambda: sweep(rosen, START, Adam(RATES), rows=1), "rows must be a whole number >= 2"),
        (lambda: sweep(rosen, START, Adam(RATES), batch_size=3), "batch_size needs data"),
        (lambda: minimize(rosen, START, Adam(RATES)), "sweep(objective, x0, method) makes a run for each"),
        (lambda: sweep(rosen, START, GradientDescent(Polyak(fmin=np.array([0.0, 1.0])))), "nothing to sweep"),
    ],
)
def test_bad_sweeps(call: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert says in str(caught.value)


def test_a_lane_that_is_not_there() -> None:
    lanes = sweep("x^2", 5.0, GradientDescent(RATES), steps=2)
    assert lanes[-1].lr == pytest.approx(3e-3)
    with pytest.raises(IndexError, match="there are 3 lanes"):
        lanes[3]


def test_a_landscape_is_swept_by_its_name() -> None:
    lanes = sweep("himmelblau", steps=200)
    assert len(lanes) == 61
    assert lanes.best.fun == pytest.approx(landscape("himmelblau").fmin, abs=1e-9)


def test_lanes_that_see_more_epochs_than_one_call_holds_keep_their_rows_and_their_state() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 2))
    y = rows @ [1.0, -2.0]

    def loss(w: Any, X: Any, y: Any) -> Any:
        return ((X @ w - y) ** 2).mean()

    options: dict[str, Any] = {"data": (rows, y), "batch_size": 3, "epochs": 150}
    x0 = np.array([3.0, 4.0])  # which Lookahead remembers from the beginning
    lane = sweep(loss, x0, Lookahead(Momentum(np.array([0.001, 0.002]))), **options)[1]
    alone = minimize(loss, x0, Lookahead(Momentum(0.002)), **options)
    assert lane.nit == alone.nit == 300
    np.testing.assert_allclose(lane.x, alone.x, rtol=1e-10)
    assert len(np.unique(lane.trace.step)) == len(lane.trace.step) > 100
    np.testing.assert_allclose(lane.trace.f, alone.trace.f[lane.trace.step], rtol=1e-10)


def test_groups_of_lanes_that_end_at_different_steps_are_joined() -> None:
    rates = np.geomspace(0.01, 0.1, 4_100)
    many = sweep("booth", None, GradientDescent(rates), steps=1_000)
    some = sweep("booth", None, GradientDescent(rates[::500]), steps=1_000)
    np.testing.assert_array_equal(many.fun[::500], some.fun)
    np.testing.assert_allclose(many[500].trace.f[-1], many[500].fun)
    common, here, there = np.intersect1d(many.ends.step, some.ends.step, return_indices=True)
    assert len(common) > 10
    np.testing.assert_allclose(many.ends.rows[here][:, ::500], some.ends.rows[there], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(many.ends.rows[-1, :, 0], many.fun)


def test_of_lanes_that_are_equal_but_for_the_last_digits_the_fastest_is_the_best() -> None:
    found = sweep("x^2", 5.0, Momentum(lr=np.geomspace(0.01, 1, 10), mu=np.linspace(0, 0.9, 5)))
    assert found.best.nit == min(steps for steps, f in zip(found.steps, found.fun, strict=True) if f < 1e-12)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", GradientDescent), ("GD", GradientDescent), ("heavy-ball", Momentum)]
)
def test_methods_are_known_by_their_other_names(name: str, kind: Any) -> None:
    assert type(minimize("x^2", 5.0, name, steps=2).method) is kind


def test_lanes_that_fall_without_a_bound_have_diverged_in_the_table_as_in_their_outcomes() -> None:
    found = sweep("-x^2", 1.0, GradientDescent(np.geomspace(1e-4, 100, 61)))
    count = sum(outcome is Outcome.DIVERGED for outcome in found.outcomes)
    assert found.has_diverged.sum() == count
    assert f"{count} diverged" in str(found)
    assert found.best.outcome is not Outcome.DIVERGED


@pytest.mark.parametrize(
    ("formula", "start", "rate"), [("abs(x)", 5.0, 0.25), ("x^2", 5.0, 1e-20), ("1 - exp(-x^2)", 6.0, 0.01), ("x^2", 5.0, 1.0)]
)  # fmt: skip
def test_a_lane_that_stands_still_ends_as_a_run_alone(formula: str, start: float, rate: float) -> None:
    lane = sweep(formula, start, GradientDescent(np.array([rate, 2 * rate])), steps=10_000)[0]
    assert lane.outcome is minimize(formula, start, GradientDescent(rate)).outcome
    assert lane.outcome is not Outcome.STEPS_EXHAUSTED
