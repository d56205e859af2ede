"""Adam and its family: running means of the gradient and of its size, corrected for having started at zero."""

from __future__ import annotations

from typing import Any

from descend.fields import Number, between, nonnegative, positive
from descend.methods.means import decayed, running, unbiased
from descend.methods.method import Method, Rate, rate
from descend.words import maximum, sign, sqrt, where

__all__ = ["AMSGrad", "AdaBelief", "AdaMax", "Adam", "AdamW", "NAdamW", "Nadam", "RAdam", "Yogi"]

_MEAN = "decay of the running mean of the gradient"
_SQUARE = "decay of the running mean of its square"
_EPS = "keeps the division from 0"


class Adam(Method):
    """RMSProp with momentum, both corrected for having started at zero.

    Wins as a first choice on most problems: the step is about lr whatever the scale of the gradient. Fails
    to settle for the same reason: with a constant rate it ends at a distance of about lr from the minimum.
    torch and optax write the same rule; keras applies ε before the bias correction, which differs by a
    factor √(1 − β₂ᵗ) on ε.
    """

    paper = "Kingma & Ba (2015), arXiv:1412.6980, algorithm 1; Ruder (2016), arXiv:1609.04747, section 4.6"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-8, _EPS)

    @staticmethod
    def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change and the running means of its gradient and squared gradient."""
        m = running(m, beta1, g)
        v = running(v, beta2, g**2)
        return -lr * unbiased(m, beta1, t) / (sqrt(unbiased(v, beta2, t)) + eps), m, v


class AdamW(Method):
    """Adam whose weights decay beside the gradient, not inside it.

    Wins over Adam with an L2 penalty: the decay is the same for all weights, however large their gradients
    were. Fails where there is nothing to regularise: then it is Adam with a bias towards zero.
    torch, keras and optax write the same decay (keras with its own place of ε, see Adam).
    """

    paper = "Loshchilov & Hutter (2019), arXiv:1711.05101, algorithm 2"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-8, _EPS)
    decay: Number = nonnegative(0.01, "weight decay λ, times lr")

    @staticmethod
    def step(g: Any, x: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, decay: Any) -> Any:
        """One coordinate's change and its two running means."""
        change, m, v = Adam.step(g, m, v, t, lr, beta1, beta2, eps)
        return decayed(change, x, lr, decay), m, v


class AdaMax(Method):
    """Adam with the largest recent gradient in place of the root of the mean square.

    Wins where gradients are sparse or come in bursts: one large gradient bounds the steps for a while. Fails,
    like Adam, to settle with a constant rate.
    torch and optax write the same rule; keras divides by u + ε instead.
    """

    paper = "Kingma & Ba (2015), arXiv:1412.6980, algorithm 2; Ruder (2016), arXiv:1609.04747, section 4.7"

    lr: Rate = rate(0.002)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, "decay of the largest gradient")
    eps: Number = positive(1e-8, _EPS)

    @staticmethod
    def step(g: Any, m: Any, u: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change, its running mean and its largest recent gradient."""
        m = running(m, beta1, g)
        u = maximum(beta2 * u, abs(g) + eps)
        return -lr * unbiased(m, beta1, t) / u, m, u


class Nadam(Method):
    """Adam that looks ahead as Nesterov does: the momentum of the next step is used in this one.

    Wins a little over Adam on smooth costs. Fails where Adam does.
    optax writes the same rule (`adam(nesterov=True)`); torch and keras let β₁ grow along a schedule of their
    own, so that they agree only approximately.
    """

    paper = "Dozat (2016), ICLR workshop; Ruder (2016), arXiv:1609.04747, section 4.8"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-8, _EPS)

    @staticmethod
    def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change and its two running means."""
        m = running(m, beta1, g)
        v = running(v, beta2, g**2)
        ahead = beta1 * unbiased(m, beta1, t + 1) + (1 - beta1) * unbiased(g, beta1, t)
        return -lr * ahead / (sqrt(unbiased(v, beta2, t)) + eps), m, v


class NAdamW(Method):
    """Nadam whose weights decay beside the gradient, as in AdamW.

    Wins and fails as Nadam does, with the regularisation of AdamW. optax writes the same rule (`nadamw`).
    """

    paper = "Dozat (2016), ICLR workshop; Loshchilov & Hutter (2019), arXiv:1711.05101"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-8, _EPS)
    decay: Number = nonnegative(0.01, "weight decay λ, times lr")

    @staticmethod
    def step(g: Any, x: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, decay: Any) -> Any:
        """One coordinate's change and its two running means."""
        change, m, v = Nadam.step(g, m, v, t, lr, beta1, beta2, eps)
        return decayed(change, x, lr, decay), m, v


class AMSGrad(Method):
    """Adam that never forgets a large gradient: its denominators only grow.

    Wins on problems made to defeat Adam, where rare large gradients point the right way. Fails, like AdaGrad,
    by slowing down after one exceptional gradient.
    torch and keras write the same rule (`amsgrad=True`; keras with its own place of ε); optax takes the
    largest of the corrected means.
    """

    paper = "Reddi, Kale & Kumar (2018), arXiv:1904.09237, algorithm 2 (with Adam's bias correction)"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-8, _EPS)

    @staticmethod
    def step(g: Any, m: Any, v: Any, w: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change, its two running means and the largest of the second."""
        m = running(m, beta1, g)
        v = running(v, beta2, g**2)
        w = maximum(w, v)
        return -lr * unbiased(m, beta1, t) / (sqrt(unbiased(w, beta2, t)) + eps), m, v, w


class RAdam(Method):
    """Adam that waits for its second moment: momentum alone until there are values enough to trust it.

    Wins where Adam needs a warm-up of the rate. Fails where the first few steps of plain momentum at the
    same rate are already too long.
    optax writes the same rule; torch applies ε before the bias correction.
    """

    paper = "Liu et al. (2020), arXiv:1908.03265, algorithm 2 (threshold 5, as its code has it)"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0.61, 1, 0.999, f"{_SQUARE}; below 0.6 it could never be trusted")
    eps: Number = positive(1e-8, _EPS)

    @staticmethod
    def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change and its two running means."""
        m = running(m, beta1, g)
        v = running(v, beta2, g**2)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        trusted = maximum(length, 5)  # so that the root below is real where it is not used
        r = sqrt((trusted - 4) * (trusted - 2) * longest / ((longest - 4) * (longest - 2) * trusted))
        direction = where(length > 5, r / (sqrt(unbiased(v, beta2, t)) + eps), 1)
        return -lr * unbiased(m, beta1, t) * direction, m, v


class AdaBelief(Method):
    """Adam that divides by how far the gradient lies from its mean, not by how large it is.

    Wins where the gradient is large but steady: it then takes large steps. Fails where it is all noise, as
    Adam does.
    optax writes the same rule, with the two places of ε as two numbers.
    """

    paper = "Zhuang et al. (2020), arXiv:2010.07468, algorithm 2"

    lr: Rate = rate(0.001)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, "decay of the running mean of its squared surprise")
    eps: Number = positive(1e-16, _EPS)

    @staticmethod
    def step(g: Any, m: Any, s: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change, its running mean and its running squared surprise."""
        m = running(m, beta1, g)
        s = running(s, beta2, (g - m) ** 2) + eps
        return -lr * unbiased(m, beta1, t) / (sqrt(unbiased(s, beta2, t)) + eps), m, s


class Yogi(Method):
    """Adam whose second moment moves by steps of bounded size, so that it cannot drop suddenly.

    Wins where gradients are sparse: Adam forgets their size too soon. Fails by adapting slowly when the
    scale really changes.
    optax writes the same rule, with a start of 1e-6 instead of 0.
    """

    paper = "Zaheer et al. (2018), NeurIPS 31, algorithm 2 (with Adam's bias correction)"

    lr: Rate = rate(0.01)
    beta1: Number = between(0, 1, 0.9, _MEAN)
    beta2: Number = between(0, 1, 0.999, _SQUARE)
    eps: Number = positive(1e-3, _EPS)

    @staticmethod
    def step(g: Any, m: Any, v: Any, t: Any, lr: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
        """One coordinate's change and its two running means."""
        m = running(m, beta1, g)
        v = v - (1 - beta2) * sign(v - g**2) * g**2
        return -lr * unbiased(m, beta1, t) / (sqrt(unbiased(v, beta2, t)) + eps), m, v
