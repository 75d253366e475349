"""The joint box: within the limits, on the ground, any way up."""

from __future__ import annotations

import numpy as np

from drpose_ray.geometry.motion_row import BODY_POSE, ROOT_ORIENT
from drpose_ray.geometry.rotations import axis_angle_to_matrix, euler_xyz_to_matrix
from drpose_ray.poses.procedural.box import draw_box
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, JOINT
from drpose_ray.poses.procedural.self_contact import touches_itself
from drpose_ray.poses.sources import draw_pose


def test_box_poses_stand_on_the_ground_any_way_up_and_touch_nothing() -> None:
    rows = draw_box(np.random.default_rng(0), 200)
    joints = joints_from_rows(rows)
    np.testing.assert_allclose(joints[..., 1].min(1), 0, atol=1e-5)
    assert not touches_itself(joints).any()
    up = axis_angle_to_matrix(rows[:, ROOT_ORIENT])[:, 1, 1]  # uniform in [-1, 1] over all rotations
    np.testing.assert_allclose(np.histogram(up, 4, (-1, 1))[0] / 200, 0.25, atol=0.1)


def test_box_poses_keep_to_the_limits() -> None:
    rows = draw_box(np.random.default_rng(1), 100)
    knees = rows[:, BODY_POSE].reshape(-1, 21, 3)[:, JOINT["left_knee"] - 1]
    corners = euler_xyz_to_matrix(np.stack([EULER_LOW, EULER_HIGH])[:, JOINT["left_knee"]])
    most = np.arccos(np.clip((np.trace(corners, axis1=1, axis2=2) - 1) / 2, -1, 1)).max()
    angles = np.linalg.norm(knees, axis=1)
    assert angles.max() <= most + 0.02 and angles.max() > 0.8 * most


def test_a_mixture_names_it() -> None:
    row = draw_pose({"box": 1.0}, 0, 3)
    np.testing.assert_array_equal(row, draw_pose({"box": 1.0}, 0, 3))
    assert row.shape == (322,)
