"""`descend minimize`, `descend sweep`, `descend race`."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from descend.cli.app import app, exit_code
from descend.cli.options import AsJson, Dtype, Maximize, Objective, Picture, Saved, Settings, Start
from descend.cli.values import (
    FILMS,
    PICTURES,
    PLOTTED_AS,
    SAVED_AS,
    BadInputError,
    check_target,
    finite,
    given_once,
    may_be_cut,
    method_class,
    method_of,
    objective_of,
    start_of,
    values_of,
    write_files,
)
from descend.descent import Run, minimize, report
from descend.descent.race import race
from descend.descent.sweep import sweep
from descend.methods import catalogue


@app.command("minimize")
def minimize_command(
    objective: Objective,
    start: Start = None,
    method: Annotated[
        str | None, typer.Option(help="See descend methods; or MODULE:CLASS. Default: needs no tuning.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 10_000,
    tol: Annotated[float | None, typer.Option(help="Gradient norm that counts as zero. Default: by dtype.")] = None,
    dtype: Dtype = "float64",
    maximize: Maximize = False,
    time_limit: Annotated[float | None, typer.Option(help="At most so many seconds.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture (.png .svg .pdf) or film (.gif .html .mp4).")] = None,
    save: Annotated[Path | None, typer.Option(help="Trace: .parquet, .csv or .json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Minimise a formula, a landscape or a function of yours, and tell how it went."""
    for target, kinds in ((plot, PLOTTED_AS), (save, SAVED_AS)):
        check_target(target, kinds)
    with objective_of(objective) as what:
        run = minimize(
            what,
            start_of(start, dtype, objective),
            method_of(method, lr, settings or []),
            steps=steps,
            gtol=tol,
            maximize=maximize,
            time_limit=time_limit,
        )
    with may_be_cut():
        if as_json:
            print(json.dumps(finite(run.summary())), flush=True)
        else:
            _report(run)
    write_files([("trace", save, run.save), ("picture", plot, partial(_plot, run))], silent=as_json)
    if exit_code(run.outcome) == 3 and not as_json:  # after the files: they must not depend on it
        print(f"\n{run.explain()}")
    raise typer.Exit(exit_code(run.outcome))


@app.command("sweep")
def sweep_command(
    objective: Objective,
    start: Start = None,
    method: Annotated[str, typer.Option(help="See descend methods; or your own, MODULE:CLASS.")] = "gradient-descent",
    lr: Annotated[
        str | None, typer.Option(help="low:high:count (by ratios; evenly from 0), or 0.1,0.2. Default: 1e-4:1e2:61.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, mu=0.9, or more values of it: mu=0:0.99:12.")
    ] = None,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 1_000,
    dtype: Dtype = "float64",
    maximize: Maximize = False,
    plot: Picture = None,
    save: Saved = None,
    as_json: AsJson = False,
) -> None:
    """Try many learning rates (and other hyperparameters) in one compiled call."""
    check_target(plot, PICTURES)
    check_target(save, SAVED_AS)
    chosen = method_class(method)
    if lr is None and "lr" in chosen.names():
        lr = "1e-4:1e2:61"
    values = {} if lr is None else {"lr": values_of("lr", lr)}
    for setting in settings or []:
        key, _, text = setting.partition("=")
        given_once(key.strip(), values)
        values[key.strip()] = values_of(f"--set {key.strip()}", text)
    numbers: dict[str, Any] = {key: v if len(v) > 1 else v[0] for key, v in values.items()}
    if plot is not None and sum(len(v) > 1 for v in values.values()) > 2:
        raise BadInputError("a picture shows one axis or two: give fewer, or --save the table")
    x0 = start_of(start, dtype, objective)
    with objective_of(objective) as what:
        result = sweep(what, x0, chosen(**numbers), steps=steps, maximize=maximize)
    _hand_out(result, "sweep_overview", as_json=as_json, plot=plot, save=save)
    raise typer.Exit(exit_code(result.best.outcome))


@app.command("race")
def race_command(
    objectives: Annotated[
        list[str],
        typer.Argument(metavar="FORMULA|LANDSCAPE|MODULE:FUNCTION...", help="One, or several landscapes."),
    ],
    start: Annotated[str | None, typer.Option("--from", help="Start of a single one. A landscape has its own.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="adam,momentum, or your own as MODULE:CLASS. Default: all.")
    ] = None,
    own: Annotated[
        list[str] | None, typer.Option(metavar="MODULE:CLASS", help="Race your own rule, too. May repeat.")
    ] = None,
    steps: Annotated[int, typer.Option(help="So many steps for each rate.")] = 1_000,
    rates: Annotated[str, typer.Option(help="low:high:count (by ratios), or a list.")] = "1e-6:100:64",
    target: Annotated[float, typer.Option(help="The share of the possible fall that may be left at the goal.")] = 1e-6,
    plot: Picture = None,
    save: Saved = None,
    as_json: AsJson = False,
) -> None:
    """Race methods against each other, each at its best rate."""
    check_target(plot, PICTURES)
    check_target(save, SAVED_AS)
    mine = [method_class(name) for name in own or []]
    named = None if methods is None else [*map(method_class, filter(None, re.split(r"[,\s]+", methods))), *mine]
    if methods is None and mine:  # others in that file may not be ready to race
        named = [*(kind for kind in catalogue().values() if kind.__module__.startswith("descend.")), *mine]
    if start is not None and len(objectives) > 1:
        raise BadInputError("--from is for one objective: of several landscapes each has its own start. Leave it out")
    x0 = start_of(start, "float64", objectives[0]) if len(objectives) == 1 else None
    tried = values_of("--rates", rates)
    with objective_of(objectives[0]) as first:
        what = objectives if len(objectives) > 1 else first
        result = race(what, x0, named, steps=steps, rates=tried, target=target)
    _hand_out(result, "race_overview", as_json=as_json, plot=plot, save=save)


def _hand_out(result: Any, overview: str, *, as_json: bool, plot: Path | None, save: Path | None) -> None:
    def draw(path: Path) -> None:
        from descend import plots

        getattr(plots, overview)(result).savefig(path, dpi=150)

    with may_be_cut():
        print(json.dumps(finite(result.summary())) if as_json else result, flush=True)
    write_files([("table", save, result.save), ("picture", plot, draw)], silent=as_json)


def _plot(run: Run, path: Path) -> None:
    from descend import plots

    if path.suffix.lower() in FILMS:
        import matplotlib

        matplotlib.use("Agg")
        plots.save_animation(run, path)
    else:
        plots.overview(run).savefig(path, dpi=150)


def _report(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    head, body = report.table(run)
    table = Table(box=None, header_style="bold")
    for name in head:
        table.add_column(name, justify="right")
    for row in body:
        table.add_row(*row)
    console.print(table)
    good = exit_code(run.outcome) == 0
    console.print()
    console.print(run.message + ".", style="green" if run.success else "" if good else "yellow", soft_wrap=True)
