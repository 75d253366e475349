"""Every placement of the initial model computes the same numbers, and keeps them while the network trains."""

from __future__ import annotations

import pytest
import torch

from drpose_ray.finetune.engine.lora import add_lora
from drpose_ray.finetune.engine.reference import place_reference
from drpose_ray.finetune.settings.parallel import Reference
from tests.diffusion.published_configs import ERA3D_TINY
from tests.diffusion.test_published_architecture import random_inputs, random_network
from tests.finetune.settings import finetune_config


@pytest.mark.parametrize("placement", ["resident", "offloaded", "adapter_off"])
def test_the_reference_stays_what_the_network_was(placement: Reference) -> None:
    network = random_network(ERA3D_TINY)
    latents, condition = random_inputs(network, objects=1)
    with torch.no_grad():
        expected = network(latents, 300, condition)
    trained = add_lora(network, 2, seed=0) if placement == "adapter_off" else network.requires_grad_(True)
    reference = place_reference(trained, placement, torch.device("cpu"))
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if parameter.requires_grad and "lora_A" not in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        assert not torch.allclose(trained(latents, 300, condition), expected)
        for _ in range(2):  # again, after its blocks have been sent away
            assert torch.equal(reference(latents, 300, condition), expected)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"parallel.reference": "adapter_off"}, "reference"),
        ({"parallel.offload": ["parameters"], "parallel.zero_stage": 2}, "offload"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(settings: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        finetune_config(settings)
