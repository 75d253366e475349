"""Procedural dance stays inside the joint limits and on the ground, and depends on its seed alone."""

from __future__ import annotations

import numpy as np

from drpose_ray.core.seeding import stream
from drpose_ray.evaluation.pose_sets import standing_windows
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix
from drpose_ray.poses import validity
from drpose_ray.poses.procedural import dance
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, mirrored
from drpose_ray.poses.readers import motions as motionx


def _clip(num_frames: int = 1500) -> motionx.MotionClip:
    return dance.generate_dance(stream(3, "test"), num_frames)


def test_every_frame_is_within_the_joint_limits_and_smooth() -> None:
    clip = _clip()
    rotations = axis_angle_to_matrix(clip.motion[:, motion_row.JOINT_ROTATIONS].reshape(-1, 22, 3))
    assert not validity.breaks_limits(rotations, tolerance=0.001).any()
    assert validity.check_frames(clip).refused["angular speed"] == 0


def test_lowest_joint_is_on_the_ground() -> None:
    heights = joints_from_rows(_clip().motion)[..., 1].min(1)
    np.testing.assert_allclose(heights, 0, atol=1e-5)


def test_dance_is_mostly_upright_and_sometimes_inverted() -> None:
    joints = joints_from_rows(np.concatenate([clip.motion for clip in dance.generate_dances(0, 10, 600)]))
    inverted = (joints[:, 12] - joints[:, 0])[:, 1] < 0
    assert 0.005 < inverted.mean() < 0.15


def test_seed_and_number_decide_a_dance() -> None:
    two, three = dance.generate_dances(5, 2, 40), dance.generate_dances(5, 3, 40)
    np.testing.assert_array_equal(two[1].motion, three[1].motion)
    assert not np.array_equal(two[0].motion, two[1].motion)
    assert [clip.name for clip in three] == ["dance_0000", "dance_0001", "dance_0002"]
    assert _clip(1).motion.shape == (1, 322)


def test_limits_and_key_poses_are_mirror_symmetric_and_consistent() -> None:
    low, high = mirrored(EULER_LOW), mirrored(EULER_HIGH)
    np.testing.assert_allclose(np.minimum(low, high), EULER_LOW)
    np.testing.assert_allclose(np.maximum(low, high), EULER_HIGH)
    keys = {**dance._UPRIGHT, **dance._INVERTED}
    assert len(keys) == 12
    for key in keys.values():
        euler = dance._key_angles(key)[1:]
        assert (euler >= EULER_LOW[1:] - 1e-9).all() and (euler <= EULER_HIGH[1:] + 1e-9).all()


def test_sources_are_those_of_the_datasets_of_earlier_versions() -> None:
    """They are in the bytes of selections and shards: another text, and a dataset that was begun is not continued."""
    assert dance.generate_dances(0, 1, 3)[0].source == "procedural dance (drpose_ray.poses.dance)"
    assert standing_windows(0, 1)[0].source == "procedural standing (drpose_ray.poses.standing)"
