"""One person in every published layout is one scan."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from drpose_ray.body.anny_export import ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.datasets.record import KEY_PATTERN
from drpose_ray.scans.config import ScansConfig, ScanSource, ScanSplits, TwinConfig
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.render.loader import ScanLoader
from drpose_ray.scans.scan import Layout, Scan, ScanFiles
from drpose_ray.scans.sources import detect_layout, list_scans
from drpose_ray.scans.splits import split_scans
from drpose_ray.scans.twin import write_twins
from tests.scans import published_layouts as layouts

BODY_CACHE = Path(".cache/body")


def corner_colors(scan: Scan) -> np.ndarray:
    """(F, 3, 3) in [0, 1], from the texture or the vertices."""
    mesh = scan.mesh
    if mesh.texture is None:
        assert mesh.colors is not None and mesh.corner_uvs is None
        return mesh.colors[mesh.faces]
    assert mesh.corner_uvs is not None and mesh.colors is None
    size = np.array(mesh.texture.shape[1::-1])
    x, y = np.moveaxis(np.clip((mesh.corner_uvs * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int), -1, 0)
    return mesh.texture[y, x] / 255


@pytest.fixture(scope="module")
def datasets(body: Body, tmp_path_factory: pytest.TempPathFactory) -> dict[Layout, Path]:
    root = tmp_path_factory.mktemp("datasets")
    person, scaled = layouts.draw(body, 3), layouts.draw(body, 3, 0.47, (0.1, -0.3, 0.05))
    layouts.write_thuman(root / "THuman2.1", body, scaled, "0526")
    layouts.write_thuman(root / "THuman2.1", body, layouts.draw(body, 4), "0007", protocol=2)
    layouts.write_customhumans(root / "CustomHumans", body, person, "0383_00070_02_00101")
    layouts.write_2k2k(root / "2K2K", body, person, "00003")
    return {"thuman": root / "THuman2.1", "customhumans": root / "CustomHumans", "2k2k": root / "2K2K"}


def test_a_layout_is_known_by_what_its_folder_holds(datasets: dict[Layout, Path], tmp_path: Path) -> None:
    for layout, folder in datasets.items():
        assert detect_layout(folder) == layout
    with pytest.raises(InputError, match="no scans of a known layout"):
        detect_layout(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        detect_layout(tmp_path / "missing")
    shutil.copytree(datasets["2k2k"] / "train", tmp_path / "a")
    shutil.copytree(datasets["thuman"] / "model", tmp_path / "b")
    with pytest.raises(InputError, match="several layouts") as caught:
        detect_layout(tmp_path)
    assert set(caught.value.value) == {"2k2k", "thuman"}
    assert len(list_scans([ScanSource(folder=tmp_path, format="2k2k")])) == 1


@pytest.mark.parametrize("layout", ["thuman", "customhumans", "2k2k"])
def test_every_layout_gives_the_same_scan(datasets: dict[Layout, Path], body: Body, layout: Layout) -> None:
    person = layouts.draw(body, 3)
    scan = load_scan(list_scans([ScanSource(folder=datasets[layout])])[-1], body)
    # THuman's fits hold no place in metres: its bodies stay where the model has them.
    origin = person.row[309:312] if layout == "thuman" else np.zeros(3)
    np.testing.assert_allclose(scan.mesh.vertices[scan.mesh.faces], person.vertices[body.faces] - origin, atol=1e-4)
    np.testing.assert_allclose(scan.joints_world, person.joints - origin, atol=1e-4)
    np.testing.assert_allclose(scan.motion_row[:309], person.row[:309], atol=1e-6)
    assert len(scan.mesh.vertices) == len(body.rest_vertices), "corners at the seams of the texture are merged"
    difference = np.abs(corner_colors(scan) - person.colors[body.faces]).max(-1)
    assert np.median(difference) < 0.02 and (difference > 0.15).mean() < 0.1  # JPEG, and texels at garments' edges


def test_names_licences_and_subjects_are_the_datasets(datasets: dict[Layout, Path]) -> None:
    thuman, custom, k2k = (
        list_scans([ScanSource(folder=datasets[name])]) for name in ("thuman", "customhumans", "2k2k")
    )
    assert [(files.scan_id, files.name, files.source) for files in thuman] == [
        ("thuman2-0007", "0007", "thuman2"), ("thuman2-0526", "0526", "thuman2"),
    ]  # fmt: skip
    assert custom[0].scan_id == "customhumans-0383_00070_02_00101" and custom[0].subject == "00070"
    assert k2k[0].scan_id == "2k2k-00003" and "." not in k2k[0].scan_id
    assert all("non-commercial" in files.licence for files in (*thuman, *custom, *k2k))
    named = list_scans([ScanSource(folder=datasets["2k2k"], name="my.set", licence="mine", body=Path("b.npz"))])[0]
    assert (named.scan_id, named.source, named.licence) == ("my_set-00003", "my.set", "mine")
    assert named.body == Path("b.npz").absolute() and named.mesh.is_absolute()
    with pytest.raises(InputError, match="ids of others"):
        list_scans([ScanSource(folder=datasets["2k2k"])] * 2)


def test_a_part_of_thuman_has_the_ids_of_the_whole_and_fits_may_lie_beside_the_meshes(
    datasets: dict[Layout, Path], body: Body, tmp_path: Path
) -> None:
    shutil.copytree(datasets["thuman"] / "model" / "0007", tmp_path / "0007")
    shutil.copy(datasets["thuman"] / "smplx" / "0007" / "smplx_param.pkl", tmp_path / "0007")
    (files,) = list_scans([ScanSource(folder=tmp_path)])
    assert (files.source, files.scan_id) == ("thuman2", "thuman2-0007"), "as in a download that goes beyond 0525"
    person = layouts.draw(body, 4)
    np.testing.assert_allclose(load_scan(files, body).joints_world, person.joints - person.row[309:312], atol=1e-4)


def test_any_file_name_gives_an_id_that_records_take(tmp_path: Path) -> None:
    names = ["a b", "a-b", "a.b", "a_b", "Zoë", "人", "x" * 240, "x" * 239 + "y", os.fsdecode(b"bad\xff")]
    for name in names:
        (tmp_path / f"{name}.glb").touch()
    scans = list_scans([ScanSource(folder=tmp_path), ScanSource(folder=tmp_path, name="my (own) set")])
    ids = {files.scan_id for files in scans}
    assert len(ids) == 2 * len(names) and all(re.fullmatch(KEY_PATTERN, f"{scan_id}-000000-00") for scan_id in ids)
    assert {"scans-a-b", "scans-a_b"} < ids, "plain names stay as they are"
    assert sum(map(len, split_scans(scans, ScanSplits()).values())) == len(scans)


def test_frames_of_one_customhumans_folder_are_scans_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "mesh" / "0383_00070_02_00101"
    folder.mkdir(parents=True)
    fits = tmp_path / "smplx" / folder.name
    fits.mkdir(parents=True)
    for frame in ("00101", "00102"):
        (folder / f"mesh-f{frame}.obj").touch()
        (fits / f"mesh-f{frame}_smplx.json").touch()
    scans = list_scans([ScanSource(folder=tmp_path)])
    assert [files.scan_id.removeprefix("customhumans-0383_00070_02_") for files in scans] == ["00101", "00101-f00102"]
    assert [files.fit.name for files in scans] == ["mesh-f00101_smplx.json", "mesh-f00102_smplx.json"]
    assert {(files.name, files.subject) for files in scans} == {(folder.name, "00070")}


def test_a_scan_without_its_fit_is_listed_and_refused_by_name(
    datasets: dict[Layout, Path], body: Body, tmp_path: Path
) -> None:
    for layout in ("thuman", "customhumans", "2k2k"):
        copy = tmp_path / layout
        shutil.copytree(datasets[layout], copy)
        shutil.rmtree(copy / "smplx")
        files = list_scans([ScanSource(folder=copy)])[0]
        with pytest.raises(InputError, match="fit cannot be read") as caught:
            load_scan(files, body)
        assert caught.value.file == files.fit


def with_fit(files: ScanFiles, folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> ScanFiles:
    fit = pickle.loads(files.fit.read_bytes())
    change(fit)
    path = folder / "smplx_param.pkl"
    path.write_bytes(pickle.dumps(fit))
    return ScanFiles(**{**files.__dict__, "fit": path})


def test_hands_in_the_models_own_space_become_angles(datasets: dict[Layout, Path], body: Body, tmp_path: Path) -> None:
    """The free body's components are the identity and its mean is zero, so give it others."""
    rng = np.random.default_rng(0)
    other = Body(BODY_CACHE / "smplx" / "SMPLX_NEUTRAL.npz")
    components, mean = rng.normal(size=(2, 45, 45)), rng.normal(size=(2, 45))
    other.__dict__["hand_space"] = (components, mean)
    files = list_scans([ScanSource(folder=datasets["thuman"])])[0]
    stored = rng.normal(size=12) * 0.01
    changed = with_fit(files, tmp_path, lambda fit: fit.update(left_hand_pose=stored[None]))
    from drpose_ray.scans.config import ScanChecks
    from drpose_ray.scans.fits.fit import read_fit

    row = read_fit(changed, other, ScanChecks()).row
    np.testing.assert_allclose(row[66:111], stored @ components[0][:12] + mean[0], atol=1e-6)
    flat = ScanFiles(**{**changed.__dict__, "layout": "customhumans"})
    row = read_fit(flat, other, ScanChecks()).row
    np.testing.assert_allclose(row[66:111], stored @ components[0][:12], atol=1e-6)


def test_a_customhumans_fit_without_a_place_has_its_pelvis_at_the_origin(
    datasets: dict[Layout, Path], body: Body, tmp_path: Path
) -> None:
    from drpose_ray.scans.config import ScanChecks
    from drpose_ray.scans.fits.fit import read_fit

    files = list_scans([ScanSource(folder=datasets["customhumans"])])[0]
    content = json.loads(files.fit.read_text())
    del content["transl"], content["global_orient"]
    path = tmp_path / "mesh-f00101.json"
    path.write_text(json.dumps(content))
    row = read_fit(ScanFiles(**{**files.__dict__, "fit": path}), body, ScanChecks()).row
    np.testing.assert_allclose(body.pose(row)[1][0], 0, atol=1e-6)
    np.testing.assert_array_equal(row[:3], 0)


def test_a_glb_is_read_as_trimesh_reads_it_and_trimeshs_own_are_read(body: Body, tmp_path: Path) -> None:
    folder = tmp_path / "twin"
    write_twins(folder, Painter(body), TwinConfig(num=1, texture_size=128), [])
    (files,) = list_scans([ScanSource(folder=folder)])
    ours = load_scan(files, body)
    scene = trimesh.load(files.mesh)
    (theirs,) = scene.geometry.values()
    fit = np.load(files.fit)
    vertices = (theirs.vertices - fit["translation"]) / fit["scale"]
    np.testing.assert_allclose(vertices[theirs.faces], ours.mesh.vertices[ours.mesh.faces], atol=1e-5)
    np.testing.assert_allclose(theirs.visual.uv[theirs.faces], ours.mesh.corner_uvs, atol=1e-6)
    image = np.asarray(theirs.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(image, ours.mesh.texture)

    # Their exporter writes other buffers, names and a node with a matrix.
    turned = trimesh.Scene()
    turned.add_geometry(theirs, transform=trimesh.transformations.translation_matrix([1.0, 2, 3]))
    files.mesh.write_bytes(turned.export(file_type="glb"))
    np.savez(files.fit, **{**fit, "translation": fit["translation"] + np.float32([1, 2, 3])})
    again = load_scan(files, body)
    np.testing.assert_allclose(again.mesh.vertices[again.mesh.faces], ours.mesh.vertices[ours.mesh.faces], atol=1e-5)
    np.testing.assert_array_equal(again.mesh.texture, ours.mesh.texture)


def test_obj_faces_of_every_form_and_colors_at_vertices_are_read(tmp_path: Path) -> None:
    from drpose_ray.scans.config import ScanChecks
    from drpose_ray.scans.meshes.mesh_file import read_mesh

    corners = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0 1\nv 0 1 0 1 1 1\nvn 0 0 1\n"
    for faces in (
        "f 1 2 3\nf 1 3 4",
        "f 1 2 3 4",
        "f 1//1 2//1 3//1 4//1",
        "f -4 -3 -2 -1",
        "f 1 2 3\nf 1//1 3//1 4//1",
    ):
        path = tmp_path / "quad.obj"
        path.write_text(corners + faces + "\n")
        mesh = read_mesh(path, None, ScanChecks())
        assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]], faces
        assert mesh.colors is not None and mesh.colors[1].tolist() == [0, 1, 0]
        assert mesh.texture is None and mesh.corner_uvs is None


def test_negative_numbers_of_an_obj_count_back_from_their_line(tmp_path: Path) -> None:
    from drpose_ray.scans.config import ScanChecks
    from drpose_ray.scans.meshes.mesh_file import read_mesh

    block = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0 1\nvt 0 0\nvt 1 0\n"
    path = tmp_path / "blocks.obj"
    path.write_text(f"{block}f -3/-2 -2/-1 -1/-1\n{block}vt 1 1\nf -3/-3 -2/-2 -1/-1\nf 1/1 2/2 -1/-1\n")
    mesh = read_mesh(path, None, ScanChecks())
    assert mesh.faces.tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 5]]
    assert mesh.corner_uvs is not None
    assert mesh.corner_uvs.tolist() == [[[0, 0], [1, 0], [1, 0]], [[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [1, 1]]]
    path.write_text(f"f -3 -2 -1\n{block}")
    with pytest.raises(InputError, match="a v that is not there"):
        read_mesh(path, None, ScanChecks())


def test_an_objs_material_cannot_name_a_file_outside_its_folder(tmp_path: Path, body: Body) -> None:
    from PIL import Image

    from drpose_ray.scans.config import ScanChecks
    from drpose_ray.scans.meshes.mesh_file import read_mesh

    (tmp_path / "inside").mkdir()
    Image.new("RGB", (2, 2), "red").save(tmp_path / "secret.png")
    path = tmp_path / "inside" / "a.obj"
    path.write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3\n")
    (tmp_path / "inside" / "a.mtl").write_text("newmtl m\nmap_Kd ../secret.png\n")
    with pytest.raises(InputError, match="texture is missing") as caught:
        read_mesh(path, None, ScanChecks())
    assert caught.value.file == tmp_path / "inside" / "secret.png"


def test_twins_of_npz_bytes_are_equal_however_often_written() -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        np.savez(stream, a=np.ones(3))
    assert streams[0].getvalue() == streams[1].getvalue(), "the twin's fits count on NumPy's archives having no dates"


def test_ranges_give_parts_of_a_folder_bodies_of_their_own(datasets: dict[Layout, Path], tmp_path: Path) -> None:
    folder = datasets["thuman"]
    whole = list_scans([ScanSource(folder=folder)])
    male, neutral = tmp_path / "male.npz", tmp_path / "neutral.npz"
    parts = list_scans(
        [ScanSource(folder=folder, last=525, body=male), ScanSource(folder=folder, first=526, body=neutral)]
    )
    assert [(files.scan_id, files.source, files.name) for files in parts] == [
        (files.scan_id, files.source, files.name) for files in whole
    ]
    assert [files.body for files in parts] == [male, neutral]
    assert [files.name for files in list_scans([ScanSource(folder=folder, first=7, last=7)])] == ["0007"]
    assert len(list_scans([ScanSource(folder=datasets["customhumans"], first=383, last=383)])) == 1
    for other in (ScanSource(folder=folder, first=526), ScanSource(folder=folder, name="b")):
        with pytest.raises(InputError, match="two sources take one scan") as caught:
            list_scans([ScanSource(folder=folder, first=7, last=526, name="a"), other])
        assert "0526" in str(caught.value.file) or "0007" in str(caught.value.file)
    with pytest.raises(InputError, match="numbers 7 to 526") as caught:
        list_scans([ScanSource(folder=folder, first=8, last=525)])
    assert caught.value.value == "8..525" and caught.value.file == folder
    with pytest.raises(ValueError, match="are none"):
        ScanSource(folder=folder, first=2, last=1)
    (tmp_path / "twin.glb").touch()
    with pytest.raises(InputError, match="names without numbers"):
        list_scans([ScanSource(folder=tmp_path, first=0)])


def test_a_source_of_two_bodies_is_identified_by_both_and_by_where_the_second_begins(
    datasets: dict[Layout, Path], body: Body, tmp_path: Path
) -> None:
    free = ensure_body(BODY_CACHE)
    other = tmp_path / "SMPLX_OTHER.npz"
    np.savez(other, **np.load(free), extra=np.zeros(1))
    folder = datasets["thuman"]

    def loader(*sources: ScanSource) -> ScanLoader:
        return ScanLoader(ScansConfig(body=free), list_scans(sources))

    one = loader(ScanSource(folder=folder))
    assert one.settings()["bodies"] == {"thuman2": body.sha256}, "as it was for datasets that are there"
    assert one.body_sha256 == body.sha256
    two = loader(ScanSource(folder=folder, last=525), ScanSource(folder=folder, first=526, body=other))
    assert two.settings()["bodies"] == {"thuman2": [["", body.sha256], ["0526", file_sha256(other)]]}
    assert two.body_sha256 not in {body.sha256, file_sha256(other)}
    assert two("thuman2-0526").scan_id == "thuman2-0526"
