"""On which device a program runs, where there is a choice."""

from __future__ import annotations

import contextlib
from typing import Any

import jax

__all__ = ["suited_device"]

# An accelerator takes some 50 µs to begin a step of whatever size, and a CPU is through with few numbers by then:
# 200 steps on n numbers took an H200 and 16 cores 52 and 17 ms for n = 10⁴, and 86 and 220 ms for 10⁵.
_FEW = 32_768


def suited_device(numbers: int) -> contextlib.AbstractContextManager[Any]:
    """The context in which JAX computes where a step that touches so many numbers is made sooner.

    Where the user has chosen a device (`jax_default_device`, `jax_platforms`, or arrays put there), that holds.
    """
    config: Any = jax.config
    has_cpu = "cpu" in (config.jax_platforms or "cpu").split(",")
    if numbers >= _FEW or jax.default_backend() == "cpu" or config.jax_default_device is not None or not has_cpu:
        return contextlib.nullcontext()
    return jax.default_device(jax.local_devices(backend="cpu")[0])  # type: ignore[no-any-return]
