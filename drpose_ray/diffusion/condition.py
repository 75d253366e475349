"""What the denoiser knows of the input image (i2mv facts, 2.2): latent, image embedding, and fixed text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class FlatCondition:
    """The same, one row per image of the U-Net's batch: (N, 4, h, w), (N, E) and (N, tokens, D), N = M B V."""

    image_latents: torch.Tensor
    class_labels: torch.Tensor
    text: torch.Tensor


@dataclass(frozen=True)
class Condition:
    """Conditioning of B objects.

    Attributes:
        image_latents: (B, 4, h, w) VAE latent of the input image, the same for every view and domain.
        class_labels: (B, E) image embedding with the embedding of its noise level appended.
        text: (M, V, tokens, D) embeddings of "… {view} view, {color|normal} map": the only thing that tells the
            network which view and domain an image is. Never dropped.
    """

    image_latents: torch.Tensor
    class_labels: torch.Tensor
    text: torch.Tensor

    def __len__(self) -> int:
        return len(self.image_latents)

    def select(self, index: slice | torch.Tensor) -> Condition:
        """The condition of some of the objects."""
        return replace(self, image_latents=self.image_latents[index], class_labels=self.class_labels[index])

    def dropped(self) -> Condition:
        """The unconditional branch of classifier-free guidance: image latent and embedding zero, text kept."""
        return replace(
            self, image_latents=torch.zeros_like(self.image_latents), class_labels=torch.zeros_like(self.class_labels)
        )

    def flatten(self, domains: int) -> FlatCondition:
        """Expanded to the U-Net's batch (domain, object, view); ``domains`` is M."""
        objects, views = len(self), self.text.shape[1]

        def per_object(x: torch.Tensor) -> torch.Tensor:
            return x[None, :, None].expand(domains, objects, views, *x.shape[1:]).flatten(0, 2)

        text = self.text[:, None].expand(domains, objects, views, *self.text.shape[2:]).flatten(0, 2)
        return FlatCondition(per_object(self.image_latents), per_object(self.class_labels), text)
