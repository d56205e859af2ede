"""Step-by-step equality with keras in float64 (on its JAX backend), for every method that both have."""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
import pairs
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="keras is in the extra 'parity': pip install '.[parity]'")


@pytest.mark.parametrize("pair", [p for p in pairs.KERAS if p.name], ids=lambda p: repr(p.method))
def test_one_hundred_random_steps_are_equal(pair: Any) -> None:
    with jax.enable_x64(True):
        before = keras.config.floatx()
        keras.config.set_floatx("float64")
        try:
            x = np.zeros(6) if "Ftrl" in pair.name else np.linspace(-1, 1, 6)
            theirs = keras.Variable(x)
            optimizer = getattr(keras.optimizers, pair.name)(**pair.settings)
            optimizer.build([theirs])
            state = pair.method.init(x)
            draw = np.random.default_rng(0)
            for _ in range(100):
                g = draw.normal(size=6)
                optimizer.apply([g], [theirs])
                change, state = pair.method.update(g, state, x)
                x = x + change
                np.testing.assert_allclose(x, np.asarray(theirs.value), rtol=1e-10, atol=1e-12)
        finally:
            keras.config.set_floatx(before)
