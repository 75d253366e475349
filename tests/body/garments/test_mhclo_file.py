"""What an .mhclo says is read whole, or refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drpose_ray.body.garments.mhclo_file import MAX_BYTES, read_mhclo
from drpose_ray.core.errors import InputError
from tests.body.garments.small import write_square


def test_bindings_measures_tags_and_hidden_vertices_are_read(tmp_path: Path) -> None:
    file = write_square(tmp_path, extra="tag Female\nmaterial no/such.mhmat\n")
    file.write_text(file.read_text() + "\ndelete_verts\n7 10 - 12 20\n30 - 31\n")
    read = read_mhclo(file)
    assert (read.name, read.tags, read.mesh, read.depth) == ("square", {"test", "female"}, tmp_path / "square.obj", 50)
    np.testing.assert_array_equal(read.vertices[[0, 2]], [[100, 100, 100], [102, 103, 104]])
    np.testing.assert_allclose(read.weights[[0, 2]], [[1, 0, 0], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(read.offsets[2], [0.1, 0, 0])
    assert [m and (m.first, m.second, m.reference) for m in read.measures] == [
        (5399, 11998, 1.4), (791, 881, 2.3), (962, 5320, 1.9),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.flatnonzero(read.hidden), [7, 10, 11, 12, 20, 30, 31])


THREE = "100\n101\n102\n"
REFUSED = {
    "another base mesh": ("basemesh hm08", "basemesh mhx1", "basemesh"),
    "no base mesh": ("basemesh hm08\n", "", "basemesh"),
    "a vertex that is not there": (THREE, "100\n101\n19158\n", "verts"),
    "a negative vertex": (THREE, "100\n101\n-1\n", "verts"),
    "half a vertex": (THREE, "100\n101\n1 2 3.5 .2 .3 .5 0 0 0\n", "verts"),
    "NaN": (THREE, "100\n101\n1 2 3 nan .3 .5 0 0 0\n", "verts"),
    "infinity": (THREE, "100\n101\n1 2 3 .2 .3 .5 0 inf 0\n", "verts"),
    "an offset of a kilometre": (THREE, "100\n101\n1 2 3 .2 .3 .5 0 20000 0\n", "verts"),
    "weights that sum to two": (THREE, "100\n101\n1 2 3 1 .5 .5 0 0 0\n", "verts"),
    "a word": (THREE, "100\n101\n1 2 x .2 .3 .5 0 0 0\n", "verts"),
    "two numbers": (THREE, "100\n101\n1 2\n", "verts"),
    "no vertices": (THREE + "103\n", "", "verts"),
    "a huge number": (THREE, f"100\n101\n{'9' * 400}\n", "verts"),
    "no mesh": ("obj_file square.obj", "", "obj_file"),
    "a mesh above": ("obj_file square.obj", "obj_file ../square.obj", "obj_file"),
    "a mesh at the root": ("obj_file square.obj", "obj_file /etc/passwd", "obj_file"),
    "a mesh of another machine": ("obj_file square.obj", "obj_file C:\\clothes\\square.obj", "obj_file"),
    "a measure of nothing": ("x_scale 5399 11998 1.4", "x_scale 5399 11998 0", "x_scale"),
    "a measure of NaN": ("x_scale 5399 11998 1.4", "x_scale 5399 11998 nan", "x_scale"),
    "a measure beyond the mesh": ("x_scale 5399 11998 1.4", "x_scale 5399 99999 1.4", "x_scale"),
    "half a measure": ("x_scale 5399 11998 1.4", "x_scale 5399", "x_scale"),
    "a depth that is a word": ("z_depth 50", "z_depth deep", "z_depth"),
    "shears": ("z_depth 50", "shear_x 1 2 3 4", "shear_x"),
    "a long line": ("z_depth 50", "z_depth 50" + " " * 20_000, "line"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, what: str) -> None:
    file = write_square(tmp_path, bindings=THREE + "103\n")
    old, new, field = REFUSED[what]
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError) as refused:
        read_mhclo(file)
    assert (refused.value.file, refused.value.field) == (file, field)


@pytest.mark.parametrize("line", ["19158", "5 - 19158", "9 - 5", "5 -", "- -", "5 - x", "-4"])
def test_hidden_vertices_that_are_none_are_refused(tmp_path: Path, line: str) -> None:
    file = write_square(tmp_path)
    file.write_text(file.read_text() + f"\ndelete_verts\n1 {line}\n")
    with pytest.raises(InputError) as refused:
        read_mhclo(file)
    assert refused.value.field == "delete_verts"


def test_a_mesh_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = write_square(tmp_path / "a")
    outside = (tmp_path / "a" / "square.obj").rename(tmp_path / "outside.obj")
    (tmp_path / "a" / "square.obj").symlink_to(outside)
    with pytest.raises(InputError, match="leads out"):
        read_mhclo(file)


def test_files_that_are_missing_or_huge_are_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        read_mhclo(tmp_path / "none.mhclo")
    assert missing.value.file == tmp_path / "none.mhclo"
    huge = tmp_path / "huge.mhclo"
    with huge.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        read_mhclo(huge)


_WORDS = st.sampled_from(
    ["basemesh hm08", "obj_file a.obj", "x_scale", "verts 0", "delete_verts", "1 2 3 .2 .3 .5 0 0 0", "7", "-", "1 - 3",
     "nan", "z_depth", "9" * 30, "1e999", "é", "\t", "#"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS).map(lambda words: "\n".join(words).encode()) | st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(InputError):
        read_mhclo(Path("any.mhclo"), content)
