"""Textures: PNG, JPEG or WebP images whose size is known before they are decoded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.errors import InputError
from drpose_ray.files import is_there, read_limited
from drpose_ray.scans.config import ScanChecks

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_texture(file: Path, checks: ScanChecks) -> NDArray[np.uint8]:
    """(h, w, 3) sRGB pixels of an image file, row 0 at the top. Raises InputError if it is missing, huge or broken."""
    if not is_there(file, "texture"):
        raise InputError("the texture is missing", file=file, field="texture", remedy="copy it from the dataset again")
    data = read_limited(file, checks.max_mesh_bytes, "scans.checks.max_mesh_bytes")
    return decode_texture(data, file, checks)


def decode_texture(data: bytes, file: Path, checks: ScanChecks) -> NDArray[np.uint8]:
    """As ``read_texture``, of an image inside ``file``. Transparency is dropped: skin and cloth are opaque."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit decides
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
                if image.width * image.height > checks.max_texture_pixels:
                    raise _too_large(file, f"{image.width} x {image.height}")
                return np.asarray(image.convert("RGB"))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(file, str(error)) from error
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error) as error:
        raise InputError(
            f"the texture cannot be decoded ({error})", file=file, field="texture",
            remedy="copy it again; PNG, JPEG and WebP are read",
        ) from error  # fmt: skip


def _too_large(file: Path, value: str) -> InputError:
    return InputError(
        "the texture has too many pixels", file=file, field="scans.checks.max_texture_pixels", value=value,
        remedy="shrink the texture, or raise the limit",
    )  # fmt: skip
