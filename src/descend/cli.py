"""The command line: `descend minimize`, `sweep`, `race`, `methods`, `landscapes`."""

from __future__ import annotations

import inspect
import json
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from descend.descent import Outcome, Run, minimize, race, report, sweep
from descend.methods import GradientDescent, Method, catalogue, method_named
from descend.objectives import LANDSCAPES, Landscape, landscape
from descend.objectives.landscapes import is_landscape

__all__ = ["main"]

app = typer.Typer(
    help="Gradient descent you can read, see and trust.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

_SAVED_AS = {".parquet", ".csv", ".json"}
_PLOTTED_AS = {".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".gif", ".html", ".mp4"}
_FILMS = {".gif", ".html", ".mp4"}


class BadInputError(ValueError):
    """What came on the command line makes no sense; the message is for the user."""


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Gradient descent you can read, see and trust."""


@app.command("minimize")
def minimize_command(
    objective: Annotated[str, typer.Argument(metavar="FORMULA|LANDSCAPE", help='"sin(x) + x**2/10", or rosenbrock')],
    start: Annotated[str | None, typer.Option("--from", help="Start: 5, or -1.2,1. A landscape has its own.")] = None,
    method: Annotated[str | None, typer.Option(help="See descend methods. Default: needs no tuning.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter, mu=0.9. May repeat.")] = None,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 10_000,
    tol: Annotated[float | None, typer.Option(help="Gradient norm that counts as zero. Default: by dtype.")] = None,
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    maximize: Annotated[bool, typer.Option("--maximize", help="Climb instead.")] = False,
    time_limit: Annotated[float | None, typer.Option(help="At most so many seconds.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture (.png .svg .pdf) or film (.gif .html .mp4).")] = None,
    save: Annotated[Path | None, typer.Option(help="Trace: .parquet, .csv or .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Minimise a formula or a landscape, and tell how it went."""
    for target, kinds in ((plot, _PLOTTED_AS), (save, _SAVED_AS)):
        _check_target(target, kinds)
    run = minimize(
        objective,
        _start(start, dtype, objective),
        _method(method, lr, settings or []),
        steps=steps,
        gtol=tol,
        maximize=maximize,
        time_limit=time_limit,
    )
    if as_json:
        print(json.dumps(_finite(run.summary())), flush=True)
    else:
        _report(run)
    # Written last: what cannot be written must not take the result with it.
    for what, path, write in (("trace", save, run.save), ("picture", plot, partial(_plot, run))):
        if path is not None:
            write(path)
            if not as_json:
                print(f"The {what} is in {path}.")
    raise typer.Exit(_exit_code(run.outcome))


@app.command("sweep")
def sweep_command(
    objective: Annotated[str, typer.Argument(metavar="FORMULA|LANDSCAPE", help='"sin(x) + x**2/10", or rosenbrock')],
    start: Annotated[str | None, typer.Option("--from", help="Start: 5, or -1.2,1. A landscape has its own.")] = None,
    method: Annotated[str, typer.Option(help="See descend methods.")] = "gradient-descent",
    lr: Annotated[str, typer.Option(help="low:high:count (by ratios; evenly from 0), or 0.1,0.2.")] = "1e-4:100:61",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, mu=0.9, or more values of it: mu=0:0.99:12.")
    ] = None,
    steps: Annotated[int, typer.Option(help="At most so many steps.")] = 1_000,
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    maximize: Annotated[bool, typer.Option("--maximize", help="Climb instead.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Picture: .png .svg .pdf")] = None,
    save: Annotated[Path | None, typer.Option(help="Table: .parquet, .csv or .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Try many learning rates (and other hyperparameters) in one compiled call."""
    _check_target(plot, _PLOTTED_AS - _FILMS)
    _check_target(save, _SAVED_AS)
    chosen = method_named(method)
    values = {"lr": _values("lr", lr)} if "lr" in chosen.names() else {}
    for setting in settings or []:
        key, _, text = setting.partition("=")
        values[key.strip()] = _values(f"--set {key.strip()}", text)
    numbers: dict[str, Any] = {key: v if len(v) > 1 else v[0] for key, v in values.items()}
    if plot is not None and sum(len(v) > 1 for v in values.values()) > 2:
        raise BadInputError("a picture shows one axis or two: give fewer, or --save the table")
    result = sweep(objective, _start(start, dtype, objective), chosen(**numbers), steps=steps, maximize=maximize)
    _hand_out(result, as_json=as_json, plot=plot, save=save, what="sweep")
    raise typer.Exit(_exit_code(result.best.outcome))


@app.command("race")
def race_command(
    objectives: Annotated[
        list[str], typer.Argument(metavar="FORMULA|LANDSCAPE...", help="One, or several landscapes.")
    ],
    start: Annotated[str | None, typer.Option("--from", help="Start of a single one. A landscape has its own.")] = None,
    methods: Annotated[str | None, typer.Option(help="Names, adam,momentum. Default: all.")] = None,
    steps: Annotated[int, typer.Option(help="So many steps for each rate.")] = 1_000,
    rates: Annotated[str, typer.Option(help="low:high:count (by ratios), or a list.")] = "1e-6:100:64",
    target: Annotated[float, typer.Option(help="The share of the possible fall that may be left at the goal.")] = 1e-6,
    plot: Annotated[Path | None, typer.Option(help="Picture: .png .svg .pdf")] = None,
    save: Annotated[Path | None, typer.Option(help="Table: .parquet, .csv or .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Race methods against each other, each at its best rate."""
    _check_target(plot, _PLOTTED_AS - _FILMS)
    _check_target(save, _SAVED_AS)
    what = objectives if len(objectives) > 1 else objectives[0]
    names = None if methods is None else [name for name in re.split(r"[,\s]+", methods) if name]
    x0 = _start(start, "float64", objectives[0]) if len(objectives) == 1 else None
    result = race(what, x0, names, steps=steps, rates=_values("--rates", rates), target=target)
    _hand_out(result, as_json=as_json, plot=plot, save=save, what="race")


def _values(name: str, text: str) -> Any:
    """`low:high:count`, spaced by ratios (evenly from 0), or a list of numbers."""
    import numpy as np

    try:
        if ":" not in text:
            return np.array([float(part) for part in re.split(r"[,;\s]+", text.strip())])
        low, high, count = (float(part) for part in text.split(":"))
    except ValueError:
        raise BadInputError(f"{name} takes numbers 0.1,0.2 or low:high:count like 1e-4:1:50, got {text!r}") from None
    if count < 1 or count != int(count):
        raise BadInputError(f"{name}: the count must be a whole number >= 1, got {count:g}")
    return np.geomspace(low, high, int(count)) if low > 0 and high > 0 else np.linspace(low, high, int(count))


def _hand_out(result: Any, *, as_json: bool, plot: Path | None, save: Path | None, what: str) -> None:
    print(json.dumps(_finite(result.summary())) if as_json else result, flush=True)
    if save is not None:
        result.save(save)
    if plot is not None:
        from descend import plots

        overview = plots.sweep_overview if what == "sweep" else plots.race_overview
        overview(result).savefig(plot, dpi=150)
    for kind, path in (("table", save), ("picture", plot)):
        if path is not None and not as_json:
            print(f"The {kind} is in {path}.")


@app.command("methods")
def methods_command(
    name: Annotated[str | None, typer.Argument(help="One of them, for its formula.")] = None,
) -> None:
    """List the methods, or show one: formula, ranges, paper."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if name is not None:
        others = {kind.__name__.lower(): kind for kind in (*_step_sizes(), *_wrappers())}
        if name.lower() in others:
            _show_other(others[name.lower()], console)
        else:
            _show_method(method_named(name), console)
        return
    table = Table("method", "hyperparameters", "what it does", box=None, header_style="bold")
    for key, method in catalogue().items():
        defaults = ", ".join(f"{n}={getattr(method(), n):g}" for n in method.names())
        table.add_row(key, defaults, _first_line(method))
    console.print(table)
    for title, kinds in (("step sizes, as lr=", _step_sizes()), ("around a method", _wrappers())):
        table = Table(title, "what it does", box=None, header_style="bold")
        for kind in kinds:
            table.add_row(kind.__name__, _first_line(kind))
        console.print()
        console.print(table)
    console.print("\ndescend methods NAME shows one of them.", style="dim")


@app.command("landscapes")
def landscapes_command(name: Annotated[str | None, typer.Argument(help="One of them.")] = None) -> None:
    """List the named test functions, or show one: formula, start, minima, source."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if name is not None:
        _show_landscape(landscape(name), console)
        return
    table = Table("landscape", "variables", "what it shows", box=None, header_style="bold")
    for key in LANDSCAPES:
        found = landscape(key)
        table.add_row(key, str(found.n), found.title)
    console.print(table)
    console.print("\ndescend landscapes NAME shows the formula; descend minimize NAME descends it.", style="dim")


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit with the code that the README documents."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    terminated: list[int] = []

    def terminate(number: int, _: object) -> None:  # as Ctrl-C: the run ends between steps and is saved
        terminated.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, terminate)
    # A formula or a start may begin with a minus: a blank keeps it from being read as an option.
    arguments = [f" {a}" if re.match(r"-[^-h]", a) else a for a in arguments if a != "--debug"]
    try:
        app(arguments, prog_name="descend")
    except SystemExit as end:
        sys.exit(143 if terminated and end.code == 130 else end.code)
    except KeyboardInterrupt:
        sys.exit(143 if terminated else 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(4)
    except (ValueError, TypeError) as error:
        _fail(error, 2, debug)
    except OSError as error:
        _fail(error, 4, debug)
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(error: Exception, code: int, debug: bool) -> None:
    if debug:
        raise error
    print(f"descend: {error}", file=sys.stderr)
    sys.exit(code)


def _exit_code(outcome: Outcome | None) -> int:
    if outcome is Outcome.INTERRUPTED:
        return 130
    return 0 if outcome in {Outcome.CONVERGED, Outcome.STEPS_EXHAUSTED} else 3


def _start(text: str | None, dtype: str, objective: str) -> Any:
    import numpy as np

    if dtype not in {"float64", "float32"}:
        raise BadInputError(f"--dtype must be float64 or float32, got {dtype!r}")
    if text is None:
        return np.asarray(landscape(objective).start, dtype=dtype) if is_landscape(objective) else None
    try:
        numbers = [float(part) for part in re.split(r"[,;\s]+", text.strip(" ()[]\t"))]
    except ValueError:
        raise BadInputError(f"--from must be numbers like 5 or -1.2,1, got {text!r}") from None
    return np.asarray(numbers if len(numbers) > 1 else numbers[0], dtype=dtype)


def _method(name: str | None, lr: float | None, settings: list[str]) -> Method | None:
    if name is None and lr is None and not settings:
        return None
    values: dict[str, float] = {} if lr is None else {"lr": lr}
    for setting in settings:
        key, equals, value = setting.partition("=")
        try:
            values[key.strip()] = float(value)
        except ValueError:
            raise BadInputError(f"--set takes name=number, like mu=0.9, got {setting!r}") from None
        if not equals:
            raise BadInputError(f"--set takes name=number, like mu=0.9, got {setting!r}")
    return (method_named(name) if name is not None else GradientDescent)(**values)


def _check_target(path: Path | None, kinds: set[str]) -> None:
    """Refuse, before any work is done, what cannot be written after it."""
    if path is None:
        return
    if path.suffix.lower() not in kinds:
        raise BadInputError(f"{path.name!r} must end in one of {', '.join(sorted(kinds))}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")


def _plot(run: Run, path: Path) -> None:
    from descend import plots

    if path.suffix.lower() in _FILMS:
        import matplotlib

        matplotlib.use("Agg")
        plots.save_animation(run, path)
    else:
        plots.overview(run).savefig(path, dpi=150)


def _report(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    head, body = report.table(run.trace)
    table = Table(box=None, header_style="bold")
    for name in head:
        table.add_column(name, justify="right")
    for row in body:
        table.add_row(*row)
    console.print(table)
    good = _exit_code(run.outcome) == 0
    console.print()
    console.print(run.message + ".", style="green" if run.success else "" if good else "yellow", soft_wrap=True)


def _show_method(method: type[Method], console: Any) -> None:
    import sympy
    from rich.table import Table

    console.print(f"{method.__name__}  ({method.name})", style="bold")
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(method) or ""):
        console.print(" ".join(paragraph.split()), markup=False, highlight=False)
        console.print()
    for equation in method.equations():
        console.print(sympy.pretty(equation, use_unicode=True), markup=False, highlight=False)
        console.print()
    table = Table("name", "default", "legal", "meaning", box=None, header_style="bold")
    for name, legal in method.ranges().items():
        table.add_row(name, f"{getattr(method(), name):g}", str(legal), legal.meaning)
    console.print(table)
    console.print(f"\n{method.paper}", markup=False, style="dim", soft_wrap=True)


def _show_other(kind: Any, console: Any) -> None:
    """A step size, or what goes around a method: text, numbers, paper."""
    console.print(kind.__name__, style="bold")
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(kind) or ""):
        console.print(" ".join(paragraph.split()), markup=False, highlight=False)
        console.print()
    for name, legal in kind.ranges().items():
        console.print(f"{name}: {legal}; {legal.meaning}", markup=False, highlight=False)
    if kind.paper:
        console.print(f"\n{kind.paper}", markup=False, style="dim", soft_wrap=True)


def _show_landscape(found: Landscape, console: Any) -> None:
    import sympy

    console.print(f"{found.name}: {found.title}", style="bold", soft_wrap=True)
    console.print()
    console.print(sympy.pretty(found.expression(), use_unicode=True, num_columns=100), markup=False, highlight=False)
    console.print()
    minima = "; ".join(_point(m) for m in found.minima) or "none"
    lines = {"start": _point(found.start), "minima": minima, "lowest cost": f"{found.fmin:g}"}
    lines["domain"] = " × ".join(f"[{low:g}, {high:g}]" for low, high in found.domain)
    lines |= {"L (largest curvature)": "unknown" if found.L is None else f"{found.L:g}"}
    lines |= {
        "μ (smallest curvature)": "unknown" if found.mu is None else f"{found.mu:g}",
        "source": found.source,
    }
    for key, value in lines.items():
        console.print(f"{key:<24}{value}", markup=False, highlight=False, soft_wrap=True)


def _point(point: Any) -> str:
    return f"({', '.join(f'{v:.6g}' for v in point)})" if isinstance(point, tuple) else f"{point:.6g}"


def _step_sizes() -> list[type]:
    from descend import stepsizes

    found = [getattr(stepsizes, name) for name in stepsizes.__all__]
    return [kind for kind in found if issubclass(kind, stepsizes.StepSize) and not inspect.isabstract(kind)]


def _wrappers() -> list[type]:
    from descend import methods

    found = [getattr(methods, name) for name in methods.__all__]
    kinds = (methods.Around, methods.Groups, methods.Frozen)
    return [k for k in found if isinstance(k, type) and issubclass(k, kinds) and k is not methods.Around]


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _finite(value: Any) -> Any:
    """JSON has no infinity and no nan: such a number is null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value
