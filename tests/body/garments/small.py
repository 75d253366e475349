"""A few garments of the tests' own, bound to the base mesh: cut out of the skin and held a little above it."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.garments.base_mesh import BaseMesh, ensure_base_mesh
from drpose_ray.body.smplx_body import Body, vertex_normals

HEADER = "# made by a test\nbasemesh hm08\nname {name}\ntag {tag}\nobj_file {name}.obj\nz_depth {depth}\n"
MEASURES = "x_scale 5399 11998 1.4\nz_scale 962 5320 1.9\ny_scale 791 881 2.3\n"


@functools.cache
def free_body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@functools.cache
def base_mesh() -> BaseMesh:
    return ensure_base_mesh(BODY_CACHE, free_body())


def write_square(folder: Path, *, name: str = "square", bindings: str | None = None, extra: str = "") -> Path:
    """A garment of one quad with ``bindings`` of its four vertices; returns the ``.mhclo``."""
    folder.mkdir(parents=True, exist_ok=True)
    bindings = bindings or "100\n101\n102 103 104 .5 .25 .25 .1 0 0\n105 106 107 .2 .3 .5 0 0 0\n"
    file = folder / f"{name}.mhclo"
    file.write_text(HEADER.format(name=name, tag="Test", depth=50) + MEASURES + extra + "verts 0\n" + bindings)
    (folder / f"{name}.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3 4/4\n"
    )
    return file


def write_outfit(folder: Path, name: str = "overall", above_m: float = 0.01) -> Path:
    """Trunk and legs, ``above_m`` over the mean body's skin; it hides the skin below but for a rim."""
    points = free_body().rest_vertices
    inside = (points[:, 1] < 0.1) & (points[:, 1] > -1.1) & (np.abs(points[:, 0]) < 0.32)
    deep = (points[:, 1] < 0.05) & (points[:, 1] > -1.05) & (np.abs(points[:, 0]) < 0.2)
    return write_cut(folder, name, inside, deep, above_m=above_m)


def write_cut(
    folder: Path, name: str, inside: NDArray[np.bool_], hidden: NDArray[np.bool_], *, above_m: float = 0.01,
    tag: str = "Test", depth: int = 50,
) -> Path:  # fmt: skip
    """The body's faces that are ``inside`` (V,), ``above_m`` over the skin along its normals; returns the file."""
    body, base = free_body(), base_mesh()
    faces = body.faces[inside[body.faces].all(1)]
    used, corners = np.unique(faces, return_inverse=True)
    numbers = base.body_vertices
    # Offsets are along the axes of the A-pose, in decimetres, for without measures they keep their length.
    turns = base.turns[numbers[used]]
    offsets = np.einsum("vji,vj->vi", turns, vertex_normals(body.rest_vertices, body.faces)[used]) * above_m * 10
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{n} {n} {n} 1 0 0 {x:.5f} {y:.5f} {z:.5f}" for n, (x, y, z) in zip(numbers[used], offsets, strict=True)]
    rows = np.array_split(numbers[np.flatnonzero(hidden)], max(1, int(hidden.sum()) // 20))
    file = folder / f"{name}.mhclo"
    file.write_text(
        HEADER.format(name=name, tag=tag, depth=depth) + "verts 0\n" + "\n".join(lines) + "\n\ndelete_verts\n"
        + "\n".join(" ".join(map(str, row)) for row in rows) + "\n"
    )  # fmt: skip
    place = body.rest_vertices[used]
    uvs = (place[:, :2] - place[:, :2].min(0)) / np.ptp(place[:, :2], axis=0)
    text = [f"v {x} {y} {z}" for x, y, z in place] + [f"vt {u:.5f} {v:.5f}" for u, v in uvs]
    text += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in corners.reshape(-1, 3) + 1]
    (folder / f"{name}.obj").write_text("\n".join(text) + "\n")
    return file
