"""Races: each method at its best rate, found by the same budget, ranked."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descend import (
    Adam,
    Averaged,
    BarzilaiBorwein,
    Cosine,
    GradientDescent,
    Method,
    Momentum,
    Nesterov,
    Outcome,
    Rprop,
    StrongWolfe,
    minimize,
    plots,
    race,
)
from descend.descent.courses import courses_of
from descend.methods import catalogue

FEW = [GradientDescent, Momentum, "adam", Nesterov(mu=0.5)]
RATES = np.geomspace(1e-4, 1, 25)
race_module = importlib.import_module("descend.descent.race")


@pytest.fixture(scope="module")
def result() -> Any:
    return race("rosenbrock", methods=FEW, rates=RATES, steps=400)


def test_each_method_is_ranked_at_its_best_rate(result: Any) -> None:
    assert sorted(result.methods) == ["Adam", "GradientDescent", "Momentum", "Nesterov(mu=0.5)"]
    ranks = [result.entries["rosenbrock", name] for name in result.methods]
    keys = [(entry.evaluations, entry.fun) for entry in ranks]
    assert keys == sorted(keys)
    assert all(entry.lanes == 25 for entry in ranks)
    best = result.entries["rosenbrock", "Momentum"]
    finals = [minimize("rosenbrock", None, Momentum(float(lr)), steps=400, gtol=0, xtol=0, ftol=0) for lr in RATES]
    costs = [run.trace.f[-1] if run.outcome is not Outcome.DIVERGED else np.inf for run in finals]
    goal = 1e-6 * finals[0].trace.f[0]
    if np.isinf(best.evaluations):
        assert best.fun == pytest.approx(min(costs), rel=1e-6)
    else:
        assert best.fun <= goal


def test_the_goal_is_reached_for_good(result: Any) -> None:
    for entry in result.entries.values():
        goal = result.target * 24.2
        if np.isfinite(entry.evaluations):
            first = int(entry.evaluations) - 1
            assert (entry.curve[entry.step >= first] <= goal).all()
            assert first == 0 or entry.curve[entry.step == first - 1] > goal
        else:
            assert entry.curve[-1] > goal or not np.isfinite(entry.curve[-1])


def test_the_run_of_the_winner_can_be_looked_at(result: Any) -> None:
    run = result.run()
    assert run.lr == pytest.approx(result.entries["rosenbrock", result.methods[0]].rate)
    assert run.nit == 400
    assert run.fun == pytest.approx(result.entries["rosenbrock", result.methods[0]].fun, rel=1e-3, abs=1e-12)


def test_pictures_and_files(result: Any, tmp_path: Path) -> None:
    def labels_of(ax: Any) -> list[str]:
        return [text.get_text() for text in ax.get_legend().get_texts()]

    labels = labels_of(plots.race(result))
    assert labels[0].startswith(result.methods[0])
    assert {*result.methods, "minimum", "start"} == set(labels_of(plots.paths(result)))
    assert len(plots.race_overview(result).axes) == 2
    table = result.to_pandas()
    assert table.method.tolist() == result.methods
    saved = json.loads(result.save(tmp_path / "r.json").read_text())
    assert saved["table"]["method"] == result.methods
    assert "4 methods on rosenbrock: up to 25 rates × 400 steps each" in repr(result)


def test_over_many_problems_there_is_a_performance_profile() -> None:
    result = race(["bowl", "booth", "parabola"], methods=[GradientDescent, Momentum], rates=RATES, steps=200)
    assert result.problems == ["bowl", "booth", "parabola"]
    for name in result.methods:
        profile = result.profile(name, np.geomspace(1, 1e6, 50))
        assert (np.diff(profile) >= 0).all()
        solved = np.isfinite([result.entries[p, name].evaluations for p in result.problems]).mean()
        assert profile[-1] == pytest.approx(solved)
    best = max(result.profile(name, np.array([1.0]))[0] for name in result.methods)
    assert best >= 0.5
    assert plots.race_overview(result).axes[0].get_ylabel() == "share of problems solved"
    assert "reached" in repr(result)
    # Alone a landscape gives the same as among others.
    alone = race("booth", methods=[GradientDescent], rates=RATES, steps=200).entries["booth", "GradientDescent"]
    among = race(["bowl", "booth"], methods=[GradientDescent], rates=RATES, steps=200).entries[
        "booth", "GradientDescent"
    ]
    assert (alone.rate, alone.evaluations) == (among.rate, among.evaluations)


def test_an_own_rule_races_against_all_others() -> None:
    class Halved(Method):
        """Half of gradient descent."""

        lr: float = GradientDescent.__dataclass_fields__["lr"]

        @staticmethod
        def step(g: Any, lr: Any) -> Any:
            return -0.5 * lr * g

    assert catalogue()["halved"] is Halved  # what race(objective) takes by itself
    methods = [m for m in catalogue().values() if m.__module__.startswith("descend.")]
    result = race("x^2 + y^2", [3.0, 4.0], [*methods, Halved], rates=np.array([0.1, 0.5, 1.0]), steps=30)
    assert result.methods[0] in {"Halved", "GradientDescent"}
    assert result.entries["x^2 + y^2", "Halved"].rate == 1.0
    assert result.entries["x^2 + y^2", "Rprop"].lanes == 1


def test_rates_stand_inside_schedules_too() -> None:
    result = race("x^2 + 3*y^2", [3.0, 4.0], [Adam(Cosine(0.1, steps=50)), Rprop()], rates=RATES, steps=50)
    entry = next(e for (_, name), e in result.entries.items() if name.startswith("Adam"))
    assert entry.method.lr.lr == entry.rate  # type: ignore[attr-defined]
    assert catalogue()["rprop"] is Rprop


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: race("x^2", 1.0, []), "methods is empty"),
        (lambda: race("x^2", 1.0, ["adamm"]), "Did you mean 'adam'?"),
        (lambda: race("x^2", 1.0, FEW, rates=[]), "rates must be an array of shape (k,)"),
        (lambda: race("x^2", 1.0, FEW, rates=[0.1, -1]), "lr must be > 0, got -1.0"),
        (lambda: race("x^2", 1.0, FEW, steps=0), "steps must be a whole number >= 1"),
        (lambda: race("x^2", 1.0, FEW, target=2.0), "target must be a share in (0, 1)"),
        (lambda: race(["bowl", "x^2"], methods=FEW), "several objectives must be landscapes"),
        (lambda: race("x^2", 1.0, [Averaged(Adam(0.1))]), "hands out another point"),
        (lambda: race("x^2", 1.0, FEW, steps=5).run("Adammm"), "no 'Adammm' on 'x^2' in this race"),
        (lambda: race(["bowl", "booth"], [1.0, 2.0], FEW), "each has its own start"),
        (lambda: race([], methods=FEW), "the list of landscapes is empty"),
        (lambda: race("x^2", 1.0, [3]), "method must be a Method"),
    ],
)
def test_bad_races(call: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert says in str(caught.value)


def test_methods_are_raced_under_names_of_ones_own() -> None:
    optax = pytest.importorskip("optax")
    raced = race("booth", None, {"adam of optax": optax.adam(0.1), "ours": Adam()}, steps=100)
    assert sorted(raced.methods) == ["adam of optax", "ours"]
    assert "adam of optax" in str(raced)


def test_a_table_without_pandas_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install pandas; without it columns\(\)"):
        race("booth", None, [Adam()], steps=10).to_pandas()


@pytest.mark.parametrize(("scale", "low", "high"), [(1e9, 1e-14, 1e-8), (1e-9, 1e4, 1e10)])
def test_rates_beyond_the_usual_ones_are_found(scale: float, low: float, high: float) -> None:
    def steep(x: Any) -> Any:
        return scale * ((x[0] - 1) ** 2 + 10 * (x[1] + 2) ** 2)

    found = race(steep, [3.0, 4.0], [GradientDescent, Momentum, Adam], steps=300)
    assert found.methods[0] == "GradientDescent"
    entry = found.entries[found.problems[0], "GradientDescent"]
    assert low < entry.rate < high
    assert entry.lanes in {128, 192, 256}
    tried = race_module._beyond(
        race_module._lap(courses_of(steep, [3.0, 4.0], maximize=False)[0], GradientDescent(), race_module._RATES, 50),
        courses_of(steep, [3.0, 4.0], maximize=False)[0], 50,
    ).rates  # fmt: skip
    np.testing.assert_allclose(np.diff(np.log(tried)), np.log(1e8) / 63)  # no rate twice, and no gap
    given = race(steep, [3.0, 4.0], [GradientDescent], steps=300, rates=np.geomspace(1e-6, 100, 64))
    assert given.entries[given.problems[0], "GradientDescent"].lanes == 64  # those of one's own are all there are


def test_the_goal_is_where_a_run_has_settled_and_no_place_it_has_leapt_over() -> None:
    found = race("sin(3*x) + 0.05*x^2", 4.0, [Adam, GradientDescent, Momentum, Rprop], steps=300)
    name = found.problems[0]
    assert np.isfinite(found.entries[name, "Adam"].evaluations)
    descent = found.entries[name, "GradientDescent"]
    assert np.ptp(descent.curve[-20:]) < 1e-9, "no lane that happens to end low"


def test_a_saved_race_holds_its_ranking_once(result: Any, tmp_path: Path) -> None:
    held = json.loads(result.save(tmp_path / "race.json").read_text())
    assert None not in held.values()
    assert "ranking" not in held


def test_the_winner_of_a_race_ends_as_a_run_alone() -> None:
    result = race("booth", methods=[GradientDescent(BarzilaiBorwein()), GradientDescent(StrongWolfe())], steps=300)
    for method in result.methods:
        assert result.run(method).outcome is Outcome.CONVERGED
