"""Pictures in files as a network has learnt to see images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from descend.data.errors import DataError
from descend.data.images import open_image
from descend.data.one_digit import like_mnist

__all__ = ["are_centred", "picture_as"]


def picture_as(path: str | Path, size: tuple[int, int], *, centred: bool) -> np.ndarray:
    """A picture in shades of grey, (height, width) as `size` says; or, `centred`, made like those of MNIST.

    Raises
    ------
    DataError
        It cannot be read, or nothing is to be seen on it.
    """
    if not centred:
        return open_image(path, size)
    image = open_image(path)
    try:
        return like_mnist(image)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def are_centred(X: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the centre of mass of these images is in the middle, to a pixel, and their border is black."""
    images = X[:1_000].reshape(-1, *shape).astype(float)
    mass = np.maximum(images.sum(axis=(1, 2)), 1)
    centres = [(images.sum(axis=2 - axis) @ np.arange(shape[axis])) / mass for axis in (0, 1)]
    off = max(float(np.abs(c - shape[axis] / 2).mean()) for axis, c in enumerate(centres))
    border = np.concatenate([images[:, 0].ravel(), images[:, -1].ravel()])
    return off < 0.75 and float((border > 0).mean()) < 0.05
