"""Checks of arguments: each says what came and what is legal."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["flag", "no_others", "nonnegative", "share", "whole"]

# Our arguments by the names that other libraries give them, and what is no argument here but said in another way.
_CALLED = {
    "steps": "max_iter maxiter max_iterations n_iter niter iterations max_steps num_steps n_steps nit",
    "method": "optimizer optimiser solver algorithm",
    "gtol": "tol tolerance eps epsilon",
    "grad": "jac gradient fprime grad_fn gradient_fn",
    "progress": "verbose disp",
    "x0": "start init initial x",
}
_ELSEWHERE = {
    "the rate is a number of the method, e.g. GradientDescent(lr=0.1)": "lr learning_rate eta alpha step_size stepsize",
    "it is a number of the method, e.g. Momentum(lr=0.1, mu=0.9)": "momentum mu beta beta1 beta2 weight_decay",
    "give a function of the parameters alone, lambda x: f(x, a); rows of data are data=(X, y)": "args kwargs",
    "project with the method, e.g. Projected(GradientDescent(0.1), Box(0, 1))": "bounds constraints domain",
}
_MOST = 2**31 - 2  # counts are int32 in compiled loops


def whole(name: str, value: Any, *, least: int = 1, optional: bool = False) -> None:
    """Refuse what is no whole number from `least` on; None is legal where it is `optional`.

    Raises
    ------
    ValueError
        It is none.
    """
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= _MOST:
        legal = f">= {least}" if not (isinstance(value, int) and value > _MOST) else f"from {least} to {_MOST:,}"
        raise ValueError(f"{name} must be a whole number {legal}{' or None' * optional}, got {value!r}")


def no_others(function: Callable[..., Any], others: Mapping[str, Any]) -> None:
    """Refuse arguments that `function` does not have, and tell what to write instead.

    Raises
    ------
    TypeError
        There are some.
    """
    parameters = inspect.signature(function).parameters.values()
    legal = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    for name in others:
        said = [cure for cure, names in _ELSEWHERE.items() if name in names.split()]
        ours = [argument for argument, names in _CALLED.items() if argument in legal and name in names.split()]
        close = [f"write {argument}=" for argument in ours or difflib.get_close_matches(name, legal, n=1)]
        cure = (said + close or [f"it has {', '.join(legal)}"])[0]
        raise TypeError(f"{function.__name__} has no argument {name!r}: {cure}")


def flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def nonnegative(name: str, value: Any) -> None:
    """Refuse what is no finite number from 0 on."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (is_number and 0 <= value < np.inf):
        raise ValueError(f"{name} must be a number >= 0, got {value!r}")


def share(name: str, value: Any) -> None:
    """Refuse what is no number in [0, 1)."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (is_number and 0 <= value < 1):
        raise ValueError(f"{name} must be a share in [0, 1), got {value!r}")
