"""A textured mesh as binary glTF 2.0."""

from __future__ import annotations

import json
import struct

import numpy as np
from numpy.typing import NDArray

from drpose_ray.scans.meshes.glb.container import BINARY_CHUNK, JSON_CHUNK


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
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text + struct.pack("<II", len(binary), BINARY_CHUNK) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
