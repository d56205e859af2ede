"""The threads among which kernels share rows: as many as the machine has processors."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["threads"]


@cache
def threads() -> ThreadPoolExecutor:
    """The threads of this process."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="descend")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=threads.cache_clear)
