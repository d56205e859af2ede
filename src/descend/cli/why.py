"""`descend explain`, `descend find-lr`, `descend check-gradient`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from descend.cli.app import app, exit_code
from descend.cli.descent import AsJson, Dtype, Maximize, Objective, Picture, Start
from descend.cli.values import PICTURES, BadInputError, check_target, finite, imported, method_of, start_of, write_files
from descend.descent import minimize
from descend.descent.loading import load_run

Name = Annotated[str | None, typer.Option(help="See descend methods; or your own, MODULE:CLASS.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter, mu=0.9. May repeat.")]


_OF_A_NEW_RUN = ("start", "method", "lr", "settings", "steps", "dtype", "maximize")


def _option(name: str) -> str:
    return {"start": "from", "settings": "set"}.get(name, name)


@app.command("explain")
def explain_command(
    context: typer.Context,
    objective: Annotated[
        str, typer.Argument(metavar="FORMULA|LANDSCAPE|RUN.parquet", help='"x**4", rosenbrock, or a run that was saved')
    ],
    start: Start = None,
    method: Name = None,
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
        given = [name for name in _OF_A_NEW_RUN if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"]
        if given:
            raise BadInputError(f"{objective} is a run that was made: leave out --{', --'.join(map(_option, given))}")
        run = load_run(objective, None if function is None else imported(function))
    elif function is not None:
        raise BadInputError("--function is for a run that was saved: descend explain RUN.parquet --function costs:loss")
    else:
        method_asked = method_of(method, lr, settings or [])
        run = minimize(objective, start_of(start, dtype, objective), method_asked, steps=steps, maximize=maximize)
    found = run.explain()
    if as_json:
        outcome = run.outcome.name if run.outcome is not None else None
        print(json.dumps(finite({**found.as_dict(), "outcome": outcome, "message": run.message})), flush=True)
    else:
        print(f"{run.message}.\n\n{found}")

    def draw(path: Path) -> None:
        from descend import plots

        plots.sharpness(run).figure.savefig(path, dpi=150)  # type: ignore[union-attr]

    write_files([("picture", plot, draw)], silent=as_json)
    raise typer.Exit(exit_code(run.outcome))


@app.command("find-lr")
def find_lr_command(
    objective: Objective,
    start: Start = None,
    method: Name = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(help="The length of the runs for which the rate shall be good.")] = 1_000,
    dtype: Dtype = "float64",
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Find the rate with which a method gets lowest, at a twentieth of the cost of a grid."""
    from descend.insight import find_lr

    check_target(plot, PICTURES)
    found = find_lr(objective, start_of(start, dtype, objective), method_of(method, None, settings or []), steps=steps)
    if as_json:
        limit = found.limit
        print(json.dumps(finite({"lr": found.lr, "limit": limit, "fun": found.fun, "cost": found.cost})), flush=True)
    else:
        print(f"{found}\nWith it, after {steps:,} steps, the cost is {found.fun:.6g}.")

    def draw(path: Path) -> None:
        found.plot().figure.savefig(path, dpi=150)

    write_files([("picture", plot, draw)], silent=as_json)


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

    found = check_gradient(imported(function), imported(gradient), start_of(start, dtype, ""))
    if as_json:
        wrong = [vars(coordinate) for coordinate in found.wrong]
        print(
            json.dumps(finite({"is_right": found.is_right, "worst": found.worst, "wrong": wrong, "judge": found.judge}))
        )
    else:
        print(found)
    raise typer.Exit(0 if found.is_right else 3)
