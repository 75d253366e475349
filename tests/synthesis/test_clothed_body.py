"""The free twin's records: pixels, joints and cameras that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drpose_ray.datasets.builder.maker import settings_sha256
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project, world_to_cam
from drpose_ray.poses.procedural.standing import draw_moderate
from drpose_ray.poses.sources import turn_row
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.clothed_body import ClothedBody
from drpose_ray.synthesis.config import ClothedBodyConfig
from tests.body.garments.small import write_outfit


def window(heading_rad: float = 1.0) -> PoseWindow:
    rows = draw_moderate(np.random.default_rng(3), 2)
    rows[:, 309:312] += np.array([0.7, 0.2, -0.4], np.float32)
    return PoseWindow(
        sequence_id="w-0", clip="c", frames=np.array([4, 5]), motion=turn_row(rows, heading_rad), pick=5, rank=0,
        fps=30.0, source="test", licence="CC0-1.0",
    )  # fmt: skip


@pytest.fixture(scope="module")
def record() -> SequenceRecord:
    config = ClothedBodyConfig(image_size=64, multiview=True, azimuth_deg=30.0, heading_spread_deg=0.0)
    return ClothedBody(config, seed=5).make(window())


def test_projected_joints_fall_on_the_person_in_every_view(record: SequenceRecord) -> None:
    assert record.camera is not None
    azimuths = torch.tensor(VIEW_AZIMUTHS_DEG) + record.camera.azimuth_deg
    uv = project(
        torch.from_numpy(record.joints_world), torch.tensor(record.camera.center_world).float(),
        torch.tensor(record.camera.width_m).float(), azimuths,
    )  # fmt: skip
    pixels = (uv * 64).long().clamp(0, 63).numpy()
    for view in range(6):
        person = record.images[f"color{view}"].min(-1) < 250
        for frame in range(2):
            on_person = person[frame][pixels[frame, view, :, 1], pixels[frame, view, :, 0]]
            assert on_person.mean() > 0.9, (view, frame)


def test_the_input_camera_sees_the_picked_frame_from_the_chosen_azimuth(record: SequenceRecord) -> None:
    assert record.camera is not None
    local = record.joints_world[1] @ world_to_cam(record.camera.azimuth_deg).T
    hips = local[1] - local[2]
    assert np.rad2deg(np.arctan2(-hips[2], hips[0])) == pytest.approx(-30.0, abs=1.0)


def test_motion_rows_stay_in_the_axes_of_the_source(record: SequenceRecord) -> None:
    source = window().motion
    np.testing.assert_array_equal(record.motion[:, :312], source[:, :312])
    assert not np.array_equal(record.motion[:, 312:], source[:, 312:]), "the betas are the drawn person's"
    pelvis = record.joints_world[:, 0] - source[:, 309:312]
    np.testing.assert_allclose(pelvis, np.tile([0, -0.35, 0.01], (2, 1)), atol=0.02)


def test_the_input_composited_on_white_is_the_front_view(record: SequenceRecord) -> None:
    rgba = record.images["input"] / 255.0
    composite = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
    np.testing.assert_allclose(composite, record.images["color0"] / 255.0, atol=1.5 / 255)


def test_one_person_through_the_window_and_another_for_the_next_rank() -> None:
    generator = ClothedBody(ClothedBodyConfig(image_size=32), seed=5)
    assert generator.person_seed(window()) == generator.person_seed(window(0.1))
    other = PoseWindow(**{**window().__dict__, "rank": 1})
    assert generator.person_seed(other) != generator.person_seed(window())


def test_painted_records_keep_the_identity_that_they_had_before_garments() -> None:
    generator = ClothedBody(ClothedBodyConfig(image_size=96, multiview=True, azimuth_deg=None), seed=3)
    assert settings_sha256(generator) == "c284c5b11a55586fd63669ea0733ff02800fc41dd51f774d20f9b82c4d869ddf"
    assert generator.person_seed(PoseWindow(**{**window().__dict__, "rank": 3})) == 4262300875468982294
    assert generator.image_licence == "CC0-1.0 (rendered by the free twin; not a photo)"


def test_records_of_dressed_people_name_their_wardrobe_and_not_its_folder(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_outfit(tmp_path / folder)
    one, other = (ClothedBody(ClothedBodyConfig(image_size=32, garments=tmp_path / name), seed=5) for name in "ab")
    painted = ClothedBody(ClothedBodyConfig(image_size=32), seed=5)
    assert one.settings() == other.settings() == {**painted.settings(), **one.tailor.identity()}
    assert one.person_seed(window()) == other.person_seed(window()) != painted.person_seed(window())
    record, again = one.make(window()), other.make(window())
    np.testing.assert_array_equal(record.images["input"], again.images["input"])
    assert record.provenance == again.provenance
    assert record.licence.image.endswith("; garments: not stated")
