"""From a record's members back to its parts: whatever is decoded is what ``SequenceRecord`` promises, or is refused.

A shard's sha256 says that its bytes are those of the manifest. It does not say that they are a record, and readers take
what comes from here without another look. What is refused raises one of ``core.files.reading.UNREADABLE``.
"""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from drpose_ray.core.files.arrays import decode_array
from drpose_ray.datasets.record import PIXELS, RecordHeader, check_numbers
from drpose_ray.datasets.shards.png import decode_png
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.geometry.skeleton import NUM_JOINTS

_MAX_HEADER_BYTES: Final = 4 * 2**20


def decode_header(data: bytes, key: str) -> RecordHeader:
    """The header of the record that is stored under ``key``."""
    if len(data) > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(data)} bytes")
    try:
        header = RecordHeader.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place + ': ' if place else ''}{first['msg']}") from error
    if header.key != key:
        raise ValueError(f"it is that of {header.key}")
    return header


def decode_numbers(header: RecordHeader, motion: bytes, joints: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Motion (F, 322) and joints (F, 23, 3) of a record, float32."""
    frames = len(header.status)
    arrays = [
        decode_array(data, max_bytes=8 * frames * columns)
        for data, columns in ((motion, NUM_COLUMNS), (joints, NUM_JOINTS * 3))
    ]
    check_numbers(header.key, header.status, *arrays)
    return arrays[0], arrays[1]


def decode_picture(data: bytes) -> NDArray[Any]:
    """The pixels of a stored image, (H, W, 3 or 4) uint8 or (H, W, 1) uint16."""
    try:
        image = decode_png(data)
    except Image.DecompressionBombError as error:  # Pillow's own limit, which is none of core.files.reading.UNREADABLE
        raise ValueError(str(error)) from error
    if image.ndim != 3 or (image.dtype, image.shape[2]) not in PIXELS:
        raise ValueError(f"{image.dtype} {image.shape} are no pixels of a record")
    return image
