"""Settings for all tests: a headless picture backend and reproducible properties."""

from __future__ import annotations

import os
from collections.abc import Iterator

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

mpl.use("Agg")
os.environ.setdefault("COLUMNS", "120")

settings.register_profile("descend", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("descend")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
