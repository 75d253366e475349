"""MIMO's five networks and its noise schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.pose_guider import PoseGuider
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet

define_missing_operators()
from diffusers import DDIMScheduler  # noqa: E402 - needs torchvision's operators declared


@dataclass(frozen=True)
class MimoModel:
    """The networks, all in one precision on one device. ``image_encoder`` is a ``CLIPVisionModelWithProjection``."""

    denoiser: DenoisingUNet
    reference_unet: ReferenceUNet
    pose_guider: PoseGuider
    vae: ImageVAE
    image_encoder: Any

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return self.denoiser, self.reference_unet, self.pose_guider, self.vae, self.image_encoder

    @property
    def device(self) -> torch.device:
        return self.denoiser.conv_in.weight.device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        return self.denoiser.conv_in.weight.dtype  # type: ignore[no-any-return]

    def freeze(self) -> Self:
        """No gradients, evaluation mode."""
        for network in self.networks:
            network.requires_grad_(False).eval()
        return self

    def to(self, device: torch.device) -> Self:
        """Moved to ``device``, in place."""
        for network in self.networks:
            network.to(device)
        return self


def make_schedule(num_sampling_steps: int) -> Any:
    """A stock ``DDIMScheduler`` set to MIMO's timesteps: trailing, zero signal at the first
    (docs/facts/mimo.md, 2.2).
    """
    schedule = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
    )  # fmt: skip
    schedule.set_timesteps(num_sampling_steps)
    return schedule
