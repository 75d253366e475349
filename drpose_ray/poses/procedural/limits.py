"""Anatomical limits: one box of Euler angles per joint (``geometry.rotations``: twist first for the arms)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.skeleton import JOINT_NAMES, MIRROR, NUM_BODY_JOINTS

# Degrees, (low, high) about x, y, z. For the left: hip flexion is x < 0, knee flexion x > 0, an arm is down at
# z = -70, up at z = 85 and forward at y < 0. The right side is the mirror image.
_BOXES: Final = {
    "left_hip": ((-125, 30), (-40, 40), (-20, 65)),
    "left_knee": ((0, 145), (-5, 5), (-5, 5)),
    "left_ankle": ((-30, 45), (-20, 20), (-20, 20)),
    "spine1": ((-15, 35), (-20, 20), (-18, 18)),
    "spine2": ((-12, 25), (-15, 15), (-12, 12)),
    "spine3": ((-12, 20), (-15, 15), (-12, 12)),
    "neck": ((-25, 30), (-35, 35), (-20, 20)),
    "head": ((-20, 25), (-30, 30), (-15, 15)),
    "left_collar": ((-8, 8), (-15, 15), (-8, 25)),
    "left_shoulder": ((-70, 70), (-110, 35), (-85, 85)),
    "left_elbow": ((-60, 60), (-145, 0), (-5, 5)),
    "left_wrist": ((-20, 20), (-25, 25), (-50, 50)),
}

JOINT: Final = {name: index for index, name in enumerate(JOINT_NAMES[:NUM_BODY_JOINTS])}


def mirrored(euler: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 22, 3) Euler angles of the left-right reflected pose: sides swapped, turns about y and z reversed."""
    swapped: NDArray[np.float64] = euler[..., list(MIRROR[:NUM_BODY_JOINTS]), :] * np.array([1.0, -1.0, -1.0])
    return swapped


def _limits() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.zeros((2, NUM_BODY_JOINTS, 3))
    for name, box in _BOXES.items():
        low[JOINT[name]], high[JOINT[name]] = np.radians(box).T
    other = [JOINT[name] for name in JOINT if name.startswith("right")]
    low_mirrored, high_mirrored = mirrored(low), mirrored(high)
    low[other] = np.minimum(low_mirrored, high_mirrored)[other]
    high[other] = np.maximum(low_mirrored, high_mirrored)[other]
    return low, high


EULER_LOW, EULER_HIGH = _limits()
"""(22, 3) radians each; the pelvis and the feet (toes) are pinned to zero."""
