"""Images from IDX files, folders and single pictures; sets that are fetched; what is wrong with them is told."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from descend.data import DataError, like_mnist
from descend.data import images as sets
from descend.data.download import fetch
from descend.data.idx import read_idx
from descend.data.images import image_folder, image_set, mnist, open_image

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mnist"
real = pytest.mark.skipif(not SHARED.exists(), reason="the files of MNIST are not there")


def idx(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_set(folder: Path, **parts: np.ndarray) -> Path:
    draw, rows = np.random.default_rng(0), 12
    made: dict[str, np.ndarray] = {
        "train-images-idx3-ubyte": draw.integers(0, 256, (rows, 4, 5), np.uint8),
        "train-labels-idx1-ubyte": np.arange(rows, dtype=np.uint8) % 3,
        "t10k-images-idx3-ubyte": draw.integers(0, 256, (6, 4, 5), np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(6, dtype=np.uint8) % 3,
    } | parts
    folder.mkdir(exist_ok=True)
    for name, array in made.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return folder


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]))
def test_an_idx_file_gives_back_what_was_written(tmp_path_factory: Any, shape: list[int], kind: str) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    path = tmp_path_factory.mktemp("idx") / "a"
    for content in (idx(array), gzip.compress(idx(array))):
        path.write_bytes(content)
        np.testing.assert_array_equal(read_idx(path), array)
        assert read_idx(path).dtype == array.dtype


def test_a_damaged_idx_file_is_told(tmp_path: Path) -> None:
    whole = idx(np.zeros((3, 4), np.uint8))
    packed = gzip.compress(np.random.default_rng(0).bytes(500))
    for content, says in (
        (whole[:-1], "cut off"),
        (whole + b"\0", "goes on after its end"),
        (whole[:6], "cut off"),
        (b"", "nothing"),
        (b"\x80\x04\x95\x00" + whole, "no IDX file"),
        (b"\0\0\x0a\x01" + whole[4:], "no IDX file"),
        (packed[:-30], "cut off or damaged"),
        (packed[:40] + b"!!!!" + packed[44:], "cut off or damaged"),
    ):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(DataError, match=says):
            read_idx(tmp_path / "a")


def test_a_set_is_four_files_that_belong_together(tmp_path: Path) -> None:
    found = image_set(write_set(tmp_path / "whole"))
    assert found.X.shape == (12, 4, 5)
    assert found.y_test.tolist() == [0, 1, 2, 0, 1, 2]
    longer = write_set(tmp_path / "longer", **{"train-labels-idx1-ubyte": np.zeros(13, np.uint8)})
    with pytest.raises(DataError, match="12 images.*13 labels"):
        image_set(longer)
    strange = write_set(tmp_path / "strange", **{"t10k-labels-idx1-ubyte": np.full(6, 7, np.uint8)})
    with pytest.raises(DataError, match=r"labels \[7\], of which there is nothing to learn from"):
        image_set(strange)
    (longer / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte.gz"):
        image_set(longer)
    with pytest.raises(FileNotFoundError, match="no directory"):
        mnist(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images that are known"):
        image_set(tmp_path / "empty")


@real
def test_the_original_files_of_mnist_are_read() -> None:
    found = mnist(SHARED)
    assert (found.X.shape, found.X_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert np.bincount(found.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    made = (SHARED / "train-images-idx3-ubyte.gz").read_bytes()
    assert hashlib.md5(gzip.decompress(made)).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"  # noqa: S324


def write_pictures(folder: Path, classes: dict[str, int], size: tuple[int, int] = (6, 5)) -> None:
    draw = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(draw.integers(0, 256, size, np.uint8)).save(folder / name / f"{i}.png")


def test_folders_of_classes_are_a_set(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", {"cats": 7, "dogs": 12})
    X, y = image_folder(tmp_path / "a")
    assert X.shape == (19, 6, 5)
    assert y.tolist() == ["cats"] * 7 + ["dogs"] * 12
    found = image_set(tmp_path / "a")
    assert found.y_test.tolist() == ["cats", "dogs", "dogs"]
    assert len(found.X) == 16
    write_pictures(tmp_path / "b" / "train", {"cats": 2, "dogs": 2})
    write_pictures(tmp_path / "b" / "test", {"cats": 1})
    assert image_set(tmp_path / "b").X_test.shape == (1, 6, 5)


def test_a_picture_that_does_not_fit_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"cats": 2})
    write_pictures(tmp_path / "other", {"dogs": 1}, size=(9, 9))
    (tmp_path / "other" / "dogs").rename(tmp_path / "dogs")
    with pytest.raises(DataError, match=r"dogs/0.png is 9 × 9 pixels, and .*cats/0.png 6 × 5"):
        image_folder(tmp_path)
    assert image_folder(tmp_path, (4, 7))[0].shape == (3, 4, 7)
    assert image_folder(tmp_path, 5)[0].shape == (3, 5, 5)
    sizes: list[Any] = [(4, 4, 4), "16", (0, 3), 2.5]
    for size in sizes:
        with pytest.raises(ValueError, match="size is a height and a width"):
            image_folder(tmp_path, size)
    (tmp_path / "cats" / "1.png").write_bytes((tmp_path / "cats" / "1.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"cats/1.png cannot be read as a picture"):
        image_folder(tmp_path)
    with pytest.raises(DataError, match="holds no pictures"):
        image_folder(tmp_path / "cats")


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (open_image(tmp_path / "a.png") == 255).all()


def test_white_ink_on_what_is_transparent_is_seen(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (3, 2), (255, 255, 255, 0))
    picture.putpixel((1, 0), (255, 255, 255, 255))
    picture.save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").tolist() == [[0, 255, 0], [0, 0, 0]]


def bar(size: tuple[int, int], *, dark: bool) -> np.ndarray:
    """An upright bar, away from the middle, as ink on paper or as light on black."""
    image = np.full(size, 240 if dark else 5, np.uint8)
    image[size[0] // 8 : size[0] // 2, size[1] // 8 : size[1] // 5] = 20 if dark else 250
    return image


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("size", [(28, 28), (300, 200), (64, 480)])
def test_a_picture_becomes_like_those_of_mnist(size: tuple[int, int], dark: bool) -> None:
    draw = np.random.default_rng(0)
    noisy = np.clip(bar(size, dark=dark) + draw.normal(0, 4, size), 0, 255)
    made = like_mnist(noisy)
    assert made.shape == (28, 28)
    assert made.dtype == np.uint8
    rows, columns = np.nonzero(made > 128)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in {19, 20}
    mass = made / made.sum()
    assert abs((mass.sum(axis=1) * np.arange(28)).sum() - 14) < 0.55  # as MNIST counts pixels, from 0
    assert abs((mass.sum(axis=0) * np.arange(28)).sum() - 14) < 0.55
    assert (made[0] == 0).all()


@real
def test_images_of_mnist_stay_as_they_are_and_others_become_what_they_were() -> None:
    _, _, images, _ = mnist(SHARED)
    assert all((like_mnist(image) == image).all() for image in images[:500])
    printed = [like_mnist(np.pad(255 - image, 6, constant_values=255)) for image in images[:500]]
    assert np.abs(np.subtract(printed, images[:500], dtype=float)).mean() < 4  # of 255; a shift by a pixel is 20


@pytest.mark.parametrize("light", ["from a side", "half in a shadow"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_shadow_is_no_ink(light: str, turned: bool) -> None:
    across = np.linspace(0, 1, 300)
    lit = 1 - 0.6 * across if light == "from a side" else np.where(across > 0.4, 0.5, 1.0)
    lit = lit[::-1] if turned else lit
    plain = bar((300, 300), dark=True).astype(float)
    noise = np.random.default_rng(0).normal(0, 3, plain.shape)
    made, expected = like_mnist(plain * lit + noise).astype(int), like_mnist(plain + noise)
    one_off = [np.roll(made, by, axis=(0, 1)) for by in itertools.product((-1, 0, 1), repeat=2)]
    assert min(abs(moved - expected).mean() for moved in one_off) < 6  # of 255; its middle lies between two pixels


def test_ink_at_the_border_is_no_shadow() -> None:
    tight = np.full((300, 200), 240.0)
    tight[:50], tight[:, 80:120] = 20, 20  # a T, cut out along its edges
    made = like_mnist(tight)
    assert (made > 128).sum() == pytest.approx(20 * 13 * (tight < 128).mean(), rel=0.15)  # of 20 x 13 pixels


def test_a_small_digit_on_a_large_sheet_is_seen() -> None:
    sheet = np.full((1_500, 1_500), 220.0)
    sheet[700:820, 720:760] = 30
    noisy = sheet + np.random.default_rng(0).normal(0, 3, sheet.shape)
    made = like_mnist(noisy)
    assert (made > 128).sum() == pytest.approx(20 * 20 / 3, rel=0.15)


def test_a_picture_of_one_shade_has_no_digit() -> None:
    with pytest.raises(DataError, match="one shade"):
        like_mnist(np.full((50, 50), 200))
    with pytest.raises(DataError, match="shades of grey"):
        like_mnist(np.zeros((5, 5, 3)))


class _Mirror(http.server.BaseHTTPRequestHandler):
    content = b""
    breaks_after: int | None = None
    asked: list[str | None] = []  # noqa: RUF012 - of the server, not of a request

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        part = self.content[begin:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: self.breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[tuple[type[_Mirror], str]]:
    handler = type("Handler", (_Mirror,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_goes_on_where_it_broke_off_and_is_checked(tmp_path: Path, mirror: Any) -> None:
    handler, address = mirror
    handler.content = np.random.default_rng(0).bytes(1_000_000)
    checksum = hashlib.sha256(handler.content).hexdigest()
    handler.breaks_after = 400_000
    with pytest.raises(DataError, match=r"broke off after 400,000 of 1,000,000 bytes.*by hand.*put it into"):
        fetch("a.gz", checksum, [address], tmp_path)
    assert not (tmp_path / "a.gz").exists()
    handler.breaks_after = None
    assert fetch("a.gz", checksum, [address], tmp_path).read_bytes() == handler.content
    assert handler.asked == [None, "bytes=400000-"]
    with pytest.raises(DataError, match="not the file that was expected"):
        fetch("b.gz", "0" * 64, [address], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gz"]


def test_the_next_mirror_is_asked_and_no_network_is_told(tmp_path: Path, mirror: Any) -> None:
    handler, address = mirror
    handler.content = b"whole"
    nobody = "http://127.0.0.1:9/"
    fetch("a", hashlib.sha256(b"whole").hexdigest(), [nobody, address], tmp_path)
    with pytest.raises(DataError, match=r"could not be fetched \(http://127.0.0.1:9/.*by hand, e.g. from"):
        fetch("b", "", [nobody], tmp_path)


def test_mnist_is_fetched_once(tmp_path: Path, mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, address = mirror
    made = write_set(tmp_path / "made")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    contents = {part: (made / f"{names[0]}.gz").read_bytes() for part, names in sets._FILES.items()}
    monkeypatch.setattr(handler, "do_GET", _serve(contents), raising=False)
    monkeypatch.setattr(
        sets, "_MNIST", ((address,), {part: hashlib.sha256(c).hexdigest() for part, c in contents.items()})
    )
    assert len(mnist().X) == 12
    handler.do_GET = None  # nobody is asked again
    assert len(mnist().X) == 12


def _serve(contents: dict[str, bytes]) -> Any:
    def do_get(self: Any) -> None:
        part = next(part for part, names in sets._FILES.items() if self.path == f"/{names[0]}.gz")
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents[part])))
        self.end_headers()
        self.wfile.write(contents[part])

    return do_get


def test_a_cache_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot be written to. Give another directory"):
        fetch("a", "", ["http://127.0.0.1:9/"], tmp_path / "file" / "cache")


def test_pictures_of_sixteen_bits_and_turned_ones_are_read_as_they_look(tmp_path: Path) -> None:
    grey = np.tile(np.arange(0, 200, 10, dtype=np.uint16), (8, 1))
    Image.fromarray(grey * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(open_image(tmp_path / "deep.png"), grey)
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DataError, match="not known what is white"):
        open_image(tmp_path / "f.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "turned.png", exif=exif)
    assert open_image(tmp_path / "turned.png").shape == (20, 8)
