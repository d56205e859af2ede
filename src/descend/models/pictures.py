"""Pictures in files as a network has learnt to see images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from descend.data.errors import DataError
from descend.data.images import open_image
from descend.data.one_digit import are_as_in_mnist, like_mnist

__all__ = ["are_of_mnist", "picture_as"]

_OF_MNIST = (28, 28)
_LOOKED_AT, _MOST = 1_000, 0.9  # images, and the share of them that must be so


def picture_as(path: str | Path, size: tuple[int, int], *, of_mnist: bool) -> np.ndarray:
    """A picture in shades of grey, (height, width) as `size` says; or, `of_mnist`, made like those of MNIST.

    Raises
    ------
    DataError
        It cannot be read, or nothing is to be seen on it.
    """
    if not of_mnist:
        return open_image(path, size)
    image = open_image(path)
    try:
        return like_mnist(image)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def are_of_mnist(X: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether images like these, (n, height·width), are made as those of MNIST are."""
    if X.dtype != np.uint8 or shape != _OF_MNIST:
        return False
    some = X[:: max(1, len(X) // _LOOKED_AT)].reshape(-1, *shape)
    return bool(are_as_in_mnist(some).mean() > _MOST)
