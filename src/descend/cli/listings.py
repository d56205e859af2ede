"""`descend methods`, `descend landscapes`: what there is, and each of them in full."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any

import typer

from descend.cli.app import app
from descend.cli.values import method_class
from descend.methods import Method, catalogue
from descend.methods.method import plain_name
from descend.objectives import LANDSCAPES, Landscape, landscape


@app.command("methods")
def methods_command(
    name: Annotated[str | None, typer.Argument(help="One of them, for its formula; MODULE:CLASS for your own.")] = None,
) -> None:
    """List the methods, or show one: formula, ranges, paper."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False)
    if name is not None:
        others = {kind.__name__.lower(): kind for kind in (*_step_sizes(), *_wrappers())}
        plain = plain_name(name)
        if plain in others:
            _show_other(others[plain], console)
        else:
            _show_method(method_class(name), console)
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

    console = Console(markup=False)
    if name is not None:
        _show_landscape(landscape(name), console)
        return
    table = Table("landscape", "variables", "what it shows", box=None, header_style="bold")
    for key in LANDSCAPES:
        found = landscape(key)
        table.add_row(key, str(found.n), found.title)
    console.print(table)
    console.print("\ndescend landscapes NAME shows the formula; descend minimize NAME descends it.", style="dim")


def _show_method(method: type[Method], console: Any) -> None:
    import sympy
    from rich.table import Table

    console.print(f"{method.__name__}  ({method.name})", style="bold")
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(method) or ""):
        console.print(" ".join(paragraph.split()), highlight=False)
        console.print()
    for equation in method.equations():
        console.print(sympy.pretty(equation, use_unicode=True), highlight=False)
        console.print()
    table = Table("name", "default", "legal", "meaning", box=None, header_style="bold")
    for name, legal in method.ranges().items():
        table.add_row(name, f"{getattr(method(), name):g}", str(legal), legal.meaning)
    console.print(table)
    console.print(f"\n{method.paper}", style="dim", soft_wrap=True)


def _show_other(kind: Any, console: Any) -> None:
    """A step size, or what goes around a method: text, numbers, paper."""
    console.print(kind.__name__, style="bold")
    for paragraph in re.split(r"\n\s*\n", inspect.getdoc(kind) or ""):
        console.print(" ".join(paragraph.split()), highlight=False)
        console.print()
    for name, legal in kind.ranges().items():
        console.print(f"{name}: {legal}; {legal.meaning}", highlight=False)
    if kind.paper:
        console.print(f"\n{kind.paper}", style="dim", soft_wrap=True)


def _show_landscape(found: Landscape, console: Any) -> None:
    import sympy

    console.print(f"{found.name}: {found.title}", style="bold", soft_wrap=True)
    console.print()
    console.print(sympy.pretty(found.expression(), use_unicode=True, num_columns=100), highlight=False)
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
        console.print(f"{key:<24}{value}", highlight=False, soft_wrap=True)


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
