from __future__ import annotations

import math

import pytest
import torch

from drpose_ray.geometry.silhouettes import foreground
from drpose_ray.metrics.silhouettes import fixed_mask_iou, silhouette_iou


def test_iou_of_half_overlapping_masks_is_one_third() -> None:
    mask, truth = torch.zeros(1, 8, 8, dtype=torch.bool), torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :, 0:4] = True
    truth[:, :, 2:6] = True
    assert silhouette_iou(mask, truth).item() == pytest.approx(1 / 3)


def test_iou_of_empty_masks_is_one_and_of_one_empty_mask_zero() -> None:
    empty, full = torch.zeros(4, 4, dtype=torch.bool), torch.ones(4, 4, dtype=torch.bool)
    assert silhouette_iou(empty, empty).item() == 1
    assert silhouette_iou(empty, empty, of_nothing=0.0).item() == 0
    assert silhouette_iou(empty, full).item() == 0


def test_a_fixed_mask_knows_what_people_share_and_nothing_else() -> None:
    same = torch.zeros(5, 2, 8, 8, dtype=torch.bool)
    same[:, :, 2:6, 2:6] = True
    assert fixed_mask_iou(same).tolist() == [1.0] * len(same)
    different = torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    for i in range(4):
        different[i, 0, 2 * i : 2 * i + 2] = True  # four quarters of the image
    assert fixed_mask_iou(different) == pytest.approx(0.25)


def test_every_unit_normal_is_foreground_and_white_is_not() -> None:
    """The threshold leaves no direction out, not even the one whose components are all equal."""
    directions = torch.nn.functional.normalize(
        torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0)), dim=0
    )
    directions[:, 0, 0] = 1 / math.sqrt(3)
    assert foreground((directions + 1) / 2).all()
    assert not foreground(torch.ones(3, 4, 4)).any()
