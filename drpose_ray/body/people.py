"""Clothed people: a body shape and an outfit, both drawn from a seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.clothing import Outfit, draw_outfit
from drpose_ray.body.model_file import NUM_BETAS
from drpose_ray.body.render import Views, render_views
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.cameras import Frame
from drpose_ray.geometry.motion_row import BETAS
from drpose_ray.geometry.skeleton import NUM_JOINTS


@dataclass(frozen=True)
class Person:
    """One clothed person: shape ``betas`` (10,) and ``outfit``."""

    betas: NDArray[np.float32]
    outfit: Outfit


@dataclass(frozen=True)
class Portrait:
    """A posed person as seen by the rig: what the images show and where the skeleton is.

    ``motion_row`` (322,) is the pose with the person's own betas; ``joints_world`` (23, 3) metres are its joints.
    """

    views: Views
    frame: Frame
    motion_row: NDArray[np.float32]
    joints_world: NDArray[np.float32]


def draw_person(body: Body, seed: int) -> Person:
    """A random clothed person; betas are normal, clipped where the linear shape model stops looking human."""
    rng = stream(seed, "person")
    betas = np.clip(0.8 * rng.normal(size=NUM_BETAS), -1.8, 1.8).astype(np.float32)
    return Person(betas, draw_outfit(body, rng))


def take_portrait(
    body: Body, person: Person, motion_row: NDArray[np.floating], azimuths_deg: Sequence[float], size: int
) -> Portrait:
    """Pose ``person`` by ``motion_row`` (322,) and render it from ``azimuths_deg``, box centre in the middle of
    the frame and box diagonal as its width (the normalisation of PSHuman and Era3D).
    """
    row = np.array(motion_row, np.float32)
    row[BETAS] = person.betas
    vertices, joints = body.pose(row, person.outfit.offsets)
    frame = Frame.around(vertices)
    views = render_views(vertices, body.faces, person.outfit.colors, frame, azimuths_deg, size)
    return Portrait(views, frame, row, joints[:NUM_JOINTS])
