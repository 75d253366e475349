"""A body in clothes: one mesh with one picture, fitted once and then posed as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.garments.layers import dress_layers
from drpose_ray.body.garments.skinning import pose_vertices
from drpose_ray.body.garments.texture.pictures import SkinAtlas, paint_person, skin_atlas
from drpose_ray.body.garments.wardrobe import Wardrobe
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.texture import TEXTURE_SIZE, sample_texture
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.motion_row import BETAS, NUM_COLUMNS


@dataclass(frozen=True, eq=False)
class DressedPerson:
    """A person of given betas in clothes, in the rest pose; layers are kept apart, and what they hide is left out.

    Attributes:
        betas: (10,).
        rest: (N, 3) vertices in the T-pose, metres: what is seen of the body, then each garment.
        rest_joints: (55, 3).
        skin: (N, 55) skinning weights.
        faces: (F, 3), outward orientation; ``uv_faces`` (F, 3) index ``uvs`` (U, 2), origin at the lower left.
        texture: (h, w, 3) sRGB: pictures on each other, the skin's lowest, then the eyeballs', then each garment's.
        worn: the names of the garments, the innermost first.
    """

    two_sided: ClassVar[bool] = True
    betas: NDArray[np.float32]
    rest: NDArray[np.float32]
    rest_joints: NDArray[np.float32]
    skin: sp.csr_matrix
    faces: NDArray[np.int64]
    uvs: NDArray[np.float32]
    uv_faces: NDArray[np.int64]
    texture: NDArray[np.uint8]
    worn: tuple[str, ...]

    def pose(self, motion_row: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vertices (N, 3) and joints (55, 3), metres, world axes; the betas of ``motion_row`` (322,) are not read."""
        return pose_vertices(self.rest, self.skin, self.rest_joints, motion_row)

    @cached_property
    def corner_uvs(self) -> NDArray[np.float32]:
        """(F, 3, 2)"""
        return self.uvs[self.uv_faces]

    def colors_at(self, triangles: NDArray[np.int64], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, 3) sRGB in [0, 1] on ``triangles`` (n,) at the barycentric ``weights`` (n, 3)."""
        return sample_texture(self.texture, np.einsum("nc,nci->ni", weights, self.corner_uvs[triangles]))


def dress(
    wardrobe: Wardrobe, body: Body, betas: NDArray[np.floating], seed: int, size: int = TEXTURE_SIZE,
    cache: Path = BODY_CACHE,
) -> DressedPerson:  # fmt: skip
    """Fit what ``seed`` draws from ``wardrobe`` to the body of ``betas`` (10,), and paint it.

    The same seed, garments and betas give the same person.

    Args:
        size: texels a side of each picture in the texture.
        cache: where the free body and its texture coordinates lie.
    """
    worn = wardrobe.draw(stream(seed, "garments"))
    base, atlas = wardrobe.base, skin_atlas(body, size, cache)
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[BETAS] = betas
    bare, joints = body.pose(row)
    layers = dress_layers(base, body, bare, row[BETAS], worn)
    used, skin_faces, skin_uvs, skin_uv_faces = _seen_skin(body, atlas, layers.kept_faces)
    faces = [skin_faces, *(garment.mesh.faces for garment in worn)]
    meshes = [layers.skin_vertices[used], *layers.clothes]
    pictures = paint_person(atlas, worn, seed)
    uvs = [*skin_uvs, *(garment.mesh.uvs for garment in worn)]
    uv_faces = [*skin_uv_faces, *(garment.mesh.uv_faces for garment in worn)]
    return DressedPerson(
        row[BETAS].copy(),
        np.concatenate(meshes),
        joints,
        sp.vstack([base.weights[base.body_vertices[used]], *(garment.skin for garment in worn)]).tocsr(),
        _counted_on(faces, meshes),
        np.concatenate([(uv + np.array([0, k])) / [1, len(uvs)] for k, uv in enumerate(uvs)]).astype(np.float32),
        _counted_on(uv_faces, uvs),
        np.concatenate(pictures[::-1]),
        tuple(garment.name for garment in worn),
    )


def _seen_skin(
    body: Body, atlas: SkinAtlas, kept: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """The numbers of the body's vertices that are used; its faces in them, eyeballs last; and the texture coordinates
    of skin and eyeballs, with the faces' corners in each.
    """
    eyeballs = atlas.is_eyeball[kept]
    kept = np.concatenate([kept[~eyeballs], kept[eyeballs]])
    used, faces = np.unique(body.faces[kept], return_inverse=True)
    skin, eyes = kept[: int((~eyeballs).sum())], kept[int((~eyeballs).sum()) :]
    return used, faces.reshape(-1, 3), [atlas.uvs, atlas.eyeball_uvs], [atlas.uv_faces[skin], body.faces[eyes]]


def _counted_on(indices: Sequence[NDArray[np.int64]], tables: Sequence[NDArray[np.floating]]) -> NDArray[np.int64]:
    """``indices`` into each of ``tables`` as indices into all of them, one after the other."""
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    return np.concatenate([one + start for one, start in zip(indices, starts, strict=True)])
