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


def read_multiview(folder: Path, limit: int | None = None) -> MultiViewSet:
    """The first ``limit`` frames of a six-view dataset, in stored order.

    Raises InputError if the dataset is unfinished, damaged, or lacks views.
    """
    keys, images, joints, centers, widths = [], [], [], [], []
    for sample in ShardReader(folder):
        keys.append(f"{sample.key}.{sample.frame:02d}")
        images.append(_views(sample, folder))
        center = sample.view.center_world
        joints.append((sample.joints_world - center) @ world_to_cam(sample.azimuth_deg).T + center)
        centers.append(center)
        widths.append(sample.view.width_m)
        if len(keys) == limit:
            break
    return MultiViewSet(
        tuple(keys), np.stack(images), np.stack(joints).astype(np.float32), np.stack(centers).astype(np.float32),
        np.array(widths, np.float32),
    )  # fmt: skip


def _views(sample: FrameSample, folder: Path) -> NDArray[np.uint8]:
    names = [[f"{domain}{view}" for view in range(NUM_VIEWS)] for domain in ("normal", "color")]
    missing = [name for row in names for name in row if name not in sample.images]
    if missing:
        raise InputError(
            "the dataset does not hold six views in two domains", file=folder, field=sample.key, value=missing,
            remedy="synthesize it with synthesis.clothed_body.multiview: true",
        )  # fmt: skip
    return np.stack([np.stack([sample.images[name] for name in row]) for row in names])
