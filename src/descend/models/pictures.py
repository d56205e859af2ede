"""Pictures in files as a network has learnt to see images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from descend.data.errors import DataError
from descend.data.images import open_image
from descend.data.one_digit import are_as_in_mnist, like_mnist

__all__ = ["OnPictures", "are_of_mnist"]

_OF_MNIST = (28, 28)
_LOOKED_AT, _MOST = 1_000, 0.9  # images, and the share of them that must be so


class OnPictures:
    """What a network that has learnt from images does with pictures in files."""

    _image_shape: tuple[int, ...]  # of one row, where rows are images
    _is_of_mnist: bool  # whether these are made as those of MNIST are

    def predict_proba_of_picture(self, path: str | Path) -> np.ndarray:
        """The probability of each class, (classes,), of a picture in a file, of any size."""
        shares: np.ndarray = self.predict_proba_of_pictures([path])[0]
        return shares

    def predict_proba_of_pictures(self, paths: Iterable[str | Path]) -> np.ndarray:
        """The probability of each class, (pictures, classes), of pictures in files, of any size.

        Where the network has learnt from images like MNIST's, the picture is made such: see `data.like_mnist`.

        Raises
        ------
        DataError
            It cannot be read, or nothing is to be seen on it.
        """
        if len(self._image_shape) != 2 or not hasattr(self, "predict_proba"):
            raise TypeError("this network has not learnt from images in shades of grey: it cannot look at a picture")
        height, width = self._image_shape
        images = [_picture_as(path, (height, width), of_mnist=self._is_of_mnist) for path in paths]
        shares: np.ndarray = self.predict_proba(np.stack(images))
        return shares


def _picture_as(path: str | Path, size: tuple[int, int], *, of_mnist: bool) -> np.ndarray:
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
