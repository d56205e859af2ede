"""The principal axes of the columns: where columns nearly repeat each other, descent goes along these instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Axes", "axes_of_curvature", "axes_of_rows", "axes_of_sparse", "axes_of_sums", "is_flat"]

_FLAT = 1e-4  # of the largest curvature: where the smallest is less, columns hold descent up
_SURE = 1e-10  # of the largest: sums of squares tell no smaller curvature with enough digits
_TURNED = 1e-6  # of the largest: flatter ways of parameters that are turned, and not the rows, would lose digits
_ROUNDING = 8 * float(np.finfo(np.float64).eps)  # of the numbers: what varies by so little does not vary


@dataclass(frozen=True)
class Axes:
    """Coordinates in which the columns have one size and nothing in common; the intercept, last, stays what it is.

    Attributes
    ----------
    columns
        The coefficients are `columns @ coordinates`, (d, d).
    inverse
        Its inverse, where there is one.
    center
        The mean of the columns, (d,): the last coordinate is what is predicted there. Zero where they have none.
    condition
        The largest curvature of least squares over the smallest, before; that of rounding left out.
    """

    columns: np.ndarray
    inverse: np.ndarray
    center: np.ndarray
    condition: float

    def weights(self, coordinates: np.ndarray) -> np.ndarray:
        """The parameters, (…, d + 1), of these coordinates."""
        made = _turned(coordinates, self.columns.T)
        made[..., -1] -= made[..., :-1] @ self.center
        return made

    def coordinates(self, weights: np.ndarray) -> np.ndarray:
        """The coordinates of these parameters."""
        made = _turned(weights, self.inverse.T)
        made[..., -1] += weights[..., :-1] @ self.center
        return made

    def gradient(self, slope: np.ndarray) -> np.ndarray:
        """A gradient in the coordinates, of that in the parameters."""
        centered = slope[..., :-1] - slope[..., -1:] * self.center
        return _turned(np.concatenate([centered, slope[..., -1:]], axis=-1), self.columns)


def _turned(weights: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.concatenate([weights[..., :-1] @ by, weights[..., -1:]], axis=-1)


def is_flat(gram: np.ndarray, l2: float) -> bool:
    """Whether columns nearly repeat each other.

    Parameters
    ----------
    gram
        The mean of z zᵀ over the rows, of the scaled columns, (d, d), float64.
    l2
        The penalty, which curves all coefficients.
    """
    sizes = np.linalg.eigvalsh(gram) + l2
    return bool(sizes[-1] > 0 and sizes[0] < _FLAT * sizes[-1])


def axes_of_sums(gram: np.ndarray, l2: float) -> Axes | None:
    """The axes, of the mean of z zᵀ; None where it has too few digits for the flattest."""
    sizes, ways = np.linalg.eigh(gram + l2 * np.eye(len(gram)))
    return _axes(np.sqrt(np.maximum(sizes, 0)), ways, 0.0) if sizes[0] > _SURE * sizes[-1] else None


def axes_of_rows(z: np.ndarray, l2: float, far: np.ndarray) -> Axes | None:
    """The axes, of the scaled columns themselves; None where these only repeat each other to the last digit.

    Parameters
    ----------
    z
        (n, d), float64; each row as long as the root of its weight.
    far
        How many deviations from zero each column was before it was scaled, (d,): so many digits it has lost.
    """
    root = np.linalg.qr(z, mode="r") / len(z) ** 0.5
    _, lengths, ways = np.linalg.svd(np.vstack([root, l2**0.5 * np.eye(z.shape[1])]), full_matrices=False)
    return _axes(lengths[::-1], ways[::-1].T, _ROUNDING * np.sqrt((ways[::-1] ** 2) @ (1 + far**2)))


def axes_of_sparse(z: Any, weights: np.ndarray, l2: float, *, intercept: bool) -> Axes | None:
    """The axes of sparse columns about their mean; None where no two nearly repeat each other.

    Parameters
    ----------
    z
        Scaled columns, CSR, (n, d), float64.
    weights
        Of the rows, (n,); their mean is 1.
    """
    center = np.asarray(z.T @ weights) / len(weights) if intercept else np.zeros(z.shape[1])
    spread = (z.T @ (z * weights[:, None])).toarray() / len(weights) - np.outer(center, center)
    if not is_flat(spread, l2):
        return None
    return axes_of_curvature(spread + l2 * np.eye(len(spread)), center)


def axes_of_curvature(bend: np.ndarray, center: np.ndarray) -> Axes:
    """The axes along which a cost bends alike, of its second derivatives about a center of the columns.

    They turn parameters: so ways that are flatter than their digits let be count as less flat, and keep their digits.
    """
    sizes, ways = np.linalg.eigh(bend)
    lengths = np.sqrt(np.maximum(sizes, _TURNED * sizes[-1]))
    return Axes(ways / lengths, (ways * lengths).T, center, float(sizes[-1] / max(sizes[0], _SURE * sizes[-1])))


def _axes(lengths: np.ndarray, ways: np.ndarray, rounding: Any) -> Axes | None:
    """Of the root of the curvature along each way, the flattest first."""
    varies = lengths > np.maximum(rounding, _ROUNDING * len(lengths) * lengths[-1])
    units = np.where(varies, lengths, 1.0)
    # Along the others columns repeat each other to the last digit: there is nothing to go for.
    condition = float((lengths[-1] / lengths[varies][0]) ** 2)
    if condition * _FLAT < 1:
        return None
    return Axes(np.where(varies, ways / units, 0.0), (ways * units).T, np.zeros(len(ways)), condition)
