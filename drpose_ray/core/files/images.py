"""Image files of any origin: only the decoders that were asked for, sizes known before pixels, upright as taken."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import refusing

MAX_PIXELS: Final = 100_000_000
"""Larger images are refused before they are decoded; a few bytes can ask for gigabytes."""


def decode_image(
    data: bytes, file: str | Path, formats: Collection[str], field: str = "image", max_pixels: int = MAX_PIXELS,
    limit: str = "pixels", *, upright: bool = True,
) -> Image.Image:  # fmt: skip
    """The image in ``data``, decoded and turned upright as its EXIF orientation asks.

    Args:
        file: Where ``data`` comes from.
        formats: Pillow's names of the formats to read, such as ``("PNG", "JPEG")``. Pillow looks at the first bytes
            and not at the file's name, and would hand what looks like PostScript to Ghostscript.
        limit: The name of ``max_pixels``, the field of the refusal of a larger image.
        upright: False leaves the pixels as they are stored: texture coordinates are of those.

    Raises:
        InputError: it is none of these, is cut short or damaged, has more than ``max_pixels`` pixels, or carries texts
            or profiles that unpack to more than Pillow allows.
    """

    def too_large(size: str) -> InputError:
        return InputError(
            f"the image has more than {max_pixels} pixels", file=file, field=limit, value=size, remedy="scale it down"
        )

    names = ", ".join(formats)
    with (
        warnings.catch_warnings(),
        refusing(file, field, "the image cannot be decoded", f"give a whole file; {names} are read"),
    ):
        warnings.simplefilter("ignore")  # our own limit decides, and damaged metadata of a whole picture is no fault
        try:
            # From memory, so that no decoder maps the file: an uncompressed TIFF that is turned would be scrambled.
            with Image.open(io.BytesIO(data), formats=tuple(formats)) as image:
                if image.width * image.height > max_pixels:
                    raise too_large(f"{image.width} x {image.height}")
                image.load()
                return ImageOps.exif_transpose(image) if upright else image
        except UnidentifiedImageError as error:  # whose text is an address in memory
            raise ValueError("its bytes are of no such format") from error
        except Image.DecompressionBombError as error:
            raise too_large(str(error)) from error
