"""A run as a person reads it: a few lines, a short table, a cell of a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.fields import Declared
from descend.sentences import counted

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["as_html", "as_text", "described", "table"]

_SHOWN = (6, 4, 4)  # first, middle and last rows of a table
_MOST_X = 4  # columns of parameters in a table


def table(run: Run) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a short trace: the first, some middle and the last steps."""
    trace = run.trace
    xs = trace.x if trace.x is not None and trace.x.shape[1] <= _MOST_X else np.empty((len(trace), 0))
    head = ["step", *run.variables[: xs.shape[1]], "cost", "|gradient|", "lr"]
    body: list[list[str]] = []
    before = -1
    for row in _chosen(len(trace)):
        if row > before + 1:
            body.append(["…"] * len(head))
        before = row
        rate = "" if np.isnan(trace.lr[row]) else f"{trace.lr[row]:.4g}"
        point = [f"{v:.6g}" for v in xs[row]]
        body.append([f"{trace.step[row]:,}", *point, f"{trace.f[row]:.8g}", f"{trace.gradient_norm[row]:.3g}", rate])
    return head, body


def _chosen(n: int) -> list[int]:
    first, middle, last = _SHOWN
    if n <= first + middle + last + 2:
        return list(range(n))
    between = np.linspace(first, n - last - 1, middle + 2).round().astype(int)[1:-1]
    return [*range(first), *between.tolist(), *range(n - last, n)]


def as_text(run: Run) -> str:
    """The outcome as a sentence, and the numbers."""
    x: Any = run.x
    point = np.array2string(np.asarray(x), threshold=8, precision=8) if hasattr(x, "shape") else repr(x)
    gradient = f"{run.gradient}: {run.gradient_reason}" if run.gradient_reason else run.gradient
    lines = {
        "x": point,
        "fun": f"{run.fun:.10g}",
        "method": f"{described(run.method)}, {run.dtype}",
        "steps": f"{run.nit:,} in {run.seconds:.2g} s, {counted(run.nfev, 'evaluation')}",
        "gradient": gradient,
    }
    return "\n".join([run.message, *(f"  {name:<8} {text}" for name, text in lines.items())])


def as_html(run: Run, picture: str) -> str:
    """The outcome, the table and a picture (SVG) side by side."""
    head, body = table(run)
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body)
    titles = "".join(f"<th>{name}</th>" for name in head)
    return (
        f"<p>{html.escape(run.message)}</p><div style='display:flex;gap:2em;align-items:flex-start'>"
        f"<table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table>{picture}</div>"
    )


def described(value: Any, but: str = "") -> str:
    """A rule as one would write it, its numbers in six digits; without the number called `but`."""
    if isinstance(value, Declared):
        fields = {name: getattr(value, name) for name in value.names()}
        shown = {n: v for n, v in fields.items() if n != but or isinstance(v, Declared)}
        return f"{type(value).__name__}({', '.join(f'{n}={described(v, but)}' for n, v in shown.items())})"
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return f"({', '.join(described(v, but) for v in value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {described(v, but)}' for k, v in value.items())}}}"
    return (
        format(float(value), ".6g")
        if np.ndim(value) == 0 and not callable(value) and not hasattr(value, "_fields")
        else "…"
    )
