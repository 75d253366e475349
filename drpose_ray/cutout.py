"""Photos of people who have been cut out: image files with transparency."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from drpose_ray.errors import InputError

IMAGE_ENDINGS: Final = (".png", ".webp", ".tif", ".tiff")
"""Formats that carry transparency."""
MAX_PIXELS: Final = 100_000_000
"""Larger files are refused before they are decoded; a few bytes can ask for gigabytes."""


def read_cutout(path: Path) -> Image.Image:
    """The image as RGBA. Raises InputError if it cannot be read, is too large or has no transparency."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    "the photo is too large", file=path, field="pixels", value=f"{image.width} x {image.height}",
                    remedy=f"scale it below {MAX_PIXELS // 10**6} million pixels",
                )  # fmt: skip
            if "A" not in image.getbands() and "transparency" not in image.info:
                raise InputError(
                    "the photo has no transparency, so the person cannot be told from the background", file=path,
                    field="mode", value=image.mode, remedy="remove the background and save as RGBA",
                )  # fmt: skip
            return image.convert("RGBA")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(
            f"cannot read the photo ({error})", file=path, remedy="give a whole PNG, WebP or TIFF file"
        ) from error
