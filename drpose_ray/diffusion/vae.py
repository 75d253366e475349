"""Images to latents and back: diffusers' ``AutoencoderKL``, optionally behind a pixel unshuffle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers import AutoencoderKL  # noqa: E402 - needs torchvision's operators declared


class ImageVAE(nn.Module):
    """``AutoencoderKL`` with the pipeline's scaling; latents are what the denoiser sees.

    ``pixel_patch`` k folds k x k pixels into channels before encoding (1 for Stable Diffusion's VAE, whose pyramid
    works at full resolution; that is the wrong shape for a CPU, where folding first costs a fraction).
    """

    def __init__(self, config: Mapping[str, Any], pixel_patch: int) -> None:
        super().__init__()
        self.config = dict(config)
        self.pixel_patch = pixel_patch
        self.autoencoder = AutoencoderKL.from_config(config)

    @property
    def pixels_per_latent(self) -> int:
        """Pixels along the side of one latent cell: 8 for Stable Diffusion's VAE."""
        return self.pixel_patch * int(2 ** (len(self.autoencoder.config.block_out_channels) - 1))

    @property
    def scaling_factor(self) -> float:
        """Stable Diffusion's 0.18215; the file's own value otherwise."""
        return float(self.autoencoder.config.scaling_factor)

    def set_scaling_factor(self, value: float) -> None:
        """Fix the scale at which latents have unit spread; part of the saved config."""
        self.config["scaling_factor"] = value
        self.autoencoder.register_to_config(scaling_factor=value)

    def moments(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the scaled latents, each (N, 4, h, w), of images (N, 3, H, W) in [0, 1]."""
        posterior = self.autoencoder.encode(F.pixel_unshuffle(images * 2 - 1, self.pixel_patch)).latent_dist
        return posterior.mean * self.scaling_factor, posterior.std * self.scaling_factor

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """The posterior's mode, scaled: (N, 3, H, W) in [0, 1] -> (N, 4, h, w)."""
        return self.moments(images)[0]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(N, 4, h, w) -> images (N, 3, H, W), clamped to [0, 1]."""
        decoded = self.autoencoder.decode(latents / self.scaling_factor).sample
        return (F.pixel_shuffle(decoded, self.pixel_patch) / 2 + 0.5).clamp(0, 1)


_LEGACY_ATTENTION: Final = {
    ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
}  # fmt: skip


def modern_key(key: str) -> str:
    """A stored key in today's names: Stable Diffusion's VAE files name attention layers as diffusers once did."""
    for old, new in _LEGACY_ATTENTION.items():
        key = key.replace(old, new)
    return key
