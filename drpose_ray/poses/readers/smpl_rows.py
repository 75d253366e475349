"""From SMPL and SMPL-H parameters to Motion-X rows: the 22 body joints are the same, the pelvis at rest is not."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, turn
from drpose_ray.poses.clip import out_of_range
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST

SMPL_PELVIS_AT_REST: Final = np.array([-0.002, -0.223, 0.028])
"""Where SMPL and SMPL-H of mean shape have the pelvis at rest, metres; shape moves it by a few centimetres."""
Z_UP_TO_Y_UP: Final = turn(0, -np.pi / 2)
"""(3, 3): (x, y, z) with z up -> (x, z, -y) with y up."""


def rows_from_smpl(
    body: NDArray[np.floating],
    translation: NDArray[np.floating],
    *,
    hands: NDArray[np.floating] | None = None,
    pelvis_at_rest: NDArray[np.float64] = SMPL_PELVIS_AT_REST,
    world: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Motion-X rows (T, 322) with zero face and shape.

    Args:
        body: (T, 66) axis-angles of the root and joints 1-21.
        translation: (T, 3) metres, in the model's way: the pelvis lies at translation + ``pelvis_at_rest``.
        hands: (T, 90) left then right; by default zero.
        pelvis_at_rest: (3,) metres, of the model that the parameters are for.
        world: (3, 3) rotation from the file's world axes to y up, z forward; by default none.
    """
    rows = np.zeros((len(body), motion_row.NUM_COLUMNS))
    rows[:, motion_row.JOINT_ROTATIONS] = body
    pelvis = translation + pelvis_at_rest
    if world is not None:
        # A turn would make an angle of 1e30 look like one that a body can take.
        sane = ~out_of_range(rows)
        rows[sane, motion_row.ROOT_ORIENT] = matrix_to_axis_angle(world @ axis_angle_to_matrix(body[sane, :3]))
        pelvis = pelvis @ world.T
    rows[:, motion_row.TRANSLATION] = pelvis - PELVIS_AT_REST
    if hands is not None:
        rows[:, motion_row.HAND_POSE] = hands
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)
