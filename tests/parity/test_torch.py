"""Step-by-step equality with torch in float64, for every method that both have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import methods as ours

torch = pytest.importorskip("torch", reason="torch is in the extra 'parity': pip install '.[parity]'")

PAIRS = [
    (ours.GradientDescent(0.1), "SGD", {"lr": 0.1}),
    (ours.Momentum(0.05, mu=0.8), "SGD", {"lr": 0.05, "momentum": 0.8}),
    (ours.Nesterov(0.05, mu=0.8), "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    (ours.AdaGrad(0.1, eps=1e-6), "Adagrad", {"lr": 0.1, "eps": 1e-6}),
    (ours.AdaDelta(0.5, rho=0.9, eps=1e-4), "Adadelta", {"lr": 0.5, "rho": 0.9, "eps": 1e-4}),
    (ours.RMSProp(0.02, rho=0.95, eps=1e-6), "RMSprop", {"lr": 0.02, "alpha": 0.95, "eps": 1e-6}),
    (ours.Adam(0.03, beta1=0.8, beta2=0.99, eps=1e-6), "Adam", {"lr": 0.03, "betas": (0.8, 0.99), "eps": 1e-6}),
    (ours.AMSGrad(0.03, beta2=0.9), "Adam", {"lr": 0.03, "betas": (0.9, 0.9), "amsgrad": True}),
    (ours.AdamW(0.03, decay=0.1), "AdamW", {"lr": 0.03, "weight_decay": 0.1}),
    (ours.AdaMax(0.03, beta1=0.8), "Adamax", {"lr": 0.03, "betas": (0.8, 0.999)}),
    (ours.Rprop(0.1, up=1.3, down=0.4), "Rprop", {"lr": 0.1, "etas": (0.4, 1.3)}),
]


@pytest.mark.parametrize(("method", "name", "settings"), PAIRS, ids=[repr(pair[0]) for pair in PAIRS])
def test_one_hundred_random_steps_are_equal(method: Any, name: str, settings: dict[str, Any]) -> None:
    x = np.linspace(-1, 1, 6)
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([theirs], **settings)
    state = method.init(x)
    draw = np.random.default_rng(0)
    for _ in range(100):
        g = draw.normal(size=6)
        theirs.grad = torch.tensor(g)
        optimizer.step()
        change, state = method.update(g, state, x)
        x = x + change
        np.testing.assert_allclose(x, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
