"""One record for scans of every source: a textured mesh and the SMPL-X fit that says where its skeleton is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Layout = Literal["thuman", "customhumans", "2k2k", "twin"]
"""How a dataset names its files and writes its fits (docs/scans.md, "Layouts")."""


@dataclass(frozen=True)
class ScanFiles:
    """A scan where it lies; nothing of it has been read, and what is named here may be missing or broken."""

    scan_id: str
    """Unique within a dataset and free of dots, so that it can start a file name inside a shard."""
    source: str
    """The dataset, e.g. ``thuman2``."""
    mesh: Path
    texture: Path | None
    """None: the mesh file says where its texture is, or holds it."""
    fit: Path
    licence: str
    layout: Layout = "twin"
    """Says how to read the fit."""
    name: str = ""
    """What its dataset calls it, e.g. ``0461``: the name in published lists of test scans."""
    subject: str | None = None
    """Who was scanned, if the dataset tells; scans of one subject stay on one side of a split."""
    body: Path | None = None
    """The SMPLX_*.npz that the fit is for, e.g. the male one; None: the body of the run."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in metres and world axes (x to the person's left, y up, z forward), coloured by texture or vertex.

    Vertices are merged: corners at one place share a vertex whatever their texture coordinates are, so that smooth
    normals do not break at the seams of the texture. They are numbered in the order in which faces first use them.
    """

    vertices: NDArray[np.float32]  # (V, 3)
    faces: NDArray[np.int64]  # (F, 3)
    colors: NDArray[np.float32] | None  # (V, 3) sRGB in [0, 1]; given exactly when there is no texture
    texture: NDArray[np.uint8] | None  # (h, w, 3) sRGB
    corner_uvs: NDArray[np.float32] | None  # (F, 3, 2) in [0, 1], origin at the texture's lower left corner


@dataclass(frozen=True)
class Scan:
    """A scan, read and checked. Joints and mesh are in the same axes and units."""

    scan_id: str
    source: str
    licence: str
    mesh: Mesh
    motion_row: NDArray[np.float32]  # (322,) the fit as a Motion-X row, betas included
    joints_world: NDArray[np.float32]  # (23, 3) metres
