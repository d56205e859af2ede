"""What formulas of methods share: running means, and weights that decay."""

from __future__ import annotations

from typing import Any

__all__ = ["decayed", "running", "unbiased"]


def running(mean: Any, beta: Any, new: Any) -> Any:
    """The running mean after one more value: it forgets by the factor beta."""
    return beta * mean + (1 - beta) * new


def unbiased(mean: Any, beta: Any, t: Any) -> Any:
    """A running mean of t values, corrected for having started at zero."""
    return mean / (1 - beta**t)


def decayed(change: Any, x: Any, lr: Any, decay: Any) -> Any:
    """A change beside which the parameter shrinks by its share lr·decay."""
    return change - lr * decay * x
