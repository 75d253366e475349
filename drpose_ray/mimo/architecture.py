"""What MIMO's two U-Nets are made of: fields of a Stable Diffusion 1.5 ``unet/config.json`` (MIMO facts, 1.1, 1.2)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drpose_ray.errors import InputError
from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared

LATENT_CHANNELS: Final = 4
TEMPORAL_HEADS: Final = 8
MAX_FRAMES: Final = 32
"""Length of the stored position tables: no window may be longer."""

STABLE_DIFFUSION_15: Final[Mapping[str, Any]] = {
    "sample_size": 64, "in_channels": 4, "out_channels": 4, "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2, "cross_attention_dim": 768, "attention_head_dim": 8, "norm_num_groups": 32,
    "norm_eps": 1e-5, "act_fn": "silu", "flip_sin_to_cos": True, "freq_shift": 0, "downsample_padding": 1,
    "center_input_sample": False, "mid_block_scale_factor": 1, "use_linear_projection": False,
}  # fmt: skip
"""The published configuration."""

_BLOCKS: Final = {"CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}


def read_unet_fields(published: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
    """The arguments of stock ``UNet2DConditionModel`` in a published configuration.

    Raises InputError for a field that stock does not know, and for one that asks for a part MIMO's nets do not have
    (class or added embeddings, other blocks): the loops here would leave it out.
    """
    stock = {k: p.default for k, p in inspect.signature(UNet2DConditionModel.__init__).parameters.items()}
    fields = {k: v for k, v in published.items() if not k.startswith("_")}
    for name, value in fields.items():
        allowed = name in STABLE_DIFFUSION_15 or (name in stock and value == stock[name])
        if name.endswith("_block_types"):
            allowed = set(value) <= _BLOCKS
        if name == "center_input_sample":
            allowed = not value
        if not allowed:
            raise InputError(
                "a field that MIMO's U-Nets do not have", file=file, field=name, value=value,
                remedy="give Stable Diffusion 1.5's unet/config.json",
            )  # fmt: skip
    widths = fields.get("block_out_channels", stock["block_out_channels"])
    if any(width % 32 for width in widths):
        raise InputError(
            "widths that the temporal modules' 32 groups do not divide", file=file, field="block_out_channels",
            value=list(widths), remedy="use multiples of 32",
        )  # fmt: skip
    return fields


def denoiser_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the denoiser: its first convolution sees noisy latents (channels 0-3) and background (4-7)."""
    return {**fields, "in_channels": 2 * LATENT_CHANNELS}
