"""Model files: whole or not there, vouched for, and never a pickle."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError

from descend import (
    Adam,
    ClipNorm,
    Cosine,
    GradientDescent,
    LinearClassifier,
    LinearRegression,
    LogisticRegression,
    Method,
    Momentum,
    fit_table,
)
from descend.fields import positive
from descend.models import MLPRegressor, TableModel, files
from descend.models.files import ModelFileError, load_file, save_file

ARRAYS = {"a": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": np.arange(10.0)[::2]}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    path = save_file(tmp_path / "m", "thing", ARRAYS, {"x": [1, "two"]})
    arrays, header = load_file(path, "thing")
    assert header == {"x": [1, "two"]}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


class Trap:
    """A pickle that would act when it is opened."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def test_a_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(2, 6):
        Path("m").write_bytes(pickle.dumps(Trap(), protocol))
        with pytest.raises(ModelFileError, match="pickle"):
            load_file("m", "thing")
    assert not Path("sprung").exists()


def test_a_header_of_any_length_is_read(tmp_path: Path) -> None:
    for n in range(1_000, 1_300):  # among them lengths whose bytes are those with which a pickle begins
        path = save_file(tmp_path / "m", "thing", {}, {"x": "a" * n})
        assert load_file(path, "thing")[1] == {"x": "a" * n}


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = save_file(tmp_path / "m", "thing", ARRAYS, {"x": 1})
    whole = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        place = int(draw.integers(len(content)))
        content[place] ^= 1 << int(draw.integers(8))
        path.write_bytes(content)
        try:
            arrays, header = load_file(path, "thing")
        except ModelFileError:
            continue
        # What is let through has changed nothing: it lies in the spare room behind the header.
        assert header == {"x": 1}
        assert all((arrays[name] == ARRAYS[name]).all() for name in ARRAYS)
    for end in (0, 5, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ModelFileError):
            load_file(path, "thing")


def test_other_files_and_newer_ones_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_file(tmp_path / "m", "thing", ARRAYS, {})
    with pytest.raises(ModelFileError, match="holds a 'thing', not a 'model'"):
        load_file(path, "model")
    monkeypatch.setattr(files, "FORM", files.FORM + 1)
    save_file(path, "thing", ARRAYS, {})
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match="newer version"):
        load_file(path, "thing")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_file(tmp_path / "m", "thing", ARRAYS, {"x": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*m'"):
        save_file(path, "thing", ARRAYS, {"x": 2})
    assert load_file(path, "thing")[1] == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


class OnesOwn(Method):
    """A rule that no other process knows."""

    lr: float = positive(0.01)

    @staticmethod
    def step(g: Any, lr: Any) -> Any:
        return -lr * g


@pytest.mark.parametrize(
    "method", [None, "adam", Momentum(0.01, mu=0.8), GradientDescent(Cosine(0.02, steps=50)), ClipNorm(Adam(0.01), 1.0)]
)
def test_a_network_and_a_linear_model_train_on_with_the_method_they_were_made_with(method: Any, tmp_path: Path) -> None:
    X, y = load_diabetes(return_X_y=True)
    network = MLPRegressor(method, hidden=4, epochs=1).fit(X, y)
    assert MLPRegressor.load(network.save(tmp_path / "n.model")).method == method
    table = fit_table(load_diabetes(as_frame=True).frame, "target", method=method, batch_size=1, epochs=1)
    assert TableModel.load(table.save(tmp_path / "t.model")).estimator.method == method


@pytest.mark.parametrize("method", [ClipNorm(OnesOwn(0.01), 1.0), OnesOwn(0.01)])
def test_where_a_file_cannot_hold_the_method_none_is_made_up(method: Any, tmp_path: Path) -> None:
    X, y = load_diabetes(return_X_y=True)
    network = MLPRegressor(method, hidden=4, epochs=1).fit(X, y)
    again = MLPRegressor.load(network.save(tmp_path / "n.model"))
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    with pytest.raises(ValueError, match=r"needs its method, of which the file holds only the text, .*set_params"):
        again.partial_fit(X, y)
    assert MLPRegressor.load(again.save(tmp_path / "m.model")).method.text == repr(method)
    again.set_params(method=Adam(0.01)).partial_fit(X, y)
    linear = fit_table(load_diabetes(as_frame=True).frame, "target", method=method, batch_size=16, epochs=1)
    with pytest.raises(ValueError, match="needs its method"):
        TableModel.load(linear.save(tmp_path / "t.model")).estimator.partial_fit(X, y)


@pytest.mark.parametrize(
    "model", [LinearRegression(), LogisticRegression(class_weight={0: 1.0, 1: 2.0}), LinearClassifier()]
)
def test_a_linear_model_is_kept_in_a_file(model: Any, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    y = y if isinstance(model, LinearRegression) else (y > 140).astype(int)
    fitted = model.fit(X, y)
    again = type(model).load(fitted.save(tmp_path / "m.descend"))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.message_ == fitted.message_
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(pd.DataFrame({name: X[name] for name in reversed(X.columns)}))
    other = LinearRegression if isinstance(model, LinearClassifier) else LinearClassifier
    with pytest.raises(TypeError, match=f"holds a {type(model).__name__}: {type(model).__name__}.load reads it"):
        other.load(tmp_path / "m.descend")
    with pytest.raises(ModelFileError, match="holds a 'linear model', not a 'network'"):
        MLPRegressor.load(tmp_path / "m.descend")
    with pytest.raises(NotFittedError):
        type(model)().save(tmp_path / "n.descend")
