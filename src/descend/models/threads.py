"""The threads among which kernels share rows: as many as the machine has processors; and no others."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["threads", "without_threads_of_blas"]


@cache
def threads() -> ThreadPoolExecutor:
    """The threads of this process."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="descend")


@cache
def _blas() -> Any:
    return ThreadpoolController().select(user_api="blas")


def without_threads_of_blas() -> Any:
    """A context in which matrix products stay in the thread that asks for them.

    The threads of OpenBLAS wait for each other without rest: on a busy machine a small product takes fifty times as
    long with them as without.
    """
    return _blas().limit(limits=1)


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=threads.cache_clear)
