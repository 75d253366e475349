"""The texels of a mesh's own texture atlas: of which face each is a part, so that a picture can be painted by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt


@dataclass(frozen=True)
class Texels:
    """A square picture of ``size`` texels a side over texture coordinates in [0, 1], origin at the lower left.

    Attributes:
        face: (n,) the face that covers each of the n covered texels; ``weights`` (n, 3) are of its corners.
        nearest: (size, size) the number of the covered texel that is nearest: texels between the islands take its
            colour, so that no seam shows when the picture is filtered.
    """

    size: int
    face: NDArray[np.int64]
    weights: NDArray[np.float32]
    nearest: NDArray[np.int64]

    @staticmethod
    def of(uvs: NDArray[np.floating], uv_faces: NDArray[np.int64], size: int) -> Texels:
        """The texels of faces with corners ``uv_faces`` (F, 3) among ``uvs`` (U, 2)."""
        flat = np.concatenate([uvs, np.zeros((len(uvs), 1))], 1).astype(np.float32)
        scene = EmbreeScene()
        TriangleMesh(scene, flat[uv_faces])
        centres = (np.arange(size, dtype=np.float32) + 0.5) / size
        across, down = np.meshgrid(centres, 1 - centres)
        origins = np.stack([across.ravel(), down.ravel(), np.ones(size * size, np.float32)], 1)
        hits = scene.run(origins, np.tile(np.array([0, 0, -1], np.float32), (len(origins), 1)), output=1)
        covered = hits["primID"] >= 0
        if not covered.any():  # an atlas thinner than a texel: one colour for all
            return Texels(size, np.zeros(1, np.int64), np.full((1, 3), 1 / 3, np.float32), np.zeros((size, size), int))
        near = distance_transform_edt(~covered.reshape(size, size), return_distances=False, return_indices=True)
        numbers = np.cumsum(covered) - 1
        u, v = hits["u"][covered], hits["v"][covered]
        return Texels(
            size, hits["primID"][covered].astype(np.int64), np.stack([1 - u - v, u, v], 1).astype(np.float32),
            numbers[near[0] * size + near[1]],
        )  # fmt: skip

    def spread(self, values: NDArray[np.floating], faces: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, k) the mixture of ``values`` (V, k) at the corners of each covered texel; ``faces`` (F, 3)."""
        corners = faces[self.face]
        mixed = np.zeros((len(corners), values.shape[1]), np.float32)
        for k in range(3):
            mixed += self.weights[:, [k]] * values[corners[:, k]]
        return mixed

    def picture(self, colours: NDArray[np.floating]) -> NDArray[np.uint8]:
        """(size, size, 3) sRGB of the covered texels' ``colours`` (n, 3) in [0, 1]."""
        painted: NDArray[np.uint8] = (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)[self.nearest]
        return painted
