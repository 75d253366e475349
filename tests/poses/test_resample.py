"""Other rates: whole multiples are taken as they are, the rest is interpolated, and masks follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.motion_row import ROTATIONS, TRANSLATION
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.readers.resample import plan_resampling
from tests.poses.readers.bvh_files import draw_eulers, write_bvh


def _rows(num: int, fps: float) -> np.ndarray:
    """The same turning and walking person at any rate; every joint turns at a constant speed about its own axis."""
    seconds = np.arange(num)[:, None] / fps
    axes = np.random.default_rng(0).normal(0, 0.5, 159)
    rows = np.zeros((num, 322), np.float32)
    rows[:, ROTATIONS] = seconds * axes
    rows[:, TRANSLATION] = seconds * (0.5, 0.1, -1.2)
    return rows


@pytest.mark.parametrize("recorded", [25.0, 24.0, 100.0, 29.97, 50.0, 20.0, 144.0])
def test_even_turns_and_straight_paths_are_met_exactly_at_any_rate(recorded: float) -> None:
    made, valid = plan_resampling(recorded, 30, Path("x")).apply(_rows(80, recorded), None)
    assert valid is None and len(made) == int(np.floor(79 * 30 / recorded + 1e-6)) + 1
    expected = _rows(len(made), 30)
    np.testing.assert_allclose(joints_from_rows(made), joints_from_rows(expected), atol=2e-5)


@pytest.mark.parametrize(("recorded", "stride"), [(120.0, 4), (60.0, 2), (30.0, 1), (30.00000001, 1)])
def test_whole_multiples_are_taken_as_they_are(recorded: float, stride: int) -> None:
    resampling = plan_resampling(recorded, 30, Path("x"))
    rows = _rows(9, recorded)
    assert resampling.stride == stride and resampling.apply(rows, None)[0] is rows


def test_between_two_frames_it_is_slerp_the_short_way_round() -> None:
    rows = generate_dance(stream(5, "slerp"), 12).motion
    rows[3, :3], rows[4, :3] = (0, 3.0, 0), (0, -3.0, 0)  # 0.28 radians apart, over the back
    made, _ = plan_resampling(25, 30, Path("x")).apply(rows, None)
    for joint in (0, 1, 18):
        columns = slice(3 * joint, 3 * joint + 3)
        slerp = Slerp(np.arange(12), Rotation.from_rotvec(rows[:, columns]))
        expected = slerp(np.arange(len(made)) * 25 / 30)
        assert (expected.inv() * Rotation.from_rotvec(made[:, columns])).magnitude().max() < 1e-5


def test_a_frame_is_valid_if_those_it_is_made_of_are() -> None:
    rows, valid = _rows(13, 25), np.ones(13, bool)
    rows[5], valid[5] = np.nan, False
    made, mask = plan_resampling(25, 30, Path("x")).apply(rows, valid)
    assert mask is not None and not mask.all()
    assert np.isfinite(made[mask]).all()
    places = np.arange(len(made)) * 25 / 30
    assert mask.tolist() == [not (4 < place < 6) for place in np.round(places, 6)]


def test_one_frame_stays_one() -> None:
    assert len(plan_resampling(25, 30, Path("x")).apply(_rows(1, 25), None)[0]) == 1


def test_mixed_rates_in_one_folder_become_one(tmp_path: Path) -> None:
    for name, seconds, num in (("a", "0.04", 26), ("b", "0.0083333", 121), ("c", "0.0416667", 25)):
        write_bvh(tmp_path / f"{name}.bvh", draw_eulers(num), seconds=seconds)
    clips = read_motions(tmp_path)
    assert {clip.fps for clip in clips} == {30} and [len(clip.motion) for clip in clips] == [31, 31, 31]


def test_less_than_half_the_rate_is_refused() -> None:
    plan_resampling(15, 30, Path("x"))
    with pytest.raises(InputError, match="made up") as caught:
        plan_resampling(14, 30, Path("x"))
    assert (caught.value.field, caught.value.value) == ("fps", 14)
