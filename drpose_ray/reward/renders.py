"""Six-view renders with poses, read from shards and passed through the VAE: what both pose networks are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.errors import InputError
from drpose_ray.latents.encode import encode_pixels
from drpose_ray.seeding import torch_stream
from drpose_ray.shards.multiview import read_multiview

_IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class PosedRenders:
    """N people in six views."""

    images: torch.Tensor  # (N, M=2, V=6, 3, s, s) uint8 on white, normals first
    joints_world: torch.Tensor  # (N, 23, 3) metres, in the input camera's axes
    center_world: torch.Tensor  # (N, 3) metres
    width_m: torch.Tensor  # (N,) metres

    def __len__(self) -> int:
        return len(self.images)


def read_renders(folders: Sequence[Path], seed: int) -> PosedRenders:
    """All ok frames of ``folders`` in an order drawn from ``seed``, so that the last ones are a fair validation set.

    Raises InputError if no folder is given, one is unfinished, or a frame lacks a view.
    """
    if not folders:
        raise InputError(
            "no renders to train on",
            field="multiview_shards",
            remedy="name one or more folders of six-view shards",
        )
    sets = [read_multiview(folder) for folder in folders]
    images = torch.cat([torch.from_numpy(people.images).movedim(-1, -3) for people in sets])
    joints = torch.cat([torch.from_numpy(people.joints) for people in sets])
    center = torch.cat([torch.from_numpy(people.center) for people in sets])
    width = torch.cat([torch.from_numpy(people.width_m) for people in sets])
    order = torch.randperm(len(images), generator=torch_stream(seed, "renders"))
    return PosedRenders(images[order].contiguous(), joints[order], center[order], width[order])


@torch.no_grad()
def encode_renders(vae: ImageVAE, images: torch.Tensor, image_size: int) -> torch.Tensor:
    """Latents (N, M, V, 4, h, w) float16 of uint8 images (N, M, V, 3, s, s), as they are stored for training."""
    latents = encode_pixels(vae, images.flatten(0, 2), image_size, _IMAGES_AT_ONCE).half()
    return latents.reshape(*images.shape[:3], *latents.shape[1:])


@torch.no_grad()
def decode_latents(vae: ImageVAE, latents: torch.Tensor) -> torch.Tensor:
    """Images (N, M, V, 3, s, s) uint8 of latents (N, M, V, 4, h, w)."""
    batches = torch.split(latents.flatten(0, 2), _IMAGES_AT_ONCE)
    images = torch.cat([(vae.decode(batch.float()) * 255).round().to(torch.uint8) for batch in batches])
    return images.reshape(*latents.shape[:3], *images.shape[1:])
