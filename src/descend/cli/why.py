"""`descend explain`, `descend find-lr`, `descend check-gradient`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from descend.cli.app import app, exit_code
from descend.cli.options import (
    AsJson,
    BatchSize,
    Dtype,
    Epochs,
    Hidden,
    Kind,
    Maximize,
    MethodName,
    Picture,
    Settings,
    Start,
    Target,
)
from descend.cli.tables import default_method, is_table, notes, opened
from descend.cli.values import (
    PICTURES,
    BadInputError,
    check_target,
    finite,
    imported,
    method_of,
    objective_of,
    start_of,
    users_code,
    widths,
    write_files,
)
from descend.descent import minimize
from descend.descent.loading import load_run

_OF_A_NEW_RUN = ("start", "method", "lr", "settings", "steps", "dtype", "maximize")


def _option(name: str) -> str:
    return {"start": "from", "settings": "set"}.get(name, name.replace("_", "-"))


@app.command("explain")
def explain_command(
    context: typer.Context,
    objective: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA|LANDSCAPE|MODULE:FUNCTION|RUN.parquet",
            help='"x**4", rosenbrock, your costs:loss, or a run that was saved',
        ),
    ],
    start: Start = None,
    method: MethodName = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 10_000,
    dtype: Dtype = "float64",
    maximize: Maximize = False,
    function: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="What a saved run minimised, where it was a function.")
    ] = None,
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Minimise, or take a run that was saved, and tell why it ended as it did, with a cure that was tried."""
    check_target(plot, PICTURES)
    if objective.endswith((".parquet", ".json", ".csv")):
        _refuse(context, _OF_A_NEW_RUN, f"{objective} is a run that was made")
        run = load_run(objective, None if function is None else imported(function))
    elif function is not None:
        raise BadInputError("--function is for a run that was saved: descend explain RUN.parquet --function costs:loss")
    else:
        method_asked = method_of(method, lr, settings or [])
        x0 = start_of(start, dtype, objective)
        with objective_of(objective) as what:
            run = minimize(what, x0, method_asked, steps=steps, maximize=maximize)
    found = run.explain()
    if as_json:
        outcome = run.outcome.name if run.outcome is not None else None
        print(json.dumps(finite({**found.as_dict(), "outcome": outcome, "message": run.message})), flush=True)
    else:
        print(f"{run.message}.\n\n{found}")

    def draw(path: Path) -> None:
        from descend import plots

        plots.explained(found).savefig(path, dpi=150)

    write_files([("picture", plot, draw)], silent=as_json)
    raise typer.Exit(exit_code(run.outcome))


@app.command("find-lr")
def find_lr_command(
    context: typer.Context,
    objective: Annotated[
        str,
        typer.Argument(
            metavar="FORMULA|LANDSCAPE|MODULE:FUNCTION|TABLE",
            help='"sin(x) + x**2/10", rosenbrock, your costs:loss, or a table to learn.',
        ),
    ],
    start: Start = None,
    method: MethodName = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(help="The length of the runs for which the rate shall be good.")] = 1_000,
    dtype: Dtype = "float64",
    target: Target = None,
    model: Kind = None,
    hidden: Hidden = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Find the rate with which a method gets lowest, or a model of a table, at a twentieth of the cost of a grid."""
    from descend.insight import find_lr

    check_target(plot, PICTURES)
    method_asked = method_of(method, None, settings or [], default_method(model))
    if is_table(objective) or target is not None:
        _refuse(context, ("start", "steps", "dtype"), f"{objective} is a table, of which a model makes epochs")
        given = {"method": method_asked, "batch_size": batch_size, "epochs": epochs}
        options = {name: value for name, value in given.items() if value is not None}
        estimator, rows = _unfitted(objective, target, model, hidden, options)
        found = find_lr(estimator, data=rows)
        end = f"after {found.model.n_iter_} epochs, the loss"
    else:
        of_tables = ("model", "hidden", "batch_size", "epochs")
        _refuse(context, of_tables, f"{objective} is a formula or a landscape, and no table")
        with objective_of(objective) as what:
            found = find_lr(what, start_of(start, dtype, objective), method_asked, steps=steps)
        end = f"after {0 if found.run is None else found.run.nit:,} steps, the cost"
    if as_json:
        limit = found.limit
        print(json.dumps(finite({"lr": found.lr, "limit": limit, "fun": found.fun, "cost": found.cost})), flush=True)
    else:
        print(f"{found}\nWith it, {end} is {found.fun:.6g}.")

    def draw(path: Path) -> None:
        found.plot().figure.savefig(path, dpi=150)

    write_files([("picture", plot, draw)], silent=as_json)


def _unfitted(data: str, target: str | None, model: str | None, hidden: str | None, options: dict[str, Any]) -> Any:
    from descend.models.tables import unfitted

    if hidden is not None:
        options["hidden"] = widths(hidden)
    with notes():
        return unfitted(*opened(data, target), model, **options)


def _refuse(context: typer.Context, names: tuple[str, ...], because: str) -> None:
    """Refuse options that make no sense here."""
    given = [name for name in names if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"]
    if given:
        raise BadInputError(f"{because}: leave out --{', --'.join(map(_option, given))}")


@app.command("check-gradient")
def check_gradient_command(
    function: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="The cost, e.g. costs:loss")],
    gradient: Annotated[str, typer.Argument(metavar="MODULE:GRADIENT", help="Its gradient, e.g. costs:grad")],
    start: Annotated[str, typer.Option("--from", help="Where: 5, or -1.2,1.")],
    dtype: Dtype = "float64",
    as_json: AsJson = False,
) -> None:
    """Compare a gradient with the right one, coordinate by coordinate."""
    from descend.insight import check_gradient

    cost, slope, x = imported(function), imported(gradient), start_of(start, dtype, "")
    with users_code(f"{function} or {gradient}"):
        found = check_gradient(cost, slope, x)
    if as_json:
        wrong = [vars(coordinate) for coordinate in found.wrong]
        print(
            json.dumps(finite({"is_right": found.is_right, "worst": found.worst, "wrong": wrong, "judge": found.judge}))
        )
    else:
        print(found)
    raise typer.Exit(0 if found.is_right else 3)
