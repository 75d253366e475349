"""Training the small VAE on multi-view renders of both domains."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from drpose_ray.core.seeding import stream, torch_stream
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.fit import Fit, OnUpdate
from drpose_ray.diffusion.config import VaeFitConfig
from drpose_ray.diffusion.vae import ImageVAE

# At the start the sampled latent would be noise for minutes; a small initial variance lets it carry the image.
_INITIAL_LOG_VARIANCE = -5.0
_FOREGROUND_WEIGHT = 4.0


def fit_vae(
    vae: ImageVAE,
    images: NDArray[np.uint8],
    settings: VaeFitConfig,
    seed: int,
    on_update: OnUpdate,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train ``vae`` in place, on its device, on ``images`` (N, s, s, 3) uint8; its scaling then gives unit spread.

    Goes on from ``checkpoint``, if there is one.
    """
    device = vae.autoencoder.quant_conv.bias.device
    rng, noise = stream(seed, "vae-batches"), torch_stream(seed, "vae")
    with torch.no_grad():
        half = vae.autoencoder.quant_conv.bias.shape[0] // 2
        vae.autoencoder.quant_conv.bias[half:] = _INITIAL_LOG_VARIANCE

    def loss(update: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        crop = update / settings.updates < settings.crop_share
        return _loss(vae, _draw(images, settings.batch_size, rng, crop=crop).to(device), settings.kl_weight, noise)

    fit = Fit(vae.train(), settings, loss, {"batches": rng, "noise": noise}, checkpoint=checkpoint)
    vae.load_state_dict(fit.run(on_update).state_dict())
    vae.eval().requires_grad_(False)
    sample = torch.from_numpy(images[rng.choice(len(images), 512)]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        spread = torch.cat([vae.encode(part.to(device)) for part in sample.split(64)]).std() / vae.scaling_factor
    vae.set_scaling_factor(round(float(1 / spread), 4))


def _draw(images: NDArray[np.uint8], size: int, rng: np.random.Generator, crop: bool) -> torch.Tensor:
    """Random images (B, 3, H, W), turned and flipped so that the VAE knows people in any orientation."""
    batch = torch.from_numpy(images[rng.choice(len(images), size)]).permute(0, 3, 1, 2).float() / 255
    if crop:  # the central columns hold the person; half the pixels, twice the speed
        width = batch.shape[-1]
        batch = batch[..., width // 4 : width // 4 + width // 2]
    if rng.random() < 0.5:
        batch = batch.flip(-1)
    return torch.rot90(batch, int(rng.integers(4)), (2, 3))


def _loss(
    vae: ImageVAE, images: torch.Tensor, kl_weight: float, noise: torch.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Weighted L1, gradient L1 and squared error of the sampled reconstruction, and the KL to a unit normal."""
    target = images * 2 - 1
    posterior = vae.autoencoder.encode(F.pixel_unshuffle(target, vae.pixel_patch)).latent_dist
    output = F.pixel_shuffle(vae.autoencoder.decode(posterior.sample(noise)).sample, vae.pixel_patch)
    error = output - target
    foreground = (images.amin(1, keepdim=True) < 0.96).float()
    weight = 1 + (_FOREGROUND_WEIGHT - 1) * foreground
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
    loss = (weight * error.abs()).mean() + 0.5 * edges + 0.5 * error.pow(2).mean() + kl_weight * kl
    mse = (output.detach().clamp(-1, 1) - target).pow(2).mean() / 4
    return loss, {"loss": loss.detach(), "psnr_db": -10 * mse.double().log10(), "kl": kl.detach()}
