"""Step-by-step equality with torch in float64, for every method that both have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pairs
import pytest

torch = pytest.importorskip("torch", reason="torch is in the extra 'parity': pip install '.[parity]'")


@pytest.mark.parametrize("pair", [p for p in pairs.TORCH if p.name], ids=lambda p: repr(p.method))
def test_one_hundred_random_steps_are_equal(pair: Any) -> None:
    method = pair.method
    x = np.linspace(-1, 1, 6)
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, pair.name)([theirs], **pair.settings)
    state = method.init(x)
    draw = np.random.default_rng(0)
    for _ in range(100):
        g = draw.normal(size=6)
        theirs.grad = torch.tensor(g)
        optimizer.step()
        change, state = method.update(g, state, x)
        x = x + change
        np.testing.assert_allclose(x, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
