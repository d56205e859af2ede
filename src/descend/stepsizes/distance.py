"""Rates from the distance travelled: no curvature, no tuning, also for sampled gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from descend.fields import Number, positive
from descend.stepsizes.stepsize import Asks, At, StepSize
from descend.words import difference, dot, like, maximum, norm, sqrt

__all__ = ["DoG", "DoWG"]


class _Travelled(NamedTuple):
    start: Any
    reach: Any  # the largest distance from the start so far
    total: Any  # the sum of squared gradients


class DoG(StepSize):
    """Distance over gradients: the largest distance from the start over the root of the summed squared gradients.

    For stochastic convex costs as good as the best rate, up to logarithms. The paper recommends to average the
    points (`Averaged`).
    """

    asks = Asks.GRADIENT
    paper = "Ivgi, Hinder & Carmon (2023), ICML, arXiv:2302.12022, equation DoG"

    first: Number = positive(1e-4, "the first distance, as a share of 1 + |x0|")

    def init(self, x: Any) -> _Travelled:
        """The start, and the first distance."""
        size = norm(x)
        return _Travelled(x, like(self.first, size) * (1 + size), 0 * size)

    def next(self, state: _Travelled, at: At) -> tuple[Any, _Travelled, int]:
        """See `StepSize.next`."""
        reach = maximum(state.reach, norm(difference(at.x, state.start)))
        total = state.total + self._weighted(reach, dot(at.g, at.g))
        tiny = np.finfo(jax.tree.leaves(at.g)[0].dtype).tiny.item()
        return self._rate(reach, maximum(total, tiny)), _Travelled(state.start, reach, total), 0

    @staticmethod
    def _weighted(reach: Any, square: Any) -> Any:
        return square

    @staticmethod
    def _rate(reach: Any, total: Any) -> Any:
        return reach / sqrt(total)


class DoWG(DoG):
    """Distance over weighted gradients: `DoG` whose sum weighs each squared gradient by the distance then."""

    paper = "Khaled, Mishchenko & Jin (2023), NeurIPS, arXiv:2305.16284, algorithm 1"

    @staticmethod
    def _weighted(reach: Any, square: Any) -> Any:
        return reach**2 * square

    @staticmethod
    def _rate(reach: Any, total: Any) -> Any:
        return reach**2 / sqrt(total)
