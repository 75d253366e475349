"""The signs of hacking, on models that are known to be hacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.finetune.models import TrainingModels
from drpose_ray.finetune.watch.monitor import HeldOutMonitor, write_samples
from tests.finetune.tiny_run import tiny_config, tiny_models

pytestmark = pytest.mark.usefixtures("one_rank")


@pytest.fixture
def models() -> TrainingModels:
    return tiny_models(tiny_config({"parallel.num_workers": 1}), torch.device("cpu"))


def pairs() -> PosedPeople:
    g = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 8, 8, generator=g)
    return PosedPeople(torch.zeros(3, 23, 3), torch.zeros(3, 3), torch.ones(3), ("a", "b", "c"), input_images=images)


def test_an_untouched_model_is_the_base(models: TrainingModels, tmp_path: Path) -> None:
    monitor = HeldOutMonitor(models, pairs(), seed=1)
    monitor.begin(models.denoiser, tmp_path / "base.safetensors")
    seen = monitor.measure(models.denoiser)
    assert seen.distance_to_base == 0
    assert seen.view_difference == pytest.approx(1) and seen.person_difference == pytest.approx(1)
    assert set(seen.metrics()) == {
        "held_out_reward", "held_out_distance_to_base", "held_out_view_difference", "held_out_person_difference",
    }  # fmt: skip


def test_a_model_that_draws_everyone_alike_is_seen(models: TrainingModels, tmp_path: Path) -> None:
    monitor = HeldOutMonitor(models, pairs(), seed=1)
    monitor.begin(models.denoiser, tmp_path / "base.safetensors")

    def drawn_alike(latents: torch.Tensor, timestep: int, condition: object) -> torch.Tensor:
        step = next(t for t in models.sampler if models.sampler[t].timestep == timestep)
        p, q = models.sampler[step].p, models.sampler[step].q
        return -p / q * latents  # x0 = p x + q out = 0 for everyone

    seen = monitor.measure(drawn_alike)
    assert seen.person_difference < 0.01 and seen.view_difference < 0.01 and seen.distance_to_base > 0
    assert seen.reward > monitor.measure(models.denoiser).reward, "zero is where this toy reward is best"


def test_what_the_base_drew_is_kept_for_a_resumed_run(models: TrainingModels, tmp_path: Path) -> None:
    HeldOutMonitor(models, pairs(), seed=1).begin(models.denoiser, tmp_path / "base.safetensors")
    with torch.no_grad():
        for parameter in models.denoiser.parameters():
            parameter.mul_(1.5)
    resumed = HeldOutMonitor(models, pairs(), seed=1)
    resumed.begin(models.denoiser, tmp_path / "base.safetensors")
    assert resumed.measure(models.denoiser).distance_to_base > 0


def test_the_sheet_has_a_row_per_domain_and_person(tmp_path: Path) -> None:
    images = torch.zeros(2, 3, 4, 3, 5, 5)
    images[1, 2, 3] = 1.0  # colours of the last person's last view
    write_samples(images, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 3 * 5, 4 * 5, 3)
    assert (sheet[25:, 15:] == 255).all() and sheet.sum() == 255 * 5 * 5 * 3
