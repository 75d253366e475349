"""What the denoiser knows of the input image (docs/facts/i2mv.md, 2.2): latent, image embedding, and fixed text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


@dataclass(frozen=True)
class FlatCondition:
    """The same, one row per image of the U-Net's batch, N = M B V."""

    image_latents: Float[Tensor, "N C h w"]
    class_labels: Float[Tensor, "N E"]
    text: Float[Tensor, "N tokens D"]

    def to(self, dtype: torch.dtype) -> FlatCondition:
        """The same, rounded to ``dtype``."""
        return FlatCondition(self.image_latents.to(dtype), self.class_labels.to(dtype), self.text.to(dtype))


@dataclass(frozen=True)
class Condition:
    """Conditioning of B objects.

    Attributes:
        image_latents: VAE latent of each image's input: the same image for all views, except that
            PSHuman's face view is given the head crop.
        class_labels: embedding of the same inputs with the embedding of its noise level appended.
        text: embeddings of "… {view} view, {color|normal} map": the only thing that tells the
            network which view and domain an image is. Never dropped.
    """

    image_latents: Float[Tensor, "M B V C h w"]
    class_labels: Float[Tensor, "M B V E"]
    text: Float[Tensor, "M V tokens D"]

    @staticmethod
    def from_inputs(
        image_latents: Float[Tensor, "B I C h w"],
        class_labels: Float[Tensor, "B I E"],
        text: Float[Tensor, "M V tokens D"],
    ) -> Condition:
        """From the latents and labels of the I inputs of each object. Costs no memory for I = 1.

        The last view is given the last input and all others the first: with I = 1 all are given the same.
        """
        domains, views = text.shape[:2]

        def per_view(x: Tensor) -> Tensor:
            if x.shape[1] == 1:
                return x.expand(-1, views, *x.shape[2:])
            return torch.cat([x[:, :1].expand(-1, views - 1, *x.shape[2:]), x[:, -1:]], 1)

        latents, labels = per_view(image_latents), per_view(class_labels)
        return Condition(latents.expand(domains, *latents.shape), labels.expand(domains, *labels.shape), text)

    def __len__(self) -> int:
        return self.image_latents.shape[1]

    def to(self, device: torch.device) -> Condition:
        """The same on ``device``."""
        return Condition(self.image_latents.to(device), self.class_labels.to(device), self.text.to(device))

    def __getitem__(self, index: slice | Shaped[Tensor, " n"]) -> Condition:
        """The condition of some of the objects."""
        return replace(self, image_latents=self.image_latents[:, index], class_labels=self.class_labels[:, index])

    def joined(self, other: Condition) -> Condition:
        """These objects, then the other's."""
        return replace(
            self,
            image_latents=torch.cat([self.image_latents, other.image_latents], 1),
            class_labels=torch.cat([self.class_labels, other.class_labels], 1),
        )

    def dropped(self) -> Condition:
        """The unconditional branch of classifier-free guidance: image latent and embedding zero, text kept."""
        return replace(
            self, image_latents=torch.zeros_like(self.image_latents), class_labels=torch.zeros_like(self.class_labels)
        )

    def flatten(self) -> FlatCondition:
        """In the order of the U-Net's batch (domain, object, view)."""
        domains, views = self.text.shape[:2]
        text = self.text[:, None].expand(domains, len(self), views, *self.text.shape[2:])
        return FlatCondition(self.image_latents.flatten(0, 2), self.class_labels.flatten(0, 2), text.flatten(0, 2))
