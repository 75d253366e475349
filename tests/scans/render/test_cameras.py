from __future__ import annotations

import numpy as np
import pytest
import torch

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame, project, world_to_cam
from drpose_ray.scans.render.cameras import View, opencv_camera

FRAME = Frame(np.array([0.3, 1.0, -0.2]), 2.2)
POINTS = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 3)) + FRAME.center_world


@pytest.mark.parametrize("azimuth", VIEW_AZIMUTHS_DEG)
def test_without_elevation_a_view_is_the_rig_s(azimuth: float) -> None:
    np.testing.assert_allclose(View(azimuth).world_to_cam(), world_to_cam(azimuth), atol=1e-12)


@pytest.mark.parametrize("azimuth", VIEW_AZIMUTHS_DEG)
def test_the_matrices_of_an_orthographic_camera_project_as_the_rig_does(azimuth: float) -> None:
    camera = opencv_camera(View(azimuth), FRAME, 192)
    extrinsic, intrinsic = np.array(camera["extrinsic"]), np.array(camera["intrinsic"])
    seen = POINTS @ extrinsic[:, :3].T + extrinsic[:, 3]
    pixels = seen[:, :2] @ intrinsic[:2, :2].T + intrinsic[:2, 2]
    expected = project(
        torch.from_numpy(POINTS)[None], torch.from_numpy(FRAME.center_world)[None],
        torch.tensor([FRAME.width_m]).double(), torch.tensor([azimuth]).double(),
    )[0, 0] * 192  # fmt: skip
    np.testing.assert_allclose(pixels, expected, atol=1e-3)  # the width is a float32 there
    assert (seen[:, 2] > 0).all(), "the camera looks forward"


def test_a_perspective_camera_shows_the_frame_s_square_whatever_its_lens() -> None:
    for lens in (35.0, 135.0):
        view = View(40, 25, lens)
        right, up, _ = view.world_to_cam()
        corner = FRAME.center_world + FRAME.width_m / 2 * (right + up)
        camera = opencv_camera(view, FRAME, 512)
        x, y, z = np.array(camera["extrinsic"]) @ [*corner, 1]
        pixel = np.array(camera["intrinsic"]) @ [x / z, y / z, 1]
        np.testing.assert_allclose(pixel[:2], [512, 0], atol=1e-6)
        assert z == pytest.approx(lens / 32 * FRAME.width_m)


def test_elevated_cameras_look_down_and_stay_upright() -> None:
    rotation = View(70, 30).world_to_cam()
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[2, 1] == pytest.approx(0.5) and rotation[1, 1] > 0 and rotation[0, 1] == 0
