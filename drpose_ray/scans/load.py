"""One scan from its files: mesh and fit read, brought to metres in one world, and checked against each other."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from drpose_ray.body.smplx_body import Body
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.scans.checks import check_against_fit, checked_mesh
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.fits.fit import read_fit
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.meshes.raw_mesh import merge_vertices
from drpose_ray.scans.scan import Mesh, Scan, ScanFiles


def load_scan(files: ScanFiles, body: Body, checks: ScanChecks | None = None) -> Scan:
    """Read and check ``files``.

    Args:
        body: What the fit's parameters pose, unless ``files`` name the model that they are for.
        checks: Limits and thresholds.

    Raises:
        InputError: whatever is wrong with the scan; it names the file, the field, the value and a remedy. A fan-out
            catches it for each scan, whose record then fails with that reason, and goes on.
        OSError: the disk failed, which is no fault of the scan; another attempt may read it
            (``drpose_ray.core.files.reading``).
    """
    checks = checks or ScanChecks()
    body = fit_body(files, body)
    fit = read_fit(files, body, checks)  # small, and tells most scans that cannot work
    raw = checked_mesh(read_mesh(files.mesh, files.texture, checks), files, checks)
    merged = merge_vertices(raw)
    vertices = ((merged.vertices - fit.translation) / fit.scale).astype(np.float32)
    body_vertices, joints = body.pose(fit.row)
    check_against_fit(vertices, merged.faces, body_vertices, body.faces, files, checks)
    mesh = Mesh(
        vertices,
        merged.faces,
        merged.colors if merged.texture is None else None,
        merged.texture,
        None if merged.corner_uvs is None else merged.corner_uvs.astype(np.float32),
    )
    return Scan(files.scan_id, files.source, files.licence, mesh, fit.row, joints[:NUM_JOINTS])


def fit_body(files: ScanFiles, default: Body) -> Body:
    """The model that a fit's parameters pose. Raises InputError if ``files`` name one that cannot be read."""
    return default if files.body is None else _body(files.body)


@functools.lru_cache(maxsize=3)  # neutral, male and female
def _body(path: Path) -> Body:
    return Body(path)
