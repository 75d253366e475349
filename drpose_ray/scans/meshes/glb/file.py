"""Binary glTF 2.0: what a static textured scan needs of it, and nothing that lies outside the file.

glTF has y up and faces +z, as the world axes here; its texture coordinates start at the upper left.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.glb.color import Surface, image_factor, multiplied, read_surface, vertex_colors
from drpose_ray.scans.meshes.glb.container import BrokenGlbError, Container, open_glb
from drpose_ray.scans.meshes.raw_mesh import RawMesh, check_num_faces, check_num_vertices
from drpose_ray.scans.meshes.texture_file import decode_texture, read_texture

_INDEX_TYPES: Final = frozenset({5121, 5123, 5125})
_TRIANGLES: Final = 4
_MAX_NODES: Final = 100_000
"""Of a scene, and parts of its meshes: each costs time, be it ever so small."""
_PER_VERTEX: Final = ("TEXCOORD_0", "COLOR_0")
_MALFORMED: Final = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error,
)  # fmt: skip
"""Not MemoryError: that is the machine's, and another attempt may read the file."""

Primitive = tuple[dict[str, Any], NDArray[np.float64]]
"""A part of a mesh, and the (4, 4) matrix of the node that places it."""


def read_glb(data: bytes, file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """All triangles of the scene, where its nodes put them, with the one base-colour image that they share.

    Factors and colours at vertices, which glTF has linear, are multiplied in; without an image they are the colour. An
    image beside the file, ``texture``, takes the place of the one inside.
    """
    try:
        glb = open_glb(data)
        placed = _placed_parts(glb)
        _check_counts(glb, placed, file, checks)
        surfaces = [read_surface(glb, primitive) for primitive, _ in placed]
        joined = _joined([_part(glb, primitive, matrix) for primitive, matrix in placed])
        pixels = _pixels(glb, surfaces, file, texture, checks)
        colors = _colors(glb, placed, surfaces) if pixels is None else None
    except InputError:
        raise
    except _MALFORMED as error:
        why = str(error) if isinstance(error, BrokenGlbError) else f"{type(error).__name__}: {str(error)[:80]}"
        raise InputError(
            f"not a GLB that can be read ({why})", file=file, field="mesh",
            remedy="export it again as one binary glTF 2.0 file, uncompressed, with its image inside",
        ) from error  # fmt: skip
    if pixels is not None and joined.corner_uvs is None:
        raise InputError(
            "a texture but no texture coordinates", file=file, field="TEXCOORD_0", remedy="export the mesh with them"
        )
    return RawMesh(joined.vertices, joined.faces, colors, pixels, joined.corner_uvs)


def _placed_parts(glb: Container) -> list[Primitive]:
    """The parts of each mesh of the scene. A node has one parent, or the scene would not be a tree."""
    waiting = [(index, np.eye(4)) for index in glb.item("scenes", glb.content.get("scene", 0))["nodes"]][::-1]
    seen: set[int] = set()
    placed: list[Primitive] = []
    while waiting:
        index, above = waiting.pop()
        if index in seen:
            raise BrokenGlbError(f"node {index} has two parents")
        seen.add(index)
        node = glb.item("nodes", index)
        matrix = above @ _matrix(node)
        waiting.extend((child, matrix) for child in reversed(node.get("children", [])))
        if "mesh" in node:
            mesh = glb.item("meshes", node["mesh"])
            if "skin" in node or any(node.get("weights", mesh.get("weights", []))):
                raise BrokenGlbError("a mesh that bones or morph targets move: apply them before exporting")
            placed.extend((primitive, matrix) for primitive in mesh["primitives"])
        if max(len(seen), len(placed)) > _MAX_NODES:
            raise BrokenGlbError(f"more than {_MAX_NODES} nodes or parts")
    if not placed:
        raise BrokenGlbError("no mesh in its scene")
    return placed


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    matrix = np.eye(4)
    rotation = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
    matrix[:3, :3] = rotation * np.array(node.get("scale", [1, 1, 1]), float)
    matrix[:3, 3] = node.get("translation", [0, 0, 0])
    return matrix


def _check_counts(glb: Container, placed: Sequence[Primitive], file: Path, checks: ScanChecks) -> None:
    """Refuse too many faces or vertices, counted as often as nodes place them; nothing has been decoded."""
    num_faces = num_vertices = 0
    for primitive, _ in placed:
        attributes = primitive["attributes"]
        counts = {name: glb.count(attributes[name]) for name in ("POSITION", *_PER_VERTEX) if name in attributes}
        num = counts["POSITION"]
        corners = glb.count(primitive["indices"]) if "indices" in primitive else num
        if corners < 3:
            raise BrokenGlbError(f"a part of {corners} corners")
        num_faces, num_vertices = num_faces + corners // 3, num_vertices + num
        check_num_faces(num_faces, file, checks)  # at once: a small file can place parts billions of times
        check_num_vertices(num_vertices, file, checks)
        if len(set(counts.values())) > 1:
            raise BrokenGlbError(f"parts of one mesh differ in length: {counts}")
        if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
            raise BrokenGlbError("strips, fans, lines or points")


def _part(glb: Container, primitive: dict[str, Any], matrix: NDArray[np.float64]) -> RawMesh:
    attributes = primitive["attributes"]
    places = glb.values(attributes["POSITION"]).astype(np.float64)
    faces = _faces(glb, primitive.get("indices"), len(places))
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]
    corner_uvs = None
    if "TEXCOORD_0" in attributes:
        uvs = glb.values(attributes["TEXCOORD_0"]).astype(np.float64)
        corner_uvs = np.stack([uvs[..., 0], 1 - uvs[..., 1]], -1)[faces]
    with np.errstate(invalid="ignore"):  # vertices that are not finite are found by the checks
        return RawMesh(places @ matrix[:3, :3].T + matrix[:3, 3], faces, None, None, corner_uvs)


def _faces(glb: Container, indices: int | None, num_vertices: int) -> NDArray[np.int64]:
    """(F, 3) numbers of vertices that are there."""
    if indices is None:
        flat = np.arange(num_vertices)
    else:
        accessor = glb.accessor(indices)
        kind = accessor["componentType"], accessor["type"], bool(accessor.get("normalized"))
        if kind[0] not in _INDEX_TYPES or kind[1:] != ("SCALAR", False):
            raise BrokenGlbError(f"indices of type {kind[0]} {kind[1]}, not unsigned integers")
        flat = glb.values(indices)[:, 0].astype(np.int64)
    if len(flat) % 3 or flat.min() < 0 or flat.max() >= num_vertices:
        raise BrokenGlbError(f"{len(flat)} corners name vertices {flat.min()}..{flat.max()} of {num_vertices}")
    return flat.reshape(-1, 3)


def _joined(parts: list[RawMesh]) -> RawMesh:
    """One mesh; texture coordinates only if every part has them."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    uvs = [part.corner_uvs for part in parts if part.corner_uvs is not None]
    return RawMesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]),
        corner_uvs=np.concatenate(uvs) if len(uvs) == len(parts) else None,
    )


def _pixels(
    glb: Container, surfaces: Sequence[Surface], file: Path, texture: Path | None, checks: ScanChecks
) -> NDArray[np.uint8] | None:
    """(h, w, 3) the parts' one image as they show it; None if they have none."""
    images = {surface.image for surface in surfaces}
    if texture is not None:
        return multiplied(read_texture(texture, checks), image_factor(surfaces))
    if len(images) > 1:
        raise BrokenGlbError("several textures, or parts without one: bake them into one image")
    image = images.pop()
    if image is None:
        return None
    content = bytes(glb.view(glb.item("images", image)["bufferView"]))
    opaque = not all(surface.opaque for surface in surfaces)
    return multiplied(decode_texture(content, file, checks, opaque=opaque), image_factor(surfaces))


def _colors(glb: Container, placed: Sequence[Primitive], surfaces: Sequence[Surface]) -> NDArray[np.float32] | None:
    """(V, 3) sRGB at all vertices, white in parts of which nothing is said; None if nothing is said of any."""
    if not any(surface.stated for surface in surfaces):
        return None
    counts = [glb.count(primitive["attributes"]["POSITION"]) for primitive, _ in placed]
    return np.concatenate([vertex_colors(surface, num) for surface, num in zip(surfaces, counts, strict=True)])
