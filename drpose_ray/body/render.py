"""Orthographic renders of a coloured mesh by ray casting (embreex): colour, normals and mask from several views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import vertex_normals
from drpose_ray.geometry.cameras import Frame, world_to_cam

SUPERSAMPLING: Final = 2  # rays are cheap beside building the tree, and clean edges matter at 96 pixels

# Two lamps fixed in the world, so that shading tells the front from the sides.
_LIGHTS: Final = (np.array([0.4, 0.6, 0.7]), np.array([-0.7, 0.2, 0.4]))
_LIGHT_STRENGTHS: Final = (0.45, 0.2)
_AMBIENT: Final = 0.42
_FACING: Final = 0.1


Coloring = Callable[[NDArray[np.int64], NDArray[np.float32]], NDArray[np.floating]]
"""Colours (n, 3) in [0, 1] of a mesh on its triangles (n,) at barycentric weights (n, 3)."""


@dataclass(frozen=True)
class Views:
    """Renders from V views, side s: ``color`` and ``normal`` (V, s, s, 3) uint8 on white, ``mask`` (V, s, s) uint8.

    Normals are ``(n + 1) / 2`` in world axes, which are the front camera's: x right, y up, z towards the viewer.
    They do not turn with the view. ``mask`` is coverage: 0 outside, 255 inside, between at edges.
    """

    color: NDArray[np.uint8]
    normal: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def render_views(
    vertices: NDArray[np.floating],
    faces: NDArray[np.int64],
    colors_at: Coloring,
    frame: Frame,
    azimuths_deg: Sequence[float],
    size: int,
    *,
    two_sided: bool = False,
) -> Views:
    """Render ``vertices`` (V, 3) metres in ``colors_at`` their triangles at ``size`` x ``size`` pixels per view.

    Args:
        two_sided: whether triangles seen from behind show the normal of that side, as the inside of a sleeve does.
    """
    local = ((vertices - frame.center_world) / frame.width_m).astype(np.float32)  # the frame is the unit square
    scene = EmbreeScene()
    TriangleMesh(scene, local[faces])
    normals = vertex_normals(vertices, faces)
    a, b, c = local[faces].transpose(1, 0, 2)
    outward = np.cross(b - a, c - a) if two_sided else None
    rendered = [_render(scene, faces, normals, outward, colors_at, world_to_cam(a), size) for a in azimuths_deg]
    color, normal, mask = (np.stack(parts) for parts in zip(*rendered, strict=True))
    return Views(color, normal, mask)


def _render(
    scene: EmbreeScene,
    faces: NDArray[np.int64],
    normals: NDArray[np.float32],
    outward: NDArray[np.floating] | None,
    colors_at: Coloring,
    rotation: NDArray[np.float64],
    size: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    rays = size * SUPERSAMPLING
    right, up, towards = rotation
    across = ((np.arange(rays) + 0.5) / rays - 0.5)[None, :, None]
    down = (0.5 - (np.arange(rays) + 0.5) / rays)[:, None, None]
    origins = (across * right + down * up + 2.0 * towards).reshape(-1, 3).astype(np.float32)
    hits = scene.run(origins, np.tile(-towards.astype(np.float32), (len(origins), 1)), output=1)
    inside = hits["primID"] >= 0
    u, v = hits["u"][inside, None], hits["v"][inside, None]
    triangles = hits["primID"][inside].astype(np.int64)
    corners = faces[triangles]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    w = 1 - u - v
    normal = w * normals[a] + u * normals[b] + v * normals[c]
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    if outward is not None:
        normal[outward[triangles] @ towards < 0] *= -1
    shade = _AMBIENT + _FACING * np.clip(normal @ towards, 0, 1)
    for light, strength in zip(_LIGHTS, _LIGHT_STRENGTHS, strict=True):
        shade = shade + strength * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    color = colors_at(triangles, np.concatenate([w, u, v], 1)) * shade[:, None]

    canvas = np.ones((rays * rays, 7), np.float32)
    canvas[:, 6] = 0
    canvas[inside, 0:3] = np.clip(color, 0, 1)
    canvas[inside, 3:6] = normal * 0.5 + 0.5
    canvas[inside, 6] = 1
    pixels = canvas.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 7).mean((1, 3))
    image = (pixels * 255 + 0.5).astype(np.uint8)
    return image[..., 0:3], image[..., 3:6], image[..., 6]
