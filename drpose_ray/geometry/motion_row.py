"""Columns of a Motion-X row: angles in radians as axis-angle, translation in metres."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_COLUMNS: Final = 322
ROOT_ORIENT: Final = slice(0, 3)
BODY_POSE: Final = slice(3, 66)
"""21 joints x 3, SMPL-X joints 1-21."""
JOINT_ROTATIONS: Final = slice(0, 66)
"""Root and body together: 22 joints x 3."""
HAND_POSE: Final = slice(66, 156)
"""Left then right, 15 joints x 3 each, without the hand model's mean pose."""
JAW_POSE: Final = slice(156, 159)
ROTATIONS: Final = slice(0, 159)
"""All of these: 53 joints x 3."""
EXPRESSION: Final = slice(159, 209)
FACE_SHAPE: Final = slice(209, 309)
TRANSLATION: Final = slice(309, 312)
"""Pelvis position minus its place in the rest pose."""
BETAS: Final = slice(312, 322)


def _largest() -> NDArray[np.float32]:
    bounds = np.full(NUM_COLUMNS, 1e3, np.float32)
    bounds[TRANSLATION] = 1e4
    return bounds


LARGEST: Final = _largest()
"""(322,) by column, the largest magnitude that is taken for a measurement: 1,000 (radians; coefficients), 10 km. Raw
translations of Motion-X's AIST subset, in ninety-fourths of a metre, lie far within."""
