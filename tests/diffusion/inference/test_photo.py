"""Preparation of photos against the originals' description, and photos that cannot work."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.cutout import read_cutout
from drpose_ray.diffusion.inference.photo import PhotoFile, list_photos, prepare, read_photo


def person_photo(width: int = 300, height: int = 400) -> Image.Image:
    """A red body with a green head, 100 wide and 240 tall, off centre on transparency."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[40:281, 30:131] = (200, 0, 0, 255)
    pixels[40:80, 30:131] = (0, 200, 0, 255)
    return Image.fromarray(pixels)


def test_the_person_is_centred_with_its_longer_side_at_the_crop_size() -> None:
    photo = prepare("p", person_photo(), size=192, crop_size=180)
    assert photo.person.shape == (192, 192, 3)
    ink = (photo.person < 250).any(-1)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert (rows[0], rows[-1]) == (6, 185)  # 180 pixels, 6 above
    assert columns[-1] - columns[0] + 1 == 75  # 100 of 240 x 180
    assert columns[0] == (192 - 75) // 2
    assert (photo.person[0] == 255).all(), "background white"


def test_the_head_is_the_middle_top_ninth() -> None:
    photo = prepare("p", person_photo(), size=192, crop_size=180)
    window = np.asarray(Image.fromarray(photo.person).crop((64, 0, 128, 64)).resize((192, 192)))
    difference = np.abs(photo.head.astype(int) - window.astype(int))
    assert np.median(difference) == 0 and difference.mean() < 3, "up to compositing before or after resizing"
    assert photo.head[100, 96].tolist()[1] > 150, "green, the head"


def test_transparency_is_composited_straight_on_white() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[5:15, 5:15] = (100, 0, 0, 128)
    photo = prepare("p", Image.fromarray(pixels), size=24, crop_size=9)
    expected = (100 * 128 + 255 * 127) // 255, 255 * 127 // 255  # truncated
    assert tuple(photo.person[12, 12][:2]) == expected


@pytest.mark.parametrize(
    ("image", "names"),
    [
        (Image.new("RGB", (30, 30)), "no transparency"),
        (Image.new("RGBA", (30, 30), (9, 9, 9, 255)), "100% opaque"),
        (Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "0% opaque"),
    ],
    ids=["rgb", "opaque", "empty"],
)
def test_photos_without_a_cut_out_person_are_refused(image: Image.Image, names: str, tmp_path: Path) -> None:
    image.save(tmp_path / "p.png")
    with pytest.raises(InputError, match=names):
        read_photo(PhotoFile("p", tmp_path / "p.png"), 96, 90)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    person_photo().save(tmp_path / "p.png")
    torn = (tmp_path / "p.png").read_bytes()[:200]
    (tmp_path / "p.png").write_bytes(torn)
    with pytest.raises(InputError, match="the image cannot be decoded"):
        read_photo(PhotoFile("p", tmp_path / "p.png"), 96, 90)


def test_a_table_names_its_photos_and_keeps_their_order(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("name,image\nzoe,one.png\nadam,sub/two.png\n")
    assert list_photos(table).photos == (
        PhotoFile("zoe", tmp_path / "one.png"), PhotoFile("adam", tmp_path / "sub" / "two.png"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("picture\na.png\n", "no column 'image'"), ("image\na/p.png\nb/p.png\n", "the same views"),
        ("image\n", "no photos"), ("name,image\n../up,a.png\n", "not fit for a folder"),
    ],
    ids=["column", "names", "empty", "slash"],
)  # fmt: skip
def test_tables_that_cannot_work_are_refused(text: str, names: str, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=names):
        list_photos(table)


def with_exif(image: Image.Image, path: Path, orientation: int, **options: Any) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **options)
    return path


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """As a camera stores ``image`` with this orientation."""
    back = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    return image if back is None else image.transpose(back)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "options"),
    [("png", {}), ("webp", {"lossless": True, "exact": True}), ("tif", {}), ("tiff", {"compression": "tiff_lzw"})],
)
def test_photos_are_upright_whatever_their_orientation_says(
    orientation: int, ending: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = with_exif(turned(person_photo(), orientation), tmp_path / f"p.{ending}", orientation, **options)
    np.testing.assert_array_equal(np.asarray(read_cutout(path)), np.asarray(person_photo()))


def _palette() -> Image.Image:
    image = Image.new("P", (30, 30), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (5, 5, 20, 25))
    return image


@pytest.mark.parametrize("kind", ["palette", "grey and alpha", "clear colour", "RGBA of 16 bits", "animated", "pages"])
def test_every_kind_of_transparency_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    if kind == "palette":
        _palette().save(path, transparency=0)
    elif kind == "grey and alpha":
        person_photo().convert("LA").save(path)
    elif kind == "clear colour":
        image = Image.new("RGB", (30, 30), (1, 2, 3))
        image.paste((200, 0, 0), (5, 5, 20, 25))
        image.save(path, transparency=(1, 2, 3))
    elif kind == "RGBA of 16 bits":
        path.write_bytes(_png16(np.asarray(person_photo()).astype(">u2") * 257))
    elif kind == "animated":
        path = tmp_path / "p.webp"
        person_photo().save(path, save_all=True, append_images=[person_photo().rotate(90)], lossless=True)
    else:
        path = tmp_path / "p.tif"
        person_photo().save(path, save_all=True, append_images=[Image.new("RGBA", (9, 9), "red")])
    image = read_cutout(path)
    assert image.mode == "RGBA"
    opaque = np.asarray(image)[..., 3] == 255
    height, width = (241, 101) if image.width == 300 else (20, 15)
    assert opaque.sum() == height * width, "of several pages the first"


def _png16(pixels: NDArray[np.uint16]) -> bytes:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _text_bomb(path: Path) -> None:
    person_photo().save(path)
    data = path.read_bytes()
    content = b"Comment\0\0" + zlib.compress(bytes(80 * 2**20), 9)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (lambda path: Image.new("F", (30, 30)).save(path, "TIFF"), "no transparency.*'F'"),
        (lambda path: Image.new("CMYK", (30, 30)).save(path, "TIFF"), "no transparency.*'CMYK'"),
        (lambda path: Image.new("I;16", (30, 30)).save(path, "PNG"), "no transparency.*'I;16'"),
        (lambda path: Image.new("RGB", (30, 30)).save(path, "JPEG"), "JPEG holds no transparency"),
        (lambda path: Image.new("P", (30, 30)).save(path, "GIF"), "cannot be decoded"),
        (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "cannot be decoded"),
        (_text_bomb, "cannot be decoded"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda path: path.write_bytes(b""), "cannot be decoded"),
        (os.mkfifo, "not a file"),
    ],
    ids=["float", "cmyk", "grey16", "jpeg", "gif", "postscript", "text bomb", "lfs", "empty", "pipe"],
)  # fmt: skip
def test_what_is_no_cut_out_photo_is_one_line(write: Callable[[Path], object], names: str, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    write(path)
    with pytest.raises(InputError, match=names) as refused:
        read_cutout(path)
    assert str(refused.value).isprintable()


def test_what_a_folder_holds_beside_photos_is_named_and_hidden_files_are_nobodys(tmp_path: Path) -> None:
    person_photo().save(tmp_path / "a.PNG")
    for name in ("b.jpg", "c.HEIC", "d.bmp", "._a.PNG", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub.png").mkdir()
    listed = list_photos(tmp_path)
    assert [photo.name for photo in listed.photos] == ["a"]
    assert list(listed.left_out) == ["b.jpg", "c.HEIC", "d.bmp"] and "JPEG holds no" in listed.left_out["b.jpg"]
    (tmp_path / "a.PNG").unlink()
    with pytest.raises(InputError, match=r"no photos.*b\.jpg"):
        list_photos(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffimage,name\np.png,zoe\n".encode(), b"Image;Name\r\np.png;zoe\r\n;\r\n", b"name\timage\nzoe\tp.png\n",
        b'name,image\n"zoe","p.png"\n\n', b"image,name,note\np.png,zoe\n",
    ],
    ids=["mark", "semicolons", "tabs", "quotes", "short row"],
)  # fmt: skip
def test_tables_as_spreadsheets_write_them(data: bytes, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_bytes(data)
    assert list_photos(table).photos == (PhotoFile("zoe", tmp_path / "p.png"),)


def test_a_row_without_an_image_is_a_failure_of_that_row(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("name,image\nzoe,p.png\nadam,\n,\n\n")
    zoe, adam = list_photos(table).photos
    assert (zoe.problem, adam.name, adam.problem) == ("", "adam", "row 3 of the table names no image")


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"image\n\xff\xfe.png\n", "not UTF-8"), ("image\na.png\n".encode("utf-16"), "UTF-16"),
        (b"image,image\na,b\n", "two columns 'image'"), (b"image\nA.png\na.webp\n", "the same views"),
        (b'image\n"' + b"x" * 200_000 + b'"\n', "cannot read the table"),
    ],
    ids=["latin", "utf-16", "twice", "case", "long field"],
)  # fmt: skip
def test_tables_of_other_kinds_are_one_line(data: bytes, names: str, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_bytes(data)
    with pytest.raises(InputError, match=names) as refused:
        list_photos(table)
    assert str(refused.value).isprintable()


def test_a_name_that_cannot_be_printed_costs_its_photo_alone(tmp_path: Path) -> None:
    for name in ("good.png", "bad\x1b[2J.png", "l" * 230 + ".png", os.fsdecode(b"caf\xe9.png")):
        (tmp_path / name).write_bytes(b"x")
    photos = list_photos(tmp_path).photos
    assert [photo.name for photo in photos if not photo.problem] == ["good"]
    assert all(photo.name.isprintable() and len(photo.name) <= 200 for photo in photos) and len(photos) == 4
