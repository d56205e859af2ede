"""FTRL-proximal against what it claims to solve: each step's minimum, found by looking for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from descend import FTRLProximal


@given(
    st.integers(0, 10_000), st.floats(0.05, 2.0), st.floats(0.0, 2.0), st.floats(0.0, 1.5), st.floats(0.0, 2.0)
)  # fmt: skip
def test_each_step_minimises_the_sum_of_all_it_has_seen(
    seed: int, lr: float, beta: float, l1: float, l2: float
) -> None:
    """McMahan et al. (2013), equation 1: x minimises Σg·x + ½Σσ(x - xₛ)² + λ₁|x| + ½λ₂x², with Σσ = (β + √Σg²)/lr."""
    method = FTRLProximal(lr=lr, beta=beta, l1=l1, l2=l2)
    x, state = np.zeros(1), method.init(np.zeros(1))
    sums, weights, centres, squares = 0.0, [beta / lr], [0.0], 0.0
    for g in np.random.default_rng(seed).normal(size=6):
        weights.append((np.sqrt(squares + g**2) - np.sqrt(squares)) / lr)
        centres.append(float(x[0]))
        sums, squares = sums + g, squares + g**2

        def seen(v: float) -> float:
            near = 0.5 * np.sum(np.array(weights) * (v - np.array(centres)) ** 2)
            return float(sums * v + near + l1 * abs(v) + 0.5 * l2 * v**2)

        change, state = method.update(np.array([g]), state, x)
        x = x + change
        best = minimize_scalar(seen, bracket=(-1.0, 1.0), tol=1e-12).x
        scale = sum(weights) + l2
        assert seen(float(x[0])) <= seen(best) + 1e-9 * max(1.0, abs(seen(best)))
        assert x[0] == pytest.approx(best, abs=1e-5 * max(1.0, 1 / scale))
