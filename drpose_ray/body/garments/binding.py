"""How a garment hangs on the base mesh: three vertices, barycentric weights, and an offset that grows with the body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from drpose_ray.body.garments.base_mesh import NUM_VERTICES, BaseMesh
from drpose_ray.body.garments.mhclo_file import Measure

_METRES_PER_DECIMETRE = 0.1


@dataclass(frozen=True)
class Binding:
    """Fields as in ``MhcloFile``: ``vertices``, ``weights`` and ``offsets`` (G, 3), and the ``measures``."""

    vertices: NDArray[np.int64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    measures: tuple[Measure | None, Measure | None, Measure | None]

    @cached_property
    def points(self) -> sp.csr_matrix:
        """(G, 19158): times the base mesh, where the vertices hang before their offset."""
        return self._matrix(self.weights)

    @cached_property
    def shares(self) -> sp.csr_matrix:
        """(G, 19158): how much of a vertex's movement comes from which of its three.

        A garment may lie beyond its triangle, with a negative weight. Places are carried on beyond it, rotations and
        skinning weights are not.
        """
        positive = np.clip(self.weights, 0, None)
        return self._matrix(positive / positive.sum(1, keepdims=True))

    def fit(self, base: BaseMesh, a_pose: NDArray[np.floating], t_pose: NDArray[np.floating]) -> NDArray[np.float32]:
        """(G, 3) the garment in the T-pose of a body, given as the base mesh's two poses (19158, 3), in metres."""
        scales = [
            _METRES_PER_DECIMETRE if m is None else abs(float(a_pose[m.first, k] - a_pose[m.second, k])) / m.reference
            for k, m in enumerate(self.measures)
        ]
        turns = (self.shares @ base.turns.reshape(NUM_VERTICES, 9)).reshape(-1, 3, 3)
        fitted = self.points @ t_pose + np.einsum("gij,gj->gi", turns, self.offsets * scales)
        return np.asarray(fitted, np.float32)

    def skin(self, base: BaseMesh) -> sp.csr_matrix:
        """(G, 55) skinning weights: those of the body that the garment hangs on."""
        return (self.shares @ base.weights).tocsr().astype(np.float32)

    def _matrix(self, weights: NDArray[np.float64]) -> sp.csr_matrix:
        rows = np.repeat(np.arange(len(self.vertices)), 3)
        entries = (weights.ravel(), (rows, self.vertices.ravel()))
        return sp.csr_matrix(entries, shape=(len(self.vertices), NUM_VERTICES), dtype=np.float32)
