"""A run that was stopped at any moment, and goes on, ends with the bits of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from descend import (
    Adam,
    Averaged,
    Cosine,
    FTRLProximal,
    GradientDescent,
    LinearRegression,
    LogisticRegression,
    Momentum,
    Outcome,
)
from descend.methods import Optax
from descend.models import checkpoint as checkpoints
from descend.models import training
from descend.models.checkpoint import Checkpoint, CheckpointError
from descend.models.files import ModelFileError, load_file, save_file

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(900, 6)) * (DRAW.random((900, 6)) < 0.5)
Y = X @ np.arange(6.0) + 0.1 * DRAW.normal(size=900)


class StopError(Exception):
    """In the place of a kill."""


def stopped_and_resumed(make: Any, data: Any, path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fit, die at the `at`-th writing, right after it, and fit again from the file."""
    written = [0]
    save = Checkpoint.save

    def save_and_die(self: Any, *args: Any, at_once: bool) -> None:
        save(self, *args, at_once=True)
        written[0] += 1
        if written[0] == at:
            raise StopError

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(StopError):
            make(checkpoint=path).fit(*data)
    return make(checkpoint=path, resume=True).fit(*data)


MADE: dict[str, Any] = {
    "Adam, a schedule": lambda **o: LinearRegression(Adam(Cosine(0.1, steps=4500)), batch_size=1, epochs=5, **o),
    "momentum, batches": lambda **o: LinearRegression(Momentum(0.01), batch_size=32, epochs=5, **o),
    "a rate that is found": lambda **o: LogisticRegression("adagrad", batch_size=8, epochs=5, **o),
    "early stopping": lambda **o: LinearRegression(Adam(0.3), batch_size=8, epochs=40, validation=0.3, patience=4, **o),
    "averaging": lambda **o: LinearRegression(Averaged(GradientDescent(0.05)), batch_size=16, epochs=5, **o),
    "sparse": lambda **o: LogisticRegression(FTRLProximal(0.1, l1=0.5), batch_size=1, epochs=5, **o),
    "classes": lambda **o: LogisticRegression(Adam(0.05), batch_size=16, epochs=5, **o),
}


@pytest.mark.parametrize("name", MADE)
def test_the_bits_are_those_of_a_run_that_was_not_stopped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_CHUNK", 200)
    target = {"a rate that is found": Y > 0, "sparse": Y > 0, "classes": np.digitize(Y, [-3, 3])}.get(name, Y)
    data = (scipy.sparse.csr_matrix(X) if name == "sparse" else X, target)
    whole = MADE[name]().fit(*data)
    for at in (1, 3, 8, 14):
        path = tmp_path / f"{at}"
        again = stopped_and_resumed(MADE[name], data, path, at, monkeypatch)
        np.testing.assert_array_equal(again.coef_, whole.coef_)
        np.testing.assert_array_equal(again.intercept_, whole.intercept_)
        np.testing.assert_array_equal(again.history_.loss, whole.history_.loss)
        assert again.message_ == whole.message_
        assert (np.diff(again.history_.seconds) >= 0).all()


_KILLED = """
import sys, numpy as np
from descend import Adam, LinearRegression
from descend.models import training
training._CHUNK = 2_000
draw = np.random.default_rng(0)
X = draw.normal(size=(20_000, 5)); y = X @ np.arange(5.0)
model = LinearRegression(Adam(0.01), batch_size=1, epochs=12, checkpoint=sys.argv[1], resume=True)
import descend.models.checkpoint as c
start = c.Checkpoint.__init__
c.Checkpoint.__init__ = lambda self, path, about, **o: start(self, path, about, **{**o, "every": 0.0})
print("begun", flush=True)
model.fit(X, y)
print(model.coef_.tobytes().hex())
"""


def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    def begin(path: Path) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, text=True)

    expected = begin(tmp_path / "whole").communicate()[0].split()[-1]
    path, draw, kills = tmp_path / "killed", np.random.default_rng(0), 0
    for _ in range(60):
        process = begin(path)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            out = process.communicate(timeout=float(draw.uniform(0.05, 0.3)))[0]
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            if kills == 3:
                out = begin(path).communicate()[0]
            else:
                continue
        assert out.split()[-1] == expected
        break
    assert kills > 0


def test_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    make = MADE["momentum, batches"]
    make(checkpoint=path).fit(X, Y)
    with pytest.raises(CheckpointError, match="is there already: resume=True"):
        make(checkpoint=path).fit(X, Y)
    with pytest.raises(CheckpointError, match=r"of another training \(l2: '0.0' → '0.5'\)"):
        make(checkpoint=path, resume=True, l2=0.5).fit(X, Y)
    with pytest.raises(CheckpointError, match=r"of another training \(.*data"):
        make(checkpoint=path, resume=True).fit(X + 1, Y)
    with pytest.raises(CheckpointError, match=r"dtype: 'float64' → 'float32'"):
        make(checkpoint=path, resume=True).fit(X.astype(np.float32), Y)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelFileError):
        make(checkpoint=path, resume=True).fit(X, Y)
    with pytest.raises(FileNotFoundError, match="the folder of the checkpoint does not exist"):
        make(checkpoint=tmp_path / "none" / "c").fit(X, Y)
    with pytest.raises(ValueError, match="training in batches"):
        LinearRegression(checkpoint=path).fit(X, Y)


def test_what_another_version_trained_in_another_way_is_refused(tmp_path: Path) -> None:
    path, make, classes = tmp_path / "c", MADE["classes"], np.digitize(Y, [-3, 3])
    make(checkpoint=path).fit(X, classes)
    arrays, header = load_file(path, "training")
    arrays["trainer.leaf 0"] = arrays.pop("trainer.state")
    save_file(path, "training", arrays, header)
    with pytest.raises(CheckpointError, match="trained in another way: begin anew"):
        make(checkpoint=path, resume=True).fit(X, classes)


def test_two_runs_do_not_write_one_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with Checkpoint(path, {}, resume=False), pytest.raises(CheckpointError, match="another run is writing"):
        MADE["momentum, batches"](checkpoint=path).fit(X, Y)


def test_more_epochs_go_on_from_an_end(tmp_path: Path) -> None:
    def make(epochs: int, **options: Any) -> Any:
        return LinearRegression(Adam(0.01), batch_size=1, epochs=epochs, **options)

    make(3, checkpoint=tmp_path / "c").fit(X, Y)
    more = make(7, checkpoint=tmp_path / "c", resume=True).fit(X, Y)
    np.testing.assert_array_equal(more.coef_, make(7).fit(X, Y).coef_)


def test_ctrl_c_ends_it_between_two_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_CHUNK", 100)
    save = Checkpoint.save
    calls = [0]

    def save_and_interrupt(self: Any, *args: Any, at_once: bool) -> None:
        calls[0] += 1
        if calls[0] == 5:
            signal.raise_signal(signal.SIGINT)
        save(self, *args, at_once=at_once)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.Checkpoint, "save", save_and_interrupt)
        model = MADE["momentum, batches"](checkpoint=tmp_path / "c").fit(X, Y)
    assert model.outcome_ is Outcome.INTERRUPTED
    assert "interrupted in epoch 1" in model.message_
    assert np.isfinite(model.coef_).all()


def test_what_stopped_early_stays_so(tmp_path: Path) -> None:
    make = MADE["early stopping"]
    first = make(checkpoint=tmp_path / "c").fit(X, Y)
    again = make(checkpoint=tmp_path / "c", resume=True).fit(X, Y)
    np.testing.assert_array_equal(again.coef_, first.coef_)
    assert again.message_ == first.message_


def test_a_training_by_optax_goes_on_in_another_process(tmp_path: Path) -> None:
    optax = pytest.importorskip("optax")
    code = """
import sys, numpy as np, optax
from descend import MLPRegressor
X = np.random.default_rng(0).normal(size=(120, 3))
model = MLPRegressor(optax.adam(float(sys.argv[3])), hidden=4, epochs=int(sys.argv[2]), checkpoint=sys.argv[1], resume=True)
print(model.fit(X, X[:, 0]).history_.loss[-1].hex())
"""

    def run(epochs: int, rate: float = 0.01, file: str = "a") -> Any:
        arguments = [str(tmp_path / file), str(epochs), str(rate)]
        return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)

    assert run(2).returncode == 0
    went_on, at_once = run(4), run(4, file="b")
    assert went_on.returncode == 0, went_on.stderr
    assert went_on.stdout == at_once.stdout != ""
    other = run(6, rate=0.02)
    assert "is of another training" in other.stderr
    assert repr(Optax(optax.adam(0.01))) != repr(Optax(optax.adam(0.02)))
