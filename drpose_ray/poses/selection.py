"""From clips to a selection: mask, farthest-point picks, disjoint windows (Sec. 3.2); and the file that holds it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.farthest import iterate_farthest
from drpose_ray.poses.features import pose_features
from drpose_ray.poses.validity import check_frames
from drpose_ray.poses.windows import PoseWindow, placeable_frames, window_around
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


def select_windows(clips: Sequence[MotionClip], num: int, length: int) -> Selection:
    """Pick ``num`` windows of ``length`` frames by farthest-point sampling over the valid frames of ``clips``.

    The first pick is the first valid frame of the first clip. A pick without room is passed over and the next one
    taken, so fewer than ``num`` windows mean that the clips hold no more.

    Raises:
        InputError: no clip has ``length`` valid frames in a row.
    """
    usable: list[NDArray[np.bool_]] = []
    owners: list[tuple[int, int]] = []
    rows: list[NDArray[np.float32]] = []
    refused: Counter[str] = Counter()
    for index, clip in enumerate(clips):
        validity = check_frames(clip)
        candidates = np.flatnonzero(placeable_frames(validity.mask, length))
        refused.update(validity.refused)
        refused["clip shorter than a window"] += len(clip.motion) if len(clip.motion) < length else 0
        refused["no whole valid window"] += int(validity.mask.sum()) - len(candidates)
        usable.append(validity.mask)
        owners.extend((index, int(frame)) for frame in candidates)
        rows.append(clip.motion[candidates])
    if not owners:
        raise InputError(
            f"none of {len(clips)} clips has {length} valid frames in a row",
            field="poses.window",
            value=length,
            remedy=f"give longer or cleaner clips or a shorter window; frames refused: {dict(refused)}",
        )
    windows: list[PoseWindow] = []
    overlapping, last_distance = 0, float("inf")
    for pick, distance in iterate_farthest(np.concatenate([pose_features(part) for part in rows])):
        index, frame = owners[pick]
        window = window_around(clips[index], frame, usable[index], length, rank=len(windows))
        if window is None:
            overlapping += 1
            continue
        usable[index][window.frames] = False
        windows.append(window)
        last_distance = distance
        if len(windows) == num:
            break
    # The first pick has no distance; a single window then covers with radius 0 by convention.
    radius_mm = 1000 * last_distance / np.sqrt(22) if np.isfinite(last_distance) else 0.0
    num_frames = sum(len(clip.motion) for clip in clips)
    return Selection(windows, num_frames, dict(refused), overlapping, float(radius_mm))


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
