"""True renders pass every filter; each defect is rejected with its own reason, and no other frame with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.drawing.pictures import on_white
from drpose_ray.datasets.record import FrameStatus, SequenceRecord, encode_members
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.windows import window_around
from drpose_ray.synthesis.clothed_body import ClothedBody
from drpose_ray.synthesis.config import ClothedBodyConfig
from drpose_ray.synthesis.quality.config import QualityConfig
from drpose_ray.synthesis.quality.filters import REASONS, QualityCheck
from drpose_ray.synthesis.quality.measures import (
    agreement_with_body,
    border_share,
    find_frozen,
    movement,
    take_thumbnail,
)

FRAMES, BAD = 5, 3
Pixels = np.ndarray


@pytest.fixture(scope="module")
def generator() -> ClothedBody:
    return ClothedBody(ClothedBodyConfig(image_size=96), seed=5)


@pytest.fixture(scope="module")
def records(generator: ClothedBody) -> list[SequenceRecord]:
    """Three windows of generated dances, each another person, with alpha."""
    windows = []
    for rank in range(3):
        dance = generate_dance(np.random.default_rng(rank), num_frames=120)
        clip = replace(dance, motion=dance.motion[::6])  # so that poses differ within a short window
        window = window_around(clip, 10, np.ones(20, bool), FRAMES, rank)
        assert window is not None
        windows.append(window)
    return [generator.make(window) for window in windows]


@pytest.fixture(scope="module")
def body(generator: ClothedBody) -> Body:
    return generator.body


def without_alpha(record: SequenceRecord) -> SequenceRecord:
    """As MIMO draws: on white."""
    return replace(record, images={"input": on_white(record.images["input"])})


def reasons(config: QualityConfig, body: Body, record: SequenceRecord) -> list[str]:
    return [status.reason for status in QualityCheck(config, body)(record).status]


def with_frame(record: SequenceRecord, pixels: Pixels) -> SequenceRecord:
    """``record`` whose frame BAD was drawn as ``pixels``."""
    images = record.images["input"].copy()
    images[BAD] = pixels
    return replace(record, images={"input": images})


def test_true_renders_pass_with_and_without_alpha(records: list[SequenceRecord], body: Body) -> None:
    for record in records:
        for drawn in (record, without_alpha(record)):
            assert QualityCheck(QualityConfig(), body)(drawn).status == (FrameStatus(),) * FRAMES


def test_true_renders_overlap_with_the_body_far_above_the_limit(records: list[SequenceRecord], body: Body) -> None:
    """Measured on 30 windows of mocap and dances: at least .78 with alpha, .69 without; a wrong pose at most .41."""
    for record in records:
        for frame in range(FRAMES):
            thumbnail = take_thumbnail(record.images["input"][frame], 96, 0.05)
            assert agreement_with_body(thumbnail, record, frame, body) > 0.75
            assert border_share(thumbnail.person) == 0


def blank(pixels: Pixels) -> Pixels:
    return np.full_like(pixels, 255) if pixels.shape[-1] == 3 else pixels * np.array([1, 1, 1, 0], np.uint8)


def black(pixels: Pixels) -> Pixels:
    return np.zeros_like(pixels) if pixels.shape[-1] == 3 else pixels * np.array([0, 0, 0, 1], np.uint8)


def grey(pixels: Pixels) -> Pixels:
    flat = pixels.copy()
    flat[..., :3] = 120
    return flat


def cropped(pixels: Pixels) -> Pixels:
    """Only the middle is shown, twice as large."""
    part = Image.fromarray(pixels).crop((24, 24, 72, 72))
    return np.asarray(part.resize((96, 96), Image.Resampling.BICUBIC))


def shifted(pixels: Pixels) -> Pixels:
    return np.roll(pixels, 10, axis=1)


DEFECTS = [(blank, "empty"), (black, "black"), (grey, "black"), (cropped, "cropped"), (shifted, "silhouette")]


@pytest.mark.parametrize(("spoil", "reason"), DEFECTS)
@pytest.mark.parametrize("alpha", [True, False])
def test_a_spoilt_frame_is_rejected_with_its_reason_and_no_other_frame(
    records: list[SequenceRecord], body: Body, spoil: Callable[[Pixels], Pixels], reason: str, alpha: bool
) -> None:
    for record in records:
        whole = record if alpha else without_alpha(record)
        found = reasons(QualityConfig(), body, with_frame(whole, spoil(whole.images["input"][BAD])))
        assert found == [reason if frame == BAD else "" for frame in range(FRAMES)]


@pytest.mark.parametrize("alpha", [True, False])
def test_a_person_in_another_pose_is_rejected(records: list[SequenceRecord], body: Body, alpha: bool) -> None:
    whole = records if alpha else [without_alpha(record) for record in records]
    for record, other in pairwise(whole):
        found = reasons(QualityConfig(), body, with_frame(record, other.images["input"][BAD]))
        assert found == ["", "", "", "silhouette", ""]


def test_a_camera_that_looks_from_elsewhere_is_noticed_in_every_frame(
    records: list[SequenceRecord], body: Body
) -> None:
    for record in records:
        assert record.camera is not None
        azimuth = (record.camera.azimuth_deg + 90) % 360
        turned = replace(record, camera=record.camera.model_copy(update={"azimuth_deg": azimuth}))
        assert reasons(QualityConfig(), body, turned) == ["silhouette"] * FRAMES


@pytest.mark.parametrize("alpha", [True, False])
def test_a_frame_drawn_like_an_earlier_one_is_frozen_only_if_the_pose_moved(
    records: list[SequenceRecord], body: Body, alpha: bool
) -> None:
    record = records[0] if alpha else without_alpha(records[0])
    assert movement(record)[BAD, 1] > 0.02
    noise = np.random.default_rng(0).integers(-3, 4, record.images["input"][1].shape)
    again = (record.images["input"][1].astype(int) + noise).clip(0, 255).astype(np.uint8)
    assert reasons(QualityConfig(), body, with_frame(record, again)) == ["", "", "", "frozen", ""]

    still = replace(
        record,
        images={"input": record.images["input"][[1] * FRAMES]},
        motion=record.motion[[1] * FRAMES],
        joints_world=record.joints_world[[1] * FRAMES],
        camera=record.camera
        and record.camera.model_copy(
            update={
                "center_world": (record.camera.center_world[1],) * FRAMES,
                "width_m": (record.camera.width_m[1],) * FRAMES,
            }
        ),
    )
    assert reasons(QualityConfig(), body, still) == [""] * FRAMES


def test_only_whole_pictures_are_compared(records: list[SequenceRecord]) -> None:
    thumbnail = take_thumbnail(records[0].images["input"][0], 96, 0.05)
    moved = np.ones((3, 3))
    assert find_frozen([thumbnail, None, thumbnail], moved, 0.02, 0.02) == [False, False, True]
    assert find_frozen([None, thumbnail, None], moved, 0.02, 0.02) == [False] * 3


LIMITS = {
    "empty": ("min_coverage",), "black": ("min_brightness", "min_contrast"), "cropped": ("max_border_share",),
    "frozen": ("max_frozen_difference",), "silhouette": ("min_silhouette_iou",),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "reason"), DEFECTS)
def test_null_turns_a_filter_off(
    records: list[SequenceRecord], body: Body, spoil: Callable[[Pixels], Pixels], reason: str
) -> None:
    assert tuple(LIMITS) == REASONS
    bad = with_frame(records[0], spoil(records[0].images["input"][BAD]))
    off = QualityConfig.model_validate(dict.fromkeys(LIMITS[reason]))
    assert reason not in reasons(off, body, bad)
    all_off = QualityConfig.model_validate(dict.fromkeys(limit for limits in LIMITS.values() for limit in limits))
    assert reasons(all_off, body, bad) == [""] * FRAMES


def test_a_rejected_frame_keeps_its_joints_and_loses_its_pixels_in_the_shard(
    records: list[SequenceRecord], body: Body
) -> None:
    failed = FrameStatus(state="failed", reason="out of memory")
    record = replace(
        with_frame(records[0], black(records[0].images["input"][BAD])), status=(failed, *records[0].status[1:])
    )
    checked = QualityCheck(QualityConfig(), body)(record)
    assert checked.status[0] == failed, "what failed was not drawn, so there is nothing to filter"
    assert checked.status[BAD] == FrameStatus(state="filtered", reason="black")
    np.testing.assert_array_equal(checked.joints_world, record.joints_world)
    names = [name for name, _ in encode_members(checked) if name.endswith(".png")]
    assert [int(name.split(".")[1]) for name in names] == [1, 2, 4]


def test_a_record_without_pictures_stays_as_it_is(records: list[SequenceRecord], body: Body) -> None:
    failed = replace(
        records[0], images={}, camera=None, status=(FrameStatus(state="failed", reason="x"),) * FRAMES,
        joints_world=np.full_like(records[0].joints_world, np.nan),
    )  # fmt: skip
    assert QualityCheck(QualityConfig(), body)(failed).status == failed.status


def test_settings_are_what_decides(body: Body) -> None:
    one, other = (QualityCheck(QualityConfig(min_coverage=c), body).settings() for c in (0.01, None))
    assert json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)
