"""From clips to a selection: mask, farthest-point picks, disjoint windows (Sec. 3.2); and the file that holds it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.candidates import find_candidates
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.core_set import MakeSampler
from drpose_ray.poses.farthest import LocalSampler
from drpose_ray.poses.picks import Pick
from drpose_ray.poses.windows import PoseWindow, window_around
from drpose_ray.publish import replace_when_complete


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


def write_selection(path: Path, windows: Mapping[str, Iterable[PoseWindow]]) -> None:
    """Publish windows by split as an ``.npz`` of plain arrays, one entry per window; equal windows give equal bytes."""
    pairs = [(split, window) for split, members in windows.items() for window in members]
    fields: dict[str, Any] = {
        "split": np.array([split for split, _ in pairs], np.str_),
        "frames": np.stack([window.frames for _, window in pairs]),
        "motion": np.stack([window.motion for _, window in pairs]),
    }
    for name, kind in _SCALARS.items():
        fields[name] = np.array([getattr(window, name) for _, window in pairs], kind)
    with replace_when_complete(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **fields)


def read_selection(path: Path, split: str | None = None) -> list[PoseWindow]:
    """The windows of a selection, or of one ``split`` of it, in the order of their picks.

    Raises InputError if the file is missing, damaged or not a selection, or has no such split.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read the selection ({error})", file=path, remedy=_REMAKE) from error
    for name in ("split", "frames", "motion", *_SCALARS):
        if name not in fields or len(fields[name]) != len(fields["split"]):
            raise InputError("not a selection", file=path, field=name, remedy=_REMAKE)
    num, length = fields["frames"].shape
    if fields["motion"].shape != (num, length, NUM_COLUMNS):
        raise InputError(
            "motion and frames disagree", file=path, field="motion", value=fields["motion"].shape, remedy=_REMAKE
        )
    chosen = [i for i in range(num) if split in (None, str(fields["split"][i]))]
    if not chosen:
        known = ", ".join(sorted(set(fields["split"].tolist())))
        raise InputError("no windows of this split", file=path, field="split", value=split, remedy=f"it has: {known}")
    return [
        PoseWindow(
            frames=fields["frames"][i],
            motion=fields["motion"][i],
            **{name: fields[name][i].item() for name in _SCALARS},
        )
        for i in chosen
    ]


_SCALARS = {
    "sequence_id": np.str_,
    "clip": np.str_,
    "pick": np.int64,
    "rank": np.int64,
    "fps": np.float64,
    "source": np.str_,
    "licence": np.str_,
}
_REMAKE = "run jobs/select_poses.py again"
