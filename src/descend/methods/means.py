"""Running means, as the adaptive methods share them."""

from __future__ import annotations

from typing import Any

__all__ = ["running", "unbiased"]


def running(mean: Any, beta: Any, new: Any) -> Any:
    """The running mean after one more value: it forgets by the factor beta."""
    return beta * mean + (1 - beta) * new


def unbiased(mean: Any, beta: Any, t: Any) -> Any:
    """A running mean of t values, corrected for having started at zero."""
    return mean / (1 - beta**t)
