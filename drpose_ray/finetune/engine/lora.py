"""Low-rank additions to the attention projections (LoRA, arXiv 2106.09685), trained instead of the whole U-Net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn

from drpose_ray.core.seeding import derive_seed

_ADAPTER: Final = "default"
_TARGETS: Final = r".*\.(attn1|attn_mv|attn2)\.(to_q|to_k|to_v|to_out\.0)"
_BASE, _A, _B = ".base_layer.", f".lora_A.{_ADAPTER}.", f".lora_B.{_ADAPTER}."


def add_lora(network: nn.Module, rank: int, seed: int) -> nn.Module:
    """Freeze ``network`` and give its attention projections trainable additions, which begin at zero. In place.

    The scale is 1 (alpha = rank). The same seed gives the same start on every worker.
    """
    from peft import LoraConfig, inject_adapter_in_model

    network.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "lora"))
        settings = LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS)
        return inject_adapter_in_model(settings, network, adapter_name=_ADAPTER)


@contextmanager
def without_lora(network: nn.Module) -> Iterator[None]:
    """Within the block ``network`` computes what it did before ``add_lora``."""
    from peft.tuners.lora import LoraLayer

    layers = [module for module in network.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        layer.set_scale(_ADAPTER, 0)
    try:
        yield
    finally:
        for layer in layers:
            layer.set_scale(_ADAPTER, 1)


def merge_lora(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict with additions -> that of the plain network: each base weight plus B A, summed in float32."""
    merged = {}
    for name, value in weights.items():
        if _A in name or _B in name:
            continue
        down = weights.get(name.replace(_BASE, _A)) if _BASE in name else None
        if down is not None:
            up = weights[name.replace(_BASE, _B)]
            value = (value.float() + up.float() @ down.float()).to(value.dtype)  # noqa: PLW2901
        merged[name.replace(_BASE, ".")] = value
    return merged
