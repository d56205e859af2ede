"""Images to learn from: MNIST and other IDX sets, own folders of pictures, single pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from descend.data.download import fetch
from descend.data.errors import DataError
from descend.data.idx import read_idx

__all__ = [
    "PICTURES", "ImageSet", "fashion_mnist", "image_folder", "image_set", "is_picture", "mnist", "open_image",
    "pictures_in",
]  # fmt: skip

_FILES = {  # what a set consists of, under the names of the original files
    "X": ("train-images-idx3-ubyte", "train-images.idx3-ubyte"),
    "y": ("train-labels-idx1-ubyte", "train-labels.idx1-ubyte"),
    "X_test": ("t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
    "y_test": ("t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"),
}
_MNIST = (
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    {
        "X": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "y": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "X_test": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "y_test": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)
_FASHION = (
    ("https://storage.googleapis.com/tensorflow/tf-keras-datasets/",),
    {
        "X": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "y": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "X_test": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "y_test": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


class ImageSet(NamedTuple):
    """Images and labels to learn from and to test on; unpack it as `X, y, X_test, y_test`."""

    X: np.ndarray  # (rows, height, width), uint8: 0 is the background, 255 the ink
    y: np.ndarray  # (rows,)
    X_test: np.ndarray
    y_test: np.ndarray


def mnist(directory: str | Path | None = None) -> ImageSet:
    """The handwritten digits: 60,000 images of 28 × 28 pixels to learn from, and 10,000 to test on.

    Parameters
    ----------
    directory
        Where the four original files are, in gzip or raw. By default the user's cache, into which they are fetched
        (11 MB) where they are not there yet.

    Raises
    ------
    DataError
        A file is missing or damaged, or cannot be fetched; the message says what to put where.

    Source: LeCun, Cortes & Burges (1998).
    """
    return _known_set("mnist", directory, *_MNIST)


def fashion_mnist(directory: str | Path | None = None) -> ImageSet:
    """Images of ten kinds of clothes, in the form of `mnist`.

    Source: Xiao, Rasul & Vollgraf (2017), arXiv:1708.07747.
    """
    return _known_set("fashion-mnist", directory, *_FASHION)


def _known_set(
    name: str, directory: str | Path | None, mirrors: tuple[str, ...], checksums: dict[str, str]
) -> ImageSet:
    if directory is not None:
        return image_set(directory)
    folder = Path(platformdirs.user_cache_dir("descend"), name)
    for part, checksum in checksums.items():
        if _file_in(folder, part) is None:
            fetch(f"{_FILES[part][0]}.gz", checksum, mirrors, folder)
    return image_set(folder)


def image_set(directory: str | Path, size: int | tuple[int, int] | None = None) -> ImageSet:
    """The images of a directory: four IDX files named as MNIST's; or folders `train` and `test` of classes; or classes.

    Where there are only folders of classes, `class/picture.png`, every sixth picture of each is for the test. Pictures
    are brought to `size`, (height, width) or a number for both; without it they must be of one size.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no directory {folder}")
    files = {part: _file_in(folder, part) for part in _FILES}
    if any(files.values()):
        if size is not None:
            raise DataError(f"a size is for pictures in folders of classes; the images of {folder} have one already")
        missing = [f"{_FILES[part][0]}.gz" for part, file in files.items() if file is None]
        if missing:
            raise DataError(f"{folder} lacks {', '.join(missing)}: a set of images is four files")
        found = ImageSet(*(read_idx(file) for file in files.values() if file is not None))
        _check_together(found.X, found.y, str(files["X"]), str(files["y"]))
        _check_together(found.X_test, found.y_test, str(files["X_test"]), str(files["y_test"]))
    elif (folder / "train").is_dir() and (folder / "test").is_dir():
        X, y = image_folder(folder / "train", size)
        found = ImageSet(X, y, *image_folder(folder / "test", (X.shape[1], X.shape[2])))
    elif any(path.is_dir() for path in folder.iterdir()):
        X, y = image_folder(folder, size)
        place = np.concatenate([np.arange((y == c).sum()) for c in np.unique(y)])  # within the class: y is sorted
        tested = place % 6 == 5
        if not tested.any():
            raise DataError(f"{folder} has fewer than six pictures of each class: too few to hold some out for a test")
        found = ImageSet(X[~tested], y[~tested], X[tested], y[tested])
    else:
        raise DataError(
            f"{folder} holds no images that are known: neither {_FILES['X'][0]}.gz and its three companions, nor "
            "folders of classes with pictures in them"
        )
    if found.X.shape[1:] != found.X_test.shape[1:]:
        raise DataError(f"the images to learn from are {_sizes(found.X)}, and those of the test {_sizes(found.X_test)}")
    strange = np.setdiff1d(found.y_test, found.y)
    if len(strange):
        raise DataError(f"the test holds the labels {strange[:5].tolist()}, of which there is nothing to learn from")
    return found


def _file_in(folder: Path, part: str) -> Path | None:
    candidates = [folder / f"{name}{ending}" for name in _FILES[part] for ending in (".gz", "")]
    return next((path for path in candidates if path.is_file()), None)


def _check_together(images: np.ndarray, labels: np.ndarray, of_images: str, of_labels: str) -> None:
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(f"{of_images} holds {images.dtype} of {images.ndim} dimensions: images are uint8 of three")
    if labels.ndim != 1:
        raise DataError(f"{of_labels} has {labels.ndim} dimensions: labels are one number for each image")
    if len(images) != len(labels):
        raise DataError(
            f"{of_images} holds {len(images):,} images, and {of_labels} {len(labels):,} labels: they differ"
        )
    if not len(images):
        raise DataError(f"{of_images} holds no images")


def image_folder(directory: str | Path, size: int | tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of `directory/class/picture.png` in shades of grey, and their classes.

    Parameters
    ----------
    directory
        Its folders are the classes.
    size
        (height, width) to which all are brought; a number is both. By default they must be of one size.

    Returns
    -------
    X, y
        (rows, height, width), uint8, and (rows,), text: sorted by class and file name.

    Raises
    ------
    DataError
        There are none, one cannot be read, or they are of different sizes; the message names the file.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no directory {folder}")
    paths = pictures_in(folder, "*/*")
    if not paths:
        raise DataError(f"{folder} holds no pictures: put them into folders of classes, {folder}/cats/1.png")
    images: list[np.ndarray] = []
    for path in paths:
        image = open_image(path, size)
        if images and image.shape != images[0].shape:
            raise DataError(
                f"{path} is {_sizes(image)}, and {paths[0]} {_sizes(images[0])}: bring them to one size, "
                f"image_folder({str(folder)!r}, size=(28, 28)), or --size 28 on the command line"
            )
        images.append(image)
    return np.stack(images), np.array([path.parent.name for path in paths])


def pictures_in(folder: Path, pattern: str = "*") -> list[Path]:
    """The files of pictures in a directory, by name."""
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in PICTURES)


def is_picture(path: str | Path) -> bool:
    """Whether a file is one by its ending; or, without one, by what it begins with."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if path.suffix or not path.is_file():
        return path.suffix.lower() in PICTURES
    try:
        with Image.open(path):
            return True
    except UnidentifiedImageError:
        return False


def open_image(path: str | Path, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """A picture in shades of grey, (height, width), uint8; where it is transparent it is white.

    It is black there instead where all else is white, too, so that white ink is seen.

    Raises
    ------
    DataError
        It is no picture, or a damaged one.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width = _both(size) if size is not None else (0, 0)
    try:
        with Image.open(path) as opened:
            file = ImageOps.exif_transpose(opened)
            if file.mode.startswith(("I", "F")):
                file = _eight_bits(file, path)
            clear = file.convert("RGBA")
            grounds = (Image.new("RGBA", clear.size, ground) for ground in ("white", "black"))
            on_white, on_black = (Image.alpha_composite(ground, clear).convert("L") for ground in grounds)
            is_white = on_white.getextrema() == (255, 255) and on_black.getextrema() != (0, 0)
            grey = on_black if is_white else on_white
            if height:
                grey = grey.resize((width, height), Image.Resampling.BOX if grey.width > width else None)
            return np.asarray(grey)
    except FileNotFoundError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from None


def _both(size: Any) -> tuple[int, int]:
    """Height and width."""
    sides = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in sides):
        raise ValueError(f"size is a height and a width in pixels, (28, 28) or 28, got {size!r}")
    return int(sides[0]), int(sides[1])


def _eight_bits(picture: Any, path: Any) -> Any:
    """A picture of 16 bits in 8; those of other numbers are refused, because their white is not known."""
    from PIL import Image

    values = np.asarray(picture)
    is_dark = picture.mode == "I" and values.max() <= 255  # or of 8 bits, in numbers of 32
    if picture.mode == "F" or is_dark or values.min() < 0 or values.max() > 65_535:
        raise DataError(f"{path} holds numbers of which it is not known what is white: save it with 8 or 16 bits")
    return Image.fromarray((values // 257).astype(np.uint8))


def _sizes(images: np.ndarray) -> str:
    return f"{images.shape[-2]} × {images.shape[-1]} pixels"
