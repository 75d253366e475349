"""Clothed people: what everybody of them can do, and the painted ones, whose shape and outfit a seed alone draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.clothing import Outfit, draw_outfit
from drpose_ray.body.model_file import NUM_BETAS
from drpose_ray.body.render import Views, render_views
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.texture import TEXTURE_SIZE, Atlas, body_atlas
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.cameras import Frame
from drpose_ray.geometry.motion_row import BETAS
from drpose_ray.geometry.skeleton import NUM_JOINTS


class Person(Protocol):
    """One clothed person: a surface with a texture that can be posed. Painted here, in clothes in ``body.garments``."""

    @property
    def two_sided(self) -> bool: ...  # whether there are surfaces to be seen from behind
    @property
    def betas(self) -> NDArray[np.float32]: ...  # (10,)
    @property
    def faces(self) -> NDArray[np.int64]: ...  # (F, 3), outward
    @property
    def uvs(self) -> NDArray[np.floating]: ...  # (U, 2), origin at the lower left
    @property
    def uv_faces(self) -> NDArray[np.int64]: ...  # (F, 3) in ``uvs``
    @property
    def texture(self) -> NDArray[np.uint8]: ...  # (h, w, 3) sRGB

    def pose(self, motion_row: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vertices (V, 3) and joints (55, 3) in metres, world axes; ``motion_row`` (322,) with the person's betas."""

    def colors_at(self, triangles: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.floating]:
        """(n, 3) in [0, 1] on ``triangles`` (n,) at the barycentric ``weights`` (n, 3)."""


@dataclass(frozen=True, eq=False)
class PaintedPerson:
    """A ``body`` of shape ``betas`` (10,) in an ``outfit``; the texture has ``texture_size`` texels a side."""

    betas: NDArray[np.float32]
    outfit: Outfit
    body: Body
    texture_size: int

    two_sided: ClassVar[bool] = False

    @property
    def faces(self) -> NDArray[np.int64]:
        return self.body.faces

    @property
    def uvs(self) -> NDArray[np.float64]:
        return self._atlas.uvs

    @property
    def uv_faces(self) -> NDArray[np.int64]:
        return self._atlas.uv_faces

    @property
    def texture(self) -> NDArray[np.uint8]:
        return self._atlas.bake(self.outfit.colors, self.faces)

    def pose(self, motion_row: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.body.pose(motion_row, self.outfit.offsets)

    def colors_at(self, triangles: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.floating]:
        colors, corners = self.outfit.colors, self.faces[triangles]
        mixed: NDArray[np.floating] = weights[:, [0]] * colors[corners[:, 0]]
        for k in (1, 2):
            mixed = mixed + weights[:, [k]] * colors[corners[:, k]]
        return mixed

    @property
    def _atlas(self) -> Atlas:
        return body_atlas(self.body, self.texture_size, BODY_CACHE)


@dataclass(frozen=True)
class Portrait:
    """A posed person as seen by the rig: what the images show and where the skeleton is.

    ``motion_row`` (322,) is the pose with the person's own betas; ``joints_world`` (23, 3) metres are its joints.
    """

    views: Views
    frame: Frame
    motion_row: NDArray[np.float32]
    joints_world: NDArray[np.float32]


def draw_betas(rng: np.random.Generator) -> NDArray[np.float32]:
    """(10,) normal, clipped where the linear shape model stops looking human."""
    return np.clip(0.8 * rng.normal(size=NUM_BETAS), -1.8, 1.8).astype(np.float32)


def draw_person(body: Body, seed: int, texture_size: int = TEXTURE_SIZE) -> PaintedPerson:
    """A random painted person."""
    rng = stream(seed, "person")
    return PaintedPerson(draw_betas(rng), draw_outfit(body, rng), body, texture_size)


def take_portrait(
    person: Person, motion_row: NDArray[np.floating], azimuths_deg: Sequence[float], size: int
) -> Portrait:
    """Pose ``person`` by ``motion_row`` (322,) and render it from ``azimuths_deg``, box centre in the middle of
    the frame and box diagonal as its width (the normalisation of PSHuman and Era3D).
    """
    row = np.array(motion_row, np.float32)
    row[BETAS] = person.betas
    vertices, joints = person.pose(row)
    frame = Frame.around(vertices)
    views = render_views(
        vertices, person.faces, person.colors_at, frame, azimuths_deg, size, two_sided=person.two_sided
    )
    return Portrait(views, frame, row, joints[:NUM_JOINTS])
