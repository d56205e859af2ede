"""The L1 penalty, which makes coefficients exactly zero: how it acts on a step."""

from __future__ import annotations

from typing import Any

from descend.words import maximum, sign, where

__all__ = ["kept", "pulled"]


def pulled(g: Any, x: Any, l1: Any) -> Any:
    """The gradient with the penalty l1·|x|; at zero the part of it that the penalty cannot hold.

    Source: Andrew & Gao (2007), ICML, equation 4 (the pseudo-gradient).
    """
    return where(x != 0, g + l1 * sign(x), sign(g) * maximum(abs(g) - l1, 0))


def kept(x: Any, change: Any, g: Any, l1: Any) -> Any:
    """The change, but no further than to zero: no step leads to the other side of it. `g` is as `pulled`.

    Source: Andrew & Gao (2007), ICML, section 3.2 (the projection onto the orthant).
    """
    side = where(x != 0, sign(x), -sign(g))
    return where((l1 > 0) & ((x + change) * side <= 0), -x, change)
