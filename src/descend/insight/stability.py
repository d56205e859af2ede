"""Which rates a method stands on a quadratic, derived from its own formula."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from descend.methods import Method

__all__ = ["convergence_factor", "is_linear_map", "stability_limit"]

_LARGEST = 1e3  # lr · L beyond which nothing is looked for


def is_linear_map(method: Any) -> bool:
    """Whether on a quadratic the method is a linear map of its parameters and slots, the same at each step."""
    if not isinstance(method, Method) or method.shared or "lr" not in method.names() or "t" in method._asked:
        return False
    return bool(type(method).is_linear() and _is_homogeneous(method))


def _is_homogeneous(method: Method) -> bool:
    draw = np.random.default_rng(0)
    state = draw.normal(size=1 + len(method.slots))
    one, two = (_moved(method, s, 0.1, 1.0) for s in (state, 2 * state))
    return bool(np.allclose(2 * one, two, rtol=1e-9, atol=1e-12))


def _moved(method: Method, state: np.ndarray, lr: float, bend: float) -> np.ndarray:
    """(x, slots) after one step on bend/2·x²."""
    x, slots = state[0], dict(zip(method.slots, state[1:], strict=True))
    known = {name: getattr(method, name) for name in method.names()} | {"g": bend * x, "x": x, "lr": lr} | slots
    result = type(method).step(**{name: known[name] for name in method._asked})
    change, *new = result if isinstance(result, tuple) else (result,)
    return np.array([x + change, *new], float)


def convergence_factor(method: Any, lr: float, bend: float) -> float:
    """By which factor each step shortens the way to the minimum of bend/2·x², in the long run; > 1 where it diverges.

    The largest magnitude of an eigenvalue of the method's step, which for these methods is a linear map.

    Raises
    ------
    ValueError
        For this method that is not known.
    """
    if not is_linear_map(method):
        raise ValueError(f"{type(method).__name__} is not linear on a quadratic: its rate there is not known")
    size = 1 + len(method.slots)
    matrix = np.stack([_moved(method, unit, lr, bend) for unit in np.eye(size)], axis=1)
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def stability_limit(method: Any, largest: float) -> float:
    """The largest rate at which the method does not diverge on a quadratic whose largest curvature is `largest`.

    2/L for gradient descent, 2(1 + μ)/L for momentum, …: found by bisection of `convergence_factor`. nan where it is
    not known: an adaptive method, or one from elsewhere.
    """
    if not (np.isfinite(largest) and largest > 0) or not is_linear_map(method):
        return float("nan")
    without_rate = tuple(float(getattr(method, n)) for n in method.names() if n != "lr")
    return _limit(type(method), without_rate) / largest  # type: ignore[arg-type]


@cache
def _limit(kind: type[Method], numbers: tuple[float, ...]) -> float:
    method = kind(**dict(zip((n for n in kind.names() if n != "lr"), numbers, strict=True)))
    low, high = 1e-6, 1e-6
    while high < _LARGEST and convergence_factor(method, high, 1.0) <= 1 + 1e-12:
        low, high = high, 1.1 * high
    if high >= _LARGEST:
        return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if convergence_factor(method, middle, 1.0) <= 1 + 1e-12 else (low, middle)
    return low
