"""Gradients by central differences, for functions that can only be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.objectives.parameters import as_vector, dtype_of, from_vector

__all__ = ["central_differences"]


def central_differences(value: Callable[[Any], Any], x: Any) -> Any:
    """(f(x + h eᵢ) - f(x - h eᵢ)) / 2h for each coordinate, in the structure, shape and dtype of x.

    h = ε^(1/3) · max(1, |xᵢ|), with ε the spacing of the dtype at 1: the length that balances rounding and
    curvature (Press et al., Numerical Recipes, section 5.7).
    """
    point = as_vector(x)
    eps = np.finfo(dtype_of(x)).eps
    gradient = np.empty_like(point)
    for i, here in enumerate(point):
        h = eps ** (1 / 3) * max(1, abs(here))
        ahead, behind = point.copy(), point.copy()
        ahead[i], behind[i] = here + h, here - h
        rise = value(from_vector(ahead, x)) - value(from_vector(behind, x))
        gradient[i] = rise / (ahead[i] - behind[i])  # the distance as it was rounded
    return from_vector(gradient, x)
