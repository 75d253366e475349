"""Every way in which a scan can be broken is refused in the words of its files, in bounded time and memory."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.body.smplx_body import Body
from drpose_ray.errors import InputError
from drpose_ray.scans.config import ScanChecks, ScanSource, TwinConfig
from drpose_ray.scans.glb_file import write_glb
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.mesh_file import read_mesh
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.twin import write_twins
from tests.scans import published_layouts as layouts

BODY_CACHE = Path(".cache/body")
TURN = {
    "y and z swapped": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "upside down": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "back to front": [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "z up": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
}


@pytest.fixture(scope="module")
def good(body: Body, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    write_twins(
        folder, body, TwinConfig(num=4, texture_size=64, scan_units=False, mixture={"dance": 1}), [], BODY_CACHE
    )
    return folder


@pytest.fixture
def files(good: Path, tmp_path: Path) -> ScanFiles:
    """A copy of a good scan."""
    first = list_scans([ScanSource(folder=good)])[0]
    mesh, fit = tmp_path / first.mesh.name, tmp_path / first.fit.name
    mesh.write_bytes(first.mesh.read_bytes())
    fit.write_bytes(first.fit.read_bytes())
    return replace(first, mesh=mesh, fit=fit)


def refusal(files: ScanFiles, body: Body, checks: ScanChecks | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        load_scan(files, body, checks)
    error = caught.value
    assert error.file in {files.mesh, files.fit, files.texture} and error.field and error.remedy
    return error


def rewrite(
    files: ScanFiles, body: Body, change: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[object, ...]]
) -> None:
    """The scan's GLB again, after ``change`` of its vertices (V, 3), faces (F, 3) and texture coordinates (U, 2)."""
    scan = load_scan(files, body)
    assert scan.mesh.corner_uvs is not None and scan.mesh.texture is not None
    image = io.BytesIO()
    Image.fromarray(scan.mesh.texture).save(image, "PNG")
    uvs = scan.mesh.corner_uvs.reshape(-1, 2).astype(float)
    vertices, faces, uvs = change(scan.mesh.vertices.copy(), scan.mesh.faces.copy(), uvs)
    uv_faces = np.arange(len(uvs)).reshape(-1, 3)[: len(faces)]
    files.mesh.write_bytes(write_glb(vertices, faces, uvs, uv_faces, image.getvalue()))


def spoil_fit(files: ScanFiles, **changes: np.ndarray | None) -> None:
    fields = {**np.load(files.fit), **changes}
    np.savez(files.fit, **{name: value for name, value in fields.items() if value is not None})


def test_good_scans_are_accepted(good: Path, body: Body) -> None:
    for files in list_scans([ScanSource(folder=good)]):
        load_scan(files, body)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vertices_that_are_not_finite(files: ScanFiles, body: Body, value: float) -> None:
    data = bytearray(files.mesh.read_bytes())
    start = 20 + struct.unpack_from("<I", data, 12)[0] + 8
    struct.pack_into("<f", data, start, value)
    files.mesh.write_bytes(data)
    assert refusal(files, body).field == "vertices"


def test_no_or_few_faces_and_faces_without_area(files: ScanFiles, body: Body) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v, f[:300], uv))
    assert refusal(files, body).value == 300

    def flatten(v: np.ndarray, f: np.ndarray, uv: np.ndarray) -> tuple[object, ...]:
        f[: len(f) // 4, 1] = f[: len(f) // 4, 0]
        return v, f, uv

    files.mesh.write_bytes(original)
    rewrite(files, body, flatten)
    assert "25.0 %" in str(refusal(files, body).value)
    scan = load_scan(files, body, ScanChecks(max_degenerate_share=0.5))
    corners = scan.mesh.vertices[scan.mesh.faces]
    assert np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).min() > 0

    files.mesh.write_bytes(original)
    empty = files.mesh.with_suffix(".obj")
    empty.write_text("v 0 0 0\nv 1 0 0\n")
    assert refusal(replace(files, mesh=empty), body).field == "faces"


@pytest.mark.parametrize(
    ("factor", "unit"), [(100, "centimetres"), (1000, "millimetres"), (39.37, "inches"), (3.3, "divide by 3.3")]
)
def test_wrong_units_are_told_with_their_factor(files: ScanFiles, body: Body, factor: float, unit: str) -> None:
    rewrite(files, body, lambda v, f, uv: (v * factor, f, uv))
    error = refusal(files, body)
    assert error.field == "units" and unit in error.remedy
    assert f"{factor:.2g}" in str(error) or str(factor) in str(error)


@pytest.mark.parametrize("name", TURN)
def test_flipped_axes_are_told_with_the_turn_that_undoes_them(files: ScanFiles, body: Body, name: str) -> None:
    turn = np.array(TURN[name], float)
    rewrite(files, body, lambda v, f, uv: (v @ turn.T, f, uv))
    error = refusal(files, body)
    assert error.field == "fit" and "same axes" in error.problem
    told = str(error.value).split("-> (")[1].split(")")[0].split(", ")
    back = np.array([["xyz".index(axis[-1]) == column for column in range(3)] for axis in told], float)
    back *= np.array([-1.0 if axis.startswith("-") else 1.0 for axis in told])[:, None]
    np.testing.assert_array_equal(back @ turn, np.eye(3))
    assert ("upside down" in str(error.value)) == (name == "upside down")


def test_someone_with_arms_down_is_found_back_to_front_too(body: Body, tmp_path: Path) -> None:
    settings = TwinConfig(num=4, texture_size=64, scan_units=False, mixture={"standing": 1})
    write_twins(tmp_path, body, settings, [], BODY_CACHE)
    for files in list_scans([ScanSource(folder=tmp_path)]):
        load_scan(files, body)
        rewrite(files, body, lambda v, f, uv: (v * [-1, 1, -1], f, uv))
        error = refusal(files, body)
        assert "same axes" in error.problem and "(-x, y, -z)" in str(error.value)


def test_a_shifted_scan_and_the_fit_of_another_are_told_apart(files: ScanFiles, body: Body, good: Path) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v + np.array([0, 1.0, 0.5]), f, uv))
    error = refusal(files, body)
    assert "same place" in error.problem
    shift = [float(number) for number in str(error.value).split("by (")[1].split(")")[0].split(",")]
    np.testing.assert_allclose(shift, [0, -1, -0.5], atol=0.03)
    files.mesh.write_bytes(original)
    for other in list_scans([ScanSource(folder=good)])[1:]:
        error = refusal(replace(files, fit=other.fit), body)
        assert error.field == "fit" and error.file in {other.fit, files.mesh}


def test_broken_texture_coordinates(files: ScanFiles, body: Body) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v, f, np.where(np.arange(len(uv))[:, None] == 7, np.nan, uv)))
    assert refusal(files, body).field == "uv"
    files.mesh.write_bytes(original)
    rewrite(files, body, lambda v, f, uv: (v, f, uv * 3))
    assert "outside the texture" in refusal(files, body).problem
    files.mesh.write_bytes(original)
    rewrite(files, body, lambda v, f, uv: (v, f, uv - np.where(np.arange(len(uv))[:, None] < 30, 2.0, 0)))
    uvs = load_scan(files, body).mesh.corner_uvs
    assert uvs is not None and uvs.min() == 0, "a few corners outside are moved to the edge"


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


def glb_with(files: ScanFiles, change: Callable[[dict[str, object]], None]) -> bytes:
    data = files.mesh.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    content = json.loads(data[20 : 20 + length])
    change(content)
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    rest = struct.pack("<II", len(text), 0x4E4F534A) + text + data[20 + length :]
    return struct.pack("<4sII", b"glTF", 2, 12 + len(rest)) + rest


GLB_CHANGES: dict[str, Callable[[dict], None]] = {
    "a buffer view past the end": lambda c: c["bufferViews"][0].update(byteLength=2**60),
    "a negative offset": lambda c: c["bufferViews"][0].update(byteOffset=-4),
    "a count past the end": lambda c: c["accessors"][0].update(count=10**7),
    "no elements": lambda c: c["accessors"][0].update(count=0),
    "an unknown number type": lambda c: c["accessors"][0].update(componentType=9999),
    "a sparse accessor": lambda c: c["accessors"][0].update(sparse={}),
    "an image elsewhere": lambda c: c.update(images=[{"uri": "http://example.com/a.png"}]),
    "a buffer elsewhere": lambda c: c["buffers"][0].update(uri="../../etc/passwd"),
    "compression": lambda c: c.update(extensionsRequired=["KHR_draco_mesh_compression"]),
    "a node that is its own child": lambda c: c["nodes"][0].update(children=[0]),
    "a mesh that is not there": lambda c: c["nodes"][0].update(mesh=7),
    "no scene": lambda c: c.pop("scenes"),
    "nothing in the scene": lambda c: c["scenes"][0].update(nodes=[]),
    "lines": lambda c: c["meshes"][0]["primitives"][0].update(mode=1),
    "a transformed texture": lambda c: c["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"].update(
        extensions={"KHR_texture_transform": {}}
    ),
    "several textures": lambda c: c["meshes"][0]["primitives"].append(
        {k: v for k, v in c["meshes"][0]["primitives"][0].items() if k != "material"}
    ),
    "indices with a sign": lambda c: c["accessors"][2].update(componentType=5124 - 2, count=3),
    "indices with fractions": lambda c: c["accessors"][2].update(componentType=5126),
    "indices of two numbers": lambda c: c["accessors"][2].update(type="VEC2", count=3),
    "an index that is not there": lambda c: [c["accessors"][k].update(count=4) for k in (0, 1)],
    "fewer coordinates than vertices": lambda c: c["accessors"][1].update(count=5),
    "fewer colours than vertices": lambda c: (
        c["meshes"][0]["primitives"][0]["attributes"].update(COLOR_0=len(c["accessors"])),
        c["accessors"].append({**c["accessors"][0], "count": 5}),
    ),
    "colours of two numbers": lambda c: c["meshes"][0]["primitives"][0]["attributes"].update(COLOR_0=1),
    "a negative count": lambda c: c["accessors"][2].update(count=-3),
    "a matrix of three": lambda c: c["nodes"][0].update(matrix=[1, 2, 3]),
    "text where numbers belong": lambda c: c["accessors"][0].update(count="many"),
}


@pytest.mark.parametrize("name", GLB_CHANGES)
def test_glb_files_that_cannot_be_read(files: ScanFiles, body: Body, name: str) -> None:
    files.mesh.write_bytes(glb_with(files, GLB_CHANGES[name]))
    assert "not a GLB that can be read" in refusal(files, body).problem


@pytest.mark.parametrize("cut", [0, 3, 12, 19, 200, -1])
def test_a_glb_cut_short_or_with_absurd_chunks(files: ScanFiles, body: Body, cut: int) -> None:
    data = files.mesh.read_bytes()
    files.mesh.write_bytes(data[:cut])
    assert refusal(files, body).field == "mesh"
    if cut == 12:
        files.mesh.write_bytes(data[:12] + struct.pack("<I", 2**32 - 1) + data[16:])
        assert "chunk" in refusal(files, body).problem


def test_a_glb_without_its_texture_has_neither_texture_nor_colour(files: ScanFiles, body: Body) -> None:
    files.mesh.write_bytes(
        glb_with(files, lambda c: c.pop("materials") and c["meshes"][0]["primitives"][0].pop("material"))
    )
    assert refusal(files, body).field == "texture"


def test_a_glb_that_places_one_mesh_many_times(files: ScanFiles) -> None:
    """By its faces, and by vertices that hardly any face names."""

    def instances(content: dict[str, object], corners: int | None, num: int) -> None:
        if corners is not None:
            content["accessors"][2].update(count=corners)
        content["nodes"] = [{"mesh": 0}] * num
        content["scenes"] = [{"nodes": list(range(num))}]

    for corners, limit, word in ((None, 300_000, "faces"), (3, 30_000, "vertices")):
        few, many = files.mesh.with_name("few.glb"), files.mesh.with_name("many.glb")
        few.write_bytes(glb_with(files, lambda c, corners=corners: instances(c, corners, 2)))
        many.write_bytes(glb_with(files, lambda c, corners=corners: instances(c, corners, 20_000)))
        assert len(read_mesh(few, None, ScanChecks(max_faces=limit)).vertices) > 20_000
        tracemalloc.start()
        with pytest.raises(InputError, match=word) as caught:
            read_mesh(many, None, ScanChecks(max_faces=limit))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert caught.value.field == "scans.checks.max_faces" and peak < 2**27


@pytest.mark.parametrize("value", [200.0, -0.5, np.nan])
def test_colours_that_are_no_fractions_are_named_in_every_format(
    files: ScanFiles, body: Body, tmp_path: Path, value: float
) -> None:
    obj, ply = tmp_path / "a.obj", tmp_path / "a.ply"
    obj.write_text("".join(f"v {x} {y} 0 0.5 0.5 {value}\n" for x, y in ((0, 0), (1, 0), (1, 1))) + "f 1 2 3\n")
    head = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {n}\n" for n in "xyz")
    head += "".join(f"property float {name}\n" for name in ("red", "green", "blue"))
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    ply.write_text(head + "".join(f"{x} {y} 0 0.5 0.5 {value}\n" for x, y in ((0, 0), (1, 0), (1, 1))) + "3 0 1 2\n")

    def coloured(content: dict[str, object]) -> None:
        content.pop("materials")
        primitive = content["meshes"][0]["primitives"][0]
        primitive.pop("material")
        primitive["attributes"].update(COLOR_0=0)  # the places of the vertices, some of them negative

    glb = files.mesh
    glb.write_bytes(glb_with(files, coloured))
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body_pose", None), ("body_pose", np.zeros((1, 60))), ("body_pose", np.zeros((2, 63))), ("betas", None),
        ("betas", np.zeros(5)), ("betas", np.full(10, np.nan)), ("scale", np.array([0.0])), ("scale", np.array([-1.0])),
        ("scale", np.ones(2)), ("transl", np.array([np.inf, 0, 0])), ("left_hand_pose", np.zeros(60)),
        ("global_orient", np.array(["a", "b", "c"])),
    ],
)  # fmt: skip
def test_parameters_that_are_missing_or_wrong(
    files: ScanFiles, body: Body, field: str, value: np.ndarray | None
) -> None:
    spoil_fit(files, **{field: value})
    assert refusal(files, body).field == field


def test_a_fit_that_is_an_archive_bomb_a_pickle_or_no_archive(files: ScanFiles, body: Body) -> None:
    with zipfile.ZipFile(files.fit, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("betas.npy", bytes(2**26))  # 64 MiB in 64 kB
    assert files.fit.stat().st_size < 2**18
    assert refusal(files, body).field == "scans.checks.max_fit_bytes"
    with zipfile.ZipFile(files.fit, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
        archive.writestr("body_pose.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(InputError):
        load_scan(files, body)
    np.savez(files.fit, body_pose=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="plain arrays"):
        load_scan(files, body)
    files.fit.write_bytes(b"nothing")
    assert refusal(files, body).field == "fit"


def test_json_fits_that_are_not(files: ScanFiles, body: Body) -> None:
    fit = files.fit.with_suffix(".json")
    wrong = replace(files, fit=fit)
    for text in ("", "[1, 2]", "[" * 100_000, '{"body_pose": {"a": 1}, "betas": []}', '{"body_pose": "x"}'):
        fit.write_text(text)
        refusal(wrong, body)
    fit.write_text(json.dumps({"body_pose": [float("nan")] * 63, "betas": [0] * 10}))
    assert refusal(wrong, body).field == "body_pose"
    fit.write_text(" " * 100)
    assert refusal(wrong, body, ScanChecks(max_fit_bytes=50)).field == "scans.checks.max_fit_bytes"
