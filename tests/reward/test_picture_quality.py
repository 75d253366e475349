from __future__ import annotations

import pytest
import torch

from drpose_ray.reward.picture_quality import psnr_db, ssim


def test_psnr_is_that_of_the_error_over_a_whole_stack() -> None:
    targets = torch.full((3, 6, 3, 8, 8), 0.5)
    pictures = targets.clone()
    pictures[0] += 0.1
    pictures[1, :3] += 0.1  # half of the views: half of the mean square
    assert psnr_db(pictures, targets).tolist() == pytest.approx([20.0, 23.0103, 100.0], abs=1e-3)


def test_ssim_is_the_mean_over_views_and_knows_structure_from_noise() -> None:
    targets = torch.rand(2, 6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pictures = targets.clone()
    pictures[1, :3] = targets[1, :3].flip(-1)
    same, half = ssim(pictures, targets).tolist()
    assert same == pytest.approx(1.0) and half == pytest.approx(0.5, abs=0.1)
