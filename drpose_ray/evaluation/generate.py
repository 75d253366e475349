"""Multi-view latents for a pose set, from the same starting noise whatever the model or the batch size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional as F

from drpose_ray.diffusion.ddim import DdimSampler, draw_noise, sample
from drpose_ray.diffusion.i2mv import GuidedDenoiser, ImageToMultiView
from drpose_ray.evaluation.evaluate_model import PoseSet


def generate_latents(
    model: ImageToMultiView,
    poses: PoseSet,
    *,
    num_sampling_steps: int,
    batch_size: int,
    seed: int,
    guidance_scale: float = 1.0,
) -> Iterator[torch.Tensor]:
    """Latents (M, b, V, 4, h, w) of consecutive poses, deterministic DDIM from noise keyed by sample id.

    Batches visit the model's device; what is given and returned stays on the CPU.
    """
    device = model.text.device
    sampler = DdimSampler(model.schedule, num_sampling_steps)
    denoiser = model.unet if guidance_scale == 1 else GuidedDenoiser(model.unet, guidance_scale)
    for rows in torch.arange(len(poses)).split(batch_size):
        names = [poses.people.sample_ids[row] for row in rows]
        noise = draw_noise(seed, names, model.latent_shape, num_sampling_steps + 1).to(device)
        condition = model.encode_condition(fit_images(poses.input_images[rows], model.image_size).to(device))
        yield sample(denoiser, noise, condition, sampler).cpu()


@torch.no_grad()
def encode_truth(model: ImageToMultiView, poses: PoseSet, *, batch_size: int) -> Iterator[torch.Tensor]:
    """The ground-truth renders as latents (M, b, V, 4, h, w): what a perfect denoiser would generate."""
    for rows in torch.arange(len(poses)).split(batch_size):
        images = fit_images(poses.people.images[rows], model.image_size).transpose(0, 1).to(model.text.device)
        latents = torch.stack([model.vae.encode(domain.flatten(0, 1)) for domain in images])
        yield latents.unflatten(1, images.shape[1:3]).cpu()


def fit_images(images: torch.Tensor, size: int) -> torch.Tensor:
    """Average images (…, 3, s, s) to ``size`` pixels a side; unchanged where they have it."""
    if images.shape[-1] == size:
        return images
    fitted: torch.Tensor = F.interpolate(images.flatten(0, -4), (size, size), mode="area")
    return torch.unflatten(fitted, 0, images.shape[:-3])
