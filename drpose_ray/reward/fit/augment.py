"""Making renders' latents as imperfect as generated ones: noise, softness, one domain missing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from drpose_ray.reward.config import PredictorFitSettings


def augment(
    latents: Float[Tensor, "M B V C h w"], settings: PredictorFitSettings, draws: torch.Generator, own: slice
) -> Float[Tensor, "M B V C h w"]:
    """Spoil the latents of the samples ``own`` of a batch of ``settings.samples_per_update``.

    The numbers of the whole batch are drawn, whatever part of it is spoiled here.
    """
    batch, device = settings.samples_per_update, latents.device
    lot = float(torch.rand((), generator=draws))
    if lot < settings.blur_probability:
        radius = 1 + int(lot / settings.blur_probability * settings.blur_radius)
        latents = _blur(latents, radius)
    sigma = settings.latent_noise * torch.rand(batch, generator=draws)[own].to(device)
    noise = torch.randn(latents.shape[0], batch, *latents.shape[2:], generator=draws)[:, own].to(device)
    latents = latents + sigma[:, None, None, None, None] * noise
    # A predictor that leans on one domain lets the other be wrecked unpunished: reward hacking starts in the normals.
    lots = torch.rand(batch, generator=draws)[own]
    dropped = torch.stack([lots < settings.domain_dropout, lots > 1 - settings.domain_dropout]).to(device)
    return latents.masked_fill(dropped[..., None, None, None, None], 0.0)


def _blur(latents: Tensor, radius: int) -> Tensor:
    """Mean over a box of 2 ``radius`` + 1 cells."""
    # Edges repeat outwards: zero padding would draw a frame around the background.
    flat = F.pad(latents.flatten(0, 2), (radius,) * 4, mode="replicate")
    return F.avg_pool2d(flat, 2 * radius + 1, stride=1).reshape(latents.shape)
