"""Where a program runs, and with how many digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from descend.objectives.devices import suited_device
from descend.objectives.function import prepare
from descend.words import precision

config: Any = jax.config


@pytest.fixture
def _accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """JAX, as if it had one."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    assert config.jax_default_device is None


def _chosen() -> object:
    return config.jax_default_device


@pytest.mark.usefixtures("_accelerator")
def test_few_numbers_are_for_the_cpu_and_many_for_the_accelerator() -> None:
    with suited_device(100):
        assert _chosen() == jax.local_devices(backend="cpu")[0]
    with suited_device(10**6):
        assert _chosen() is None


@pytest.mark.usefixtures("_accelerator")
def test_what_a_function_holds_counts_as_well_as_its_parameters_and_lanes() -> None:
    table = np.ones((400, 400))
    for problem, lanes, is_small in (
        (prepare(lambda x: (x**2).sum(), np.ones(400)), 1, True),
        (prepare(lambda x: (x**2).sum(), np.ones(400)), 100, False),
        (prepare(lambda x: ((table @ x) ** 2).sum(), np.ones(400)), 1, False),
        (prepare(lambda x, rows: ((rows @ x) ** 2).sum(), np.ones(400), data=(table,)), 1, False),
    ):
        with problem.computing(lanes):
            assert (_chosen() is not None) == is_small


@pytest.mark.usefixtures("_accelerator")
def test_a_device_that_the_user_has_chosen_holds() -> None:
    chosen = jax.local_devices()[0]
    with jax.default_device(chosen), suited_device(100):
        assert _chosen() == chosen


def test_without_an_accelerator_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    with suited_device(100):
        assert _chosen() is None


def test_products_are_of_the_dtype_unless_the_user_has_set_their_precision() -> None:
    def digits() -> str:
        return str(jax.make_jaxpr(jnp.matmul)(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32)))

    assert "HIGHEST" not in digits()
    with precision(np.float32):
        assert "HIGHEST" in digits()
    with jax.default_matmul_precision("bfloat16"), precision(np.float32):
        assert "HIGHEST" not in digits()
