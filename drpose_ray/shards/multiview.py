"""Six-view records as arrays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import NUM_VIEWS, world_to_cam
from drpose_ray.shards.open_shard import FrameSample
from drpose_ray.shards.read import ShardReader


@dataclass(frozen=True)
class MultiViewSet:
    """N rendered people; joints and centres are in the input camera's axes (azimuth 0)."""

    keys: tuple[str, ...]
    images: NDArray[np.uint8]  # (N, M, V, s, s, 3), normals first
    joints: NDArray[np.float32]  # (N, 23, 3) metres
    center: NDArray[np.float32]  # (N, 3) metres
    width_m: NDArray[np.float32]  # (N,)

    def __len__(self) -> int:
        return len(self.keys)


def read_multiview(folder: Path, limit: int | None = None, one_per_record: bool = False) -> MultiViewSet:
    """The first ``limit`` frames of a six-view dataset, in stored order; if so wanted, only the first of each record.

    Raises InputError if the dataset is unfinished, damaged, or lacks views.
    """
    keys, images, joints, centers, widths = [], [], [], [], []
    last = None
    for sample in ShardReader(folder):
        if one_per_record and sample.key == last:  # a record's frames are adjacent
            continue
        last = sample.key
        keys.append(f"{sample.key}.{sample.frame:02d}")
        images.append(view_images(sample, folder))
        joints.append(input_camera_joints(sample))
        centers.append(sample.view.center_world)
        widths.append(sample.view.width_m)
        if len(keys) == limit:
            break
    return MultiViewSet(
        tuple(keys), np.stack(images), np.stack(joints).astype(np.float32), np.stack(centers).astype(np.float32),
        np.array(widths, np.float32),
    )  # fmt: skip


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


def input_camera_joints(sample: FrameSample) -> NDArray[np.float64]:
    """(23, 3) metres, turned about the frame's centre into the input camera's axes, where the azimuth is 0."""
    center = sample.view.center_world
    joints: NDArray[np.float64] = (sample.joints_world - center) @ world_to_cam(sample.azimuth_deg).T + center
    return joints
