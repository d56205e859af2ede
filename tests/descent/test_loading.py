"""A run that was saved is the same run when it is read back, and can be explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descend import (
    Adam,
    ClipNorm,
    Cosine,
    GradientDescent,
    Joined,
    Method,
    Momentum,
    Warmup,
    landscape,
    load_run,
    minimize,
)
from descend.fields import positive
from descend.methods import Box, Groups, Projected
from descend.methods.in_files import NotInFile, as_json, of_json

RUNS = {
    "diverged": lambda: minimize("rosenbrock", None, GradientDescent(0.01)),
    "an edge": lambda: minimize("sqrt(x)", 0.01, GradientDescent(0.1)),
    "no bound": lambda: minimize("-log(x)", 1.0),
    "a saddle": lambda: minimize("saddle", None),
    "a maximum": lambda: minimize("-(x - 2)^2", 5.0, maximize=True),
    "float32, long": lambda: minimize("x^2 + y^2", np.array([5, 4], np.float32), Momentum(1e-4), steps=5_000),
    "a schedule": lambda: minimize("rosenbrock", None, Adam(lr=Cosine(0.1, steps=200)), steps=500),
    "ten variables": lambda: minimize("rosenbrock", np.full(10, -1.0), steps=50),
}  # fmt: skip


@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("ending", [".parquet", ".json"])
@pytest.mark.parametrize("name", RUNS)
def test_read_back_it_is_the_same_run(name: str, ending: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    again = load_run(run.save(tmp_path / f"run{ending}"))
    assert again.summary() == run.summary()
    assert again.method == run.method
    assert again.finding is run.finding
    assert again.trace.stride == run.trace.stride
    np.testing.assert_array_equal(again.bad_x, run.bad_x)
    for column, values in run.trace.columns().items():
        np.testing.assert_array_equal(again.trace.columns()[column], values)
    assert str(again.explain()) == str(run.explain())


def test_a_landscape_keeps_its_condition(tmp_path: Path) -> None:
    run = minimize(landscape("ill-conditioned", n=3, kappa=500.0), None, GradientDescent(1e-3), steps=50)
    assert load_run(run.save(tmp_path / "run.json")).explain().evidence["condition κ"] == pytest.approx(500)


def test_of_a_function_the_function_is_asked_for(tmp_path: Path) -> None:
    def bowl(x: Any) -> Any:
        return np.sum(x**2)

    path = minimize(bowl, [3.0, 4.0], GradientDescent(1.1), steps=50).save(tmp_path / "run.parquet")
    with pytest.raises(ValueError, match=r"run of a function.*--function MODULE:FUNCTION"):
        load_run(path)
    assert load_run(path, bowl).explain().cause.name == "RATE_TOO_LARGE"
    with pytest.raises(ValueError, match="the objective is not that of"):
        load_run(path, lambda x: np.sum(x**4))


def test_what_cannot_be_read_back_says_why(tmp_path: Path) -> None:
    rows = np.ones((4, 2)), np.ones(4)
    on_data = minimize(lambda w, X, y: np.mean((X @ w - y) ** 2), [0.0, 0.0], data=rows)
    with pytest.warns(UserWarning, match="cannot be read back by load_run: it was a run on data"):
        path = on_data.save(tmp_path / "data.parquet")
    with pytest.raises(ValueError, match="cannot be read back as a run: it was a run on data"):
        load_run(path)
    on_data.save(tmp_path / "data.csv")  # a table, of which nobody expects more
    tree = minimize(lambda p: p["a"] ** 2, {"a": 1.0})
    with pytest.warns(UserWarning, match="neither a number nor a vector"):
        path = tree.save(tmp_path / "tree.json")
    with pytest.raises(ValueError, match="neither a number nor a vector"):
        load_run(path)
    own_gradient = minimize(lambda x: x**2, 1.0, grad=lambda x: 2 * x)
    with pytest.warns(UserWarning, match="gradient of its own"):
        path = own_gradient.save(tmp_path / "grad.json")
    with pytest.raises(ValueError, match="gradient of its own"):
        load_run(path)

    class Mine(Method):
        lr: float = positive(0.1)

        def step(g: Any, lr: Any) -> Any:  # noqa: N805
            return -lr * g

    with pytest.raises(ValueError, match="of the method only its text, Mine"):
        load_run(minimize("x^2", 5.0, Mine()).save(tmp_path / "mine.json"))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [("run.csv", "step\n1\n", "a .csv holds the table alone"), ("run.json", "{", "holds no saved run"),
     ("run.json", "[]", "holds no saved run"), ("run.json", '{"trace": {}}', "a table of something else"),
     ("run.parquet", "PAR1", "holds no saved run")],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(name: str, content: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        load_run(tmp_path / name)


def test_no_file(tmp_path: Path) -> None:
    for name in ("no.parquet", "no.json"):
        with pytest.raises(FileNotFoundError):
            load_run(tmp_path / name)


@pytest.mark.parametrize(
    "rule",
    [Adam(0.1), GradientDescent(lr=Joined((Warmup(0.1, 10), Cosine(0.1, 90)), at=(10,))), ClipNorm(Momentum(0.1), 2.0),
     Projected(GradientDescent(0.1), Box(low=np.array([0.0, -np.inf]))),
     Groups({"w": Adam(0.01), "b": GradientDescent(0.1)})],
)  # fmt: skip
def test_rules_survive_json(rule: Any) -> None:
    import json

    again = of_json(json.loads(json.dumps(as_json(rule), allow_nan=False)))
    assert repr(again) == repr(rule)


def test_of_strange_rules_there_is_the_text() -> None:
    import optax

    from descend.methods import as_rule

    assert isinstance(of_json(as_json(as_rule(optax.adam(0.1)))), NotInFile)
    with pytest.raises(ValueError, match="'Unheard'.*update it"):
        of_json({"kind": "Unheard", "fields": {}})


def test_the_first_form_is_still_read() -> None:
    assert of_json({"name": "adam", "numbers": {"lr": 0.5}}) == Adam(0.5)


@pytest.mark.parametrize("ending", [".parquet", ".json"])
def test_a_run_with_joined_schedules_comes_back(tmp_path: Path, ending: str) -> None:
    method = Adam(Joined((Warmup(0.1, 10), Cosine(0.1, 90)), at=(10,)))
    saved = minimize("rosenbrock", None, method, steps=100).save(tmp_path / f"run{ending}")
    loaded: Any = load_run(saved).method
    assert loaded.lr.at == (10,)
