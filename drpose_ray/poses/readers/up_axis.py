"""Whether the people of a source stand along +y, as Motion-X rows are meant: a z-up file looks like people lying."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.kinematics import joints_from_rows
from drpose_ray.poses.limits import JOINT

_AGREEMENT: Final = 0.6
"""Length of the mean of unit vectors below which frames do not agree on a direction: floor work, turning in the air."""
_FRAMES_PER_CLIP: Final = 50


def check_up_axis(clips: Sequence[MotionClip], path: Path) -> None:
    """Refuse a source whose people agree on an upright other than +y.

    Judged over all clips of one ``source``, by the mean direction from pelvis to neck: a single clip may well lie down.

    Raises:
        InputError: names the source and the axis that its people stand along.
    """
    directions = defaultdict(list)
    for clip in clips:
        directions[clip.source].append(_trunk_directions(clip))
    for source, parts in directions.items():
        mean = np.concatenate(parts).mean(0)
        length = float(np.linalg.norm(mean))
        if length > _AGREEMENT and mean[1] < 0.5 * length:
            axis = int(np.abs(mean).argmax())
            raise InputError(
                f"people stand along {'-' if mean[axis] < 0 else '+'}{'xyz'[axis]} where +y is expected",
                file=path,
                field="poses.trust_up_axis",
                value=source,
                remedy="turn the motions to y up, or set the field if these people do lie",
            )


def _trunk_directions(clip: MotionClip) -> NDArray[np.float64]:
    """(N, 3) unit vectors from pelvis to neck, of at most ``_FRAMES_PER_CLIP`` finite frames."""
    finite = np.flatnonzero(np.isfinite(clip.motion).all(1) & (True if clip.valid is None else clip.valid))
    joints = joints_from_rows(clip.motion[finite[:: max(len(finite) // _FRAMES_PER_CLIP, 1)]])
    trunk: NDArray[np.float64] = joints[:, JOINT["neck"]] - joints[:, JOINT["pelvis"]]
    trunk /= np.linalg.norm(trunk, axis=1, keepdims=True)
    return trunk
