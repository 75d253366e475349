"""Preparation of photos against the originals' description, and photos that cannot work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.errors import InputError
from drpose_ray.inference.photo import PhotoFile, list_photos, prepare, read_photo


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
    with pytest.raises(InputError, match="cannot read the photo"):
        read_photo(PhotoFile("p", tmp_path / "p.png"), 96, 90)


def test_a_table_names_its_photos_and_keeps_their_order(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("name,image\nzoe,one.png\nadam,sub/two.png\n")
    assert list_photos(table) == (
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
