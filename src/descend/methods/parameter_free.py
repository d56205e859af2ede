"""Adam without a rate: the distance to the minimum is estimated on the way, and the rate made of it."""

from __future__ import annotations

from typing import Any, ClassVar

from descend.fields import Number, between, nonnegative, positive
from descend.methods.means import running
from descend.methods.method import Method, Rate, rate
from descend.words import maximum, sqrt

__all__ = ["DAdaptAdam", "Prodigy"]

_LR = "a factor on the estimated rate; leave it at 1"


class DAdaptAdam(Method):
    """Adam whose rate is a lower bound of the distance from the start to the minimum, which grows on the way.

    Wins where nobody knows the rate. Fails by being slow at first, and where the scale of the gradient changes
    late. optax writes the same rule (`contrib.dadapt_adamw`, with its decay of 0).
    """

    paper = "Defazio & Mishchenko (2023), ICML, arXiv:2301.07733, algorithm 5"
    shared: ClassVar[dict[str, str]] = {"d": "first", "r": ""}

    lr: Rate = rate(1.0)
    beta1: Number = between(0, 1, 0.9, "decay of the running mean of the gradient")
    beta2: Number = between(0, 1, 0.999, "decay of the running mean of its square")
    eps: Number = positive(1e-8, "keeps the division from 0")
    first: Number = positive(1e-6, "the first estimate of the distance")

    @staticmethod
    def step(g: Any, m: Any, v: Any, s: Any, d: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change, its running means, and its terms of the two sums."""
        scaled = _scaled(d, t, lr, beta1, beta2)
        agreement = scaled * g * s / (sqrt(v) + eps)
        m = running(m, beta1, scaled * g)
        v = running(v, beta2, g**2)
        s = running(s, sqrt(beta2), scaled * g)
        return -(m / (sqrt(v) + eps)), m, v, s, agreement, abs(s)

    @staticmethod
    def gather(d: Any, r: Any, agreement: Any, size: Any, beta2: Any) -> Any:
        """The new estimate, and the running mean it is made of."""
        r = running(r, sqrt(beta2), agreement)
        return _estimate(d, r, (1 - sqrt(beta2)) * size), r


class Prodigy(Method):
    """D-Adaptation that finds the distance faster: its sums weigh the gradients by the estimate at their time.

    Wins where nobody knows the rate; a cosine schedule as `lr` still helps. Fails where restarts or late
    changes of scale ask for a smaller rate: the estimate only grows. optax writes the same rule
    (`contrib.prodigy`), with ε scaled by the new estimate instead of the old.
    """

    paper = "Mishchenko & Defazio (2024), ICML, arXiv:2306.06101, algorithm 4 (with Adam's bias correction)"
    starts: ClassVar[dict[str, str]] = {"start": "x"}
    shared: ClassVar[dict[str, str]] = {"d": "first", "r": ""}

    lr: Rate = rate(1.0)
    beta1: Number = between(0, 1, 0.9, "decay of the running mean of the gradient")
    beta2: Number = between(0, 1, 0.999, "decay of the running mean of its square")
    eps: Number = positive(1e-8, "keeps the division from 0")
    first: Number = positive(1e-6, "the first estimate of the distance")
    growth: Number = nonnegative(1.0, "factor on each new estimate")

    @staticmethod
    def step(
        g: Any, x: Any, m: Any, v: Any, s: Any, start: Any, d: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any
    ) -> Any:
        """One coordinate's change, its running means, its start, and its terms of the two sums."""
        scaled = _scaled(d, t, lr, beta1, beta2)
        m = running(m, beta1, d * g)
        v = running(v, beta2, (d * g) ** 2)
        s = sqrt(beta2) * s + scaled * d * g
        return -scaled * m / (sqrt(v) + d * eps), m, v, s, start, scaled * d * g * (start - x), abs(s)

    @staticmethod
    def gather(d: Any, r: Any, agreement: Any, size: Any, beta2: Any, growth: Any) -> Any:
        """The new estimate, and the running sum it is made of."""
        r = sqrt(beta2) * r + agreement
        return _estimate(d, growth * r, size), r


def _scaled(d: Any, t: Any, lr: Any, beta1: Any, beta2: Any) -> Any:
    """The rate of this step: the estimate with Adam's bias correction."""
    return d * lr * sqrt(1 - beta2**t) / (1 - beta1**t)


def _estimate(d: Any, above: Any, below: Any) -> Any:
    return maximum(d, above / maximum(below, 1e-30))  # 0 / 0 before the first gradient
