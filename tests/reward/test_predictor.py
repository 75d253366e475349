from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from drpose_ray.core.errors import InputError
from drpose_ray.reward.config import PredictorConfig
from drpose_ray.reward.predictor import SkeletonPredictor

TINY = PredictorConfig(latent_size=8, map_size=16, channels=(16, 24))


@pytest.mark.parametrize(("latent_size", "map_size"), [(16, 32), (16, 16), (24, 96)])
def test_maps_have_the_configured_size_and_start_nearly_empty(latent_size: int, map_size: int) -> None:
    predictor = SkeletonPredictor(PredictorConfig(latent_size=latent_size, map_size=map_size, channels=(16, 24, 32)))
    maps = predictor(torch.randn(2, 3, 6, 4, latent_size, latent_size)).sigmoid()
    assert maps.shape == (3, 6, 23, map_size, map_size)
    assert maps.mean() < 0.05


def test_small_predictor_stays_small() -> None:
    assert sum(p.numel() for p in SkeletonPredictor(PredictorConfig()).parameters()) < 0.8e6


def test_a_map_size_that_latents_cannot_give_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        SkeletonPredictor(PredictorConfig(latent_size=16, map_size=40))
    assert refused.value.field == "predictor.map_size"


def test_views_and_objects_are_read_one_by_one() -> None:
    predictor = SkeletonPredictor(TINY).eval()
    torch.nn.init.normal_(predictor.leave[2].weight, std=0.1)
    latents = torch.randn(2, 2, 6, 4, 8, 8)
    together = predictor(latents)
    alone = predictor(latents[:, 1:, 3:4])
    torch.testing.assert_close(together[1:, 3:4], alone)
    assert not torch.allclose(together[0], together[1])


def test_saved_predictor_draws_the_same_maps(tmp_path: Path) -> None:
    predictor = SkeletonPredictor(TINY)
    path = tmp_path / "predictor.safetensors"
    predictor.save(path)
    loaded = SkeletonPredictor.load(path)
    latents = torch.randn(2, 1, 6, 4, 8, 8)
    assert loaded.config == TINY
    torch.testing.assert_close(loaded(latents), predictor(latents), atol=0.02, rtol=0)
    assert [file.name for file in tmp_path.iterdir()] == ["predictor.safetensors"]


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    other, text = tmp_path / "other.safetensors", tmp_path / "text.safetensors"
    save_file({"x": torch.zeros(1)}, other)
    text.write_text("no tensors")
    for path in (other, text, tmp_path / "missing.safetensors"):
        with pytest.raises(InputError) as refused:
            SkeletonPredictor.load(path)
        assert refused.value.file == path
