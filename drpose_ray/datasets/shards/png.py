"""PNG files of rendered images that are quick to read back: ordinary PNGs whose rows are stored unfiltered.

Filters make photographs smaller. A rendered person on white hardly gains, and undoing them takes most of the time of
reading. Any PNG reader opens these files; ours opens any PNG.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LAYOUTS: Final[dict[tuple[int, int], tuple[int, np.dtype[Any]]]] = {
    (8, 2): (3, np.dtype(np.uint8)),
    (8, 6): (4, np.dtype(np.uint8)),
    (16, 0): (1, np.dtype(">u2")),
}
"""Channels and type by PNG's bit depth and colour type: RGB and RGBA of 8 bits, grey of 16."""

COMPRESS_LEVEL: Final = 1
"""zlib's fastest; level 6 halves the bytes of a rendered person for about 1.5 times the time."""

_DEFLATE_AT_MOST: Final = 1032
"""No stream of this compression holds more bytes per byte."""

_HARMLESS_BYTES: Final = 2**28
"""What may unpack to no more than this is unpacked without another limit, which is quicker."""

MAX_SIDE: Final = 8192
"""Larger images are refused before anything is unpacked."""

WORTH_FILTERING: Final = 0.8
"""An image is filtered after all, by Pillow, if that makes the file this much smaller: photographs."""


BROKEN_PNG: Final = (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises of bytes that are no PNG, or a broken one."""


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """(H, W, 3 or 4) uint8 or (H, W, 1) uint16 -> a PNG file; equal pixels give equal bytes."""
    height, width, channels = pixels.shape
    (depth, color_type), (_, stored) = next(
        item for item in _LAYOUTS.items() if item[1] == (channels, pixels.dtype.newbyteorder(">"))
    )
    line = width * channels * stored.itemsize
    rows = np.zeros((height, 1 + line), np.uint8)  # each row begins with its filter, 0 for none
    rows[:, 1:] = np.ascontiguousarray(pixels, stored).reshape(height, -1).view(np.uint8)
    plain = b"".join((
        _SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(rows.tobytes(), COMPRESS_LEVEL)),
        _chunk(b"IEND", b""),
    ))  # fmt: skip
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(stream, "PNG", compress_level=COMPRESS_LEVEL)
    return stream.getvalue() if stream.tell() < WORTH_FILTERING * len(plain) else plain


def decode_png(data: bytes) -> NDArray[Any]:
    """(H, W, 3 or 4) uint8, or (H, W, 1) uint16, pixels of any PNG. Raises one of ``BROKEN_PNG``."""
    pixels = _decode_unfiltered(data)
    if pixels is not None:
        return pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limit decides
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_SIDE} a side")
            decoded = np.asarray(image)
    return decoded[..., None].astype(np.uint16, copy=False) if image.mode.startswith("I") else decoded


def _decode_unfiltered(data: bytes) -> NDArray[Any] | None:
    """The pixels of a file as ``encode_png`` lays them out; None for any other file, be it PNG, torn or neither."""
    if len(data) < 57 or not data.startswith(_SIGNATURE + b"\x00\x00\x00\x0dIHDR"):
        return None
    width, height, depth, color_type, *rest = struct.unpack(">IIBBBBB", data[16:29])
    (length,) = struct.unpack(">I", data[33:37])
    whole = data[37:41] == b"IDAT" and len(data) == 41 + length + 4 + 12 and data.endswith(_chunk(b"IEND", b""))
    whole = whole and zlib.crc32(data[12:29]) == struct.unpack(">I", data[29:33])[0]  # before the size is believed
    whole = whole and 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE
    if not whole or (depth, color_type) not in _LAYOUTS or any(rest):
        return None
    compressed = memoryview(data)[41 : 41 + length]
    if zlib.crc32(compressed, zlib.crc32(b"IDAT")) != struct.unpack(">I", data[41 + length : 45 + length])[0]:
        return None  # Pillow says what is wrong
    channels, stored = _LAYOUTS[depth, color_type]
    line = width * channels * stored.itemsize
    size = height * (1 + line)
    if size > _DEFLATE_AT_MOST * length:
        return None
    try:
        if _DEFLATE_AT_MOST * length <= _HARMLESS_BYTES:
            content = zlib.decompress(compressed, bufsize=size)
        else:  # takes 1.5 times as long
            content = zlib.decompressobj().decompress(compressed, size + 1)
    except zlib.error:
        return None
    if len(content) != size:
        return None
    rows = np.frombuffer(content, np.uint8).reshape(height, 1 + line)
    if rows[:, 0].any():
        return None
    pixels = rows[:, 1:].reshape(height, width, channels * stored.itemsize)  # the filter column makes this a copy
    return pixels if stored.itemsize == 1 else pixels.view(stored).astype(np.uint16)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
