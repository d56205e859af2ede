"""`descend fit`, `descend predict`, `descend evaluate`: models of tables."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from descend.cli.app import app, exit_code
from descend.cli.options import (
    AsJson,
    BatchSize,
    Epochs,
    Hidden,
    Kind,
    Patience,
    Picture,
    Resume,
    Settings,
    Target,
    WrittenModel,
)
from descend.cli.pictures import evaluate_pictures, tell_picture, tell_pictures
from descend.cli.values import (
    MODELS,
    PICTURES,
    BadInputError,
    Files,
    check_target,
    finite,
    may_be_cut,
    method_class,
    method_of,
    print_of_written,
    widths,
    write_files,
)
from descend.descent import Outcome
from descend.methods import Adam, GradientDescent, Method

Data = Annotated[str, typer.Argument(metavar="DATA", help="CSV, TSV, Parquet, Feather, JSON lines, LIBSVM; also .gz")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A file that descend fit or descend mnist has written.")]

_MOST_CLASSES = 10  # of which each is told
_NOTHING = 0.01  # R²: so little is chance
_BUNDLED = ("diabetes", "breast_cancer", "wine", "iris", "digits")


def default_method(model: str | None) -> type[Method]:
    """The method of which numbers are meant that come without its name."""
    return Adam if model == "network" else GradientDescent


@app.command("fit")
def fit_command(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help=f"A table (CSV, Parquet, …), sparse text, or {', '.join(_BUNDLED)}.")
    ],
    target: Target = None,
    model: Kind = None,
    hidden: Hidden = None,
    method: Annotated[
        str | None, typer.Option(help="See descend methods. Default: one that needs no tuning; of a network Adam.")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate; without --method of gradient descent, of a network Adam. Default: found for --method "
            "without --set."
        ),
    ] = None,
    settings: Settings = None,
    loss: Annotated[str | None, typer.Option(help="squared, absolute, huber:2, quantile:0.9, poisson; hinge")] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: a rare class counts as much as a frequent one.")
    ] = None,
    l2: Annotated[
        float | None, typer.Option(help="L2 penalty. Default: of logistic 0.0001, of svm 0.001, else 0.")
    ] = None,
    l1: Annotated[float | None, typer.Option(help="L1 penalty: makes coefficients exactly zero.")] = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    patience: Patience = None,
    validation: Annotated[float, typer.Option(help="The share of rows held out for the score.")] = 0.2,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out. May repeat.")] = None,
    no_scale: Annotated[bool, typer.Option("--no-scale", help="Do not standardise the columns.")] = False,
    seed: Annotated[int, typer.Option(help="Of the order of the rows.")] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep the state of training in batches in this file, written on the way.")
    ] = None,
    resume: Resume = False,
    out: WrittenModel = None,
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Learn one column of a table from the others, by gradient descent: a linear model, or a network."""
    from descend.models.table_model import summary
    from descend.models.tables import fit_table

    check_target(plot, PICTURES)
    check_target(out, MODELS)
    given: dict[str, Any] = {"loss": loss, "l2": l2, "l1": l1, "batch_size": batch_size, "epochs": epochs, "seed": seed}
    given |= {"patience": patience, "class_weight": class_weight}
    options = {key: value for key, value in given.items() if value is not None}
    options["scale"] = not no_scale
    if hidden is not None:
        options["hidden"] = widths(hidden)
    if checkpoint is not None:
        options |= {"checkpoint": str(checkpoint), "resume": resume}
        if resume and not checkpoint.exists() and not as_json:
            print(f"There is no checkpoint in {checkpoint} yet: training begins anew.")
    elif resume:
        raise BadInputError("--resume goes on from a checkpoint: give --checkpoint FILE, too")
    if method is not None and lr is None and not settings:
        options["method"] = method_class(method)  # whose rate is found
    elif method is not None or lr is not None or settings:
        options["method"] = method_of(method, lr, settings or [], default_method(model))
    table, column = opened(data, target)
    with notes():
        fitted = fit_table(table, column, model, validation=validation, ignore=ignore or (), **options)
    files: Files = [("model", out, fitted.save), ("picture", plot, partial(_draw, fitted, table))]
    if as_json:
        print_of_written(summary(fitted), "model", out, files)
    else:
        with may_be_cut():
            _report(fitted)
        write_files(files)
    if (_code(fitted) == 3 or _knows_nothing(fitted)) and not as_json:
        with notes():
            print(f"\n{fitted.explain(table, validation=validation)}")
    raise typer.Exit(_code(fitted))


@app.command("predict")
def predict_command(
    model: Model,
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A table, sparse text, a picture (.png, .jpg, …), or a directory of them."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write to this .csv or .parquet. Default: print.")] = None,
) -> None:
    """Predict the target of each row of a table, or what is on a picture, or on each of a directory."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from descend.data.images import is_picture
    from descend.models.files import in_place_of
    from descend.models.table_model import TableModel

    check_target(out, {".csv", ".parquet"})
    if out is not None and out.exists() and Path(data).exists() and out.samefile(data):
        raise BadInputError(f"{out} holds the rows that are to be predicted: give --out another name")
    if is_picture(data):
        if out is not None:
            raise BadInputError("what is on one picture is printed: leave --out away")
        tell_picture(model, Path(data))
        return
    if Path(data).is_dir():
        columns = tell_pictures(model, Path(data))
        lines = [f"{name}  {label}  {share:.4f}" for name, label, share in zip(*columns.values(), strict=True)]
    else:
        fitted = TableModel.load(model)
        name = fitted.encoder.target if fitted.encoder is not None else "label"
        table_given = _table(data)
        with notes():
            _warn_of(fitted)
            columns = {name: fitted.predict(table_given)}
            if hasattr(fitted.estimator, "predict_proba"):
                shares = fitted.predict_proba(table_given)
                columns |= {f"P({name} = {c})": shares[:, i] for i, c in enumerate(fitted.estimator.classes_.tolist())}
        lines = columns[name].tolist()
    table = pa.table(columns)
    if out is None:
        for line in lines:
            print(line)
        return
    with in_place_of(out) as temporary:
        (pa.parquet.write_table if out.suffix == ".parquet" else pa.csv.write_csv)(table, temporary)
    print(f"{len(table):,} predictions are in {out}.")


@app.command("evaluate")
def evaluate_command(model: Model, data: Data, as_json: AsJson = False) -> None:
    """Score a model on other rows whose target is known; a network of images on a directory of pictures by class."""
    from descend.models.table_model import TableModel

    if Path(data).is_dir():
        evaluate_pictures(model, Path(data), as_json=as_json)
        return
    fitted = TableModel.load(model)
    with notes():
        _warn_of(fitted)
        found = fitted.evaluate(_table(data))
    if as_json:
        print(json.dumps(finite(found)))
        return
    recalls = found.pop("recall", {})
    for name, value in found.items():
        print(
            f"{name.replace('_', ' '):<24}{value:,}" if name == "rows" else f"{name.replace('_', ' '):<24}{value:.6g}"
        )
    for name, value in recalls.items():
        print(f"{'recall of ' + name:<24}{value:.6g}")


def _code(fitted: Any) -> int:
    """The exit code: a fit to the precision of the numbers is a good one."""
    return 0 if fitted.outcome is Outcome.PRECISION_FLOOR else exit_code(fitted.outcome)


def _warn_of(fitted: Any) -> None:
    if _code(fitted) == 3:
        warnings.warn(f"training of this model ended badly: {fitted.estimator.message_}", UserWarning, stacklevel=2)


@contextlib.contextmanager
def notes() -> Iterator[None]:
    """Print what the data gave cause to warn of, once; how training ended is reported anyway."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(w.message) for w in told if type(w.message) is UserWarning):
        print(f"note: {text}", file=sys.stderr)


def _is_bundled(data: str) -> bool:
    return data in _BUNDLED and not Path(data).exists()


def is_table(data: str) -> bool:
    """Whether that names a table, and not a formula or a landscape."""
    # Not `Path.is_file`: a long formula is no legal name of a file, and an error there.
    return _is_bundled(data) or os.path.isfile(data) or Path(data).suffix[1:].isalpha()


def opened(data: str, target: str | None) -> tuple[Any, str | None]:
    """The table of that name, and the column to predict."""
    return (_table(data), _name_of_target(data, target)) if _is_bundled(data) else (data, target)


def _name_of_target(name: str, given: str | None) -> str:
    """The column to predict of a data set that comes with scikit-learn."""
    if given not in {None, "target"}:
        raise BadInputError(f"the target of {name} is called 'target', got {given!r}")
    return "target"


def _table(data: str) -> Any:
    """A file, or the table of a data set that comes with scikit-learn."""
    if not _is_bundled(data):
        return data
    import pyarrow as pa
    from sklearn import datasets

    found = getattr(datasets, f"load_{data}")()
    columns = {str(name): found.data[:, i] for i, name in enumerate(found.feature_names)}
    y = found.target if data == "diabetes" else [str(found.target_names[i]) for i in found.target]
    return pa.table({**columns, "target": y})


def _draw(fitted: Any, table: Any, path: Path) -> None:
    _figure(fitted, table).savefig(path, dpi=150)


def _figure(fitted: Any, table: Any) -> Any:
    from descend import plots

    history = fitted.estimator.history_
    if fitted.is_linear and fitted.is_curve:
        (x, y), names = fitted.points(table), (fitted.features[0], fitted.encoder.target)
        curve = partial(plots.fitted_curve, x, y, fitted.estimator.predict, names)
        figure = plots.training_overview(history, curve)
    elif fitted.is_linear:
        of = fitted.what_strengths_change()
        bars = partial(plots.coefficients, fitted.names_of_strengths(), fitted.strengths(), of=of)
        figure = plots.training_overview(history, bars)
    else:
        figure = plots.learning(history, name="accuracy" if fitted.is_classifier else "R²")
    score = "" if fitted.score != fitted.score else f", {_scored(fitted)}"
    ended = fitted.estimator.message_.split(": ")[0].lower()
    figure.suptitle(f"{type(fitted.estimator).__name__}: {ended}{score}")
    return figure


def _report(fitted: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    history, encoder = fitted.estimator.history_, fitted.encoder
    head = f"{fitted.rows + fitted.rows_held_out:,} rows, {len(fitted.features):,} features"
    if encoder is not None:
        kinds = [column.kind for column in encoder.columns]
        parts = [f"{kinds.count(kind)} {_PLURALS[kind]}" for kind in _PLURALS if kind in kinds]
        head += f" of {len(kinds)} columns ({', '.join(parts)})"
    console.print(head, style="bold", soft_wrap=True)
    if fitted.rows_held_out:
        console.print(f"{fitted.rows:,} rows to learn from, {fitted.rows_held_out:,} held out")
    if encoder is not None:
        for name, why in encoder.left_out.items():
            console.print(f"left out: {name}: {why}", soft_wrap=True)
        filled = [column.name for column in encoder.columns if column.has_missing]
        if filled:
            console.print(f"missing values filled, and marked: {', '.join(filled)}", soft_wrap=True)
    console.print("columns standardised" if fitted.estimator.scale else "columns not scaled")
    console.print()
    table = Table("epoch", "loss", "rate", "seconds", box=None, header_style="bold")
    for i in _few(len(history)):
        rate = "" if history.rate[i] != history.rate[i] else f"{history.rate[i]:.3g}"
        table.add_row(f"{history.epoch[i]:g}", f"{history.loss[i]:.6g}", rate, f"{history.seconds[i]:.3f}")
    console.print(table)
    console.print()
    if fitted.is_linear:
        _report_coefficients(fitted, console)
    if fitted.score == fitted.score:
        shown = f"{_scored(fitted)} ({fitted.rows_held_out:,})"
        if fitted.is_classifier:
            shown += f"; the most frequent class alone would be {100 * fitted.baseline:.2f} %"
        console.print(shown, style="bold", soft_wrap=True)
        if 1 < len(fitted.recalls) <= _MOST_CLASSES:
            each = (f"{name} {100 * right:.1f} % of {rows:,}" for name, (rows, right) in fitted.recalls.items())
            console.print(f"of each class: {', '.join(each)}", soft_wrap=True)
    elif fitted.rows_held_out:
        why = "one row held out is too few" if fitted.rows_held_out == 1 else "the rows held out have one target"
        console.print(f"no R²: {why}", style="bold")
    good = _code(fitted) == 0
    message = fitted.estimator.message_
    console.print(message[0].upper() + message[1:] + ".", style="" if good else "yellow", soft_wrap=True)


def _knows_nothing(fitted: Any) -> bool:
    """Whether the rows held out are told no better than by the same prediction for all of them."""
    from descend.models.judging import Judged, beats_a_constant

    if fitted.is_classifier:
        return not beats_a_constant(fitted.estimator, Judged(fitted.score, fitted.baseline, fitted.recalls))
    return bool(fitted.score < _NOTHING)


def _scored(fitted: Any) -> str:
    if fitted.is_classifier:
        return f"{100 * fitted.score:.2f} % of the held-out rows are told right"
    return f"{_of_r2(fitted.score)} R² on the held-out rows"


def _of_r2(score: float) -> str:
    return f"{score:.4f}" if abs(score) < 1_000 else f"{score:.3g}"


def _report_coefficients(fitted: Any, console: Any) -> None:
    from rich.table import Table

    strengths, names = fitted.strengths(), fitted.names_of_strengths()
    which = "strongest columns → class" if names is not fitted.features else "strongest columns"
    table = Table(which, f"change of the {fitted.what_strengths_change()} per deviation", box=None, header_style="bold")
    for j in abs(strengths).argsort()[::-1][:8]:
        table.add_row(names[j], f"{strengths[j]:+.4g}")
    console.print(table)
    if fitted.estimator.l1:
        console.print(f"{(strengths == 0).sum()} of {len(strengths)} coefficients are zero")
    console.print()


_PLURALS = {
    "number": "of numbers",
    "boolean": "yes or no",
    "date": "of dates",
    "category": "of categories",
    "hashed": "hashed",
}


def _few(n: int) -> list[int]:
    """At most eight of n rows, from the first to the last."""
    if n <= 8:
        return list(range(n))
    return sorted({round(i * (n - 1) / 7) for i in range(8)})
