"""Six-view renders with poses, read from shards and passed through the VAE: what both pose networks are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.seeding import torch_stream
from drpose_ray.shards.read import FrameSample, ShardReader

_IMAGE_NAMES = tuple(f"{domain}{view}" for domain in ("normal", "color") for view in range(NUM_VIEWS))
_IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class PosedRenders:
    """N people in six views."""

    images: torch.Tensor  # (N, M=2, V=6, 3, s, s) uint8 on white, normals first
    joints_world: torch.Tensor  # (N, 23, 3) metres
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
    samples = [(sample, folder) for folder in folders for sample in ShardReader(folder)]
    images = torch.stack([_stack_views(sample, folder) for sample, folder in samples])
    joints = torch.from_numpy(np.stack([sample.joints_world for sample, _ in samples])).float()
    center = torch.from_numpy(np.stack([sample.view.center_world for sample, _ in samples])).float()
    width = torch.tensor([sample.view.width_m for sample, _ in samples], dtype=torch.float32)
    order = torch.randperm(len(samples), generator=torch_stream(seed, "renders"))
    return PosedRenders(images[order], joints[order], center[order], width[order])


@torch.no_grad()
def encode_renders(vae: ImageVAE, images: torch.Tensor) -> torch.Tensor:
    """Latents (N, M, V, 4, h, w) float16 of uint8 images (N, M, V, 3, s, s)."""
    batches = torch.split(images.flatten(0, 2), _IMAGES_AT_ONCE)
    latents = torch.cat([vae.encode(batch.float() / 255).half() for batch in batches])
    return latents.reshape(*images.shape[:3], *latents.shape[1:])


@torch.no_grad()
def decode_latents(vae: ImageVAE, latents: torch.Tensor) -> torch.Tensor:
    """Images (N, M, V, 3, s, s) uint8 of latents (N, M, V, 4, h, w)."""
    batches = torch.split(latents.flatten(0, 2), _IMAGES_AT_ONCE)
    images = torch.cat([(vae.decode(batch.float()) * 255).round().to(torch.uint8) for batch in batches])
    return images.reshape(*latents.shape[:3], *images.shape[1:])


def _stack_views(sample: FrameSample, folder: Path) -> torch.Tensor:
    """(M, V, 3, s, s) uint8."""
    missing = [name for name in _IMAGE_NAMES if name not in sample.images]
    if missing:
        raise InputError(
            "the dataset lacks six-view renders",
            file=folder,
            field=sample.key,
            value=missing[0],
            remedy="name shards that hold normal0 to normal5 and color0 to color5",
        )
    views = torch.from_numpy(np.stack([sample.images[name][..., :3] for name in _IMAGE_NAMES]))
    return views.movedim(-1, -3).reshape(2, NUM_VIEWS, 3, *views.shape[1:3])
