"""`descend critical-points`, `descend basins`, `descend escape`: where a function is level, and what leads where."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from descend.cli.app import app
from descend.cli.options import AsJson, Maximize, MethodName, Objective, Picture, Settings, Start
from descend.cli.values import (
    PICTURES,
    BadInputError,
    check_target,
    finite,
    method_of,
    objective_of,
    start_of,
    write_files,
)
from descend.objectives import landscape
from descend.objectives.landscapes import is_landscape

_Box = list[tuple[float, float]]
_Domain = Annotated[
    str | None, typer.Option("--domain", help="low:high of each variable: -4:6, or -6:6,-6:6. A landscape has its own.")
]
_Rate = Annotated[float | None, typer.Option(help="Learning rate.")]


def _box_of(text: str | None, objective: str) -> _Box | None:
    if text is None:
        return list(landscape(objective).domain) if is_landscape(objective) else None
    try:
        pairs = [tuple(float(end) for end in part.split(":")) for part in re.split(r"[,;]", text.replace("−", "-"))]
        return [(low, high) for low, high in pairs]
    except ValueError:
        raise BadInputError(f"--domain is low:high of each variable, -4:6 or -6:6,-6:6, got {text!r}") from None


def _known_box(text: str | None, objective: str) -> _Box:
    box = _box_of(text, objective)
    if box is None:
        raise BadInputError("give the --domain: low:high of each variable, -4:6 or -6:6,-6:6")
    return box


def _told(found: Any, as_dict: Any, as_json: bool) -> None:
    print(json.dumps(finite(as_dict)) if as_json else found, flush=True)


def _drawn(found: Any, plot: Path | None, *, silent: bool) -> None:
    write_files([("picture", plot, lambda path: found.plot().figure.savefig(path, dpi=150))], silent=silent)


@app.command("critical-points")
def critical_points_command(
    objective: Objective,
    domain: _Domain = None,
    starts: Annotated[int, typer.Option(help="From so many starts they are looked for.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Find the minima, saddles and maxima in a domain, lowest first."""
    from descend.insight import critical_points

    box = _known_box(domain, objective)
    with objective_of(objective) as what:
        found = critical_points(what, box, starts=starts)
    lines = [f"{p.kind:<8} at {np.array2string(p.x, precision=6)}, cost {p.fun:.8g}" for p in found]
    as_dicts = [{"kind": p.kind, "x": p.x.tolist(), "fun": p.fun, "found": p.found} for p in found]
    _told("\n".join(lines) or "There is none that was found.", as_dicts, as_json)


@app.command("basins")
def basins_command(
    objective: Objective,
    domain: _Domain = None,
    method: MethodName = None,
    lr: _Rate = None,
    settings: Settings = None,
    resolution: Annotated[int, typer.Option(help="Starts along each variable.")] = 101,
    steps: Annotated[int, typer.Option(help="At most so many steps from each start.")] = 1_000,
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Start a method on each point of a grid, and tell which minimum each start leads to."""
    from descend.insight import basins

    check_target(plot, PICTURES)
    box, rule = _known_box(domain, objective), method_of(method, lr, settings or [])
    with objective_of(objective) as what:
        found = basins(what, box, rule, resolution=resolution, steps=steps)
    ends = [
        {"x": x, "fun": fun, "share": share, "is_minimum": found.is_minimum(number)}
        for number, (x, fun, share) in enumerate(
            zip(found.ends.tolist(), found.fun.tolist(), found.shares.tolist(), strict=True)
        )
    ]
    _told(found, ends, as_json)
    _drawn(found, plot, silent=as_json)


@app.command("escape")
def escape_command(
    objective: Objective,
    start: Start = None,
    domain: _Domain = None,
    method: MethodName = None,
    lr: _Rate = None,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(help="So many evaluations of the gradient in each repetition.")] = 2_000,
    repetitions: Annotated[int, typer.Option(help="Times that each way is tried.")] = 32,
    maximize: Maximize = False,
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways out of a local minimum: restarts, noise, momentum and basin-hopping, at the same cost."""
    from descend.insight import escape

    check_target(plot, PICTURES)
    x0, rule = start_of(start, "float64", objective), method_of(method, lr, settings or [])
    box = _box_of(domain, objective)
    with objective_of(objective) as what:
        found = escape(what, x0, rule, domain=box, steps=steps, repetitions=repetitions, maximize=maximize)
    ways = [
        {"way": w.name, "costs": w.costs.tolist(), "x": np.asarray(w.x).tolist(), "share": w.share} for w in found.ways
    ]
    _told(found, {"budget": found.budget, "ways": ways}, as_json)
    _drawn(found, plot, silent=as_json)
