"""The poses of any set that is stored: a selection's windows, or the valid frames of motions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.readers.motions import read_configured
from drpose_ray.poses.validity import check_frames
from drpose_ray.poses.windows_file import read_selection


def read_pose_rows(path: Path, settings: PosesConfig) -> NDArray[np.float32]:
    """(N, 322) rows of a selection or of motions at ``settings.fps``; InputError if there is none or it cannot be read.

    What is read as motions is masked as a selection's candidates are, so that broken frames pass for no diversity.
    """
    if path.suffix == ".parquet":
        return np.concatenate([window.motion for window in read_selection(path)])
    clips = read_configured(path, settings)
    rows = np.concatenate([clip.motion[check_frames(clip).mask] for clip in clips])
    if not len(rows):
        raise InputError("no valid frame", file=path, field="poses.compare", remedy="give cleaner motions")
    return rows
