"""A known Motion-X motion written as BVH in the skeletons of the field: their names, rest poses, units and channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from drpose_ray.core.seeding import stream
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, turn
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_BODY_JOINTS, PARENTS
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import REST_OFFSETS, joints_from_rows

ROWS = generate_dance(stream(11, "skeletons"), 24).motion
SIDES = ("left", "right")


@dataclass(frozen=True)
class Written:
    """How a data set writes a person. SMPL-X joints without a name are left out of the file."""

    names: dict[str, str]
    units_per_metre: float = 100.0
    order: str = "ZXY"
    seconds: str = "0.0333333"
    frames: dict[str, np.ndarray] = field(default_factory=dict)
    """SMPL-X joint -> (3, 3) its axes in the T-pose, where they are not the world's."""
    half_spine: str | None = None
    """A spine between pelvis and spine1 that SMPL-X has not."""
    reference: str | None = None
    """A joint above the pelvis, which the root's path is counted from."""
    positions_everywhere: bool = False


def limbs(prefixes: tuple[str, str], *names: str, pattern: str = "{side}{name}") -> dict[str, str]:
    """Names of collar, shoulder, elbow, wrist, hip, knee, ankle and, where there is one more, foot."""
    joints = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")[: len(names)]
    return {
        f"{side}_{joint}": pattern.format(side=prefix, name=name)
        for side, prefix in zip(SIDES, prefixes, strict=True)
        for joint, name in zip(joints, names, strict=True)
    }


def write_skeleton(path: Path, how: Written, rows: np.ndarray = ROWS) -> Path:
    """``rows`` as a BVH of this kind."""
    rotations = axis_angle_to_matrix(rows[:, motion_row.JOINT_ROTATIONS].reshape(len(rows), NUM_BODY_JOINTS, 3))
    world = rotations.copy()
    rest = np.zeros((NUM_BODY_JOINTS, 3))
    for joint in range(1, NUM_BODY_JOINTS):
        world[:, joint] = world[:, PARENTS[joint]] @ rotations[:, joint]
        rest[joint] = rest[PARENTS[joint]] + REST_OFFSETS[joint]
    path_of_pelvis = joints_from_rows(rows)[:, 0]
    nodes: dict[str, tuple[str | None, np.ndarray, np.ndarray, np.ndarray]] = {}  # name: parent, rest, axes, world
    if how.reference is not None:
        turned = np.broadcast_to(turn(1, 0.7), (len(rows), 3, 3))
        nodes[how.reference] = (None, np.zeros(3), np.eye(3), turned)
    for joint, smplx in enumerate(JOINT_NAMES[:NUM_BODY_JOINTS]):
        if smplx not in how.names:
            continue
        above = PARENTS[joint]
        while above and JOINT_NAMES[above] not in how.names:
            above = PARENTS[above]
        parent = how.reference if joint == 0 else how.names[JOINT_NAMES[above]]
        axes = how.frames.get(smplx, np.eye(3))
        if smplx == "spine1" and how.half_spine is not None:
            half = Rotation.from_matrix(world[:, 0].swapaxes(1, 2) @ world[:, joint]).as_rotvec() / 2
            nodes[how.half_spine] = (parent, rest[joint] / 2, np.eye(3), world[:, 0] @ axis_angle_to_matrix(half))
            parent = how.half_spine
        nodes[how.names[smplx]] = (parent, rest[joint], axes, world[:, joint] @ axes)
    return _write(path, how, nodes, path_of_pelvis)


def _write(path: Path, how: Written, nodes: dict[str, tuple], pelvis: np.ndarray) -> Path:
    columns: list[np.ndarray] = []

    def block(name: str) -> list[str]:
        parent, rest, _, world = nodes[name]
        offset, local = rest, world
        moves = parent is None or how.positions_everywhere or parent == how.reference
        places = np.broadcast_to(np.zeros(3), pelvis.shape)
        if parent is not None:
            _, rest_above, axes_above, world_above = nodes[parent]
            offset, local = axes_above.T @ (rest - rest_above), world_above.swapaxes(1, 2) @ world
            places = np.broadcast_to(offset, pelvis.shape)
        if name == how.names["pelvis"]:
            above = np.eye(3) if parent is None else nodes[parent][3][0]
            places = pelvis @ above
        if moves:
            columns.append(places * how.units_per_metre)
        columns.append(Rotation.from_matrix(local).as_euler(how.order, degrees=True))
        channels = [f"{axis}position" for axis in "XYZ" if moves] + [f"{axis}rotation" for axis in how.order]
        inner = [line for child, node in nodes.items() if node[0] == name for line in block(child)]
        return [
            f"{'ROOT' if parent is None else 'JOINT'} {name}", "{",
            "OFFSET " + " ".join(f"{x * how.units_per_metre:.6f}" for x in offset),
            f"CHANNELS {len(channels)} {' '.join(channels)}",
            *(inner or ["End Site", "{", "OFFSET 0 1 0", "}"]), "}",
        ]  # fmt: skip

    (first,) = [name for name, node in nodes.items() if node[0] is None]
    hierarchy = block(first)
    values = np.concatenate(columns, 1)
    numbers = [" ".join(f"{x:.6f}" for x in row) for row in values]
    motion = ["MOTION", f"Frames: {len(values)}", f"Frame Time: {how.seconds}", *numbers]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["HIERARCHY", *hierarchy, *motion]) + "\n")
    return path


_HIK = ("Shoulder", "Arm", "ForeArm", "Hand")
_LEFT_RIGHT = ("Left", "Right")
_TRUNK = {"pelvis": "Hips", "neck": "Neck", "head": "Head"}
_THREE = {"spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2"}
_MIXAMO = {**_TRUNK, **_THREE, **limbs(_LEFT_RIGHT, *_HIK, "UpLeg", "Leg", "Foot", "ToeBase")}


def _arms(*frames: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{side}_{joint}": frame for side, frame in zip(SIDES, frames, strict=True)
            for joint in ("shoulder", "elbow", "wrist")}  # fmt: skip


_LEFT, _UP, _FORWARD = np.eye(3)
_TRUNK_ABOVE = ("spine1", "spine2", "spine3", "neck", "head")
_ARM = ("collar", "shoulder", "elbow", "wrist")


def _frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(3, 3) with columns x, y made orthogonal to it, and z."""
    first = x / np.linalg.norm(x)
    second = y - (y @ first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)], 1)


def _instep(side: str) -> np.ndarray:
    """(3,) from ankle to foot at rest: a level foot's bone slopes."""
    bone: np.ndarray = REST_OFFSETS[JOINT_NAMES.index(f"{side}_foot")]
    return bone


def _lafan1_frames() -> dict[str, np.ndarray]:
    """Each joint's x axis lies along its bone; y and z as frames of LAFAN1 in which people stand have them."""
    frames = dict.fromkeys(("pelvis", *_TRUNK_ABOVE), _frame(_UP, _FORWARD))
    for side, outward in zip(SIDES, (_LEFT, -_LEFT), strict=True):
        frames |= {f"{side}_{joint}": _frame(outward, -_FORWARD) for joint in _ARM}
        frames |= {f"{side}_{joint}": _frame(-_UP, _FORWARD) for joint in ("hip", "knee")}
        frames |= {f"{side}_ankle": _frame(_instep(side), _UP), f"{side}_foot": _frame(_FORWARD, _UP)}
    return frames


def _bandai_namco_frames() -> dict[str, np.ndarray]:
    """As frames of the data set have them: x along the bones of trunk and left side, against those of the right."""
    frames = {"pelvis": _frame(_UP, -_LEFT)} | dict.fromkeys(_TRUNK_ABOVE, _frame(_UP, _FORWARD))
    for side, sign in zip(SIDES, (1, -1), strict=True):
        frames |= {f"{side}_{joint}": _frame(_LEFT, sign * _UP) for joint in _ARM}
        frames |= {f"{side}_{joint}": _frame(-sign * _UP, _LEFT) for joint in ("hip", "knee")}
        frames |= {f"{side}_ankle": _frame(sign * _instep(side), _LEFT), f"{side}_foot": _frame(sign * _FORWARD, _LEFT)}
    return frames


SKELETONS = {
    "Mixamo": Written({joint: f"mixamorig:{name}" for joint, name in _MIXAMO.items()}, order="XYZ"),
    "Mixamo, another prefix": Written({joint: f"mixamorig12:{name}" for joint, name in _MIXAMO.items()}),
    "MotionBuilder": Written({joint: f"Character1_{name}" for joint, name in _MIXAMO.items()}, order="ZXY"),
    "Blender": Written({joint: f"Armature|{name}" for joint, name in _MIXAMO.items()}, units_per_metre=1),
    "3ds Max, positions everywhere": Written(_MIXAMO, positions_everywhere=True, order="ZYX"),
    "LAFAN1": Written(
        {**_TRUNK, **_THREE, **limbs(_LEFT_RIGHT, *_HIK, "UpLeg", "Leg", "Foot", "Toe")},
        order="ZYX", frames=_lafan1_frames(),
    ),
    "100STYLE": Written(
        {**_TRUNK, "spine1": "Chest2", "spine2": "Chest3", "spine3": "Chest4",
         **limbs(_LEFT_RIGHT, "Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toe")},
        order="YXZ", half_spine="Chest",
    ),
    "Rokoko Newton": Written(
        {**_TRUNK, "spine1": "Spine2", "spine2": "Spine3", "spine3": "Spine4",
         **limbs(_LEFT_RIGHT, *_HIK, "Thigh", "Shin", "Foot", "Toe")},
        order="YXZ", half_spine="Spine1", positions_everywhere=True,
    ),
    "arms hanging at rest": Written(_MIXAMO, frames=_arms(turn(2, np.pi / 2), turn(2, -np.pi / 2))),
    "arms at 45 degrees": Written(_MIXAMO, frames=_arms(turn(2, np.pi / 4), turn(2, -np.pi / 4))),
}  # fmt: skip
"""Skeletons that have all that SMPL-X's body has."""
POORER = {
    "Bandai-Namco": Written(
        {**_TRUNK, "spine1": "Spine", "spine3": "Chest",
         **limbs(("L", "R"), "Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes",
                 pattern="{name}_{side}")},
        order="ZXY", reference="joint_Root", positions_everywhere=True, frames=_bandai_namco_frames(),
    ),
    "one spine, no collars, no toes": Written(
        {**_TRUNK, "spine3": "Spine",
         **{joint: name for joint, name in limbs(_LEFT_RIGHT, *_HIK, "UpLeg", "Leg", "Foot").items()
            if "collar" not in joint}},
    ),
}  # fmt: skip
"""Skeletons that lack spines or collars, whose turns are then made up."""
