"""Checks of arguments: each says what came and what is legal."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["flag", "nonnegative", "share", "whole"]

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
