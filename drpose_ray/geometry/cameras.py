"""The six-view orthographic rig of PSHuman and Era3D (docs/facts/i2mv.md, 2.6).

World axes are SMPL-X's: x to the person's left, y up, z forward; metres. The front camera looks along -z, so image
right is +x. A view of azimuth ``a`` looks from ``(sin a, 0, cos a)``: a growing azimuth is counter-clockwise seen
from above, and ``front_right`` (45 degrees) is the camera moved towards image right of the front view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

VIEW_NAMES: Final = ("front", "front_right", "right", "back", "left", "front_left")
VIEW_AZIMUTHS_DEG: Final = (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)
NUM_VIEWS: Final = len(VIEW_NAMES)


@dataclass(frozen=True)
class Frame:
    """What an orthographic camera shows: a square of ``width_m`` metres around ``center_world``, seen upright."""

    center_world: Float64[NDArray[np.float64], 3]  # metres
    width_m: float

    @staticmethod
    def around(vertices_world: Float[NDArray[np.floating], "P 3"]) -> Frame:
        """The rig's normalisation: box centre in the middle, box diagonal = frame width."""
        low, high = vertices_world.min(0).astype(np.float64), vertices_world.max(0).astype(np.float64)
        return Frame((low + high) / 2, float(np.linalg.norm(high - low)))


def world_to_cam(azimuth_deg: float) -> Float64[NDArray[np.float64], "3 3"]:
    """Rotation whose rows are the camera's right, up and towards-camera axes in world coordinates."""
    a = np.deg2rad(azimuth_deg)
    return np.array([[np.cos(a), 0.0, -np.sin(a)], [0.0, 1.0, 0.0], [np.sin(a), 0.0, np.cos(a)]])


def project(
    points_world: Float[Tensor, "B P 3"],
    center_world: Float[Tensor, "B 3"],
    width_m: Float[Tensor, " B"],
    azimuths_deg: Float[Tensor, " V"],
) -> Float[Tensor, "B V P 2"]:
    """Orthographic projection of points into several views, differentiable.

    Args:
        points_world: metres.
        center_world: metres, shown at the image centre.
        width_m: metres shown across the image.
        azimuths_deg: of the views.

    Returns:
        Image coordinates in frame units, origin top left, x right, y down; 0 and 1 are the borders, so pixel ``i`` of
        ``n`` has its centre at ``(i + .5) / n``.
    """
    a = torch.deg2rad(azimuths_deg.to(points_world))
    local = (points_world - center_world[:, None]) / width_m[:, None, None]
    x, y, z = (local[:, None, :, i] for i in range(3))
    u = torch.cos(a)[:, None] * x - torch.sin(a)[:, None] * z + 0.5
    v = (0.5 - y).expand_as(u)
    return torch.stack([u, v], -1)
