"""The constant skeleton moves as a person does."""

from __future__ import annotations

import numpy as np

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.skeleton import MIRROR
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, REST_OFFSETS, joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT


def test_rest_pose_is_a_symmetric_t_pose_of_an_adult() -> None:
    joints = joints_from_rows(np.zeros((1, 322), np.float32))[0]
    np.testing.assert_allclose(joints[0], PELVIS_AT_REST)
    np.testing.assert_allclose(joints[list(MIRROR[:22])] * (-1, 1, 1), joints, atol=1e-12)
    assert joints[JOINT["left_wrist"], 0] > 0.6
    assert 1.4 < joints[JOINT["head"], 1] - joints[JOINT["left_foot"], 1] < 1.6


def test_turns_move_only_what_hangs_below_and_keep_bone_lengths() -> None:
    rows = np.random.default_rng(0).normal(0, 0.5, (30, 322))
    joints, rest = joints_from_rows(rows), joints_from_rows(np.zeros((1, 322)))
    for child, parent in ((4, 1), (18, 16), (20, 18), (15, 12)):
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(REST_OFFSETS[child]))
    bent = np.zeros((1, 322))
    bent[0, 3 * JOINT["left_knee"]] = np.pi / 2
    moved = np.abs(joints_from_rows(bent) - rest)[0].max(-1) > 1e-9
    assert set(np.flatnonzero(moved)) == {JOINT["left_ankle"], JOINT["left_foot"]}
    assert joints_from_rows(bent)[0, JOINT["left_ankle"], 2] < -0.3  # the heel goes back


def test_translation_moves_every_joint_alike() -> None:
    row = np.zeros((1, 322))
    row[0, motion_row.TRANSLATION] = 1, 2, 3
    np.testing.assert_allclose(
        joints_from_rows(row) - joints_from_rows(0 * row), np.broadcast_to((1, 2, 3), (1, 22, 3))
    )
