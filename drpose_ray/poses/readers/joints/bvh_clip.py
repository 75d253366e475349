"""A BVH file as a clip: retargeted, thinned, and without the reference pose that CMU's conversions begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.poses.clip import MotionClip, finite_frames
from drpose_ray.poses.readers.joints.bvh import Bvh, load_bvh
from drpose_ray.poses.readers.joints.retarget import rows_from_bvh
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.resample import plan_resampling
from drpose_ray.poses.readers.smpl_rows import Z_UP_TO_Y_UP
from drpose_ray.poses.readers.up_axis import turned

_REFERENCE_RAD: Final = np.radians(1.0)


def read_bvh(file: Path, name: str, folder_name: str, reading: Reading) -> MotionClip:
    """Read one file (see ``retarget`` for the rule) at the rate that is asked for.

    A first frame whose rotations are all below one degree is the skeleton's reference pose and is left out, unless the
    second is like it.

    Raises InputError as ``read_motions`` does.
    """
    bvh = load_bvh(file)
    resampling = plan_resampling(bvh.fps, reading.fps, file)
    rows = rows_from_bvh(bvh, file, reading.skeletons)[int(_begins_at_rest(bvh)) :: resampling.stride]
    if not len(rows):
        raise InputError("no frames", file=file, field="Frames", value=len(bvh), remedy="export the BVH file again")
    rows, valid = resampling.apply(rows, finite_frames(rows, file, "MOTION"))
    clip = MotionClip(name, rows, reading.fps, valid, f"BVH ({folder_name})", reading.licence, taken_as_up="y")
    return clip if reading.up_axis is None else replace(
        turned(clip, Z_UP_TO_Y_UP) if reading.up_axis == "z" else clip, taken_as_up=None
    )  # fmt: skip


def _begins_at_rest(bvh: Bvh) -> bool:
    # The chord of a rotation by a small angle is sqrt(2) times it.
    chord = np.linalg.norm(bvh.rotations[:2] - np.eye(3), axis=(-2, -1))
    at_rest = (chord < np.sqrt(2) * _REFERENCE_RAD).all(1)
    return len(at_rest) == 2 and bool(at_rest[0] and not at_rest[1])
