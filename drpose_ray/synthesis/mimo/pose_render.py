"""The pose image itself: the body in its vertex colours, unlit, on black (docs/facts/mimo.md, 2.4)."""

from __future__ import annotations

from typing import Final

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from drpose_ray.synthesis.mimo.camera import Pinhole

SUPERSAMPLING: Final = 2
"""Rays along a pixel's side; the original smooths edges by multisampling."""


def render_pose(
    vertices_cam: NDArray[np.floating],
    faces: NDArray[np.int64],
    colors: NDArray[np.floating],
    camera: Pinhole,
    size: int,
) -> NDArray[np.uint8]:
    """One pose image, (size, size, 3).

    Args:
        vertices_cam: (V, 3) metres in camera axes: x right, y down, z forward.
        faces: (T, 3).
        colours: (V, 3) in [0, 1], interpolated linearly and not shaded.
        camera: of the square image.
    """
    image = np.zeros((size, size, 3), np.uint8)
    corners = camera.project(vertices_cam)
    low = np.clip(np.floor(corners.min(0)), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, size).astype(int)
    width, height = high - low  # only where the body is: most of the image is background
    if width <= 0 or height <= 0:
        return image
    across = (np.arange(width * SUPERSAMPLING) + 0.5) / SUPERSAMPLING + low[0]
    down = (np.arange(height * SUPERSAMPLING) + 0.5) / SUPERSAMPLING + low[1]
    u, v = np.meshgrid(across, down)
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1)
    rays = rays.reshape(-1, 3).astype(np.float32)

    scene = EmbreeScene()
    TriangleMesh(scene, vertices_cam.astype(np.float32)[faces])
    hits = scene.run(np.zeros_like(rays), rays, output=1)
    inside = hits["primID"] >= 0
    a, b = hits["u"][inside, None], hits["v"][inside, None]
    of_corner = colors[faces[hits["primID"][inside]]]  # (hits, 3 corners, 3)
    canvas = np.zeros((len(rays), 3))
    canvas[inside] = (1 - a - b) * of_corner[:, 0] + a * of_corner[:, 1] + b * of_corner[:, 2]
    pixels = canvas.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))
    image[low[1] : high[1], low[0] : high[0]] = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return image
