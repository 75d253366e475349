"""Sets of single poses to render as people: what the base, the reward and the estimator are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.final_test import refuse_final_test
from drpose_ray.poses.people_config import PeopleSetConfig
from drpose_ray.poses.readers.motions import gather_motions
from drpose_ray.poses.sampling.farthest import farthest_points
from drpose_ray.poses.sampling.features import pose_features
from drpose_ray.poses.sources import draw_pose
from drpose_ray.poses.split import split_clips
from drpose_ray.poses.validity import check_frames
from drpose_ray.poses.windows import PoseWindow


def people_windows(name: str, settings: PeopleSetConfig, clips: Sequence[MotionClip]) -> list[PoseWindow]:
    """The set as windows of one frame; without ``candidates`` window ``i`` depends on the set's seed and ``i`` alone.

    ``clips`` feed the "mocap" source.
    """
    num_drawn = settings.candidates or settings.num
    rows = np.stack([draw_pose(settings.mixture, settings.seed, i, clips) for i in range(num_drawn)])
    if settings.candidates is not None:
        rows = rows[farthest_points(pose_features(rows), settings.num).indices]
    licence = "drawn poses CC0-1.0; mocap poses as their clips" if "mocap" in settings.mixture else "CC0-1.0"
    return [
        PoseWindow(
            sequence_id=f"{name}-{settings.seed}-{i:06d}",
            clip=name,
            frames=np.array([0]),
            motion=row[None],
            pick=0,
            rank=i,
            fps=30.0,
            source="drawn",
            licence=licence,
        )
        for i, row in enumerate(rows)
    ]


def training_clips(settings: PosesConfig) -> list[MotionClip]:
    """The mocap clips of the training split, valid frames marked: validation and test clips stay unseen.

    Raises InputError if one of them is in the final test set.
    """
    clips = gather_motions(settings)
    shares = {"val": settings.val_share, "test": settings.test_share}
    dealt = split_clips(clips, {"train": 1 - sum(shares.values()), **shares}, settings.split_by)
    refuse_final_test(dealt["train"], settings.final_test)
    return [replace(clip, valid=check_frames(clip).mask) for clip in dealt["train"]]
