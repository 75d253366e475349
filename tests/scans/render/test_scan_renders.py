"""Records of scans: pictures, skeletons and cameras say the same of the same person."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.maker import make_record
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame, project
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.scans.render.config import RaycastConfig, RendersConfig
from drpose_ray.scans.render.images import depth_metres
from drpose_ray.scans.render.renderer import RenderedViews
from drpose_ray.scans.render.scan_item import scan_item
from drpose_ray.scans.render.scan_renders import ScanRenders, input_view
from drpose_ray.scans.scan import Scan, ScanFiles
from tests.datasets.builder.stripes import silent
from tests.scans.render.people import free_body, item, person

FAST = RaycastConfig(supersampling=1)


def load(scan_id: str) -> Scan:
    number = int(scan_id.removeprefix("person-"))
    if number >= 90:
        raise InputError("the mesh has no faces", file=f"/somewhere/{scan_id}.obj", remedy="download it again")
    return person(number)


def renders(**settings: object) -> ScanRenders:
    config = RendersConfig.model_validate({"engine": "raycast", "raycast": FAST, "image_size": 96, **settings})
    return ScanRenders(config, 0, load, free_body().sha256)


def record_of(seed: int, frames: int = 1, **settings: object) -> SequenceRecord:
    return renders(**settings).make(item(person(seed), frames))


def test_a_record_holds_what_its_view_set_asks_for() -> None:
    six = {f"{kind}{view}" for kind in ("color", "normal", "depth") for view in range(6)}
    pshuman = record_of(1)
    assert set(pshuman.images) == six | {"input", "color6", "normal6"}
    assert {name: image.shape for name, image in pshuman.images.items()} == {
        name: (1, 96, 96, {"input": 4}.get(name, 1 if name.startswith("depth") else 3)) for name in pshuman.images
    }
    assert set(record_of(1, view_set="era3d", depth=False).images) == {n for n in six if "depth" not in n} | {"input"}


def test_each_frame_is_what_turning_the_scan_itself_gives() -> None:
    azimuths = (0.0, 50.0, 270.0)
    record = record_of(2, 3, input_azimuths_deg=azimuths)
    assert record.camera and record.camera.azimuth_deg == 0
    body, scan = free_body(), person(2)
    # The motion rows alone pose the body where the joints of the record are.
    for frame in range(3):
        _, joints = body.pose(record.motion[frame])
        np.testing.assert_allclose(joints[:23], record.joints_world[frame], atol=2e-6)
    # The skeleton lies inside what every view shows of the person.
    for frame in range(3):
        shown = project(
            torch.from_numpy(record.joints_world[frame])[None].double(),
            torch.tensor(record.camera.center_world[frame])[None].double(),
            torch.tensor([record.camera.width_m[frame]]).double(), torch.tensor(VIEW_AZIMUTHS_DEG).double(),
        )[0]  # fmt: skip
        for view in range(6):
            pixels = (shown[view] * 96).long().numpy()
            covered = record.images[f"depth{view}"][frame, ..., 0] > 0
            assert covered[pixels[:, 1], pixels[:, 0]].mean() > 0.95
    # View 1 of azimuth 0 and view 0 of azimuth 45 are one camera.
    both = record_of(2, 2, input_azimuths_deg=(0.0, 45.0))
    np.testing.assert_array_equal(both.images["color1"][0], both.images["color0"][1])
    np.testing.assert_array_equal(both.images["depth1"][0], both.images["depth0"][1])
    assert not np.array_equal(both.images["normal1"][0], both.images["normal0"][1]), "normals are the input camera's"
    assert scan.motion_row.shape == (322,)


def test_views_that_two_inputs_share_are_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = renders(input_azimuths_deg=(0.0, 90.0, 180.0, 270.0))
    seen = []
    original = generator.renderer.render
    monkeypatch.setattr(
        generator.renderer, "render", lambda m, f, views, s: seen.extend(views) or original(m, f, views, s)
    )
    generator.make(item(person(1), 4))
    assert len(seen) == len(set(seen)) == 8


def test_depth_and_camera_put_pixels_back_onto_the_surface() -> None:
    record, mesh = record_of(3), person(3).mesh
    frame = Frame.around(mesh.vertices)
    depth = depth_metres(record.images["depth0"][0], frame.width_m)
    rows, columns = np.nonzero(np.isfinite(depth))
    across, up = (columns + 0.5) / 96 - 0.5, 0.5 - (rows + 0.5) / 96
    local = np.stack([across * frame.width_m, up * frame.width_m, -depth[rows, columns]], 1)
    points = frame.center_world + local
    nearest = np.array([np.linalg.norm(mesh.vertices - point, axis=1).min() for point in points[::20]])
    assert nearest.max() < 0.03  # vertices are about that far apart on the torso


def test_only_the_input_is_taken_by_era3d_s_other_cameras() -> None:
    settings = {"input_azimuths_deg": (0.0,), "view_set": "era3d"}
    views = [input_view(RendersConfig(input_cameras="era3d"), 0, f"person-{i}", 0) for i in range(300)]
    perspective = [view for view in views if view.lens_mm]
    assert 0.5 < len(perspective) / 300 < 0.7, "three of five"
    assert {view.lens_mm for view in perspective} == {35, 50, 85, 105, 135}
    assert -20 <= min(v.elevation_deg for v in views) < -15 and 35 < max(v.elevation_deg for v in views) <= 40
    seed = next(i for i in range(1, 9) if views[i].lens_mm)
    plain, drawn = record_of(seed, **settings), record_of(seed, **settings, input_cameras="era3d")
    assert [name for name in plain.images if not np.array_equal(plain.images[name], drawn.images[name])] == ["input"]


def test_a_bad_scan_costs_itself_and_is_accounted_for(tmp_path: Path) -> None:
    good = item(person(1))
    bad = dataclasses.replace(good, files=dataclasses.replace(good.files, scan_id="person-99"))
    generator = renders()
    record = make_record(generator, bad)
    assert record.status[0].state == "failed"
    assert record.status[0].reason == "ScanRefusedError: the mesh has no faces; file: person-99.obj"
    plan = plan_build([item(person(1)), bad, item(person(2))], generator, tmp_path, 2)
    manifest = build(plan, generator, silent)
    assert (manifest.frames_ok, manifest.frames_failed) == (2, 1)
    people = read_multiview(tmp_path)
    assert people.sample_ids == ("person-1.00", "person-2.00")
    np.testing.assert_allclose(people.joints[0], person(1).joints_world, atol=1e-6)


def test_a_scan_that_cannot_be_seen_is_no_white_picture_but_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = renders()
    nothing = np.zeros((6, 96, 96), np.float32)
    unseen = RenderedViews(nothing[..., None].repeat(3, -1), nothing, nothing[..., None].repeat(3, -1), nothing)
    monkeypatch.setattr(generator.renderer, "render", lambda *_: unseen)
    assert "shows nothing" in make_record(generator, item(person(1))).status[0].reason


def test_a_refused_scan_is_read_once_however_many_attempts_there_are() -> None:
    reads = []

    def refuse(scan_id: str) -> Scan:
        reads.append(scan_id)
        raise InputError("the mesh has no faces", remedy="download it again")

    generator = ScanRenders(RendersConfig(engine="raycast", image_size=24), 0, refuse, "0" * 64)
    record = make_record(generator, item(person(1)), attempts=5)
    assert [status.state for status in record.status] == ["failed"] and len(reads) == 1


def test_scans_of_one_subject_have_one_person_seed_and_how_they_are_read_is_part_of_the_identity() -> None:
    scans = [
        ScanFiles(f"s{i}", "tests", Path("a"), None, Path("b"), "CC0-1.0", subject=who) for i, who in enumerate("aab")
    ]
    items = [scan_item(files, np.zeros(322, np.float32), 0, (0.0,)) for files in scans]
    seeds = [renders().person_seed(each) for each in items]
    assert seeds[0] == seeds[1] != seeds[2]
    config = RendersConfig(engine="raycast", image_size=24)
    strict, loose = (ScanRenders(config, 0, load, "0" * 64, {"checks": value}).settings() for value in (1, 2))
    assert strict != loose


def test_a_dataset_of_scans_is_known_by_what_it_was_when_they_were_windows(tmp_path: Path) -> None:
    scan = item(person(1), frames=2)
    window = PoseWindow(
        scan.sequence_id, scan.clip, np.arange(2), scan.motion, pick=0, rank=0, fps=30.0, source="tests",
        licence="CC0-1.0",
    )  # fmt: skip
    maker = renders()
    identities = [plan_build([each], maker, tmp_path, 2).identity for each in (scan, window)]
    assert identities[0] == identities[1] and make_record(maker, scan).provenance.fps == 30


def test_settings_tell_renderers_their_versions_and_their_seeds_apart() -> None:
    settings = renders().settings()
    assert settings["renderer"]["embreex"] and settings["seed"] == 0
    blender = ScanRenders(RendersConfig(image_size=96), 0, load, "0" * 64).settings()
    assert blender["renderer"]["bpy"].startswith("4.") and blender["renderer"]["samples"]
    assert "threads" not in blender["renderer"] and "workers" not in blender


def test_pshuman_s_face_needs_a_size_that_is_a_multiple_of_three() -> None:
    with pytest.raises(ValueError, match="multiple of 3"):
        RendersConfig(image_size=256)
    assert RendersConfig(image_size=256, view_set="era3d").image_size == 256
