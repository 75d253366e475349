"""Textures that a mesh names: found in its folder and below, wherever the name says that they are, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.meshes.raw_mesh import RawMesh

RED = np.full((2, 2, 3), (200, 40, 40), np.uint8)
WHITE = " 1 1 1"


def write_obj(folder: Path, material: str, colors: str = "", library: str = "a.mtl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    mesh = folder / "a.obj"
    places = "".join(f"v {x} {y} 0{colors}\n" for x, y in ((0, 0), (1, 0), (0, 1)))
    mesh.write_text(f"mtllib {library}\n{places}vt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n")
    (folder / "a.mtl").write_text(f"newmtl m\nKd 1 1 1\n{material}\n")
    return mesh


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(RED))
    return path


def read(mesh: Path) -> RawMesh:
    return read_mesh(mesh, None, ScanChecks())


def is_red(mesh: RawMesh) -> bool:
    return mesh.texture is not None and mesh.colors is None and bool((mesh.texture == RED).all())


def test_a_texture_is_what_a_mesh_with_colors_at_its_vertices_looks_like(tmp_path: Path) -> None:
    put(tmp_path / "skin.png")
    assert is_red(read(write_obj(tmp_path, "map_Kd skin.png", WHITE)))
    mesh = read(write_obj(tmp_path, "", WHITE))
    assert mesh.texture is None and mesh.colors is not None and (mesh.colors == 1).all()
    assert is_red(read(write_obj(tmp_path, ""))), "the only image beside, where there are no colours"
    (tmp_path / "skin.png").unlink()
    with pytest.raises(InputError, match="texture is missing"):
        read(write_obj(tmp_path, "map_Kd skin.png", WHITE))


TWO_PARTS = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n{first}f 1/1 2/2 3/3\n{second}f 4/1 3/2 2/3\n"


def write_parts(folder: Path, first: str, second: str, materials: str) -> Path:
    put(folder / "skin.png")
    (folder / "a.mtl").write_text(materials)
    (folder / "a.obj").write_text("mtllib a.mtl\n" + TWO_PARTS.format(first=first, second=second))
    return folder / "a.obj"


SKIN_AND_CLOTH = "newmtl my skin\nmap_Kd skin.png\nnewmtl cloth\nKd .1 .9 .1\nnewmtl hair\nmap_Kd hair.png\n"


def test_a_part_whose_material_has_no_image_does_not_get_that_of_another(tmp_path: Path) -> None:
    for second in ("cloth", "hair"):
        mesh = write_parts(tmp_path, "usemtl my skin\n", f"usemtl {second}\n", SKIN_AND_CLOTH)
        with pytest.raises(InputError, match="several textures, or parts without one") as caught:
            read(mesh)
        assert caught.value.field == "map_Kd"


@pytest.mark.parametrize(
    ("first", "second", "materials"),
    [
        ("usemtl my skin\n", "", SKIN_AND_CLOTH),
        ("usemtl my skin\n", "usemtl missing\n", SKIN_AND_CLOTH),
        ("usemtl cloth\nusemtl my skin\n", "", SKIN_AND_CLOTH),
        ("", "", "newmtl cloth\nKd .1 .9 .1\nnewmtl skin\nmap_Kd skin.png\n"),
        ("usemtl x\n", "usemtl y\n", "newmtl x\nmap_Kd skin.png\nnewmtl y\nmap_Kd skin.png\n"),
    ],
    ids=["others without faces", "undescribed", "replaced at once", "no part names one", "one image twice"],
)
def test_materials_without_faces_do_not_count(tmp_path: Path, first: str, second: str, materials: str) -> None:
    assert is_red(read(write_parts(tmp_path, first, second, materials)))


@pytest.mark.parametrize(
    "line",
    [
        "map_Kd textures/my skin.png", "map_Kd textures\\my skin.png", "map_Kd .\\textures\\my skin.png",
        'map_Kd "textures/my skin.png"', "map_Kd C:\\Users\\me\\textures\\my skin.png",
        "\tMAP_KD\ttextures/my skin.png",
        "map_Kd /home/me/scan/textures/my skin.png", "map_Kd ../export/textures/my skin.png",
        "map_Kd -s 1 1 1 -o 0 0 0 -bm 0.5 -clamp on textures/my skin.png", "map_Kd -mm 0 1 textures/my skin.png",
    ],
)  # fmt: skip
def test_a_texture_in_a_folder_below_is_found(tmp_path: Path, line: str) -> None:
    put(tmp_path / "textures" / "my skin.png")
    put(tmp_path / "preview.png"), put(tmp_path / "other.png")
    assert is_red(read(write_obj(tmp_path, line)))


@pytest.mark.parametrize("library", ["a.mtl", "./a.mtl", "C:\\scan\\a.mtl", "none.mtl a.mtl", "none.mtl\nmtllib a.mtl"])
def test_materials_are_found_by_every_form_of_their_name(tmp_path: Path, library: str) -> None:
    put(tmp_path / "skin.png"), put(tmp_path / "other.png")
    assert is_red(read(write_obj(tmp_path, "map_Kd skin.png", library=library)))


def test_a_material_in_a_folder_below_names_files_beside_it_or_beside_the_mesh(tmp_path: Path) -> None:
    mesh = write_obj(tmp_path, "", library="materials/b.mtl")
    (tmp_path / "materials").mkdir()
    (tmp_path / "materials" / "b.mtl").write_text("newmtl m\nmap_Kd skin.png\n")
    beside = put(tmp_path / "materials" / "skin.png")
    assert is_red(read(mesh))
    beside.rename(tmp_path / "skin.png")
    assert is_red(read(mesh))


@pytest.mark.parametrize("name", ["../secret.png", "../../secret.png", "{root}/secret.png", "x/../../secret.png",
                                  "..\\secret.png"])  # fmt: skip
def test_nothing_outside_the_folder_is_opened(tmp_path: Path, name: str) -> None:
    put(tmp_path / "secret.png")
    mesh = write_obj(tmp_path / "scan", f"map_Kd {name.format(root=tmp_path)}")
    with pytest.raises(InputError, match="texture is missing") as caught:
        read(mesh)
    assert caught.value.file == tmp_path / "scan" / "secret.png"


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret" / "skin.png")
    mesh = write_obj(tmp_path / "scan", "map_Kd textures/skin.png")
    (tmp_path / "scan" / "textures").symlink_to(secret.parent)
    with pytest.raises(InputError, match="leads out") as caught:
        read(mesh)
    assert caught.value.file == tmp_path / "scan" / "textures" / "skin.png"
    (tmp_path / "scan" / "textures").unlink()
    put(tmp_path / "scan" / "stored" / "skin.png")
    (tmp_path / "scan" / "textures").symlink_to("stored")
    assert is_red(read(mesh)), "a link within the folder"


def test_a_folder_of_links_into_one_store_is_read(tmp_path: Path) -> None:
    """As caches of downloads keep them."""
    store = tmp_path / "blobs"
    mesh = write_obj(store, "map_Kd skin.png")
    put(store / "skin.png")
    (tmp_path / "snapshot").mkdir()
    for path in store.iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    assert is_red(read(tmp_path / "snapshot" / mesh.name))


def test_marks_at_the_beginning_of_texts(tmp_path: Path) -> None:
    put(tmp_path / "skin.png"), put(tmp_path / "other.png")
    mesh = write_obj(tmp_path, "map_Kd skin.png")
    for path in (mesh, mesh.with_suffix(".mtl")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert is_red(read(mesh))
    first = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    mesh.write_text(first, encoding="utf-8-sig")
    assert read(mesh).vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    mesh.write_text(first, encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16"):
        read(mesh)
