from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.silhouette import draw_silhouette
from drpose_ray.body.smplx_body import Body
from drpose_ray.geometry.cameras import Frame
from tests.body.rays import faces_hit


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@pytest.mark.parametrize(("azimuth_deg", "size", "zoom"), [(0.0, 96, 1.0), (70.0, 61, 1.0), (215.0, 96, 0.4)])
def test_it_is_what_rays_through_the_pixel_centres_hit(
    body: Body, motionx_rows: np.ndarray, azimuth_deg: float, size: int, zoom: float
) -> None:
    vertices, _ = body.pose(motionx_rows[7])
    around = Frame.around(vertices)
    frame = Frame(around.center_world + 0.03, around.width_m * zoom)  # zoomed in, the body leaves the picture
    hit = faces_hit(vertices, body.faces, frame, azimuth_deg, size) >= 0
    drawn = draw_silhouette(vertices, body.faces, frame, azimuth_deg, size)
    assert 0.03 < drawn.mean() < 0.6
    assert (drawn != hit).sum() <= 2, "rounding may decide a centre that lies on an edge"


def test_a_body_outside_the_picture_leaves_it_empty() -> None:
    triangle = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    frame = Frame(np.array([10.0, 0, 0]), 2.0)
    assert not draw_silhouette(triangle, np.array([[0, 1, 2]]), frame, 0.0, 16).any()
