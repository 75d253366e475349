"""The mask refuses what breaks selections, for the right reason, and nothing that a body can do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import euler_xyz_to_matrix
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, JOINT
from drpose_ray.poses.readers.motions import MotionClip
from drpose_ray.poses.validity import breaks_limits, check_frames


def _still(num: int = 20, fps: float = 30) -> MotionClip:
    return MotionClip("still", np.zeros((num, 322), np.float32), fps, None, "test", "none")


def test_any_rotation_of_the_box_is_within_limits_even_at_gimbal_lock() -> None:
    euler = np.random.default_rng(0).uniform(EULER_LOW, EULER_HIGH, (300, 22, 3))
    euler[:100, [JOINT["left_shoulder"], JOINT["left_elbow"]], 1] = -np.pi / 2
    assert not breaks_limits(euler_xyz_to_matrix(euler), tolerance=0.001).any()


def test_knees_bent_forward_are_refused() -> None:
    clip = _still()
    clip.motion[5, 3 * JOINT["left_knee"]] = np.radians(-60)
    validity = check_frames(replace(clip, fps=1))
    assert np.flatnonzero(~validity.mask).tolist() == [5]
    assert validity.refused["joint limit"] == 1


def test_a_jump_refuses_both_of_its_frames_also_at_the_ends() -> None:
    for frame, refused in ((0, [0, 1]), (10, [9, 10, 11]), (19, [18, 19])):
        clip = _still()
        clip.motion[frame, 1] = 41 / 30  # the root turns by more than 40 rad/s at 30 fps
        validity = check_frames(clip)
        assert np.flatnonzero(~validity.mask).tolist() == refused
        assert validity.refused["angular speed"] == len(refused)
        clip.motion[frame, 1] = 39 / 30
        assert check_frames(clip).mask.all()


def test_nan_refuses_its_frame_only() -> None:
    clip = _still()
    clip.motion[7, 200], clip.motion[12, 4] = np.nan, np.inf
    validity = check_frames(clip)
    assert np.flatnonzero(~validity.mask).tolist() == [7, 12]
    assert {reason: count for reason, count in validity.refused.items() if count} == {"not finite": 2}


def test_marks_of_the_source_are_kept_and_one_frame_is_enough() -> None:
    valid = np.arange(20) != 3
    assert check_frames(replace(_still(), valid=valid)).mask.tolist() == valid.tolist()
    assert check_frames(_still(1)).mask.tolist() == [True]


def test_absurd_numbers_refuse_their_frame_only_and_are_counted() -> None:
    clip = _still()
    clip.motion[4, 1], clip.motion[9, motion_row.TRANSLATION.start], clip.motion[15, 200] = 1e30, 1e5, -1e4
    validity = check_frames(clip)
    assert np.flatnonzero(~validity.mask).tolist() == [4, 9, 15]
    assert {reason: count for reason, count in validity.refused.items() if count} == {"out of range": 3}
