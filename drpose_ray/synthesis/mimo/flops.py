"""Floating-point operations of MIMO's networks, counted on the meta device: no weights and no GPU are needed.

Counted by ``torch.utils.flop_counter``: convolutions, matrix products and attention, one multiply-add as two. Not
counted: normalisation, activations, sampling, moving data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.synthesis.mimo.networks.architecture import LATENT_CHANNELS, STABLE_DIFFUSION_15
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.pose_guider import PoseGuider
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet
from drpose_ray.synthesis.mimo.networks.spatial_block import Reading
from drpose_ray.synthesis.mimo.windows import frame_windows

define_missing_operators()
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402 - needs the operators declared

_VAE: Final[dict[str, Any]] = {
    "in_channels": 3, "out_channels": 3, "latent_channels": LATENT_CHANNELS,
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
_PIXELS_PER_LATENT: Final = 8
_CLIP: Final[dict[str, Any]] = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14, "projection_dim": 768, "hidden_act": "quick_gelu",
}  # fmt: skip
_TOKEN_WIDTH: Final = int(_CLIP["projection_dim"])


@dataclass(frozen=True)
class MimoFlops:
    """FLOPs of one call of each part of the published architectures, for square images of one size."""

    num_frames: int
    image_encoder: int
    """One photo."""
    vae_encode: int
    """One image."""
    reference_unet: int
    """One photo."""
    project: int
    """Keys and values of one photo, apart from steps."""
    pose_guider: int
    """All frames of a sequence."""
    denoiser_step: int
    """One step: all frames, and both guidance branches where there are two."""
    vae_decode: int
    """One frame."""

    @property
    def of_photo(self) -> int:
        """What is computed once for a photo, whatever is drawn from it."""
        return self.image_encoder + self.vae_encode + self.reference_unet + self.project

    def of_sequence(self, num_sampling_steps: int) -> int:
        """What every sequence takes."""
        return self.pose_guider + num_sampling_steps * self.denoiser_step + self.num_frames * self.vae_decode


def count_mimo_flops(image_size: int, num_frames: int, *, guided: bool = True) -> MimoFlops:
    """The published networks as ``synthesis.mimo.animator`` runs them. ``image_size`` is a multiple of 8."""
    side = image_size // _PIXELS_PER_LATENT
    with torch.device("meta"):
        reference, vae, guider = ReferenceUNet(STABLE_DIFFUSION_15), ImageVAE(_VAE, 1), PoseGuider()
        denoiser = DenoisingUNet(STABLE_DIFFUSION_15)
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**_CLIP))
        bank = make_bank(reference, image_size)
        windows = frame_windows(num_frames)
        return MimoFlops(
            num_frames=num_frames,
            image_encoder=flops(lambda: clip(torch.empty(1, 3, _CLIP["image_size"], _CLIP["image_size"]))),
            vae_encode=flops(lambda: vae.encode(torch.empty(1, 3, image_size, image_size))),
            reference_unet=flops(lambda: make_bank(reference, image_size)),
            project=flops(lambda: denoiser.project(bank)),
            pose_guider=flops(lambda: guider(torch.empty(num_frames, 3, image_size, image_size))),
            denoiser_step=len(windows) * step_flops(denoiser, bank, image_size, len(windows[0]), guided=guided),
            vae_decode=flops(lambda: vae.decode(torch.empty(1, LATENT_CHANNELS, side, side))),
        )


def step_flops(
    denoiser: DenoisingUNet, bank: Mapping[str, torch.Tensor], image_size: int, num_frames: int, *, guided: bool = True
) -> int:
    """One denoising step of one sequence; everything lies on the meta device."""
    side, branches = image_size // _PIXELS_PER_LATENT, 2 if guided else 1
    with torch.device("meta"):
        reading = Reading(denoiser.project(bank), torch.zeros(1, dtype=torch.long), num_frames)
        latents, background = (torch.empty(*n, LATENT_CHANNELS, side, side) for n in ((branches, num_frames), ()))
        context, pose = torch.empty(branches, 1, _TOKEN_WIDTH), torch.empty(branches, num_frames, 320, side, side)
        return flops(lambda: denoiser(latents, 999, background=background, context=context, pose=pose, reading=reading))


def make_bank(reference: ReferenceUNet, image_size: int) -> dict[str, torch.Tensor]:
    """What the reference U-Net stores of one photo, without values."""
    side = image_size // _PIXELS_PER_LATENT
    with torch.device("meta"), torch.no_grad():
        bank: dict[str, torch.Tensor] = reference(
            torch.empty(1, LATENT_CHANNELS, side, side), torch.empty(1, 1, _TOKEN_WIDTH)
        )
        return bank


def flops(work: Callable[[], object]) -> int:
    """Operations of ``work``."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return int(counter.get_total_flops())
