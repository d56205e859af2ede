"""A picture of one digit, drawn or photographed, made like those of MNIST."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.data.errors import DataError

__all__ = ["are_as_in_mnist", "like_mnist"]

_SIDE, _INSIDE = 28, 20  # of an image of MNIST, and of the box into which its digit fits
_CENTRE = _SIDE / 2  # pixels, counted from 0: where MNIST has the centre of mass
_OFF = 0.55  # pixels from it, at most: it lies there but for rounding
_BRIGHT = 250  # the brightest pixel of an image, at least
_SHADES = 8  # between ink and ground, at least
_FAINT = 0.1  # of the ink: what is fainter is noise
_DARK = 0.8  # of the darkest: a shadow is no darker
_QUIETER = 0.25  # of what the border was: so much is left of it where it was a shadow
_COARSE = 96  # pixels of the longer side where a shadow is sought
_AROUND = 0.34  # of the shorter side: what is looked at around each pixel


def like_mnist(image: Any) -> np.ndarray:
    """A picture of one digit as MNIST would hold it, (28, 28), uint8.

    The ink is made light on a dark ground, whichever way it was; shadows and noise are taken out; the digit is
    fitted into 20 × 20 pixels and put so that its centre of mass is in the middle. What is so already, as an image of
    MNIST is, stays as it is.

    Parameters
    ----------
    image
        Shades of grey, (height, width), of any size.

    Raises
    ------
    DataError
        It is all of one shade.
    """
    from PIL import Image

    grey = np.asarray(image, np.float64)
    if grey.ndim != 2 or min(grey.shape) < 2:
        raise DataError(
            f"a picture is shades of grey, (height, width), of two pixels or more each way, got shape {grey.shape}"
        )
    if grey.shape == (_SIDE, _SIDE) and are_as_in_mnist(grey[None])[0]:
        return grey.astype(np.uint8)
    ink = _ink_of(grey)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _INSIDE / max(ink.shape)
    size = tuple(max(1, round(scale * n)) for n in ink.shape)
    small = np.asarray(
        Image.fromarray((255 * ink).astype(np.uint8)).resize((size[1], size[0]), Image.Resampling.LANCZOS)
    )
    mass = small / max(small.sum(), 1)
    centre = [float((mass.sum(axis=1 - axis) * np.arange(size[axis])).sum()) for axis in (0, 1)]
    top_left = [int(np.clip(round(_CENTRE - c), 0, _SIDE - n)) for c, n in zip(centre, size, strict=True)]
    made = np.zeros((_SIDE, _SIDE), np.uint8)
    made[top_left[0] : top_left[0] + size[0], top_left[1] : top_left[1] + size[1]] = small
    return made


def are_as_in_mnist(images: np.ndarray) -> np.ndarray:
    """Which of some images, (n, 28, 28), are as MNIST holds its digits, (n,): light, 20 pixels long, in the middle."""
    shades, fits = images.astype(np.float64), images.max(axis=(1, 2)) >= _BRIGHT
    lengths = []
    for across in (1, 2):
        profile = shades.sum(axis=across)
        off = (profile @ np.arange(_SIDE)) / np.maximum(profile.sum(axis=1), 1) - _CENTRE
        fits &= np.abs(off) <= _OFF
        is_ink = profile > 0
        lengths.append(_SIDE - is_ink.argmax(axis=1) - is_ink[:, ::-1].argmax(axis=1))
    return np.asarray(fits & (np.abs(np.maximum(*lengths) - _INSIDE) <= 1))


def _ink_of(grey: np.ndarray) -> np.ndarray:
    """How much ink is where, from 0 to 1."""
    ink, loudness = _apart(grey, np.median(_border(grey)))
    is_ink = loudness > _DARK and -_ends(ink)[0] < _FAINT  # at the border, and nothing is lighter than the ground
    if loudness > _FAINT and not is_ink:
        lit, rest = _apart(grey, _sheet(grey))
        if rest < _QUIETER * loudness:
            ink, loudness = lit, rest
    faint = np.clip(loudness, _FAINT, 0.5)
    return np.asarray(np.clip((ink - faint) / (1 - faint), 0, 1))


def _apart(grey: np.ndarray, ground: Any) -> tuple[np.ndarray, float]:
    """How far each pixel is from the ground, as a share of how far the ink is; and how far so much of the border is."""
    low, high = _ends(grey - ground)
    if max(high, -low) < _SHADES:
        raise DataError("the picture is all of one shade: there is no digit to be seen")
    # In a shadow dark ink differs less from the sheet.
    ink = grey - ground if high >= -low else (ground - grey) / np.maximum(ground, 1)
    ink = ink / _ends(ink)[1]
    return ink, float(np.percentile(np.abs(_border(ink)), 95))


def _ends(shades: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest shade, but for the pixels that are amiss in a large picture."""
    amiss = 0.1 if shades.size > 10_000 else 0.0  # per cent
    low, high = np.percentile(shades, [amiss, 100 - amiss])
    return float(low), float(high)


def _sheet(grey: np.ndarray) -> np.ndarray:
    """The ground under the ink, where a shadow lies across it: the median of what is around."""
    from PIL import Image
    from scipy import ndimage

    share = min(1.0, _COARSE / max(grey.shape))
    height, width = (max(3, round(share * n)) for n in grey.shape)
    coarse = Image.fromarray(grey.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    around = ndimage.median_filter(np.asarray(coarse), round(_AROUND * min(height, width)), mode="nearest")
    whole = Image.fromarray(around).resize(grey.shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(whole, np.float64)


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
