"""PLY files in every form: text or bytes, triangles among other faces, colours or MeshLab's textures."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import trimesh

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.meshes.raw_mesh import RawMesh

VERTICES = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1)]
TRIANGLES = [(0, 1, 2), (0, 2, 3)]
MIXED = [(0, 1, 2), (0, 1, 2, 3), (0, 1), (4, 3, 2, 1, 0)]
FANS = [[0, 1, 2], [0, 1, 2], [0, 2, 3], [4, 3, 2], [4, 2, 1], [4, 1, 0]]
FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]
Rows = Sequence[Sequence[int]]


def ply(
    form: str, faces: Rows, uvs: bool = False, colors: bool = True, comment: str = "", vertex_uvs: str = ""
) -> bytes:
    names = vertex_uvs.split()
    head = [f"ply\nformat {form} 1.0", *([f"comment {comment}"] if comment else []), "element vertex 5"]
    head += [f"property float {name}" for name in ("x", "y", "z", *names)]
    head += [f"property uchar {name}" for name in ("red", "green", "blue") if colors]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    head += ["property list uchar float texcoord"] if uvs else []
    order = ">" if "big" in form else "<"
    rows: list[tuple[str, tuple[float, ...]]] = []
    for place, vertex in enumerate(VERTICES):
        rows.append(("f" * (3 + len(names)), (*vertex, *([place / 8, place / 4] if names else []))))
        rows[-1] = (rows[-1][0] + "BBB" * colors, (*rows[-1][1], *((51, 102, 255) if colors else ())))
    for face in faces:
        corners = tuple(c / 8 for c in range(2 * len(face)))
        rows.append(
            (f"B{len(face)}i" + (f"B{len(corners)}f" if uvs else ""),
             (len(face), *face, *((len(corners), *corners) if uvs else ())))
        )  # fmt: skip
    if form == "ascii":
        body = "".join(" ".join(map(str, row)) + "\n" for _, row in rows).encode()
    else:
        body = b"".join(struct.pack(order + code, *row) for code, row in rows)
    return "\n".join([*head, "end_header\n"]).encode() + body


def read(folder: Path, data: bytes) -> RawMesh:
    (folder / "a.ply").write_bytes(data)
    return read_mesh(folder / "a.ply", None, ScanChecks())


def refused(folder: Path, data: bytes, why: str) -> InputError:
    with pytest.raises(InputError, match=why) as caught:
        read(folder, data)
    assert caught.value.field and caught.value.file
    return caught.value


@pytest.mark.parametrize("form", FORMS)
def test_faces_of_several_sizes_become_fans(tmp_path: Path, form: str) -> None:
    mesh = read(tmp_path, ply(form, MIXED))
    assert mesh.faces.tolist() == FANS
    assert mesh.vertices.tolist() == [list(map(float, vertex)) for vertex in VERTICES]
    assert mesh.colors is not None and np.allclose(mesh.colors, [0.2, 0.4, 1])
    assert read(tmp_path, ply(form, TRIANGLES)).faces.tolist() == [list(face) for face in TRIANGLES]


@pytest.mark.parametrize("form", FORMS)
def test_texture_coordinates_of_each_face_go_with_its_corners(tmp_path: Path, form: str) -> None:
    picture = np.full((2, 2, 3), 77, np.uint8)
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "my skin.png").write_bytes(encode_png(picture))
    mesh = read(tmp_path, ply(form, MIXED, uvs=True, comment="TextureFile textures/my skin.png"))
    assert mesh.texture is not None and (mesh.texture == picture).all()
    assert mesh.colors is None, "a texture is what a mesh looks like"
    assert mesh.corner_uvs is not None
    corner = np.arange(10).reshape(5, 2) / 8
    assert mesh.corner_uvs.tolist() == [corner[[0, k, k + 1]].tolist() for k in (1, 1, 2, 1, 2, 3)]


@pytest.mark.parametrize("names", ["texture_u texture_v", "u v", "s t"])
def test_texture_coordinates_at_vertices(tmp_path: Path, names: str) -> None:
    (tmp_path / "x.png").write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8)))
    data = ply("binary_little_endian", TRIANGLES, comment="TextureFile C:\\work\\x.png", vertex_uvs=names)
    mesh = read(tmp_path, data)
    assert mesh.corner_uvs is not None and mesh.corner_uvs[1].tolist() == [[0, 0], [0.25, 0.5], [0.375, 0.75]]


def test_what_a_texture_lacks_is_named(tmp_path: Path) -> None:
    form = "ascii"
    error = refused(tmp_path, ply(form, TRIANGLES, uvs=True, comment="TextureFile x.png"), "texture is missing")
    assert error.file == tmp_path / "x.png"
    two = ply(form, TRIANGLES, uvs=True, comment="TextureFile a.png\ncomment TextureFile b.png")
    refused(tmp_path, two, "several textures")
    assert read(tmp_path, ply(form, TRIANGLES, uvs=True)).colors is not None, "no image is named"
    without = read(tmp_path, ply(form, TRIANGLES, comment="TextureFile x.png"))
    assert without.colors is not None, "without coordinates no image can be seen"


@pytest.mark.parametrize("binary", [True, False])
def test_what_trimesh_writes_is_read_as_trimesh_reads_it(tmp_path: Path, binary: bool) -> None:
    rng = np.random.default_rng(0)
    body = trimesh.creation.icosphere(2)
    body.visual.vertex_colors = rng.integers(0, 255, (len(body.vertices), 4), np.uint8)
    data = trimesh.exchange.ply.export_ply(body, "binary" if binary else "ascii", vertex_normal=True)
    theirs, ours = trimesh.load(io.BytesIO(data), file_type="ply", process=False), read(tmp_path, data)
    assert (ours.faces == theirs.faces).all() and (ours.vertices == theirs.vertices).all()
    assert ours.colors is not None and (np.rint(ours.colors * 255) == theirs.visual.vertex_colors[:, :3]).all()


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + ply("ascii", MIXED).replace(b"\n", b"\r\n")
    assert read(tmp_path, data).faces.tolist() == FANS


@pytest.mark.parametrize("form", FORMS)
def test_files_cut_short_and_lists_that_lie(tmp_path: Path, form: str) -> None:
    for data in (ply(form, TRIANGLES), ply(form, MIXED, uvs=True)):
        refused(tmp_path, data[:-6], "not a whole PLY")
    if form != "ascii":
        data = bytearray(ply(form, TRIANGLES))
        data[-13] = 2  # the last face says that it has two corners, and brings three
        assert read(tmp_path, bytes(data)).faces.tolist() == [[0, 1, 2]]
        data[-13] = 255
        refused(tmp_path, bytes(data), "not a whole PLY")
    else:
        refused(tmp_path, ply(form, TRIANGLES) + b"3 0 1 2\n", "4 numbers more")
        refused(tmp_path, ply(form, TRIANGLES).replace(b"3 0 1 2", b"3 0 1 two"), "words where numbers")
        refused(tmp_path, ply(form, TRIANGLES).replace(b"3 0 1 2", b"3 0 1 1.5"), "not there")
        refused(tmp_path, ply(form, TRIANGLES).replace(b"3 0 1 2", b"nan 0 1 2"), "not a whole PLY")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"element vertex 5", b"element vertex 1000000000", "elements 'vertex'"),
        (b"element vertex 5", b"element vertex 5\nelement vertex 5", "of one name"),
        (b"property float x", b"property list uchar float x", "not a whole PLY"),
        (b"property float x", b"property float q", "no number x"),
        (b"element face 2", b"element tristrips 2", "strips"),
        (b"list uchar int vertex_indices", b"int vertex_indices", "not a whole PLY"),
        (b"list uchar int vertex_indices", b"list float int vertex_indices", "not a whole PLY"),
        (b"format binary_little_endian", b"format binary_middle_endian", "the format"),
        (b"element face 2", b"element face -2", "an element"), (b"element face", b"propperty", "a line"),
    ],
)  # fmt: skip
def test_headers_that_cannot_be(tmp_path: Path, old: bytes, new: bytes, why: str) -> None:
    refused(tmp_path, ply("binary_little_endian", TRIANGLES).replace(old, new), why)


def test_a_million_faces_of_two_sizes_take_seconds(tmp_path: Path) -> None:
    """Which the walk from list to list bounds; twice as many faces take twice the time."""
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 5\n" + "".join(f"property float {n}\n" for n in "xyz")
    head += "element face 1000000\nproperty list uchar int vertex_indices\nend_header\n"
    pair = struct.pack("<B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 3)
    data = head.encode() + np.array(VERTICES, "<f4").tobytes() + pair * 500_000
    assert len(read(tmp_path, data).faces) == 1_500_000
