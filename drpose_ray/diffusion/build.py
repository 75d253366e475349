"""A fresh, untrained I2MV model from an architecture table."""

from __future__ import annotations

from typing import Any

import torch

from drpose_ray.core.seeding import derive_seed, torch_stream
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.vae import ImageVAE


def build_i2mv(architecture: dict[str, Any], seed: int) -> ImageToMultiView:
    """Build all parts with reproducible random weights. ``architecture`` is as ``small_architecture`` returns it.

    The text embeddings are fixed random numbers: like the published prompt embeddings they only have to differ
    between views and domains.
    """
    torch.manual_seed(derive_seed(seed, "i2mv"))
    unet = MultiViewUNet(**architecture["unet"])
    text = architecture["text"]
    shape = (2, unet.num_views, text["num_tokens"], architecture["unet"]["cross_attention_dim"])
    return ImageToMultiView(
        unet=unet,
        vae=ImageVAE(architecture["vae"], architecture["pixel_patch"]),
        image_encoder=ImageEncoder(
            architecture["image_encoder"], NoiseSchedule.from_config(architecture["image_noising"])
        ),
        schedule=NoiseSchedule.from_config(architecture["scheduler"]),
        text=torch.randn(shape, generator=torch_stream(text["seed"], "text")),
    )
