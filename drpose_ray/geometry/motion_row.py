"""Columns of a Motion-X row: angles in radians as axis-angle, translation in metres."""

from __future__ import annotations

from typing import Final

NUM_COLUMNS: Final = 322
ROOT_ORIENT: Final = slice(0, 3)
BODY_POSE: Final = slice(3, 66)
"""21 joints x 3, SMPL-X joints 1-21."""
JOINT_ROTATIONS: Final = slice(0, 66)
"""Root and body together: 22 joints x 3."""
HAND_POSE: Final = slice(66, 156)
"""Left then right, 15 joints x 3 each, without the hand model's mean pose."""
JAW_POSE: Final = slice(156, 159)
EXPRESSION: Final = slice(159, 209)
FACE_SHAPE: Final = slice(209, 309)
TRANSLATION: Final = slice(309, 312)
"""Pelvis position minus its place in the rest pose."""
BETAS: Final = slice(312, 322)
