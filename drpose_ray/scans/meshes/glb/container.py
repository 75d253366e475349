"""The container of binary glTF 2.0: its description, and arrays out of its one binary chunk, every range checked.

Why not by a library: docs/adr/0015-glb-and-ply-by-our-own-readers.md.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

JSON_CHUNK: Final = 0x4E4F534A
BINARY_CHUNK: Final = 0x004E4942
_TYPES: Final = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS: Final = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_MAX_JSON_BYTES: Final = 2**24
_EXTENSIONS: Final = frozenset({"KHR_materials_unlit", "KHR_mesh_quantization", "EXT_texture_webp"})
"""Those that a file may require. None of them hides or changes what is read here, but where textures name images."""


class BrokenGlbError(ValueError):
    """What is wrong with the file, or which part of glTF it uses that is not read."""


@dataclass(frozen=True)
class Container:
    """A file that was cut into its chunks; what its description says is not checked yet."""

    content: dict[str, Any]
    binary: bytes

    def view(self, index: int) -> memoryview:
        """The bytes of buffer view ``index``, not copied: many parts may share a large one."""
        view = _nth(self.content["bufferViews"], index)
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if view.get("buffer") != 0 or start < 0 or length < 0 or start + length > len(self.binary):
            raise BrokenGlbError(f"buffer view {index} of {length} bytes lies outside the file")
        return memoryview(self.binary)[start : start + length]

    def accessor(self, index: int) -> dict[str, Any]:
        """The description of array ``index``."""
        found: dict[str, Any] = _nth(self.content["accessors"], index)
        return found

    def count(self, index: int) -> int:
        """The number of elements that accessor ``index`` says it has."""
        count = int(self.accessor(index)["count"])
        if count < 1:
            raise BrokenGlbError(f"accessor {index} of {count} elements")
        return count

    def values(self, index: int) -> NDArray[Any]:
        """(N, width) numbers of accessor ``index``; normalised integers become fractions."""
        accessor = self.accessor(index)
        if "sparse" in accessor or "bufferView" not in accessor:
            raise BrokenGlbError("a sparse accessor")
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        count, packed = self.count(index), dtype.itemsize * width
        start = int(accessor.get("byteOffset", 0))
        if start < 0:  # a slice would count it from the end
            raise BrokenGlbError(f"accessor {index} starts at {start}")
        data = self.view(accessor["bufferView"])[start:]
        stride = int(_nth(self.content["bufferViews"], accessor["bufferView"]).get("byteStride", packed))
        if stride < packed or stride * (count - 1) + packed > len(data):
            raise BrokenGlbError(f"accessor {index} of {count} elements lies outside the file")
        rows = np.ndarray((count, width), dtype, data, strides=(stride, dtype.itemsize)).copy()
        if not accessor.get("normalized"):
            return rows
        if dtype.kind == "f":
            raise BrokenGlbError(f"accessor {index} of normalised fractions")
        return np.maximum(rows / np.iinfo(dtype).max, -1)

    def item(self, kind: str, index: int) -> dict[str, Any]:
        """Number ``index`` of the description's ``kind``, such as ``materials``."""
        found: dict[str, Any] = _nth(self.content[kind], index)
        return found


def open_glb(data: bytes) -> Container:
    """Raises BrokenGlbError, or what Python raises for JSON that is none, for anything that is no whole GLB.

    What lies in other files is never looked for.
    """
    magic, version, length = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2:
        raise BrokenGlbError("it does not begin as one")
    if length != len(data):
        raise BrokenGlbError(f"it says it has {length} bytes and has {len(data)}")
    chunks: dict[int, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", data, offset)
        if size > length - offset - 8:
            raise BrokenGlbError(f"a chunk of {size} bytes in {length - offset - 8}")
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if len(chunks[JSON_CHUNK]) > _MAX_JSON_BYTES:
        raise BrokenGlbError(f"a description of {len(chunks[JSON_CHUNK])} bytes")
    content = json.loads(chunks[JSON_CHUNK])
    if needed := sorted({str(name) for name in content.get("extensionsRequired", [])} - _EXTENSIONS):
        raise BrokenGlbError(f"it needs {', '.join(needed)}")
    if any("uri" in item for kind in ("buffers", "images") for item in content.get(kind, [])):
        raise BrokenGlbError("it refers to other files, or holds parts of itself as text")
    return Container(content, chunks.get(BINARY_CHUNK, b""))


def _nth(items: Any, index: Any) -> Any:
    """``items[index]`` of a list; a negative number is no number of an item."""
    if not isinstance(items, list) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise BrokenGlbError(f"item {index!r} of a list")
    return items[index]
