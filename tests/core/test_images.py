"""Images of any origin: only the decoders that were asked for, upright, and bounded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.images import decode_image

FORMATS = ("PNG", "WEBP", "TIFF", "JPEG")
PIXELS = np.arange(4 * 6 * 4, dtype=np.uint8).reshape(4, 6, 4)


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(PIXELS)
    (image.convert("RGB") if kind in {"JPEG", "PCX"} else image).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_as_it_was_taken(tmp_path: Path, kind: str, orientation: int) -> None:
    """Uncompressed TIFF as well, which Pillow would map from a path and scramble while it turns it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = PIXELS
    turned = {  # how a camera held so stores the picture
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: np.rot90(upright[::-1]), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "a", kind, exif=exif, **options)
    assert (np.asarray(decode_image((tmp_path / "a").read_bytes(), tmp_path / "a", FORMATS)) == upright).all()


@pytest.mark.parametrize("kind", ["GIF", "TGA", "SGI", "PCX", "BMP", "ICO"])
def test_other_decoders_are_not_reached(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.png").write_bytes(encoded(kind))
    with pytest.raises(InputError, match="PNG, WEBP, TIFF, JPEG are read"):
        decode_image((tmp_path / "a.png").read_bytes(), "a.png", FORMATS)


def test_postscript_does_not_reach_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("run"))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError):
        decode_image((tmp_path / "a.png").read_bytes(), "a.png", FORMATS)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    end = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(InputError):
        decode_image(b"\x89PNG\r\n\x1a\n" + chunk + end, "a.png", FORMATS)
    with pytest.raises(InputError) as caught:
        decode_image(encoded("PNG"), "a.png", FORMATS, max_pixels=23, limit="photo.max_pixels")
    assert (caught.value.field, caught.value.value) == ("photo.max_pixels", "6 x 4")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_texts_and_profiles_that_unpack_to_too_much(kind: bytes) -> None:
    bomb = zlib.compress(b"\0" * 200_000_000, 9)
    name = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\x01\0\0\0", b"iCCP": b"a\0\0"}[kind]
    whole = encoded("PNG")
    chunk = struct.pack(">I", len(name + bomb)) + kind + name + bomb + struct.pack(">I", zlib.crc32(kind + name + bomb))
    data = whole[:33] + chunk + whole[33:]
    try:
        image = decode_image(data, "a.png", FORMATS)
    except InputError:
        return
    assert (np.asarray(image) == PIXELS).all(), "where the bomb is passed over, the picture is whole"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_cut_short_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, kind)
    data = stream.getvalue()
    with pytest.raises(InputError):
        decode_image(data[: int(len(data) * share)], "a.png", FORMATS)


def test_pixels_as_they_are_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = decode_image(encoded("PNG", exif=exif), "a.png", FORMATS, upright=False)
    assert (np.asarray(stored) == PIXELS).all()


def test_a_size_that_pillow_refuses_is_one_of_too_many_pixels() -> None:
    with pytest.raises(InputError) as caught:
        decode_image(bomb_head(200_000), "a.png", FORMATS)
    assert caught.value.field == "pixels"


def bomb_head(side: int) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(
        ">I", zlib.crc32(b"IHDR" + head)
    ) + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))  # fmt: skip


def test_a_file_of_another_format_is_named_without_addresses(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0")
    with pytest.raises(InputError, match=r"\(its bytes are of no such format\)"):
        decode_image((tmp_path / "a.png").read_bytes(), tmp_path / "a.png", ("PNG",))
