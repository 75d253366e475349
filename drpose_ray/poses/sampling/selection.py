"""From clips to a selection: mask, farthest-point picks, disjoint windows (Sec. 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.sampling.candidates import find_candidates
from drpose_ray.poses.sampling.core_set import MakeSampler
from drpose_ray.poses.sampling.farthest import LocalSampler
from drpose_ray.poses.sampling.picks import Pick
from drpose_ray.poses.windows import PoseWindow, window_around


@dataclass(frozen=True)
class Selection:
    """Windows in the order of their picks, and what was left out on the way."""

    windows: list[PoseWindow]
    num_frames: int
    """Frames looked at."""
    refused: dict[str, int]
    """Frames refused, by reason; a frame may be refused for several."""
    num_overlapping_picks: int
    """Picks passed over because earlier windows hold the frames around them."""
    radius_mm: float
    """Distance of the last pick to those before it, as RMS per joint: how finely the poses are covered."""
    num_short_clips: int
    """Clips with fewer frames than a window."""
    picks: list[Pick]
    """All picks in order, those passed over too: a larger selection continues them."""


def select_windows(
    clips: Sequence[MotionClip],
    num: int,
    length: int,
    *,
    max_per_clip: int | None = None,
    earlier: Sequence[Pick] = (),
    make_sampler: MakeSampler = LocalSampler,
) -> Selection:
    """Pick ``num`` windows of ``length`` frames by farthest-point sampling over the valid frames of ``clips``.

    The first pick is the first valid frame of the first clip. A pick without room is passed over and the next one
    taken, so fewer than ``num`` windows mean that the clips hold no more. The result is a prefix of the result for a
    larger ``num``.

    Args:
        max_per_clip: A clip with so many windows is left alone: its other frames are then no candidates, and no picks
            either, so that they keep no other clip's like poses from being picked.
        earlier: Picks of an earlier selection from these clips, or from some of them, which come first.
        make_sampler: How the farthest points are found, given the features (N, 66).

    Raises:
        InputError: no clip has ``length`` valid frames in a row, or an earlier pick is none of them
            or has changed.
    """
    candidates = find_candidates(clips, length)
    sampler = make_sampler(candidates.features)
    repeated = iter(earlier)
    windows: list[PoseWindow] = []
    picks: list[Pick] = []
    num_of_clip: Counter[int] = Counter()
    while len(windows) < num:
        again = next(repeated, None)
        index, distance = (
            sampler.farthest() if again is None else (candidates.find(again.clip, again.frame), again.distance)
        )
        if distance == 0:
            break
        sampler.take(index)
        number, frame = candidates.owner(index)
        usable = candidates.usable[number]
        window = window_around(clips[number], frame, usable, length, rank=len(windows))
        if again is not None and again.has_window != (window is not None):
            raise InputError(
                "an earlier pick has a window no more, or has one now",
                field="poses.continues",
                value=f"{again.clip} frame {again.frame}",
                remedy="give the motions as they were, or begin a new selection",
            )
        picks.append(Pick(clips[number].name, frame, distance, window is not None))
        if window is None:
            continue
        usable[window.frames] = False
        windows.append(window)
        num_of_clip[number] += 1
        if num_of_clip[number] == max_per_clip:
            sampler.exclude(int(candidates.starts[number]), int(candidates.starts[number + 1]))
    last_distance = next((pick.distance for pick in reversed(picks) if pick.has_window), np.inf)
    return Selection(
        windows=windows,
        num_frames=sum(len(clip.motion) for clip in clips),
        refused=candidates.refused,
        num_overlapping_picks=len(picks) - len(windows),
        # The first pick has no distance; a single window then covers with radius 0 by convention.
        radius_mm=float(1000 * last_distance / np.sqrt(22)) if np.isfinite(last_distance) else 0.0,
        num_short_clips=candidates.num_short_clips,
        picks=picks,
    )
