"""Methods that look at the sign of the gradient only, so that its size does not matter."""

from __future__ import annotations

from typing import Any, ClassVar

from descend.fields import Number, above, between, in_order, nonnegative, positive
from descend.methods.means import decayed, running
from descend.methods.method import Method, Rate, rate
from descend.words import maximum, minimum, sign, where

__all__ = ["Lion", "Rprop", "SignSGD", "Signum"]


class SignSGD(Method):
    """Steps by lr in each coordinate, against the sign of its gradient.

    Wins where the sizes of gradients tell nothing, or must not be sent over a network. Fails to settle: with
    a constant rate it ends at a distance of about lr.
    optax writes the same rule (`sign_sgd`).
    """

    name = "sign-sgd"
    paper = "Bernstein et al. (2018), arXiv:1802.04434, algorithm 1"

    lr: Rate = rate(0.001)

    @staticmethod
    def step(g: Any, lr: Any) -> Any:
        """One coordinate's change."""
        return -lr * sign(g)


class Signum(Method):
    """SignSGD with momentum: the sign of a running mean of the gradient.

    Wins over SignSGD where the gradient is noisy. Fails to settle, like it.
    """

    paper = "Bernstein et al. (2018), arXiv:1802.04434, algorithm 2"

    lr: Rate = rate(0.001)
    beta: Number = between(0, 1, 0.9, "decay of the running mean of the gradient")

    @staticmethod
    def step(g: Any, m: Any, lr: Any, beta: Any) -> Any:
        """One coordinate's change and its running mean."""
        m = running(m, beta, g)
        return -lr * sign(m), m


class Lion(Method):
    """The sign of a mean of gradient and momentum, with weight decay: found by a search over programs.

    Wins on large networks, with half the memory of Adam and a rate three to ten times smaller. Fails to
    settle with a constant rate; small batches make its signs random.
    optax writes the same rule.
    """

    paper = "Chen et al. (2023), arXiv:2302.06675, algorithm 2"

    lr: Rate = rate(1e-4)
    beta1: Number = between(0, 1, 0.9, "share of the momentum in the step")
    beta2: Number = between(0, 1, 0.99, "decay of the momentum")
    decay: Number = nonnegative(0.0, "weight decay λ, times lr")

    @staticmethod
    def step(g: Any, x: Any, m: Any, lr: Any, beta1: Any, beta2: Any, decay: Any) -> Any:
        """One coordinate's change and its momentum."""
        return decayed(-lr * sign(running(m, beta1, g)), x, lr, decay), running(m, beta2, g)


class Rprop(Method):
    """Each coordinate has a step of its own, which grows while the sign stays and shrinks when it turns.

    Wins on full gradients of badly scaled problems. Fails on batches: their signs turn at random. This is
    iRprop⁻: after a turn the coordinate rests for one step.
    torch writes the same rule.
    """

    paper = "Igel & Hüsken (2003), Neurocomputing 50 (iRprop⁻); Riedmiller & Braun (1993)"
    starts: ClassVar[dict[str, str]] = {"delta": "first"}

    first: Number = positive(0.01, "first step of each coordinate")
    up: Number = above(1, 1.2, "growth while the sign stays")
    down: Number = between(0, 1, 0.5, "shrinking when it turns")
    smallest: Number = positive(1e-6, "smallest step")
    largest: Number = positive(50.0, "largest step")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_order("smallest", self.smallest, "largest", self.largest)

    @staticmethod
    def step(g: Any, h: Any, delta: Any, up: Any, down: Any, smallest: Any, largest: Any) -> Any:
        """One coordinate's change, its last gradient (0 after a turn) and its step."""
        grown, shrunk = minimum(delta * up, largest), maximum(delta * down, smallest)
        kept = sign(g) * sign(h)  # 1 where the sign stays, -1 where it turns
        delta = where(kept > 0, grown, where(kept < 0, shrunk, delta))
        h = where(kept < 0, 0 * g, g)
        return -sign(h) * delta, h, delta
