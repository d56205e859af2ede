"""What a user may call an objective, as a function: a callable, a landscape or its name, or a typed formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.fields import nearest
from descend.objectives.formula import Formula, FormulaError
from descend.objectives.landscapes import LANDSCAPES, Landscape, is_landscape, landscape

__all__ = ["named"]


def _formula(text: str) -> Formula:
    try:
        return Formula(text)
    except FormulaError as error:
        near = nearest(text, list(LANDSCAPES)) if text.strip().replace("-", "").isalpha() else ""
        if not near:
            raise
        raise FormulaError(f"{text!r} is neither a formula nor a landscape.{near}", text, error.column) from None


def named(objective: Callable[..., Any] | str, x0: Any) -> tuple[Callable[..., Any], Any, bool]:
    """The objective as a callable, the start, and whether the objective is written in words.

    A text is the name of a landscape, or else a formula. A landscape is given the dimension of the start and
    has one of its own.

    Raises
    ------
    FormulaError
        The text is neither.
    TypeError
        There is no start and the objective has none.
    """
    if isinstance(objective, str):
        if is_landscape(objective):
            size = np.size(x0) if x0 is not None and np.ndim(x0) == 1 else None
            objective = landscape(objective, n=size)
        else:
            objective = _formula(objective)
    if x0 is None:
        if not isinstance(objective, Landscape):
            raise TypeError(
                "x0 is missing: give the point to start from, minimize(f, 5.0), on the command line --from 5"
            )
        x0 = objective.start
    return objective, x0, bool(getattr(objective, "written_in_words", False))
