"""Photos of people who have been cut out: image files with transparency, upright as they were taken."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from drpose_ray.core.errors import InputError, printable
from drpose_ray.core.files.images import decode_image
from drpose_ray.core.files.reading import list_files, read_limited, refusing

IMAGE_ENDINGS: Final = (".png", ".webp", ".tif", ".tiff")
"""Formats that carry transparency."""

_MAX_BYTES: Final = 512 * 2**20
_FORMATS: Final = ("PNG", "WEBP", "TIFF")
_JPEG: Final = (".jpg", ".jpeg", ".jpe", ".jfif")
_REMEDY: Final = "remove the background and save as RGBA, in PNG, WebP or TIFF"
_WITH_ALPHA: Final = ("RGBA", "LA", "PA", "RGBa")
_WITH_CLEAR_COLOR: Final = ("P", "L", "RGB", "1")


def list_cutouts(folder: Path, field: str) -> tuple[list[Path], dict[str, str]]:
    """The files of ``folder`` that may be cut-out photos, by name, and of the others, by name, why they are left out.

    Hidden files are neither. Raises InputError if the folder cannot be listed.
    """
    files = list_files(folder, recursive=False, field=field)
    photos = [path for path in files if path.suffix.lower() in IMAGE_ENDINGS]
    return photos, {path.name: _why_left_out(path) for path in files if path.suffix.lower() not in IMAGE_ENDINGS}


def say_left_out(left_out: Mapping[str, str]) -> None:
    """One line on stderr for each file that ``list_cutouts`` leaves out."""
    for name, why in left_out.items():
        print(printable(f"left out: {name} ({why})"), file=sys.stderr, flush=True)


def read_cutout(path: Path) -> Image.Image:
    """The image as RGBA, 8 bits a channel, turned upright; of several pages or frames the first.

    Raises InputError if it cannot be read, is too large or has no transparency.
    """
    data = read_limited(path, _MAX_BYTES, "bytes", "photo")
    if data.startswith(b"\xff\xd8\xff"):
        raise InputError("JPEG holds no transparency", file=path, field="photo", remedy=_REMEDY)
    image = decode_image(data, path, _FORMATS, "photo")
    clear = image.mode in _WITH_CLEAR_COLOR and "transparency" in image.info
    if image.mode not in _WITH_ALPHA and not clear:
        raise InputError(
            "the photo has no transparency, so the person cannot be told from the background", file=path, field="mode",
            value=image.mode, remedy=_REMEDY,
        )  # fmt: skip
    with refusing(path, "mode", f"the photo's {image.mode} pixels cannot be turned into RGBA", _REMEDY):
        return image.convert("RGBA")


def _why_left_out(path: Path) -> str:
    if path.suffix.lower() in _JPEG:
        return f"JPEG holds no transparency: {_REMEDY}"
    return f"not a PNG, WebP or TIFF file: {_REMEDY}"
