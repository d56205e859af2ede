"""Settings for all tests: a headless picture backend and reproducible properties."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.metadata import version

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

# Most of a test's time is XLA's, which compiles a program for a run of a moment. Without its last polish that takes half
# as long, and the arithmetic is the same. XLA ends the process over a flag that it does not know, and this one has gone.
_flags = ["--xla_backend_optimization_level=0"]
if version("jaxlib").startswith("0.10."):
    _flags.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_flags))

mpl.use("Agg")
os.environ.setdefault("COLUMNS", "120")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("descend", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("descend")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Diagnoses try cures for as long as a run took, or a second or two: a busy machine must not change the answer."""
    from descend.insight import elsewhere, retraining, trials

    for module in (elsewhere, retraining, trials):
        monkeypatch.setattr(module, "_SECONDS", 60.0)
