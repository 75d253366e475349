"""The image embedding that conditions the U-Net through its class projection (docs/facts/i2mv.md, 2.2, item 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.component_fields import ClipVisionFields, parse_fields
from drpose_ray.diffusion.eight_bit import resize_bicubic
from drpose_ray.diffusion.schedule import NoiseSchedule

define_missing_operators()
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer  # noqa: E402 - needs the operators
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's published channel statistics (``feature_extractor/preprocessor_config.json``)."""


class ImageEncoder(nn.Module):
    """``CLIPVisionModelWithProjection``, and unCLIP's noise at level 0 around its embedding (P numbers)."""

    def __init__(self, config: Mapping[str, Any], noising: NoiseSchedule) -> None:
        """``config`` is CLIP's; ``noising`` the schedule of ``image_noising_scheduler``."""
        super().__init__()
        self.config = dict(config)
        self.noising = noising
        self.clip = make_clip(config)
        self.normalizer = StableUnCLIPImageNormalizer(embedding_dim=self.width)

    @property
    def width(self) -> int:
        """P, the length of an embedding."""
        return int(self.clip.config.projection_dim)

    def resize(self, images: Float[Tensor, "B 3 H W"]) -> Float32[Tensor, "B 3 s s"]:
        """Images in [0, 1] at the encoder's own size and at 8-bit levels, as CLIP's preprocessor does."""
        return resize_bicubic(images, int(self.clip.config.image_size))

    def embed(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B P"]:
        """Embeddings of images in [0, 1], in the weights' precision."""
        pixels = images if images.shape[-1] == self.clip.config.image_size else self.resize(images)
        mean, std = (pixels.new_tensor(x, dtype=torch.float32).view(1, 3, 1, 1) for x in (CLIP_MEAN, CLIP_STD))
        normalized = (pixels.float().contiguous() - mean) / std
        return self.clip(normalized.to(self.normalizer.mean.dtype)).image_embeds  # type: ignore[no-any-return]

    def class_labels(
        self, embeddings: Float[Tensor, "*axes P"], noise: Float[Tensor, "*axes P"] | None = None
    ) -> Float[Tensor, "*axes 2*P"]:
        """Of embeddings, and their noise where there is some: noised embedding, level embedding."""
        normalized = self.normalizer.scale(embeddings) * float(self.noising.alpha(0))
        if noise is not None:
            normalized = normalized + float(self.noising.sigma(0)) * noise
        half = embeddings.shape[-1] // 2
        # The sinusoidal embedding (cosines first) of noise level 0 is ones, then zeros.
        level = torch.cat([embeddings.new_ones(half), embeddings.new_zeros(embeddings.shape[-1] - half)])
        return torch.cat([self.normalizer.unscale(normalized), level.expand_as(embeddings)], -1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B E"]:
        """Class labels of images in [0, 1], without noise."""
        return self.class_labels(self.embed(images))

    def make_constants(self) -> None:
        """Rebuild what no weight file holds, after construction on the meta device."""
        make_positions(self.clip)


def make_clip(config: Mapping[str, Any]) -> Any:
    """``CLIPVisionModelWithProjection`` of an ``image_encoder/config.json``.

    Raises InputError for a field out of its type or range. Those that decide nothing about the network (dropout, a
    kernel to fetch from a hub) do not reach the library.
    """
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**parse_fields(ClipVisionFields, config).arguments()))


def make_positions(clip: Any) -> None:
    """Rebuild CLIP's constant, which construction on the meta device leaves empty."""
    embeddings = clip.vision_model.embeddings
    positions = torch.arange(embeddings.num_positions).expand((1, -1))
    embeddings.register_buffer("position_ids", positions, persistent=False)
