"""`minimize`: what goes in, what comes out, and that it is the same each time."""

from __future__ import annotations

import math
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend import (
    Adam,
    Averaged,
    BarzilaiBorwein,
    Cosine,
    GradientDescent,
    Momentum,
    Outcome,
    Run,
    load_run,
    minimize,
    sweep,
    train,
)
from descend.descent import report
from descend.descent.trace import MOST_ROWS
from descend.objectives import tracing


def rosen(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_the_default_needs_no_tuning() -> None:
    assert minimize("x^2 + 5*x + 10", 5).x == pytest.approx(-2.5, abs=1e-8)
    np.testing.assert_allclose(minimize("x^2 + y^2", [5, 5]).x, 0, atol=1e-8)
    assert minimize("sin(x) + 0.1*x^2", 5).x == pytest.approx(3.8374671064997)
    assert minimize("sin(x) + 0.1*x^2", -3).x == pytest.approx(-1.3064400083695)
    for n in (2, 4, 10):
        run = minimize("rosenbrock", [-1.2, 1.0] * (n // 2))
        assert run.success
        assert run.fun < 1e-12 or n > 2  # from n = 4 on there is a second, local minimum
    for scale in (1e-8, 1.0, 1e8):
        assert minimize(lambda x, s=scale: s * np.sum((x - 3) ** 2), [1e3, -1e3]).x == pytest.approx([3, 3], rel=1e-6)


def test_a_run_gives_back_the_kind_that_came() -> None:
    assert isinstance(minimize("x^2", 5).x, float)
    assert minimize("x^2", np.float32(5)).x.dtype == np.float32
    assert minimize(lambda x: np.sum(x**2), [[1, 2], [3, 4]]).x.shape == (2, 2)


def test_the_trace_has_the_start_the_last_and_each_rate_really_used() -> None:
    run = minimize("x^2", 5.0, GradientDescent(0.1), steps=20)
    trace = run.trace
    assert trace.step.tolist() == list(range(21))
    assert trace.x is not None
    assert trace.x.shape == (21, 1)
    np.testing.assert_allclose(trace.x[:, 0], 5 * 0.8 ** np.arange(21), rtol=1e-14)
    np.testing.assert_allclose(trace.f, trace.x[:, 0] ** 2, rtol=1e-14)
    np.testing.assert_allclose(trace.gradient_norm, 2 * trace.x[:, 0], rtol=1e-14)
    assert math.isnan(trace.lr[0])
    assert (trace.lr[1:] == 0.1).all()
    assert trace.evaluations.tolist() == list(range(1, 22))
    assert (np.diff(trace.seconds) >= 0).all()
    assert (run.nit, run.nfev, run.njev) == (20, 21, 21)


def test_the_rates_of_a_search_are_the_ones_that_were_used() -> None:
    run = minimize(rosen, [-1.2, 1.0], steps=30)
    assert run.trace.x is not None
    gradients = np.array([run.problem.value_and_grad(x)[1] for x in run.trace.x])
    np.testing.assert_allclose(
        np.diff(run.trace.x, axis=0), -run.trace.lr[1:, None] * gradients[:-1], rtol=1e-12, atol=1e-15
    )
    trials = np.diff(run.trace.evaluations) - 1
    assert (trials >= 1).all()
    assert run.nfev == run.njev + trials.sum()


@pytest.mark.parametrize("steps", [0, 1, 1_023, 1_024, 1_025, 12_345, 200_000])
def test_the_trace_is_bounded_and_keeps_its_ends(steps: int) -> None:
    run = minimize(rosen, [-1.2, 1.0], Adam(1e-7), steps=steps, gtol=0, xtol=0, ftol=0)
    trace = run.trace
    assert len(trace) <= MOST_ROWS + 1
    assert (trace.step[0], trace.step[-1], run.nit) == (0, steps, steps)
    assert (np.diff(trace.step) > 0).all()
    assert (trace.step[:-1] % trace.stride == 0).all()
    assert len(trace) >= min(steps, MOST_ROWS // 3)
    assert trace.stride % 2 == 1, "a zigzag is seen to be one"
    assert trace.x is not None
    assert np.array_equal(trace.x[-1], run.x)


def test_long_parameters_leave_the_trace_but_not_the_scalars() -> None:
    run = minimize(lambda x: jnp.sum(x**2), np.ones(10_000), GradientDescent(0.1), steps=50)
    assert run.trace.x is None
    assert len(run.trace.f) == 51


def test_the_same_call_gives_the_same_bits_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    module = importlib.import_module("descend.descent.minimize")
    traces = []
    for seconds in (1e-5, 0.1, 10.0):
        monkeypatch.setattr(module, "_SECONDS_A_CHUNK", seconds)
        run = minimize(rosen, [-1.2, 1.0], Adam(0.003), steps=9_000, gtol=0)
        traces.append((run.x, run.trace.step, run.trace.x, run.trace.f, run.outcome))
    for other in traces[1:]:
        for a, b in zip(traces[0][:-1], other[:-1], strict=True):
            assert np.array_equal(a, b)
        assert other[-1] is traces[0][-1]


def test_where_a_run_gets_stuck_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk may bring more rows than the trace keeps: the watch looks at them before they are thinned."""
    import importlib

    module = importlib.import_module("descend.descent.minimize")
    ends = set()
    for rows in (7, 100, 100_000):
        monkeypatch.setattr(module, "_rows_within", lambda *_, rows=rows: rows)
        run = minimize(lambda w: np.sum(np.abs(w - np.array([1, 2, 3.3]))), np.zeros(3))
        assert run.outcome is not Outcome.STEPS_EXHAUSTED
        ends.add((run.nit, run.trace.stride, run.fun))
    assert len(ends) == 1


def test_maximize_climbs() -> None:
    run = minimize("5 - (x - 2)^2", 0.0, GradientDescent(0.1), maximize=True, steps=500)
    assert run.success
    assert run.x == pytest.approx(2)
    assert run.fun == pytest.approx(5)
    assert run.trace.f[0] == pytest.approx(1)
    assert "maximum 5" in run.message
    assert minimize(lambda x: -np.sum(x**2), [1.0, 2.0], maximize=True, grad=lambda x: -2 * x).success
    assert run.best["f"] == pytest.approx(5)


# -- no second compilation ---------------------------------------------------------------------------------


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one with each executable made anew (by us, or inside it by JAX)."""
    from jax._src import compiler

    made: list[Any] = []
    before = compiler.backend_compile_and_load

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return before(*args, **kwargs)

    monkeypatch.setattr(compiler, "backend_compile_and_load", counted)
    return made


def test_a_new_rate_a_new_lambda_and_new_data_do_not_compile(compilations: list[Any]) -> None:
    draw = np.random.default_rng(0)

    def run(lr: Any) -> Run:
        rows = draw.normal(size=(30, 3))
        return minimize(lambda w: np.mean((rows @ w - 1) ** 2), np.zeros(3), Adam(lr), steps=40)

    run(0.1)
    assert len(compilations) > 0
    compilations.clear()
    for lr in (0.2, 1, np.float32(0.3), np.float64(0.4)):
        run(lr)
    assert compilations == []


def test_other_numbers_of_steps_tolerances_and_hyperparameters_do_not_compile(
    compilations: list[Any],
) -> None:
    minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=10)
    compilations.clear()
    minimize(rosen, [0.5, 2.0], Adam(0.3, beta1=0.5), steps=3_000, gtol=1e-3, time_limit=100.0)
    minimize(rosen, np.array([-1.2, 1.0]), Adam(0.1), steps=0)
    assert compilations == []


def test_a_changed_global_and_hidden_constants_are_seen() -> None:
    targets: list[Any] = [1.0, 2.0, np.arange(3.0), np.arange(3.0) + 1]

    def through_jit(target: Any) -> Any:
        inner = jax.jit(lambda x: jnp.sum((x - target) ** 2))
        return lambda x: inner(x)

    for target in targets:
        np.testing.assert_allclose(minimize(through_jit(target), np.zeros(3)).x, target, atol=1e-7)
        np.testing.assert_allclose(minimize(lambda x, t=target: np.sum((x - t) ** 2), np.zeros(3)).x, target, atol=1e-7)
    data = np.zeros(3)

    def moving(x: Any) -> Any:
        return np.sum((x - data) ** 2)

    for value in (1.0, 2.0):
        data[:] = value
        np.testing.assert_allclose(minimize(moving, np.zeros(3)).x, value)


def test_rules_of_differentiation_are_part_of_the_key() -> None:
    def scaled(factor: float) -> Any:
        @jax.custom_jvp
        def h(x: Any) -> Any:
            return x

        h.defjvp(lambda p, t: (p[0], factor * t[0]))
        return lambda x: jnp.sum((h(x) - 1) ** 2)

    ends = [minimize(scaled(k), [0.0], GradientDescent(0.1), steps=1).x[0] for k in (1.0, 2.0)]
    assert ends == pytest.approx([0.2, 0.4])


def test_the_cache_of_what_was_compiled_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_MOST_MADE", 4)
    for k in range(4):
        minimize(f"x^2 + {k}.25*x", 1.0, GradientDescent(0.1), steps=0)
        assert 0 < len(tracing._made) <= 4


# -- between chunks ----------------------------------------------------------------------------------------


def test_callbacks_see_the_run_and_may_end_it() -> None:
    seen: list[int] = []

    def watch(run: Run) -> None:
        assert run.outcome is None
        assert run.x.dtype == np.float64
        assert jnp.ones(1).dtype == "float32"  # outside the float64 context
        seen.append(run.nit)
        if len(seen) == 3:
            raise StopIteration

    run = minimize(rosen, [-1.2, 1.0], Adam(1e-6), steps=100_000_000, callback=watch, gtol=0)
    assert run.outcome is Outcome.INTERRUPTED
    assert seen == sorted(seen)
    assert run.nit == seen[-1]


def test_an_error_in_a_callback_is_the_users() -> None:
    def fails(run: Run) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        minimize("x^2", 5.0, GradientDescent(0.1), callback=fails)


@pytest.mark.parametrize("eager", [False, True])
def test_ctrl_c_returns_the_run(eager: bool) -> None:
    def slow(x: Any) -> Any:
        return math.fsum(v * v for v in x)

    timer = threading.Timer(0.6, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    run = minimize(slow if eager else rosen, [-1.2, 1.0], Adam(1e-9), steps=2_000_000_000, gtol=0, xtol=0, ftol=0)
    timer.join()
    assert run.outcome is Outcome.INTERRUPTED
    assert run.nit > 0
    assert np.isfinite(run.fun)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_time_budget_ends_the_run() -> None:
    begin = time.perf_counter()
    run = minimize(rosen, [-1.2, 1.0], Adam(1e-9), steps=2_000_000_000, time_limit=0.5, gtol=0, xtol=0, ftol=0)
    assert run.outcome is Outcome.OUT_OF_TIME
    assert time.perf_counter() - begin < 10
    assert "out of time" in run.message.lower()


def test_a_run_in_another_thread_is_float64_too() -> None:
    ends: list[Any] = []
    thread = threading.Thread(target=lambda: ends.append(minimize("x^2", 5.0, GradientDescent(0.1), steps=3)))
    thread.start()
    thread.join()
    assert ends[0].x == pytest.approx(5 * 0.8**3, rel=1e-15)
    assert ends[0].dtype == "float64"


def test_a_progress_bar_appears_on_wish_and_leaves_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    minimize(
        rosen,
        [-1.2, 1.0],
        Adam(1e-9),
        steps=2_000_000_000,
        time_limit=1.6,
        gtol=0,
        xtol=0,
        ftol=0,
        progress=True,
    )
    assert "cost" in capsys.readouterr().err
    minimize(rosen, [-1.2, 1.0], Adam(1e-9), steps=10)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


# -- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"steps": -1}, ValueError, "steps must be a whole number >= 0, got -1"),
        ({"steps": 2.5}, ValueError, "steps must be a whole number"),
        ({"steps": True}, ValueError, "steps must be a whole number"),
        ({"steps": 2**40}, ValueError, "steps must be a whole number"),
        ({"gtol": -1e-3}, ValueError, "gtol must be a number >= 0, got -0.001; 0 switches it off"),
        ({"xtol": float("nan")}, ValueError, "xtol must be a number >= 0"),
        ({"ftol": "tight"}, ValueError, "ftol must be a number >= 0, got 'tight'"),
        (
            {"method": 3},
            TypeError,
            'method must be a Method such as Adam(lr=0.1), its name, "adam", or an optax transformation, got 3',
        ),
        ({"method": Adam(lr=np.array([0.1, 0.2]))}, ValueError, "lr is an array of 2 numbers"),
        ({"batch_size": 2}, ValueError, "batch_size needs data"),
        ({"epochs": 2}, ValueError, "epochs needs data"),
        ({"seed": -1}, ValueError, "seed must be a whole number >= 0"),
        ({"time_limit": -1.0}, ValueError, "time_limit must be a number of seconds > 0, got -1.0"),
        ({"grad": 3}, TypeError, "grad must be a function"),
        ({"callback": 3}, TypeError, "callback must be a function"),
    ],
)
def test_bad_options(kwargs: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        minimize(rosen, [-1.2, 1.0], **kwargs)
    assert says in str(caught.value)


# -- how a run shows itself ---------------------------------------------------------------------------------


def test_a_run_prints_as_a_short_report() -> None:
    text = repr(minimize("x^2 + 5*x + 10", 5, Momentum(0.1), steps=20))
    assert text.splitlines()[0].startswith("All steps made, not yet converged: after 20 steps the cost is")
    assert "Momentum(lr=0.1, mu=0.9), float64" in text
    assert "21 evaluations" in text
    assert "BarzilaiBorwein(first=1)" in repr(minimize("x^2", 5))
    assert minimize("x^2", 5).method == GradientDescent(BarzilaiBorwein())


def test_a_run_shows_table_and_picture_in_a_notebook() -> None:
    html = minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=100)._repr_html_()
    assert "<table>" in html
    assert "<svg" in html
    assert html.count("<tr>") == 6 + 4 + 4 + 1 + 5


def test_the_table_has_the_first_some_middle_and_the_last_steps() -> None:
    head, body = report.table(minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=100))
    assert head == ["step", "x1", "x2", "cost", "|gradient|", "lr"]
    steps = [row[0] for row in body]
    assert steps[:6] == ["0", "1", "2", "3", "4", "5"]
    assert steps[-4:] == ["97", "98", "99", "100"]
    assert body[0][-1] == ""
    assert body[1][-1] == "0.1"


def test_to_pandas_and_save(tmp_path: Any) -> None:
    import json

    import pandas as pd
    import pyarrow.parquet as pq

    run = minimize(rosen, [-1.2, 1.0], Adam(0.1), steps=100)
    frame = run.to_pandas()
    assert list(frame.columns) == ["step", "f", "gradient_norm", "lr", "evaluations", "seconds", "x1", "x2"]
    assert len(frame) == 101
    table = pq.read_table(run.save(tmp_path / "run.parquet"))
    pd.testing.assert_frame_equal(table.to_pandas(), frame)
    assert json.loads(table.schema.metadata[b"descend"]).items() >= run.summary().items()
    pd.testing.assert_frame_equal(pd.read_csv(run.save(tmp_path / "run.csv")), frame)
    saved = json.loads(run.save(tmp_path / "run.json").read_text())
    assert saved["outcome"] == "STEPS_EXHAUSTED"
    assert saved["trace"]["lr"][0] is None
    with pytest.raises(ValueError, match="saved as .parquet, .csv or .json"):
        run.save(tmp_path / "run.pickle")


def bowl_of_two(x: Any) -> Any:
    return np.sum((x - 1) ** 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: minimize("x^2", 3.0),
        lambda: minimize("rosenbrock", None, Adam(0.01), steps=50),
        lambda: minimize(bowl_of_two, [1.0, 2.0], Momentum(0.1)),
    ],
    ids=["formula", "landscape", "function"],
)
def test_a_run_can_be_pickled_and_is_the_same_run(make: Any) -> None:
    run = make()
    again = pickle.loads(pickle.dumps(run))  # noqa: S301 - our own
    assert (again.fun, again.outcome, again.message) == (run.fun, run.outcome, run.message)
    np.testing.assert_array_equal(again.trace.f, run.trace.f)
    assert again.explain().cause is run.explain().cause


def test_a_trace_tells_how_much_it_holds_and_not_all_of_it() -> None:
    whole = minimize("x^2", 5.0, GradientDescent(0.1), steps=1).trace
    assert repr(whole) == "<Trace: 2 rows, each step, to step 1, cost 16>"
    thinned = minimize("rosenbrock", None, GradientDescent(1e-3), steps=2_000).trace
    assert repr(thinned) == f"<Trace: {len(thinned)} rows, one of 3 steps, to step 2,000, cost {thinned.f[-1]:.6g}>"
    assert repr(type(whole)()) == "<Trace: 0 rows>"


def test_one_step_is_one_step() -> None:
    run = minimize("x^2", 5.0, GradientDescent(0.1), steps=1)
    assert "after 1 step the cost" in run.message
    assert "after 2 steps the cost" in minimize("x^2", 5.0, GradientDescent(0.1), steps=2).message


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("lr", "number of the method"),
        ("learning_rate", "number of the method"),
        ("max_iter", "write steps="),
        ("tol", "write gtol="),
        ("jac", "write grad="),
        ("bounds", "Projected"),
        ("stepz", "write steps="),
        ("colour", "it has objective, x0, method"),
    ],
)
def test_an_argument_of_another_library_is_answered_with_ours(argument: str, says: str) -> None:
    call: Any = minimize
    with pytest.raises(TypeError, match=f"minimize has no argument '{argument}': .*{says}"):
        call("x^2", 5.0, **{argument: 1})


def test_sweep_and_train_answer_other_arguments_too() -> None:
    call: Any = sweep
    with pytest.raises(TypeError, match=r"sweep has no argument 'lr': the rate is a number of the method"):
        call("x^2", 5.0, lr=1)
    call = train
    with pytest.raises(TypeError, match=r"train has no argument 'max_iter': it has loss, params"):
        call(None, None, None, max_iter=1)


def on_rows(w: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


@pytest.mark.parametrize(
    "method",
    [
        Momentum(1e-3),
        Adam(Cosine(0.05, steps=900)),
        Averaged(GradientDescent(1e-3)),
        GradientDescent(BarzilaiBorwein()),
    ],
    ids=lambda method: type(method).__name__,
)
@pytest.mark.parametrize("parts", [(10, 25), (1_500, 701)])
def test_a_run_that_goes_on_is_the_one_that_was_not_stopped(method: Any, parts: tuple[int, int]) -> None:
    x0 = np.array([-1.2, 1.0, 0.5, 2.0])
    begun = minimize("rosenbrock", x0, method, steps=parts[0], gtol=0, ftol=0, xtol=0)
    message, rows = begun.message, len(begun.trace)
    whole = minimize("rosenbrock", x0, method, steps=sum(parts), gtol=0, ftol=0, xtol=0)
    for _ in range(2):  # it is not changed by going on
        more = begun.resume(steps=parts[1], gtol=0, ftol=0, xtol=0)
        assert (more.nit, more.nfev, more.fun, more.message) == (whole.nit, whole.nfev, whole.fun, whole.message)
        for name, column in whole.trace.columns().items():
            if name != "seconds":
                np.testing.assert_array_equal(more.trace.columns()[name], column, err_msg=name)
    assert np.all(np.diff(more.trace.seconds) >= 0)
    assert (begun.message, len(begun.trace)) == (message, rows)


def test_batches_uphill_and_functions_that_can_only_be_called_go_on_too() -> None:
    X = np.random.default_rng(0).normal(size=(103, 3))
    rows: dict[str, Any] = {"data": (X, X @ [1.0, 2.0, 3.0]), "batch_size": 10}
    epochs = minimize(on_rows, np.zeros(3), Adam(0.01), epochs=3, **rows).resume(epochs=4)
    np.testing.assert_array_equal(epochs.x, minimize(on_rows, np.zeros(3), Adam(0.01), epochs=7, **rows).x)
    for objective, maximize in (("-(x^2)", True), (lambda x: math.cos(x) + x * x / 20, False)):
        begun = minimize(objective, 3.0, Momentum(0.01), steps=4, maximize=maximize)
        whole = minimize(objective, 3.0, Momentum(0.01), steps=9, maximize=maximize)
        np.testing.assert_array_equal(begun.resume(steps=5).trace.f, whole.trace.f)


def test_a_converged_run_goes_on_to_a_finer_tolerance() -> None:
    run = minimize("rosenbrock", None, Momentum(1e-3))
    finer = run.resume(gtol=1e-12)
    assert (run.outcome, finer.outcome) == (Outcome.CONVERGED, Outcome.CONVERGED)
    assert finer.trace.gradient_norm[-1] <= 1e-12 < run.trace.gradient_norm[-1]


def test_where_there_is_no_way_on_it_is_said(tmp_path: Path) -> None:
    run = minimize("rosenbrock", None, Momentum(1e-3), steps=5)
    with pytest.raises(ValueError, match="no state to go on with"):
        load_run(run.save(tmp_path / "run.json")).resume(steps=5)
    with pytest.raises(ValueError, match="no way on from where a run was not finite"):
        minimize("rosenbrock", None, GradientDescent(1.0)).resume()
    with pytest.raises(ValueError, match="epochs needs data"):
        run.resume(epochs=5)
    with pytest.raises(ValueError, match="steps or epochs, not both"):
        run.resume(epochs=5, steps=5)
    call: Any = run.resume
    with pytest.raises(TypeError, match="resume has no argument 'max_iter': write steps="):
        call(max_iter=5)
