"""The SymPy reader of a method: its formula as equations, made by running `step` on symbols."""

from __future__ import annotations

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
    asked = method.step.__code__.co_varnames[: method.step.__code__.co_argcount]
    before = {name: _symbol(f"{name}_t-1") if name in method.slots else _symbol(f"{name}_t") for name in asked}
    before |= {name: _symbol(_WRITTEN.get(name, name)) for name in [*method.names(), "t"] if name in asked}
    result = method.step(**before)
    change, *slots = result if isinstance(result, tuple) else (result,)
    lines: list[Any] = []
    named: dict[Any, Any] = {}
    for slot, formula in zip(method.slots, slots, strict=True):
        lines.append(sympy.Eq(_symbol(f"{slot}_t"), formula.xreplace(named), evaluate=False))
        named[formula] = _symbol(f"{slot}_t")
    lines.append(sympy.Eq(_CHANGE, change.xreplace(named), evaluate=False))
    return lines


def latex(method: type[Method]) -> str:
    """The equations as LaTeX, one line each."""
    named = {_CHANGE: r"\Delta x_{t}"}
    return " \\\\\n".join(sympy.latex(line, symbol_names=named) for line in equations(method))


def _symbol(name: str) -> Any:
    return sympy.Symbol(name)
