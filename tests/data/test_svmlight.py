"""Sparse text: equal to scikit-learn's reader, strict, with the line of an error."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from descend.data import DataError, svmlight
from descend.data.svmlight import is_svmlight, read_svmlight


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.dictionaries(st.integers(1, 50), st.floats(allow_nan=False, allow_infinity=False), max_size=5),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_numbers_are_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, dict[int, float]]]
) -> None:
    path = tmp_path_factory.mktemp("svm") / "a.svm"
    lines = [f"{label!r} " + " ".join(f"{k}:{v!r}" for k, v in sorted(row.items())) for label, row in rows]
    path.write_text("\n".join(lines))
    X, y = read_svmlight(path, 50)
    np.testing.assert_array_equal(y, [label for label, _ in rows])
    for i, (_, row) in enumerate(rows):
        found = X[[i]].tocoo()
        assert dict(zip((found.col + 1).tolist(), found.data.tolist(), strict=True)) == row


def test_it_reads_what_scikit_learn_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(700, 30)) * (draw.random((700, 30)) < 0.2)
    y = draw.normal(size=700)
    for zero_based in (True, False):
        file = io.BytesIO()
        dump_svmlight_file(X, y, file, zero_based=zero_based, comment="a comment")
        plain, packed = tmp_path / "a.svm", tmp_path / "a.svm.gz"
        plain.write_bytes(file.getvalue())
        packed.write_bytes(gzip.compress(file.getvalue()))
        theirs = load_svmlight_file(str(plain), n_features=30, zero_based=zero_based)
        for block in (100, 4 << 20):  # whatever the blocks
            monkeypatch.setattr(svmlight, "_BLOCK", block)
            for path in (plain, packed):
                ours = read_svmlight(path, 30)
                assert abs(ours[0] - theirs[0]).max() == 0
                np.testing.assert_array_equal(ours[1], theirs[1])


BAD = [
    ("1 1:2\nx 1:2\n", r"line 2: a number was expected, got 'x 1:2'"),
    ("1 1:2\n# all\n\n1 a:2\n", r"line 4: a column number and a colon were expected"),
    ("1 3:1 2:1\n", r"line 1: column numbers must rise along a line"),
    ("1 1:1 1:2\n", r"line 1: column numbers must rise"),
    ("1 1:1e999\n", r"line 1: the value is not finite"),
    ("1 99999999999:1\n", r"line 1: the column number is too large"),
    ("1 1:2.5.1\n", r"line 1: a number was expected"),
    ("1 1:nan\n", r"line 1: a number was expected"),
    ("1 1:1e\n", r"line 1: a number was expected"),
    ("# nothing\n", r"has no rows"),
]


@pytest.mark.parametrize(("text", "says"), BAD, ids=[b[0].strip()[:12] for b in BAD])
def test_bad_lines_are_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.svm"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        read_svmlight(path)


def test_it_is_known_by_its_first_line(tmp_path: Path) -> None:
    for text, expected in (("# c\n+1 1:0.5 7:1 # end\n", True), ("a,b\n1,2\n", False), ("1 2 3\n", False)):
        path = tmp_path / "data.t"
        path.write_text(text)
        assert is_svmlight(path) is expected


def test_more_columns_than_are_known_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.svm"
    path.write_text("1 9:1\n")
    with pytest.raises(DataError, match="has column 9, but only 5 columns are known"):
        read_svmlight(path, 5)


def test_a_column_far_beyond_all_others_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.svm"
    path.write_text("# c\n1 1:0.5 3:1\n\n2 2:1 999999999:1\n3 1:1\n")
    with pytest.raises(DataError, match=r"a.svm, row 2: column 999999999, where the others end at 3"):
        read_svmlight(path)
    path.write_text("1 1:0.5 3:1\n2 999999999:1\n")
    with pytest.raises(DataError, match="row 2"):
        read_svmlight(path)
    path.write_text("1 1:0.5 9000000:1\n2 16777215:1\n")  # as hashes make them
    assert read_svmlight(path)[0].shape == (2, 16777215)
