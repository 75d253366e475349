"""The 23 joints of PoseScore (Sec. 4.1): SMPL-X joints 0-22, i.e. the 22 body joints and the jaw."""

from __future__ import annotations

from typing import Final

JOINT_NAMES: Final = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw",
)  # fmt: skip

# Joint j's map draws the limb from PARENTS[j] to j; the pelvis is its own parent, so its limb is a disc.
PARENTS: Final = (0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15)

NUM_JOINTS: Final = len(JOINT_NAMES)
NUM_BODY_JOINTS: Final = 22
"""Without the jaw: what pose diversity (Fig. 4) and farthest-point sampling measure."""

MIRROR: Final = tuple(
    JOINT_NAMES.index(name.replace("left", "right") if name.startswith("left") else name.replace("right", "left"))
    for name in JOINT_NAMES
)
"""MIRROR[j] is the joint that j becomes in a left-right reflection."""
