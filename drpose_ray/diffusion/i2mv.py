"""The image-to-multi-view model: its parts, what they make of an input image, and guidance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.eight_bit import crop_head, quantize
from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.vae import ImageVAE


@dataclass(frozen=True)
class ImageToMultiView:
    """The parts of an I2MV model, each as its published counterpart is."""

    unet: MultiViewUNet
    vae: ImageVAE
    image_encoder: ImageEncoder
    schedule: NoiseSchedule
    text: Float[Tensor, "M V tokens D"]  # fixed prompt embeddings

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(M, V, 4, h, w) of one object."""
        return self.unet.latent_shape

    @property
    def image_size(self) -> int:
        """Pixels per side of an image."""
        return int(self.unet.config.sample_size) * self.vae.pixels_per_latent

    @torch.no_grad()
    def encode_condition(
        self,
        images: Float[Tensor, "B 3 s s"] | Float[Tensor, "B 2 3 s s"],
        noise: Float[Tensor, "M B V P"] | None = None,
    ) -> Condition:
        """Condition of input images in [0, 1] on white.

        Args:
            images: one per object, which every view is given; or two, the person and the head crop that PSHuman's face
                view is given. A model with a face view crops by itself what it does not get.
            noise: standard normal, unCLIP's noise of level 0 on the embedding. Left out, none is added: a difference
                of .006 standard deviations.
        """
        latents, embeddings = self.encode_inputs(images)
        condition = Condition.from_inputs(latents, self.image_encoder.class_labels(embeddings), self.text)
        if noise is None:
            return condition
        per_image = Condition.from_inputs(latents, embeddings, self.text).class_labels
        return replace(condition, class_labels=self.image_encoder.class_labels(per_image, noise))

    @torch.no_grad()
    def encode_inputs(
        self, images: Float[Tensor, "B 3 s s"] | Float[Tensor, "B I 3 s s"]
    ) -> tuple[Float[Tensor, "B inputs C h w"], Float[Tensor, "B inputs P"]]:
        """Latents and image embeddings of what ``encode_condition`` is given: two inputs for a model with a face view,
        else one.
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
    def decode(self, latents: Float[Tensor, "M B V C h w"]) -> Float[Tensor, "M B V 3 s s"]:
        """Multi-view latents -> images in [0, 1], few at a time."""
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

    def __call__(
        self, latents: Float[Tensor, "M B V C h w"], timestep: int | Int[Tensor, "M B"], condition: Condition
    ) -> Float[Tensor, "M B V C h w"]:
        """As the denoiser's own call, at twice the cost."""
        if self.batched:
            both = self.denoiser(torch.cat([latents, latents], 1), timestep, condition.dropped().joined(condition))
            dropped, given = both.chunk(2, dim=1)
        else:
            given = self.denoiser(latents, timestep, condition)
            dropped = self.denoiser(latents, timestep, condition.dropped())
        return dropped + self.scale * (given - dropped)  # type: ignore[no-any-return]
