"""Small parts of sentences."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "first_few"]


def counted(number: int, noun: str) -> str:
    """`1 step`, `2,000 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_few(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c, …`: no more of them than that."""
    return ", ".join(names[:most]) + ", …" * (len(names) > most)
