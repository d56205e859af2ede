"""What a stranger did, and what must come of it: a right answer or a refusal, never a silent wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from descend import (
    GradientDescent,
    LinearClassifier,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    Outcome,
    TableModel,
    fit_table,
    train,
)
from descend.data import DataError

DRAW = np.random.default_rng(0)
X, TRUE = DRAW.normal(size=(600, 4)), np.array([1.0, -2.0, 3.0, 0.5])


def test_rows_of_another_form_are_refused_between_calls() -> None:
    model = LinearRegression(batch_size=1).partial_fit(X, X @ TRUE)
    with pytest.raises(ValueError, match="the rows were dense so far, and now they are sparse"):
        model.partial_fit(scipy.sparse.csr_matrix(X), X @ TRUE)
    again = LinearRegression(batch_size=8, warm_start=True).fit(scipy.sparse.csr_matrix(X), X @ TRUE)
    with pytest.raises(ValueError, match="the rows were sparse so far"):
        again.fit(X, X @ TRUE)
    before = model.coef_.copy()
    model.partial_fit(X.astype(np.float32), X @ TRUE)
    assert np.abs(model.coef_ - TRUE).max() <= np.abs(before - TRUE).max() + 1e-6


@pytest.mark.parametrize("unit", [1e-14, 1e-6, 1.0, 1e6, 1e100])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_units_of_the_target_do_not_matter(unit: float, loss: str) -> None:
    from descend.models import Huber

    model = LinearRegression(loss=Huber(unit) if loss == "huber" else loss).fit(X, unit * (X @ TRUE))
    np.testing.assert_allclose(model.coef_ / unit, TRUE, rtol=1e-6)
    assert model.outcome_ is Outcome.CONVERGED
    if unit < 1e20:
        single = LinearRegression().fit(scipy.sparse.csr_matrix(X.astype(np.float32)), unit * (X @ TRUE))
        np.testing.assert_allclose(single.coef_ / unit, TRUE, rtol=1e-3)


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_columns_beyond_the_numbers_are_refused(unit: float) -> None:
    with pytest.raises(ValueError, match="the squares of column 0 leave the range"):
        LinearRegression().fit(X * unit, X @ TRUE)
    with pytest.raises(ValueError, match="too large for float32"):
        LinearRegression().fit(X.astype(np.float32), X @ TRUE * 1e200)


def test_the_index_of_a_frame_is_no_feature() -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=np.arange(600.0)).sample(frac=1, random_state=0)
    model = fit_table(frame, "y")
    assert model.features == list("abcd")
    assert model.predict(frame.reset_index(drop=True)).shape == (600,)


def test_a_column_that_begins_empty_is_still_one_of_numbers(tmp_path: Path) -> None:
    rows = 60_000
    z = np.arange(rows) % 17
    lines = [f"{'' if i < 40_000 else i % 11},{z[i]},{2 * (i % 11) - 3 * z[i]}" for i in range(rows)]
    (tmp_path / "a.csv").write_text("x,z,y\n" + "\n".join(lines) + "\n")
    model = fit_table(tmp_path / "a.csv", "y")
    assert model.features == ["x", "x is missing", "z"]


def test_text_late_in_a_column_of_numbers_is_told_with_its_line(tmp_path: Path) -> None:
    body = "".join(f"{i % 7},{i % 5}\n" for i in range(400_000))
    (tmp_path / "a.csv").write_text("x,y\n" + body + "oops,3\n")
    with pytest.warns(UserWarning, match=r"column 'x': it holds numbers, and the text 'oops' in line 40000\d"):
        fit_table(tmp_path / "a.csv", "y")
    with pytest.raises(DataError, match=r"the target 'x' cannot be used: it holds numbers, and the text 'oops'"):
        fit_table(tmp_path / "a.csv", "x")


def test_a_category_that_looks_like_a_number_stays_one(tmp_path: Path) -> None:
    zips = np.array(["01234", "02345", "03456", "K1A"])[DRAW.integers(0, 4, 400)]
    made = {"01234": 1.0, "02345": 2.0, "03456": 4.0, "K1A": 8.0}
    table = pd.DataFrame({"zip": zips, "y": [made[z] for z in zips]})
    model = fit_table(table, "y")
    table[table["zip"] != "K1A"].to_csv(tmp_path / "new.csv", index=False)
    assert model.evaluate(tmp_path / "new.csv")["score"] > 0.999
    with pytest.warns(UserWarning, match=r"column 'zip': 2 rows hold 'ZZ', which was not there"):
        model.predict(pd.DataFrame({"zip": ["ZZ", "K1A", "ZZ"]}))


def test_evaluate_refuses_targets_that_it_cannot_know() -> None:
    table = pd.DataFrame({"x": X[:, 0], "y": np.where(X[:, 0] > 0, "yes", "no")})
    model = fit_table(table, "y")
    with pytest.raises(DataError, match="missing in some rows"):
        model.evaluate(table.assign(y=table["y"].where(table.index > 5)))
    with pytest.raises(DataError, match="holds 'maybe' in the table, which is none of the classes 'no', 'yes'"):
        model.evaluate(table.assign(y="maybe"))


def test_a_warm_start_takes_new_parameters() -> None:
    model = LinearRegression(batch_size=8, warm_start=True).fit(X, X @ TRUE)
    before = np.linalg.norm(model.coef_)
    model.set_params(method=GradientDescent(lr=0.01), l2=100.0).fit(X, X @ TRUE)
    assert np.linalg.norm(model.coef_) < 0.2 * before


def test_a_loaded_model_goes_on_learning(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=X @ TRUE)
    model = fit_table(frame, "y", l2=1e-3)
    again = TableModel.load(model.save(tmp_path / "m")).estimator
    assert again.l2 == 1e-3
    before = again.coef_.copy()
    with pytest.warns(UserWarning, match="found on 20 rows, too few to tell"):
        again.partial_fit(X[:20], (X @ TRUE)[:20])
    assert np.abs(again.coef_ - before).max() < 0.5


def test_sorted_rows_stream_as_well() -> None:
    rows = 40_000
    x = DRAW.normal(size=rows)
    table = pa.table({"x": x, "y": np.where(np.arange(rows) < rows // 2, 0.0, 2 * x)})
    streamed = fit_table(table, "y", memory=1_000, batch_size=1, epochs=3)
    assert streamed.outcome is Outcome.STEPS_EXHAUSTED


@pytest.mark.parametrize("name", ["lion", "adam", "ftrl-proximal", "momentum"])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_the_rate_of_a_method_by_name_is_found(name: str, batch_size: int | None) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LinearRegression(name, batch_size=batch_size, epochs=300 if batch_size is None else 30).fit(X, X @ TRUE)
    assert model.rate_ > 0
    assert model.score(X, X @ TRUE) > 0.97  # Lion circles the minimum


def test_a_fit_that_has_not_converged_warns() -> None:
    with pytest.warns(ConvergenceWarning, match="not yet converged"):
        LinearRegression(scale=False, epochs=50).fit(X * np.logspace(0, 6, 4), X @ TRUE)


REFUSED: list[tuple[str, Any, str]] = [
    ("dates", {"y": pd.date_range("2020-01-01", periods=600)}, "the target 'y' holds dates"),
    ("durations", {"y": pd.to_timedelta(np.arange(600), "D")}, "the target 'y' holds duration"),
    ("mixed", {"m": [1, "a"] * 300, "y": X[:, 0]}, "a column of the table cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "columns", "says"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_cannot_be_used_is_told(name: str, columns: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        fit_table(pd.DataFrame({"x": X[:, 0], **columns}), "y")


def test_two_values_that_are_no_classes_are_numbers() -> None:
    table = pd.DataFrame({"x": X[:, 0], "y": np.where(X[:, 0] > 0, 1.5, 0.5)})
    assert isinstance(fit_table(table, "y").estimator, LinearRegression)
    assert isinstance(fit_table(table.assign(y=table.y > 1), "y").estimator, LogisticRegression)


def test_options_that_there_are_not_are_told(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": X[:, 0], "y": X[:, 1]})
    with pytest.raises(TypeError, match=r"LinearRegression has no option 'epoch'; it has .*Did you mean 'epochs'"):
        fit_table(table, "y", epoch=3)
    (tmp_path / "a.t").write_text("1 1:2\n2 1:3\n3 1:3\n4 1:3\n")
    with pytest.raises(ValueError, match="leave target='x' out"):
        fit_table(tmp_path / "a.t", "x")
    with pytest.raises(ValueError, match="needs all rows at once"):
        LogisticRegression(class_weight="balanced").partial_fit(X, X[:, 0] > 0, classes=[False, True])


def test_large_whole_numbers_are_numbers() -> None:
    table = pd.DataFrame({"x": 2**60 + np.arange(300) * 2**40, "y": np.arange(300.0)})
    assert fit_table(table, "y").score > 0.99


def test_columns_of_sparse_text_count_from_where_they_did(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 3)).round(3)
    text = [f"{r @ [1, 10, 100]:.6f} 0:{r[0]} 1:{r[1]} 2:{r[2]}" for r in rows]
    (tmp_path / "a.svm").write_text("\n".join(text))
    model = fit_table(tmp_path / "a.svm")
    assert model.features == ["0", "1", "2"]
    (tmp_path / "b.svm").write_text("0 1:1\n")
    (tmp_path / "c.svm").write_text("0 0:0 1:1\n")
    np.testing.assert_allclose(model.predict(tmp_path / "b.svm"), 10, atol=1e-3)
    np.testing.assert_allclose(model.predict(tmp_path / "c.svm"), 10, atol=1e-3)


def test_a_rare_column_does_not_explode_under_its_penalty() -> None:
    dense = DRAW.normal(size=(20_000, 20)) * (DRAW.random((20_000, 20)) < 0.2)
    dense[:, 19] = 0
    dense[7, 19] = 1.0
    model = LogisticRegression(GradientDescent(0.1), batch_size=1, l2=1e-2)
    model.fit(scipy.sparse.csr_matrix(dense), dense[:, 0] > 0)
    assert np.abs(model.coef_).max() < 10


def test_a_fit_after_one_that_diverged_begins_anew() -> None:
    model = LinearRegression(GradientDescent(50.0), batch_size=1, warm_start=True, scale=False)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, X @ TRUE)
    model.set_params(method=GradientDescent(0.01)).fit(X, X @ TRUE)
    assert model.outcome_ is Outcome.STEPS_EXHAUSTED
    np.testing.assert_allclose(model.coef_, TRUE, atol=1e-2)


def test_weights_of_classes_do_not_depend_on_the_blocks() -> None:
    y = X[:, 0] + DRAW.normal(size=600) > 0

    def fitted(order: np.ndarray) -> Any:
        def blocks() -> Any:
            for begin in range(0, 600, 300):
                here = order[begin : begin + 300]
                yield X[here], y[here]

        return LogisticRegression(class_weight={False: 1, True: 50}, batch_size=8, epochs=20).fit_blocks(blocks)

    for order in (np.arange(600), np.argsort(y, kind="stable")):
        assert fitted(order).predict(X).mean() > 0.85


def test_weights_in_partial_fit_do_not_move_the_start() -> None:
    y = 100 + X @ TRUE
    model = LinearRegression(GradientDescent(1e-9), batch_size=1).partial_fit(X, y, sample_weight=np.full(600, 10.0))
    assert model.intercept_ == pytest.approx(y.mean(), rel=1e-3)


def test_an_average_is_not_moved_between_scales() -> None:
    from descend import Averaged

    model = LinearRegression(Averaged(GradientDescent(0.1)), batch_size=8)
    model.partial_fit(X, X @ TRUE)
    with pytest.raises(ValueError, match="give scale=False"):
        model.partial_fit(X, X @ TRUE)
    whole, parts = (LinearRegression(Averaged(GradientDescent(0.1)), batch_size=20, scale=False) for _ in range(2))
    whole.partial_fit(X, X @ TRUE)
    for begin in range(0, 600, 100):
        parts.partial_fit(X[begin : begin + 100], (X @ TRUE)[begin : begin + 100])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-12)


def test_small_probabilities_keep_their_digits() -> None:
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    model.coef_, model.intercept_ = np.array([[40.0, 0, 0, 0]]), np.array([0.0])
    np.testing.assert_allclose(model.predict_log_proba([[1.0, 0, 0, 0]])[0, 0], -40, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba([[1.0, 0, 0, 0]])[0, 0], np.exp(-40), rtol=1e-12)


def test_the_kind_of_model_does_not_depend_on_the_memory() -> None:
    rows = 70_000 * 2
    table = pa.table({"x": np.arange(rows) / rows, "y": np.repeat([0.0, 1.0], rows // 2)})
    assert isinstance(fit_table(table, "y", memory=1_000, epochs=1).estimator, LogisticRegression)


def test_thousands_are_not_taken_for_fractions(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("x\ty\n1,001\t1\n2,500\t2\n")
    with pytest.raises(DataError, match="'1,001', which may be thousands or a fraction"):
        fit_table(tmp_path / "a.tsv", "y")


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_forked_child_can_fit() -> None:
    import subprocess
    import sys

    code = """
import os, warnings, numpy as np
warnings.simplefilter("ignore")
from descend import LogisticRegression
X = np.random.default_rng(0).normal(size=(20_000, 3)); y = X[:, 0] > 0
LogisticRegression(epochs=3).fit(X, y)
pid = os.fork()
if pid == 0:
    LogisticRegression(epochs=3).fit(X, y)
    os._exit(0)
print(os.waitpid(pid, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "0"


def test_a_linear_model_from_its_file_goes_on_with_its_rows_form_and_scales(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"a": draw.normal(5, 2, 200), "b": draw.normal(0, 100, 200)})
    table["y"] = table.a + table.b
    fitted = fit_table(table, "y", batch_size=8)
    again = TableModel.load(fitted.save(tmp_path / "a.descend")).estimator
    more = np.array([[50.0, 3.0], [60.0, 4.0], [70.0, 9.0]])
    again.partial_fit(more, more.sum(axis=1))
    whole = np.vstack([table[["a", "b"]].to_numpy()[: fitted.rows], more])
    assert again._moments.count == len(whole)  # of all rows that were ever seen
    (tmp_path / "a.svm").write_text("".join(f"{i % 2} 1:{i} {2 + i % 2}:1\n" for i in range(40)))
    sparse = TableModel.load(fit_table(tmp_path / "a.svm", batch_size=4).save(tmp_path / "s.descend")).estimator
    sparse.partial_fit(scipy.sparse.csr_matrix([[1.0, 0, 1.0], [2.0, 1.0, 0]]), [1, 0])
    with pytest.raises(ValueError, match="the rows were sparse so far"):
        sparse.partial_fit(np.eye(3), [1, 0, 1])


@pytest.mark.parametrize("far", [1e3, 1e5, 1e7])
def test_targets_far_from_zero_are_learnt_to_their_digits(far: float) -> None:
    draw = np.random.default_rng(0)
    y = X @ TRUE + draw.standard_t(2, len(X))
    near, away = (LinearRegression(loss="huber").fit(X, y + offset) for offset in (0.0, far))
    assert away.outcome_ is Outcome.CONVERGED
    np.testing.assert_allclose(away.coef_, near.coef_, rtol=1e-13 * far, atol=1e-13 * far)
    y[0] = 1e7  # one that is far from all others is no measure
    np.testing.assert_allclose(LinearRegression(loss="huber").fit(X, y).coef_, near.coef_, atol=0.01)


def test_what_would_be_ignored_or_blamed_on_another_is_told(tmp_path: Path) -> None:
    y = (X[:, 0] > 0).astype(int)
    for model in (
        LinearRegression(resume=True, batch_size=8),
        MLPClassifier(resume=True),
        LogisticRegression(resume=True),
    ):
        with pytest.raises(ValueError, match="give checkpoint=FILE, too"):
            model.fit(X, y)
    wrong: list[tuple[Any, str]] = [
        ({0: -2, 1: 1}, "a weight >= 0, got {0: -2}"),
        ("bal", 'must be None, "balanced"'),
        ([1, 2], "must be None"),
    ]
    for weights, says in wrong:
        for kind in (LogisticRegression, MLPClassifier):
            with pytest.raises(ValueError, match=says):
                kind(class_weight=weights).fit(X, y)
    with pytest.raises(FileNotFoundError, match="there is no folder .*none: make it first"):
        MLPClassifier(epochs=1).fit(X, y).save(tmp_path / "none" / "m.descend")


@pytest.mark.parametrize("kind", [LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor])
def test_columns_of_a_frame_that_are_no_numbers_are_named(kind: Any) -> None:
    frame, y = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0)}), np.arange(60) % 2
    strange: dict[str, Any] = {
        "'x'": list("xyz") * 20,
        "'y'": pd.Categorical(list("yz") * 30),
        "2020": pd.date_range("2020", periods=60),
    }
    for held, column in strange.items():
        with pytest.raises(TypeError, match=f"column 'b' holds .*{held}.*OneHotEncoder"):
            kind().fit(frame.assign(b=column), y)
    with pytest.raises(ValueError, match="nan in row 1, column 'b', and 29 more"):
        kind().fit(frame.assign(b=pd.array([1, None] * 30, dtype="Int64")), y)


@pytest.mark.parametrize("kind", [LinearRegression, MLPRegressor])
def test_a_target_of_text_or_dates_is_none_for_a_regression(kind: Any) -> None:
    X = np.arange(60.0)[:, None]
    for y in (np.array(list("ab") * 30), np.arange(60).astype("datetime64[D]")):
        with pytest.raises(TypeError, match="the target holds '.*', which is no number: for classes"):
            kind().fit(X, y)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda f: (f, 1.0), "must return one number, got a tuple of 2"),
        (lambda f: None, "must return one number, got None"),
        (lambda f: f + 0j, "must return a real number"),
    ],
)
def test_what_is_no_loss_is_told(result: Any, says: str) -> None:
    rows = (np.ones((8, 2), np.float32), np.ones(8, np.float32))

    def loss(p: Any, X: Any, y: Any) -> Any:
        return result(jnp.mean((X @ p - y) ** 2))

    with pytest.raises(TypeError, match=says):
        train(loss, np.zeros(2, np.float32), rows)
    name: Any = "accuracy"
    with pytest.raises(TypeError, match="metric must be a function"):
        train(lambda p, X, y: jnp.mean((X @ p - y) ** 2), np.zeros(2, np.float32), rows, metric=name)


@pytest.mark.parametrize("model", [LogisticRegression, LinearClassifier, MLPClassifier])
def test_balanced_classes_count_rows_by_their_weight(model: Any) -> None:
    right = X @ TRUE + DRAW.normal(size=600) > 3
    counts = np.where(right, 10, 1)
    options = {"batch_size": None, "epochs": 40} if model is MLPClassifier else {}
    weighted = model(class_weight="balanced", **options).fit(X, right, sample_weight=counts)
    repeated = model(class_weight="balanced", **options).fit(np.repeat(X, counts, 0), np.repeat(right, counts))
    told = [m.predict_proba(X) if hasattr(m, "predict_proba") else m.decision_function(X) for m in (weighted, repeated)]
    np.testing.assert_allclose(told[0], told[1], atol=2e-3 if model is MLPClassifier else 1e-6)
