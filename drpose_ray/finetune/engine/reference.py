"""The initial denoiser of the KL term (Sec. 4.1): where its weights are while they are not used.

The paper "requires storing the initial denoising U-Net", which at full size is as large as the trained one. Each
placement computes the same output; they differ in memory and in time.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drpose_ray.diffusion.ddim import Denoiser
from drpose_ray.finetune.engine.lora import without_lora
from drpose_ray.finetune.settings.parallel import Reference


def place_reference(network: nn.Module, placement: Reference, device: torch.device) -> Denoiser:
    """The frozen denoiser that ``network`` is now. Call before training, and for ``adapter_off`` after ``add_lora``.

    Args:
        network: the denoiser that will be trained.
        placement:
            resident: a copy on ``device``.
            offloaded: a copy in host memory. Its blocks come to ``device`` one at a time, the next while the present
                one computes; peak memory grows by about two blocks.
            sharded: a copy, each worker holding its share (ZeRO-3 without an optimiser). Needs the process group;
                forward only.
            adapter_off: ``network`` itself with its LoRA switched off.
    """
    if placement == "adapter_off":
        return _AdapterOff(network)
    initial = copy.deepcopy(network).eval().requires_grad_(False)
    if placement == "resident":
        return initial.to(device)
    return _offload(initial, device) if placement == "offloaded" else _shard(initial)


class _AdapterOff:
    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __call__(
        self, latents: Float[Tensor, "M B V C h w"], timestep: int, condition: Any
    ) -> Float[Tensor, "M B V C h w"]:
        with without_lora(self._network):
            output: Tensor = self._network(latents, timestep, condition)
            return output


def _offload(network: nn.Module, device: torch.device) -> Denoiser:
    from diffusers.hooks import apply_group_offloading

    apply_group_offloading(
        network,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",  # pinned memory and a stream of its own: the next block is fetched ahead
    )
    return network


def _shard(network: nn.Module) -> Denoiser:
    from drpose_ray.finetune.engine.deepspeed_setup import deepspeed, prepare_deepspeed

    prepare_deepspeed()
    # Any dtype other than the network's own would convert it: DeepSpeed has to be told what it is.
    dtype = next(network.parameters()).dtype
    engine, *_ = deepspeed.initialize(
        model=network,
        dist_init_required=False,
        config={
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
            "bf16": {"enabled": dtype == torch.bfloat16},
            "steps_per_print": 2**31,
        },
    )
    sharded: nn.Module = engine
    return sharded
