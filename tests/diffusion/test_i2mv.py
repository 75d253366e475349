"""The model folder, and what its parts promise."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.fit import OnUpdate
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import BaseFitConfig, VaeFitConfig, small_architecture
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.published.layout import load_i2mv, save_i2mv
from drpose_ray.diffusion.small.fit_base import MultiViewLatents, fit_base
from drpose_ray.diffusion.small.fit_vae import fit_vae


def tiny_architecture() -> dict[str, Any]:
    table = small_architecture()
    table["vae"]["block_out_channels"] = [16]
    table["image_encoder"] |= {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    table["unet"] |= {
        "block_out_channels": [16, 16], "attention_head_dim": [1, 1], "norm_num_groups": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    }  # fmt: skip
    return table


@pytest.fixture(scope="module")
def model() -> ImageToMultiView:
    return build_i2mv(tiny_architecture(), seed=3).freeze()


def test_a_saved_model_loads_to_the_same_numbers(model: ImageToMultiView, tmp_path: Path) -> None:
    save_i2mv(model, tmp_path, torch.float32)
    again = load_i2mv(tmp_path)
    images = torch.rand(2, 3, 96, 96)
    latents = torch.randn(2, 2, 6, 4, 16, 16)
    for one, other in ((model, again), (again, model)):
        condition = one.encode_condition(images)
        torch.testing.assert_close(
            one.unet(latents, 500, condition), other.unet(latents, 500, other.encode_condition(images))
        )
        torch.testing.assert_close(one.decode(latents), other.decode(latents))
    assert again.latent_shape == (2, 6, 4, 16, 16)
    assert again.schedule == model.schedule
    assert not any(p.requires_grad for p in again.unet.parameters())


def test_decoding_keeps_domains_objects_and_views_apart(model: ImageToMultiView) -> None:
    latents = torch.randn(2, 3, 6, 4, 16, 16)
    images = model.decode(latents)
    assert images.shape == (2, 3, 6, 3, 96, 96)
    torch.testing.assert_close(images[1, 2, 4], model.vae.decode(latents[1, 2, 4][None])[0])


def test_weights_that_do_not_fit_are_named(model: ImageToMultiView, tmp_path: Path) -> None:
    save_i2mv(model, tmp_path)
    config = json.loads((tmp_path / "unet" / "config.json").read_text())
    (tmp_path / "unet" / "config.json").write_text(json.dumps({**config, "cross_attention_dim": 32}))
    with pytest.raises(InputError, match="do not fit") as caught:
        load_i2mv(tmp_path)
    assert "attn2" in str(caught.value.field)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model_index\.json"):
        load_i2mv(tmp_path)


def test_the_level_embedding_of_noise_level_zero_is_ones_then_zeros(model: ImageToMultiView) -> None:
    labels = model.encode_condition(torch.rand(2, 3, 96, 96)).class_labels
    assert labels.shape == (2, 2, 6, 128)
    assert (labels[..., 64:96] == 1).all() and (labels[..., 96:] == 0).all()


def blobs() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    images = np.full((64, 96, 96, 3), 255, np.uint8)
    for image in images:
        top, left = rng.integers(10, 50, 2)
        image[top : top + 36, left : left + 30] = rng.integers(0, 255, 3)
    return images


def test_vae_training_improves_reconstruction_and_fixes_unit_spread() -> None:
    model = build_i2mv(tiny_architecture(), seed=3)
    psnr: list[float] = []
    fit_vae(model.vae, blobs(), VaeFitConfig(updates=40), 0, lambda _, m: psnr.append(m["psnr_db"]))
    assert np.mean(psnr[-8:]) > np.mean(psnr[:8]) + 2
    latents = model.vae.encode(torch.from_numpy(blobs()).movedim(-1, 1).float() / 255)
    assert 0.8 < float(latents.std()) < 1.25


def fit_the_vae(model: ImageToMultiView, checkpoint: Checkpoint, on_update: OnUpdate) -> None:
    fit_vae(model.vae, blobs(), VaeFitConfig(updates=6, checkpoint_every=2), 0, on_update, checkpoint)


def fit_the_base(model: ImageToMultiView, checkpoint: Checkpoint, on_update: OnUpdate) -> None:
    g = torch.Generator().manual_seed(0)
    data = MultiViewLatents(
        torch.randn(8, 2, 6, 4, 16, 16, generator=g), torch.full((8, 2, 6, 4, 16, 16), 0.1),
        torch.rand(8, 3, 48, 48, generator=g),
    )  # fmt: skip
    settings = BaseFitConfig(updates=6, batch_size=2, checkpoint_every=2)
    fit_base(model, data, settings, 0, on_update, checkpoint)


@pytest.mark.parametrize("fit", [fit_the_vae, fit_the_base])
def test_a_training_killed_and_resumed_ends_with_the_same_weights(
    fit: Callable[[ImageToMultiView, Checkpoint, OnUpdate], None], tmp_path: Path
) -> None:
    undisturbed, killed, resumed = (build_i2mv(tiny_architecture(), seed=3) for _ in range(3))
    fit(undisturbed, Checkpoint(tmp_path / "a", {}), lambda *_: None)
    left: list[int] = []

    def kill(update: int, _: Mapping[str, float]) -> None:
        if update == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(killed, Checkpoint(tmp_path / "b", {}), kill)
    fit(resumed, Checkpoint(tmp_path / "b", {}), lambda update, _: left.append(update))
    assert left == [4, 5], "after the checkpoint at 4"
    assert resumed.vae.scaling_factor == undisturbed.vae.scaling_factor
    for part in ("vae", "unet", "image_encoder"):
        expected, found = getattr(undisturbed, part).state_dict(), getattr(resumed, part).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), part
