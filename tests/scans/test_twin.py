"""The free twin: seeded, whole or absent, and a scan like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.anny_uvs import ensure_uvs
from drpose_ray.body.people import draw_person
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter, find_tailor
from drpose_ray.body.texture import Atlas
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.seeding import derive_seed
from drpose_ray.scans import make_job as make_scans
from drpose_ray.scans.config import ScanSource, TwinConfig
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.twin import write_twins
from tests.body.garments.small import write_outfit

SETTINGS = TwinConfig(num=3, seed=5, texture_size=128, poses_per_person=2)


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def test_equal_settings_give_equal_bytes_and_more_scans_leave_the_first_as_they_are(body: Body, tmp_path: Path) -> None:
    write_twins(tmp_path / "a", Painter(body), SETTINGS, [])
    once = files_of(tmp_path / "a")
    assert {name for name in once if name.endswith(".glb")} == {"p00000_00.glb", "p00000_01.glb", "p00001_00.glb"}
    assert write_twins(tmp_path / "a", Painter(body), SETTINGS, []) == 0
    more = SETTINGS.model_copy(update={"num": 4})
    assert write_twins(tmp_path / "a", Painter(body), more, []) == 1
    assert once.items() < files_of(tmp_path / "a").items()
    write_twins(tmp_path / "b", Painter(body), more, [])
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_twins(tmp_path / "whole", Painter(body), SETTINGS, [])

    def dies(written: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_twins(tmp_path / "killed", Painter(body), SETTINGS, [], dies)
    (tmp_path / "killed" / "p00000_01.glb").write_bytes(b"half of it")  # a mesh whose fit was not written yet
    assert write_twins(tmp_path / "killed", Painter(body), SETTINGS, []) == 2
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_a_folder_of_other_settings_is_refused(body: Body, tmp_path: Path) -> None:
    write_twins(tmp_path, Painter(body), SETTINGS.model_copy(update={"num": 1}), [])
    with pytest.raises(InputError, match="other settings") as caught:
        write_twins(tmp_path, Painter(body), SETTINGS.model_copy(update={"seed": 6}), [])
    assert caught.value.field == "seed"


def test_painted_scans_say_what_they_said_before_garments(body: Body, tmp_path: Path) -> None:
    write_twins(tmp_path, Painter(body), SETTINGS.model_copy(update={"num": 1}), [])
    assert json.loads((tmp_path / "twin.json").read_text()) == {
        "body_sha256": body.sha256, "clips": [], "format": "drpose-twin-1", "licence": "CC0-1.0",
        "mixture": {"dance": 0.4, "moderate": 0.35, "standing": 0.25}, "poses_per_person": 2, "scan_units": True,
        "seed": 5, "texture_size": 128,
    }  # fmt: skip


def test_dressed_scans_are_read_like_any_and_refuse_another_wardrobe(body: Body, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"num": 1, "texture_size": 64})
    write_outfit(tmp_path / "garments")
    dresser = find_tailor(body, tmp_path / "garments")
    write_twins(tmp_path / "scans", dresser, settings, [])
    (files,) = list_scans([ScanSource(folder=tmp_path / "scans")])
    scan = load_scan(files, body)
    assert scan.licence == "CC0-1.0; garments: not stated"
    assert scan.mesh.texture is not None
    write_outfit(tmp_path / "garments", above_m=0.02)
    for other in (Painter(body), find_tailor(body, tmp_path / "garments")):
        with pytest.raises(InputError, match="other settings") as caught:
            write_twins(tmp_path / "scans", other, settings, [])
        assert caught.value.field.startswith("garments_sha256")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_broken_identity_is_named(body: Body, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "twin.json").write_bytes(content)
    (tmp_path / "a.glb").touch()
    for read in (
        lambda: write_twins(tmp_path, Painter(body), SETTINGS, []),
        lambda: list_scans([ScanSource(folder=tmp_path)]),
    ):
        with pytest.raises(InputError, match=r"cannot be read|not valid JSON|not UTF-8") as caught:
            read()
        assert caught.value.file == tmp_path / "twin.json"


def test_a_scan_shows_the_person_and_pose_that_its_fit_says(body: Body, tmp_path: Path) -> None:
    write_twins(tmp_path, Painter(body), SETTINGS, [])
    scans = [load_scan(files, body) for files in list_scans([ScanSource(folder=tmp_path)])]
    assert [files.subject for files in list_scans([ScanSource(folder=tmp_path)])] == ["p00000", "p00000", "p00001"]
    np.testing.assert_array_equal(scans[0].motion_row[312:], scans[1].motion_row[312:])
    assert np.abs(scans[0].motion_row[3:66] - scans[1].motion_row[3:66]).max() > 0.1
    for index, scan in enumerate(scans):
        person = draw_person(body, derive_seed(5, "twin", index // 2))
        vertices, joints = body.pose(scan.motion_row, person.outfit.offsets)
        np.testing.assert_allclose(scan.mesh.vertices[scan.mesh.faces], vertices[body.faces], atol=1e-5)
        np.testing.assert_array_equal(scan.joints_world, joints[:23])
        assert scan.licence == "CC0-1.0"
    fits = [np.load(path) for path in sorted(tmp_path.glob("*.npz"))]
    assert len({float(fit["scale"][0]) for fit in fits}) == 3 and all(
        abs(fit["translation"]).max() > 0.01 for fit in fits
    )


def test_the_atlas_gives_every_corner_its_color_and_no_place_to_two_parts(body: Body) -> None:
    uvs, uv_faces = ensure_uvs(BODY_CACHE, body)
    size = 1024
    atlas = Atlas(uvs, uv_faces, size)
    # Colour by place in the rest pose: smooth, so a texel's centre is close to the corner it stands for.
    colors = (body.rest_vertices - body.rest_vertices.min(0)) / np.ptp(body.rest_vertices, axis=0)
    image = atlas.bake(colors, body.faces)
    corners = uvs[uv_faces]
    x, y = np.clip((corners * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int).transpose(2, 0, 1)
    difference = np.abs(image[y, x] / 255 - colors[body.faces]).max(-1)
    assert np.quantile(difference, 0.99) < 0.02
    edges = corners[:, 1:] - corners[:, :1]
    area = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]).sum() / 2
    inside = (atlas._weights >= -1e-6).all(1)
    assert abs(area - 0.6256) < 1e-3 and inside.all()


def test_texture_coordinates_leave_the_body_file_alone(body: Body) -> None:
    assert "vt" not in np.load(BODY_CACHE / "smplx" / "SMPLX_NEUTRAL.npz").files
    _, uv_faces = ensure_uvs(BODY_CACHE, body)
    assert uv_faces.shape == body.faces.shape
    # One vertex has few texture coordinates, and a texture coordinate has one vertex: the pairing is the mesh's own.
    pairs = np.unique(np.stack([uv_faces.ravel(), body.faces.ravel()], 1), axis=0)
    assert len(pairs) == len(np.unique(uv_faces))


def test_the_job_writes_resumes_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--run.folder", str(tmp_path), "--twin.num", "2", "--twin.texture_size", "64"]
    assert make_scans.main(argv) == 0
    assert make_scans.main(argv) == 0
    summary = json.loads((tmp_path / "make_scans" / "summary.json").read_text())
    assert summary == {"folder": str(tmp_path / "scans"), "scans": 2, "written_by_this_run": 0}
    assert make_scans.main([*argv, "--twin.seed", "1"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert make_scans.main(["--run.folder", str(tmp_path / "new"), "--twin.garments", str(tmp_path / "none")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
