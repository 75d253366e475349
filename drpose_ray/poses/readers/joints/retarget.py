"""Retargeting a BVH skeleton onto SMPL-X's 22 body joints.

The rule. Let G_s be the accumulated world rotation of the BVH joint s, and s(j) the joint that SMPL-X's j is named
after. Then SMPL-X's world rotation is G_s(j) A_j, with a constant A_j that accounts for the two rest poses:

* F takes the axes of SMPL-X's rest body (left hip, trunk) to those of the BVH's, so that any rest facing is accepted.
  Where hips and trunk lie within 20 degrees of coordinate axes, it is these that count: no trunk is quite straight.
  Where the zero pose is no person standing, the skeleton's file says what F is for limbs (`skeletons`);
* for shoulders, elbows, hips and knees A_j = M_j F, where M_j is the smallest rotation that takes F times SMPL-X's rest
  bone to the BVH's rest bone: the retargeted bone then points exactly where the BVH's does, whatever its rest pose;
* for all other joints A_j = F. Pelvis, spine, neck, head, collars and feet are other anatomical points in the other
  skeleton, and aligning their offsets would bend a straight back and tip level feet. A wrist takes its elbow's A_j.
  Ankles are as limbs where the skeleton's file says what F is: there the foot's bone, which slopes, lies along an axis.

Spines are the joints between pelvis and neck: of more than three the upper three count, and since rotations are those
of the world, what lies below is folded in; fewer turn evenly between their neighbours. A missing head, foot or collar
follows its parent. Local rotations follow along SMPL-X's tree. The root's path is scaled by the ratio of leg lengths,
which also settles the file's unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from drpose_ray.geometry.skeleton import NUM_BODY_JOINTS, PARENTS
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, REST_OFFSETS
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.readers.joints.bvh import Bvh
from drpose_ray.poses.readers.joints.skeletons import Skeleton, load_skeletons

_LIMB_CHILD: Final = {
    f"{side}_{joint}": f"{side}_{child}"
    for side in ("left", "right")
    for joint, child in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
}
_INSTEPS: Final = {"left_ankle": "left_foot", "right_ankle": "right_foot"}
_BONES: Final = _LIMB_CHILD | _INSTEPS
_LEGS: Final = tuple(joint for joint in _LIMB_CHILD if joint.endswith(("hip", "knee")))
_SPINE: Final = ("pelvis", "spine1", "spine2", "spine3", "neck")
_FOLLOWS: Final = {"head": "neck", "left_collar": "spine3", "right_collar": "spine3",
                   "left_foot": "left_ankle", "right_foot": "right_ankle"}  # fmt: skip
_OUR_HIPS: Final = REST_OFFSETS[JOINT["left_hip"]] - REST_OFFSETS[JOINT["right_hip"]]
_OUR_TRUNK: Final = sum(REST_OFFSETS[JOINT[name]] for name in _SPINE[1:])
_NEAR: Final = np.cos(np.radians(20))
_STANDS: Final = 0.5
"""Cosine between a leg's bone and SMPL-X's, both at rest, below which the zero pose is no person standing."""


def rows_from_bvh(bvh: Bvh, file: Path, skeletons: Sequence[Skeleton] | None = None) -> NDArray[np.float32]:
    """Motion-X rows (T, 322), y up in metres if the BVH is y up, by the rule above; zero hands, face and shape.

    ``skeletons`` are those that may be met, by default the packaged ones.

    Raises:
        InputError: the joints have the names of no known skeleton, or the rest pose has bones of no length or is none
            that the skeleton is known to have.
    """
    joints, corrections, rest = _fit_skeleton(bvh, file, load_skeletons() if skeletons is None else skeletons)
    world_bvh = bvh.world_rotations()
    world = np.empty((len(world_bvh), NUM_BODY_JOINTS, 3, 3))
    for name, index in joints.items():
        world[:, JOINT[name]] = world_bvh[:, index] @ corrections[name]
    _bridge_spine(world, joints)
    for name, leader in _FOLLOWS.items():
        if name not in joints:
            world[:, JOINT[name]] = world[:, JOINT[leader]]
    local = world.copy()
    for joint in range(1, NUM_BODY_JOINTS):
        local[:, joint] = world[:, PARENTS[joint]].swapaxes(1, 2) @ world[:, joint]
    rows = np.zeros((len(world), motion_row.NUM_COLUMNS))
    rows[:, motion_row.JOINT_ROTATIONS] = matrix_to_axis_angle(local).reshape(len(world), -1)
    # Motion-X's translation is the pelvis minus its place in the rest pose.
    rows[:, motion_row.TRANSLATION] = bvh.positions()[:, joints["pelvis"]] * _scale(rest) - PELVIS_AT_REST
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)


def _fit_skeleton(
    bvh: Bvh, file: Path, skeletons: Sequence[Skeleton]
) -> tuple[dict[str, int], dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """SMPL-X joint -> index of the BVH joint, A_j and rest position, by the skeleton whose names and rest pose fit."""
    matches = [(skeleton, *skeleton.match(bvh.names)) for skeleton in skeletons]
    nearest, _, lacking = min(matches, key=lambda match: len(match[2]))
    if lacking:
        raise InputError(
            f"joints are missing; the nearest naming scheme is {nearest.name}",
            file=file,
            field="JOINT",
            value=lacking,
            remedy="rename the joints, or describe the skeleton in a file of poses.skeletons (docs/motions.md)",
        )
    fitting = [(skeleton, found) for skeleton, found, missing in matches if not missing]
    for skeleton, found in sorted(fitting, key=lambda fit: -len(fit[1])):
        joints = found | _spines(bvh, found)
        rest = {name: bvh.rest_positions()[index] for name, index in joints.items()}
        axes = _axes(rest, skeleton, file)
        if all(_cosine(axes[leg] @ _our_bone(leg), _their_bone(rest, leg)) > _STANDS for leg in _LEGS):
            insteps = [ankle for ankle, foot in _INSTEPS.items() if ankle in skeleton.axes and foot in rest]
            return joints, _corrections(rest, axes, aligned=insteps), rest
    raise InputError(
        "the zero pose is no person standing, and is none that a skeleton of these names is known to have",
        file=file, field="OFFSET", value=[skeleton.name for skeleton, _ in fitting],
        remedy="export with a T-pose at rest, or give the joints' axes in a file of poses.skeletons (docs/motions.md)",
    )  # fmt: skip


def _spines(bvh: Bvh, found: Mapping[str, int]) -> dict[str, int]:
    """SMPL-X spine -> index: what lies above the neck's and the pelvis's last common ancestor."""
    chain: list[int] = []
    below: set[int] = set()
    joint, ancestor = bvh.parents[found["neck"]], found["pelvis"]
    while ancestor >= 0:
        below.add(ancestor)
        ancestor = bvh.parents[ancestor]
    while joint >= 0 and joint not in below:
        chain.insert(0, joint)
        joint = bvh.parents[joint]
    names = {0: (), 1: ("spine3",), 2: ("spine1", "spine3")}.get(len(chain), ("spine1", "spine2", "spine3"))
    return dict(zip(names, chain[-len(names) :], strict=True)) if names else {}


def _bridge_spine(world: NDArray[np.float64], joints: Mapping[str, int]) -> None:
    """Turn spines that the BVH lacks evenly between those below and above, in place; ``world`` is (T, 22, 3, 3)."""
    known = [place for place, name in enumerate(_SPINE) if name in joints]
    for low, high in itertools.pairwise(known):
        for place in range(low + 1, high):
            below, above = (world[:, JOINT[_SPINE[end]]] for end in (low, high))
            world[:, JOINT[_SPINE[place]]] = _part_way(below, above, (place - low) / (high - low))


def _axes(rest: Mapping[str, NDArray[np.float64]], skeleton: Skeleton, file: Path) -> dict[str, NDArray[np.float64]]:
    """F by SMPL-X joint name: the skeleton's own where its file gives one, else from the BVH's rest positions."""
    trunk, across = rest["neck"] - rest["pelvis"], rest["left_hip"] - rest["right_hip"]
    bones = {joint: _their_bone(rest, joint) for joint in _LIMB_CHILD}
    for name, bone in {"trunk": trunk, "hips": across, **bones}.items():
        if np.linalg.norm(bone) < 1e-9:
            raise InputError("a bone has no length", file=file, field="OFFSET", value=name, remedy="export it again")
    if np.linalg.norm(np.cross(trunk, across)) < 1e-3 * np.linalg.norm(trunk) * np.linalg.norm(across):
        raise InputError(
            "hips and trunk lie on one line", file=file, field="OFFSET", value="neck", remedy="export it again"
        )
    # SMPL-X's own rest frame is the identity: left +x, up +y.
    facing = _frame(across, trunk) if skeleton.has_measured_trunk else _aligned_frame(across, trunk)
    return {joint: skeleton.axes.get(joint, facing) for joint in rest}


def _corrections(
    rest: Mapping[str, NDArray[np.float64]], axes: Mapping[str, NDArray[np.float64]], *, aligned: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """A_j by SMPL-X joint name; the bones of limbs and of the ``aligned`` joints point where the BVH's do."""
    corrections = dict(axes)
    for joint in (*_LIMB_CHILD, *aligned):
        facing = axes[joint]
        corrections[joint] = _smallest_rotation(facing @ _our_bone(joint), _their_bone(rest, joint)) @ facing
    for side in ("left", "right"):
        corrections[f"{side}_wrist"] = corrections[f"{side}_elbow"]
    return corrections


def _our_bone(joint: str) -> NDArray[np.float64]:
    """(3,) metres from a limb's joint or an ankle to the next at SMPL-X's rest."""
    bone: NDArray[np.float64] = REST_OFFSETS[JOINT[_BONES[joint]]]
    return bone


def _their_bone(rest: Mapping[str, NDArray[np.float64]], joint: str) -> NDArray[np.float64]:
    return rest[_BONES[joint]] - rest[joint]


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _frame(left: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) with columns left, up made orthogonal to it, and forward."""
    x = left / np.linalg.norm(left)
    y = up - (up @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)


def _aligned_frame(left: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """As ``_frame``, along coordinate axes where they are near; else as SMPL-X's own trunk leans against its frame."""
    axis = _nearest_axis(up)
    if axis is None:
        ours = _frame(_OUR_HIPS, _OUR_TRUNK)
        aligned: NDArray[np.float64] = _frame(left, up) @ ours.T
        return aligned
    level = left - (left @ axis) * axis
    across = _nearest_axis(level)
    return _frame(level if across is None else across, axis)


def _nearest_axis(direction: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(3,) of length 1, along a coordinate; None if none is near."""
    axis = np.zeros(3)
    largest = int(np.abs(direction).argmax())
    axis[largest] = np.sign(direction[largest])
    return axis if _cosine(axis, direction) > _NEAR else None


def _smallest_rotation(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) taking the direction of ``start`` to that of ``end``, about the axis perpendicular to both."""
    axis = np.cross(start, end)
    angle = np.arctan2(np.linalg.norm(axis), start @ end)
    length = np.linalg.norm(axis)
    return axis_angle_to_matrix(axis / length * angle if length > 1e-12 else np.zeros(3))


def _part_way(one: NDArray[np.float64], other: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    step = matrix_to_axis_angle(one.swapaxes(1, 2) @ other)
    return one @ axis_angle_to_matrix(share * step)


def _scale(rest: Mapping[str, NDArray[np.float64]]) -> float:
    """Metres per unit of the BVH, from thigh and shin of both sides."""
    theirs = sum(float(np.linalg.norm(_their_bone(rest, joint))) for joint in _LEGS)
    ours = sum(float(np.linalg.norm(_our_bone(joint))) for joint in _LEGS)
    return ours / theirs
