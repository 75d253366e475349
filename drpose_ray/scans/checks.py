"""What is wrong with a scan, in the words of its files: numbers, faces, texture coordinates, units, axes, fit.

Units, axes and place are judged against the SMPL-X fit, whose body has a person's size and stands in known axes.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.raw_mesh import RawMesh
from drpose_ray.scans.scan import ScanFiles

_UNITS: Final = {0.001: "kilometres", 0.0254: "units of 1/0.0254 m", 10: "decimetres", 39.37: "inches",
                 100: "centimetres", 1000: "millimetres"}  # fmt: skip
_LARGEST: Final = 1e9
"""No place in any unit; single precision would make infinities of some such numbers."""
_SCAN_POINTS, _BODY_POINTS = 30_000, 4000


def checked_mesh(mesh: RawMesh, files: ScanFiles, checks: ScanChecks) -> RawMesh:
    """The mesh without faces that have no area and with texture coordinates inside the texture.

    Raises:
        InputError: vertices, colours or texture coordinates are not finite, vertices are absurdly far away, colours are
            not in [0, 1], too few faces are left, too many had no area, too many corners lie outside the texture, or
            there is neither texture nor colour.
    """
    file = files.mesh
    wrong = np.flatnonzero(~(np.abs(mesh.vertices) < _LARGEST).all(1))  # so written, NaN is found as well
    if len(wrong):
        raise InputError(
            "vertices that are not finite, or absurdly far away", file=file, field="vertices",
            value=f"{len(wrong)} of {len(mesh.vertices)}", remedy="leave the scan out, or repair the mesh",
        )  # fmt: skip
    if mesh.texture is None and mesh.colors is None:
        raise InputError(
            "neither a texture nor colours at the vertices", file=file, field="texture",
            remedy="copy the texture from the dataset again",
        )  # fmt: skip
    if mesh.colors is not None:
        mesh = replace(mesh, colors=_in_range(mesh.colors, file))
    mesh = _with_area(mesh, file, checks)
    if mesh.corner_uvs is None or mesh.texture is None:
        return replace(mesh, corner_uvs=None)
    return replace(mesh, corner_uvs=_inside_texture(mesh.corner_uvs, file, checks))


def _in_range(colors: NDArray[np.float32], file: Path) -> NDArray[np.float32]:
    """Rounding may leave a colour a little outside [0, 1]; another range, such as 0..255, is no rounding."""
    if not np.isfinite(colors).all():
        raise InputError(
            "colours that are not finite", file=file, field="colours", remedy="export the mesh with colours again"
        )
    if len(colors) and (colors.min() < -1e-3 or colors.max() > 1 + 1e-3):
        raise InputError(
            "colours outside [0, 1]", file=file, field="colours", value=f"{colors.min():.4g} to {colors.max():.4g}",
            remedy="export the mesh with colours as fractions; of 0..255, divide them by 255",
        )  # fmt: skip
    return np.clip(colors, 0, 1)


def _with_area(mesh: RawMesh, file: Path, checks: ScanChecks) -> RawMesh:
    corners = mesh.vertices[mesh.faces]
    size = np.ptp(mesh.vertices, axis=0).max()
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    solid = area > 1e-12 * size**2
    lost = 1 - solid.mean()
    if lost > checks.max_degenerate_share:
        raise InputError(
            "faces without area", file=file, field="faces", value=f"{100 * lost:.1f} % of {len(solid)}",
            remedy="clean the mesh, or raise scans.checks.max_degenerate_share",
        )  # fmt: skip
    if solid.sum() < checks.min_faces:
        raise InputError(
            f"fewer than {checks.min_faces} faces", file=file, field="faces", value=int(solid.sum()),
            remedy="give the scan of a person, or lower scans.checks.min_faces",
        )  # fmt: skip
    uvs = mesh.corner_uvs
    return replace(mesh, faces=mesh.faces[solid], corner_uvs=None if uvs is None else uvs[solid])


def _inside_texture(uvs: NDArray[np.float64], file: Path, checks: ScanChecks) -> NDArray[np.float64]:
    if not np.isfinite(uvs).all():
        raise InputError(
            "texture coordinates that are not finite", file=file, field="uv",
            value=f"{int((~np.isfinite(uvs)).any(-1).sum())} corners", remedy="export the mesh with them again",
        )  # fmt: skip
    outside = ((uvs < -1e-3) | (uvs > 1 + 1e-3)).any(-1)
    if outside.mean() > checks.max_uv_outside_share:
        raise InputError(
            "texture coordinates outside the texture", file=file, field="uv",
            value=f"{100 * outside.mean():.1f} % of corners, from {uvs.min():.3g} to {uvs.max():.3g}",
            remedy="export the mesh with one texture and coordinates in [0, 1]",
        )  # fmt: skip
    return np.clip(uvs, 0, 1)


def check_against_fit(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    body_vertices: NDArray[np.floating],
    body_faces: NDArray[np.int64],
    files: ScanFiles,
    checks: ScanChecks,
) -> None:
    """Refuse a scan whose units, axes, place or pose are not those of its fit; all (…, 3) in metres by the fit.

    Points are spread over both surfaces by area, deterministically. The fit fits if the body's points are near the
    scan: the median, and all but a share that loose clothes may take away.
    """
    scan, person = _box(vertices), _box(body_vertices)
    ratio = float(np.linalg.norm(scan[1] - scan[0]) / np.linalg.norm(person[1] - person[0]))
    if not checks.size_range[0] <= ratio <= checks.size_range[1]:
        raise _wrong_units(ratio, scan, person, files)
    surface = cKDTree(surface_points(vertices, faces, _SCAN_POINTS))
    points = surface_points(body_vertices, body_faces, _BODY_POINTS)
    median, share = _distance(surface, points, checks)
    centre = scan.mean(0)
    fits = _fits(median, share, checks)
    centred = points - person.mean(0)
    # A body with its arms down is nearly as thick in front as behind: back to front, it nearly fits.
    back, _ = _distance(surface, centred * [-1, 1, -1] + centre, checks)
    if fits and back > checks.max_turned_ratio * median:
        return
    value = f"median {100 * median:.1f} cm, {100 * share:.0f} % farther than {100 * checks.far_m:.0f} cm"
    # Turning the scan about its middle is turning the points the other way.
    tried = [(*_distance(surface, centred @ turn + centre, checks), turn) for turn in _axis_rotations()[int(fits) :]]
    best, best_share, rotation = min(tried, key=lambda found: found[0])
    if _fits(best, best_share, checks):
        place = np.array_equal(rotation, np.eye(3))
        raise InputError(
            f"the scan and its SMPL-X fit do not lie in the same {'place' if place else 'axes'}", file=files.mesh,
            field="fit", value=f"{value}; {_description(rotation, person.mean(0) - centre)} brings them together",
            remedy="export the mesh in the axes of the fit (y up, facing +z), or leave the scan out",
        )  # fmt: skip
    raise InputError(
        "the SMPL-X fit is not of this scan, or fits it badly", file=files.fit, field="fit", value=value,
        remedy="check that mesh and fit have one name and that scans.sources.body is the model, male or neutral, that "
        "the fit is for; else leave the scan out",
    )  # fmt: skip


def surface_points(vertices: NDArray[np.floating], faces: NDArray[np.int64], num: int) -> NDArray[np.float64]:
    """(num, 3) points spread evenly by area, the same ones for the same surface."""
    corners = vertices[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).cumsum()
    steps = (np.arange(num) + 0.5) / num
    chosen = corners[np.minimum(np.searchsorted(area, steps * area[-1]), len(area) - 1)]
    # Additive recurrences fill the triangle as evenly as random numbers would, and need no seed.
    u, v = (np.arange(num) * 0.7548776662466927 % 1)[:, None], (np.arange(num) * 0.5698402909980532 % 1)[:, None]
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    points: NDArray[np.float64] = chosen[:, 0] * (1 - u - v) + chosen[:, 1] * u + chosen[:, 2] * v
    return points


def _distance(surface: cKDTree, points: NDArray[np.float64], checks: ScanChecks) -> tuple[float, float]:
    """Median distance of ``points`` from ``surface``, and the share that is far."""
    distances, _ = surface.query(points)
    return float(np.median(distances)), float((distances > checks.far_m).mean())


def _fits(median: float, share: float, checks: ScanChecks) -> bool:
    return median <= checks.max_median_distance_m and share <= checks.max_far_share


def _box(vertices: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.stack([vertices.min(0), vertices.max(0)]).astype(np.float64)


def _wrong_units(ratio: float, scan: NDArray[np.float64], person: NDArray[np.float64], files: ScanFiles) -> InputError:
    factor = min(_UNITS, key=lambda unit: abs(np.log(ratio / unit)))
    known = abs(np.log(ratio / factor)) < np.log(1.3)
    guess = f"it looks like {_UNITS[factor]}: divide by {factor:g}" if known else f"divide by {ratio:.4g}"
    return InputError(
        "the scan has not the size of its SMPL-X fit: wrong units, or the fit's scale is not its own",
        file=files.mesh, field="units",
        value=f"scan {scan[1, 1] - scan[0, 1]:.4g} high, fit {person[1, 1] - person[0, 1]:.4g} m, "
        f"{ratio:.4g} times its size",
        remedy=f"{guess}, or correct the fit's scale",
    )  # fmt: skip


def _axis_rotations() -> list[NDArray[np.float64]]:
    """The rotations that permute the axes; no turn, which leaves a shift, first."""
    matrices = [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1.0, -1.0), repeat=3)
    ]
    return sorted((m for m in matrices if np.linalg.det(m) > 0), key=lambda matrix: -np.trace(matrix))


def _description(rotation: NDArray[np.float64], shift: NDArray[np.float64]) -> str:
    if np.array_equal(rotation, np.eye(3)):
        return f"a shift of the scan by ({', '.join(f'{x:.2f}' for x in shift)}) m"
    rows = [f"{'-' if row.min() < 0 else ''}{'xyz'[int(np.abs(row).argmax())]}" for row in rotation]
    upside = " (upside down)" if rotation[1, 1] < 0 else ""
    return f"(x, y, z) -> ({', '.join(rows)}){upside}"
