"""Standing poses stand; moderate ones lie between standing and dance."""

from __future__ import annotations

import numpy as np

from drpose_ray.core.seeding import stream
from drpose_ray.poses.procedural import standing
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.procedural.self_contact import touches_itself
from drpose_ray.poses.sampling.diversity import diversity_mm
from drpose_ray.poses.sampling.features import yaw_aligned_joints


def test_standing_people_stand_with_arms_beside_the_body() -> None:
    rows = standing.draw_standing(stream(0, "standing"), 500)
    assert rows.shape == (500, 322) and rows.dtype == np.float32
    joints = joints_from_rows(rows)
    upper_arm = joints[:, JOINT["left_elbow"]] - joints[:, JOINT["left_shoulder"]]
    down = np.degrees(np.arccos(-upper_arm[:, 1] / np.linalg.norm(upper_arm, axis=1)))
    assert np.percentile(down, 1) > 3 and np.percentile(down, 99) < 40
    assert (joints[:, JOINT["left_wrist"], 0] > joints[:, JOINT["right_wrist"], 0]).all()
    assert np.ptp(joints[:, JOINT["head"], 1]) < 0.12
    assert touches_itself(joints).mean() < 0.01
    feet = joints[:, [JOINT["left_foot"], JOINT["right_foot"]], 1]
    assert np.percentile(feet.max(1), 95) < 0.06


def test_diversity_orders_standing_moderate_and_dance() -> None:
    sets = [
        standing.draw_standing(stream(0, "s"), 500),
        standing.draw_moderate(stream(0, "m"), 500),
        generate_dance(stream(0, "d"), 1500).motion,
    ]
    narrow, moderate, broad = map(diversity_mm, sets)
    assert 10 < narrow < 60 < moderate < broad


def test_heading_does_not_change_yaw_aligned_joints() -> None:
    rows = standing.draw_moderate(stream(1, "m"), 50)
    aligned = yaw_aligned_joints(rows)
    across = aligned[:, JOINT["left_hip"]] - aligned[:, JOINT["right_hip"]]
    np.testing.assert_allclose(across[:, 2], 0, atol=1e-9)
    assert (across[:, 0] > 0).all()
    np.testing.assert_allclose(aligned[:, 0], 0, atol=1e-9)
