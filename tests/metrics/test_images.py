from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from drpose_ray.metrics.images import as_one_picture, psnr_db, ssim

PACKAGE = Path(__file__).resolve().parents[2] / "drpose_ray"


def test_psnr_of_a_stack_as_one_picture_is_that_of_the_error_over_all_of_it() -> None:
    targets = torch.full((3, 6, 3, 8, 8), 0.5)
    pictures = targets.clone()
    pictures[0] += 0.1
    pictures[1, :3] += 0.1  # half of the views: half of the mean square
    whole = psnr_db(as_one_picture(pictures), as_one_picture(targets))
    assert whole.tolist() == pytest.approx([20.0, 23.0103, 100.0], abs=1e-3)
    assert psnr_db(pictures, targets)[1].tolist() == pytest.approx([20.0] * 3 + [100.0] * 3, abs=1e-3)


def test_ssim_is_one_of_each_picture_and_knows_structure_from_noise() -> None:
    targets = torch.rand(2, 6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pictures = targets.clone()
    pictures[1, :3] = targets[1, :3].flip(-1)
    same, half = ssim(pictures, targets).mean(1).tolist()
    assert same == pytest.approx(1.0) and half == pytest.approx(0.5, abs=0.1)


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


@pytest.mark.parametrize("measure", ["psnr", "ssim", "iou", "bootstrap"])
def test_nobody_has_a_measure_of_his_own(measure: str) -> None:
    found = {
        file.parent.name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and measure in node.name.split("_")
    }
    assert found == {"metrics"}
