"""A photo as the published models want it: the cut-out person, centred on a white square (docs/facts/i2mv.md, 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.core.errors import InputError, printable
from drpose_ray.core.files.cutout import IMAGE_ENDINGS, list_cutouts, read_cutout
from drpose_ray.diffusion.inference.table import read_table

_LONGEST_NAME: Final = 200


@dataclass(frozen=True)
class PhotoFile:
    """An image to work on, and the name its views get."""

    name: str
    path: Path
    problem: str = ""
    """Why nothing can be done with it, where that is known without reading it."""


@dataclass(frozen=True)
class Photo:
    """Input images of one person, uint8 (s, s, 3) on white."""

    name: str
    person: NDArray[np.uint8]
    head: NDArray[np.uint8]  # the middle top ninth of the person's image, enlarged


@dataclass(frozen=True)
class PhotoList:
    """What a folder or a table names."""

    photos: tuple[PhotoFile, ...]
    left_out: dict[str, str]
    """File name -> why, of the files of a folder that are no photos to work on."""


def list_photos(source: Path) -> PhotoList:
    """The images of a folder by name, or the rows of a CSV in order; its paths are relative to it.

    Raises InputError if there are none, two would write the same views, or the table has no column ``image``.
    """
    left_out: dict[str, str] = {}
    if source.is_dir():
        paths, left_out = list_cutouts(source, "generate.photos")
        found = [PhotoFile(path.stem, path) for path in paths]
    else:
        found = [PhotoFile(*row) for row in read_table(source)]
    if not found:
        raise InputError(
            "no photos", file=source, field="generate.photos", value=left_out or None,
            remedy=f"give a folder with {', '.join(IMAGE_ENDINGS)} files, or a CSV with the column 'image'",
        )  # fmt: skip
    _check_names(found, source)
    return PhotoList(tuple(map(_with_usable_name, found)), left_out)


def read_photo(file: PhotoFile, size: int, crop_size: int) -> Photo:
    """Decode and prepare one photo. Raises InputError if it cannot be read, is too large or has no cut-out person."""
    return prepare(file.name, read_cutout(file.path), size, crop_size, file.path)


def prepare(name: str, rgba: Image.Image, size: int, crop_size: int, path: Path | None = None) -> Photo:
    """Crop to what is not transparent, scale its longer side to ``crop_size``, centre it on ``size`` pixels of white.

    Raises InputError if nothing or everything is opaque, or ``crop_size`` exceeds ``size``.
    """
    if not 0 < crop_size <= size:
        raise InputError(
            "the person would not fit the image", field="generate.crop_size", value=crop_size,
            remedy=f"choose 1 to the model's image size, {size}",
        )  # fmt: skip
    opaque = np.asarray(rgba.getchannel("A")) > 0
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    # The originals leave out the last row and column of the box.
    if len(rows) < 2 or len(columns) < 2 or opaque.all():
        raise InputError(
            "nothing is cut out: the photo is transparent everywhere or nowhere", file=path, field="alpha",
            value=f"{opaque.mean():.0%} opaque", remedy="remove the background and save as RGBA",
        )  # fmt: skip
    person = rgba.crop((int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])))
    scale = crop_size / max(person.size)
    person = person.resize((max(int(person.width * scale), 1), max(int(person.height * scale), 1)))
    square = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    square.paste(person, ((size - person.width) // 2, (size - person.height) // 2))
    third = size // 3
    head = square.crop((third, 0, 2 * third, third)).resize((size, size))
    return Photo(name, _on_white(square), _on_white(head))


def _on_white(rgba: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(rgba, np.float64)
    alpha = pixels[..., 3:] / 255
    # Truncated, as the originals do; the addend keeps a white that arithmetic left at 254.9999 from darkening.
    return np.floor(pixels[..., :3] * alpha + 255 * (1 - alpha) + 1e-3).astype(np.uint8)


def _check_names(files: Sequence[PhotoFile], source: Path) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        folded = file.name.casefold()  # where case does not count, their folders would be one
        if folded in seen:
            raise InputError(
                "two photos would write the same views", file=source, field=file.name,
                value=[str(seen[folded]), str(file.path)],
                remedy="rename one, or give a CSV with the column 'name'",
            )  # fmt: skip
        if not file.name or Path(file.name).name != file.name or file.name.startswith("."):
            raise InputError(
                "the name is not fit for a folder", file=source, field="name", value=file.name,
                remedy="use names without slashes or a leading dot",
            )  # fmt: skip
        seen[folded] = file.path


def _with_usable_name(file: PhotoFile) -> PhotoFile:
    """The same, or a photo with a problem: its name holds what cannot be printed, or is too long for a folder."""
    if file.name.isprintable() and len(file.name.encode(errors="replace")) <= _LONGEST_NAME:
        return file
    problem = f"the name is not fit for a folder: use up to {_LONGEST_NAME} bytes that can be printed"
    return PhotoFile(printable(file.name)[:_LONGEST_NAME], file.path, problem)
