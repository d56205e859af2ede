"""Methods that give each coordinate a rate of its own, from the size of its gradients."""

from __future__ import annotations

from typing import Any

from descend.fields import Number, between, positive
from descend.methods.means import running
from descend.methods.method import Method, Rate, rate
from descend.words import sqrt

__all__ = ["AdaDelta", "AdaGrad", "RMSProp"]


class AdaGrad(Method):
    """Shrinks the step of a coordinate as its squared gradients add up.

    Wins on sparse data: a rare feature keeps a large step until it has been seen. Fails on long runs: the
    sum only grows, so the steps fade away.
    torch writes the same rule (and starts the sum at 0); keras and optax start the sum at 0.1 and put ε
    inside the root.
    """

    paper = "Duchi, Hazan & Singer (2011), JMLR 12; Ruder (2016), arXiv:1609.04747, section 4.3"

    lr: Rate = rate(1.0)
    eps: Number = positive(1e-8, "keeps the division from 0")

    @staticmethod
    def step(g: Any, s: Any, lr: Any, eps: Any) -> Any:
        """One coordinate's change and its sum of squared gradients."""
        s = s + g**2
        return -lr * g / (sqrt(s) + eps), s


class RMSProp(Method):
    """Divides the gradient by the root of a running mean of its square.

    Wins where the size of the gradient differs much between coordinates or changes along the way. Fails to
    settle: its steps do not shrink with the gradient, so it circles the minimum at a distance of about lr.
    torch writes the same rule; keras and optax put ε inside the root (optax can do both).
    """

    paper = "Tieleman & Hinton (2012), Coursera lecture 6e; Ruder (2016), arXiv:1609.04747, section 4.5"

    lr: Rate = rate(0.001)
    rho: Number = between(0, 1, 0.9, "decay of the running mean")
    eps: Number = positive(1e-8, "keeps the division from 0")

    @staticmethod
    def step(g: Any, v: Any, lr: Any, rho: Any, eps: Any) -> Any:
        """One coordinate's change and its running mean of squared gradients."""
        v = running(v, rho, g**2)
        return -lr * g / (sqrt(v) + eps), v


class AdaDelta(Method):
    """RMSProp whose rate is the root of a running mean of its own squared changes: it needs no rate.

    Wins where nobody knows the scale of the parameters: the units of its steps come out right. Fails by
    starting very slowly, because the first changes are of the size of √ε.
    torch, keras and optax write the same rule (with lr = 1 as in the paper; keras' default is 0.001).
    """

    paper = "Zeiler (2012), arXiv:1212.5701, algorithm 1; Ruder (2016), arXiv:1609.04747, section 4.4"

    lr: Rate = rate(1.0)
    rho: Number = between(0, 1, 0.95, "decay of both running means")
    eps: Number = positive(1e-6, "size of the first squared change")

    @staticmethod
    def step(g: Any, v: Any, u: Any, lr: Any, rho: Any, eps: Any) -> Any:
        """One coordinate's change and the running means of its squared gradient and squared change."""
        v = running(v, rho, g**2)
        change = -sqrt(u + eps) / sqrt(v + eps) * g
        return lr * change, v, running(u, rho, change**2)
