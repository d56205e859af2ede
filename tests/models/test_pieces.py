"""Rows that stream in blocks are kept in pieces on disk, each row once, each piece a part of all of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend import AdaGrad, LogisticRegression, MLPClassifier
from descend.models import blocks as blocks_module
from descend.models.pieces import Pieces

ROW = 8 * 4  # bytes of a row of `numbered`


def numbered(sizes: list[int]) -> Iterator[tuple[np.ndarray, ...]]:
    begin = 0
    for size in sizes:
        places = np.arange(begin, begin + size, dtype=float)
        yield np.stack([places, -places], axis=1), places, places + 1
        begin += size


def pieces_of(sizes: list[int], rows: int, seed: int = 0) -> list[list[float]]:
    """The numbers of the rows in each piece, of which each has room for so many."""
    with Pieces(numbered(sizes), sum(sizes), rows * ROW, np.random.default_rng(seed)) as pieces:
        found = []
        for X, y, weights in map(pieces.__getitem__, range(len(pieces))):
            np.testing.assert_array_equal(X, np.stack([y, -y], axis=1))
            np.testing.assert_array_equal(weights, y + 1)
            found.append(y.tolist())
        assert len(found) == len(pieces)
    return found


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 60))
def test_each_row_comes_once_with_its_target_and_weight(sizes: list[int], rows: int) -> None:
    pieces = pieces_of(sizes, rows)
    assert sorted(chain.from_iterable(pieces)) == list(range(sum(sizes)))
    lengths = [len(piece) for piece in pieces]
    assert max(lengths) <= rows
    assert max(lengths) - min(lengths) <= 1


def test_the_pieces_depend_on_the_seed_alone() -> None:
    assert pieces_of([30] * 10, 100) == pieces_of([30] * 10, 100)
    assert pieces_of([30] * 10, 100) != pieces_of([30] * 10, 100, seed=1)


def test_each_piece_is_like_the_whole() -> None:
    pieces = pieces_of([50] * 40, 400)
    assert len(pieces) == 5
    for piece in pieces:
        in_tenths = np.bincount(np.array(piece, int) // 200, minlength=10)
        np.testing.assert_array_equal(in_tenths, 40)
        assert len({int(row) % 5 for row in piece}) == 5  # chosen at random among neighbours, not every fifth


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_dtypes_and_shapes_are_kept(kind: Any) -> None:
    given = np.arange(60).reshape(10, 3, 2).astype(kind), np.arange(10, dtype=np.int32), np.empty((10, 0))
    with Pieces(iter([given]), 10, 30, np.random.default_rng(0)) as pieces:
        found = [pieces[i] for i in range(len(pieces))]
    order = np.concatenate([piece[1] for piece in found])
    for place, part in enumerate(given):
        come = np.concatenate([piece[place] for piece in found])
        assert come.dtype == part.dtype
        np.testing.assert_array_equal(come, part[order])


def sorted_blocks(rows: int = 4_000) -> tuple[Any, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(rows, 2))
    y = X[:, 0] + X[:, 1] > 0.3
    X, y = X[np.argsort(y)], np.sort(y)

    def blocks() -> Any:
        for begin in range(0, rows, 250):
            yield X[begin : begin + 250], y[begin : begin + 250]

    return blocks, X, y


def test_each_epoch_takes_the_pieces_in_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "_PIECE", 50 * ROW)
    model = SimpleNamespace(seed=0, shuffle=True)
    with blocks_module.chunks_of_blocks(model, lambda: numbered([100] * 10), lambda parts: parts[1], 1_000) as chunks:
        epochs = [[chunk.rows.tolist() for chunk in chunks(epoch)] for epoch in (0, 0, 1)]
        done = [chunk.done for chunk in chunks(0)]
        orders = [chunk.order.tolist() for chunk in chunks(0)]
    first, again, other = epochs
    assert first == again != other
    assert sorted(map(tuple, first)) == sorted(map(tuple, other))
    np.testing.assert_allclose(done, np.arange(1, 21) / 20)
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1]


def test_classes_that_come_one_after_the_other_are_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "_PIECE", 300 * ROW)  # far less than the rows of one class
    blocks, X, y = sorted_blocks()
    for kind in (
        LogisticRegression(AdaGrad(1.0), batch_size=1, epochs=1, scale=False),
        MLPClassifier(hidden=4, epochs=10),
    ):
        assert kind.fit_blocks(blocks).score(X, y) > 0.98
        in_order = kind.set_params(shuffle=False).fit_blocks(blocks)
        assert in_order.score(X, y) < 0.98


def test_the_file_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(blocks_module, "_PIECE", 300 * ROW)
    LogisticRegression(AdaGrad(1.0), batch_size=1, epochs=1).fit_blocks(sorted_blocks()[0])
    assert not [*tmp_path.iterdir()]
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000))
    monkeypatch.setattr(blocks_module, "_PIECE", 300 * ROW)
    model = LogisticRegression(AdaGrad(1.0), batch_size=1, epochs=1)
    with pytest.raises(OSError, match=r"the rows take .* GB in a temporary file, and .* has 1e-06: .*TMPDIR"):
        model.fit_blocks(sorted_blocks()[0])
    monkeypatch.setattr(blocks_module, "_PIECE", 64 << 20)
    assert model.fit_blocks(sorted_blocks()[0]).n_iter_ == 1  # all in one piece, which stays in memory


def test_a_temporary_file_lies_on_a_disk_unless_a_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from descend.models.pieces import _folder

    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert _folder() == ("/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir())  # noqa: S108
    monkeypatch.setenv("TMP", "there")
    assert _folder() == tempfile.gettempdir()


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no rows"):
        LogisticRegression().fit_blocks(lambda: iter(()))


def test_blocks_that_break_off_leave_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    spooled = tempfile.SpooledTemporaryFile

    def kept(**how: Any) -> Any:
        made.append(spooled(**how))
        return made[-1]

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", kept)

    def broken() -> Iterator[tuple[np.ndarray, ...]]:
        yield from numbered([100])
        raise RuntimeError("the connection is gone")

    with pytest.raises(RuntimeError, match="the connection is gone"):
        Pieces(broken(), 200, 50 * ROW, np.random.default_rng(0))
    assert [file.closed for file in made] == [True]
