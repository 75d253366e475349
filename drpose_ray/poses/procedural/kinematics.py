"""Joint positions of Motion-X rows on a constant skeleton, so that poses can be compared without a body file.

The skeleton is a 1.75 m adult in SMPL-X's T-pose and axes (x to the person's left, y up, z forward), rounded to half a
centimetre. Selection, diversity and grounding use it; images and rewards use the body model's own joints.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS

PELVIS_AT_REST: Final = np.array([0.0, -0.35, 0.01])
"""Where SMPL-X's rest pose has the pelvis; a row's translation is counted from it."""

_LEFT_AND_MIDDLE: Final = {
    "left_hip": (0.060, -0.090, -0.020),
    "left_knee": (0.030, -0.380, -0.005),
    "left_ankle": (-0.015, -0.405, -0.030),
    "left_foot": (0.030, -0.060, 0.120),
    "spine1": (0.0, 0.110, -0.030),
    "spine2": (0.0, 0.135, 0.0),
    "spine3": (0.0, 0.055, 0.025),
    "neck": (0.0, 0.165, -0.030),
    "head": (0.0, 0.160, 0.020),
    "left_collar": (0.045, 0.085, -0.010),
    "left_shoulder": (0.115, 0.055, -0.015),
    "left_elbow": (0.260, 0.0, -0.020),
    "left_wrist": (0.255, 0.0, 0.0),
}  # metres from the parent joint


def _offset(name: str) -> tuple[float, float, float]:
    if name.startswith("right"):
        x, y, z = _LEFT_AND_MIDDLE[name.replace("right", "left")]
        return -x, y, z
    return _LEFT_AND_MIDDLE.get(name, (0.0, 0.0, 0.0))


REST_OFFSETS: Final = np.array([_offset(name) for name in JOINT_NAMES[:NUM_BODY_JOINTS]])
"""(22, 3) metres from each joint's parent in the T-pose; zero for the pelvis."""


def joints_from_rotations(rotations: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 22, 3, 3) rotations relative to the parent -> (N, 22, 3) metres, pelvis at the origin."""
    world = np.empty(rotations.shape)
    joints = np.zeros(rotations.shape[:-1])
    world[:, 0] = rotations[:, 0]
    for joint in range(1, NUM_BODY_JOINTS):
        parent = PARENTS[joint]
        joints[:, joint] = joints[:, parent] + world[:, parent] @ REST_OFFSETS[joint]
        world[:, joint] = world[:, parent] @ rotations[:, joint]
    return joints


def joints_from_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 322) Motion-X rows -> (N, 22, 3) world joint positions in metres."""
    angles = rows[:, motion_row.JOINT_ROTATIONS].reshape(len(rows), NUM_BODY_JOINTS, 3)
    pelvis = PELVIS_AT_REST + rows[:, motion_row.TRANSLATION]
    joints = joints_from_rotations(axis_angle_to_matrix(angles))
    joints += pelvis[:, None]
    return joints
