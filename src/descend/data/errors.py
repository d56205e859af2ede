"""What is wrong with data that came."""

from __future__ import annotations

__all__ = ["DataError"]


class DataError(ValueError):
    """The data cannot be used as they are; the message says where, and what to do."""
