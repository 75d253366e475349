"""The pose space in which farthest points and diversity are measured."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.rotations import turn
from drpose_ray.geometry.skeleton import NUM_BODY_JOINTS
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT

NUM_FEATURES: Final = 3 * NUM_BODY_JOINTS


def yaw_aligned_joints(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 322) -> (N, 22, 3) metres, pelvis at the origin, turned about the vertical until the left hip is at +x.

    Heading and place are removed, lean is kept: a handstand differs from standing.
    """
    joints = joints_from_rows(rows)
    joints -= joints[:, :1]
    across = joints[:, JOINT["left_hip"]] - joints[:, JOINT["right_hip"]]
    # Turning by atan2(z, x) about +y takes the horizontal part of the hip axis to +x.
    aligned: NDArray[np.float64] = joints @ turn(1, np.arctan2(across[:, 2], across[:, 0])).swapaxes(1, 2)
    return aligned


def pose_features(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, 322) -> (N, 66) float32: yaw-aligned joints; L2 distances are metres times sqrt(22)."""
    return yaw_aligned_joints(rows).reshape(len(rows), NUM_FEATURES).astype(np.float32)
