"""Segments' distances, and the contacts that people cannot have."""

from __future__ import annotations

import numpy as np

from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.procedural.self_contact import segment_distance, touches_itself


def test_segment_distance_agrees_with_dense_sampling() -> None:
    ends = np.random.default_rng(0).normal(size=(4, 60, 3))
    at = np.linspace(0, 1, 200)[:, None, None]
    one, other = ends[0] + at * (ends[1] - ends[0]), ends[2] + at * (ends[3] - ends[2])
    sampled = np.linalg.norm(one[:, None] - other[None], axis=-1).min((0, 1))
    found = segment_distance(*ends)
    assert (found <= sampled + 1e-12).all()
    np.testing.assert_allclose(found, sampled, atol=0.02)


def test_parallel_segments() -> None:
    x = np.array([[1.0, 0, 0]])
    above = np.array([[0, 2.0, 0]])
    np.testing.assert_allclose(segment_distance(0 * x, x, above + x, above + 3 * x), 2)


def test_forearm_through_the_belly_touches_and_a_t_pose_does_not() -> None:
    rows = np.zeros((2, 322))
    rows[1, 3 * JOINT["left_shoulder"] + 2] = np.radians(-80)
    rows[1, 3 * JOINT["left_elbow"] + 2] = np.radians(-80)
    assert touches_itself(joints_from_rows(rows)).tolist() == [False, True]
