"""Frames of a dataset as the record: every person is turned here into the axes of the camera, and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.datasets.shards.open_shard import FrameSample
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.geometry.cameras import NUM_VIEWS, world_to_cam


def read_multiview(folder: Path, limit: int | None = None, one_per_record: bool = False) -> PosedPeople:
    """The first ``limit`` frames of a six-view dataset, in stored order; if so wanted, only the first of each record.

    Raises InputError if the dataset is unfinished, damaged, or lacks views.
    """
    samples, images = list[FrameSample](), list[NDArray[np.uint8]]()
    for sample in ShardReader(folder):
        if one_per_record and samples and sample.key == samples[-1].key:  # a record's frames are adjacent
            continue
        images.append(view_images(sample, folder))
        samples.append(dataclasses.replace(sample, images={}))
        if len(samples) == limit:
            break
    return dataclasses.replace(pose_people(samples), images=torch.from_numpy(np.stack(images)).movedim(-1, -3))


def pose_people(samples: Sequence[FrameSample]) -> PosedPeople:
    """Names and poses of frames, turned about each frame's centre so that the input image is the view of azimuth 0.

    Raises InputError if a pose is not finite.
    """
    for sample in samples:
        if not (np.isfinite(sample.joints_world).all() and np.isfinite(sample.view.center_world).all()):
            raise InputError(
                "a pose that is not finite", field=sample.key, value=f"frame {sample.frame}",
                remedy="verify the dataset (jobs/verify_dataset.py) and synthesize that sequence again",
            )  # fmt: skip
    return PosedPeople(
        joints=torch.from_numpy(np.stack([_joints(sample) for sample in samples])).float(),
        center=torch.from_numpy(np.stack([sample.view.center_world for sample in samples])).float(),
        width_m=torch.tensor([sample.view.width_m for sample in samples]),
        sample_ids=tuple(f"{sample.key}.{sample.frame:02d}" for sample in samples),
        persons=tuple(str(sample.person_seed) for sample in samples),
    )


def view_images(sample: FrameSample, folder: Path, num_slots: int = NUM_VIEWS) -> NDArray[np.uint8]:
    """The true views of a frame, (M, num_slots, s, s, 3), normals first; slot 6 is the face.

    Raises InputError if one is missing or they are not of one size.
    """
    names = [[f"{domain}{slot}" for slot in range(num_slots)] for domain in ("normal", "color")]
    missing = [name for row in names for name in row if name not in sample.images]
    if missing:
        raise InputError(
            "the dataset does not hold six views in two domains"
            if num_slots == NUM_VIEWS
            else "a frame lacks views that others of its dataset have",
            file=folder, field=sample.key, value=missing,
            remedy="synthesize it with synthesis.clothed_body.multiview: true, or render scans",
        )  # fmt: skip
    sides = {side for row in names for name in row for side in sample.images[name].shape[:2]}
    if len(sides) > 1:
        raise InputError(
            "the views of a frame are not squares of one size", file=folder, field=sample.key, value=sorted(sides),
            remedy="render all views at the model's image size",
        )  # fmt: skip
    return np.stack([np.stack([sample.images[name][..., :3] for name in row]) for row in names])


def holds_face(sample: FrameSample) -> bool:
    """Whether a frame has PSHuman's seventh slot, the face."""
    return f"color{NUM_VIEWS}" in sample.images and f"normal{NUM_VIEWS}" in sample.images


def _joints(sample: FrameSample) -> NDArray[np.float64]:
    center = sample.view.center_world
    turned: NDArray[np.float64] = (sample.joints_world - center) @ world_to_cam(sample.azimuth_deg).T + center
    return turned
