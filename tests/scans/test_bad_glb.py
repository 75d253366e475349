"""GLB files that cannot be read, or that would grow when they are."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.scan import ScanFiles
from tests.scans.spoilt import glb_with, refusal

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


def test_a_glb_whose_description_is_nested_without_end(files: ScanFiles, body: Body) -> None:
    text = b"[" * 200_000
    rest = struct.pack("<II", len(text), 0x4E4F534A) + text
    files.mesh.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(rest)) + rest)
    assert "not a GLB that can be read" in refusal(files, body).problem


def test_a_glb_without_its_texture_has_neither_texture_nor_color(files: ScanFiles, body: Body) -> None:
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
