"""Another's answer to what a camera sees of a mesh: Embree's rays through the centres of pixels."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from drpose_ray.geometry.cameras import Frame, world_to_cam


def faces_hit(vertices: np.ndarray, faces: np.ndarray, frame: Frame, azimuth_deg: float, size: int) -> np.ndarray:
    """(size, size): the number of the face that each pixel's ray meets first, -1 where it meets none."""
    right, up, towards = world_to_cam(azimuth_deg)
    centres = (np.arange(size) + 0.5) / size - 0.5
    origins = centres[None, :, None] * right - centres[:, None, None] * up + 9 * towards
    scene = EmbreeScene()
    TriangleMesh(scene, ((vertices - frame.center_world) / frame.width_m).astype(np.float32)[faces])
    rays = np.tile(-towards.astype(np.float32), (size * size, 1))
    return scene.run(origins.reshape(-1, 3).astype(np.float32), rays).reshape(size, size)
