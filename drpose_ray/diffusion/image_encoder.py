"""The image embedding that conditions the U-Net through its class projection (i2mv facts, 2.2, item 2)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402 - as above

# CLIP's published channel statistics (feature_extractor/preprocessor_config.json).
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder(nn.Module):
    """``CLIPVisionModelWithProjection`` and unCLIP's noise-level embedding at level 0."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        self.clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def resize(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] at the encoder's own size."""
        side = int(self.clip.config.image_size)
        return F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] -> class labels (B, 2 P): P numbers of CLIP, P of the level embedding."""
        if images.shape[-1] != self.clip.config.image_size:
            images = self.resize(images)
        embedding = self.clip((images - self.mean) / self.std).image_embeds
        half = embedding.shape[-1] // 2
        # The sinusoidal embedding (cosines first) of noise level 0 is ones, then zeros.
        level = torch.cat([embedding.new_ones(half), embedding.new_zeros(embedding.shape[-1] - half)])
        return torch.cat([embedding, level.expand_as(embedding)], -1)
