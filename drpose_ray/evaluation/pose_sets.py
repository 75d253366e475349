"""The poses to judge on: held-out picks and standing people, rendered in all six views, and read back from shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from drpose_ray.core.seeding import stream
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.evaluation.evaluate_model import NORMAL, PoseSet
from drpose_ray.geometry.silhouettes import foreground
from drpose_ray.poses.procedural.standing import draw_standing
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.reward.skeleton_maps import target_maps


def picked_frames(windows: Sequence[PoseWindow]) -> list[PoseWindow]:
    """Each window cut to its picked frame: neighbours show nearly the same pose and would only look like evidence."""
    cut = []
    for window in windows:
        here = np.flatnonzero(window.frames == window.pick)
        cut.append(replace(window, frames=window.frames[here], motion=window.motion[here]))
    return cut


def standing_windows(seed: int, num: int) -> list[PoseWindow]:
    """``num`` standing poses as windows of one frame; poses of this stream are drawn nowhere else."""
    rows = draw_standing(stream(seed, "judged standing poses"), num)
    return [
        PoseWindow(
            sequence_id=f"standing-{i:04d}",
            clip="standing",
            frames=np.array([i]),
            motion=rows[i : i + 1],
            pick=i,
            rank=i,
            fps=30.0,
            source="procedural standing (drpose_ray.poses.standing)",  # in every record: it stays
            licence="Apache-2.0",
        )
        for i in range(num)
    ]


def read_pose_set(folder: Path, name: str, map_size: int) -> PoseSet:
    """Read a dataset of six-view renders; every frame becomes a pose, its window the group.

    Args:
        folder: shards as ``datasets.multiview`` reads them.
        name: of the set, in tables.
        map_size: side of the target maps, the skeleton predictor's.

    Raises InputError if the dataset is unfinished or lacks a view.
    """
    people = read_multiview(folder)
    people = replace(people, images=people.images.float() / 255)
    return PoseSet(name, people, foreground(people.images[:, NORMAL]), target_maps(people, map_size))
