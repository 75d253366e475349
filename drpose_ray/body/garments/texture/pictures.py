"""The pictures of one person's texture: skin, eyeballs, and each garment, painted from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_uvs import ensure_uvs
from drpose_ray.body.garments.garment import Garment
from drpose_ray.body.garments.texture.canvas import Canvas
from drpose_ray.body.garments.texture.cloth import draw_hair_colour, paint_clothes, paint_hair, paint_hat, paint_shoes
from drpose_ray.body.garments.texture.skin import eyeball_uvs, paint_eyeball, paint_skin
from drpose_ray.body.garments.texture.texels import Texels
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.seeding import stream

_ONE_CLOTH, _CROPPED = 0.15, 0.5
_BELT_Y: Final = (-0.26, -0.16)


@dataclass(frozen=True, eq=False)
class SkinAtlas:
    """Where the skin's picture lies on the body; the same for all people.

    Attributes:
        uvs: (U, 2) with ``uv_faces`` (F, 3), corner by corner as the body's faces.
        eyeball_uvs: (V, 2) of the body's vertices, in the picture of an eyeball.
        is_eyeball: (F,) faces of the body.
        texels: of the skin's picture, which lie at ``points`` (n, 3) of the mean body.
        eye: (3,) the centre of the left eye.
    """

    uvs: NDArray[np.float32]
    uv_faces: NDArray[np.int64]
    eyeball_uvs: NDArray[np.float32]
    is_eyeball: NDArray[np.bool_]
    texels: Texels
    points: NDArray[np.float32]
    eye: NDArray[np.float32]


@lru_cache(maxsize=2)
def skin_atlas(body: Body, size: int, cache: Path) -> SkinAtlas:
    """The atlas for pictures of ``size`` x ``size`` texels. Raises as ``ensure_uvs``."""
    uvs, uv_faces = ensure_uvs(cache, body)
    texels = Texels.of(uvs, uv_faces, size)
    points, eye = texels.spread(body.rest_vertices, body.faces), body.rest_joints[23]
    return SkinAtlas(
        uvs.astype(np.float32), uv_faces, eyeball_uvs(body.rest_vertices, eye),
        np.asarray(np.isin(body.part[body.faces], (23, 24)).all(axis=1)), texels, points, eye,
    )  # fmt: skip


def paint_person(atlas: SkinAtlas, worn: Sequence[Garment], seed: int) -> list[NDArray[np.uint8]]:
    """Pictures (size, size, 3) of skin, eyeballs and each garment that is ``worn``."""
    rng, size = stream(seed, "paint"), atlas.texels.size
    hair_colour = draw_hair_colour(rng)
    belt_y = None if rng.random() < _ONE_CLOTH else float(rng.uniform(*_BELT_Y))
    cropped = bool(rng.random() < _CROPPED) or any(garment.kind in {"hair", "hat"} for garment in worn)
    skin = paint_skin(atlas.points, atlas.eye, hair_colour, cropped=cropped, rng=rng)
    pictures = [atlas.texels.picture(skin), paint_eyeball(size, rng)]
    for garment in worn:
        canvas = _canvas(garment, size)
        if garment.kind == "hair":
            colours = paint_hair(canvas, hair_colour, rng)
        elif garment.kind == "shoes":
            colours = paint_shoes(canvas, rng)
        elif garment.kind == "hat":
            colours = paint_hat(canvas, rng)
        else:
            colours = paint_clothes(canvas, belt_y if garment.kind == "outfit" else None, rng)
        pictures.append(garment.texels(size).picture(colours))
    return pictures


def _canvas(garment: Garment, size: int) -> Canvas:
    texels, faces = garment.texels(size), garment.mesh.faces
    a, b, c = (garment.points[faces[:, k]] for k in range(3))
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2
    part = garment.part[faces[texels.face, 0]]
    return Canvas(texels.spread(garment.points, faces), part, float(np.sqrt(area / len(texels.face))))
