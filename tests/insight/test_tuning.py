"""Successive halving: what it finds, what it costs, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import Adam, ClipNorm, GradientDescent, Method, Momentum, Rprop, minimize, sweep
from descend.fields import positive, whole
from descend.insight import tune
from descend.words import sign


def test_two_numbers_win_most_of_the_digits_of_a_grid_of_1681() -> None:
    found = tune("ill-conditioned", None, Momentum, {"lr": (1e-4, 1), "mu": (0, 0.99)}, steps=100)
    grid = sweep(
        "ill-conditioned", None, Momentum(np.geomspace(1e-4, 1, 41), np.linspace(0, 0.99, 41)), steps=100, rows=2
    )
    started = minimize("ill-conditioned", None, GradientDescent(1e-3), steps=0).fun
    assert np.log(started / found.run.fun) > 0.7 * np.log(started / np.nanmin(grid.fun))  # of the digits that are won
    assert found.cost < 0.2


def test_each_trial_has_its_longest_run_and_the_best_one_is_the_answer() -> None:
    found = tune("rosenbrock", None, Adam, {"lr": (1e-3, 1), "beta1": (0.5, 0.99)}, steps=640, trials=64)
    lengths, counts = np.unique(found.steps, return_counts=True)
    assert dict(zip(lengths.tolist(), counts.tolist(), strict=True)) == {40: 48, 160: 12, 640: 4}
    longest = found.steps == 640
    best = found.values[longest][np.argmin(found.costs[longest])]
    np.testing.assert_allclose([found.method.lr, found.method.beta1], best)  # type: ignore[attr-defined]
    assert found.run.fun == pytest.approx(found.costs[longest].min(), rel=1e-6)
    assert found.cost == pytest.approx((64 * 40 + 16 * 160 + 5 * 640) / (64 * 640))
    assert f"beta1={found.method.beta1:.6g}" in str(found)  # type: ignore[attr-defined]


def test_values_are_drawn_as_their_kind_wants() -> None:
    class Counting(Method):
        """A number that is whole, and a rate."""

        lr: float = positive(0.1)
        n: float = whole(1, 2)

        @staticmethod
        def step(g: Any, lr: Any, n: Any) -> Any:
            return -lr / n * sign(g)

    found = tune("x^2", 1.0, Counting, {"lr": (1e-4, 1), "n": (1, 5)}, steps=20)
    rates, counts = found.values.T
    assert np.median(np.log10(rates)) == pytest.approx(-2, abs=0.02)
    assert set(counts) == {1, 2, 3, 4, 5}
    chosen = tune("x^2", 1.0, Momentum(0.01), {"mu": [0, 0.5, 0.9]}, steps=20, trials=16)
    assert set(chosen.values[:, 0]) == {0, 0.5, 0.9}
    decays = tune("rosenbrock", None, Adam(0.1), {"beta2": (0.9, 0.9999)}, steps=20).values[:, 0]
    assert np.median(np.log10(1 - decays)) == pytest.approx(-2.5, abs=0.02)


def test_it_climbs_and_goes_into_rules_around_a_method() -> None:
    up = tune(lambda x: -((x - 1) ** 2), 0.0, GradientDescent, {"lr": (1e-3, 1)}, steps=30, maximize=True)
    assert up.run.fun > -1e-6
    assert up.costs.max() == pytest.approx(up.run.fun, abs=1e-12)
    clipped = tune("rosenbrock", None, ClipNorm(GradientDescent(), 1.0), {"method.lr": (1e-5, 1)}, steps=200)
    assert clipped.run.fun < 1


def test_a_trial_that_ends_above_the_start_has_diverged() -> None:
    found = tune("x^2", 1.0, GradientDescent, {"lr": (0.1, 2)}, steps=64)
    np.testing.assert_array_equal(np.isinf(found.costs), found.values[:, 0] > 1)  # beyond 2/L


@pytest.mark.parametrize(
    ("method", "space", "options", "says"),
    [
        (GradientDescent, {}, {}, "must name what is to be tuned"),
        (GradientDescent, {"rate": (1, 2)}, {}, "has no number 'rate'; it has lr"),
        (GradientDescent, {"lr": (1, 0.1)}, {}, "low must be below high"),
        (GradientDescent, {"lr": (-1, 0.1)}, {}, "lr must be > 0, got -1"),
        (GradientDescent, {"lr": (1, 2, 3)}, {}, "a tuple is"),
        (GradientDescent, {"lr": [[1.0]]}, {}, "give .low, high."),
        (GradientDescent, {"lr": (1e3, 1e4)}, {}, "none of 256 trials"),
        (GradientDescent, {"lr": (0.1, 1)}, {"trials": 3}, "trials must be a whole number >= 4"),
        (GradientDescent, {"lr": (0.1, 1)}, {"steps": 0}, "steps must be a whole number >= 1"),
        (Rprop, {"first": (0.1, np.nan)}, {}, "first must be > 0 and finite"),
    ],
)
def test_what_makes_no_sense_is_refused(method: Any, space: Any, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tune("rosenbrock", None, method, space, **options)


def test_the_picture_has_a_panel_for_each_number() -> None:
    found = tune("rosenbrock", None, Adam, {"lr": (1e-3, 0.5), "beta2": (0.9, 0.9999)}, steps=100, trials=64)
    figure = found.plot()
    labels = [ax.get_xlabel() for ax in figure.axes[:2]]
    assert labels == ["lr", "1 - beta2"]
    assert "64 trials" in figure.get_suptitle()


def _losses(w: Any, X: Any, y: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


def _rows() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 3))
    return X, X @ [1.0, -2.0, 3.0] + 0.1 * draw.normal(size=200)


@pytest.mark.parametrize("engine", ["halving", "optuna"])
def test_on_batches_the_cost_is_that_of_all_rows(engine: str) -> None:
    rows = _rows()
    found = tune(
        _losses, np.zeros(3), Momentum, {"lr": (1e-4, 1), "mu": (0, 0.95)}, data=rows, batch_size=10, epochs=8,
        trials=32, engine=engine,
    )  # fmt: skip
    assert found.run.nit == 160
    assert found.run.fun == pytest.approx(found.costs[found.steps == 160].min(), rel=1e-9)
    assert found.run.fun == pytest.approx(_losses(found.run.x, *rows), rel=1e-9)
    assert found.run.fun < 0.05


def test_optuna_finds_what_halving_finds_and_draws_where_it_is_good() -> None:
    space = {"lr": (1e-5, 1), "beta1": (0.5, 0.99), "beta2": (0.9, 0.9999)}
    found = tune("rosenbrock", None, Adam, space, steps=300, trials=96, engine="optuna")
    assert found.values.shape == (96, 3)
    assert (found.steps == 300).all()
    assert found.cost == pytest.approx(97 / 96)
    early, late = found.costs[:16], found.costs[-32:]
    assert np.median(late) < np.median(early)
    assert found.run.fun == pytest.approx(found.costs.min(), rel=1e-6)


def test_a_study_in_a_file_goes_on(tmp_path: Any) -> None:
    file = str(tmp_path / "study.db")
    ways: Any = {"steps": 50, "trials": 16, "engine": "optuna", "storage": file}
    first = tune("x^2", 5.0, GradientDescent, {"lr": (1e-4, 10)}, **ways)
    second = tune("x^2", 5.0, GradientDescent, {"lr": (1e-4, 10)}, **ways)
    assert len(second.values) == 2 * len(first.values) == 32
    np.testing.assert_array_equal(second.values[:16], first.values)
    assert second.costs.min() <= first.costs.min()
    with pytest.raises(ValueError, match="holds trials of another objective, start, method, space or length"):
        tune("x^2", 5.0, GradientDescent, {"lr": (1e-4, 1)}, **ways)
    for other in ({"objective": "x^2 + 1"}, {"x0": 4.0}, {"steps": 60}):
        with pytest.raises(ValueError, match="Take another file"):
            tune(
                **{
                    "objective": "x^2",
                    "x0": 5.0,
                    "method": GradientDescent,
                    "space": {"lr": (1e-4, 10)},
                    **ways,
                    **other,
                }
            )


def test_engines_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="engine must be"):
        tune("x^2", 5.0, GradientDescent, {"lr": (1e-4, 1)}, engine="grid")
    with pytest.raises(ValueError, match="storage is for engine='optuna'"):
        tune("x^2", 5.0, GradientDescent, {"lr": (1e-4, 1)}, storage="a.db")


def test_a_method_may_be_given_by_its_name() -> None:
    options: dict[str, Any] = {"steps": 50, "trials": 16}
    named, made = (tune("booth", None, method, {"lr": (1e-3, 1)}, **options) for method in ("adam", Adam()))
    assert named.method == made.method
