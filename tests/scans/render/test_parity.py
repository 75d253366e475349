"""Cycles and the fast twin see the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame
from drpose_ray.scans.meshes.srgb import linear_to_srgb
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import BlenderConfig, RaycastConfig
from drpose_ray.scans.render.raycast import RaycastRenderer
from drpose_ray.scans.render.renderer import RenderedViews
from drpose_ray.scans.scan import Mesh
from tests.scans.render.people import ball, person

RIG = tuple(View(azimuth) for azimuth in VIEW_AZIMUTHS_DEG)


@pytest.fixture(scope="module")
def blender() -> Iterator[BlenderRenderer]:
    renderer = BlenderRenderer(BlenderConfig(samples=24))
    yield renderer
    renderer.close()


def render_both(blender: BlenderRenderer, mesh: Mesh, views: tuple[View, ...]) -> tuple[RenderedViews, RenderedViews]:
    frame = Frame.around(mesh.vertices)
    return blender.render(mesh, frame, views, 192), RaycastRenderer(RaycastConfig()).render(mesh, frame, views, 192)


def assert_alike(cycles: RenderedViews, twin: RenderedViews) -> None:
    for view in range(len(cycles.alpha)):
        mask, other = cycles.alpha[view] > 0.5, twin.alpha[view] > 0.5
        assert mask.any() and (mask & other).sum() / (mask | other).sum() > 0.99
        inside = mask & other
        n, m = cycles.normal_world[view][inside], twin.normal_world[view][inside]
        cosine = (n * m).sum(1) / np.maximum(np.linalg.norm(n, axis=1) * np.linalg.norm(m, axis=1), 1e-9)
        assert cosine.mean() > 0.99
        both = np.isfinite(cycles.depth_m[view]) & np.isfinite(twin.depth_m[view])
        apart_m = np.abs(cycles.depth_m[view][both] - twin.depth_m[view][both])
        assert np.median(apart_m) < 0.005  # rays differ within a pixel
        solid = (cycles.alpha[view] > 0.99) & (twin.alpha[view] > 0.99)
        apart = np.abs(linear_to_srgb(cycles.color[view]) - linear_to_srgb(twin.color[view]))[solid]
        assert apart.mean() < 0.02


@pytest.mark.parametrize("seed", [1, 2])
def test_clothed_people_look_alike_from_six_views(blender: BlenderRenderer, seed: int) -> None:
    assert_alike(*render_both(blender, person(seed).mesh, RIG))


@pytest.mark.parametrize("textured", [True, False])
def test_textures_and_vertex_colors_look_alike(blender: BlenderRenderer, textured: bool) -> None:
    cycles, twin = render_both(blender, ball(textured=textured), RIG)
    assert_alike(cycles, twin)
    solid = (cycles.alpha > 0.99) & (twin.alpha > 0.99)
    assert np.abs(linear_to_srgb(cycles.color) - linear_to_srgb(twin.color))[solid].max() < 0.06
    left, middle, right = cycles.color[0, 96, [60, 96, 132]]  # of the front view: the person's left is at the right
    assert right[0] > 1.5 * left[0] and middle[2] > right[2]


def test_perspective_and_elevation_are_the_same_camera(blender: BlenderRenderer) -> None:
    views = (View(30, 35, 35.0), View(250, -20, 135.0), View(120, 40))
    assert_alike(*render_both(blender, person(1).mesh, views))
