"""A photo as the published models want it: the cut-out person, centred on a white square (i2mv facts, 2.3)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.cutout import IMAGE_ENDINGS, read_cutout
from drpose_ray.errors import InputError


@dataclass(frozen=True)
class PhotoFile:
    """An image to work on, and the name its views get."""

    name: str
    path: Path


@dataclass(frozen=True)
class Photo:
    """Input images of one person, uint8 (s, s, 3) on white."""

    name: str
    person: NDArray[np.uint8]
    head: NDArray[np.uint8]  # the middle top ninth of the person's image, enlarged


def list_photos(source: Path) -> tuple[PhotoFile, ...]:
    """The images of a folder by name, or the rows of a CSV in order; its paths are relative to it.

    Raises InputError if there are none, two share a name, or the table has no column ``image``.
    """
    if source.is_dir():
        found = [PhotoFile(p.stem, p) for p in sorted(source.iterdir()) if p.suffix.lower() in IMAGE_ENDINGS]
    else:
        found = _read_table(source)
    if not found:
        raise InputError(
            "no photos", file=source, field="generate.photos",
            remedy=f"give a folder with {', '.join(IMAGE_ENDINGS)} files, or a CSV with the column 'image'",
        )  # fmt: skip
    _check_names(found, source)
    return tuple(found)


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


def _read_table(table: Path) -> list[PhotoFile]:
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"cannot read the table of photos ({error})", file=table, field="generate.photos",
            remedy="give a folder of images, or a CSV with the column 'image'",
        ) from error  # fmt: skip
    if rows and "image" not in rows[0]:
        raise InputError(
            "the table has no column 'image'", file=table, field="columns", value=list(rows[0]),
            remedy="name the column of paths 'image', and a column of names 'name'",
        )  # fmt: skip
    paths = [table.parent / str(row["image"]) for row in rows]
    return [PhotoFile(row.get("name") or path.stem, path) for row, path in zip(rows, paths, strict=True)]


def _check_names(files: Sequence[PhotoFile], source: Path) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        if file.name in seen:
            raise InputError(
                "two photos would write the same views", file=source, field=file.name,
                value=[str(seen[file.name]), str(file.path)],
                remedy="rename one, or give a CSV with the column 'name'",
            )  # fmt: skip
        if not file.name or Path(file.name).name != file.name or file.name.startswith("."):
            raise InputError(
                "the name is not fit for a folder", file=source, field="name", value=file.name,
                remedy="use names without slashes or a leading dot",
            )  # fmt: skip
        seen[file.name] = file.path
