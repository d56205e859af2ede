"""Adam and its family."""

from __future__ import annotations

from typing import Any

from descend.fields import between, positive
from descend.methods.method import Method, Rate, rate
from descend.words import sqrt

__all__ = ["Adam"]


class Adam(Method):
    """RMSProp with momentum, both corrected for having started at zero.

    Wins as a first choice on most problems: the step is about lr whatever the scale of the gradient. Fails
    to settle for the same reason: with a constant rate it ends at a distance of about lr from the minimum.
    torch and optax write the same rule; keras applies ε before the bias correction, which differs by a
    factor √(1 − β₂ᵗ) on ε.
    """

    paper = "Kingma & Ba (2015), arXiv:1412.6980, algorithm 1; Ruder (2016), arXiv:1609.04747, section 4.6"

    lr: Rate = rate(0.001)
    beta1: float = between(0, 1, 0.9, "decay of the running mean of the gradient")
    beta2: float = between(0, 1, 0.999, "decay of the running mean of its square")
    eps: float = positive(1e-8, "keeps the division from 0")

    @staticmethod
    def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change and the running means of its gradient and squared gradient."""
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        return -lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps), m, v
