"""The command line, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import GradientDescent, LinearClassifier, LogisticRegression, cli, fit_table, minimize, plots
from descend.cli import tables
from descend.methods import catalogue
from descend.objectives import LANDSCAPES


@pytest.fixture
def descend(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            cli.main(list(arguments))
        signal.signal(signal.SIGTERM, before)
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


def test_minimize_prints_a_table_and_the_outcome(descend: Any) -> None:
    code, out, err = descend("minimize", "sin(x) + x**2/10", "--from", "5")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["step", "x", "cost", "|gradient|", "lr"]
    assert lines[1].split()[:2] == ["0", "5"]
    assert out.rstrip().endswith("(minimum 0.831559).")


def test_json_is_one_object_with_the_promised_keys(descend: Any) -> None:
    code, out, _ = descend("minimize", "x^2", "--from", "5", "--method", "momentum", "--lr", "0.1", "--set", "mu=0.5", "--steps", "7", "--dtype", "float32", "--json")  # fmt: skip
    assert code == 0
    result = json.loads(out)
    assert set(result) == {"x", "fun", "outcome", "message", "steps", "nfev", "njev", "method", "lr", "dtype"}
    assert isinstance(result["x"], list)
    assert (result["outcome"], result["steps"], result["nfev"], result["njev"]) == (
        "STEPS_EXHAUSTED",
        7,
        8,
        8,
    )
    assert (result["method"], result["dtype"]) == ("momentum", "float32")
    assert result["lr"] == pytest.approx(0.1)


def test_articles_numbers_on_the_command_line(descend: Any) -> None:
    _, out, _ = descend("minimize", "x^2 + 5*x + 10", "--from", "5", "--lr", "0.1", "--steps", "20", "--json")
    assert json.loads(out)["x"][0] == pytest.approx(-2.5 + 7.5 * 0.8**20)


@pytest.mark.parametrize(
    ("arguments", "code", "outcome"),
    [
        (["x^2", "--from", "5"], 0, "CONVERGED"),
        (["x^2", "--from", "5", "--lr", "0.1", "--steps", "2"], 0, "STEPS_EXHAUSTED"),
        (["x^2", "--from", "5", "--lr", "1e9"], 3, "DIVERGED"),
        (["saddle"], 3, "STALLED"),
        (["-x^2", "--from", "-5", "--maximize"], 0, "CONVERGED"),
        (["-x^2 + 3", "--from=-5", "--maximize", "--tol", "1e-3"], 0, "CONVERGED"),
        (["rosenbrock", "--from", "-1.2,1", "--method", "Gradient-Descent", "--lr", "1e-4", "--time-limit", "60"], 0, "STEPS_EXHAUSTED"),
        (["rosenbrock", "--from", "(-1.2 1 -1.2 1)"], 0, "CONVERGED"),
    ],
)  # fmt: skip
def test_exit_codes_tell_the_outcome(descend: Any, arguments: list[str], code: int, outcome: str) -> None:
    ended, out, _ = descend("minimize", *arguments, "--json")
    assert json.loads(out)["outcome"] == outcome
    assert ended == code


def test_too_little_memory_is_told(descend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError("Unable to allocate 12 GiB")

    monkeypatch.setattr("descend.cli.descent.minimize", full)
    code, _, err = descend("minimize", "x^2", "--from", "5")
    assert (code, err) == (4, "descend: there is not enough memory for that (Unable to allocate 12 GiB)\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["minimize", "x^2 + foo", "--from", "5"], 2, "unknown name 'foo'"),
        (["minimize", "__import__('os').system('id')", "--from", "5"], 2, "has no place in a formula"),
        (["minimize", "x^2"], 2, "x0 is missing"),
        (["minimize", "x^2", "--from", "five"], 2, "--from must be numbers like 5 or -1.2,1, got 'five'"),
        (["minimize", "x^2", "--from", "nan"], 2, "a start must be finite"),
        (["minimize", "x^2", "--from", "1,2"], 2, "the formula has 1 variable (x), the point has 2 numbers"),
        (["minimize", "x^2", "--from", "5", "--method", "adamm"], 2, "Did you mean 'adam'?"),
        (["minimize", "x^2", "--from", "5", "--lr", "0"], 2, "lr must be > 0, got 0.0"),
        (["minimize", "x^2", "--from", "5", "--lr", "fast"], 2, "'--lr'"),
        (
            ["minimize", "x^2", "--from", "5", "--set", "mu"],
            2,
            "--set takes name=number, like mu=0.9, got 'mu'",
        ),
        (
            ["minimize", "x^2", "--from", "5", "--set", "mu=0.9"],
            2,
            "GradientDescent has no hyperparameter 'mu'",
        ),
        (["minimize", "x^2", "--from", "5", "--dtype", "float16"], 2, "--dtype must be float64 or float32"),
        (["minimize", "x^2", "--from", "5", "--stps", "3"], 2, "--steps"),
        (["minimize", "x^2", "--from", "5", "--plot", "a.xyz"], 2, "must end in one of"),
        (["minimize", "x^2", "--from", "5", "--save", "a.pickle"], 2, "must end in one of"),
        (["minimize", "x^2", "--from", "5", "--save", "/no/such/folder/a.csv"], 4, "does not exist"),
        (["minimize", "log(x)", "--from", "-1"], 2, "the objective is nan at the start"),
        (["methods", "adamm"], 2, "unknown method 'adamm'"),
        (["landscapes", "rosenbork"], 2, "Did you mean 'rosenbrock'?"),
        (["minimise", "x^2"], 2, "No such command"),
        (["race", "booth", "matyas", "--from", "7,7"], 2, "each has its own start"),
        (["sweep", "booth", "--method", "rprop", "--lr", "0.1,0.2"], 2, "no hyperparameter 'lr'"),
    ],
)
def test_bad_input_is_one_message_and_no_traceback(descend: Any, arguments: list[str], code: int, says: str) -> None:
    ended, out, err = descend(*arguments)
    assert ended == code
    assert out == ""
    assert says.split(maxsplit=1)[0] in err
    assert "".join(says.split()) in "".join(err.replace("│", "").split())
    assert "Traceback" not in err


def test_debug_shows_the_traceback() -> None:
    shown = subprocess.run([sys.executable, "-m", "descend", "--debug", "minimize", "x+", "--from", "1"], capture_output=True, text=True, check=False)  # fmt: skip
    assert "Traceback" in shown.stderr
    assert "FormulaError" in shown.stderr


def test_what_cannot_be_written_does_not_take_the_result_with_it(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("descend.descent.run.saved", full)
    code, out, err = descend("minimize", "x^2", "--from", "5", "--json", "--save", str(tmp_path / "a.csv"))
    assert code == 4
    assert json.loads(out)["outcome"] == "CONVERGED"
    assert "No space left" in err


def test_files_are_written(descend: Any, tmp_path: Path) -> None:
    picture, trace = tmp_path / "a.png", tmp_path / "t.parquet"
    code, out, _ = descend(
        "minimize",
        "himmelblau",
        "--method",
        "adam",
        "--lr",
        "0.1",
        "--plot",
        str(picture),
        "--save",
        str(trace),
    )
    assert code == 0
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert pq.read_table(trace).num_rows > 50
    assert str(picture) in out.replace("\n", "")
    code, _, _ = descend("minimize", "x^2", "--from", "5", "--lr", "0.3", "--plot", str(tmp_path / "film.gif"))
    assert (tmp_path / "film.gif").read_bytes()[:3] == b"GIF"


@pytest.mark.parametrize("name", [n for n, m in catalogue().items() if m.__module__.startswith("descend.")])
def test_each_method_is_shown_with_its_formula_ranges_and_paper(descend: Any, name: str) -> None:
    code, out, _ = descend("methods", name)
    assert code == 0
    assert "Δxₜ = " in out
    method = catalogue()[name]
    assert all(str(legal) in out for legal in method.ranges().values())
    assert "".join(method.paper.split()) in "".join(out.split())
    assert name in descend("methods")[1]


@pytest.mark.parametrize("name", LANDSCAPES)
def test_each_landscape_is_shown(descend: Any, name: str) -> None:
    code, out, _ = descend("landscapes", name)
    assert code == 0
    assert all(word in out for word in ("start", "minima", "domain", "source"))
    assert name in descend("landscapes")[1]


def test_help_names_the_commands(descend: Any) -> None:
    _, out, _ = descend("--help")
    assert all(command in out for command in ("minimize", "methods", "landscapes"))


def test_the_version_is_that_of_the_package(descend: Any) -> None:
    import descend as package

    code, out, _ = descend("--version")
    assert (code, out) == (0, f"descend {package.__version__}\n")
    assert package.__version__[0].isdigit()


LONG = [
    sys.executable,
    "-m",
    "descend",
    "minimize",
    "rosenbrock",
    "--lr",
    "1e-9",
    "--tol",
    "0",
    "--steps",
    "2000000000",
    "--json",
]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(number: int, code: int, tmp_path: Path) -> None:
    marker = tmp_path / "ready"
    script = (
        "import sys, pathlib, descend.cli as cli, descend.descent.engine as engine\n"
        "run = engine.CompiledEngine.run\n"
        f"def noted(self, *a): out = run(self, *a); pathlib.Path({str(marker)!r}).touch(); return out\n"
        "engine.CompiledEngine.run = noted\n"
        f"cli.main({LONG[3:]!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < deadline:
        os.sched_yield()
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(out)["outcome"] == "INTERRUPTED"


def test_sweep_prints_the_best_lane_and_writes_table_and_picture(tmp_path: Path, descend: Any) -> None:
    target = ["--plot", str(tmp_path / "s.png"), "--save", str(tmp_path / "s.csv")]
    code, out, _ = descend("sweep", "parabola", "--lr", "0.01:10:13", "--steps", "200", *target)
    assert code == 0
    assert "13 lanes over 13 × lr" in out
    assert "The picture is in" in out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 14
    two = [
        "sweep",
        "x^2 + y^2",
        "--from",
        "3,4",
        "--method",
        "momentum",
        "--lr",
        "0.1",
        "--set",
        "mu=0:0.9:4",
        "--json",
    ]
    found = json.loads(descend(*two)[1])
    assert found["axes"] == {"mu": pytest.approx([0.0, 0.3, 0.6, 0.9])}


def test_race_prints_a_ranking(tmp_path: Path, descend: Any) -> None:
    options = ["--methods", "momentum,adam", "--steps", "60", "--rates", "0.01:1:5", "--plot", str(tmp_path / "r.svg")]
    code, out, _ = descend("race", "booth", *options)
    assert code == 0
    assert "2 methods on booth: up to 5 rates × 60 steps each" in out
    assert "<svg" in (tmp_path / "r.svg").read_text()
    found = json.loads(descend("race", "booth", "bowl", *options[:-2], "--json")[1])
    assert found["problems"] == ["booth", "bowl"]
    assert len(found["ranking"]) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sweep", "x^2", "--from", "1", "--lr", "0.1:x:5"], "low:high:count"),
        (["sweep", "x^2", "--from", "1", "--lr", "0.1:1:0"], "the count must be a whole number >= 1"),
        (["sweep", "x^2", "--from", "1", "--lr", "0.1"], "nothing to sweep"),
        (["sweep", "x^2", "--from", "1", "--lr=-1,2"], "lr must be > 0"),
        (["sweep", "x^2", "--from", "1", "--plot", "film.gif"], "must end in one of"),
        (["race", "bowl", "x^2"], "several objectives must be landscapes"),
        (
            [
                "sweep",
                "rosenbrock",
                "--method",
                "adam",
                "--set",
                "beta1=0.5,0.9",
                "--set",
                "beta2=0.5,0.9",
                "--plot",
                "s.png",
            ],
            "one axis or two",
        ),
        (["race", "bowl", "--methods", "adamm"], "Did you mean 'adam'?"),
    ],
)
def test_bad_sweeps_and_races(arguments: list[str], says: str, descend: Any) -> None:
    code, _, err = descend(*arguments)
    assert code == 2
    assert says in err


def test_a_sweep_whose_best_lane_is_no_minimum_exits_with_3(descend: Any) -> None:
    code, out, _ = descend("sweep", "x^2 - y^2", "--from", "1,0", "--lr", "0.1,0.2")
    assert code == 3
    assert "maximum or saddle" in out


def test_step_sizes_and_what_goes_around_a_method_are_shown_by_name(descend: Any) -> None:
    for name, says in (("Armijo", "Backtracking"), ("look-ahead", "arXiv:1907.08610")):
        code, out, _ = descend("methods", name)
        assert code == 0
        assert says in out


@pytest.fixture
def table(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    size, kind = draw.normal(10, 3, 300), draw.choice(["a", "b"], 300)
    price = 2 * size + 5 * (kind == "b") + 0.1 * draw.normal(size=300)
    rows = [f"{s:.4f},{k},{p:.4f}" for s, k, p in zip(size, kind, price, strict=True)]
    path = tmp_path / "table.csv"
    path.write_text("size,kind,price\n" + "\n".join(rows) + "\n")
    return path


def test_fit_predict_and_evaluate_a_table(descend: Any, table: Path, tmp_path: Path) -> None:
    model, picture, found = tmp_path / "m.descend", tmp_path / "m.png", tmp_path / "p.parquet"
    code, out, err = descend("fit", str(table), "--target", "price", "--out", str(model), "--plot", str(picture))
    assert (code, err) == (0, "")
    assert out.startswith("300 rows, 3 features of 2 columns (1 of numbers, 1 of categories)")
    assert "R² on the held-out rows" in out
    assert "Converged" in out
    assert picture.stat().st_size > 10_000
    code, out, _ = descend("evaluate", str(model), str(table), "--json")
    assert json.loads(out)["score"] > 0.99
    code, out, _ = descend("predict", str(model), str(table), "--out", str(found))
    assert code == 0
    assert pq.read_table(found).num_rows == 300
    code, out, _ = descend("predict", str(model), str(table))
    assert len(out.split()) == 300


def test_fit_a_network_to_a_table(descend: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, learning = [], plots.learning

    def seen(history: Any, name: str) -> Any:
        drawn.append(name)
        return learning(history, name=name)

    monkeypatch.setattr(plots, "learning", seen)
    model, picture = tmp_path / "m.descend", tmp_path / "m.png"
    arguments = (
        "--model",
        "network",
        "--hidden",
        "16,8",
        "--epochs",
        "200",
        "--out",
        str(model),
        "--plot",
        str(picture),
    )
    code, out, err = descend("fit", str(table), "--target", "price", *arguments)
    assert (code, err) == (0, "")
    assert "R² on the held-out rows" in out
    assert "strongest columns" not in out
    assert drawn == ["R²"]
    assert picture.stat().st_size > 10_000
    code, out, _ = descend("evaluate", str(model), str(table), "--json")
    assert json.loads(out)["score"] > 0.95
    code, out, _ = descend("predict", str(model), str(table))
    assert len(out.split()) == 300
    code, _, err = descend("fit", str(table), "--target", "price", "--model", "network", "--hidden", "many")
    assert code == 2
    assert "widths of layers" in err
    code, _, err = descend("fit", str(table), "--target", "price", "--hidden", "8")
    assert code == 2
    assert "no option 'hidden'" in err


def test_data_sets_that_are_known_by_name_can_be_predicted_and_evaluated(descend: Any, tmp_path: Path) -> None:
    model = str(tmp_path / "m.descend")
    assert descend("fit", "wine", "--out", model)[0] == 0
    code, out, _ = descend("evaluate", model, "wine", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 178)
    code, out, _ = descend("predict", model, "wine")
    assert (code, len(out.split())) == (0, 178)
    code, _, err = descend("fit", "wine", "--target", "alcohol")
    assert code == 2
    assert "is called 'target'" in err


def test_fit_with_an_l1_penalty_says_how_many_coefficients_are_zero(descend: Any, table: Path) -> None:
    code, out, err = descend("fit", str(table), "--target", "price", "--l1", "4")
    assert (code, err) == (0, "")
    assert "2 of 3 coefficients are zero" in out


def test_a_rare_class_counts_as_much_as_a_frequent_one_if_wanted(descend: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2_000, 3))
    rare = x[:, 0] + 0.7 * draw.normal(size=2_000) > 1.9
    data = tmp_path / "rare.csv"
    np.savetxt(data, np.column_stack([x, rare]), delimiter=",", header="a,b,c,rare", comments="")
    found = {}
    for weight in ((), ("--class-weight", "balanced")):
        model = tmp_path / f"{len(weight)}.descend"
        code, out, _ = descend("fit", str(data), "--target", "rare", "--out", str(model), *weight)
        assert code == 0
        assert "I cannot tell" not in out  # though the most frequent class alone would be right more often
        found[weight] = json.loads(descend("evaluate", str(model), str(data), "--json")[1])["recall"]["1"]
    assert found[()] < 0.5
    assert found["--class-weight", "balanced"] > 0.7
    assert "must be None" in descend("fit", str(data), "--target", "rare", "--class-weight", "heavy")[2]
    assert "Nothing is wrong" not in descend("fit", str(data), "--target", "rare", "--validation", "0")[1]


def test_where_there_is_no_checkpoint_yet_it_is_told(descend: Any, table: Path, tmp_path: Path) -> None:
    kept = ("--batch-size", "8", "--epochs", "2", "--checkpoint", str(tmp_path / "kept"), "--resume")
    assert "no checkpoint in" in descend("fit", str(table), "--target", "price", *kept)[1]
    assert "no checkpoint in" not in descend("fit", str(table), "--target", "price", *kept)[1]


def test_fit_as_json(descend: Any, table: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.descend"
    code, out, _ = descend(
        "fit", str(table), "--target", "kind", "--batch-size", "1", "--epochs", "3", "--json", "--out", str(model)
    )
    told = json.loads(out.splitlines()[-1])
    assert set(told) == {
        "rows",
        "rows_held_out",
        "columns",
        "estimator",
        "score",
        "loss",
        "outcome",
        "message",
        "epochs",
        "seconds",
        "model",
    }
    assert (code, told["outcome"], told["epochs"], told["rows"]) == (0, "STEPS_EXHAUSTED", 3, 300)
    assert told["model"] == str(model)
    code, out, _ = descend("predict", str(model), str(table), "--out", str(tmp_path / "p.csv"))
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == '"kind","P(kind = a)","P(kind = b)"'


@pytest.mark.parametrize("name", ["diabetes", "wine", "breast_cancer", "iris", "digits"])
def test_fit_knows_some_data_sets(descend: Any, name: str) -> None:
    code, out, _ = descend("fit", name, "--json", "--epochs", "200")
    assert code == 0
    assert json.loads(out)["score"] > (0.3 if name == "diabetes" else 0.9)


def test_fit_that_diverges_says_so_and_exits_with_3(descend: Any, table: Path) -> None:
    options = ["--no-scale", "--method", "gradient-descent", "--lr", "5", "--batch-size", "1"]
    code, out, _ = descend("fit", str(table), "--target", "price", *options)
    assert code == 3
    assert "Diverged in epoch 1" in out


def test_strange_categories_are_a_note(descend: Any, table: Path, tmp_path: Path) -> None:
    model, new = tmp_path / "m.descend", tmp_path / "new.csv"
    descend("fit", str(table), "--target", "price", "--out", str(model))
    new.write_text("size,kind\n1.5,z\n2.5,a\n")
    code, out, err = descend("predict", str(model), str(new))
    assert (code, len(out.split())) == (0, 2)
    assert err.startswith("note: column 'kind': 1 rows hold 'z', which was not there")


def test_fit_goes_on_from_a_checkpoint(descend: Any, table: Path, tmp_path: Path) -> None:
    common = ["fit", str(table), "--target", "price", "--batch-size", "8", "--json"]
    keep = ["--checkpoint", str(tmp_path / "c")]
    whole = json.loads(descend(*common, "--epochs", "6")[1])
    descend(*common, "--epochs", "2", *keep)
    again = json.loads(descend(*common, "--epochs", "6", *keep, "--resume")[1])
    assert again["loss"] == whole["loss"]
    assert descend(*common, *keep)[0] == 2
    assert descend(*common, "--resume")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["fit", "nowhere.csv", "--target", "x"], 4, "nowhere.csv does not exist"),
        (["fit", "TABLE"], 2, "give the target"),
        (["fit", "TABLE", "--target", "prize"], 2, "has no column 'prize'; it has size, kind, price. Did you mean 'price'?"),
        (["fit", "TABLE", "--target", "price", "--out", "m.pkl"], 2, "'m.pkl' must end in one of .descend, .safetensors"),
        (["fit", "TABLE", "--target", "price", "--model", "tree"], 2, "model must be one of linear, logistic, svm"),
        (["predict", "TABLE", "TABLE"], 2, "no model file"),
    ],
)  # fmt: skip
def test_bad_fits_are_told(descend: Any, table: Path, arguments: list[str], code: int, says: str) -> None:
    got, _, err = descend(*[str(table) if a == "TABLE" else a for a in arguments])
    assert got == code
    assert says in err


def pictures_of_classes(folder: Path) -> Path:
    """Bars that stand and bars that lie, as pictures in folders of classes."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for name in ("standing", "lying"):
        (folder / name).mkdir(parents=True)
        for i in range(60):
            picture = draw.integers(0, 40, (12, 12), np.uint8)
            place = draw.integers(2, 9)
            (picture if name == "lying" else picture.T)[place : place + 2, 2:10] = 230
            Image.fromarray(picture).save(folder / name / f"{i}.png")
    return folder


def test_mnist_learns_own_pictures_and_predict_tells_one(descend: Any, tmp_path: Path) -> None:
    folder = pictures_of_classes(tmp_path / "bars")
    out, plots = tmp_path / "bars.descend", tmp_path / "plots"
    code, text, error = descend(
        "mnist",
        "--data",
        str(folder),
        "--epochs",
        "30",
        "--lr",
        "0.1",
        "--json",
        "--out",
        str(out),
        "--plot",
        str(plots),
    )
    found = json.loads(text)
    assert code == 0, error
    assert found["test_accuracy"] == 1.0
    assert {"validation_accuracy", "loss", "outcome", "epochs", "seconds"} <= set(found)
    assert found["outcome"] == "STEPS_EXHAUSTED"
    assert sorted(p.name for p in plots.iterdir()) == ["confusion.png", "history.png", "weights.png", "wrong.png"]
    told = descend("predict", str(out), str(folder / "lying" / "3.png"))[1]
    assert told.split()[0] == "lying"
    refused = descend("predict", str(out), str(folder / "lying" / "3.png"), "--out", str(tmp_path / "told.csv"))
    assert (refused[0], "--out" in refused[2]) == (2, True)
    report = descend("mnist", "--data", str(folder), "--epochs", "2")[1]
    assert "% of the test images are told right" in report
    blind = descend("mnist", "--data", str(folder), "--epochs", "8", "--lr", "1e-9")
    assert (blind[0], "The learning rate is too small." in blind[1]) == (0, True)
    assert "a 144-128-2 network" in report


def test_own_pictures_of_mixed_sizes_are_learnt_told_and_scored(descend: Any, tmp_path: Path) -> None:
    from PIL import Image

    folder = pictures_of_classes(tmp_path / "bars")
    first = sorted((folder / "lying").iterdir())[0]
    with Image.open(first) as picture:
        picture.resize((30, 20)).save(first)
    code, _, error = descend("mnist", "--data", str(folder))
    assert (code, "--size" in error) == (2, True)
    out, told = tmp_path / "bars.descend", tmp_path / "told.csv"
    learnt = descend("mnist", "--data", str(folder), "--size", "12", "--epochs", "30", "--lr", "0.1", "--out", str(out))
    assert learnt[0] == 0, learnt[2]
    code, text, _ = descend("evaluate", str(out), str(folder), "--json")
    assert (code, json.loads(text)) == (0, {"rows": len(list(folder.glob("*/*.png"))), "score": 1.0})
    report = descend("evaluate", str(out), str(folder))[1]
    assert "100.00 % of" in report
    assert re.search(r"lying +\d+ +·", report), report
    assert descend("predict", str(out), str(folder / "lying"), "--out", str(told))[0] == 0
    lines = told.read_text().splitlines()
    assert lines[0] == '"picture","label","probability"'
    assert [line.split(",")[1] for line in lines[1:]] == ['"lying"'] * 60
    (folder / "lying" / "broken.png").write_bytes(b"no picture")
    code, text, error = descend("predict", str(out), str(folder / "lying"))
    assert (code, len(text.splitlines())) == (0, 60)
    assert "note: broken.png is left out: " in error
    (folder / "lying" / "broken.png").unlink()
    (folder / "strange").mkdir()
    first.rename(folder / "strange" / "1.png")
    code, _, error = descend("evaluate", str(out), str(folder))
    assert (code, "which the network does not know; it knows lying, standing" in error) == (2, True)
    code, _, error = descend("predict", str(out), str(folder))
    assert (code, "holds no pictures" in error) == (2, True)


def test_mnist_answers_what_makes_no_sense(descend: Any, tmp_path: Path) -> None:
    folder = pictures_of_classes(tmp_path / "bars")
    for arguments, code, says in (
        (("--data", tmp_path / "nowhere"), 4, "there is no directory"),
        (("--data", tmp_path), 2, "no images|fewer|no pictures"),
        (("--data", folder, "--method", "adm"), 2, "unknown method 'adm'"),
        (("--data", folder, "--lr", "fast"), 2, "a number or auto"),
        (("--data", folder, "--hidden", "12,x"), 2, "--hidden is widths"),
        (("--data", folder, "--out", "a.pickle"), 2, "must end in"),
        (("--data", folder, "--resume"), 2, "give --checkpoint FILE"),
        (("--data", folder, "--size", "big"), 2, "28 or 64x48"),
        (("--size", "28"), 2, "give --data DIR"),
        (("--data", folder, "--lr", "1e38"), 3, ""),
    ):
        came, out, error = descend("mnist", *map(str, arguments))
        assert came == code, (arguments, out, error)
        assert re.search(says, error), error


def test_explain_tells_the_cause_and_minimize_does_where_it_ends_badly(descend: Any, tmp_path: Path) -> None:
    picture = tmp_path / "sharpness.png"
    code, out, _ = descend("explain", "x^2", "--from", "5", "--lr", "1.1", "--steps", "50", "--plot", str(picture))
    assert code == 3
    assert "The learning rate is too large." in out
    assert "limit of stability: 1" in out
    assert picture.stat().st_size > 10_000
    code, out, _ = descend("explain", "x^2", "--from", "5", "--json")
    assert (code, json.loads(out)["cause"]) == (0, "HEALTHY")
    code, out, _ = descend("minimize", "x^2 - y^2", "--from", "2,0", "--lr", "0.1")
    assert code == 3
    assert "It rests on a saddle" in out


def test_a_model_that_knows_nothing_is_explained_unasked(descend: Any, tmp_path: Path) -> None:
    draw, path = np.random.default_rng(0), tmp_path / "t.csv"
    X = draw.normal(size=(500, 2))
    np.savetxt(path, np.column_stack([X, 500 * X[:, 0] + 1_000]), delimiter=",", header="a,b,price", comments="")
    options = ["--method", "gradient-descent", "--batch-size", "8", "--lr"]
    code, out, _ = descend("fit", str(path), "--target", "price", *options, "1e-7")
    assert (code, "The learning rate is too small." in out) == (3, True)
    assert "The learning rate" not in descend("fit", str(path), "--target", "price", *options, "0.01")[1]


def test_a_saved_run_is_explained(descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "run.parquet")
    assert descend("minimize", "x^2", "--from", "5", "--lr", "1.1", "--steps", "50", "--save", path)[0] == 3
    code, out, _ = descend("explain", path)
    assert (code, "The learning rate is too large." in out) == (3, True)
    code, _, error = descend("explain", str(tmp_path / "run.csv"))
    assert (code, "a .csv holds the table alone" in error) == (2, True)
    code, _, error = descend("explain", path, "--lr", "0.1", "--from", "3")
    assert (code, "is a run that was made: leave out --from, --lr" in error) == (2, True)
    code, _, error = descend("explain", "x^2", "--from", "3", "--function", "costs:loss")
    assert (code, "--function is for a run that was saved" in error) == (2, True)
    (tmp_path / "bowls.py").write_text("import numpy as np\n\ndef bowl(x):\n    return np.sum(x**2)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    from bowls import bowl  # type: ignore[import-not-found]

    minimize(bowl, [1.0, 2.0], GradientDescent(1.2), steps=40).save(path)
    code, _, error = descend("explain", path)
    assert (code, "--function MODULE:FUNCTION" in error) == (2, True)
    code, out, _ = descend("explain", path, "--function", "bowls:bowl", "--json")
    assert (code, json.loads(out)["cause"]) == (3, "RATE_TOO_LARGE")


def test_find_lr_and_check_gradient(descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = descend("find-lr", "rosenbrock", "--method", "momentum", "--json")
    assert code == 0
    assert 1e-5 < json.loads(out)["lr"] < 1e-2
    assert descend("find-lr", "-(x^2)", "--from", "1")[0] == 2
    picture = tmp_path / "rates.png"
    assert "limit of stability" in descend("find-lr", "x^2", "--from", "5", "--plot", str(picture))[1]
    assert picture.exists()
    (tmp_path / "my_costs.py").write_text(
        "def loss(x):\n    return (x**2).sum()\ndef good(x):\n    return 2 * x\ndef bad(x):\n    return 3 * x\n"
    )
    monkeypatch.chdir(tmp_path)
    code, out, _ = descend("check-gradient", "my_costs:loss", "my_costs:good", "--from", "1,2")
    assert code == 0
    assert "The gradient is right" in out
    code, out, _ = descend("check-gradient", "my_costs:loss", "my_costs:bad", "--from", "1,2")
    assert code == 3
    assert "x[1]: given 6, right 4" in out
    assert descend("check-gradient", "my_costs", "my_costs:bad", "--from", "1")[0] == 2
    assert "has no 'nothing'" in descend("check-gradient", "my_costs:nothing", "my_costs:bad", "--from", "1")[2]


def test_where_a_function_is_level_and_what_leads_where(descend: Any, tmp_path: Path) -> None:
    formula = "sin(x) + 0.1*x^2"
    code, out, _ = descend("critical-points", formula, "--domain", "-4:6")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["minimum", "minimum", "maximum"])
    code, out, _ = descend("critical-points", "himmelblau", "--json")
    assert [point["kind"] for point in json.loads(out)] == ["minimum"] * 4 + ["saddle"] * 4 + ["maximum"]
    assert descend("critical-points", "x + y", "--domain", "3:4,1:2")[1].startswith("There is none")
    picture = tmp_path / "basins.png"
    method = ("--method", "gradient-descent", "--lr", "0.1", "--plot", str(picture))
    code, out, _ = descend("basins", formula, "--domain", "-6:8", *method, "--json")
    assert [round(end["share"], 3) for end in json.loads(out)] == [0.564, 0.436]
    assert picture.stat().st_size > 0
    assert "The picture is in" in descend("basins", formula, "--domain", "−6:8", *method)[1]
    few = ("--from", "4", "--repetitions", "4", "--steps", "200", "--plot", str(picture), "--json")
    code, out, _ = descend("escape", "sin(3*x) + x^2/10", "--domain", "-5:5", *few)
    assert (code, len(json.loads(out)["ways"])) == (0, 5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["basins", "x^2"], "give the --domain"),
        (["basins", "x^2", "--domain", "3"], "low:high of each variable, -4:6 or -6:6,-6:6, got '3'"),
        (["critical-points", "x^2", "--domain", "a:b"], "got 'a:b'"),
        (["critical-points", "x^2", "--domain", "1:2:3"], "got '1:2:3'"),
        (["critical-points", "x^2", "--domain", "3:1"], "low < high"),
        (["escape", "x^2", "--from", "1", "--domain", "0:1,0:1"], "each of 1 variables"),
        (["escape", "x^2", "--from", "1", "--plot", "a.gif"], "must end in one of"),
        (["basins", "x^2", "--domain", "0:1", "--plot", "a.gif"], "must end in one of"),
    ],
)
def test_a_domain_that_makes_no_sense_is_refused(descend: Any, arguments: list[str], says: str) -> None:
    code, _, error = descend(*arguments)
    assert (code, says in error) == (2, True), error


def test_a_function_of_ones_own_is_taken_wherever_a_formula_is(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_bowls.py").write_text(
        "def bowl(x, y):\n    return (x - 1)**2 + 10 * (y + 2)**2\ndef broken(x):\n    return {}['k']\n"
    )
    code, out, _ = descend("minimize", str(tmp_path / "own_bowls.py:bowl"), "--from", "0,0", "--json")
    assert (code, json.loads(out)["x"]) == (0, pytest.approx([1, -2]))
    monkeypatch.chdir(tmp_path)
    for command in ("minimize", "sweep", "race", "find-lr", "explain"):
        chosen = ("--methods", "adam,momentum") if command == "race" else ()
        assert descend(command, "own_bowls:bowl", "--from", "0,0", *chosen)[0] == 0, command
        assert "own_bowls.py, line 4" in descend(command, "own_bowls.py:broken", "--from", "1", *chosen)[2], command
    assert "x0 is missing" in descend("minimize", "own_bowls:bowl")[2]
    for unnamed in (":bowl", "own_bowls:"):
        assert "MODULE:NAME" in descend("minimize", unnamed, "--from", "1")[2]


def test_what_fails_in_the_users_own_code_is_told_with_its_line(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_costs.py").write_text(
        "def loss(x):\n    return (x**2).sum()\n\n\ndef slope(x):\n    return [2 * x[7]]\n"
    )
    (tmp_path / "own_ruin.py").write_text("loss = 1 / 0\n")
    code, out, told = descend("check-gradient", "own_costs:loss", "own_costs:slope", "--from", "1,2")
    assert (code, out) == (2, "")
    assert "own_costs:loss or own_costs:slope failed with IndexError" in told
    assert "own_costs.py, line 6" in told
    assert "own_ruin.py, line 1" in descend("check-gradient", "own_ruin:loss", "own_costs:slope", "--from", "1")[2]


def test_a_formula_is_no_file_however_long_and_whatever_a_folder_is_called(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "booth").mkdir()
    assert descend("find-lr", "booth", "--steps", "50")[0] == 0
    assert descend("find-lr", " + ".join(["x**2"] * 100), "--from", "3", "--steps", "50")[0] == 0


def test_find_lr_for_a_model_of_a_table(descend: Any, tmp_path: Path) -> None:
    code, out, _ = descend(
        "find-lr", "diabetes", "--method", "momentum", "--batch-size", "16", "--epochs", "4", "--json"
    )
    assert code == 0
    found = json.loads(out)
    options = ["--method", "momentum", "--batch-size", "16", "--epochs", "4", "--json"]

    def loss_of(*rate: str) -> float:
        return float(json.loads(descend("fit", "diabetes", *options, *rate)[1])["loss"])

    assert loss_of("--lr", str(found["lr"])) == pytest.approx(found["fun"])  # of the same rows, with the same model
    assert found["fun"] <= min(loss_of("--lr", str(found["lr"] * factor)) for factor in (0.03, 30))
    picture = tmp_path / "rates.png"
    network = ("--model", "network", "--hidden", "4", "--epochs", "3", "--batch-size", "50")
    code, out, _ = descend("find-lr", "iris", *network, "--plot", str(picture))
    assert (code, "With it, after 3 epochs, the loss is" in out, picture.exists()) == (0, True, True)
    for arguments, says in (
        (["x^2", "--epochs", "3"], "x^2 is a formula or a landscape, and no table: leave out --epochs"),
        (["x^2", "--batch-size", "3", "--hidden", "4"], "leave out --hidden, --batch-size"),
        (["iris", "--from", "1"], "iris is a table, of which a model makes epochs: leave out --from"),
        (["nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["nowhere.csv"], "give the target"),
        (["diabetes"], "Give it a method, GradientDescent(), or a batch_size"),
    ):
        code, _, error = descend("find-lr", *arguments)
        assert (code in {2, 4}, says in error) == (True, True), error


def test_a_diagnosis_that_fails_does_not_take_the_files_with_it(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> None:
        raise ValueError("no diagnosis")

    monkeypatch.setattr("descend.descent.Run.explain", breaks)
    trace = tmp_path / "trace.csv"
    assert descend("minimize", "x^2 - y^2", "--from", "2,0", "--lr", "0.1", "--save", str(trace))[0] == 2
    assert trace.stat().st_size > 100


_OWN = """
from descend import Method
from descend.fields import positive


class Halfway(Method):
    \"\"\"A rule that nobody else has.\"\"\"

    lr: float = positive(0.1, "learning rate")

    @staticmethod
    def step(g, lr):
        return -0.5 * lr * g


class Quarter(Method):
    lr: float = positive(0.1, "learning rate")

    @staticmethod
    def step(g, lr):
        return -0.25 * lr * g
"""


def test_numbers_without_a_method_are_those_of_the_models_own(descend: Any) -> None:
    few = ("--epochs", "2", "--json")
    network = ("fit", "iris", "--model", "network", *few)
    assert "method=Adam(lr=0.03" in json.loads(descend(*network, "--lr", "0.03")[1])["estimator"]
    assert "beta1=0.8" in json.loads(descend(*network, "--set", "beta1=0.8")[1])["estimator"]
    linear = json.loads(descend("fit", "diabetes", "--lr", "0.03", *few)[1])
    assert "method=GradientDescent(lr=0.03" in linear["estimator"]


def test_a_fit_stops_early_on_rows_that_are_neither_learnt_nor_scored(descend: Any) -> None:
    code, out, _ = descend("fit", "diabetes", "--model", "network", "--epochs", "400", "--patience", "5", "--json")
    told = json.loads(out)
    assert (code, told["outcome"]) == (0, "CONVERGED")
    assert told["epochs"] < 400
    assert "stopped early" in told["message"]


def test_a_rule_of_ones_own_races_against_all_others(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_rules.py").write_text(_OWN)
    monkeypatch.chdir(tmp_path)
    options = ("--steps", "20", "--rates", "0.1,0.2,0.4", "--json")
    ranked = json.loads(descend("race", "bowl", "--own", "my_rules:Halfway", "--methods", "adam", *options)[1])
    assert {entry["method"] for entry in ranked["ranking"]} == {"Adam", "Halfway"}
    with monkeypatch.context() as patched:
        some = {name: catalogue()[name] for name in ("halfway", "momentum", "quarter")}
        patched.setattr("descend.cli.descent.catalogue", lambda: some)
        ranked = json.loads(descend("race", "bowl", "--own", "my_rules:Halfway", *options)[1])
    raced = {entry["method"] for entry in ranked["ranking"]}
    assert raced == {"Momentum", "Halfway"}, "all of the library, here one, and the one that was named"
    code, out, _ = descend("minimize", "x^2", "--from", "1", "--method", "my_rules:Halfway", "--lr", "0.5", "--json")
    assert code == 0
    assert json.loads(out)["outcome"] == "CONVERGED"
    assert "is no method" in descend("minimize", "x^2", "--from", "1", "--method", "math:sin")[2]
    assert "has no 'Nothing'" in descend("race", "bowl", "--own", "my_rules:Nothing")[2]
    assert "Δxₜ" in descend("methods", "my_rules:Halfway")[1]
    fit = ("fit", "diabetes", "--method", "my_rules:Halfway", "--json")
    assert json.loads(descend(*fit)[1])["estimator"] == "LinearRegression(method=Halfway)", "whose rate is found"
    assert "method=Halfway(lr=0.5" in json.loads(descend(*fit, "--lr", "0.5")[1])["estimator"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("minimize", "booth", "--method", "adam", "--lr", "0.1", "--save", "run.csv"),
        ("fit", "iris", "--json", "--out", "iris.descend"),
    ],
    ids=["minimize", "fit"],
)
def test_files_are_written_although_the_reader_has_had_enough(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "descend", *arguments[:-1], str(tmp_path / arguments[-1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()  # before a line is there
        assert process.wait() == 0
    assert (tmp_path / arguments[-1]).stat().st_size > 1_000


def test_a_start_is_read_with_the_minus_of_typesetting(descend: Any) -> None:
    code, out, _ = descend("minimize", "x² + 2·x", "--from", "−5", "--json")
    assert (code, round(json.loads(out)["x"][0], 6)) == (0, -1.0)


def test_a_fit_that_ends_badly_prints_the_diagnosis_unasked(descend: Any, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    draw = np.random.default_rng(0)
    table.write_text("wide,price\n" + "".join(f"{1e4 * v:.3f},{3 * v + 7:.3f}\n" for v in draw.normal(size=300)))
    options = ("--target", "price", "--no-scale", "--batch-size", "8", "--method", "gradient-descent", "--lr", "0.01")
    code, out, _ = descend("fit", str(table), *options)
    assert code == 3
    assert "The learning rate is too large.\n" in out
    assert "Cure: scale=True." in out
    assert json.loads(descend("fit", str(table), *options, "--json")[1])["outcome"] == "DIVERGED"
    code, _, error = descend("evaluate", str(tmp_path / "none.descend"), str(table))
    assert (code, "does not exist: give the file that a model was saved to" in error) == (4, True)


def test_brackets_and_dollars_in_names_are_text(descend: Any, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{'[/x]' if i % 3 else '[red]'},{2 * i + i % 7 + i % 3}\n" for i in range(300))
    (tmp_path / "t.csv").write_text("price [/kg],$b_{$,kind,y\n" + rows)
    out = tmp_path / "t.descend"
    code, text, error = descend(
        "fit", str(tmp_path / "t.csv"), "--target", "y", "--out", str(out), "--plot", str(tmp_path / "t.png")
    )
    assert (code, error) == (0, "")
    assert {"price [/kg]", "$b_{$", "kind = [/x]", "kind = [red]"} <= set(re.split(r"\s{2,}|\n ?", text))
    assert out.exists()
    assert (tmp_path / "t.png").exists()


def test_of_rare_classes_it_is_told_how_many_are_found(descend: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=2_000)
    kinds = np.where(x + 2 * draw.normal(size=2_000) > 4.6, "fraud", "ok")
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{a:.4f},{k}\n" for a, k in zip(x, kinds, strict=True)))
    code, text, _ = descend("fit", str(tmp_path / "t.csv"), "--target", "y", "--out", str(tmp_path / "t.descend"))
    assert code == 0
    assert re.search(r"of each class: fraud 0.0 % of \d+, ok 100.0 % of \d+", text)
    assert "change of the score of 'ok' per deviation" in text
    assert "of the most frequent class alone" in text.split("I cannot tell.")[1]
    found = json.loads(descend("evaluate", str(tmp_path / "t.descend"), str(tmp_path / "t.csv"), "--json")[1])
    assert found["recall"] == {"fraud": 0.0, "ok": 1.0}


def test_what_has_no_score_says_why(descend: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(10)))
    assert "no R²: one row held out is too few" in descend("fit", str(tmp_path / "t.csv"), "--target", "y")[1]
    (tmp_path / "c.csv").write_text("x,y\n" + "".join(f"{i},3\n" for i in range(80)))
    assert "no R²: the rows held out have one target" in descend("fit", str(tmp_path / "c.csv"), "--target", "y")[1]


def test_the_picture_of_a_fit_tells_how_it_ended() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=200)
    columns = pa.table({"x": 1e6 * x, "y": x})
    with pytest.warns(ConvergenceWarning, match="iverged"):
        fitted = fit_table(columns, "y", method=GradientDescent(0.1), scale=False)
    assert tables._figure(fitted, columns).get_suptitle().startswith("LinearRegression: diverged, -inf R²")
    fitted = fit_table(columns, "y")
    figure = tables._figure(fitted, columns)
    assert figure.get_suptitle() == "LinearRegression: converged, 1.0000 R² on the held-out rows"


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_of_one_column_the_picture_shows_the_rows_and_the_curve(loss: str) -> None:
    draw = np.random.default_rng(0)
    x = draw.uniform(0, 3, size=5_000)
    table = pa.table({"size": x, "price": draw.poisson(np.exp(x))})
    fitted = fit_table(table, "price", loss=loss)
    rows, curve = tables._figure(fitted, table).axes[1].lines
    assert (rows.get_label(), len(rows.get_xdata())) == ("2,000 rows", 2_000)
    np.testing.assert_allclose(curve.get_ydata(), fitted.predict(pa.table({"size": curve.get_xdata()})))
    assert (curve.axes.get_xlabel(), curve.axes.get_ylabel()) == ("size", "price")
    two = table.append_column("more", pa.array(x**2))
    bars = tables._figure(fit_table(two, "price"), two).axes[1]
    assert bars.get_title() == "Coefficients"
    gaps = pa.table({"size": [None if i % 9 == 0 else v for i, v in enumerate(x)], "price": 2 * x})
    bars = tables._figure(fit_table(gaps, "price"), gaps).axes[1]  # what is missing is a column of its own
    assert bars.get_title() == "Coefficients"


@pytest.mark.parametrize(("kind", "model"), [("logistic", LogisticRegression), ("svm", LinearClassifier)])
def test_the_help_tells_the_penalty_that_a_model_has_by_default(descend: Any, kind: str, model: type) -> None:
    assert f"of {kind} {model().l2:.4f}".rstrip("0") in " ".join(
        re.sub("[│╭╮╰╯─]", " ", descend("fit", "--help")[1]).split()
    )


def test_predictions_are_written_whole_or_not_at_all(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descend("fit", "iris", "--out", str(tmp_path / "m.descend"), "--json")
    out = tmp_path / "p.csv"
    out.write_text("of before")

    def full(table: Any, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.csv.write_csv", full)
    code, _, err = descend("predict", str(tmp_path / "m.descend"), "iris", "--out", str(out))
    assert code == 4
    assert f"No space left on device: '{out}'" in err
    assert out.read_text() == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.descend", "p.csv"]


def test_what_contradicts_itself_is_refused(descend: Any, tmp_path: Path) -> None:
    for command, says in (
        (("minimize", "x^2", "--from", "5", "--lr", "0.1", "--set", "lr=0.3"), "lr is given twice"),
        (
            ("sweep", "x^2", "--from", "5", "--method", "momentum", "--set", "mu=0:0.9:3", "--set", "mu=0.5"),
            "mu is given",
        ),
        (("sweep", "x^2", "--from", "5", "--lr", "1e-3:1:1000000000"), "more than the 1,000,000 that a sweep is for"),
        (("critical-points", "x^4-x^2", "--domain", "-2:2", "--starts", "0"), "starts must be a whole number >= 1"),
        (("minimize", "x^2", "--from", "5", "--plot", "."), "'.' must end in one of"),
    ):
        code, _, err = descend(*command)
        assert (code, says in err) == (2, True), err


def test_predictions_do_not_take_the_place_of_their_rows(descend: Any, tmp_path: Path) -> None:
    table, model = tmp_path / "rows.csv", tmp_path / "model.descend"
    table.write_text("a,t\n" + "".join(f"{i},{2 * i}\n" for i in range(10)))
    assert descend("fit", str(table), "--target", "t", "--out", str(model))[0] == 0
    before = table.read_text()
    code, _, err = descend("predict", str(model), str(table), "--out", str(table))
    assert (code, "give --out another name" in err) == (2, True)
    assert table.read_text() == before


def test_json_names_no_model_that_was_not_written(
    descend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,t\n" + "".join(f"{i},{2 * i}\n" for i in range(10)))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("descend.models.table_model.TableModel.save", full)
    code, out, err = descend("fit", str(table), "--target", "t", "--out", str(tmp_path / "m.descend"), "--json")
    assert (code, "No space left" in err) == (4, True)
    found = json.loads(out)
    assert (found["model"], found["outcome"]) == (None, "CONVERGED")


def test_basins_tell_in_json_what_is_no_minimum(descend: Any) -> None:
    _, out, _ = descend("basins", "x^4-x^2", "--domain", "-2:2", "--resolution", "11", "--json")
    assert {round(end["x"][0], 3): end["is_minimum"] for end in json.loads(out)} == {
        -0.707: True,
        0.0: False,
        0.707: True,
    }
