"""The reference U-Net: reads the photo once, and writes what the denoiser attends to (docs/facts/mimo.md, 1.1, 1.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.networks.architecture import read_unet_fields

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.attention import BasicTransformerBlock  # noqa: E402


class ReferenceUNet(UNet2DConditionModel):  # type: ignore[misc]
    """Stock ``UNet2DConditionModel`` without its last norm and convolution: 682 tensors, as published."""

    def __init__(self, published: Mapping[str, Any]) -> None:
        """``published`` are the fields of ``unet/config.json``. Raises InputError as ``read_unet_fields`` does."""
        super().__init__(**read_unet_fields(published))
        self.conv_norm_out = None
        self.conv_out = nn.Identity()

    def forward(self, photo_latents: torch.Tensor, context: torch.Tensor) -> dict[str, torch.Tensor]:
        """The bank: path of each transformer block -> the tokens (P, L, C) after its first layer norm.

        Args:
            photo_latents: (P, 4, h, w), clean; the timestep is always 0.
            context: (P, 1, D) CLIP token of each photo.
        """
        bank: dict[str, torch.Tensor] = {}

        def keep(path: str) -> Any:
            return lambda _module, _inputs, output: bank.__setitem__(path, output)

        blocks = {name: m for name, m in self.named_modules() if isinstance(m, BasicTransformerBlock)}
        hooks = [block.norm1.register_forward_hook(keep(path)) for path, block in blocks.items()]
        try:
            dtype = self.conv_in.weight.dtype
            super().forward(photo_latents.to(dtype), 0, context.to(dtype), return_dict=False)
        finally:
            for hook in hooks:
                hook.remove()
        return bank
