"""Motion-X rows from Euler angles: grounded, with zero hands, face and shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import euler_xyz_to_matrix, matrix_to_axis_angle, turn
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, joints_from_rotations


def rotations_from_euler(
    body_euler: NDArray[np.float64], tilt: NDArray[np.float64], heading: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rotations relative to the parent, (N, 22, 3, 3).

    Args:
        body_euler: (N, 22, 3) radians; entry 0 is ignored.
        tilt: (N, 2) radians, forward pitch and roll to the right of the pelvis.
        heading: (N,) radians about the vertical, 0 facing +z, positive to the person's left.
    """
    rotations = euler_xyz_to_matrix(body_euler)
    rotations[:, 0] = turn(1, heading) @ turn(0, tilt[:, 0]) @ turn(2, tilt[:, 1])
    return rotations


def grounded_rows(rotations: NDArray[np.float64]) -> NDArray[np.float32]:
    """(N, 22, 3, 3) -> (N, 322): translation puts the lowest joint at y = 0 and the pelvis over the origin."""
    rows = np.zeros((len(rotations), motion_row.NUM_COLUMNS), np.float32)
    rows[:, motion_row.JOINT_ROTATIONS] = matrix_to_axis_angle(rotations).reshape(len(rotations), -1)
    pelvis = np.zeros((len(rotations), 3))
    pelvis[:, 1] = -joints_from_rotations(rotations)[..., 1].min(-1)
    rows[:, motion_row.TRANSLATION] = pelvis - PELVIS_AT_REST
    return rows
