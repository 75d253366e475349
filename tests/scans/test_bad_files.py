"""OBJ, PLY and image files that are broken or huge: refused in the words of the file, in bounded time and memory."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks, ScanSource
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.sources import list_scans
from tests.scans import published_layouts as layouts
from tests.scans.spoilt import glb_with, refusal


def test_broken_obj_files(body: Body, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    layouts.write_thuman(folder, body, layouts.draw(body, 3, 1.0, (0, 0, 0)), "0001")
    (files,) = list_scans([ScanSource(folder=folder)])
    text = files.mesh.read_text()
    assert files.texture is not None
    load_scan(files, body)

    def broken(old: str, new: str, count: int = 1) -> InputError:
        files.mesh.write_text(text.replace(old, new, count))
        return refusal(files, body)

    last = text.count("\nvt ")
    assert broken("\nf ", f"\nf 1/{last + 5} 2/1 3/1\nf ").field == "vt"
    assert broken("\nf ", "\nf 1/1 2/1 99999999/1\nf ").field == "v"
    assert "some corners" in broken("\nf ", "\nf 1 2 3\nf ").problem
    assert broken("\nv ", "\nv 1 2\nv ").field == "v"
    assert broken("\nv ", "\nv 1 2 three\nv ").field == "v"
    assert broken("\nf ", "\nf a/b c/d e/f\nf ").field == "f"
    first = text.split("\nv ")[1].split("\n")[0]
    assert broken(first, "nan nan nan").field == "vertices"
    files.mesh.write_text(text.replace("\nvt ", "\n# "))
    assert "no texture coordinates" in refusal(files, body).problem
    files.mesh.write_text(text)

    image = files.texture.read_bytes()
    files.texture.write_bytes(image[: len(image) // 3])
    assert "decoded" in refusal(files, body).problem
    files.texture.unlink()
    (files,) = list_scans([ScanSource(folder=folder)])
    assert files.texture is None
    with pytest.raises(InputError, match="texture is missing"):
        load_scan(files, body)
    files.mesh.with_suffix(".mtl").unlink()
    assert "texture is missing" in refusal(files, body).problem


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("v 0 0 0\n" * 3001, "scans.checks.max_faces"), (" v\t0 0 0\n" * 3001, "scans.checks.max_faces"),
        ("vt 0 0\n" * 3001, "scans.checks.max_faces"), ("\n" * 13_001, "scans.checks.max_faces"),
        ("v 0 0 0\nf " + "1 " * 1003, "scans.checks.max_faces"), ("v " + "0 " * 10_000, "v"),
        ("v 0 0 0\nf " + "1 " * 10_000, "f"), ("v 0 0\nv 0 0 0 0\n", "v"),
    ],
)  # fmt: skip
def test_obj_files_that_would_take_many_times_their_size(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "bomb.obj"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_mesh(path, None, ScanChecks(max_faces=1000))
    assert caught.value.field == field


def bomb_png(side: int) -> bytes:
    """A PNG of ``side`` x ``side`` black pixels in a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compressobj(9)
    data = rows.compress(bytes(1 + side // 8)) + rows.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize("side", [12_000, 200_000])
def test_image_bombs_are_refused_before_they_are_decoded(
    files: ScanFiles, body: Body, side: int, tmp_path: Path
) -> None:
    texture = tmp_path / "bomb.png"
    texture.write_bytes(bomb_png(side))
    assert refusal(replace(files, texture=texture), body).field == "scans.checks.max_texture_pixels"


@pytest.mark.parametrize("value", [200.0, -0.5, np.nan])
def test_colors_that_are_no_fractions_are_named_in_every_format(
    files: ScanFiles, body: Body, tmp_path: Path, value: float
) -> None:
    obj, ply = tmp_path / "a.obj", tmp_path / "a.ply"
    obj.write_text("".join(f"v {x} {y} 0 0.5 0.5 {value}\n" for x, y in ((0, 0), (1, 0), (1, 1))) + "f 1 2 3\n")
    head = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {n}\n" for n in "xyz")
    head += "".join(f"property float {name}\n" for name in ("red", "green", "blue"))
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    ply.write_text(head + "".join(f"{x} {y} 0 0.5 0.5 {value}\n" for x, y in ((0, 0), (1, 0), (1, 1))) + "3 0 1 2\n")

    def colored(content: dict[str, object]) -> None:
        content.pop("materials")
        primitive = content["meshes"][0]["primitives"][0]
        primitive.pop("material")
        primitive["attributes"].update(COLOR_0=0)  # the places of the vertices, some of them negative

    glb = files.mesh
    glb.write_bytes(glb_with(files, colored))
    for path in (obj, ply, glb):
        error = refusal(replace(files, mesh=path), body)
        assert error.field == "colours" and error.problem.startswith("colours")


def test_huge_files_and_too_many_faces(files: ScanFiles, body: Body) -> None:
    assert refusal(files, body, ScanChecks(max_mesh_bytes=1000)).field == "scans.checks.max_mesh_bytes"
    assert refusal(files, body, ScanChecks(max_faces=1000)).value == 27420
    with files.mesh.open("wb") as stream:
        stream.truncate(2**31)  # sparse: two gigabytes that take no room
    assert refusal(files, body).field == "scans.checks.max_mesh_bytes"
    assert refusal(replace(files, mesh=files.mesh.with_name("gone.glb")), body).file == files.mesh.with_name("gone.glb")
    assert refusal(replace(files, mesh=files.fit), body).value == ".npz"
    folder = files.mesh.with_name("folder.obj")
    folder.mkdir()
    assert refusal(replace(files, mesh=folder), body).problem == "not a file"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (
            "element vertex 3\nproperty float x\nelement face 99999999999\nproperty list uchar int vertex_indices\n",
            "faces",
        ),
        ("element vertex 999999999999\nproperty float x\n", "elements"),
        ("element vertex 3\nproperty float x\nproperty nonsense y\n", "PLY"),
    ],
)
def test_ply_files_that_say_more_than_they_hold(files: ScanFiles, body: Body, header: str, why: str) -> None:
    ply = files.mesh.with_suffix(".ply")
    ply.write_text(f"ply\nformat binary_little_endian 1.0\n{header}end_header\n" + "x" * 40)
    assert why in refusal(replace(files, mesh=ply), body).problem
