"""Textures: where they lie on the body, how colours at vertices become one, and what is seen of one at a point."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from drpose_ray.body.anny_uvs import ensure_uvs
from drpose_ray.body.smplx_body import Body

TEXTURE_SIZE: Final = 256
"""Texels a side of a picture, enough for a person of some hundred pixels."""


class Atlas:
    """The body's texture: which corner colours every texel is a mixture of; the same for all people."""

    def __init__(self, uvs: NDArray[np.float64], uv_faces: NDArray[np.int64], size: int) -> None:
        self.uvs, self.uv_faces, self.size = uvs, uv_faces, size
        flat = np.concatenate([uvs, np.zeros((len(uvs), 1))], 1).astype(np.float32)
        scene = EmbreeScene()
        TriangleMesh(scene, flat[uv_faces])
        centres = (np.arange(size, dtype=np.float32) + 0.5) / size
        across, down = np.meshgrid(centres, 1 - centres)
        origins = np.stack([across.ravel(), down.ravel(), np.ones(size * size, np.float32)], 1)
        hits = scene.run(origins, np.tile(np.array([0, 0, -1], np.float32), (len(origins), 1)), output=1)
        covered = (hits["primID"] >= 0).reshape(size, size)
        # Texels between the islands take the colour of the nearest one inside, so that no seam shows when filtered.
        near = distance_transform_edt(~covered, return_distances=False, return_indices=True)
        texels = (near[0] * size + near[1]).ravel()
        self._face = hits["primID"][texels].astype(np.int64)
        u, v = hits["u"][texels], hits["v"][texels]
        self._weights = np.stack([1 - u - v, u, v], 1).astype(np.float32)

    def bake(self, colors: NDArray[np.floating], faces: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(size, size, 3) sRGB texture of colours (V, 3) at vertices; ``faces`` (F, 3) pair with the atlas's."""
        corners = faces[self._face]
        mixed = np.zeros((len(corners), 3), np.float32)
        for k in range(3):
            mixed += self._weights[:, [k]] * colors[corners[:, k]]
        pixels: NDArray[np.uint8] = (np.clip(mixed, 0, 1) * 255 + 0.5).astype(np.uint8)
        return pixels.reshape(self.size, self.size, 3)


@lru_cache(maxsize=2)
def body_atlas(body: Body, size: int, cache: Path) -> Atlas:
    """The atlas of ``size`` x ``size`` texels. Raises as ``ensure_uvs``."""
    return Atlas(*ensure_uvs(cache, body), size)


def sample_texture(texture: NDArray[np.uint8], uv: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bilinear samples (n, 3) in [0, 1], sRGB, at ``uv`` (n, 2), origin lower left; the border goes on outside."""
    height, width = texture.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    upper = texture[top, left] * (1 - a) + texture[top, right] * a
    lower = texture[below, left] * (1 - a) + texture[below, right] * a
    sampled: NDArray[np.float32] = (upper * (1 - b) + lower * b) / np.float32(255)
    return sampled
