"""Where data come from: tables in files and in memory, sparse text, images, as numbers to learn from."""

from descend.data.column import Column
from descend.data.encoding import Encoder
from descend.data.errors import DataError
from descend.data.images import ImageSet, fashion_mnist, image_folder, image_set, mnist, open_image
from descend.data.one_digit import like_mnist
from descend.data.source import Source
from descend.data.sources import source_of

__all__ = [
    "Column",
    "DataError",
    "Encoder",
    "ImageSet",
    "Source",
    "fashion_mnist",
    "image_folder",
    "image_set",
    "like_mnist",
    "mnist",
    "open_image",
    "source_of",
]
