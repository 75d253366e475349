"""The colour of a GLB is image times factor times colours at vertices, in linear light, or is refused by name."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.meshes.raw_mesh import RawMesh

GREY = np.full((4, 4, 3), 200, np.uint8)
PLACES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")
UVS = np.array([[0, 0], [1, 0], [0, 1]], "<f4")
TYPES = {"i1": 5120, "u1": 5121, "<u2": 5123, "<f4": 5126}


class Glb:
    """A description and its binary chunk, which grow."""

    def __init__(self) -> None:
        self.binary = b""
        self.content: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": []}], "materials": [], "textures": [], "images": [],
            "accessors": [], "bufferViews": [], "buffers": [{}],
        }  # fmt: skip

    def _view(self, data: bytes) -> int:
        self.content["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary += data + bytes(-len(data) % 4)
        return len(self.content["bufferViews"]) - 1

    def array(self, rows: np.ndarray, dtype: str = "<f4", **more: Any) -> int:
        rows = rows.astype(dtype)
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[rows.shape[1]]
        entry = {"bufferView": self._view(rows.tobytes()), "componentType": TYPES[dtype], "type": kind}
        self.content["accessors"].append({**entry, "count": len(rows), **more})
        return len(self.content["accessors"]) - 1

    def image(self, data: bytes) -> int:
        self.content["images"].append({"bufferView": self._view(data), "mimeType": "image/png"})
        self.content["textures"].append({"source": len(self.content["images"]) - 1})
        return len(self.content["textures"]) - 1

    def part(self, material: dict[str, Any] | None = None, **attributes: int) -> None:
        primitive: dict[str, Any] = {"attributes": {"POSITION": self.array(PLACES), **attributes}}
        if material is not None:
            self.content["materials"].append(material)
            primitive["material"] = len(self.content["materials"]) - 1
        self.content["meshes"][0]["primitives"].append(primitive)

    def read(self, folder: Path) -> RawMesh:
        text = json.dumps(self.content).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(self.binary), 0x004E4942) + self.binary
        (folder / "a.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
        return read_mesh(folder / "a.glb", None, ScanChecks())

    def refused(self, folder: Path, why: str) -> None:
        with pytest.raises(InputError, match=why) as caught:
            self.read(folder)
        assert caught.value.file == folder / "a.glb"


def pbr(image: int | None = None, factor: list[float] | None = None, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {} if image is None else {"baseColorTexture": {"index": image}}
    return {"pbrMetallicRoughness": base | ({} if factor is None else {"baseColorFactor": factor}), **more}


def textured(*materials: dict[str, Any], colors: np.ndarray | None = None, picture: np.ndarray = GREY) -> Glb:
    glb = Glb()
    glb.image(encode_png(picture))
    for material in materials:
        more = {} if colors is None else {"COLOR_0": glb.array(colors)}
        glb.part(material, TEXCOORD_0=glb.array(UVS), **more)
    return glb


def srgb(colors: np.ndarray) -> list[list[int]]:
    return np.rint(colors * 255).astype(int).tolist()


def test_a_factor_multiplies_the_image_in_linear_light(tmp_path: Path) -> None:
    mesh = textured(pbr(0, [0.4, 0.4, 0.4, 1])).read(tmp_path)
    assert mesh.texture is not None and mesh.colors is None
    assert (mesh.texture == 132).all(), "sRGB 200 is 0.578 of linear light, 0.4 of that is sRGB 132"
    mesh = textured(pbr(0, [0.4, 1, 0, 0.5]), pbr(0, [0.4, 1, 0, 1])).read(tmp_path)
    assert mesh.texture is not None and mesh.texture[0, 0].tolist() == [132, 200, 0]
    mesh = textured(pbr(0)).read(tmp_path)
    assert mesh.texture is not None and (mesh.texture == GREY).all()


def test_constant_colors_at_vertices_are_a_factor_of_the_image(tmp_path: Path) -> None:
    mesh = textured(pbr(0, [0.5, 1, 1, 1]), colors=np.tile([0.8, 1, 0], (3, 1))).read(tmp_path)
    assert mesh.texture is not None and mesh.texture[0, 0].tolist() == [132, 200, 0]
    textured(pbr(0), colors=np.eye(3)).refused(tmp_path, "vary")
    textured(pbr(0), colors=np.full((3, 3), 255)).refused(tmp_path, "no fractions")


def test_parts_of_one_image_with_different_factors_are_refused(tmp_path: Path) -> None:
    textured(pbr(0), pbr(0, [0.4, 0.4, 0.4, 1])).refused(tmp_path, "different baseColorFactors")


def test_without_an_image_factors_and_colors_are_the_color_of_their_part(tmp_path: Path) -> None:
    glb = textured()  # an image that no material names
    glb.part(pbr(None, [0.5, 0.1, 0.1, 1]), TEXCOORD_0=glb.array(UVS))
    glb.part(None)
    glb.part(pbr(None, [0.5, 1, 1, 1]), COLOR_0=glb.array(np.array([[1, 0.1, 0.1]] * 3)))
    mesh = glb.read(tmp_path)
    assert mesh.texture is None and mesh.colors is not None
    assert srgb(mesh.colors)[::3] == [[188, 89, 89], [255, 255, 255], [188, 89, 89]]


@pytest.mark.parametrize(("dtype", "half"), [("<f4", 0.5), ("u1", 128), ("<u2", 32768)])
@pytest.mark.parametrize("width", [3, 4])
def test_colors_of_every_type_are_linear(tmp_path: Path, dtype: str, half: float, width: int) -> None:
    glb = Glb()
    glb.part(None, COLOR_0=glb.array(np.full((3, width), half), dtype, normalized=dtype != "<f4"))
    colors = glb.read(tmp_path).colors
    assert colors is not None and srgb(colors) == [[188, 188, 188]] * 3


def test_a_material_that_says_nothing_of_color_is_no_color(tmp_path: Path) -> None:
    glb = Glb()
    glb.part(pbr())
    mesh = glb.read(tmp_path)
    assert mesh.texture is None and mesh.colors is None


def picture_with_a_hole() -> np.ndarray:
    picture = np.full((4, 4, 4), 200, np.uint8)
    picture[0, 0, 3] = 0
    return picture


@pytest.mark.parametrize("mode", ["BLEND", "MASK"])
def test_transparency_that_counts_is_refused_and_other_is_not_seen(tmp_path: Path, mode: str) -> None:
    hole = picture_with_a_hole()
    mesh = textured(pbr(0, [1, 1, 1, 0.5]), picture=hole).read(tmp_path)
    assert mesh.texture is not None and (mesh.texture == 200).all()
    mesh = textured(pbr(0, alphaMode=mode)).read(tmp_path)
    assert mesh.texture is not None and (mesh.texture == 200).all()
    textured(pbr(0, alphaMode=mode), picture=hole).refused(tmp_path, "transparent pixels")
    textured(pbr(0, [1, 1, 1, 0.5], alphaMode=mode)).refused(tmp_path, f"transparent parts .alphaMode {mode}")
    textured(pbr(0, alphaMode=mode), colors=np.full((3, 4), 0.5)).refused(tmp_path, "transparent parts")


def test_images_as_webp_and_quantised_coordinates_are_read(tmp_path: Path) -> None:
    glb, stream = Glb(), io.BytesIO()
    Image.fromarray(GREY).save(stream, "WEBP", lossless=True)
    glb.image(stream.getvalue())
    glb.content["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
    glb.content["extensionsRequired"] = ["EXT_texture_webp", "KHR_mesh_quantization"]
    glb.part(pbr(0), TEXCOORD_0=glb.array(np.array([[0, 0], [255, 0], [0, 255]]), "u1", normalized=True))
    mesh = glb.read(tmp_path)
    assert mesh.texture is not None and (mesh.texture == GREY).all()
    assert mesh.corner_uvs is not None and mesh.corner_uvs.tolist() == [[[0, 1], [1, 1], [0, 0]]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c["materials"][0].update(extensions={"KHR_materials_pbrSpecularGlossiness": {}}), "SpecularGloss"),
        (lambda c: c["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[1, 1, 1]), "baseColorFactor"),
        (lambda c: c["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[2, 1, 1, 1]), "baseColorFactor"),
        (lambda c: c["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[float("nan")] * 4), "Factor"),
        (lambda c: c["meshes"][0]["primitives"][0].update(material=-1), "item -1"),
        (lambda c: c["nodes"][0].update(mesh=-1), "item -1"),
        (lambda c: c["nodes"][0].update(skin=0), "bones"),
        (lambda c: c["meshes"][0].update(weights=[0, 0.5]), "morph"),
        (lambda c: c["textures"][0].clear(), "a texture without"),
        (lambda c: c["scenes"][0].update(nodes=list(range(200_000)))
            or c.update(nodes=[{"mesh": 0}] + [{}] * 200_000), "100000 nodes"),
        (lambda c: c.update(extensionsRequired=["KHR_draco_mesh_compression", "EXT_meshopt_compression"]),
            "EXT_meshopt_compression, KHR_draco"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(tmp_path: Path, change: Any, why: str) -> None:
    glb = textured(pbr(0))
    change(glb.content)
    glb.refused(tmp_path, why)
