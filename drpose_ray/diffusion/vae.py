"""Images to latents and back: diffusers' ``AutoencoderKL``, optionally behind a pixel unshuffle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.component_fields import ComponentFields, VaeFields, brief, parse_fields

define_missing_operators()
from diffusers import AutoencoderKL  # noqa: E402 - needs torchvision's operators declared


class ImageVAE(nn.Module):
    """``AutoencoderKL`` with the pipeline's scaling; latents are what the denoiser sees.

    ``pixel_patch`` k folds k x k pixels into channels before encoding (1 for Stable Diffusion's VAE, whose pyramid
    works at full resolution; that is the wrong shape for a CPU, where folding first costs a fraction).

    Images and latents are laid out channel by channel before they go through: of a view with channels last, as images
    from files are, the CPU's convolutions make latents that are less exact by one and a half decimals.
    """

    def __init__(self, config: Mapping[str, Any], pixel_patch: int) -> None:
        super().__init__()
        self.config = dict(config)
        self.pixel_patch = pixel_patch
        self.autoencoder = AutoencoderKL(**read_vae_fields(config, pixel_patch).arguments())

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

    def moments(self, images: Float[Tensor, "N 3 H W"]) -> tuple[Float[Tensor, "N C h w"], Float[Tensor, "N C h w"]]:
        """Mean and standard deviation of the scaled latents of images in [0, 1]."""
        folded = F.pixel_unshuffle(images.contiguous() * 2 - 1, self.pixel_patch)
        posterior = self.autoencoder.encode(folded.contiguous()).latent_dist
        return posterior.mean * self.scaling_factor, posterior.std * self.scaling_factor

    def encode(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C h w"]:
        """The posterior's mode, scaled, of images in [0, 1]."""
        return self.moments(images)[0]

    def decode(self, latents: Float[Tensor, "N C h w"]) -> Float[Tensor, "N 3 H W"]:
        """Images clamped to [0, 1]; what is not finite is NaN, not black or white."""
        decoded = self.autoencoder.decode(latents.contiguous() / self.scaling_factor).sample
        images = F.pixel_shuffle(decoded, self.pixel_patch) / 2 + 0.5
        return images.clamp(0, 1).masked_fill(~images.isfinite(), torch.nan)


class _Patch(ComponentFields):
    pixel_patch: Annotated[int, Field(strict=True, ge=1, le=16)] = 1


def split_patch(config: Mapping[str, Any], file: str | Path | None = None) -> tuple[dict[str, Any], int]:
    """A ``vae/config.json`` without our own field, ``pixel_patch``, and that. Raises InputError for a strange one."""
    rest = {name: value for name, value in config.items() if name != "pixel_patch"}
    return rest, parse_fields(_Patch, config, file).pixel_patch


def read_vae_fields(config: Mapping[str, Any], pixel_patch: int = 1, file: str | Path | None = None) -> VaeFields:
    """The fields of a ``vae/config.json``. Raises InputError for those under which it is not a VAE of RGB images."""
    fields = parse_fields(VaeFields, config, file)
    for name in ("in_channels", "out_channels"):
        if getattr(fields, name) != 3 * pixel_patch**2:
            raise InputError(
                "not a VAE of RGB images", file=file, field=name, value=brief(getattr(fields, name)),
                remedy=f"patches of {pixel_patch} pixels (pixel_patch) are {3 * pixel_patch**2} channels",
            )  # fmt: skip
    return fields


_LEGACY_ATTENTION: Final = {
    ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
}  # fmt: skip


def modern_key(key: str) -> str:
    """A stored key in today's names: Stable Diffusion's VAE files name attention layers as diffusers once did."""
    for old, new in _LEGACY_ATTENTION.items():
        key = key.replace(old, new)
    return key
