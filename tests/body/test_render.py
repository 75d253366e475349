"""Renders against closed forms: a sphere has known masks and normals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from drpose_ray.body.render import Views, render_views
from drpose_ray.geometry.cameras import Frame


def sphere(subdivisions: int = 48) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    theta = np.linspace(0, np.pi, subdivisions)
    phi = np.linspace(0, 2 * np.pi, 2 * subdivisions, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    points = np.stack([np.sin(t) * np.sin(p), np.cos(t), np.sin(t) * np.cos(p)], -1).reshape(-1, 3)
    n, m = t.shape
    i, j = np.meshgrid(np.arange(n - 1), np.arange(m), indexing="ij")
    a, b = i * m + j, i * m + (j + 1) % m
    c, d = a + m, b + m
    return points, np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)


@pytest.fixture(scope="module")
def views() -> Views:
    points, faces = sphere()
    frame = Frame(np.zeros(3), 4.0)
    colors = np.where(points[:, :1] > 0, [[1.0, 0, 0]], [[0, 0, 1.0]])  # left half red, right half blue

    def colors_at(triangles: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.einsum("nc,nci->ni", weights, colors[faces[triangles]])

    return render_views(points, faces, colors_at, frame, (0.0, 90.0, 180.0), size=64)


def test_the_mask_has_the_area_of_the_disc(views: Views) -> None:
    covered = views.mask.astype(float).mean((1, 2)) / 255
    np.testing.assert_allclose(covered, np.pi / 16, rtol=0.02)


def test_normals_stay_in_the_front_cameras_axes(views: Views) -> None:
    centre = views.normal[:, 32, 32].astype(float) / 255 * 2 - 1
    np.testing.assert_allclose(centre, [[0, 0, 1], [1, 0, 0], [0, 0, -1]], atol=0.06)


def test_azimuth_90_shows_the_side_at_image_right_of_the_front(views: Views) -> None:
    front, right, back = views.color.astype(int)
    assert front[32, 44, 0] > front[32, 44, 2], "red (+x) is at image right"
    assert front[32, 20, 2] > front[32, 20, 0]
    assert right[32, 32, 0] > 100 > right[32, 32, 2], "the camera moved to +x sees red"
    assert back[32, 44, 2] > back[32, 44, 0], "behind, sides swap"


def test_the_inside_of_cloth_shows_its_own_side_and_a_closed_body_keeps_its_normals() -> None:
    points, faces = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]), np.array([[0, 2, 1]])  # seen from behind
    frame = Frame(np.zeros(3), 4.0)
    towards = {
        two_sided: render_views(
            points, faces, lambda _, weights: weights, frame, (0.0, 180.0), 32, two_sided=two_sided
        ).normal[:, 16, 16]
        for two_sided in (False, True)
    }
    np.testing.assert_array_equal(towards[False][:, 2], [0, 0])
    np.testing.assert_array_equal(towards[True][:, 2], [255, 0])


def test_background_is_white_in_both_domains(views: Views) -> None:
    assert (views.color[:, 0, 0] == 255).all() and (views.normal[:, 0, 0] == 255).all()
