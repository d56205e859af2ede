"""Gradient descent, and its two forms with memory of the way so far."""

from __future__ import annotations

from typing import Any

from descend.fields import Number, between
from descend.methods.means import running
from descend.methods.method import Method, Rate, rate

__all__ = ["QHM", "GradientDescent", "Momentum", "Nesterov"]


class GradientDescent(Method):
    """Steps against the gradient.

    Wins where the cost is smooth and its curvature is alike in all directions. Fails where it is not: the
    rate must stay below 2/L for the steepest direction, and the flattest then takes about κ = L/μ steps.
    In torch, keras and optax: `SGD(lr)`, the same rule.
    """

    name = "gradient-descent"
    paper = "Cauchy (1847), Comptes Rendus 25; Ruder (2016), arXiv:1609.04747, section 2.1"

    lr: Rate = rate(0.01)

    @classmethod
    def optimal(cls, L: float, mu: float) -> GradientDescent:
        """The best constant rate for curvatures between mu > 0 and L: 2/(L + mu).

        Source: Polyak (1987), Introduction to Optimization, section 1.4.
        """
        _check_curvatures(L, mu)
        return cls(lr=2 / (L + mu))

    @staticmethod
    def step(g: Any, lr: Any) -> Any:
        """One coordinate's change."""
        return -lr * g


class Momentum(Method):
    """Adds a share of the last change to this one: a ball that rolls (the "heavy ball", velocity form).

    Wins in long narrow valleys, where it needs about √κ steps instead of κ. Fails by overshooting: with μ
    near 1 it circles the minimum for a long time. With μ = 0 it is gradient descent.
    Keras' `SGD(momentum)` is this form. Torch and optax keep v ← μv + g and step −lr·v: the same path while
    lr is constant, another one under a schedule.
    """

    paper = "Polyak (1964), USSR Comp. Math. 4(5); Ruder (2016), arXiv:1609.04747, section 4.1"

    lr: Rate = rate(0.01)
    mu: Number = between(0, 1, 0.9, "momentum, the share of the last change that is kept")

    @classmethod
    def optimal(cls, L: float, mu: float) -> Momentum:
        """The best constants for a quadratic with curvatures between mu > 0 and L.

        lr = 4/(√L + √mu)², momentum ((√κ − 1)/(√κ + 1))² with κ = L/mu: each step contracts by about 1 − 2/√κ.

        Source: Polyak (1964), USSR Comp. Math. 4(5).
        """
        _check_curvatures(L, mu)
        root = (L / mu) ** 0.5
        return cls(lr=4 / (L**0.5 + mu**0.5) ** 2, mu=((root - 1) / (root + 1)) ** 2)

    @staticmethod
    def step(g: Any, v: Any, lr: Any, mu: Any) -> Any:
        """One coordinate's change and its velocity."""
        v = mu * v - lr * g
        return v, v


class Nesterov(Method):
    """Momentum that takes the gradient where the velocity is about to carry it.

    Wins over Momentum on convex costs, where it has the best rate a first-order method can have, and
    overshoots less. Fails, like it, with μ too near to 1.
    Written, as in keras, torch and optax, in the point that looks ahead, so that one gradient a step, at x,
    is enough (Sutskever et al. 2013, after the change of variable of Bengio et al. 2012).
    """

    paper = "Nesterov (1983), Soviet Math. Doklady 27; Ruder (2016), arXiv:1609.04747, section 4.2"

    lr: Rate = rate(0.01)
    mu: Number = between(0, 1, 0.9, "momentum, the share of the last change that is kept")

    @classmethod
    def optimal(cls, L: float, mu: float) -> Nesterov:
        """The constants with the best guarantee for curvatures between mu > 0 and L, also beyond quadratics.

        lr = 1/L, momentum (√κ − 1)/(√κ + 1) with κ = L/mu: the cost contracts by 1 − 1/√κ.

        Source: Nesterov (2004), Introductory Lectures on Convex Optimization, scheme 2.2.22.
        """
        _check_curvatures(L, mu)
        root = (L / mu) ** 0.5
        return cls(lr=1 / L, mu=(root - 1) / (root + 1))

    @staticmethod
    def step(g: Any, v: Any, lr: Any, mu: Any) -> Any:
        """One coordinate's change and its velocity."""
        v = mu * v - lr * g
        return mu * v - lr * g, v


class QHM(Method):
    """Quasi-hyperbolic momentum: a mean of the plain step and the step of momentum.

    Wins a little over Momentum with strong smoothing (β near 1), because ν < 1 keeps it awake to the newest
    gradient. With ν = 0 it is gradient descent, with ν = 1 momentum with lr·(1 − β). Fails where they do.
    """

    paper = "Ma & Yarats (2019), arXiv:1810.06801, equation 3"

    lr: Rate = rate(0.01)
    beta: Number = between(0, 1, 0.999, "decay of the running mean of the gradient")
    nu: Number = between(0, 1, 0.7, "share of the running mean in the step")

    @staticmethod
    def step(g: Any, m: Any, lr: Any, beta: Any, nu: Any) -> Any:
        """One coordinate's change and its running mean."""
        m = running(m, beta, g)
        return -lr * ((1 - nu) * g + nu * m), m


def _check_curvatures(L: float, mu: float) -> None:
    if not 0 < mu <= L < float("inf"):
        raise ValueError(f"the curvatures must be 0 < mu <= L, got L = {L!r}, mu = {mu!r}")
