"""The frames that may be picked: valid, in clips long enough, each with its pose features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.sampling.features import NUM_FEATURES, pose_features
from drpose_ray.poses.validity import check_frames
from drpose_ray.poses.windows import placeable_frames


@dataclass(frozen=True)
class Candidates:
    """``N`` frames of ``clips``, clip after clip, and what was left out on the way."""

    clips: Sequence[MotionClip]
    usable: list[NDArray[np.bool_]]
    """(T,) per clip: frames that a window may hold."""
    features: NDArray[np.float32]  # (N, 66)
    frames: NDArray[np.int64]  # (N,) rows of their clips
    starts: NDArray[np.int64]  # (num clips + 1,): those of clip i are starts[i] to starts[i + 1]
    refused: dict[str, int]
    num_short_clips: int

    def owner(self, index: int) -> tuple[int, int]:
        """Clip and frame of a candidate."""
        clip = int(np.searchsorted(self.starts, index, side="right")) - 1
        return clip, int(self.frames[index])

    def find(self, clip_name: str, frame: int) -> int:
        """The candidate that is this frame; InputError if the clip is not here or the frame may not be picked."""
        number = self._numbers.get(clip_name)
        if number is not None:
            first, last = self.starts[number], self.starts[number + 1]
            place = first + int(np.searchsorted(self.frames[first:last], frame))
            if place < last and self.frames[place] == frame:
                return int(place)
        raise InputError(
            "an earlier pick is not among the motions" if number is None else "an earlier pick is no valid frame",
            field="poses.continues",
            value=f"{clip_name} frame {frame}",
            remedy="give the motions of the earlier selection, more are allowed; or begin a new one",
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {clip.name: number for number, clip in enumerate(self.clips)}


def find_candidates(clips: Sequence[MotionClip], length: int) -> Candidates:
    """The frames of ``clips`` that lie in ``length`` valid frames in a row.

    Raises:
        InputError: there is none.
    """
    usable: list[NDArray[np.bool_]] = []
    frames: list[NDArray[np.int64]] = []
    features = [np.empty((0, NUM_FEATURES), np.float32)]
    refused: Counter[str] = Counter()
    for clip in clips:
        validity = check_frames(clip)
        placeable = np.flatnonzero(placeable_frames(validity.mask, length))
        refused.update(validity.refused)
        refused["clip shorter than a window"] += len(clip.motion) if len(clip.motion) < length else 0
        refused["no whole valid window"] += int(validity.mask.sum()) - len(placeable)
        usable.append(validity.mask)
        frames.append(placeable)
        features.append(pose_features(clip.motion[placeable]))
    starts = np.cumsum([0, *map(len, frames)])
    if not starts[-1]:
        raise InputError(
            f"none of {len(clips)} clips has {length} valid frames in a row",
            field="poses.window",
            value=length,
            remedy=f"give longer or cleaner clips or a shorter window; frames refused: {dict(refused)}",
        )
    num_short = sum(len(clip.motion) < length for clip in clips)
    return Candidates(clips, usable, np.concatenate(features), np.concatenate(frames), starts, dict(refused), num_short)
