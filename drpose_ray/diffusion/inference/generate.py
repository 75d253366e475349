"""Six normals and six colours from each photo: condition, sample, decode, finish (docs/facts/i2mv.md, 2.2 to 2.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from drpose_ray.core.seeding import torch_stream
from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, draw_noise, sample
from drpose_ray.diffusion.i2mv import GuidedDenoiser, ImageToMultiView
from drpose_ray.diffusion.inference.config import GenerateConfig
from drpose_ray.diffusion.inference.photo import Photo
from drpose_ray.diffusion.inference.views import FailedViews, Views, finish_views
from drpose_ray.diffusion.published.layout import load_i2mv

# The longer side of the person in the published models' training images, as a share of the image.
_CROP_SHARE = {"pshuman": 740 / 768, "era3d": 420 / 512}

_NOT_FINITE = (
    "remedy: choose generate.precision float32 or bfloat16, as float16 may overflow; if it stays, these weights cannot "
    "draw this photo"
)


@dataclass(frozen=True)
class ViewGenerator:
    """A model and how to run it. Noise is keyed by the photo's name: neighbours in a batch change nothing."""

    model: ImageToMultiView
    config: GenerateConfig
    seed: int

    @staticmethod
    def load(config: GenerateConfig, seed: int, device: torch.device) -> ViewGenerator:
        """Raises InputError if the model is incomplete or its latents cannot be denoised at their size."""
        dtype = getattr(torch, config.precision)
        model = load_i2mv(config.model, text_embeddings=config.text_embeddings, dtype=dtype)
        return ViewGenerator(model.to(device), config, seed)

    @property
    def image_size(self) -> int:
        """Pixels of a side of what the model draws."""
        return self.model.image_size

    @property
    def crop_size(self) -> int:
        """Pixels of the person's longer side in a prepared photo."""
        size = self.model.image_size
        return self.config.crop_size or int(size * _CROP_SHARE[self.model.unet.view_set.name])

    def generate(self, photos: Sequence[Photo]) -> Iterator[Views | FailedViews]:
        """The views of each photo, ``photos_per_call`` denoised together; one that fails ends none of the others."""
        for start in range(0, len(photos), self.config.photos_per_call):
            batch = photos[start : start + self.config.photos_per_call]
            latents = self.sample_latents(batch)
            images = self.model.decode(latents.to(self.model.text.dtype)).float()
            for index, photo in enumerate(batch):
                failed = [
                    what
                    for what, made in (("latents", latents), ("images", images))
                    if not made[:, index].isfinite().all()
                ]
                if failed:
                    yield FailedViews(photo.name, f"the model's {failed[0]} are not finite; {_NOT_FINITE}")
                    continue
                front = photo.person if self._keeps_input else None
                yield finish_views(photo.name, images[:, index], self.model.unet.view_set, front)

    @torch.no_grad()
    def sample_latents(self, photos: Sequence[Photo]) -> torch.Tensor:
        """Latents (M, B, V, 4, h, w) of B photos in float32, as the model numbers its views."""
        config, model, device = self.config, self.model, self.model.text.device
        names = [photo.name for photo in photos]
        images = np.stack([[photo.person, photo.head] for photo in photos])
        condition = model.encode_condition(
            torch.from_numpy(images).to(device).movedim(-1, 2).float() / 255, self._embedding_noise(names)
        )

        def noise_at(step: int) -> torch.Tensor:
            return draw_noise(self.seed, names, model.latent_shape, step).to(device)

        denoiser: Denoiser = model.unet
        if config.guidance_scale != 1:
            denoiser = GuidedDenoiser(model.unet, config.guidance_scale, batched=config.batched_guidance)
        sampler = DdimSampler(model.schedule, config.num_sampling_steps, config.eta)
        # Objects do not see each other, so that one that overflows leaves its neighbours as they are.
        return sample(denoiser, noise_at(config.num_sampling_steps + 1), condition, sampler, noise_at)

    @property
    def _keeps_input(self) -> bool:
        keep = self.config.keep_input_as_front
        return self.model.unet.face_view if keep is None else keep

    def _embedding_noise(self, names: Sequence[str]) -> torch.Tensor:
        domains, views = self.model.text.shape[:2]
        shape = (domains, views, self.model.image_encoder.width)
        draws = [torch.randn(shape, generator=torch_stream(self.seed, "embedding", name)) for name in names]
        return torch.stack(draws, 1).to(self.model.text)
