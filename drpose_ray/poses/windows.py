"""Windows of neighbouring frames around the farthest-point picks (Sec. 3.2: each pick and 9 temporal neighbours)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from drpose_ray.poses.clip import MotionClip


@dataclass(frozen=True)
class PoseWindow:
    """``F`` neighbouring frames around one pick: what one synthesised sequence is made of."""

    sequence_id: str
    """Unique and free of dots, so that it can start a file name inside a shard."""
    clip: str
    frames: NDArray[np.int64]  # (F,) rows of the clip
    motion: NDArray[np.float32]  # (F, 322)
    pick: int
    """The picked row of the clip; it is one of ``frames``."""
    rank: int
    """Order of the pick among the windows of its split."""
    fps: float
    source: str
    licence: str


def name_sequence(clip_name: str, pick: int) -> str:
    """E.g. ``05_02-3f1c9a52-000123``; the hash keeps names apart that differ only in replaced characters."""
    digest = hashlib.sha256(clip_name.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', clip_name)}-{digest}-{pick:06d}"


def is_sequence_id(name: str) -> bool:
    """Whether ``name`` is of the kind that ``name_sequence`` makes: no dots, no folders, nothing to be quoted."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,600}", name) is not None


def placeable_frames(usable: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """(T,) -> (T,): frames that lie in at least one run of ``length`` usable frames."""
    placeable = np.zeros(len(usable), bool)
    if len(usable) >= length:
        for start in np.flatnonzero(sliding_window_view(usable, length).all(1)):
            placeable[start : start + length] = True
    return placeable


def window_around(clip: MotionClip, pick: int, usable: NDArray[np.bool_], length: int, rank: int) -> PoseWindow | None:
    """The window of ``length`` usable frames that contains ``pick``, centred on it as nearly as possible.

    It is shifted to stay inside the clip and off frames that are not ``usable`` (T,): invalid ones, and those the
    caller has given to earlier windows. None if there is no such place.
    """
    centred = pick - length // 2
    starts = range(max(pick - length + 1, 0), min(pick, len(usable) - length) + 1)
    for start in sorted(starts, key=lambda start: (abs(start - centred), start)):
        if usable[start : start + length].all():
            frames = np.arange(start, start + length)
            return PoseWindow(
                sequence_id=name_sequence(clip.name, pick),
                clip=clip.name,
                frames=frames,
                motion=clip.motion[frames],
                pick=pick,
                rank=rank,
                fps=clip.fps,
                source=clip.source,
                licence=clip.licence,
            )
    return None
