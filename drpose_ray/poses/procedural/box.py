"""Poses of the joint box: every angle uniform within its anatomical limits, and the body turned any way up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drpose_ray.geometry.rotations import euler_xyz_to_matrix
from drpose_ray.poses.procedural.kinematics import joints_from_rotations
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW
from drpose_ray.poses.procedural.rows import grounded_rows
from drpose_ray.poses.procedural.self_contact import touches_itself


def draw_box(rng: np.random.Generator, num: int) -> NDArray[np.float32]:
    """(num, 322) Motion-X rows: roots uniform over all rotations, limbs apart, the lowest joint on the ground."""
    drawn: list[NDArray[np.float64]] = []
    while len(drawn) < num:
        rotations = euler_xyz_to_matrix(rng.uniform(EULER_LOW, EULER_HIGH)[None])
        rotations[:, 0] = Rotation.random(rng=rng).as_matrix()
        if not touches_itself(joints_from_rotations(rotations)).any():
            drawn.append(rotations[0])
    return grounded_rows(np.stack(drawn))
