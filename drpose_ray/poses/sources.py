"""Single poses drawn from named sources: what the base, the reward and the estimator are trained on."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.motion_row import NUM_COLUMNS, ROOT_ORIENT, TRANSLATION
from drpose_ray.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle, turn
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.procedural.box import draw_box
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.procedural.standing import draw_moderate, draw_standing

SOURCES = ("standing", "moderate", "dance", "box", "mocap")
_STILL = {"standing": draw_standing, "moderate": draw_moderate, "box": draw_box}
_FRAMES_PER_DANCE = 8  # poses taken from one generated dance; clips are cheap, neighbouring frames are alike


def draw_pose(
    mixture: Mapping[str, float], seed: int, index: int, clips: Sequence[MotionClip] = ()
) -> NDArray[np.float32]:
    """Pose ``index`` of an endless, reproducible set: a Motion-X row (322,).

    Args:
        mixture: share of each source of :data:`SOURCES`; shares need not sum to 1.
        seed: names the set; sets of different seeds are independent.
        clips: where "mocap" poses come from (valid frames only).

    Dance and mocap poses are turned to face the camera within 40 degrees, as photos and dance videos mostly do;
    those of the joint box face anywhere.
    """
    unknown = set(mixture) - set(SOURCES)
    if unknown:
        raise InputError(
            "unknown pose source", field="mixture", value=sorted(unknown), remedy=f"use {', '.join(SOURCES)}"
        )
    rng = stream(seed, "pose", index)
    shares = np.array(list(mixture.values()), float)
    source = rng.choice(list(mixture), p=shares / shares.sum())
    if source in _STILL:
        return _STILL[str(source)](rng, 1).reshape(NUM_COLUMNS)
    if source == "dance":
        clip = _draw_dance(seed, index // _FRAMES_PER_DANCE)
    elif clips:
        clip = clips[rng.choice(len(clips), p=_shares(clips))]
    else:
        raise InputError("no clips for the pose source", field="mixture", value="mocap", remedy="give motion files")
    valid = np.arange(len(clip.motion)) if clip.valid is None else np.flatnonzero(clip.valid)
    row = clip.motion[rng.choice(valid)]
    return face_camera(row, np.deg2rad(rng.uniform(-40, 40)))


@functools.lru_cache(maxsize=1)  # neighbouring poses ask for the same clip
def _draw_dance(seed: int, number: int) -> MotionClip:
    return generate_dance(stream(seed, "dance", number), num_frames=240)


def heading(row: NDArray[np.floating]) -> float:
    """Heading in radians of a Motion-X row: rotation about y of the right-to-left hip axis, 0 when facing +z."""
    joints = joints_from_rows(row[None])[0]
    axis = joints[1] - joints[2]
    return float(np.arctan2(-axis[2], axis[0]))


def turn_row(row: NDArray[np.floating], angle_rad: float) -> NDArray[np.float32]:
    """A row, or rows (..., 322), turned about the vertical axis, translation included."""
    turned = np.array(row, np.float32)
    rotation = turn(1, angle_rad)
    turned[..., ROOT_ORIENT] = matrix_to_axis_angle(rotation @ axis_angle_to_matrix(turned[..., ROOT_ORIENT]))
    turned[..., TRANSLATION] = turned[..., TRANSLATION] @ rotation.T.astype(np.float32)
    return turned


def face_camera(row: NDArray[np.floating], offset_rad: float) -> NDArray[np.float32]:
    """The row (322,) turned so that its heading is ``offset_rad``."""
    if row.shape != (NUM_COLUMNS,):
        raise InputError("pose row of the wrong size", field="row", value=row.shape, remedy=f"give ({NUM_COLUMNS},)")
    return turn_row(row, offset_rad - heading(row))


def _shares(clips: Sequence[MotionClip]) -> NDArray[np.float64]:
    """Clips are drawn in proportion to their square-rooted length, so that one long clip does not dominate."""
    lengths = np.sqrt([len(c.motion) if c.valid is None else max(int(c.valid.sum()), 0) for c in clips])
    return lengths / lengths.sum()  # type: ignore[no-any-return]
