"""Mesh files of every kind that datasets are published in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_limited
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.glb.file import read_glb
from drpose_ray.scans.meshes.obj_file import read_obj
from drpose_ray.scans.meshes.ply.file import read_ply
from drpose_ray.scans.meshes.raw_mesh import RawMesh

_READERS: Final[dict[str, Callable[[bytes, Path, Path | None, ScanChecks], RawMesh]]] = {
    ".obj": read_obj,
    ".ply": read_ply,
    ".glb": read_glb,
}


def read_mesh(file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """Read an OBJ, PLY or GLB file, and its texture where that is a file of its own.

    Args:
        texture: an image file; None: what the OBJ's material names in the same folder, or what the GLB holds.

    Raises:
        InputError: the file is missing, too large, of another kind, or broken; or its texture is.
        OSError: the disk failed.
    """
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            "not a kind of mesh file that is read", file=file, field="mesh", value=file.suffix,
            remedy=f"convert it to one of {', '.join(_READERS)}",
        )  # fmt: skip
    try:
        mesh = reader(read_limited(file, checks.max_mesh_bytes, "scans.checks.max_mesh_bytes"), file, texture, checks)
    except (MemoryError, RecursionError) as error:
        raise InputError(
            f"cannot be read ({type(error).__name__})", file=file, field="mesh", remedy="export the mesh again"
        ) from error
    if not len(mesh.faces):
        raise InputError(
            "no faces", file=file, field="faces", value=0, remedy="give a surface; point clouds cannot be rendered"
        )
    return mesh
