"""Tables of every kind become the same numbers; what is wrong with one is told with its place."""

from __future__ import annotations

import gzip
import re
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from sklearn.exceptions import ConvergenceWarning

from descend import GradientDescent, LinearRegression, MLPClassifier, MLPRegressor, Outcome, TableModel, fit_table
from descend.data import DataError, Encoder, source_of
from descend.insight import Cause

SHARED = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not in {SHARED}")


def frame(n: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    colour = draw.choice(["red", "green", "blue, dark"], n)
    size = draw.normal(50, 20, n).round(3)
    new = draw.random(n) < 0.5
    made = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 1000, n), "D")
    price = 3 * size + 40 * (colour == "red") + 10 * new + (made - pd.Timestamp("2020-01-01")).days * 0.1
    return pd.DataFrame({"size": size, "colour": colour, "new": new, "made": made, "price": price.round(4)})


def encoded(data: Any, target: str = "price") -> tuple[Encoder, np.ndarray, np.ndarray]:
    source = source_of(data)
    encoder = Encoder.learnt(source, target)
    X, y = (np.concatenate(column) for column in zip(*encoder.blocks(source), strict=True))
    return encoder, X, y


def written(table: pd.DataFrame, path: Path) -> Path:
    kind = path.suffixes[0]
    if kind == ".csv":
        with pa.output_stream(path, compression="detect") as file:
            file.write(table.to_csv(index=False).encode())
    elif kind == ".tsv":
        table.to_csv(path, index=False, sep="\t")
    elif kind == ".parquet":
        table.to_parquet(path, row_group_size=37)
    elif kind == ".feather":
        pa.feather.write_feather(pa.Table.from_pandas(table), path, chunksize=50)
    else:
        table.to_json(path, orient="records", lines=True, date_format="iso", date_unit="s")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.parquet", "a.feather", "a.jsonl"])
def test_every_kind_of_file_holds_the_same_numbers(tmp_path: Path, name: str) -> None:
    table = frame()
    expected = encoded(pa.Table.from_pandas(table))
    found = encoded(written(table, tmp_path / name))
    assert found[0].features == ["size", "colour = blue, dark", "colour = green", "colour = red", "new", "made"]
    np.testing.assert_allclose(found[1], expected[1])
    np.testing.assert_allclose(found[2], expected[2])


def test_tables_in_memory(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    table = frame()
    path = written(table, tmp_path / "a.parquet")
    for data in (table, polars.read_parquet(path), pa.parquet.read_table(path)):
        np.testing.assert_allclose(encoded(data)[1], encoded(path)[1])
    with pytest.raises(TypeError, match="got LazyFrame: collect\\(\\) it"):
        source_of(polars.scan_parquet(path))


def test_a_column_in_other_letters_is_offered_and_a_model_is_shown_in_a_line() -> None:
    table = frame().rename(columns={"price": "Price"})
    with pytest.raises(DataError, match="no column 'price'; it has .* Did you mean 'Price'\\?"):
        fit_table(table, "price")
    shown = repr(fit_table(table, "Price"))
    assert re.fullmatch(
        r"TableModel: LinearRegression\(\) of \d+ rows and 6 columns: CONVERGED \(score 1 on \d+ held out; .* s\)",
        shown,
    )


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",")
    np.testing.assert_allclose(encoded(tmp_path / "a.csv")[1], encoded(table)[1])


def test_several_files_are_one_table(tmp_path: Path) -> None:
    table = frame()
    for i in range(4):
        written(table[i * 100 : i * 100 + 100], tmp_path / f"part-{i}.csv")
    np.testing.assert_allclose(encoded(tmp_path / "part-*.csv")[2], table["price"])


def test_missing_values_are_filled_and_marked(tmp_path: Path) -> None:
    table = frame()
    table.loc[3, "size"] = np.nan
    table.loc[4, "colour"] = None
    for data in (table, written(table, tmp_path / "a.csv")):
        encoder, X, _ = encoded(data)
        assert encoder.features[:2] == ["size", "size is missing"]
        assert X[3, 0] == pytest.approx(table["size"].mean())
        np.testing.assert_array_equal(np.flatnonzero(X[:, 1]), [3])
        place = encoder.features.index("colour is missing")
        np.testing.assert_array_equal(np.flatnonzero(X[:, place]), [4])
        assert X[4, 2:place].sum() == 0


def test_text_that_turns_up_late_makes_a_column_text(tmp_path: Path) -> None:
    rows = 400_000
    path = tmp_path / "late.csv"
    body = "".join(f"{i % 7},{i % 5}\n" for i in range(rows))
    path.write_text("kind,price\n" + body + "unknown,3\n")
    with pytest.warns(UserWarning, match=r"the text 'unknown' in line 40000\d"):
        encoder, X, _ = encoded(path)
    assert [c.kind for c in encoder.columns] == ["category"]
    assert encoder.features == [f"kind = {v}" for v in ("0", "1", "2", "3", "4", "5", "6", "unknown")]
    assert len(X) == rows + 1
    np.testing.assert_array_equal(X.sum(axis=1), 1)


def test_a_column_of_many_words_is_hashed() -> None:
    table = pd.DataFrame({"name": [f"n{i % 400}" for i in range(500)], "price": np.arange(500.0)})
    with pytest.warns(UserWarning, match="'name' holds 400 different texts or more, which share 256 columns"):
        encoder, X, _ = encoded(table)
    assert encoder.columns[0].kind == "hashed"
    assert X.shape == (500, 256)
    np.testing.assert_array_equal(X.sum(axis=1), 1)


@pytest.mark.parametrize("rows", [30, 500])
def test_a_column_of_another_text_in_each_row_is_left_out(rows: int) -> None:
    table = pd.DataFrame({"id": [f"n{i}" for i in range(rows)], "x": np.arange(rows) % 7, "price": np.arange(rows)})
    assert encoded(table)[0].left_out == {"id": "it is another text in each row"}


def test_spaces_around_text_make_no_other_class(tmp_path: Path) -> None:
    kinds = ["Yes", "No ", " No", "Yes "] * 30
    table = pd.DataFrame({"kind": kinds, "x": np.arange(120) % 7, "told": kinds})
    table.to_csv(tmp_path / "t.csv", index=False)
    for data in (table, tmp_path / "t.csv"):
        model = fit_table(data, "told")
        assert model.estimator.classes_.tolist() == ["No", "Yes"]
        assert model.features == ["kind = No", "kind = Yes", "x"]


def test_points_for_thousands_are_no_fractions(tmp_path: Path) -> None:
    sales = [f"{value:,}".replace(",", ".") for value in (950, 2_013, 14_500, 120, 7_001, 1_204_000)]
    (tmp_path / "t.csv").write_text("sales;y\n" + "".join(f"{value};1\n" for value in sales))
    with pytest.raises(DataError, match=r"holds '2.013' in column 'sales'.* a point for thousands\?"):
        fit_table(tmp_path / "t.csv", "y")
    (tmp_path / "f.csv").write_text("weight;y\n0.950;1\n2.013;2\n14.500;3\n3;2\n1.204;1\n5.001;2\n")
    assert encoded(tmp_path / "f.csv", "y")[1].ravel().tolist() == [0.95, 2.013, 14.5, 3, 1.204, 5.001]


def test_fractions_as_text_are_refused_and_whole_numbers_are_codes() -> None:
    numbers = np.random.default_rng(0).normal(size=300)
    for column in ("x", "y"):
        table = pd.DataFrame({"x": numbers, "y": numbers})
        table[column] = [f"{value:.3f}" for value in numbers]
        with pytest.raises(DataError, match=f"'{column}' holds numbers as text, such as '-0.0"):
            fit_table(table, "y")
    codes = pd.DataFrame({"x": [f"{v % 90:05d}" for v in range(300)], "y": np.arange(300) % 90})
    assert [column.kind for column in Encoder.learnt(source_of(codes), "y").columns] == ["category"]


@pytest.mark.parametrize(
    ("column", "came", "says"),
    [
        ("when", [19_723], "column 'when' should hold dates, and holds int64"),
        ("flag", [5, 0], "column 'flag' should hold yes or no, and holds 5"),
    ],
)
def test_a_column_of_another_kind_is_refused(column: str, came: list[int], says: str) -> None:
    when = pd.date_range("2020-01-01", periods=60)
    learnt = pd.DataFrame({"when": when, "flag": np.arange(60) % 3 == 0, "y": np.arange(60.0)})
    model = fit_table(learnt, "y")
    rows = learnt.iloc[: len(came)].assign(**{column: came})
    with pytest.raises(DataError, match=says):
        model.predict(rows)


def test_a_value_that_is_missing_first_when_it_predicts_is_told() -> None:
    learnt = pd.DataFrame({"x": np.arange(60.0), "kind": ["a", "b"] * 30, "y": np.arange(60.0)})
    model = fit_table(learnt, "y")
    with pytest.warns(UserWarning, match="'x': 2 rows have no value, .* the mean stands for it"):
        model.predict(pd.DataFrame({"x": [np.nan, np.nan, 1.0], "kind": ["a", "b", "a"]}))
    with pytest.warns(UserWarning, match="'kind': 1 rows have no value, .* none of the categories"):
        model.predict(pd.DataFrame({"x": [0.0], "kind": [None]}))


Y = np.random.default_rng(0).normal(size=60)
ODD: dict[str, tuple[dict[str, Any], tuple[Any, ...], str]] = {
    "beyond 64 bits": ({"a": np.array([2**63 + 5] * 60, object)}, ("y",), "too large to convert"),
    "numbers and text": ({"a": [1, "x", 2.5] * 20}, ("y",), "Could not convert 'x'"),
    "the column itself": ({"a": Y}, (Y,), "the target is the name of a column of the table, not the column itself"),
    "numbers as classes": ({"a": Y}, ("y", "logistic"), r"numbers that are no classes \(0.12573, …\): take linear"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_makes_no_sense_is_told_in_words(name: str) -> None:
    columns, wanted, says = ODD[name]
    with pytest.raises((DataError, TypeError), match=says):
        fit_table(pd.DataFrame({**columns, "y": Y}), *wanted)


def test_a_loss_of_numbers_for_classes_is_refused() -> None:
    table = pd.DataFrame({"a": Y, "y": np.where(Y > 0, "p", "n")})
    with pytest.raises(TypeError, match="LogisticRegression has a loss of its own: loss is for linear models of num"):
        fit_table(table, "y", loss="absolute")


def test_sparse_columns_of_pandas_are_read() -> None:
    thin = pd.DataFrame({"a": pd.arrays.SparseArray(np.arange(60) % 3 / 2), "y": Y})
    assert encoded(thin, "y")[1].ravel().tolist() == (np.arange(60) % 3 / 2).tolist()


def test_a_title_above_the_names_and_the_file_that_is_odd_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Report,,\na,b,y\n1,2,3\n2,3,4\n")
    with pytest.raises(DataError, match="its first line must hold the names of the columns, and no title"):
        fit_table(tmp_path / "t.csv", "y")
    good = "a,y\n" + "".join(f"{i},{i}\n" for i in range(30))
    (tmp_path / "p1.csv").write_text(good)
    (tmp_path / "p2.csv").write_text(good + "x,3\n")
    with pytest.raises(DataError, match="p2.csv: column 'a' should hold numbers, and holds 'x'"):
        fit_table(str(tmp_path / "p*.csv"), "y")


@pytest.mark.parametrize("seed", [10, 52, 91])
def test_categories_of_which_one_follows_from_the_others_are_no_saddle(seed: int) -> None:
    draw = np.random.default_rng(seed)
    kinds, x = draw.choice(list("uvw"), 500), draw.normal(90, 25, 500)
    model = fit_table(pd.DataFrame({"x": x, "kind": kinds, "y": 3 * x + draw.normal(0, 15, 500)}), "y")
    assert model.outcome is Outcome.CONVERGED


def test_what_tells_nothing_is_left_out() -> None:
    table = frame().assign(same=1.0, word="a", empty=np.nan)
    table[""] = range(400)
    encoder = encoded(table)[0]
    assert encoder.left_out == {
        "(without a name)": "it only counts the rows",
        "same": "it is 1 in all rows",
        "word": "it is 'a' in all rows",
        "empty": "all its values are missing",
    }


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BAD: list[tuple[str, str, bytes, str]] = [
    ("empty", "a.csv", b"", "a.csv is empty"),
    ("header only", "a.csv", b"x,price\n", "has a header and no rows"),
    ("ragged", "a.csv", b"x,price\n1,2\n1,2,3\n4,5\n", "line 3: 3 fields where the header has 2|a row has 3 fields"),
    ("twice", "a.csv", b"x,x,price\n1,2,3\n", "has the column 'x' 2 times"),
    ("latin-1", "a.csv", "x,price\nä,1\nö,2\n".encode("latin-1"), "not UTF-8"),
    ("utf-16", "a.csv", "x,price\n1,1\n".encode("utf-16"), "UTF-16"),
    ("gzip cut", "a.csv.gz", gzip.compress(b"x,price\n" + b"1,2\n" * 90_000)[:-300], "cannot be read"),
    ("no parquet", "a.parquet", b"PAR1 but no more", "cannot be read as Parquet"),
    ("no target", "a.csv", b"x,y\n1,2\n3,4\n", "has no column 'price'; it has x, y"),
    ("target missing", "a.csv", b"x,price\n1,2\n3,\n4,5\n", "target 'price' is missing in row 2"),
    ("infinite", "a.csv", b"x,price\n1,2\n1e400,3\n", "'x' holds an infinite number"),
    ("nothing left", "a.csv", b"x,price\n1,2\n1,3\n", "nothing is left to learn 'price' from"),
    ("unknown kind", "a.xlsx", b"PK", "no table that is known by its ending"),
    ("gzip by another name", "a.csv", gzip.compress(b"x,price\n1,2\n"), r"compressed by gzip.*the ending \.csv\.gz"),
    ("workbook by another name", "a.csv", b"PK\x03\x04 \0 more", "an archive or a workbook"),
    ("spaces", "a.txt", b"x  price\n1  2\n3  4\n", "part them by commas, semicolons or tabs, not by spaces"),
    ("no header", "a.csv", b"1.5,2\n3,4\n", "its first line must hold the names of the columns"),
    ("comment", "a.csv", b"# by a machine\nx,price\n1,2\n", "line 2: 2 fields .* first line must hold the names"),
    ("json list", "a.json", b'[{"x": 1, "price": 2}, {"x": 3, "price": 4}]', "one object a line, and no list"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "content", "says"), BAD, ids=[b[0] for b in BAD])
def test_bad_tables_are_told(tmp_path: Path, name: str, file: str, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        fit_table(_bytes(tmp_path / file, content), "price")


def test_a_column_may_be_called_as_a_kind_of_file_begins(tmp_path: Path) -> None:
    rows = "".join(f"{i},{3 * i % 7},{i + 1}\n" for i in range(50))
    assert fit_table(_bytes(tmp_path / "a.csv", f"PAR1,BZh,price\n{rows}".encode()), "price").score > 0.99


def test_a_truncated_parquet_file_is_told(tmp_path: Path) -> None:
    path = written(frame(), tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        fit_table(path, "price")


def test_a_model_in_a_file_predicts_from_raw_rows(tmp_path: Path) -> None:
    table = frame()
    model = fit_table(table, "price")
    assert model.score > 0.999
    assert model.outcome is Outcome.CONVERGED
    again = TableModel.load(model.save(tmp_path / "a.descend"))
    other = table.drop(columns="price")[["made", "new", "colour", "size"]].assign(more=3)
    np.testing.assert_array_equal(again.predict(other), model.predict(table))
    assert again.evaluate(table)["score"] == pytest.approx(model.evaluate(table)["score"])
    strange = other.assign(colour="violet")
    with pytest.warns(UserWarning, match=r"400 rows hold 'violet', which was not there"):
        assert np.isfinite(again.predict(strange)).all()
    with pytest.raises(DataError, match="lacks the column 'size', which the model was made with"):
        again.predict(other.drop(columns="size"))
    with pytest.raises(DataError, match="column 'size' should hold numbers, and holds 'big'"):
        again.predict(other.assign(size="big"))


def test_classes_and_their_probabilities(tmp_path: Path) -> None:
    table = frame()
    table["price"] = np.where(table["price"] > table["price"].mean(), "dear", "cheap")
    model = fit_table(table, "price")
    again = TableModel.load(model.save(tmp_path / "a.descend"))
    assert set(again.predict(table)) == {"dear", "cheap"}
    np.testing.assert_allclose(again.predict_proba(table).sum(axis=1), 1)
    with pytest.raises(DataError, match="logistic"):
        fit_table(table, "price", "linear")


def test_a_table_larger_than_its_memory_streams() -> None:
    table = frame(20_000)
    whole, streamed = fit_table(table, "price"), fit_table(table, "price", memory=1_000, batch_size=1, epochs=3)
    assert isinstance(streamed.estimator, LinearRegression)
    assert streamed.rows_held_out == whole.rows_held_out
    assert streamed.score > whole.score - 1e-3


def bent(n: int = 4_000) -> pd.DataFrame:
    """What no sum of the columns can tell: a distance, in or out of a ring in one of two towns."""
    draw = np.random.default_rng(0)
    table = pd.DataFrame(
        {"x": draw.normal(0, 100, n), "y": draw.normal(0, 1e-3, n), "town": draw.choice(["a", "b"], n)}
    )
    far = np.hypot(table.x / 100, table.y / 1e-3)
    table["far"] = np.where(table.town == "a", far, -far)
    table["where"] = np.where((far > 1.2) == (table.town == "a"), "in", "out")
    return table


@pytest.mark.parametrize("memory", [512 << 20, 1_000])
def test_a_network_of_a_table_learns_what_bends(tmp_path: Path, memory: int) -> None:
    table = bent()
    numbers, classes = table.drop(columns="where"), table.drop(columns="far")
    options: dict[str, Any] = {"hidden": (32,), "epochs": 30, "memory": memory}
    network, plain = fit_table(numbers, "far", "network", **options), fit_table(numbers, "far")
    assert isinstance(network.estimator, MLPRegressor)
    assert network.estimator.batch_size == 32
    assert network.score > 0.97
    assert plain.score < 0.9
    assert network.rows_held_out == plain.rows_held_out
    told = fit_table(classes, "where", "network", **options)
    assert isinstance(told.estimator, MLPClassifier)
    assert told.is_classifier
    assert told.score > 0.94
    for fitted in (network, told):
        again = TableModel.load(fitted.save(tmp_path / "n.descend"))
        assert np.array_equal(again.predict(table), fitted.predict(table))
        assert again.evaluate(table) == fitted.evaluate(table)
        assert not again.is_linear
    assert again.predict_proba(table).shape == (4_000, 2)


def test_a_network_does_not_take_what_belongs_to_linear_models(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="MLPRegressor has no option 'l1'"):
        fit_table(frame(), "price", "network", l1=0.1)
    with pytest.raises(TypeError, match="LinearRegression has no option 'hidden'"):
        fit_table(frame(), "price", hidden=(8,))
    text = tmp_path / "a.svm"
    text.write_text("1 1:2 3:1\n0 2:1\n" * 20)
    with pytest.raises(ValueError, match="dense columns"):
        fit_table(text, model="network")
    learnt = fit_table(text, validation=0.2)
    assert learnt.rows + learnt.rows_held_out == 40
    assert learnt.rows_held_out < 20


def test_least_squares_of_a_table_that_streams_are_those_of_the_table() -> None:
    table = frame(20_000)
    cases: list[dict[str, Any]] = [{}, {"l1": 20.0}, {"l2": 0.1}]
    for options in cases:
        whole, streamed = fit_table(table, "price", **options), fit_table(table, "price", memory=1_000, **options)
        assert streamed.score == pytest.approx(whole.score, rel=1e-9)
        assert streamed.outcome is whole.outcome
        np.testing.assert_allclose(streamed.strengths(), whole.strengths(), rtol=1e-5, atol=1e-6)


def test_the_rows_held_out_are_the_same_in_each_run() -> None:
    first, second = (fit_table(frame(), "price", validation=0.25) for _ in range(2))
    assert first.rows_held_out == second.rows_held_out == pytest.approx(100, abs=25)
    assert first.score == second.score


_PEAK = """
import resource, sys
from descend import fit_table
fit_table(sys.argv[1], "price", memory=1_000, batch_size=1, epochs=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    assert resource
    peaks = []
    for times in (150_000, 300_000):
        path = written(frame(times), tmp_path / f"{times}{suffix}")
        done = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < 1.1 * peaks[0] + 32


@real
@pytest.mark.parametrize(("file", "target", "least"), [
    ("diamonds.csv", "price", 0.91), ("advertising.csv", "Sales", 0.85), ("winequality-white.csv", "quality", 0.22),
])  # fmt: skip
def test_real_tables_as_well_as_scikit_learn(file: str, target: str, least: float) -> None:
    from sklearn import linear_model

    model = fit_table(SHARED / file, target)
    assert model.outcome is Outcome.CONVERGED
    _, X, y = encoded(SHARED / file, target)
    from descend.models.held_out import are_out

    out = are_out(np.arange(len(y)), 0.2)
    theirs = linear_model.LinearRegression().fit(X[~out], y[~out]).score(X[out], y[out])
    assert model.score == pytest.approx(theirs, abs=1e-6)
    assert model.score > least


@real
def test_real_sparse_text() -> None:
    model = fit_table(SHARED / "a9a.t")
    assert model.outcome is Outcome.CONVERGED
    assert model.score > 0.84
    assert fit_table(SHARED / "a9a.t", batch_size=1).score > 0.84


DISGUISED = [
    ("currency", [f"${v:.2f}" for v in range(400)], "holds numbers that are written as text, such as '\\$0.00'"),
    ("thousands", [f'"{v:,}.5"' for v in range(900, 1_300)], "written as text, such as '1,000.5'"),
    ("percent", [f"{v / 7:.2f}%" for v in range(400)], "written as text, such as '0.00%'"),
    (
        "dates",
        [f"{1 + v % 12:02}/{1 + v % 28:02}/20{v % 90 + 10}" for v in range(400)],
        "dates that are not all written as",
    ),
    (
        "words",
        [f"{1 + v % 28} Mar {1900 + v % 99}" for v in range(400)],
        "dates that are not all written as 2020-12-31 or 31.12.2020",
    ),
    (
        "minus behind",
        [f"{v / 7:.2f}-" if v % 3 else f"{v / 7:.2f}" for v in range(400)],
        "written as text, such as '0.14-'",
    ),
    ("quotes", [f"'{v / 7:.2f}'" for v in range(400)], "written as text, such as \"'0.00'\""),
    ("underscores", [f"{v:_}" for v in range(1_000, 1_400)], "written as text, such as '1_000'"),
    ("Fortran", [f"{v:.3e}".replace("e", "D") for v in range(400)], "written as text, such as '0.000D\\+00'"),
    ("a total", [*map(str, range(399)), "TOTAL"], "holds numbers, and 'TOTAL': leave such cells empty"),
]


@pytest.mark.parametrize(("cells", "says"), [d[1:] for d in DISGUISED], ids=[d[0] for d in DISGUISED])
@pytest.mark.parametrize("as_target", [False, True])
def test_numbers_and_dates_that_look_like_text_are_refused(
    tmp_path: Path, cells: list[str], says: str, as_target: bool
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["x,other,y", *(f"{cell},{i % 7},{i}" for i, cell in enumerate(cells))]))
    with pytest.raises(DataError, match=("the target 'x' " if as_target else "column 'x' ") + ".*" + says):
        fit_table(path, "x" if as_target else "y")
    if not as_target:
        assert fit_table(path, "y", ignore=["x"]).features == ["other"]


@pytest.mark.parametrize(
    "cell",
    ["K-{:04}", "name {}", "10.0.{}.1", "{}x{}", "row{}", "{:03}-555-{:04}", "{}D{}"],
    ids=["ids", "names", "ips", "sizes", "rows", "phones", "codes"],
)
def test_text_is_text(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["x,other,y", *(f"{cell.format(i, i * 7)},{i % 7},{i % 7}" for i in range(300))]))
    assert fit_table(path, "y").score > 0.99


def test_signs_of_what_is_missing_are_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    signs = ["--", "-", ".", "na", "n.a.", " ", "missing", "#DIV/0!"]
    path.write_text("\n".join(["x,y", *(f"{signs[i // 50] if i % 50 == 9 else i},{i}" for i in range(400))]))
    model = fit_table(path, "y")
    assert model.features == ["x", "x is missing"]


def test_targets_keep_their_kind(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=200)
    table = pd.DataFrame({"x": x, "y": x > 0})
    path = written(table, tmp_path / "b.csv")
    for data in (table, path):
        model = TableModel.load(fit_table(data, "y").save(tmp_path / "m.descend"))
        assert model.predict(data).dtype == bool
        assert model.evaluate(data)["score"] > 0.9
    whole = pd.DataFrame({"x": x, "y": 3 + (x > 0)})
    model = TableModel.load(fit_table(whole, "y").save(tmp_path / "m.descend"))
    assert set(model.predict(whole).tolist()) == {3, 4}
    assert model.predict(whole).dtype == np.int64
    with pytest.raises(DataError, match="the target holds 5, which is none of the classes 3, 4"):
        model.evaluate(whole.assign(y=whole.y + 1))
    with pytest.raises(DataError, match=r"the target holds classes \(True, …\)|\(False, …\)"):
        fit_table(table, "y", "linear")


def test_a_date_that_is_missing_in_the_only_row_is_filled(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("when,y\n2020-01-01,1\n2020-01-02,2\n2020-01-05,5\n2020-01-09,9\n2020-02-01,32\n")
    (tmp_path / "p.csv").write_text('when\n""\n')
    model = fit_table(tmp_path / "d.csv", "y", validation=0.0)
    with pytest.warns(UserWarning, match="1 rows have no value"):
        assert np.isfinite(model.predict(tmp_path / "p.csv")).all()


def test_three_digits_after_a_comma_are_a_fraction_where_a_zero_is_before_it(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("x;y\n1;0,345\n2;0,812\n3;1,037\n4;1,402\n5;-0,250\n6;2,001\n")
    _, _, y = encoded(tmp_path / "e.csv", "y")
    assert y.tolist() == [0.345, 0.812, 1.037, 1.402, -0.25, 2.001]


@pytest.mark.parametrize(
    ("ignore", "says"), [(["z"], "has no column 'z'"), (["y"], "'y' is the target"), ("x", r"\['x'\]")]
)
def test_what_cannot_be_ignored(ignore: Any, says: str) -> None:
    with pytest.raises((DataError, TypeError), match=says):
        fit_table(pd.DataFrame({"x": [1.0, 2, 3], "w": [3.0, 1, 2], "y": [1.0, 2, 3]}), "y", ignore=ignore)


def test_a_column_of_intervals_is_left_out() -> None:
    x = np.linspace(0, 1, 50)
    table = pd.DataFrame({"bin": pd.cut(x, 4), "kind": pd.Categorical(np.arange(50) % 3), "x": x, "y": 2 * x})
    with pytest.warns(UserWarning, match="column 'bin' is left out: it holds"):
        model = fit_table(table, "y")
    assert model.encoder is not None
    assert ": no numbers, text or dates" in model.encoder.left_out["bin"]
    assert model.features == ["kind = 0", "kind = 1", "kind = 2", "x"]


def test_dates_that_are_written_as_text_are_dates_in_typed_tables_too(tmp_path: Path) -> None:
    days = [f"2020-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(300)]
    table = pa.table({"day": days, "y": np.arange(300.0)})
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    for data in (table, tmp_path / "a.parquet"):
        encoder = Encoder.learnt(source_of(data), "y")
        assert [column.kind for column in encoder.columns] == ["date"]
    later = pa.Table.from_batches([*table.to_batches(), *pa.table({"day": ["soon"], "y": [1.0]}).to_batches()])
    with pytest.raises(DataError, match="holds dates, and then 'soon', which is not written as 2020-12-31"):
        Encoder.learnt(source_of(later), "y")


@pytest.mark.parametrize("form", ["%d.%m.%Y", "{d}.{m}.%Y", "%Y/%m/%d", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S"])
def test_dates_in_the_forms_that_can_mean_one_thing_only(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2019-12-30", periods=200, freq="D")
    written = [day.strftime(form.format(d=day.day, m=day.month)) for day in days]
    frame = pd.DataFrame({"day": written, "y": np.arange(200.0)})
    frame.to_csv(tmp_path / "a.csv", sep=";", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for data in (frame, tmp_path / "a.csv", tmp_path / "a.jsonl"):
        encoder = Encoder.learnt(source_of(data), "y")
        assert [column.kind for column in encoder.columns] == ["date"]
        X, _ = next(iter(encoder.blocks(source_of(data))))
        assert X.ravel().tolist() == [18_260 + i for i in range(200)]


@pytest.mark.parametrize("odd", ["31.02.2024", "1.13.2024", "01.03.24"])
def test_a_date_that_does_not_exist_is_told(tmp_path: Path, odd: str) -> None:
    days = [f"{1 + i % 28}.{1 + i // 28}.2024" for i in range(60)]
    (tmp_path / "a.csv").write_text("day;y\n" + "".join(f"{day};1\n" for day in [*days, odd]))
    with pytest.raises(DataError, match=re.escape(odd)):
        fit_table(tmp_path / "a.csv", "y")


def test_categories_of_polars_and_yes_or_no_as_text_are_read(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"k": ["a", "b"] * 20, "y": np.arange(40.0)}).with_columns(pl.col("k").cast(pl.Categorical))
    frame.write_ipc(tmp_path / "k.arrow")
    for data in (frame, tmp_path / "k.arrow"):
        assert [column.categories for column in Encoder.learnt(source_of(data), "y").columns] == [["a", "b"]]
    encoder = Encoder.learnt(source_of(pa.table({"f": [True, False] * 20, "y": np.arange(40.0)})), "y")
    as_text = source_of(pa.table({"f": ["TRUE", "False"] * 20, "y": np.arange(40.0)}))
    X, _ = next(iter(encoder.blocks(as_text)))
    assert X.ravel().tolist() == [1.0, 0.0] * 20
    with pytest.raises(DataError, match="should hold booleans, and holds '(maybe|no)'"):
        next(iter(encoder.blocks(source_of(pa.table({"f": ["maybe", "no"], "y": [1.0, 2.0]})))))


def test_what_was_learnt_as_text_stays_text_also_where_only_dates_come(tmp_path: Path) -> None:
    table = pa.table({"k": ["2020-01-01", "2020-01-02", "never"] * 40, "y": np.arange(120.0) % 3})
    pa.parquet.write_table(table.filter(pa.compute.not_equal(table["k"], "never")), tmp_path / "dates.parquet")
    model = fit_table(table, "y", "linear", validation=0.0)
    whole = model.predict(table)
    dates = model.predict(tmp_path / "dates.parquet")  # a category that is not known would be warned of
    np.testing.assert_array_equal(dates, whole.reshape(-1, 3)[:, :2].ravel())


def test_a_header_may_be_longer_than_what_is_looked_at_first(tmp_path: Path) -> None:
    names = [f"a_rather_long_name_of_column_{i}" for i in range(4_000)]
    (tmp_path / "wide.csv").write_text(",".join(names) + "\n" + "\n".join(["1," * 3_999 + "2"] * 3) + "\n")
    batch = next(iter(source_of(tmp_path / "wide.csv").batches()))
    assert batch.schema.names == names
    assert batch.num_rows == 3


def test_quoted_text_may_hold_ends_of_lines(tmp_path: Path) -> None:
    """Also where a block that is read ends inside of it."""
    n = 60_000
    notes = [f"first{'!' * (i % 7)}\nsecond {i % 3}\n{'a long end ' * (i % 5)}" for i in range(n)]
    table = pd.DataFrame({"x": np.arange(n) * 0.5, "note": notes})
    table.to_csv(tmp_path / "notes.csv", index=False)
    read = pa.Table.from_batches([*source_of(tmp_path / "notes.csv").batches()])
    assert read.num_rows == n
    assert read["note"][n - 1].as_py() == table["note"].iloc[-1].strip()


@pytest.mark.parametrize("count", [101, 256])
def test_as_many_values_as_a_hash_has_columns_get_columns_of_their_own(count: int) -> None:
    values = [f"key{i % count:03}" for i in range(3_000)]
    encoder, X, _ = encoded(pd.DataFrame({"key": values, "price": np.arange(3_000.0)}))
    assert X.shape[1] == count
    assert encoder.columns[0].kind == "category"
    assert (X.sum(axis=1) == 1).all()


@pytest.mark.parametrize("written", [lambda v: str(v).replace("-", "\u2212"), lambda v: f"({-v})" if v < 0 else str(v)])
def test_numbers_below_zero_in_the_style_of_typesetters_and_accountants_are_told(written: Any) -> None:
    values = np.random.default_rng(0).normal(size=300).round(3)
    with pytest.raises(DataError, match="holds numbers that are written as text"):
        encoded(pd.DataFrame({"x": [written(v) for v in values], "price": values}))


@real
def test_a_few_rows_far_from_all_others_lower_the_rate_that_is_found() -> None:
    """Of 53,940 diamonds some are said to be 0 or 59 mm wide: with a rate that suits the others exp(…) leaps there."""
    table = pd.read_csv(SHARED / "diamonds.csv", index_col=0)
    X = pd.get_dummies(table.drop(columns="price"), dtype=float).to_numpy()
    model = LinearRegression(loss="poisson", batch_size=32).fit(X, table["price"].to_numpy(float))
    assert model.outcome_ is not Outcome.DIVERGED
    assert model.history_.loss[-1] < model.history_.loss[0]


def test_a_stranger_among_few_numbers_and_what_is_left_out_are_told() -> None:
    draw = np.random.default_rng(0)
    rooms = [*map(str, draw.integers(0, 5, 99)), "TOTAL"]
    took = pd.to_timedelta(draw.integers(1, 9, 100), "s")
    table = pd.DataFrame({"rooms": rooms, "size": draw.normal(size=100), "took": took, "price": draw.normal(size=100)})
    categories = pytest.warns(UserWarning, match="'rooms' holds numbers, and 'TOTAL': it is taken for categories")
    with pytest.warns(UserWarning, match="'took' is left out: it holds duration"), categories:
        fit_table(table, "price")
    codes = table.assign(rooms=draw.choice(["1", "2", "A", "B"], 100), took=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_table(codes, "price")


@pytest.mark.filterwarnings("ignore:diverged", "ignore:nothing learnt")
def test_a_model_of_a_table_explains_itself_with_the_table() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"wide": 1e4 * draw.normal(size=500), "narrow": draw.normal(size=500)})
    table["price"] = table["wide"] + table["narrow"]
    model = fit_table(table, "price", method=GradientDescent(0.01), batch_size=32, scale=False)
    found = model.explain(table)
    assert found.cause is Cause.RATE_TOO_LARGE
    assert found.evidence["largest columns"].startswith("wide (about 1.03e+04); the smallest is narrow")
    assert found.cure == "scale=True"
    assert model.explain().cause is Cause.RATE_TOO_LARGE
    assert not model.explain().seen


def test_rows_held_out_tell_a_model_that_has_learnt_its_rows_by_heart() -> None:
    X = np.random.default_rng(0).normal(size=(120, 90))
    table = pd.DataFrame(X, columns=[f"c{j}" for j in range(90)])
    table["y"] = X[:, 0] + np.random.default_rng(1).normal(size=120)
    model = fit_table(table, "y")
    assert model.score < -0.5
    found = model.explain(table)
    assert found.cause is Cause.OVERFITTING
    assert found.evidence["score of the rows held out"] == pytest.approx(model.score)
    better = fit_table(table, "y", l2=float(found.cure.removeprefix("l2=")))
    assert better.score > 0.1
    few = fit_table(table[["c0", "c1", "y"]], "y")
    found = few.explain(table[["c0", "c1", "y"]])
    assert found.cause in {Cause.HEALTHY, Cause.PRECISION_FLOOR}
    assert found.evidence["score of the rows held out"] == pytest.approx(few.score)


def test_a_target_far_from_all_others_is_named_and_not_called_learnt_by_heart() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame(draw.normal(size=(600, 3)), columns=list("abc"))
    table["price"] = 500 * table["a"] + 1_000 + draw.normal(size=600)
    table.loc[0, "price"] = 1e9
    model = fit_table(table, "price")
    found = model.explain(table)
    assert model.score < -10
    assert (found.cause, found.evidence["one target is far from all others"]) == (Cause.UNKNOWN, 1e9)


@pytest.mark.parametrize(("unit", "said"), [(1e6, "the largest: income"), (1e200, "the squares of income leave")])
def test_what_is_said_of_columns_of_a_table_calls_them_by_name(unit: float, said: str) -> None:
    draw = np.random.default_rng(0)
    income, age = unit * draw.normal(size=300), draw.normal(size=300)
    table = pa.table({"income": income, "age": age, "y": income / unit + age})
    with pytest.raises(ValueError, match=said) if unit > 1e100 else pytest.warns(ConvergenceWarning, match=said):
        fit_table(table, "y", method=GradientDescent(0.1), scale=unit > 1e100)


def test_times_of_day_are_left_out_and_called_by_their_name() -> None:
    hours = pa.array([3600 * k for k in range(20)], pa.int32()).cast(pa.time32("s"))
    table = pa.table({"at": hours, "x": np.arange(20.0), "y": np.arange(20.0) + 1})
    with pytest.warns(UserWarning, match="'at' is left out: it holds times of day"):
        model = fit_table(table, "y")
    assert model.encoder is not None
    assert "times of day" in model.encoder.left_out["at"]
    with pytest.raises(DataError, match="the target 'at' holds times of day"):
        fit_table(table, "at")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_ends_of_lines_are_read(tmp_path: Path, end: str) -> None:
    lines = ["a,y", *(f"{i},{2 * i + i % 3}" for i in range(50))]
    (tmp_path / "t.csv").write_bytes(end.join(lines).encode())
    found = fit_table(tmp_path / "t.csv", "y")
    assert found.rows + found.rows_held_out == 50


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.5", "%Y-%m-%dT%H:%M:%S.123456789Z"])
def test_times_of_day_are_read_alike_whatever_the_file(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2020-01-01", periods=60)
    table = pd.DataFrame({"when": days.strftime(form), "y": np.arange(60.0)})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    found = [fit_table(tmp_path / name, "y") for name in ("t.csv", "t.parquet", "t.jsonl")]
    assert all(one.features == ["when"] for one in found)
    np.testing.assert_allclose([one.estimator.coef_[0] for one in found], 1.0, rtol=1e-6)


def test_the_line_in_which_excel_names_the_delimiter_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{i};{i % 7},5;{2 * i}" for i in range(100)]
    path.write_bytes("\r\n".join(["sep=;", "a;b;y", *rows, ""]).encode())
    model = fit_table(path, "y")
    assert model.features == ["a", "b"]
    assert model.score == pytest.approx(1.0)
    path.write_text("sep=;\na;b;y\n1;2;3\n1;2\n")
    with pytest.raises(DataError, match="line 4: 2 fields where the header has 3"):
        fit_table(path, "y")


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE html><html><body>404</body></html>", "\n<html>\n", '<?xml version="1.0"?>']
)
def test_a_page_of_the_web_is_no_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match="is a page of the web, or XML, and no table"):
        fit_table(tmp_path / "a.csv", "y")


def test_an_arrow_stream_is_read_as_an_arrow_file_is(tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(100.0), "y": 2 * np.arange(100.0)})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=30)
    assert fit_table(tmp_path / "a.arrow", "y").score == pytest.approx(1.0)
    (tmp_path / "b.arrow").write_bytes(b"no arrows at all")
    with pytest.raises(DataError, match=r"b.arrow cannot be read as Arrow"):
        fit_table(tmp_path / "b.arrow", "y")


def test_what_was_left_out_is_told_with_the_model(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["name,x,same,y", *(f"K{i}-{i * 7},{i},u,{i}" for i in range(100))]))
    told = str(fit_table(path, "y"))
    assert "left out: " in told
    assert "name (it is another text in each row)" in told
    assert "same (it is 'u' in all rows)" in told
    path.write_text("\n".join(["x,y", *(f"{i},3" for i in range(100))]))
    assert "held out have one target" in str(fit_table(path, "y"))
    path.write_text("\n".join(["x,y", *(f"{i},{i}" for i in range(100))]))
    assert "left out" not in str(fit_table(path, "y"))
