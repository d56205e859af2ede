"""Methods that solve a small regularised problem at each step."""

from __future__ import annotations

from typing import Any

from descend.fields import Number, nonnegative
from descend.methods.method import Method, Rate, rate
from descend.words import sign, sqrt, where

__all__ = ["FTRLProximal"]


class FTRLProximal(Method):
    """Follow the regularised leader: AdaGrad with an L1 penalty that makes exact zeros.

    Wins on streams of sparse rows, where the model must stay small. Fails from a start other than zero: the
    rule assumes that weights begin there, and pulls them towards it.
    keras writes the same rule (`Ftrl`, with its learning rate power of -0.5).
    """

    name = "ftrl-proximal"
    paper = "McMahan et al. (2013), KDD, algorithm 1"

    lr: Rate = rate(0.1)
    beta: Number = nonnegative(1.0, "smooths the first steps")
    l1: Number = nonnegative(0.0, "L1 penalty: a coordinate below it is exactly zero")
    l2: Number = nonnegative(0.0, "L2 penalty")

    @staticmethod
    def step(g: Any, x: Any, z: Any, n: Any, lr: Any, beta: Any, l1: Any, l2: Any) -> Any:
        """One coordinate's change, its sum of gradients and its sum of squared gradients."""
        sigma = (sqrt(n + g**2) - sqrt(n)) / lr
        z = z + g - sigma * x
        n = n + g**2
        leader = -(z - sign(z) * l1) / ((beta + sqrt(n)) / lr + l2)
        return where(abs(z) <= l1, 0 * z, leader) - x, z, n
