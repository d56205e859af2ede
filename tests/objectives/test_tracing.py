"""What is compiled is found again by what was traced."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from descend.objectives import tracing


def times(factor: float) -> Any:
    return tracing.compiled(lambda x, y: jnp.sum(factor * x) + y)


def test_two_functions_of_one_program_are_compiled_once_and_another_is_another() -> None:
    x = np.arange(7, dtype=np.float32)
    assert float(times(2.0)(x, np.float32(1))) == 43.0
    made = set(tracing._made)
    assert float(times(2.0)(x + 1, np.float32(1))) == 57.0
    assert set(tracing._made) == made
    assert float(times(3.0)(x, np.float32(1))) == 64.0
    assert len(set(tracing._made) - made) == 1
