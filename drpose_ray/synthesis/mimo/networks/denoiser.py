"""The denoising U-Net: Stable Diffusion 1.5's, frame by frame, with temporal modules between
(docs/facts/mimo.md, 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.networks.architecture import (
    LATENT_CHANNELS,
    MAX_FRAMES,
    TEMPORAL_HEADS,
    denoiser_fields,
    read_unet_fields,
)
from drpose_ray.synthesis.mimo.networks.spatial_block import Reading, SpatialBlock
from drpose_ray.synthesis.mimo.networks.temporal import TemporalModule

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared


class DenoisingUNet(UNet2DConditionModel):  # type: ignore[misc]
    """Stock ``UNet2DConditionModel`` with temporal modules; how many follows from the configuration.

    The 1274 tensor names are the published ones: stock's, and ``motion_modules`` in every block.
    """

    block_class: type[SpatialBlock] = SpatialBlock

    def __init__(
        self, published: Mapping[str, Any], temporal_heads: int = TEMPORAL_HEADS, max_frames: int = MAX_FRAMES
    ) -> None:
        """``published`` are the fields of Stable Diffusion's ``unet/config.json`` (four input channels).

        Raises InputError as ``read_unet_fields`` does.
        """
        super().__init__(**denoiser_fields(read_unet_fields(published)))
        for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
            # One per layer of a down or up block; the middle has two residual blocks and one module between them.
            after = block.resnets[:1] if block is self.mid_block else block.resnets
            block.motion_modules = nn.ModuleList(
                [TemporalModule(resnet.out_channels, temporal_heads, max_frames) for resnet in after]
            )
        for name, module in list(self.named_modules()):
            if hasattr(module, "transformer_blocks") and ".attentions." in f".{name}":
                for i, stock in enumerate(module.transformer_blocks):
                    module.transformer_blocks[i] = self.block_class(stock, f"{name}.transformer_blocks.{i}")

    def spatial_blocks(self) -> list[SpatialBlock]:
        """The blocks that read the photo; their ``path`` is also the path of the reference U-Net's."""
        return [module for module in self.modules() if isinstance(module, SpatialBlock)]

    def project(self, bank: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is kept of the photos' tokens (P, L, C) per block: done once per photo, for all frames and steps.

        Raises InputError if a block has no tokens of its name: the two U-Nets are of different architectures.
        """
        paths = {block.path for block in self.spatial_blocks()}
        if paths != bank.keys():
            raise InputError(
                "the reference U-Net does not have the denoiser's blocks", field="blocks",
                value=sorted(paths ^ bank.keys())[:8], remedy="load both from one folder",
            )  # fmt: skip
        return {block.path: block.project(bank[block.path]) for block in self.spatial_blocks()}

    def forward(
        self,
        latents: torch.Tensor,
        timestep: int | torch.Tensor,
        *,
        background: torch.Tensor,
        context: torch.Tensor,
        pose: torch.Tensor,
        reading: Reading | None,
    ) -> torch.Tensor:
        """The network's output v, (R, F, 4, h, w) in the latents' dtype.

        Args:
            latents: (R, F, 4, h, w) noisy; with guidance the unconditional rows come first.
            timestep: 0..999, one for all.
            background: latent of the background, (4, h, w) or broadcastable to ``latents``.
            context: (R, tokens, D): the CLIP token, zeros in unconditional rows.
            pose: features of the pose guider, (R, F, C, h, w).
            reading: which rows read which photo; None for no row.

        Raises InputError for more frames than the temporal modules have positions.
        """
        rows, num_frames = latents.shape[:2]
        dtype = self.conv_in.weight.dtype
        both = torch.cat([latents, background.to(latents).expand(*latents.shape[:2], LATENT_CHANNELS, -1, -1)], 2)
        steps = torch.as_tensor(timestep, device=latents.device).expand(rows * num_frames)
        layers = _Layers(
            self.time_embedding(self.time_proj(steps).to(dtype)),
            context.to(dtype).repeat_interleave(num_frames, 0),
            {"reading": reading},
            num_frames,
        )

        x = self.conv_in(both.flatten(0, 1).to(dtype)) + pose.flatten(0, 1).to(dtype)
        skips = [x]
        for block in self.down_blocks:
            for layer in range(len(block.resnets)):
                x = layers.run(block, layer, x)
                skips.append(x)
            for downsampler in block.downsamplers or ():
                x = downsampler(x)
                skips.append(x)
        x = layers.run(self.mid_block, 0, x)
        x = self.mid_block.resnets[1](x, layers.embedding)
        for block in self.up_blocks:
            for layer in range(len(block.resnets)):
                x = layers.run(block, layer, torch.cat([x, skips.pop()], 1))
            for upsampler in block.upsamplers or ():
                # 784 pixels give maps of 98, 49, 25 and 13: twice 13 is not 25.
                x = upsampler(x, output_size=skips[-1].shape[-2:])
        output = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return output.view(latents.shape).to(latents.dtype)  # type: ignore[no-any-return]


class _Layers:
    """One layer of any block: residual block, spatial transformer where there is one, temporal module."""

    def __init__(
        self,
        embedding: torch.Tensor,
        context: torch.Tensor,
        reading: Mapping[str, Reading | None],
        num_frames: int,
    ) -> None:
        self.embedding, self.context, self.reading, self.num_frames = embedding, context, reading, num_frames

    def run(self, block: nn.Module, layer: int, x: torch.Tensor) -> torch.Tensor:
        parts: Any = block
        x = parts.resnets[layer](x, self.embedding)
        if getattr(block, "has_cross_attention", False):
            x = parts.attentions[layer](
                x, encoder_hidden_states=self.context, cross_attention_kwargs=self.reading, return_dict=False
            )[0]
        return parts.motion_modules[layer](x, self.num_frames)  # type: ignore[no-any-return]
