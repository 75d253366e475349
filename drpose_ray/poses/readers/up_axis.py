"""Whether the people of a source stand along +y, as Motion-X rows are meant: a z-up file looks like people lying.

Some layouts leave the world's axes open: AMASS is z up, and others write the same fields y up (BEAT2); BVH files come
either way. There the people themselves decide, all of a source together, since a single clip may well lie down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from drpose_ray.poses.clip import MotionClip, UpAxis, measured
from drpose_ray.poses.procedural.kinematics import PELVIS_AT_REST, joints_from_rows
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.readers.smpl_rows import Z_UP_TO_Y_UP

_AGREEMENT: Final = 0.6
"""Length of the mean of unit vectors below which frames do not agree on a direction: floor work, turning in the air."""
_MIXED_SHARE: Final = 1 / 3
"""Of a source's clips; so many along the other axis are other exports and no people who lie down."""
_FRAMES_PER_CLIP: Final = 50
_OTHER: Final[Mapping[UpAxis, tuple[str, NDArray[np.float64]]]] = {
    "y": ("+z", Z_UP_TO_Y_UP), "z": ("-z", Z_UP_TO_Y_UP.T),
}  # fmt: skip
"""The axis that was taken for up -> where people point if it is the other one, and the turn that stands them up."""


def make_upright(clips: Sequence[MotionClip], path: Path) -> list[MotionClip]:
    """``clips`` with sources turned whose layout leaves the up axis open and whose people lie along the other one.

    Raises:
        InputError: clips of such a source do not agree on the axis.
    """
    groups: dict[tuple[str, UpAxis], list[int]] = defaultdict(list)
    for number, clip in enumerate(clips):
        if clip.taken_as_up is not None:
            groups[clip.source, clip.taken_as_up].append(number)
    result = list(clips)
    for (source, taken), numbers in groups.items():
        lying, turn = _OTHER[taken]
        axes = [_axis(_trunk_directions(clips[number])) for number in numbers]
        upright, other = axes.count("+y"), axes.count(lying)
        if upright and other and other >= _MIXED_SHARE * (upright + other):
            raise InputError(
                f"of {len(axes)} clips {upright} have y up and {other} z up" if taken == "y"
                else f"of {len(axes)} clips {upright} have z up and {other} y up",
                file=path, field="poses.up_axis", value=source,
                remedy="give each kind in a folder of its own, or say poses.up_axis y or z if all are alike",
            )  # fmt: skip
        if _axis(np.concatenate([_trunk_directions(clips[number]) for number in numbers])) == lying:
            for number in numbers:
                result[number] = turned(clips[number], turn)
    return result


def check_up_axis(clips: Sequence[MotionClip], path: Path) -> None:
    """Refuse a source whose people agree on an upright other than +y.

    Judged over all clips of one ``source``, by the mean direction from pelvis to neck.

    Raises:
        InputError: names the source and the axis that its people stand along.
    """
    directions = defaultdict(list)
    for clip in clips:
        directions[clip.source].append(_trunk_directions(clip))
    for source, parts in directions.items():
        mean = _mean(np.concatenate(parts))
        length = float(np.linalg.norm(mean))
        if length > _AGREEMENT and mean[1] < 0.5 * length:
            upside_down = _name(mean) == "-y"
            raise InputError(
                f"people stand along {_name(mean)} where +y is expected",
                file=path,
                field="poses.trust_up_axis",
                value=source,
                remedy="these look like a camera's axes: export the motion in the world's, y up" if upside_down
                else "turn the motions to y up, or set the field if these people do lie",
            )  # fmt: skip


def turned(clip: MotionClip, rotation: NDArray[np.float64]) -> MotionClip:
    """``clip`` in a world turned by ``rotation`` (3, 3); frames with numbers that are none stay as they are."""
    motion = clip.motion.copy()
    sane = measured(clip.motion)
    root = motion[sane, motion_row.ROOT_ORIENT]
    motion[sane, motion_row.ROOT_ORIENT] = matrix_to_axis_angle(rotation @ axis_angle_to_matrix(root))
    pelvis = motion[sane, motion_row.TRANSLATION] + PELVIS_AT_REST
    motion[sane, motion_row.TRANSLATION] = pelvis @ rotation.T - PELVIS_AT_REST
    return replace(clip, motion=motion)


def _axis(directions: NDArray[np.float64]) -> str | None:
    """The axis that directions (N, 3) agree on, None if they do not."""
    mean = _mean(directions)
    return _name(mean) if np.linalg.norm(mean) > _AGREEMENT else None


def _mean(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = directions.mean(0) if len(directions) else np.zeros(3)
    return mean


def _name(direction: NDArray[np.float64]) -> str:
    axis = int(np.abs(direction).argmax())
    return f"{'-' if direction[axis] < 0 else '+'}{'xyz'[axis]}"


def _usable(clip: MotionClip) -> NDArray[np.int64]:
    """Frames whose posture counts."""
    return np.flatnonzero(np.isfinite(clip.motion).all(1) & (True if clip.valid is None else clip.valid))


def _trunk_directions(clip: MotionClip) -> NDArray[np.float64]:
    """(N, 3) unit vectors from pelvis to neck, of at most ``_FRAMES_PER_CLIP`` finite frames."""
    finite = _usable(clip)
    joints = joints_from_rows(clip.motion[finite[:: max(len(finite) // _FRAMES_PER_CLIP, 1)]])
    trunk: NDArray[np.float64] = joints[:, JOINT["neck"]] - joints[:, JOINT["pelvis"]]
    trunk /= np.linalg.norm(trunk, axis=1, keepdims=True)
    return trunk
