"""The rig shows people the right way round, and all of its parts agree on where things are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drpose_ray.geometry.cameras import NUM_VIEWS, VIEW_AZIMUTHS_DEG, VIEW_NAMES, Frame, project, world_to_cam

LEFT_HAND, NOSE, HEAD_TOP = (0.7, 0.0, 0.0), (0.0, 0.0, 0.2), (0.0, 0.9, 0.0)


def _place(points: list[tuple[float, float, float]], view: str) -> np.ndarray:
    azimuth = VIEW_AZIMUTHS_DEG[VIEW_NAMES.index(view)]
    shown = project(torch.tensor([points]), torch.zeros(1, 3), torch.tensor([2.0]), torch.tensor([azimuth]))
    return shown[0, 0].numpy()


def test_front_shows_the_left_hand_on_the_image_right_and_the_head_up() -> None:
    hand, head = _place([LEFT_HAND, HEAD_TOP], "front")
    np.testing.assert_allclose(hand, (0.5 + 0.7 / 2, 0.5), atol=1e-6)
    np.testing.assert_allclose(head, (0.5, 0.5 - 0.9 / 2), atol=1e-6)


def test_back_mirrors_the_front() -> None:
    np.testing.assert_allclose(_place([LEFT_HAND], "back")[0], (0.5 - 0.7 / 2, 0.5), atol=1e-6)


def test_azimuth_90_looks_from_plus_x_so_that_the_nose_points_to_the_image_left() -> None:
    nose, hand = _place([NOSE, LEFT_HAND], "right")
    np.testing.assert_allclose(nose, (0.5 - 0.2 / 2, 0.5), atol=1e-6)
    np.testing.assert_allclose(hand, (0.5, 0.5), atol=1e-6)
    np.testing.assert_allclose(world_to_cam(90)[2], (1, 0, 0), atol=1e-12)


@pytest.mark.parametrize("azimuth", VIEW_AZIMUTHS_DEG)
def test_projection_and_camera_rotation_agree(azimuth: float) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    center, width = np.array([0.1, -0.2, 0.3]), 2.5
    local = (points - center) @ world_to_cam(azimuth).T / width
    shown = project(*(torch.from_numpy(np.asarray(a)[None]) for a in (points, center, width)), torch.tensor([azimuth]))
    np.testing.assert_allclose(shown[0, 0], np.stack([0.5 + local[:, 0], 0.5 - local[:, 1]], -1), atol=1e-6)


def test_camera_rotations_are_rotations() -> None:
    for azimuth in VIEW_AZIMUTHS_DEG:
        rotation = world_to_cam(azimuth)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_frame_holds_the_whole_person_in_every_view() -> None:
    vertices = np.random.default_rng(1).uniform((-0.9, 0, -0.9), (0.3, 1.8, 0.4), (200, 3))
    frame = Frame.around(vertices)
    batch = [torch.from_numpy(np.asarray(a)[None]) for a in (vertices, frame.center_world, frame.width_m)]
    shown = project(*batch, torch.tensor(VIEW_AZIMUTHS_DEG))
    assert shown.shape == (1, NUM_VIEWS, 200, 2)
    assert (shown >= 0).all() and (shown <= 1).all()


def test_projection_passes_exact_gradients() -> None:
    points = torch.randn(1, 3, 3, dtype=torch.float64, requires_grad=True)
    azimuths = torch.tensor(VIEW_AZIMUTHS_DEG, dtype=torch.float64)
    center, width = torch.zeros(1, 3, dtype=torch.float64), torch.full((1,), 2.0, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: project(p, center, width, azimuths), points)
