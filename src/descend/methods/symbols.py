"""The SymPy reader of a method: its formula as equations, made by running `step` on symbols."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import sympy

if TYPE_CHECKING:
    from descend.methods.method import Method

__all__ = ["equations", "latex"]

_WRITTEN = {"lr": "eta", "eps": "epsilon"}  # symbols whose name in the papers is not their name in code


_CHANGE = sympy.Symbol("Δx_t")


def equations(method: type[Method]) -> list[Any]:
    """One equation per slot and, last, one for the change Δx, in the notation of the papers.

    A slot that appears inside a later formula is written by its symbol, as the papers do.
    """
    result = _applied(method.step, method, {})
    change, *rest = result
    lines: list[Any] = []
    named: dict[Any, Any] = {}
    for slot, formula in zip(method.slots, rest, strict=False):
        if method.starts.get(slot) != "x":  # the start does not change
            lines.append(sympy.Eq(_symbol(f"{slot}_t"), formula.xreplace(named), evaluate=False))
            named[formula] = _symbol(f"{slot}_t")
    lines.append(sympy.Eq(_CHANGE, change.xreplace(named), evaluate=False))
    if method.gather is not None:
        terms = rest[len(method.slots) :]
        sums = {name: _sum(term.xreplace(named)) for name, term in zip(method.sums, terms, strict=True)}
        numbers = _applied(method.gather, method, sums)
        for name, formula in zip(reversed(method.shared), reversed(numbers), strict=True):
            lines.append(sympy.Eq(_symbol(f"{name}_t"), formula.xreplace(named), evaluate=False))
            named[formula] = _symbol(f"{name}_t")
    return lines


def _applied(function: Any, method: type[Method], known: dict[str, Any]) -> tuple[Any, ...]:
    """A formula on symbols: of the step before for what is remembered, of this step for the rest."""
    asked = inspect.signature(function).parameters
    remembered = {*method.slots, *method.shared}
    before = {name: _symbol(f"{name}_t-1") if name in remembered else _symbol(f"{name}_t") for name in asked}
    before |= {name: _symbol(_WRITTEN.get(name, name)) for name in [*method.names(), "t"] if name in asked}
    before |= {name: value for name, value in known.items() if name in asked}
    result = function(**before)
    return result if isinstance(result, tuple) else (result,)


def _sum(term: Any) -> Any:
    """The sum of a term over all coordinates."""
    return sympy.Function("Σ")(term)


def latex(method: type[Method]) -> str:
    """The equations as LaTeX, one line each."""
    named = {_CHANGE: r"\Delta x_{t}"}
    return " \\\\\n".join(sympy.latex(line, symbol_names=named) for line in equations(method))


def _symbol(name: str) -> Any:
    return sympy.Symbol(name)
