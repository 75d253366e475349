"""PLY files with colours at their vertices, read by trimesh once their header is found to be possible."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.raw_mesh import RawMesh, check_num_faces, check_num_vertices

_MAX_HEADER_BYTES = 2**16
_CHANNELS = ("red", "green", "blue")


def read_ply(data: bytes, file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """Vertices with colours, and faces. Texture coordinates inside a PLY are not read."""
    if texture is not None:
        raise InputError(
            "a PLY with a texture beside it", file=file, field="texture", value=texture.name,
            remedy="give the OBJ of the scan, or the PLY alone if its vertices have colours",
        )  # fmt: skip
    _check_header(data, file, checks)
    try:
        loaded = trimesh.load(io.BytesIO(data), file_type="ply", process=False, maintain_order=True)
    except Exception as error:  # trimesh raises what its parsers raise
        raise _broken(file, f"{type(error).__name__}: {str(error)[:120]}") from error
    if not isinstance(loaded, trimesh.Trimesh):
        return RawMesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    visual, colours = loaded.visual, None
    if isinstance(visual, trimesh.visual.ColorVisuals) and visual.kind == "vertex":
        colours = _colours(loaded, file)
    faces = np.asarray(loaded.faces, np.int64)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(loaded.vertices)):
        raise _broken(file, f"faces name vertex {int(faces.max())} of {len(loaded.vertices)}")
    return RawMesh(np.asarray(loaded.vertices, np.float64), faces, colours)


def _colours(mesh: trimesh.Trimesh, file: Path) -> NDArray[np.float32]:
    """(V, 3) as the file has them: trimesh's own are cut to bytes, whatever they were."""
    element = mesh.metadata["_ply_raw"]["vertex"]
    missing = [name for name in _CHANNELS if name not in element["properties"]]
    if missing:  # trimesh takes any three of red, green, blue and alpha for colours
        raise _colourless(file, f"without {', '.join(missing)}")
    columns = [np.asarray(element["data"][name]).reshape(-1) for name in _CHANNELS]
    for name, column in zip(_CHANNELS, columns, strict=True):
        if column.dtype.kind not in "iuf" or len(column) != len(mesh.vertices):
            raise _colourless(file, f"{name}: {len(column)} of {column.dtype} at {len(mesh.vertices)} vertices")
    colours = np.stack([column / 255 if column.dtype.kind in "iu" else column for column in columns], 1)
    return colours.astype(np.float32)


def _check_header(data: bytes, file: Path, checks: ScanChecks) -> None:
    """Refuse counts that the file cannot hold, before anyone allocates room for them."""
    end = data.find(b"end_header", 0, _MAX_HEADER_BYTES)
    if not data.startswith(b"ply") or end < 0:
        raise _broken(file, "no PLY header")
    counts = {kind: int(num) for kind, num in re.findall(rb"element\s+(\w+)\s+(\d{1,18})\s", data[:end])}
    check_num_faces(counts.get(b"face", 0), file, checks)
    for kind, num in counts.items():
        if num > len(data) - end:
            raise _broken(file, f"{num} elements {kind.decode()!r} in {len(data)} bytes")
    check_num_vertices(counts.get(b"vertex", 0), file, checks)


def _colourless(file: Path, value: str) -> InputError:
    return InputError(
        "colours that are not red, green and blue at each vertex", file=file, field="colours", value=value,
        remedy="export the mesh with these three at its vertices",
    )  # fmt: skip


def _broken(file: Path, why: str) -> InputError:
    return InputError(f"not a whole PLY ({why})", file=file, field="mesh", remedy="copy or export the PLY file again")
