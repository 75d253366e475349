"""Low-rank additions: nothing at first, switched off exactly, and merged into plain weights exactly."""

from __future__ import annotations

import torch

from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune.engine.lora import add_lora, merge_lora, without_lora
from tests.diffusion.published_configs import PSHUMAN_TINY
from tests.diffusion.test_published_architecture import random_inputs, random_network


def trained_lora(seed: int = 0) -> MultiViewUNet:
    network = add_lora(random_network(PSHUMAN_TINY), rank=2, seed=seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    assert isinstance(network, MultiViewUNet)
    return network


def test_additions_begin_at_zero_and_are_all_that_trains() -> None:
    plain = random_network(PSHUMAN_TINY)
    latents, condition = random_inputs(plain, objects=1)
    with_lora = add_lora(random_network(PSHUMAN_TINY), rank=2, seed=0)
    assert torch.equal(with_lora(latents, 300, condition), plain(latents, 300, condition))
    trained = {name for name, p in with_lora.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in with_lora.named_parameters() if "lora_" in name}
    blocks = len([m for m in plain.modules() if hasattr(m, "attn_mv")])
    assert len(trained) == blocks * 3 * 4 * 2  # attn1, attn_mv, attn2; q, k, v, out; A and B


def test_the_same_seed_gives_the_same_start() -> None:
    def start(seed: int) -> torch.Tensor:
        return torch.cat([p.flatten() for n, p in trained_lora(seed).named_parameters() if "lora_A" in n])

    assert torch.equal(start(1), start(1)) and not torch.equal(start(1), start(2))


def test_switched_off_it_is_the_initial_model_to_the_bit() -> None:
    plain, network = random_network(PSHUMAN_TINY), trained_lora()
    latents, condition = random_inputs(plain, objects=1)
    expected = plain(latents, 300, condition)
    assert not torch.allclose(network(latents, 300, condition), expected)
    with without_lora(network):
        assert torch.equal(network(latents, 300, condition), expected)
    assert not torch.allclose(network(latents, 300, condition), expected)
    assert any(p.requires_grad for p in network.parameters())


def test_merged_it_is_a_plain_model_with_the_same_output() -> None:
    plain, network = random_network(PSHUMAN_TINY), trained_lora()
    latents, condition = random_inputs(plain, objects=1)
    expected = network(latents, 300, condition)
    merged = merge_lora(network.state_dict())
    assert merged.keys() == plain.state_dict().keys()
    plain.load_state_dict(merged)
    torch.testing.assert_close(plain(latents, 300, condition), expected, rtol=1e-4, atol=1e-5)
