"""Tables as others write them: the index of pandas, blank lines, large ids, other words for the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from descend import LinearRegression, fit_table
from descend.data import DataError
from descend.data.images import open_image
from descend.data.svmlight import is_svmlight, read_svmlight

DRAW = np.random.default_rng(0)


def sorted_frame() -> pd.DataFrame:
    table = pd.DataFrame({"a": DRAW.normal(size=300)})
    table["t"] = table.a + 2 * DRAW.normal(size=300)
    table = table.sort_values("t").reset_index(drop=True)
    return table[table.a > -1]  # its index tells the target now


@pytest.mark.parametrize("write", ["to_parquet", "to_feather"])
def test_the_index_of_pandas_is_no_column(write: str, tmp_path: Path) -> None:
    table, path = sorted_frame(), tmp_path / f"table.{write[3:]}"
    getattr(table, write)(path)
    model = fit_table(path, "t")
    assert model.score == pytest.approx(fit_table(table, "t").score, rel=1e-12)
    np.testing.assert_array_equal(model.predict(path), model.predict(table))


def test_an_index_with_a_name_is_none_either(tmp_path: Path) -> None:
    table = sorted_frame().rename_axis("customer")
    table.to_parquet(tmp_path / "table.parquet")
    assert fit_table(tmp_path / "table.parquet", "t").encoder.features == ["a"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b,t\n1,2,3\n\n4,5,6\n\n7,8,9\n1,2\n3,4,5\n", 7),
        ("\n\na,b,t\n1,2,3\n\n4,5,6\n7,8,9\n1,2\n3,4,5\n", 8),
        ("a,b,t\r\n1,2,3\r\n\r\n4,5,6\r\n7,8,9\r\n1,2\r\n3,4,5\r\n", 6),
        ("sep=;\na;b;t\n1;2;3\n\n4;5;6\n7;8;9\n1;2\n3;4;5\n", 7),
    ],
)
def test_blank_lines_count_where_a_line_is_named(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DataError, match=rf"ragged.csv, line {line}: 2 fields where the header has 3"):
        fit_table(path, "t")


def test_lines_of_spaces_and_blank_ones_above_the_header_are_passed_over(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * i % 7},{2 * i}\n" for i in range(20))
    (tmp_path / "plain.csv").write_text("a,b,t\n" + rows)
    (tmp_path / "blank.csv").write_text("\n  \na,b,t\n" + rows.replace("5,4,10\n", "5,4,10\n   \n\n"))
    plain, blank = (fit_table(tmp_path / name, "t", seed=1) for name in ("plain.csv", "blank.csv"))
    np.testing.assert_array_equal(plain.predict(tmp_path / "plain.csv"), blank.predict(tmp_path / "plain.csv"))


def test_ids_beyond_the_digits_of_their_numbers_count_nothing() -> None:
    X = np.column_stack([DRAW.normal(size=(400, 2)), np.arange(400) + 2.0**60])
    y = 2 * X[:, 0] - X[:, 1] + 0.1 * DRAW.normal(size=400)
    without = LinearRegression().fit(X[:, :2], y)
    model = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.predict(X), without.predict(X[:, :2]), atol=1e-9)


def test_predictions_of_far_columns_keep_their_digits() -> None:
    X = np.column_stack([DRAW.normal(size=400), 1e13 + DRAW.normal(size=400).round(2)])
    y = X[:, 0] + 3 * (X[:, 1] - 1e13) + 0.1 * DRAW.normal(size=400)
    model = LinearRegression().fit(X, y)
    near = LinearRegression().fit(X - [0, 1e13], y)
    np.testing.assert_allclose(model.predict(X), near.predict(X - [0, 1e13]), atol=1e-6)
    model.coef_ = np.zeros(2)  # changed by hand: then that counts
    np.testing.assert_array_equal(model.predict(X), np.full(400, model.intercept_))


@pytest.mark.parametrize("other", [str.upper, {"yes": "True", "no": "False"}.get, {"yes": "1", "no": "0"}.get])
def test_the_same_in_other_words_is_refused(other: Any) -> None:
    table = pd.DataFrame({"a": DRAW.normal(size=100), "lift": np.where(np.arange(100) % 3, "yes", "no")})
    table["t"] = table.a + 5 * (table.lift == "yes")
    model = fit_table(table, "t")
    with pytest.raises(DataError, match="and held 'no', 'yes' when the model was made: the same in other words"):
        model.predict(table.assign(lift=table.lift.map(other)))
    with pytest.warns(UserWarning, match="100 rows hold 'perhaps'"):  # but what is new may well be
        model.predict(table.assign(lift="perhaps"))


def test_sparse_text_is_told_by_its_ending_or_by_a_row_that_holds_something(tmp_path: Path) -> None:
    for name, text, is_sparse in (
        ("rows", "1\n-1 2:1\n1 1:2 3:1\n", True),
        ("numbers", "1\n2\n3\n", False),
        ("rows.svm", "1\n1\n", True),
        ("rows.csv", "1 1:2\n", False),
    ):
        (tmp_path / name).write_text(text)
        assert is_svmlight(tmp_path / name) is is_sparse
    assert read_svmlight(tmp_path / "rows")[0].toarray().tolist() == [[0, 0, 0], [0, 1, 0], [2, 0, 1]]


@pytest.mark.parametrize(
    ("row", "shown"), [("1 99999999999:1", "'99999999999:1'"), ("1 1:2 3:4 3:5", "'3:5'"), ("1,2 1:1", "'1,2 1:1'")]
)
def test_an_error_in_sparse_text_shows_the_whole_piece(row: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "rows.svm").write_text(f"1 1:2\n{row}\n")
    with pytest.raises(DataError, match=f"line 2: .*, got {shown}"):
        read_svmlight(tmp_path / "rows.svm")


def test_a_picture_whose_white_is_not_known_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.arange(231, dtype=np.int32).reshape(21, 11)).save(tmp_path / "dark.tiff")
    with pytest.raises(DataError, match="not known what is white"):
        open_image(tmp_path / "dark.tiff")
