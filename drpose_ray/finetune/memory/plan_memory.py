"""What a configuration will need on each worker's device, before anything is bought or loaded.

Weights, gradients and optimiser state are sums over parameters, divided as ZeRO divides them (arXiv 1910.02054);
activations are counted by running the replayed call on the meta device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune.engine.lora import add_lora
from drpose_ray.finetune.memory.memory import ADAMW_BYTES, MemoryPlan, peak_of
from drpose_ray.finetune.settings.finetune import FinetuneConfig

_FLOAT32 = 4
_TEXT_TOKENS = 77


def plan_memory(config: FinetuneConfig, unet_config: Mapping[str, Any]) -> MemoryPlan:
    """The plan for one of ``config.parallel.num_workers`` workers.

    Args:
        config: as for the run; files it names are not read.
        unet_config: fields of the model's ``unet/config.json``.
    """
    dtype = getattr(torch, config.model.precision)
    with torch.device("meta"):
        network = MultiViewUNet(**unet_config)
        torch.nn.Module.to(network, dtype).requires_grad_(True)  # diffusers' own would warn of modules to keep
        if config.model.lora_rank:
            add_lora(network, config.model.lora_rank, seed=0)
    if config.parallel.block_checkpointing:
        network.enable_gradient_checkpointing()
    size = dtype.itemsize
    total = sum(p.numel() for p in network.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    workers, stage = config.parallel.num_workers, config.parallel.zero_stage
    masters = _FLOAT32 * trained if dtype != torch.float32 else 0  # the float32 copy that AdamW updates
    on_host = {"optimizer": "optimizer" in config.parallel.offload, "weights": "parameters" in config.parallel.offload}
    # Unmanaged accumulation keeps the sum of a step's gradients whole on every worker in stage 1 (adr/0006).
    gradients = size * trained // (workers if stage >= 2 else 1)
    average = _FLOAT32 * trained // (workers if stage == 3 else 1)  # rank 0's, where it is not divided
    activations = _activations(network, config)
    return MemoryPlan(
        weights=0 if on_host["weights"] else size * total // (workers if stage == 3 else 1),
        gradients=0 if on_host["optimizer"] and stage >= 2 else gradients,
        optimizer=0 if on_host["optimizer"] else (ADAMW_BYTES * trained + masters) // workers,
        average=0 if config.export.ema_decay is None or on_host["weights"] else average,
        reference=_reference(network, config, size),
        activations=activations,
    )


def _activations(network: MultiViewUNet, config: FinetuneConfig) -> int:
    objects = min(config.parallel.objects_per_replay or config.batch_size_per_worker, config.batch_size_per_worker)
    side, views = int(network.config.sample_size), network.num_views
    labels = int(network.config.projection_class_embeddings_input_dim)
    with torch.device("meta"):
        for parameter in network.parameters():  # already there in training, so not part of the activations
            parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        latents = torch.empty(2, objects, views, 4, side, side)
        condition = Condition(
            torch.empty(2, objects, views, 4, side, side),
            torch.empty(2, objects, views, labels),
            torch.empty(2, views, _TEXT_TOKENS, int(network.config.cross_attention_dim)),
        )
        timestep = torch.full((2, objects), 500)

    def replayed_call() -> None:
        output = network(latents, timestep, condition)
        output.float().square().mean().backward()

    return peak_of(replayed_call)


def _reference(network: MultiViewUNet, config: FinetuneConfig, size: int) -> int:
    if not config.algorithm.kl_weight or config.parallel.reference == "adapter_off":
        return 0
    initial: list[torch.Tensor] = [p for name, p in network.named_parameters() if "lora_" not in name]
    whole = sum(size * p.numel() for p in initial)
    if config.parallel.reference == "resident":
        return whole
    if config.parallel.reference == "sharded":
        return whole // config.parallel.num_workers
    blocks = [_bytes(block, size) for block in (*network.down_blocks, *network.up_blocks)]
    # Two blocks, and what is in none: the middle, the embeddings, the first and the last convolution.
    return sum(sorted(blocks)[-2:]) + whole - sum(blocks)


def _bytes(network: torch.nn.Module, size: int) -> int:
    return sum(size * p.numel() for p in network.parameters())
