"""What lies over what: skin under clothes is left out, and cloth that would sink into what is below it is lifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from drpose_ray.body.garments.base_mesh import BaseMesh
from drpose_ray.body.garments.garment import Garment
from drpose_ray.body.smplx_body import Body, vertex_normals

_TUCK_M: Final = 0.010
"""How far the edge of the skin that is left goes in under the cloth, so that it shows in no bend."""
_GAP_M: Final = 0.004
_REACH_M: Final = 0.025
"""Cloth that is farther from the nearest vertex below it, sideways or inside, is not lifted from there."""


@dataclass(frozen=True, eq=False)
class Layers:
    """A dressed body in the rest pose: the body's vertices (V, 3), the numbers of its faces of which something is seen,
    and each garment's vertices (G, 3).
    """

    skin_vertices: NDArray[np.float32]
    kept_faces: NDArray[np.int64]
    clothes: list[NDArray[np.float32]]


def dress_layers(
    base: BaseMesh, body: Body, bare: NDArray[np.float32], betas: NDArray[np.float32], worn: Sequence[Garment]
) -> Layers:
    """Fit ``worn``, the innermost first, over ``bare`` (V, 3): the body of ``betas`` (10,) in the rest pose."""
    a_pose, t_pose = base.shaped(betas)
    hidden = np.any([garment.hidden for garment in worn], axis=0)[base.body_vertices]
    normals = vertex_normals(bare, body.faces)
    below, below_normals = bare[~hidden], normals[~hidden]
    clothes = []
    for garment in worn:
        fitted = lift(garment.binding.fit(base, a_pose, t_pose), garment.smoothing, below, below_normals)
        clothes.append(fitted)
        below = np.concatenate([below, fitted])
        below_normals = np.concatenate([below_normals, vertex_normals(fitted, garment.mesh.faces)])
    return Layers(tuck(bare, normals, hidden), visible_faces(body.faces, hidden), clothes)


def visible_faces(faces: NDArray[np.int64], hidden: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(F',) numbers of the ``faces`` (F, 3) of which a corner is seen; ``hidden`` (V,) vertices."""
    return np.flatnonzero(~hidden[faces].all(1))


def tuck(
    vertices: NDArray[np.float32], normals: NDArray[np.floating], hidden: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(V, 3) with the hidden vertices drawn in along their ``normals`` (V, 3)."""
    return np.where(hidden[:, None], vertices - _TUCK_M * normals, vertices).astype(np.float32)


def lift(
    vertices: NDArray[np.float32],
    smoothing: sp.csr_matrix,
    below: NDArray[np.floating],
    below_normals: NDArray[np.floating],
) -> NDArray[np.float32]:
    """(G, 3) a garment's vertices, raised where they are less than a few millimetres above the surface below.

    Args:
        vertices: (G, 3) of the garment in the rest pose, metres.
        smoothing: (G, G) the garment's ``smoothing``: what is lifted draws its neighbourhood along, without a crease.
        below: (N, 3) vertices of what is seen below it, with ``below_normals`` (N, 3).
    """
    if not len(below):
        return vertices
    distance, nearest = cKDTree(below).query(vertices, distance_upper_bound=2 * _REACH_M)
    near = np.flatnonzero(np.isfinite(distance))
    normals = below_normals[nearest[near]]
    apart = vertices[near] - below[nearest[near]]
    height = (apart * normals).sum(1)
    sideways = np.linalg.norm(apart - height[:, None] * normals, axis=1)
    needed = np.where((height > -_REACH_M) & (sideways < _REACH_M), np.clip(_GAP_M - height, 0, None), 0)
    push = np.zeros_like(vertices)
    push[near] = needed[:, None] * normals
    smooth = push
    for _ in range(3):
        smooth = smoothing @ smooth
        larger = (push**2).sum(1) > (smooth**2).sum(1)
        smooth = np.where(larger[:, None], push, smooth)
    return (vertices + smooth).astype(np.float32)
