"""The mesh of a garment is read whole, or refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpose_ray.body.garments.mesh_file import read_garment_mesh
from drpose_ray.core.errors import InputError

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3 4/4\n"


def read(text: str, num_bound: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mesh = read_garment_mesh(Path("a.obj"), num_bound, text.encode())
    return mesh.faces, mesh.uvs, mesh.uv_faces


def test_polygons_become_triangles_with_texture_coordinates() -> None:
    faces, uvs, uv_faces = read("# comment\nmtllib no.mtl\n" + SQUARE)
    np.testing.assert_array_equal(faces, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(uvs[uv_faces[1]], [[0, 0], [1, 1], [0, 1]])


def test_a_repeated_tile_is_moved_into_the_first() -> None:
    _, uvs, uv_faces = read(SQUARE.replace("vt 0 0", "vt 2 -1").replace("vt 1 0", "vt 3 -1").replace("vt 1 1", "vt 3 0").replace("vt 0 1", "vt 2 0"))  # fmt: skip  # noqa: E501
    np.testing.assert_array_equal(uvs[uv_faces[1]], [[0, 0], [1, 1], [0, 1]])


REFUSED = {
    "another number of vertices than are bound": ("v 0 1 0\n", "", "v"),
    "a vertex that is not there": ("4/4", "5/4", "f"),
    "a texture coordinate that is not there": ("4/4", "4/9", "f"),
    "numbers from the end": ("4/4", "-1/-1", "f"),
    "no texture coordinates": ("4/4", "4", "f"),
    "a normal and no texture coordinates": ("4/4", "4//4", "f"),
    "a word": ("4/4", "4/x", "f"),
    "two corners": ("1/1 2/2 3/3 4/4", "1/1 2/2", "f"),
    "a hundred corners": ("f 1/1", "f" + " 1/1" * 100, "f"),
    "no faces": ("f 1/1 2/2 3/3 4/4\n", "", "f"),
    "a corner beyond any number": ("4/4", f"4/{'9' * 30}", "f"),
    "a texture coordinate of NaN": ("vt 1 1", "vt nan 1", "vt"),
    "half a texture coordinate": ("vt 1 1", "vt 1", "vt"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(what: str) -> None:
    old, new, field = REFUSED[what]
    assert old in SQUARE
    with pytest.raises(InputError) as refused:
        read(SQUARE.replace(old, new))
    assert (refused.value.file, refused.value.field) == (Path("a.obj"), field)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["v 0 0 0", "vt 0 0", "vt 1", "f 1/1 1/1 1/1", "f 1 2", "f a/b c/d e/f", "f"])))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(InputError):
        read("\n".join(lines), 1)
