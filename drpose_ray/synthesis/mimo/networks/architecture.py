"""What MIMO's two U-Nets are made of: fields of a Stable Diffusion 1.5 ``unet/config.json``
(docs/facts/mimo.md, 1.1, 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.component_fields import MAX_SIDE, brief, must_divide
from drpose_ray.diffusion.unet.unet_fields import STOCK_DEFAULTS, UNetFields, parse_unet

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


class _MimoUNetFields(UNetFields):
    """A Stable Diffusion 1.5 file need not say how large its latents are."""

    sample_size: Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)] = 64


def read_unet_fields(published: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
    """The arguments of stock ``UNet2DConditionModel`` in a published configuration.

    Raises InputError for a field out of its type or range, for one that stock does not know, and for one that asks for
    a part MIMO's nets do not have (class or added embeddings, other blocks): the loops here would leave it out.
    """
    for name in published:
        if not name.startswith("_") and name not in STOCK_DEFAULTS:
            raise InputError(
                "a field that MIMO's U-Nets do not have", file=file, field=str(brief(name)),
                value=brief(published[name]), remedy="give Stable Diffusion 1.5's unet/config.json",
            )  # fmt: skip
    fields = parse_unet(published, file, cls=_MimoUNetFields)
    for name, only in (("in_channels", LATENT_CHANNELS), ("out_channels", LATENT_CHANNELS), ("class_embed_type", None)):
        if getattr(fields, name) != only:
            raise InputError(
                "a field that MIMO's U-Nets do not have", file=file, field=name, value=getattr(fields, name),
                remedy=f"give Stable Diffusion 1.5's unet/config.json, which has {only!r}",
            )  # fmt: skip
    for width in fields.block_out_channels:
        must_divide("block_out_channels", width, "the temporal modules' groups", 32, file)
        must_divide("block_out_channels", width, "the temporal modules' heads", TEMPORAL_HEADS, file)
    return fields.arguments()


def denoiser_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the denoiser: its first convolution sees noisy latents (channels 0-3) and background (4-7)."""
    return {**fields, "in_channels": 2 * LATENT_CHANNELS}
