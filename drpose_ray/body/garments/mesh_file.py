"""The ``.obj`` of a garment: its faces and texture coordinates. Where its vertices lie, the binding says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.garments.mhclo_file import MAX_BYTES, MAX_VERTICES, broken
from drpose_ray.core.files.reading import decode_text, read_limited

_MAX_CORNERS = 64


@dataclass(frozen=True)
class GarmentMesh:
    """Triangles (F, 3) of a garment's vertices; ``uv_faces`` (F, 3) index ``uvs`` (U, 2), which lie in [0, 1].

    The origin of texture coordinates is the lower left; materials and pictures are not read.
    """

    faces: NDArray[np.int64]
    uvs: NDArray[np.float32]
    uv_faces: NDArray[np.int64]


def read_garment_mesh(file: Path, num_bound: int, content: bytes | None = None) -> GarmentMesh:
    """Read and check ``file``, of whose vertices the ``.mhclo`` binds ``num_bound``.

    Raises:
        InputError: it is missing, too large, of another number of vertices, has corners that are not there or have no
            texture coordinates, or holds numbers that are none.
        OSError: the disk failed.
    """
    data = read_limited(file, MAX_BYTES, "bytes", "garments") if content is None else content
    num_vertices = 0
    coordinates: list[list[str]] = []
    polygons: list[list[str]] = []
    for line in decode_text(data, file, "garments").splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind == "v":
            num_vertices += 1
        elif kind == "vt":
            coordinates.append(rest.split()[:2])
        elif kind == "f":
            polygons.append(rest.split(maxsplit=_MAX_CORNERS))
        if max(num_vertices, len(coordinates) // 4, len(polygons) // 2) > MAX_VERTICES:
            raise broken(f"more than {MAX_VERTICES} vertices", file, kind)
    if num_vertices != num_bound:
        raise broken("the .mhclo binds another number of vertices", file, "v", f"{num_vertices}, {num_bound} bound")
    if not polygons:
        raise broken("no faces", file, "f")
    corners = _corners(polygons, file)
    for column, (kind, count) in enumerate((("v", num_vertices), ("vt", len(coordinates)))):
        numbers = corners[..., column]
        if numbers.min() < 0 or numbers.max() >= count:
            raise broken(f"faces name a {kind} that is not there", file, "f", f"{count} there")
    return GarmentMesh(corners[..., 0], *_within_one_tile(_numbers(coordinates, file), corners[..., 1]))


def _corners(polygons: list[list[str]], file: Path) -> NDArray[np.int64]:
    """(F, 3, 2) vertex and texture coordinate from 0; polygons become fans."""
    triangles = []
    for polygon in polygons:
        if not 3 <= len(polygon) <= _MAX_CORNERS:
            raise broken(f"a face of {len(polygon)} corners", file, "f")
        try:
            corners = [tuple(int(number) for number in corner.split("/")[:2]) for corner in polygon]
        except ValueError:
            raise broken("a corner that is no vertex/texture coordinate", file, "f", " ".join(polygon)[:80]) from None
        if any(len(corner) != 2 for corner in corners):
            raise broken("a corner without texture coordinates", file, "f", " ".join(polygon)[:80])
        triangles += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
    try:
        return np.array(triangles, np.int64) - 1
    except OverflowError:
        raise broken("a corner that is not there", file, "f") from None


def _numbers(coordinates: list[list[str]], file: Path) -> NDArray[np.float64]:
    try:
        numbers = np.array(coordinates, np.float64)
    except ValueError:
        numbers = np.zeros(0)
    if numbers.ndim != 2 or numbers.shape[1] != 2 or not (np.abs(numbers) < 1e4).all():
        raise broken("texture coordinates that are not two numbers", file, "vt")
    return numbers


def _within_one_tile(
    uvs: NDArray[np.float64], uv_faces: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Coordinates in [0, 1]: a face in another tile of a repeated picture is moved into the first."""
    corners = uvs[uv_faces]
    tile = np.floor(corners.mean(1, keepdims=True))
    if not tile.any():
        return np.clip(uvs, 0, 1).astype(np.float32), uv_faces
    moved = np.clip(corners - tile, 0, 1).reshape(-1, 2)
    unique, inverse = np.unique(moved, axis=0, return_inverse=True)
    return unique.astype(np.float32), inverse.reshape(-1, 3).astype(np.int64)
