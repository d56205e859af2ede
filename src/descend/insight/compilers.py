"""How long compilers have worked in this process: what is compiled once is not held against the trial that asked."""

from __future__ import annotations

from typing import Any

import jax
from numba.core.event import TimingListener, register

__all__ = ["seconds_of_compilers"]

_JAX = {"/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration"}
_of_jax = [0.0]
_of_numba = TimingListener()


def _note(event: str, duration_secs: float, **_: Any) -> None:
    if event in _JAX:
        _of_jax[0] += duration_secs


jax.monitoring.register_event_duration_secs_listener(_note)
register("numba:compile", _of_numba)


def seconds_of_compilers() -> float:
    """Seconds since this file was imported, of JAX's compiler and of Numba's."""
    return _of_jax[0] + (_of_numba.duration if _of_numba.done else 0.0)
