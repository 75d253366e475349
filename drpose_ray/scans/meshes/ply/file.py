"""PLY files: faces of any number of corners, with colours at their vertices or a texture as MeshLab writes it."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import refusing
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.named_file import named_file
from drpose_ray.scans.meshes.ply.elements import BrokenPlyError, Columns, Header, Lists, read_elements, read_header
from drpose_ray.scans.meshes.raw_mesh import RawMesh, check_num_faces, check_num_vertices
from drpose_ray.scans.meshes.texture_file import read_texture

_CHANNELS: Final = ("red", "green", "blue")
_CORNERS: Final = ("vertex_indices", "vertex_index")
_COORDINATES: Final = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))
_TEXTURE_COMMENT: Final = "texturefile"


def read_ply(data: bytes, file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """Faces cut into triangles, and what colours them.

    A texture is ``texture``, or what ``comment TextureFile`` names in the PLY's folder; it needs coordinates at the
    corners (``texcoord`` of the faces) or at the vertices. Without one, the vertices' own colours count.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    with refusing(file, "mesh", "not a whole PLY", "copy or export the PLY file again"):
        header = read_header(data)
        _check_counts(data, header, file, checks)
        elements = read_elements(data, header)
        vertices, faces = elements.get("vertex", {}), elements.get("face", {})
        places = np.stack([_numbers(vertices, name) for name in "xyz"], 1)
        triangles, corners = _fans(faces, len(places), file, checks)
        uvs = _coordinates(vertices, faces, triangles, corners)
    if texture is None and uvs is not None:
        texture = _named_texture(header, faces, file)
    if texture is not None:
        if uvs is None:
            raise InputError(
                "a texture but no texture coordinates", file=file, field="texcoord",
                remedy="export the mesh with them, or with colours at its vertices",
            )  # fmt: skip
        return RawMesh(places, triangles, None, read_texture(texture, checks), uvs)
    return RawMesh(places, triangles, _colors(header, vertices, file), None, uvs)


def _check_counts(data: bytes, header: Header, file: Path, checks: ScanChecks) -> None:
    """Refuse counts that the file cannot hold, before anyone allocates room for them."""
    for element in header.elements:
        if element.name == "face":
            check_num_faces(element.count, file, checks)
        if element.count > len(data) - header.end:
            raise BrokenPlyError(f"{element.count} elements {element.name[:40]!r} in {len(data)} bytes")
        check_num_vertices(element.count, file, checks)
    names = [element.name for element in header.elements]
    if len(set(names)) < len(names):
        raise BrokenPlyError("two elements of one name")
    if "tristrips" in names:
        raise BrokenPlyError("strips of triangles: export it with faces")


def _numbers(columns: Columns, name: str) -> NDArray[np.float64]:
    column = columns.get(name)
    if column is None or isinstance(column, Lists):
        raise BrokenPlyError(f"no number {name} at each vertex")
    return column.astype(np.float64)


def _fans(
    faces: Columns, num_vertices: int, file: Path, checks: ScanChecks
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles (F, 3), as numbers of vertices, and for each the places (F, 3) of its corners in the file's lists."""
    lists = next((faces[name] for name in _CORNERS if name in faces), None)
    if lists is None:
        if faces:
            raise BrokenPlyError("faces without a list vertex_indices")
        return np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)
    if not isinstance(lists, Lists):
        raise BrokenPlyError("one number where a list of corners belongs")
    with np.errstate(invalid="ignore"):
        numbers = lists.values.astype(np.int64)
    if (numbers != lists.values).any() or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < num_vertices):
        raise BrokenPlyError(f"faces name vertices that are not there, of {num_vertices}")
    per_face = np.maximum(lists.lengths - 2, 0)
    check_num_faces(int(per_face.sum()), file, checks)
    face = np.repeat(np.arange(len(per_face)), per_face)
    nth = np.arange(len(face)) - np.repeat(np.cumsum(per_face) - per_face, per_face)
    first = (np.cumsum(lists.lengths) - lists.lengths)[face]
    corners = np.stack([first, first + nth + 1, first + nth + 2], 1)
    return numbers[corners], corners


def _coordinates(
    vertices: Columns, faces: Columns, triangles: NDArray[np.int64], corners: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """(F, 3, 2) of the triangles' corners, origin at the lower left; None if there are none."""
    lists, indices = faces.get("texcoord"), next((faces[name] for name in _CORNERS if name in faces), None)
    if isinstance(lists, Lists) and isinstance(indices, Lists) and lists.lengths.any():
        if (lists.lengths != 2 * indices.lengths).any():
            raise BrokenPlyError("a texcoord that has not two numbers for each corner of its face")
        of_corners: NDArray[np.float64] = lists.values.astype(np.float64).reshape(-1, 2)[corners]
        return of_corners
    for pair in _COORDINATES:
        if all(name in vertices for name in pair):
            of_vertices: NDArray[np.float64] = np.stack([_numbers(vertices, name) for name in pair], 1)[triangles]
            return of_vertices
    return None


def _named_texture(header: Header, faces: Columns, file: Path) -> Path | None:
    comments = [c.split(maxsplit=1) for c in header.comments if c.lower().startswith(_TEXTURE_COMMENT)]
    names = {words[1] for words in comments if len(words) > 1}
    numbers = faces.get("texnumber")
    if len(names) > 1 or (isinstance(numbers, np.ndarray) and len(np.unique(numbers)) > 1):
        raise InputError(
            "several textures", file=file, field="TextureFile", value=sorted(names)[:4],
            remedy="bake them into one image",
        )  # fmt: skip
    return named_file(file, names.pop(), "TextureFile") if names else None


def _colors(header: Header, vertices: Columns, file: Path) -> NDArray[np.float32] | None:
    """(V, 3); bytes become fractions, and fractions stay what they are. None if there are none."""
    types = {p.name: p for element in header.elements if element.name == "vertex" for p in element.properties}
    missing = [name for name in _CHANNELS if name not in types]
    if len(missing) == len(_CHANNELS):
        return None
    if missing:
        raise _colorless(file, f"without {', '.join(missing)}")
    columns = []
    for name in _CHANNELS:
        column = vertices.get(name)
        if not isinstance(column, np.ndarray):
            raise _colorless(file, f"{name} as a list")
        columns.append(column / 255 if types[name].dtype.kind in "iu" else column)
    return np.stack(columns, 1).astype(np.float32)


def _colorless(file: Path, value: str) -> InputError:
    return InputError(
        "colours that are not red, green and blue at each vertex", file=file, field="colours", value=value,
        remedy="export the mesh with these three at its vertices",
    )  # fmt: skip
