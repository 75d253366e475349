"""A BVH file as a clip: retargeted, thinned, and without the reference pose that CMU's conversions begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from drpose_ray.errors import InputError
from drpose_ray.poses.clip import MotionClip, finite_frames, whole_stride
from drpose_ray.poses.readers.bvh import Bvh, load_bvh
from drpose_ray.poses.readers.retarget import rows_from_bvh

_REFERENCE_RAD: Final = np.radians(1.0)


def read_bvh(file: Path, name: str, fps: float, licence: str, source: str) -> MotionClip:
    """Read one file (see ``retarget`` for the rule), thinned to ``fps``.

    A first frame whose rotations are all below one degree is the skeleton's reference pose: it is left out.

    Raises InputError as ``read_motions`` does.
    """
    bvh = load_bvh(file)
    step = whole_stride(bvh.fps, fps, file)
    rows = rows_from_bvh(bvh, file)[int(_begins_at_rest(bvh)) :: step]
    if not len(rows):
        raise InputError(
            "no frames", file=file, field="Frames", value=len(bvh.root), remedy="export the BVH file again"
        )
    return MotionClip(name, rows, fps, finite_frames(rows, file, "MOTION"), source, licence)


def _begins_at_rest(bvh: Bvh) -> bool:
    # The chord of a rotation by a small angle is sqrt(2) times it.
    chord = np.linalg.norm(bvh.rotations[:1] - np.eye(3), axis=(-2, -1))
    return bool((chord < np.sqrt(2) * _REFERENCE_RAD).all())
