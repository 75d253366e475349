"""Photos and pose images to frames
(docs/facts/mimo.md, 2): several sequences at once, each with a noise stream of its own.

Axis letters: P photos, S sequences, F frames, h w latent pixels, D width of the CLIP token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.networks.architecture import LATENT_CHANNELS
from drpose_ray.synthesis.mimo.networks.model import MimoModel, make_schedule
from drpose_ray.synthesis.mimo.networks.spatial_block import Reading
from drpose_ray.synthesis.mimo.photo import for_image_encoder, for_vae
from drpose_ray.synthesis.mimo.windows import OVERLAP_FRAMES, WINDOW_FRAMES, frame_windows


@dataclass(frozen=True)
class PhotoReference:
    """What the networks have to know of P photos, whatever is drawn from them.

    Attributes:
        tokens: (P, 1, D) CLIP embeddings.
        stored: per block of the denoiser, the projected tokens of the reference U-Net; photo axis first.
    """

    tokens: torch.Tensor
    stored: Mapping[str, torch.Tensor]


class Animator:
    """One model at one output size and one set of sampling settings."""

    def __init__(
        self,
        model: MimoModel,
        *,
        image_size: int = 784,
        num_sampling_steps: int = 25,
        guidance_scale: float = 3.5,
        window_frames: int = WINDOW_FRAMES,
        overlap_frames: int = OVERLAP_FRAMES,
        images_per_call: int = 10,
    ) -> None:
        """``guidance_scale`` up to 1 turns guidance off. ``images_per_call`` go through VAE or pose guider together.

        Raises InputError for a size that the VAE cannot halve three times.
        """
        if image_size % model.vae.pixels_per_latent:
            raise InputError(
                "an image size without whole latents", field="image_size", value=image_size,
                remedy=f"use a multiple of {model.vae.pixels_per_latent}",
            )  # fmt: skip
        self.model, self.image_size = model, image_size
        self.num_sampling_steps, self.guidance_scale = num_sampling_steps, guidance_scale
        self.window_frames, self.overlap_frames = window_frames, overlap_frames
        self.images_per_call = images_per_call

    @cached_property
    def background(self) -> torch.Tensor:
        """(4, h, w) latent of plain white: the same for all frames, sequences and photos of this size."""
        with torch.inference_mode():
            white = torch.ones(1, 3, self.image_size, self.image_size, device=self.model.device, dtype=self.model.dtype)
            return self.model.vae.encode(white)[0]

    @torch.inference_mode()
    def remember(self, photos: Sequence[Image.Image]) -> PhotoReference:
        """Run what depends on the photos alone. ``photos`` are squares of ``synthesis.mimo.photo.cut_out``."""
        model = self.model
        side = int(model.image_encoder.config.image_size)
        small = torch.stack([for_image_encoder(photo, side) for photo in photos]).to(model.device, model.dtype)
        large = torch.stack([for_vae(photo, self.image_size) for photo in photos]).to(model.device, model.dtype)
        tokens = model.image_encoder(small.contiguous()).image_embeds[:, None]
        # Only conditional rows read the bank, so that zeros need not go through the reference U-Net.
        bank = model.reference_unet(model.vae.encode(large), tokens)
        return PhotoReference(tokens, model.denoiser.project(bank))

    @torch.inference_mode()
    def animate(
        self,
        reference: PhotoReference,
        photo: Sequence[int],
        pose_images: torch.Tensor,
        seeds: Sequence[int],
    ) -> torch.Tensor:
        """Frames of S sequences, (S, F, H, W, 3) uint8 on the CPU.

        Args:
            reference: of P photos.
            photo: which of them each sequence shows, S numbers below P.
            pose_images: (S, F, 3, H, W) in [0, 1], H = W = ``image_size``.
            seeds: of the initial noise, one per sequence; from something that names the sequence, so that it does not
                matter what else is drawn with it.

        Raises InputError if the lengths or the size do not agree, FloatingPointError if the networks overflow.
        """
        size = self.image_size
        if pose_images.shape[2:] != (3, size, size) or not len(photo) == len(seeds) == len(pose_images) > 0:
            raise InputError(
                "sequences that do not fit together", field="(photos, seeds, pose images)",
                value=(len(photo), len(seeds), tuple(pose_images.shape)),
                remedy=f"give one photo and one seed for each (F, 3, {size}, {size}) of pose images",
            )  # fmt: skip
        which = torch.as_tensor(list(photo), device=self.model.device)
        pose = self._in_slices(self.model.pose_guider, pose_images)
        latents = self._draw_noise(pose_images.shape[1], seeds)
        schedule = make_schedule(self.num_sampling_steps)
        for timestep in schedule.timesteps:
            output = self._predict(latents, int(timestep), pose, reference, which)
            latents = schedule.step(output, timestep, latents).prev_sample
        frames = self._in_slices(self.model.vae.decode, latents)
        if not (latents.isfinite().all() and frames.isfinite().all()):
            raise FloatingPointError("MIMO's output is not finite; try another precision")
        return (frames.movedim(2, -1) * 255).to(torch.uint8).cpu()

    def _draw_noise(self, num_frames: int, seeds: Sequence[int]) -> torch.Tensor:
        """(S, F, 4, h, w) float32, drawn as MIMO does: on the CPU, channel before frame, in the weights' precision."""
        side = self.image_size // self.model.vae.pixels_per_latent
        drawn = [
            torch.randn(
                (LATENT_CHANNELS, num_frames, side, side), generator=torch.Generator().manual_seed(seed),
                dtype=self.model.dtype,
            )
            for seed in seeds
        ]  # fmt: skip
        return torch.stack(drawn).transpose(1, 2).float().to(self.model.device)

    def _predict(
        self,
        latents: torch.Tensor,
        timestep: int,
        pose: torch.Tensor,
        reference: PhotoReference,
        photo: torch.Tensor,
    ) -> torch.Tensor:
        """Output v of all frames (S, F, 4, h, w): windows averaged, then the guidance branches combined."""
        guided = self.guidance_scale > 1
        branches = 2 if guided else 1
        tokens = reference.tokens[photo]
        context = torch.cat([torch.zeros_like(tokens), tokens]) if guided else tokens
        total = latents.new_zeros((branches, *latents.shape))
        count = latents.new_zeros(latents.shape[1])
        for window in frame_windows(latents.shape[1], self.window_frames, self.overlap_frames):
            frames = torch.as_tensor(window, device=latents.device)
            output = self.model.denoiser(
                latents[:, frames].repeat(branches, 1, 1, 1, 1),
                timestep,
                background=self.background,
                context=context,
                pose=pose[:, frames].repeat(branches, 1, 1, 1, 1),
                reading=Reading(reference.stored, photo, len(window)),
            )
            total[:, :, frames] += output.unflatten(0, (branches, -1))
            count[frames] += 1
        mean = total / count[:, None, None, None]
        return mean[0] + self.guidance_scale * (mean[1] - mean[0]) if guided else mean[0]

    def _in_slices(self, network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        """``network`` over (S, F, …), a few images at a time: their activations are what takes memory."""
        flat = images.flatten(0, 1)
        parts = [
            network(part.to(self.model.device, self.model.dtype).contiguous()).float()
            for part in flat.split(self.images_per_call)
        ]
        return torch.cat(parts).unflatten(0, images.shape[:2])  # type: ignore[no-any-return]
