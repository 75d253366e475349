from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.datasets.shards import png
from drpose_ray.datasets.shards.png import BROKEN_PNG, decode_png, encode_png


def silhouette(channels: int) -> NDArray[np.uint8]:
    """A flat person on white, 40 x 24."""
    pixels = np.full((40, 24, channels), 255, np.uint8)
    pixels[8:35, 6:16] = (90, 30, 200, 255)[:channels]
    return pixels


def gradient(channels: int) -> NDArray[np.uint8]:
    """What filters were made for."""
    ramp = np.add.outer(np.arange(200), 2 * np.arange(160))[..., None] * np.arange(1, channels + 1)
    return (ramp % 256).astype(np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("draw", [silhouette, gradient])
def test_pixels_come_back_and_pillow_reads_the_same(draw: object, channels: int) -> None:
    pixels = draw(channels)  # type: ignore[operator]
    data = encode_png(pixels)
    np.testing.assert_array_equal(decode_png(data), pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == {3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(image), pixels)


def depths(*, noisy: bool) -> NDArray[np.uint16]:
    """A slanted plane, or noise, with nothing around it, 40 x 24."""
    plane = np.add.outer(np.arange(27) * 700, np.arange(10) * 11)
    rng = np.random.default_rng(0)
    pixels = np.zeros((40, 24, 1), np.uint16)
    pixels[8:35, 6:16, 0] = rng.integers(0, 2**16, plane.shape) if noisy else plane
    return pixels


@pytest.mark.parametrize("noisy", [False, True])
def test_sixteen_bits_of_depth_come_back_and_pillow_reads_the_same(noisy: bool) -> None:
    pixels = depths(noisy=noisy)
    data = encode_png(pixels)
    decoded = decode_png(data)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, pixels)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels[..., 0])


def test_both_ways_of_storing_depth_are_met_by_that_test() -> None:
    assert png._decode_unfiltered(encode_png(depths(noisy=True))) is not None
    smooth = np.add.outer(np.arange(0, 20000, 100), np.arange(0, 1600, 10)).astype(np.uint16)[..., None]
    assert png._decode_unfiltered(encode_png(smooth)) is None
    np.testing.assert_array_equal(decode_png(encode_png(smooth)), smooth)


def test_people_on_white_are_stored_unfiltered_and_smooth_pictures_are_not() -> None:
    assert png._decode_unfiltered(encode_png(silhouette(4))) is not None
    data = encode_png(gradient(4))
    assert png._decode_unfiltered(data) is None
    unfiltered = 200 * 160 * 4
    assert len(data) < png.WORTH_FILTERING * unfiltered


def test_what_other_programs_write_is_read_too() -> None:
    stream = io.BytesIO()
    Image.fromarray(silhouette(3)).save(stream, "PNG", optimize=True)
    np.testing.assert_array_equal(decode_png(stream.getvalue()), silhouette(3))


@pytest.mark.parametrize("place", [0, 20, 30, 45, -20, -1])
def test_a_changed_byte_is_never_read_as_pixels_without_an_error(place: int) -> None:
    data = bytearray(encode_png(silhouette(4)))
    data[place] ^= 0x10
    try:
        pixels = decode_png(bytes(data))
    except BROKEN_PNG:
        return
    np.testing.assert_array_equal(pixels, silhouette(4))  # a spoilt end-of-file mark harms no pixel


@pytest.mark.parametrize("length", [0, 8, 40, 56, 100])
def test_a_torn_file_is_an_error(length: int) -> None:
    with pytest.raises(BROKEN_PNG):
        decode_png(encode_png(silhouette(4))[:length])


def test_a_small_picture_that_unpacks_to_gigabytes_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zlib.compress(bytes(2**28 + 2**20), 9)
    head = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png._chunk(kind, content) for kind, content in chunks)
    whole = zlib.decompress
    unpacked: list[int] = []
    monkeypatch.setattr(zlib, "decompress", lambda *a, **k: unpacked.append(len(whole(*a, **k))) or b"")
    assert decode_png(data).shape == (4, 4, 3)  # Pillow stops at the last row
    assert not unpacked
