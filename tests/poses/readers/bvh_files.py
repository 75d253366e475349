"""BVH files made from known rotations: CMU's skeleton and Daz's, in units of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

# joint: (parent, offset). Legs spread and arms slightly forward at rest, unlike SMPL-X.
CMU: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "Hips": (None, (0, 0, 0)),
    "LHipJoint": ("Hips", (0, 0, 0)),
    "LeftUpLeg": ("LHipJoint", (1.36, -1.79, 0.84)),
    "LeftLeg": ("LeftUpLeg", (2.45, -6.73, 0)),
    "LeftFoot": ("LeftLeg", (2.56, -7.03, 0)),
    "LeftToeBase": ("LeftFoot", (0.16, -0.43, 2.1)),
    "RHipJoint": ("Hips", (0, 0, 0)),
    "RightUpLeg": ("RHipJoint", (-1.3, -1.79, 0.84)),
    "RightLeg": ("RightUpLeg", (-2.54, -6.98, 0)),
    "RightFoot": ("RightLeg", (-2.49, -6.84, 0)),
    "RightToeBase": ("RightFoot", (-0.2, -0.5, 2.1)),
    "LowerBack": ("Hips", (0, 0, 0)),
    "Spine": ("LowerBack", (0.03, 2.1, -0.2)),
    "Spine1": ("Spine", (0.03, 2.1, -0.06)),
    "Neck": ("Spine1", (0, 0, 0)),
    "Neck1": ("Neck", (0.1, 1.6, 0.2)),
    "Head": ("Neck1", (0.1, 1.6, 0.1)),
    "LeftShoulder": ("Spine1", (0, 0, 0)),
    "LeftArm": ("LeftShoulder", (3.36, 1.2, -0.3)),
    "LeftForeArm": ("LeftArm", (4.9, 0, 0.3)),
    "LeftHand": ("LeftForeArm", (3.4, 0, 1.0)),
    "RightShoulder": ("Spine1", (0, 0, 0)),
    "RightArm": ("RightShoulder", (-3.1, 1.3, -0.4)),
    "RightForeArm": ("RightArm", (-5.0, 0, 0.2)),
    "RightHand": ("RightForeArm", (-3.5, 0, 0.9)),
}
_TO_DAZ = {
    "Hips": "hip", "LowerBack": "abdomen", "Spine1": "chest", "Neck": "neck", "Head": "head",
    **{f"{side}{cmu}": f"{letter}{daz}" for side, letter in (("Left", "l"), ("Right", "r")) for cmu, daz in (
        ("Shoulder", "Collar"), ("Arm", "Shldr"), ("ForeArm", "ForeArm"), ("Hand", "Hand"),
        ("UpLeg", "Thigh"), ("Leg", "Shin"), ("Foot", "Foot"))},
}  # fmt: skip
DAZ = {
    _TO_DAZ.get(name, name): (parent and _TO_DAZ.get(parent, parent), offset)
    for name, (parent, offset) in CMU.items()
    if "Toe" not in name
}


def draw_eulers(num_frames: int, num_joints: int = len(CMU), seed: int = 0) -> np.ndarray:
    """(T, J, 3) degrees, smooth, moderate."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (num_joints, 3))
    return 30 * np.sin(np.arange(num_frames)[:, None, None] / 8 + phase)


def write_bvh(
    path: Path,
    eulers: np.ndarray,
    skeleton: dict[str, tuple[str | None, tuple[float, float, float]]] = CMU,
    seconds: str = "0.0083333",
    root: np.ndarray | None = None,
    turn_rest: np.ndarray | None = None,
) -> Path:
    """``eulers`` (T, J, 3) degrees in channel order: Z Y X for the root, Z X Y for the others, as the Daz release."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = np.eye(3) if turn_rest is None else turn_rest

    def block(name: str, depth: int) -> list[str]:
        tab, (parent, offset) = "\t" * depth, skeleton[name]
        order = "Zrotation Yrotation Xrotation" if parent is None else "Zrotation Xrotation Yrotation"
        channels = f"6 Xposition Yposition Zposition {order}" if parent is None else f"3 {order}"
        inner = [line for child, (of, _) in skeleton.items() if of == name for line in block(child, depth + 1)]
        end = [] if inner else [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET 0 1 0", f"{tab}\t}}"]
        return [
            f"{tab}{'ROOT' if parent is None else 'JOINT'} {name}",
            f"{tab}{{",
            f"{tab}\tOFFSET {' '.join(f'{x:.9f}' for x in turned @ offset)}",
            f"{tab}\tCHANNELS {channels}",
            *inner,
            *end,
            f"{tab}}}",
        ]

    (first,) = [name for name, (parent, _) in skeleton.items() if parent is None]
    places = np.zeros((len(eulers), 3)) if root is None else root
    rows = [" ".join(f"{x:.9f}" for x in (*place, *frame.ravel())) for place, frame in zip(places, eulers, strict=True)]
    motion = ["MOTION", f"Frames: {len(eulers)}", f"Frame Time: {seconds}", *rows]
    path.write_text("\n".join(["HIERARCHY", *block(first, 0), *motion]) + "\n")
    return path


def positions_by_scipy(eulers: np.ndarray, root: np.ndarray) -> dict[str, np.ndarray]:
    """Joint -> (T, 3), the CMU skeleton's forward kinematics written down a second time."""
    world: dict[str, Rotation] = {}
    places: dict[str, np.ndarray] = {}
    for j, (name, (parent, offset)) in enumerate(CMU.items()):
        local = Rotation.from_euler("ZYX" if parent is None else "ZXY", eulers[:, j], degrees=True)
        world[name] = local if parent is None else world[parent] * local
        places[name] = root if parent is None else places[parent] + world[parent].apply(offset)
    return places
