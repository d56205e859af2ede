"""Which rates a method stands on a quadratic, derived from its own formula.

An adaptive method divides each coordinate by a number P of its own, made of the gradients it has seen. While P hardly
changes, the method is a linear map of the parameters and of its other slots, as momentum is, on a cost whose curvature
is that of the objective divided by P: what it stands is found in the same way. The slots that make P are those that
do not change in proportion to the gradients.

Source: Cohen et al. (2021), arXiv:2103.00065, for gradient descent; Cohen et al. (2022), arXiv:2207.14484, for Adam.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np

from descend.methods import Method

__all__ = ["convergence_factor", "edge_of_stability", "is_linear_map", "preconditioner", "stability_limit"]

_LARGEST = 1e3  # lr · L beyond which nothing is looked for
_TINY = 1e-60  # a gradient that moves no slot that is held
_LATE = 10**6  # a step at which no correction for the start is left


def is_linear_map(method: Any) -> bool:
    """Whether on a quadratic the method is a linear map of its parameters and slots, the same at each step."""
    roles = _roles(method)
    return roles is not None and not roles[1] and "t" not in method._asked


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
    return _factor(_response(method, lr, {}, _LATE)[0], bend)


def stability_limit(method: Any, largest: float) -> float:
    """The largest rate at which the method does not diverge on a quadratic whose largest curvature is `largest`.

    2/L for gradient descent, 2(1 + μ)/L for momentum, …: `edge_of_stability` divided by L. nan where it is not known:
    an adaptive method, of which not L counts but L divided by what it has seen, or one from elsewhere.
    """
    if not (np.isfinite(largest) and largest > 0) or not is_linear_map(method):
        return float("nan")
    return edge_of_stability(method) / largest


def edge_of_stability(method: Any) -> float:
    """The rate times the largest curvature, of an adaptive method divided by its preconditioner, at which it diverges.

    2 for gradient descent, 2(1 + μ) for momentum, (2 + 2β₁)/(1 - β₁) for Adam: found by bisection on the spectral
    radius of the method's step. nan where it is not known: changes that are no multiple of the gradient, as those of
    Lion, numbers for all coordinates at once, and methods from elsewhere.
    """
    if _roles(method) is None:
        return float("nan")
    return _edge(*_kind_and_numbers(method))


def preconditioner(method: Any, state: Any, leaf: int = 0) -> np.ndarray | None:
    """What an adaptive method divides each coordinate of one leaf by, in that state; None where it is not known.

    Infinite where it has seen no gradient yet. Ones for a method that is not adaptive.
    """
    roles = _roles(method)
    if roles is None:
        return None
    leaves = (np.ravel(np.asarray(jax.tree.leaves(slot)[leaf], float)) for slot in state.slots)
    slots = dict(zip(method.slots, leaves, strict=True))
    held = {name: slots[name] for name in roles[1]}
    size = len(next(iter(slots.values()))) if slots else 1
    unseen = np.all([values == 0 for values in held.values()], axis=0) if held else np.zeros(size, bool)
    some = {name: np.where(unseen, 1.0, values) for name, values in held.items()}
    return np.where(unseen, np.inf, _divisor(_response(method, 1.0, some, int(state.t))))


@cache
def _edge(kind: type[Method], numbers: tuple[float, ...]) -> float:
    method = _of(kind, numbers)
    # Small, so that the rate is: what else the rate shrinks, a decay of the weights, plays no part.
    held = dict.fromkeys(_roles(method)[1], np.full(1, 1e-6))  # type: ignore[index]
    divisor = float(_divisor(_response(method, 1.0, held, _LATE))[0]) if held else 1.0

    def stands(lr: float) -> bool:
        return _factor(_response(method, lr * divisor, held, _LATE)[0], 1.0) <= 1 + 1e-12

    low, high = 1e-6, 1e-6
    while high < _LARGEST and stands(high):
        low, high = high, 1.1 * high
    if high >= _LARGEST:
        return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if stands(middle) else (low, middle)
    return low


def _roles(method: Any) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The slots that change in proportion to the gradients, and the others; None where the method is no such map."""
    if not isinstance(method, Method) or method.shared or "lr" not in method.names() or method.starts:
        return None
    return _roles_of(*_kind_and_numbers(method))


def _kind_and_numbers(method: Method) -> tuple[type[Method], tuple[float, ...]]:
    return type(method), tuple(float(getattr(method, n)) for n in method.names() if n != "lr")


def _of(kind: type[Method], numbers: tuple[float, ...]) -> Method:
    return kind(**dict(zip((n for n in kind.names() if n != "lr"), numbers, strict=True)))


@cache
def _roles_of(kind: type[Method], numbers: tuple[float, ...]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    method = _of(kind, numbers)
    gradients = np.random.default_rng(0).normal(size=8)

    def slots_after(by: float) -> dict[str, float]:
        slots = dict.fromkeys(method.slots, 0.0)
        for t, g in enumerate(gradients, 1):
            _, new = _stepped(method, {"g": by * g, "x": 0.0, "lr": 0.1, "t": t, **slots})
            slots = dict(zip(method.slots, new, strict=True))
        return slots

    with np.errstate(all="ignore"):
        once, twice, back = (slots_after(by) for by in (1.0, 2.0, -1.0))
        linear = tuple(
            n for n in method.slots if np.allclose([twice[n], back[n]], [2 * once[n], -once[n]], rtol=1e-9, atol=0)
        )
        held = tuple(n for n in method.slots if n not in linear)
        ones = dict.fromkeys(held, np.ones(1))
        one, sum_of_parts = _applied(method, ones, gradients), _response(method, 0.1, ones, _LATE)
    if not np.isfinite(sum_of_parts).all():
        return None
    memory = sum_of_parts[0, 1:, 2:]
    if not np.abs(np.linalg.eigvals(memory)).max(initial=0) < 1:  # it never forgets: there is no long run
        return None
    return (linear, held) if np.allclose(one[:, 0], sum_of_parts[0] @ gradients[: 2 + len(linear)], rtol=1e-6) else None


def _applied(method: Method, held: dict[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Change and linear slots after a step from (g, x, slots) = values, in units of the tiny gradient."""
    linear = [n for n in method.slots if n not in held]
    at = {name: np.array([_TINY * value]) for name, value in zip(["g", "x", *linear], values, strict=False)}
    return _one(method, {**at, "lr": 0.1, "t": _LATE, **_settled(method, held, _LATE)}, linear) / _TINY


def _response(method: Method, lr: float, held: dict[str, np.ndarray], t: int) -> np.ndarray:
    """The step as a matrix (g, x, slots) → (change, slots) for each coordinate: (coordinates, 1 + slots, 2 + slots)."""
    linear = [n for n in method.slots if n not in held]
    inputs = ["g", "x", *linear]
    before = {**_settled(method, held, t), "lr": lr, "t": t}
    size = len(next(iter(held.values()))) if held else 1
    columns = []
    for name in inputs:
        at = {other: np.full(size, _TINY if other == name else 0.0) for other in inputs}
        columns.append(_one(method, {**at, **before}, linear) / _TINY)
    return np.stack(columns, axis=-1).transpose(1, 0, 2)


def _settled(method: Method, held: dict[str, np.ndarray], t: int) -> dict[str, np.ndarray]:
    """What the held slots must be before a step for them to have these values after it."""
    if not held:
        return {}
    at = {n: 0.0 * next(iter(held.values())) for n in method.slots} | held
    _, new = _stepped(method, {**at, "g": _TINY + 0 * next(iter(held.values())), "x": 0.0, "lr": 0.1, "t": t})
    after = dict(zip(method.slots, new, strict=True))
    return {name: values * values / after[name] for name, values in held.items()}


def _one(method: Method, known: dict[str, Any], linear: list[str]) -> np.ndarray:
    change, new = _stepped(method, known)
    after = dict(zip(method.slots, new, strict=True))
    return np.array(np.broadcast_arrays(change, *(after[name] for name in linear)), float)


def _stepped(method: Method, known: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """The formula on plain numbers: the change, and the new slots."""
    known = {name: getattr(method, name) for name in method.names()} | known
    result = type(method).step(**{name: known[name] for name in method._asked})
    change, *new = result if isinstance(result, tuple) else (result,)
    return change, tuple(new)


def _divisor(response: np.ndarray) -> np.ndarray:
    """What the gradient is divided by in the long run, from the change for one that stays the same, at lr = 1."""
    of_slots = response[:, 1:, 2:]
    settled = np.linalg.solve(np.eye(of_slots.shape[1]) - of_slots, response[:, 1:, :1])
    change = response[:, 0, 0] + (response[:, None, 0, 2:] @ settled)[:, 0, 0]
    return np.asarray(-1 / change)


def _factor(response: np.ndarray, bend: float) -> float:
    """The spectral radius of a step on bend/2·x²."""
    step = response[:, 1:].copy()
    step[:, 0] += bend * response[:, 0]
    step[0, 0] += 1
    return float(np.abs(np.linalg.eigvals(step)).max())
