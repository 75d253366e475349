from __future__ import annotations

import math

import pytest
import torch

from drpose_ray.geometry.silhouettes import foreground
from drpose_ray.metrics.images import psnr_db, ssim
from drpose_ray.metrics.silhouettes import (
    fixed_mask_iou,
    normal_angle_deg,
    normal_error_deg,
    silhouette_iou,
)


def test_psnr_of_a_uniform_error_is_its_definition() -> None:
    truth = torch.full((2, 3, 8, 8), 0.5)
    errors = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    assert psnr_db(truth + errors, truth).tolist() == pytest.approx([20.0, 40.0], abs=1e-4)


def test_equal_images_have_the_highest_finite_psnr_and_ssim_one() -> None:
    image = torch.rand(4, 3, 16, 16)
    assert psnr_db(image, image).tolist() == [100.0] * 4
    assert ssim(image, image).tolist() == pytest.approx([1.0] * 4)


def test_ssim_keeps_leading_axes_and_falls_with_noise() -> None:
    truth = torch.rand(2, 5, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    slightly, strongly = ssim(truth + 0.05 * noise, truth), ssim(truth + 0.3 * noise, truth)
    assert slightly.shape == (2, 5)
    assert (strongly < slightly).all()


def test_every_unit_normal_is_foreground_and_white_is_not() -> None:
    """The threshold leaves no direction out, not even the one whose components are all equal."""
    directions = torch.nn.functional.normalize(
        torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0)), dim=0
    )
    directions[:, 0, 0] = 1 / math.sqrt(3)
    assert foreground((directions + 1) / 2).all()
    assert not foreground(torch.ones(3, 4, 4)).any()


def test_iou_of_half_overlapping_masks_is_one_third() -> None:
    mask, truth = torch.zeros(1, 8, 8, dtype=torch.bool), torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :, 0:4] = True
    truth[:, :, 2:6] = True
    assert silhouette_iou(mask, truth).item() == pytest.approx(1 / 3)


def test_iou_of_empty_masks_is_one_and_of_one_empty_mask_zero() -> None:
    empty, full = torch.zeros(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    assert silhouette_iou(empty, empty).item() == 1
    assert silhouette_iou(empty, full).item() == 0


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


def test_a_fixed_mask_knows_what_people_share_and_nothing_else() -> None:
    same = torch.zeros(5, 2, 8, 8, dtype=torch.bool)
    same[:, :, 2:6, 2:6] = True
    assert fixed_mask_iou(same).tolist() == [1.0] * len(same)
    different = torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    for i in range(4):
        different[i, 0, 2 * i : 2 * i + 2] = True  # four quarters of the image
    assert fixed_mask_iou(different) == pytest.approx(0.25)
