from __future__ import annotations

import numpy as np
import pytest
import torch

from drpose_ray.evaluation.judges.blazepose.crop import Crop

RAMP = torch.stack([
    torch.arange(80.0).add(0.5).repeat(60, 1), torch.arange(60.0).add(0.5)[:, None].repeat(1, 80), torch.zeros(60, 80)
])  # fmt: skip
"""A picture (3, 60, 80) whose first two channels say where a pixel's centre is."""


@pytest.mark.parametrize(("size", "angle"), [(24.0, 0.0), (20.0, 0.7), (32.0, -2.5)])
def test_a_crop_shows_what_it_says_it_shows(size: float, angle: float) -> None:
    crop = Crop(np.array([41.0, 28.0]), size, angle)
    cut = crop.cut(RAMP, 16)[0, :, :, :2]
    y, x = np.meshgrid(*2 * [(np.arange(16) + 0.5) / 16], indexing="ij")
    np.testing.assert_allclose(cut, crop.to_picture(np.stack([x, y], -1)), atol=0.05 if size <= 2 * 16 - 1 else 1.0)


def test_beyond_the_picture_its_border_goes_on() -> None:
    cut = Crop(np.array([0.0, 30.0]), 16.0, 0.0).cut(RAMP, 16)
    np.testing.assert_allclose(cut[0, :, :8, 0], 0.5, atol=1e-4)
