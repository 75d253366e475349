"""A mesh as its file holds it, before it is checked and brought to metres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks


@dataclass(frozen=True)
class RawMesh:
    """Triangles in the units and axes of the file; corners at one place may still be several vertices."""

    vertices: NDArray[np.float64]  # (V, 3)
    faces: NDArray[np.int64]  # (F, 3)
    colors: NDArray[np.float32] | None = None  # (V, 3) sRGB in [0, 1]
    texture: NDArray[np.uint8] | None = None  # (h, w, 3) sRGB
    corner_uvs: NDArray[np.float64] | None = None  # (F, 3, 2), origin at the texture's lower left corner


def check_num_faces(num: int, file: Path, checks: ScanChecks) -> None:
    """Refuse more faces than are allowed, as soon as their number is known."""
    if num > checks.max_faces:
        raise InputError(
            f"more than {checks.max_faces} faces", file=file, field="scans.checks.max_faces", value=num,
            remedy="simplify the mesh, or raise the limit",
        )  # fmt: skip


def check_num_vertices(num: int, file: Path, checks: ScanChecks) -> None:
    """Refuse more vertices, or texture coordinates, than the corners of as many faces as are allowed."""
    if num > 3 * checks.max_faces:
        raise InputError(
            f"more than {3 * checks.max_faces} vertices", file=file, field="scans.checks.max_faces", value=num,
            remedy="simplify the mesh, or raise the limit, which is three vertices a face",
        )  # fmt: skip


def merge_vertices(mesh: RawMesh) -> RawMesh:
    """One vertex per place, numbered as faces first use it; texture coordinates stay with the corners.

    Vertices of one place but different colours become one of the first's colour. Vertices that no face uses go.
    """
    rounded = mesh.vertices.astype(np.float32) + np.float32(0)  # + 0 makes -0.0 the same place as 0.0
    keys = np.ascontiguousarray(rounded).view(np.dtype((np.void, 12))).ravel()
    _, place = np.unique(keys, return_inverse=True)
    used, first = np.unique(place.ravel()[mesh.faces.ravel()], return_index=True)
    order = np.argsort(first, kind="stable")
    number = np.empty(int(place.max()) + 1, np.int64)
    number[used[order]] = np.arange(len(used))
    source = mesh.faces.ravel()[first[order]]
    return replace(
        mesh,
        vertices=mesh.vertices[source],
        faces=number[place.ravel()[mesh.faces]],
        colors=None if mesh.colors is None else mesh.colors[source],
    )
