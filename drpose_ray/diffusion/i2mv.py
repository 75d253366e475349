"""The image-to-multi-view model: its parts, what they make of an input image, and guidance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.eight_bit import crop_head, quantize
from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.vae import ImageVAE


@dataclass(frozen=True)
class ImageToMultiView:
    """The parts of an I2MV model, each as its published counterpart is.

    ``text`` (M, V, tokens, D) are the fixed prompt embeddings.
    """

    unet: MultiViewUNet
    vae: ImageVAE
    image_encoder: ImageEncoder
    schedule: NoiseSchedule
    text: torch.Tensor

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(M, V, 4, h, w) of one object."""
        return self.unet.latent_shape

    @property
    def image_size(self) -> int:
        """Pixels per side of an image."""
        return int(self.unet.config.sample_size) * self.vae.pixels_per_latent

    @torch.no_grad()
    def encode_condition(self, images: torch.Tensor, noise: torch.Tensor | None = None) -> Condition:
        """Condition of input images in [0, 1] on white.

        Args:
            images: (B, 3, s, s), which every view is given; or (B, 2, 3, s, s), the person and the head crop that
                PSHuman's face view is given. A model with a face view crops by itself what it does not get.
            noise: (M, B, V, P) standard normal, unCLIP's noise of level 0 on the embedding. Left out, none is added:
                a difference of .006 standard deviations.
        """
        latents, embeddings = self.encode_inputs(images)
        condition = Condition.from_inputs(latents, self.image_encoder.class_labels(embeddings), self.text)
        if noise is None:
            return condition
        per_image = Condition.from_inputs(latents, embeddings, self.text).class_labels
        return replace(condition, class_labels=self.image_encoder.class_labels(per_image, noise))

    @torch.no_grad()
    def encode_inputs(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (B, I, 4, h, w) and image embeddings (B, I, P) of what ``encode_condition`` is given; I is 2 for a
        model with a face view, else 1.
        """
        inputs = images[:, None] if images.ndim == 4 else images
        if self.unet.face_view and inputs.shape[1] == 1:
            inputs = torch.stack([images, crop_head(images)], 1)
        inputs = inputs[:, : 2 if self.unet.face_view else 1]
        flat = quantize(inputs.flatten(0, 1))
        encoded = self.vae.encode(flat.to(self.text.dtype)), self.image_encoder.embed(flat)
        latents, embeddings = (x.unflatten(0, inputs.shape[:2]) for x in encoded)
        return latents, embeddings

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Multi-view latents (M, B, V, 4, h, w) -> images (M, B, V, 3, s, s) in [0, 1], few at a time."""
        sliced = [[self.vae.decode(views) for views in domain] for domain in latents]
        return torch.stack([torch.stack(domain) for domain in sliced])

    def to(self, device: torch.device) -> ImageToMultiView:
        """The model with all its parts, which are moved, on ``device``."""
        for part in (self.unet, self.vae, self.image_encoder):
            part.to(device)
        return replace(self, text=self.text.to(device))

    def freeze(self) -> ImageToMultiView:
        """All parts in evaluation mode, no parameter trainable. Returns itself."""
        for part in (self.unet, self.vae, self.image_encoder):
            part.eval().requires_grad_(False)
        return self


class GuidedDenoiser:
    """Classifier-free guidance around a denoiser: ``u + scale (c - u)``, per domain."""

    def __init__(self, denoiser: nn.Module, scale: float, *, batched: bool = False) -> None:
        """``batched`` calls the denoiser once with twice the objects (the originals' order: each domain's dropped half
        before its given half); otherwise it is called twice, with half the memory.
        """
        self.denoiser, self.scale, self.batched = denoiser, scale, batched

    def __call__(self, latents: torch.Tensor, timestep: int | torch.Tensor, condition: Condition) -> torch.Tensor:
        """As the denoiser's own call, at twice the cost."""
        if self.batched:
            both = self.denoiser(torch.cat([latents, latents], 1), timestep, condition.dropped().joined(condition))
            dropped, given = both.chunk(2, dim=1)
        else:
            given = self.denoiser(latents, timestep, condition)
            dropped = self.denoiser(latents, timestep, condition.dropped())
        return dropped + self.scale * (given - dropped)  # type: ignore[no-any-return]
