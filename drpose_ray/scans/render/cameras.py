"""The cameras that renders are taken with: where they stand, and their matrices in the field's layout (OpenCV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.geometry.cameras import Frame

SENSOR_MM: Final = 32.0
"""Era3D's sensor (docs/facts/i2mv.md, 4.3).

A lens of ``f`` mm stands ``f / 32`` frames away, where the frame fills it.
"""

ORTHOGRAPHIC_DISTANCE: Final = 1.5
"""Frames between an orthographic camera and the frame's centre, as PSHuman's; it decides nothing but its depths."""


@dataclass(frozen=True)
class View:
    """A camera that looks at a frame's centre; angles in degrees, as in ``geometry.cameras``."""

    azimuth_deg: float
    elevation_deg: float = 0.0
    lens_mm: float | None = None
    """None: orthographic."""

    @property
    def distance(self) -> float:
        """From the frame's centre, in frames."""
        return ORTHOGRAPHIC_DISTANCE if self.lens_mm is None else self.lens_mm / SENSOR_MM

    def world_to_cam(self) -> NDArray[np.float64]:
        """Rotation (3, 3) whose rows are the camera's right, up and towards-camera axes in world coordinates."""
        a, e = np.deg2rad(self.azimuth_deg), np.deg2rad(self.elevation_deg)
        right = np.array([np.cos(a), 0.0, -np.sin(a)])
        towards = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
        return np.stack([right, np.cross(towards, right), towards])


def opencv_camera(view: View, frame: Frame, size: int) -> dict[str, Any]:
    """What users of the renders need of a camera, JSON-able.

    ``intrinsic`` (3, 3) in pixels, origin at the upper left corner of an image of ``size``; ``extrinsic`` (3, 4) takes
    metres in world axes to the camera's, x right, y down, z forward. A perspective camera divides by that z; an
    orthographic one takes x and y as they are.
    """
    rotation = view.world_to_cam() * np.array([[1.0], [-1.0], [-1.0]])
    forward = np.array([0.0, 0.0, view.distance * frame.width_m])
    translation = forward - rotation @ frame.center_world
    focal = size / frame.width_m if view.lens_mm is None else size * view.lens_mm / SENSOR_MM
    return {
        "camera": "ortho" if view.lens_mm is None else "persp",
        "azimuth_deg": view.azimuth_deg,
        "elevation_deg": view.elevation_deg,
        "lens_mm": view.lens_mm,
        "intrinsic": [[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]],
        "extrinsic": [[float(x) for x in row] for row in np.column_stack([rotation, translation])],
    }
