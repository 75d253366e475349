"""The camera that MIMO's pose images are rendered with: a pinhole far away (docs/facts/mimo.md, 2.4, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.cameras import Frame, world_to_cam

FOCAL_PER_SIDE: Final = 5000 / 256
"""Focal length over the image's longer side, of the body estimator that made the training data."""
BODY_SHARE: Final = 0.8
"""Share of the image that the body's extent fills before cropping."""


@dataclass(frozen=True)
class Pinhole:
    """Intrinsics in pixels, in continuous image coordinates (the first pixel reaches from 0 to 1)."""

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def distant(cls, size: int) -> Self:
        """For a square image of ``size`` pixels: MIMO's focal length, principal point in the middle."""
        return cls(FOCAL_PER_SIDE * size, FOCAL_PER_SIDE * size, size / 2, size / 2)

    def project(self, points_cam: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 3) metres, x right, y down, z forward -> (..., 2) pixels."""
        x, y, z = np.moveaxis(np.asarray(points_cam, np.float64), -1, 0)
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy], -1)


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera stands: level, looking at ``center_world`` (3,) from ``azimuth_deg`` and ``distance_m``."""

    center_world: NDArray[np.float64]
    azimuth_deg: float
    distance_m: float

    @classmethod
    def of_clip(cls, vertices_world: NDArray[np.floating], azimuth_deg: float) -> Self:
        """One viewpoint for all frames (F, V, 3): what the body sweeps fills ``BODY_SHARE`` of the image."""
        local = vertices_world.reshape(-1, 3).astype(np.float64) @ world_to_cam(azimuth_deg).T
        low, high = local.min(0), local.max(0)
        center = (low + high) / 2 @ world_to_cam(azimuth_deg)
        return cls(center, azimuth_deg, FOCAL_PER_SIDE * float((high - low)[:2].max()) / BODY_SHARE)

    def to_camera(self, points_world: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 3) metres in world axes (y up) -> camera axes: x right, y down, z forward from the camera."""
        local = (points_world - self.center_world) @ world_to_cam(self.azimuth_deg).T
        in_camera: NDArray[np.float64] = local * [1, -1, -1] + [0, 0, self.distance_m]
        return in_camera

    def to_world(self, points_cam: NDArray[np.floating]) -> NDArray[np.float64]:
        """The inverse of ``to_camera``."""
        local = (points_cam - np.array([0, 0, self.distance_m])) * [1, -1, -1]
        in_world: NDArray[np.float64] = local @ world_to_cam(self.azimuth_deg) + self.center_world
        return in_world

    def frame_at(self, point_world: NDArray[np.floating], camera: Pinhole, size: int) -> Frame:
        """The orthographic square that shows what ``camera`` shows at the depth of ``point_world`` (3,).

        Elsewhere on a body the two differ by its depth over the distance, of which the distant camera leaves about one
        percent of the offset from the image's centre.
        """
        depth = float(self.to_camera(point_world)[2])
        x, y = ((size / 2 - c) * depth / f for c, f in ((camera.cx, camera.fx), (camera.cy, camera.fy)))
        return Frame(self.to_world(np.array([x, y, depth])), size * depth / camera.fx)
