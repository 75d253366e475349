"""Textures: PNG, JPEG or WebP images whose size is known before they are decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.images import decode_image
from drpose_ray.core.files.reading import is_there, read_limited
from drpose_ray.scans.config import ScanChecks

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_texture(file: Path, checks: ScanChecks) -> NDArray[np.uint8]:
    """(h, w, 3) sRGB pixels of an image file, row 0 at the top. Raises InputError if it is missing, huge or broken."""
    if not is_there(file, "texture"):
        raise InputError("the texture is missing", file=file, field="texture", remedy="copy it from the dataset again")
    data = read_limited(file, checks.max_mesh_bytes, "scans.checks.max_mesh_bytes", "texture")
    return decode_texture(data, file, checks)


def decode_texture(data: bytes, file: Path, checks: ScanChecks, *, opaque: bool = False) -> NDArray[np.uint8]:
    """As ``read_texture``, of an image inside ``file``. Transparency is dropped: skin and cloth are opaque.

    Args:
        opaque: Refuse an image with transparent pixels, where the material says that they count.
    """
    image = decode_image(
        data, file, ("PNG", "JPEG", "WEBP"), "texture", checks.max_texture_pixels, "scans.checks.max_texture_pixels",
        upright=False,
    )  # fmt: skip
    if image.mode.startswith(("I", "F")):  # sixteen bits of grey, which Pillow would cut off at 255
        raise InputError(
            "the texture has more than 8 bits a channel", file=file, field="texture", value=image.mode,
            remedy="save it with 8 bits a channel",
        )  # fmt: skip
    if opaque and image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min(initial=255) < 255:
        raise InputError(
            "the texture has transparent pixels, and its material uses them", file=file, field="alphaMode",
            remedy="export the mesh with opaque materials; cut away what is not to be seen",
        )  # fmt: skip
    return np.asarray(image.convert("RGB"))
