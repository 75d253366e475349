"""Which image the faces of an OBJ show, by the materials that they use."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there, list_files, read_limited
from drpose_ray.scans.meshes.named_file import named_file, without_options
from drpose_ray.scans.meshes.texture_file import IMAGE_SUFFIXES

_MAX_BYTES: Final = 2**20

Materials = dict[str, tuple[Path, str | None]]
"""Name -> the file that describes the material, and what it calls its image."""


def texture_of_materials(lines: Sequence[bytes], file: Path, *, needed: bool) -> Path | None:
    """The one ``map_Kd`` of the materials that faces use, or, if an image is ``needed``, the only one beside the OBJ.

    Faces that name no material, or one that is described nowhere, say nothing: then every material counts.

    Args:
        lines: The OBJ's, without blanks around them.

    Raises:
        InputError: faces show several images, or some of them none; or there is none and one is needed.
    """
    libraries = [_rest(line) for line in lines if line.startswith((b"mtllib ", b"mtllib\t"))]
    described = _described(libraries, file)
    used = {name: described[name] for name in _used(lines) if name in described}
    images = {image for _, image in (used or described).values()} - (set() if used else {None})
    if len(images) > 1:
        raise InputError(
            "several textures, or parts without one", file=file, field="map_Kd",
            value=sorted(f"{name}: {image or 'none'}" for name, (_, image) in (used or described).items())[:4],
            remedy="bake them into one image",
        )  # fmt: skip
    for material, image in (used or described).values():
        if image is not None:
            return named_file(material, image, "map_Kd", file.parent)
    return _only_image_beside(file, libraries) if needed else None


def _described(libraries: Sequence[str], file: Path) -> Materials:
    materials: Materials = {}
    # A name may have spaces, and a line several names.
    for name in dict.fromkeys(candidate for text in libraries for candidate in (text, *text.split())):
        path = named_file(file, name, "mtllib")
        if not is_there(path, "mtllib"):
            continue
        content = read_limited(path, _MAX_BYTES, "bytes", "mtllib").removeprefix(codecs.BOM_UTF8)
        current = ""
        for row in (row.strip() for row in content.splitlines()):
            word = row.split(maxsplit=1)[0].lower() if row else b""
            if word == b"newmtl":
                current = _rest(row)
                materials.setdefault(current, (path, None))
            elif word == b"map_kd":
                materials[current] = path, without_options(_rest(row))
    return materials


def _used(lines: Sequence[bytes]) -> set[str]:
    """Names of the materials that have faces."""
    used: set[str] = set()
    current: bytes | None = None
    for line in lines:
        if line.startswith((b"usemtl ", b"usemtl\t")):
            current = line
        elif current is not None and line.startswith((b"f ", b"f\t")):
            used.add(_rest(current))
            current = None
    return used


def _only_image_beside(file: Path, libraries: Sequence[str]) -> Path:
    beside = list_files(file.parent, IMAGE_SUFFIXES, recursive=False, field="mtllib")
    if len(beside) != 1:
        raise InputError(
            "the texture is missing: no material names one", file=file, field="mtllib", value=list(libraries),
            remedy="copy the .mtl and its image from the dataset again",
        )  # fmt: skip
    return beside[0]


def _rest(line: bytes) -> str:
    """What a line says after its first word."""
    words = line.decode("utf-8", "replace").split(maxsplit=1)
    return words[1].strip() if len(words) > 1 else ""
