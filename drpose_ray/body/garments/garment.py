"""A garment that was read and hangs on the base mesh: what every person who wears it has in common."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from drpose_ray.body.anny_export import NUM_JOINTS
from drpose_ray.body.garments.base_mesh import BaseMesh
from drpose_ray.body.garments.binding import Binding
from drpose_ray.body.garments.mesh_file import GarmentMesh, read_garment_mesh
from drpose_ray.body.garments.mhclo_file import MAX_BYTES, read_mhclo
from drpose_ray.body.garments.texture.texels import Texels
from drpose_ray.core.files.reading import read_limited

KINDS: Final = ("outfit", "top", "bottom", "shoes", "hair", "hat", "other")
_HEAD: Final = (12, 15, 22, 23, 24)
_HAT_WORDS: Final = frozenset({"hat", "hats", "cap", "caps", "helmet", "beanie", "fedora"})
# Heights on the mean body in its rest pose, in metres: the eyes are at .37, the hips at -.36, the knees at -.80.
_CROWN_Y, _BELLY_Y, _THIGH_Y, _SKIRT_Y, _SHIN_Y = 0.43, -0.05, -0.42, -0.60, -0.85
_BACK_OF_EYES_Z: Final = 0.09
_NARROW_M: Final = 0.25
_COVERS: Final = 0.12
"""The share of its vertices that a garment has over what it covers; the hem of a shirt has less over the thighs."""


@dataclass(frozen=True, eq=False)
class Garment:
    """One garment.

    Attributes:
        sha256: of its two files: the garment's name wherever it lies.
        kind: one of :data:`KINDS`, by what it covers; "other" is glasses, eyebrows, gloves and the like.
        depth: of two garments the one of the larger lies outside.
        hidden: (19158,) vertices of the base mesh that are not seen while it is worn.
        points: (G, 3) its vertices on the mean body in the T-pose, metres: where patterns are painted.
        skin: (G, 55) skinning weights.
        part: (G,) which of its separate pieces a vertex is of, the largest first.
        licence: as its file states it.
    """

    name: str
    sha256: str
    kind: str
    depth: int
    binding: Binding
    mesh: GarmentMesh
    hidden: NDArray[np.bool_]
    points: NDArray[np.float32]
    skin: sp.csr_matrix
    part: NDArray[np.int64]
    licence: str
    _texels: dict[int, Texels] = field(default_factory=dict, repr=False)

    @cached_property
    def smoothing(self) -> sp.csr_matrix:
        """(G, G) matrix that replaces a value by the mean over a vertex and its neighbours."""
        return neighbour_mean(self.mesh.faces, len(self.points))

    def texels(self, size: int) -> Texels:
        """Those of a picture of ``size`` x ``size``; kept, for everybody wears the same."""
        if size not in self._texels:
            self._texels[size] = Texels.of(self.mesh.uvs, self.mesh.uv_faces, size)
        return self._texels[size]


def read_garment(file: Path, base: BaseMesh) -> Garment:
    """Read the ``.mhclo`` and the ``.obj`` that it names. Raises as ``read_mhclo`` and ``read_garment_mesh``."""
    content = read_limited(file, MAX_BYTES, "bytes", "garments")
    bound = read_mhclo(file, content)
    mesh_content = read_limited(bound.mesh, MAX_BYTES, "bytes", "garments")
    mesh = read_garment_mesh(bound.mesh, len(bound.vertices), mesh_content)
    binding = Binding(bound.vertices, bound.weights, bound.offsets, bound.measures)
    points, skin = binding.fit(base, base.a_pose[0], base.t_pose[0]), binding.skin(base)
    digest = hashlib.sha256(hashlib.sha256(content).digest() + hashlib.sha256(mesh_content).digest()).hexdigest()
    words = {word for text in (bound.name.lower(), *bound.tags) for word in text.replace("_", " ").split()}
    return Garment(
        bound.name, digest, kind_of(points, skin, words), bound.depth, binding, mesh, bound.hidden, points, skin,
        _parts(mesh.faces, len(points)), bound.licence,
    )  # fmt: skip


def kind_of(points: NDArray[np.floating], skin: sp.csr_matrix, words: set[str]) -> str:
    """What a garment is, from where it lies on the mean body; hats are told from hair by the ``words`` of its names."""
    x, y = np.abs(points[:, 0]), points[:, 1]
    if y.max() < _SHIN_Y:
        return "shoes"
    on_head = skin[:, list(_HEAD)].sum() > 0.5 * len(points) and y.max() > 0
    if on_head or (y.max() > _CROWN_Y and x.max() < _NARROW_M):
        if y.max() < _CROWN_Y or points[:, 2].mean() > _BACK_OF_EYES_Z:
            return "other"
        return "hat" if words & _HAT_WORDS else "hair"
    over = (y > _BELLY_Y).mean() > _COVERS
    under = (y < _THIGH_Y).mean() > _COVERS or y.min() < _SKIRT_Y
    on_hands = skin[:, list(range(20, NUM_JOINTS))].sum() > 0.5 * len(points)
    if on_hands or not (over or under):
        return "other"
    return "outfit" if over and under else "top" if over else "bottom"


def neighbour_mean(faces: NDArray[np.int64], num: int) -> sp.csr_matrix:
    """(num, num) matrix that replaces a value by the mean over a vertex and its neighbours in ``faces`` (F, 3)."""
    adjacency = _adjacency(faces, num)
    adjacency.data[:] = 1
    adjacency = adjacency + sp.identity(num, dtype=np.float32)
    return sp.diags(1 / np.asarray(adjacency.sum(1)).ravel()).astype(np.float32) @ adjacency


def _adjacency(faces: NDArray[np.int64], num: int) -> sp.csr_matrix:
    rows, columns = (np.concatenate([faces[:, k] for k in order]) for order in ((0, 1, 2, 1, 2, 0), (1, 2, 0, 0, 1, 2)))
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(num, num))


def _parts(faces: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    count, label = connected_components(_adjacency(faces, num), directed=False)
    order = np.argsort(-np.bincount(label, minlength=count), kind="stable")
    ranks: NDArray[np.int64] = np.argsort(order)[label]
    return ranks
