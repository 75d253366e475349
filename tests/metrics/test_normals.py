from __future__ import annotations

import math

import pytest
import torch

from drpose_ray.metrics.normals import normal_angle_deg, normal_error_deg


def test_normal_angle_is_measured_inside_the_mask_and_ignores_length() -> None:
    truth = torch.zeros(3, 4, 4)
    truth[2] = 1  # towards the viewer
    tilted = torch.zeros(3, 4, 4)
    tilted[0], tilted[2] = math.sin(math.radians(30)), math.cos(math.radians(30))
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3] = True
    tilted[:, 0] = -truth[:, 0]  # wrong, and outside the mask
    angle = normal_angle_deg((0.6 * tilted + 1) / 2, (truth + 1) / 2, mask)
    assert angle.item() == pytest.approx(30.0, abs=1e-3)


def test_normals_that_nowhere_overlap_the_person_are_90_degrees_off() -> None:
    image = torch.rand(3, 4, 4)
    assert normal_angle_deg(image, image, torch.zeros(4, 4, dtype=torch.bool)).item() == 90


def test_drawing_only_the_easy_half_does_not_make_normals_better() -> None:
    """Inside its own overlap the half is perfect; over the true silhouette the other half counts as 90 degrees."""
    truth = torch.zeros(3, 4, 4)
    truth[2] = 1
    image = (truth + 1) / 2
    whole, half = torch.ones(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    half[2:] = False
    assert normal_angle_deg(image, image, half & whole).item() == pytest.approx(0, abs=1e-3)
    assert normal_error_deg(image, image, half, whole).item() == pytest.approx(45, abs=1e-3)
    assert normal_error_deg(image, image, whole, whole).item() == pytest.approx(0, abs=1e-3)
    assert normal_error_deg(image, image, ~whole, whole).item() == 90
