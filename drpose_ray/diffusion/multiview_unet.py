"""The image-to-multi-view U-Net of PSHuman and Era3D: one class, from a CPU's size to 0.9 billion parameters."""

from __future__ import annotations

from typing import Any

import torch

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.multiview_block import MultiViewTransformerBlock
from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared


class MultiViewUNet(UNet2DConditionModel):  # type: ignore[misc]
    """Stock ``UNet2DConditionModel`` with every transformer block replaced (i2mv facts, 1.1 and 1.2).

    Called as a denoiser: ``unet(latents, timestep, condition)`` with multi-view latents (M, B, V, 4, h, w).
    """

    def __init__(self, num_views: int, **stock: Any) -> None:
        """``stock`` are diffusers' fields. ``attention_head_dim`` is the number of heads per level (its old quirk)."""
        super().__init__(**stock)
        self.num_views = num_views
        self.fields = {"num_views": num_views, **stock}
        for wrapper in [m for m in self.modules() if hasattr(m, "transformer_blocks")]:
            for i, block in enumerate(wrapper.transformer_blocks):
                wrapper.transformer_blocks[i] = MultiViewTransformerBlock(block, num_views)

    def forward(self, latents: torch.Tensor, timestep: int | torch.Tensor, condition: Condition) -> torch.Tensor:
        """The network's output (M, B, V, 4, h, w): v or noise, as the schedule says.

        Args:
            latents: (M, B, V, 4, h, w), any noise level.
            timestep: 0..999, one for all, or (M, B), one per domain and object, shared by the views.
            condition: of the B objects.
        """
        domains, objects, views = latents.shape[:3]
        if not isinstance(timestep, torch.Tensor):
            timestep = torch.tensor(timestep, device=latents.device)
        per_image = timestep.expand(domains, objects)[..., None].expand(domains, objects, views).reshape(-1)
        flat = condition.flatten(domains)
        output = super().forward(
            torch.cat([latents.flatten(0, 2), flat.image_latents], 1),
            per_image,
            encoder_hidden_states=flat.text,
            class_labels=flat.class_labels,
            return_dict=False,
        )[0]
        return output.view(latents.shape)  # type: ignore[no-any-return]
