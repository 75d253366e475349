"""Retargeting a BVH skeleton onto SMPL-X's 22 body joints.

The rule. Let G_s be the accumulated world rotation of the BVH joint s, and s(j) the joint that SMPL-X's j is named
after. Then SMPL-X's world rotation is G_s(j) A_j, with a constant A_j that accounts for the two rest poses:

* F takes the axes of SMPL-X's rest body (left hip, trunk) to those of the BVH's, so that any rest facing is accepted;
* for shoulders, elbows, hips and knees A_j = M_j F, where M_j is the smallest rotation that takes F times SMPL-X's rest
  bone to the BVH's rest bone: the retargeted bone then points exactly where the BVH's does, whatever its rest pose;
* for all other joints A_j = F. Pelvis, spine, neck, head, collars and feet are other anatomical points in the other
  skeleton, and aligning their offsets would bend a straight back and tip level feet. A wrist takes its elbow's A_j.

Joints the BVH lacks: spine2 turns half-way between spine1 and spine3; a missing foot follows its ankle. Local rotations
follow along SMPL-X's tree. The root's path is scaled by the ratio of leg lengths, which also settles the file's unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS
from drpose_ray.poses.kinematics import PELVIS_AT_REST, REST_OFFSETS
from drpose_ray.poses.limits import JOINT
from drpose_ray.poses.readers.bvh import Bvh

_OPTIONAL: Final = ("spine2", "left_foot", "right_foot")
_LIMB_CHILD: Final = {
    f"{side}_{joint}": f"{side}_{child}"
    for side in ("left", "right")
    for joint, child in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
}
_TRUNK_CMU: Final = {
    "pelvis": "Hips", "spine1": "LowerBack", "spine2": "Spine", "spine3": "Spine1", "neck": "Neck", "head": "Head",
}  # fmt: skip
_TRUNK_DAZ: Final = {"pelvis": "hip", "spine1": "abdomen", "spine3": "chest", "neck": "neck", "head": "head"}
_LIMBS_CMU: Final = {
    "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
}  # fmt: skip
_LIMBS_DAZ: Final = {
    "collar": "Collar", "shoulder": "Shldr", "elbow": "ForeArm", "wrist": "Hand",
    "hip": "Thigh", "knee": "Shin", "ankle": "Foot",
}  # fmt: skip


def _with_sides(trunk: Mapping[str, str], limbs: Mapping[str, str], left: str, right: str) -> dict[str, str]:
    sides = {f"{side}_{joint}": prefix + name for side, prefix in (("left", left), ("right", right))
             for joint, name in limbs.items()}  # fmt: skip
    return {**trunk, **sides}


JOINT_MAPS: Final = {
    "CMU": _with_sides(_TRUNK_CMU, _LIMBS_CMU, "Left", "Right"),
    "Daz": _with_sides(_TRUNK_DAZ, _LIMBS_DAZ, "l", "r"),
    "Daz, long names": _with_sides(_TRUNK_DAZ, _LIMBS_DAZ, "left", "right"),
}
"""SMPL-X joint -> BVH joint, by naming scheme."""


def rows_from_bvh(bvh: Bvh, file: Path) -> NDArray[np.float32]:
    """Motion-X rows (T, 322), y up in metres if the BVH is y up, by the rule above; zero hands, face and shape.

    Raises:
        InputError: the joints have the names of no known scheme, or the rest pose has bones of no length.
    """
    joints = _match_names(bvh, file)
    rest = {name: bvh.rest_positions()[index] for name, index in joints.items()}
    corrections = _corrections(rest, file)
    world_bvh = bvh.world_rotations()
    world = np.empty((len(world_bvh), NUM_BODY_JOINTS, 3, 3))
    for name, index in joints.items():
        world[:, JOINT[name]] = world_bvh[:, index] @ corrections[name]
    if "spine2" not in joints:
        world[:, JOINT["spine2"]] = _half_way(world[:, JOINT["spine1"]], world[:, JOINT["spine3"]])
    for side in ("left", "right"):
        if f"{side}_foot" not in joints:
            world[:, JOINT[f"{side}_foot"]] = world[:, JOINT[f"{side}_ankle"]]
    local = world.copy()
    for joint in range(1, NUM_BODY_JOINTS):
        local[:, joint] = world[:, PARENTS[joint]].swapaxes(1, 2) @ world[:, joint]
    rows = np.zeros((len(world), motion_row.NUM_COLUMNS))
    rows[:, motion_row.JOINT_ROTATIONS] = matrix_to_axis_angle(local).reshape(len(world), -1)
    # Motion-X's translation is the pelvis minus its place in the rest pose.
    rows[:, motion_row.TRANSLATION] = bvh.positions()[:, joints["pelvis"]] * _scale(rest) - PELVIS_AT_REST
    return rows.astype(np.float32)


def _match_names(bvh: Bvh, file: Path) -> dict[str, int]:
    """SMPL-X joint -> index of the BVH joint, by the scheme that lacks the fewest names."""
    lacking = {
        scheme: [name for joint, name in names.items() if joint not in _OPTIONAL and name not in bvh.names]
        for scheme, names in JOINT_MAPS.items()
    }
    scheme = min(lacking, key=lambda scheme: len(lacking[scheme]))
    if lacking[scheme]:
        raise InputError(
            f"joints are missing; the nearest naming scheme is {scheme}",
            file=file,
            field="JOINT",
            value=lacking[scheme],
            remedy="rename the joints, or add the scheme to JOINT_MAPS in poses/readers/retarget.py",
        )
    return {joint: bvh.names.index(name) for joint, name in JOINT_MAPS[scheme].items() if name in bvh.names}


def _corrections(rest: Mapping[str, NDArray[np.float64]], file: Path) -> dict[str, NDArray[np.float64]]:
    """A_j by SMPL-X joint name, from the BVH's rest positions."""
    trunk, across = rest["neck"] - rest["pelvis"], rest["left_hip"] - rest["right_hip"]
    limbs = {joint: rest[child] - rest[joint] for joint, child in _LIMB_CHILD.items()}
    for name, bone in {"trunk": trunk, "hips": across, **limbs}.items():
        if np.linalg.norm(bone) < 1e-9:
            raise InputError("a bone has no length", file=file, field="OFFSET", value=name, remedy="export it again")
    facing = _frame(across, trunk)  # SMPL-X's own rest frame is the identity: left +x, up +y
    corrections = dict.fromkeys(rest, facing)
    for joint, bone in limbs.items():
        offset = REST_OFFSETS[JOINT[_LIMB_CHILD[joint]]]
        corrections[joint] = _smallest_rotation(facing @ offset, bone) @ facing
    for side in ("left", "right"):
        corrections[f"{side}_wrist"] = corrections[f"{side}_elbow"]
    return corrections


def _frame(left: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) with columns left, up made orthogonal to it, and forward."""
    x = left / np.linalg.norm(left)
    y = up - (up @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)


def _smallest_rotation(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) taking the direction of ``start`` to that of ``end``, about the axis perpendicular to both."""
    axis = np.cross(start, end)
    angle = np.arctan2(np.linalg.norm(axis), start @ end)
    length = np.linalg.norm(axis)
    return axis_angle_to_matrix(axis / length * angle if length > 1e-12 else np.zeros(3))


def _half_way(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    step = matrix_to_axis_angle(one.swapaxes(1, 2) @ other)
    return one @ axis_angle_to_matrix(0.5 * step)


def _scale(rest: Mapping[str, NDArray[np.float64]]) -> float:
    """Metres per unit of the BVH, from thigh and shin of both sides."""
    legs = [(f"{side}_{joint}", f"{side}_{child}") for side in ("left", "right")
            for joint, child in (("hip", "knee"), ("knee", "ankle"))]  # fmt: skip
    theirs = sum(float(np.linalg.norm(rest[child] - rest[joint])) for joint, child in legs)
    ours = sum(float(np.linalg.norm(REST_OFFSETS[JOINT[child]])) for _, child in legs)
    return ours / theirs


assert set(JOINT_MAPS["CMU"]) == set(JOINT_NAMES[:NUM_BODY_JOINTS])  # the fullest scheme names every body joint
