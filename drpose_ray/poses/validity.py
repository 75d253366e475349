"""Which frames may be selected: finite, in range, within anatomical limits, and not part of a jump.

Farthest-point sampling seeks outliers, and on raw mocap most of its first picks are broken frames: mask first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, euler_xyz_to_matrix, matrix_to_euler_xyz
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_BODY_JOINTS
from drpose_ray.poses.clip import MotionClip, out_of_range
from drpose_ray.poses.procedural.limits import EULER_HIGH, EULER_LOW, JOINT

LIMIT_TOLERANCE_DEG: Final = {"elbow": 70.0, "wrist": 70.0, "other": 40.0}
"""How far a joint's rotation may lie outside its box: mocap joints are fitted, not measured. The roll of an arm is
divided arbitrarily between shoulder, elbow and wrist, so the latter two get more."""
MAX_ANGULAR_SPEED: Final = 40.0
"""Radians per second of any joint relative to its parent."""

_LIMITED: Final = [j for j in range(1, NUM_BODY_JOINTS) if j not in (JOINT["left_foot"], JOINT["right_foot"])]
_TOLERANCE: Final = np.radians(
    [LIMIT_TOLERANCE_DEG.get(JOINT_NAMES[j].split("_")[-1], LIMIT_TOLERANCE_DEG["other"]) for j in _LIMITED]
)
_SWEEPS: Final = 3


@dataclass(frozen=True)
class Validity:
    """Frames that may be selected, and how many each reason refuses; a frame may be refused for several."""

    mask: NDArray[np.bool_]  # (T,)
    refused: dict[str, int]


def check_frames(clip: MotionClip) -> Validity:
    """Judge every frame of ``clip``. Speed needs a neighbour on one side only, so clip ends are judged too."""
    angles = clip.motion[:, motion_row.JOINT_ROTATIONS].reshape(-1, NUM_BODY_JOINTS, 3).astype(np.float64)
    not_finite = np.asarray(~np.isfinite(clip.motion).all(1))
    absurd = out_of_range(clip.motion)
    sane = np.isfinite(angles) & ~absurd[:, None, None]
    rotations = axis_angle_to_matrix(np.where(sane, angles, 0.0))
    reasons = {
        "not finite": not_finite,
        "out of range": absurd,
        "marked invalid": np.zeros(len(angles), bool) if clip.valid is None else ~clip.valid,
        "joint limit": breaks_limits(rotations).any(1),
        "angular speed": _jumps(rotations, not_finite | absurd, clip.fps),
    }
    refused = {reason: int(frames.sum()) for reason, frames in reasons.items()}
    return Validity(~np.logical_or.reduce(list(reasons.values())), refused)


def breaks_limits(
    rotations: NDArray[np.float64], tolerance: NDArray[np.float64] | float = _TOLERANCE
) -> NDArray[np.bool_]:
    """(T, 22, 3, 3) -> (T, 19): whether a limited joint lies more than ``tolerance`` radians outside its Euler box.

    The pelvis is free and the toes are not judged. Euler angles are not unique: both solutions are tried. What neither
    admits is moved to the nearest rotation in the box, one angle at a time, which also covers gimbal lock.
    """
    limited = rotations[:, _LIMITED].reshape(-1, 3, 3)
    low, high = (np.tile(bound[_LIMITED], (len(rotations), 1)) for bound in (EULER_LOW, EULER_HIGH))
    first = matrix_to_euler_xyz(limited)
    second = np.remainder(first * (1, -1, 1) + 2 * np.pi, 2 * np.pi) - np.pi
    allowed = np.tile(np.broadcast_to(tolerance, len(_LIMITED)), len(rotations))
    broken = np.ones(len(limited), bool)
    for sweeps in (0, _SWEEPS):
        for euler in (first, second):
            rest = np.flatnonzero(broken)
            nearest = _nearest_in_box(limited[rest], euler[rest], low[rest], high[rest], sweeps)
            # The allowance keeps a rotation at the very edge of its box inside under a tolerance of zero.
            broken[rest] = _angle_between(limited[rest], euler_xyz_to_matrix(nearest)) > allowed[rest] + 1e-5
    return broken.reshape(len(rotations), len(_LIMITED))


def _nearest_in_box(
    rotations: NDArray[np.float64],
    start: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    sweeps: int,
) -> NDArray[np.float64]:
    """Coordinate descent from ``start`` (M, 3), clipped to the boxes (M, 3), towards ``rotations`` (M, 3, 3)."""
    euler = np.clip(start, low, high)
    for axis in (0, 2, 1) * sweeps:
        # R = Rz Ry Rx: turn the other two away; what is left should be a turn about this axis.
        earlier, later = euler.copy(), euler.copy()
        earlier[:, axis:], later[:, : axis + 1] = 0, 0
        left = euler_xyz_to_matrix(later).swapaxes(1, 2) @ rotations @ euler_xyz_to_matrix(earlier).swapaxes(1, 2)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        angle = np.arctan2(left[:, j, i] - left[:, i, j], left[:, i, i] + left[:, j, j])
        euler[:, axis] = np.clip(angle, low[:, axis], high[:, axis])
    return euler


def _jumps(rotations: NDArray[np.float64], no_numbers: NDArray[np.bool_], fps: float) -> NDArray[np.bool_]:
    """(T,): frames on either side of a step that is too fast. Steps from or to a frame without numbers do not count."""
    fast = (_angle_between(rotations[1:], rotations[:-1]) * fps > MAX_ANGULAR_SPEED).any(1)
    fast &= ~(no_numbers[1:] | no_numbers[:-1])
    frames = np.zeros(len(rotations), bool)
    frames[1:] |= fast
    frames[:-1] |= fast
    return frames


def _angle_between(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 3) twice -> (...) radians, from the chord ``|A - B| = 2 sqrt(2) sin(angle / 2)``."""
    chord = np.linalg.norm(one - other, axis=(-2, -1))
    angle: NDArray[np.float64] = 2 * np.arcsin(np.minimum(chord / np.sqrt(8), 1))
    return angle
