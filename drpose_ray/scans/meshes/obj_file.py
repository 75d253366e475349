"""Wavefront OBJ files with one texture.

Common readers drop texture coordinates that are broken without a word: here they are named.
"""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.material_file import texture_of_materials
from drpose_ray.scans.meshes.raw_mesh import RawMesh, check_num_faces, check_num_vertices
from drpose_ray.scans.meshes.texture_file import read_texture

_MAX_LINE_BYTES = 2**14


def read_obj(data: bytes, file: Path, texture: Path | None, checks: ScanChecks) -> RawMesh:
    """Vertices (with colours, if they carry six numbers), faces cut into triangles, texture coordinates per corner.

    Without ``texture`` the image is the one that the materials of the faces name, in the OBJ's folder or below. A
    texture is what the mesh looks like: colours at the vertices count where there is none.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("the text is UTF-16", file=file, field="mesh", remedy="save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    _check_counts(data, file, checks)  # before a list of lines, many times the file, is made
    lines = [line.strip() for line in data.splitlines()]
    places = _numbers([line[2:] for line in lines if line.startswith((b"v ", b"v\t"))], (3, 6, 4, 7), "v", file)
    uvs = _numbers([line[3:] for line in lines if line.startswith((b"vt ", b"vt\t"))], (2, 3), "vt", file)
    rows = [line[2:] for line in lines if line.startswith((b"f ", b"f\t"))]
    if any(b"-" in row for row in rows):
        rows = _from_the_start(lines, file)
    corners = _corners(rows, file, checks)
    faces = _indices(corners[..., 0], len(places), "v", file)
    colors = places[:, -3:].astype(np.float32) if places.shape[1] in {6, 7} else None
    corner_uvs = None
    if len(uvs):
        if (corners[..., 1] == 0).any():
            raise InputError(
                "some corners have texture coordinates and some have none", file=file, field="vt",
                value=f"{int((corners[..., 1] == 0).any(-1).sum())} of {len(corners)} faces have none",
                remedy="export the mesh with texture coordinates for every corner",
            )  # fmt: skip
        corner_uvs = uvs[_indices(corners[..., 1], len(uvs), "vt", file), :2]
    if texture is None and corner_uvs is not None:
        texture = texture_of_materials(lines, file, needed=colors is None)
    image = None if texture is None else read_texture(texture, checks)
    if image is not None and corner_uvs is None:
        raise InputError(
            "a texture but no texture coordinates", file=file, field="vt", remedy="export the mesh with them"
        )
    return RawMesh(places[:, :3], faces, None if image is not None else colors, image, corner_uvs)


def _check_counts(data: bytes, file: Path, checks: ScanChecks) -> None:
    """Refuse what would take many times the file in memory; a face has lines of its own for three corners at most."""
    check_num_faces(data.count(b"\nf "), file, checks)
    for kind in (b"v", b"vt"):
        check_num_vertices(data.count(kind + b" ") + data.count(kind + b"\t"), file, checks)
    lines = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
    if lines > 12 * checks.max_faces + 1000:
        raise InputError(
            f"more than {12 * checks.max_faces + 1000} lines", file=file, field="scans.checks.max_faces", value=lines,
            remedy="simplify the mesh, or raise the limit, which is twelve lines a face",
        )  # fmt: skip


def _widths(rows: list[bytes], kind: str, file: Path) -> list[int]:
    """How many words each line has; a line of any length would be many times the file in words."""
    longest = max(map(len, rows))
    if longest > _MAX_LINE_BYTES:
        raise _broken(kind, f"a line of {longest} bytes", file)
    return [len(row.split()) for row in rows]


def _numbers(rows: list[bytes], widths: tuple[int, ...], kind: str, file: Path) -> NDArray[np.float64]:
    """The lines as an array (N, one of ``widths``); all lines have the width of the first."""
    if not rows:
        return np.zeros((0, widths[0]))
    found = set(_widths(rows, kind, file))
    width = found.pop()
    if found or width not in widths:
        raise _broken(kind, f"lines of {', '.join(map(str, sorted({width, *found})[:5]))} numbers", file)
    try:
        values = np.array(b" ".join(rows).split()).astype(np.float64)
    except ValueError as error:
        raise _broken(kind, str(error), file) from error
    return values.reshape(-1, width)


def _corners(rows: list[bytes], file: Path, checks: ScanChecks) -> NDArray[np.int64]:
    """(F, 3, 2) numbers of vertex and texture coordinate as written, 0 for none; polygons become fans of triangles."""
    if not rows:
        return np.zeros((0, 3, 2), np.int64)
    widths = _widths(rows, "f", file)
    check_num_faces(sum(widths) - 2 * len(rows), file, checks)
    slashes, fields = rows[0].count(b"/"), widths[0]
    plain = min(widths) == max(widths) and slashes in {0, fields, 2 * fields}
    try:
        if plain and fields in {3, 4} and all(row.count(b"/") == slashes and b"//" not in row for row in rows):
            flat = np.array(b" ".join(rows).replace(b"/", b" ").split()).astype(np.int64)
            if len(flat) == len(rows) * (fields + slashes):
                table = flat.reshape(len(rows), fields, -1)
                table = np.concatenate([table, np.zeros_like(table[..., :1])], -1)[..., :2]
                return _fans(list(table)) if fields > 3 else table
        return _fans([np.array([_pair(corner) for corner in row.split()]) for row in rows])
    except (ValueError, OverflowError) as error:
        raise _broken("f", str(error), file) from error


def _from_the_start(lines: list[bytes], file: Path) -> list[bytes]:
    """The faces with numbers from 1: a negative one counts back from the last vertex above its line."""
    num_places = num_uvs = 0
    rows = []
    for line in lines:
        if line.startswith((b"v ", b"v\t")):
            num_places += 1
        elif line.startswith((b"vt ", b"vt\t")):
            num_uvs += 1
        elif line.startswith((b"f ", b"f\t")):
            row = line[2:]
            if b"-" in row:
                corners = [_absolute(corner, num_places, num_uvs, file) for corner in row.split()]
                row = b" ".join(corners)
            rows.append(row)
    return rows


def _absolute(corner: bytes, num_places: int, num_uvs: int, file: Path) -> bytes:
    """``-1/-1/-1`` as ``8/6``: the normal is not read."""
    try:
        numbers = [int(word) if word else 0 for word in corner.split(b"/")[:2]]
    except ValueError as error:
        raise _broken("f", str(error), file) from error
    for k, (kind, count) in enumerate(zip(("v", "vt"), (num_places, num_uvs), strict=True)):
        if k < len(numbers) and numbers[k] < 0:
            if numbers[k] < -count:
                raise _not_there(kind, f"number {numbers[k]}, {count} above it", file)
            numbers[k] += count + 1
    return b"%d/%d" % (numbers[0], numbers[1]) if len(numbers) > 1 and numbers[1] else b"%d" % numbers[0]


def _pair(corner: bytes) -> tuple[int, int]:
    vertex, _, rest = corner.partition(b"/")
    uv = rest.partition(b"/")[0]
    return int(vertex), int(uv) if uv else 0


def _fans(polygons: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    triangles = [polygon[[0, i, i + 1]] for polygon in polygons for i in range(1, len(polygon) - 1)]
    return np.stack(triangles) if triangles else np.zeros((0, 3, 2), np.int64)


def _indices(numbers: NDArray[np.int64], count: int, kind: str, file: Path) -> NDArray[np.int64]:
    """From 1 to indices from 0."""
    indices = numbers - 1
    if len(indices) and (indices.min() < 0 or indices.max() >= count):
        raise _not_there(kind, f"numbers {int(numbers.min())}..{int(numbers.max())}, {count} there", file)
    return indices


def _not_there(kind: str, value: str, file: Path) -> InputError:
    return InputError(
        f"faces name a {kind} that is not there", file=file, field=kind, value=value, remedy="export the mesh again"
    )


def _broken(kind: str, why: str, file: Path) -> InputError:
    return InputError(f"broken lines ({why})", file=file, field=kind, remedy="copy or export the OBJ file again")
