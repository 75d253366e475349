"""Binary glTF 2.0: what a static textured scan needs of it, and nothing that lies outside the file.

glTF has y up and faces +z, as the world axes here; its texture coordinates start at the upper left.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drpose_ray.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.raw_mesh import RawMesh, check_num_faces, check_num_vertices
from drpose_ray.scans.srgb import linear_to_srgb
from drpose_ray.scans.texture_file import decode_texture, read_texture

_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_TYPES: Final = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS: Final = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_INDEX_TYPES: Final = frozenset({5121, 5123, 5125})
_MAX_JSON_BYTES: Final = 2**24
_TRIANGLES: Final = 4
_PER_VERTEX: Final = ("TEXCOORD_0", "COLOR_0")
_MALFORMED: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error)


class _BrokenGlbError(ValueError):
    """What is wrong with the file."""


@dataclass(frozen=True)
class _Container:
    content: dict[str, Any]
    binary: bytes

    def view(self, index: int) -> memoryview:
        """The bytes of buffer view ``index``, not copied: many parts may share a large one."""
        view = self.content["bufferViews"][index]
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if view.get("buffer") != 0 or start < 0 or length < 0 or start + length > len(self.binary):
            raise _BrokenGlbError(f"buffer view {index} of {length} bytes lies outside the file")
        return memoryview(self.binary)[start : start + length]

    def count(self, index: int) -> int:
        """The number of elements that accessor ``index`` says it has."""
        count = int(self.content["accessors"][index]["count"])
        if count < 1:
            raise _BrokenGlbError(f"accessor {index} of {count} elements")
        return count

    def values(self, index: int) -> NDArray[Any]:
        """(N, width) numbers of accessor ``index``; normalised integers become fractions."""
        accessor = self.content["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise _BrokenGlbError("a sparse accessor")
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        count, packed = self.count(index), dtype.itemsize * width
        start = int(accessor.get("byteOffset", 0))
        if start < 0:  # a slice would count it from the end
            raise _BrokenGlbError(f"accessor {index} starts at {start}")
        data = self.view(accessor["bufferView"])[start:]
        stride = int(self.content["bufferViews"][accessor["bufferView"]].get("byteStride", packed))
        if stride < packed or stride * (count - 1) + packed > len(data):
            raise _BrokenGlbError(f"accessor {index} of {count} elements lies outside the file")
        rows = np.ndarray((count, width), dtype, data, strides=(stride, dtype.itemsize)).copy()
        return rows / np.iinfo(dtype).max if accessor.get("normalized") else rows


def read_glb(data: bytes, file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """All triangles of the scene, where its nodes put them, with the one base-colour image that they share.

    Colours at vertices, which glTF has linear, count where there is no image. An image beside the file, ``texture``,
    takes the place of the one inside.
    """
    try:
        glb = _open(data)
        placed = _placed_meshes(glb)
        _check_counts(glb, placed, file, checks)
        parts = [_primitive(glb, p, matrix) for mesh, matrix in placed for p in mesh["primitives"]]
        joined = _joined(parts)
        image = None if texture is not None else _image(glb, placed)
    except InputError:
        raise
    except _MALFORMED as error:
        why = str(error) if isinstance(error, _BrokenGlbError) else f"{type(error).__name__}: {str(error)[:80]}"
        raise InputError(
            f"not a GLB that can be read ({why})", file=file, field="mesh",
            remedy="export it again as one binary glTF 2.0 file, uncompressed, with its image inside",
        ) from error  # fmt: skip
    pixels = read_texture(texture, checks) if texture is not None else None
    if image is not None:
        pixels = decode_texture(image, file, checks)
    if pixels is not None and joined.corner_uvs is None:
        raise InputError(
            "a texture but no texture coordinates", file=file, field="TEXCOORD_0", remedy="export the mesh with them"
        )
    return RawMesh(
        joined.vertices, joined.faces, None if pixels is not None else joined.colours, pixels, joined.corner_uvs
    )


def _open(data: bytes) -> _Container:
    magic, version, length = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2:
        raise _BrokenGlbError("it does not begin as one")
    if length != len(data):
        raise _BrokenGlbError(f"it says it has {length} bytes and has {len(data)}")
    chunks: dict[int, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        if size > length - offset - 8:
            raise _BrokenGlbError(f"a chunk of {size} bytes in {length - offset - 8}")
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if len(chunks[_JSON]) > _MAX_JSON_BYTES:
        raise _BrokenGlbError(f"a description of {len(chunks[_JSON])} bytes")
    content = json.loads(chunks[_JSON])
    if needed := content.get("extensionsRequired"):
        raise _BrokenGlbError(f"it needs {', '.join(map(str, needed))}")
    if any("uri" in item for kind in ("buffers", "images") for item in content.get(kind, [])):
        raise _BrokenGlbError("it refers to other files")
    return _Container(content, chunks.get(_BINARY, b""))


def _placed_meshes(glb: _Container) -> list[tuple[dict[str, Any], NDArray[np.float64]]]:
    """Each mesh of the scene with its (4, 4) matrix. A node has one parent, or the scene would not be a tree."""
    nodes = glb.content["nodes"]
    waiting = [(index, np.eye(4)) for index in glb.content["scenes"][glb.content.get("scene", 0)]["nodes"]][::-1]
    seen: set[int] = set()
    placed = []
    while waiting:
        index, above = waiting.pop()
        if index in seen:
            raise _BrokenGlbError(f"node {index} has two parents")
        seen.add(index)
        matrix = above @ _matrix(nodes[index])
        waiting.extend((child, matrix) for child in reversed(nodes[index].get("children", [])))
        if "mesh" in nodes[index]:
            placed.append((glb.content["meshes"][nodes[index]["mesh"]], matrix))
    return placed


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    matrix = np.eye(4)
    rotation = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
    matrix[:3, :3] = rotation * np.array(node.get("scale", [1, 1, 1]), float)
    matrix[:3, 3] = node.get("translation", [0, 0, 0])
    return matrix


def _check_counts(
    glb: _Container, placed: list[tuple[dict[str, Any], NDArray[np.float64]]], file: Path, checks: ScanChecks
) -> None:
    """Refuse too many faces or vertices, counted as often as nodes place them; nothing has been decoded."""
    num_faces = num_vertices = 0
    for primitive in (p for mesh, _ in placed for p in mesh["primitives"]):
        num = glb.count(primitive["attributes"]["POSITION"])
        corners = glb.count(primitive["indices"]) if "indices" in primitive else num
        if corners < 3:
            raise _BrokenGlbError(f"a part of {corners} corners")
        num_faces, num_vertices = num_faces + corners // 3, num_vertices + num
        check_num_faces(num_faces, file, checks)  # at once: a small file can place parts billions of times
        check_num_vertices(num_vertices, file, checks)


def _primitive(glb: _Container, primitive: dict[str, Any], matrix: NDArray[np.float64]) -> RawMesh:
    if primitive.get("mode", _TRIANGLES) != _TRIANGLES:
        raise _BrokenGlbError("strips, fans, lines or points")
    attributes = primitive["attributes"]
    counts = {name: glb.count(attributes[name]) for name in ("POSITION", *_PER_VERTEX) if name in attributes}
    if len(set(counts.values())) > 1:
        raise _BrokenGlbError(f"parts of one mesh differ in length: {counts}")
    places = glb.values(attributes["POSITION"]).astype(np.float64)
    faces = _faces(glb, primitive.get("indices"), len(places))
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]
    corner_uvs = colours = None
    if "TEXCOORD_0" in attributes:
        uvs = glb.values(attributes["TEXCOORD_0"]).astype(np.float64)
        corner_uvs = np.stack([uvs[..., 0], 1 - uvs[..., 1]], -1)[faces]
    if "COLOR_0" in attributes:
        linear = glb.values(attributes["COLOR_0"])[:, :3].astype(np.float64)
        if linear.shape[1] != 3:
            raise _BrokenGlbError(f"colours of {linear.shape[1]} numbers")
        colours = linear_to_srgb(linear)  # what is not in [0, 1] is found by the checks
    with np.errstate(invalid="ignore"):  # vertices that are not finite are found by the checks
        return RawMesh(places @ matrix[:3, :3].T + matrix[:3, 3], faces, colours, None, corner_uvs)


def _faces(glb: _Container, indices: int | None, num_vertices: int) -> NDArray[np.int64]:
    """(F, 3) numbers of vertices that are there."""
    if indices is None:
        flat = np.arange(num_vertices)
    else:
        accessor = glb.content["accessors"][indices]
        kind = accessor["componentType"], accessor["type"], bool(accessor.get("normalized"))
        if kind[0] not in _INDEX_TYPES or kind[1:] != ("SCALAR", False):
            raise _BrokenGlbError(f"indices of type {kind[0]} {kind[1]}, not unsigned integers")
        flat = glb.values(indices)[:, 0].astype(np.int64)
    if len(flat) % 3 or flat.min() < 0 or flat.max() >= num_vertices:
        raise _BrokenGlbError(f"{len(flat)} corners name vertices {flat.min()}..{flat.max()} of {num_vertices}")
    return flat.reshape(-1, 3)


def _joined(parts: list[RawMesh]) -> RawMesh:
    """One mesh; texture coordinates or colours only if every part has them."""
    if not parts:
        raise _BrokenGlbError("no mesh in its scene")
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    colours = [part.colours for part in parts if part.colours is not None]
    uvs = [part.corner_uvs for part in parts if part.corner_uvs is not None]
    return RawMesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]),
        np.concatenate(colours) if len(colours) == len(parts) else None,
        None,
        np.concatenate(uvs) if len(uvs) == len(parts) else None,
    )


def _image(glb: _Container, placed: list[tuple[dict[str, Any], Any]]) -> bytes | None:
    """The file of the base-colour image, None if no material has one."""
    sources = set()
    for primitive in (p for mesh, _ in placed for p in mesh["primitives"]):
        material = glb.content["materials"][primitive["material"]] if "material" in primitive else {}
        reference = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
        if reference is not None and (reference.get("texCoord", 0) != 0 or "extensions" in reference):
            raise _BrokenGlbError("transformed or second texture coordinates")
        sources.add(None if reference is None else glb.content["textures"][reference["index"]]["source"])
    if len(sources) > 1:
        raise _BrokenGlbError("several textures, or parts without one: bake them into one image")
    source = sources.pop()
    return None if source is None else bytes(glb.view(glb.content["images"][source]["bufferView"]))


def write_glb(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    uvs: NDArray[np.floating],
    uv_faces: NDArray[np.int64],
    png: bytes,
) -> bytes:
    """A textured mesh as a GLB; equal arguments give equal bytes.

    Args:
        vertices: (V, 3) in any unit, y up.
        uvs: (U, 2), origin at the texture's lower left; ``uv_faces`` (F, 3) indexes them as ``faces`` the vertices.
        png: the texture's file.
    """
    pairs = faces.ravel() * len(uvs) + uv_faces.ravel()
    unique, inverse = np.unique(pairs, return_inverse=True)
    places = vertices[unique // len(uvs)].astype("<f4")
    coordinates = (uvs[unique % len(uvs)] * [1, -1] + [0, 1]).astype("<f4")
    blocks = [places.tobytes(), coordinates.tobytes(), inverse.astype("<u4").tobytes(), png]
    views, binary = [], b""
    for block in blocks:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(block)})
        binary += block + bytes(-len(block) % 4)
    content = {
        "asset": {"version": "2.0", "generator": "drpose_ray"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}]}],
        "materials": [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1}}
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": len(places),
             "min": places.min(0).tolist(), "max": places.max(0).tolist()},
            {"bufferView": 1, "componentType": 5126, "type": "VEC2", "count": len(places)},
            {"bufferView": 2, "componentType": 5125, "type": "SCALAR", "count": int(inverse.size)},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(binary), _BINARY) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
