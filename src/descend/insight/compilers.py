"""How long compilers have worked in this process: what is compiled once is not held against the trial that asked."""

from __future__ import annotations

import time
from threading import local
from typing import Any

import jax
from numba.core.event import Listener, register

__all__ = ["seconds_of_compilers"]

_JAX = {"/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration"}
_of_jax = [0.0]


def _note(event: str, duration_secs: float, **_: Any) -> None:
    if event in _JAX:
        _of_jax[0] += duration_secs


class _OfNumba(Listener):  # type: ignore[misc]
    """Adds up the compilations of each thread for itself: those that one asks of another lie within it."""

    def __init__(self) -> None:
        self.seconds, self._here = 0.0, local()

    def on_start(self, event: Any) -> None:
        """One begins."""
        self._here.begun = [*getattr(self._here, "begun", ()), time.perf_counter()]

    def on_end(self, event: Any) -> None:
        """One ends."""
        *outer, begin = getattr(self._here, "begun", None) or [time.perf_counter()]
        self._here.begun = outer
        if not outer:
            self.seconds += time.perf_counter() - begin


_of_numba = _OfNumba()
jax.monitoring.register_event_duration_secs_listener(_note)
register("numba:compile", _of_numba)


def seconds_of_compilers() -> float:
    """Seconds since this file was imported, of JAX's compiler and of Numba's."""
    return _of_jax[0] + _of_numba.seconds
