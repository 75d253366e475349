"""Building a dataset in one process: windows are dealt to shards in order, and finished shards are kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drpose_ray.errors import InputError
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.shards.manifest import (
    DatasetIdentity,
    Manifest,
    ShardRow,
    complete_dataset,
    finished_shard,
    open_dataset,
)
from drpose_ray.shards.record import KEY_PATTERN
from drpose_ray.shards.write import write_shard
from drpose_ray.synthesis.pose_to_image import PoseToImage, generate_record, settings_sha256

Progress = Callable[[ShardRow], None]
"""Called once per shard as it is finished."""


@dataclass(frozen=True)
class BuildPlan:
    """Which windows go into which shard of which folder."""

    folder: Path
    windows: tuple[PoseWindow, ...]
    identity: DatasetIdentity

    def shard_windows(self, shard_id: int) -> tuple[PoseWindow, ...]:
        size = self.identity.sequences_per_shard
        return self.windows[shard_id * size : (shard_id + 1) * size]


def plan_build(
    windows: Sequence[PoseWindow], generator: PoseToImage, folder: Path, sequences_per_shard: int
) -> BuildPlan:
    """Plan the dataset of ``windows``; nothing is written.

    Raises InputError if there are no windows, or one cannot name a record or has the name of another.
    """
    if not windows:
        raise InputError("the selection holds no windows", field="synthesis.selection", remedy="select poses first")
    names: set[str] = set()
    for window in windows:
        if window.sequence_id in names or not re.fullmatch(KEY_PATTERN, window.sequence_id):
            raise InputError(
                f"a window's name must be unique and match {KEY_PATTERN}",
                field="sequence_id",
                value=window.sequence_id,
                remedy="select the poses again, or rename their clips",
            )
        names.add(window.sequence_id)
    identity = DatasetIdentity(
        selection_sha256=selection_sha256(windows),
        generator=generator.name,
        generator_settings_sha256=settings_sha256(generator),
        body_sha256=generator.body_sha256,
        sequences=len(windows),
        frames=sum(len(window.frames) for window in windows),
        sequences_per_shard=sequences_per_shard,
    )
    return BuildPlan(folder.absolute(), tuple(windows), identity)  # a worker's current directory may be another


def selection_sha256(windows: Sequence[PoseWindow]) -> str:
    """Hash of what a generator can see of the windows, in order; the file they came from does not matter."""
    digest = hashlib.sha256()
    for window in windows:
        digest.update(
            repr((window.sequence_id, window.source, window.clip, window.rank, window.fps, window.licence)).encode()
        )
        digest.update(np.asarray(window.frames, "<i8").tobytes())
        digest.update(np.asarray(window.motion, "<f4").tobytes())
    return digest.hexdigest()


def unfinished_shards(plan: BuildPlan) -> list[int]:
    """Ids of the shards that still have to be built, in order."""
    return [i for i in range(plan.identity.shards) if finished_shard(plan.folder, i) is None]


def build_shard(plan: BuildPlan, shard_id: int, generator: PoseToImage) -> ShardRow:
    """Generate and publish one shard. Building it twice, even at the same time, gives the same bytes."""
    windows = plan.shard_windows(shard_id)
    return write_shard(plan.folder, shard_id, (generate_record(generator, window) for window in windows))


def build(plan: BuildPlan, generator: PoseToImage, progress: Progress) -> Manifest:
    """Build what is missing of the dataset, one shard after the other, and complete it.

    Raises InputError if the folder cannot be written or belongs to another dataset.
    """
    open_dataset(plan.folder, plan.identity)
    for shard_id in unfinished_shards(plan):
        progress(build_shard(plan, shard_id, generator))
    return complete_dataset(plan.folder, plan.identity)
