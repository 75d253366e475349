"""The fast twin of the renderer: ray casting by Embree, the light of Blender's direct shading, no noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import vertex_normals
from drpose_ray.body.texture import sample_texture
from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.meshes.srgb import srgb_to_linear
from drpose_ray.scans.render.cameras import SENSOR_MM, View
from drpose_ray.scans.render.config import Lights, RaycastConfig
from drpose_ray.scans.render.renderer import RenderedViews
from drpose_ray.scans.scan import Mesh

Array = NDArray[np.float32]


class RaycastRenderer:
    """Implements ``ScanRenderer``; pixels are means over a regular grid of rays."""

    def __init__(self, config: RaycastConfig) -> None:
        self._config = config

    def settings(self) -> Mapping[str, Any]:
        return {**self._config.model_dump(mode="json"), "embreex": metadata.version("embreex")}

    def render(self, mesh: Mesh, frame: Frame, views: Sequence[View], size: int) -> RenderedViews:
        surface = _Surface(mesh, frame, self._config.lights)
        rendered = [_render(surface, view, size, self._config.supersampling) for view in views]
        color, alpha, normal, depth = (np.stack(parts) for parts in zip(*rendered, strict=True))
        return RenderedViews(color, alpha, normal, (depth * np.float32(frame.width_m)))

    def close(self) -> None:
        """Nothing is held."""


class _Surface:
    """What rays meet, in frames: the frame is the unit square around the origin."""

    def __init__(self, mesh: Mesh, frame: Frame, lights: Lights) -> None:
        local = ((mesh.vertices - frame.center_world) / frame.width_m).astype(np.float32)
        self.scene = EmbreeScene()
        TriangleMesh(self.scene, local[mesh.faces])
        self._mesh, self._local, self._lights = mesh, local, lights
        self._normals = vertex_normals(local, mesh.faces)
        self._colors = None if mesh.colors is None else srgb_to_linear(mesh.colors)

    def shade(self, triangle: NDArray[np.int64], weights: Array, towards: NDArray[np.float64]) -> tuple[Array, ...]:
        """Linear colour (n, 3), unit normal (n, 3) and height towards the viewer (n,) of n places."""
        corners = self._mesh.faces[triangle]
        points, normals = self._local[corners], np.einsum("nc,nci->ni", weights, self._normals[corners])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        # As Cycles does: a triangle seen from behind shows the normal of its other side.
        outward = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
        normals[outward @ towards < 0] *= -1
        light = np.full(len(normals), self._lights.ambient, np.float32)
        for sun in self._lights.suns:
            direction = np.asarray(sun.towards) / np.linalg.norm(sun.towards)
            light += (sun.energy / np.pi * np.clip(normals @ direction, 0, None)).astype(np.float32)
        height = np.einsum("nc,nci->ni", weights, points) @ towards
        return self._albedo(triangle, weights) * light[:, None], normals, height.astype(np.float32)

    def _albedo(self, triangle: NDArray[np.int64], weights: Array) -> Array:
        if self._colors is not None:
            mixed: Array = np.einsum("nc,nci->ni", weights, self._colors[self._mesh.faces[triangle]])
            return mixed
        assert self._mesh.texture is not None
        assert self._mesh.corner_uvs is not None
        uv = np.einsum("nc,nci->ni", weights, self._mesh.corner_uvs[triangle])
        return srgb_to_linear(sample_texture(self._mesh.texture, uv))


def _render(surface: _Surface, view: View, size: int, supersampling: int) -> tuple[Array, ...]:
    rays = size * supersampling
    right, up, towards = view.world_to_cam()
    across = ((np.arange(rays) + 0.5) / rays - 0.5)[None, :, None]
    down = (0.5 - (np.arange(rays) + 0.5) / rays)[:, None, None]
    if view.lens_mm is None:
        origins = across * right + down * up + view.distance * towards
        directions = np.broadcast_to(-towards, origins.shape)
    else:
        directions = across * right + down * up - view.lens_mm / SENSOR_MM * towards
        directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        origins = np.broadcast_to(view.distance * towards, directions.shape)
    hits = surface.scene.run(
        np.ascontiguousarray(origins.reshape(-1, 3), np.float32),
        np.ascontiguousarray(directions.reshape(-1, 3), np.float32),
        output=1,
    )
    inside = hits["primID"] >= 0
    u, v = hits["u"][inside], hits["v"][inside]
    weights = np.stack([1 - u - v, u, v], 1).astype(np.float32)
    color, normal, height = surface.shade(hits["primID"][inside].astype(np.int64), weights, towards)

    canvas = np.zeros((rays * rays, 7), np.float32)
    canvas[inside] = np.concatenate([color, normal, np.ones((len(u), 1), np.float32)], 1)
    pixels = canvas.reshape(size, supersampling, size, supersampling, 7).mean((1, 3))
    depth = np.full(rays * rays, np.inf, np.float32)
    depth[inside] = -height
    middle = slice(supersampling // 2, None, supersampling)  # one ray a pixel, the middle one
    return pixels[..., 0:3], pixels[..., 6], pixels[..., 3:6], depth.reshape(rays, rays)[middle, middle]
