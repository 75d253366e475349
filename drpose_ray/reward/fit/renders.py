"""Six-view renders with poses, read from shards and passed through the VAE: what both pose networks are trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import torch_stream
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.datasets.posed import PosedPeople, cat
from drpose_ray.diffusion.encoded.latents import encode_pixels
from drpose_ray.diffusion.vae import ImageVAE

_IMAGES_AT_ONCE, _OF_SIZE = 64, 96


def read_renders(folders: Sequence[Path], seed: int) -> PosedPeople:
    """All ok frames of ``folders`` in an order drawn from ``seed``, so that the last ones are a fair validation set.

    Raises InputError if no folder is given, one is unfinished, or a frame lacks a view.
    """
    if not folders:
        raise InputError(
            "no renders to train on",
            field="multiview_shards",
            remedy="name one or more folders of six-view shards",
        )
    people = cat([read_multiview(folder) for folder in folders])
    order = torch.randperm(len(people), generator=torch_stream(seed, "renders"))
    shuffled = people.rows(order)
    return dataclasses.replace(shuffled, images=shuffled.images.contiguous())


@torch.no_grad()
def encode_renders(vae: ImageVAE, images: torch.Tensor, image_size: int) -> torch.Tensor:
    """Latents (N, M, V, 4, h, w) float16 of uint8 images (N, M, V, 3, s, s), as they are stored for training.

    Batches visit the VAE's device; what is given and returned stays on the CPU.
    """
    num = at_once(_IMAGES_AT_ONCE, _OF_SIZE, image_size)
    batches = images.flatten(0, 2).split(num)
    latents = torch.cat([encode_pixels(vae, batch.to(_device(vae)), image_size, num).half().cpu() for batch in batches])
    return latents.reshape(*images.shape[:3], *latents.shape[1:])


@torch.no_grad()
def decode_latents(vae: ImageVAE, latents: torch.Tensor) -> torch.Tensor:
    """Images (N, M, V, 3, s, s) uint8 of latents (N, M, V, 4, h, w)."""
    batches = torch.split(latents.flatten(0, 2), _latents_at_once(vae, latents))
    images = torch.cat([(_decode(vae, batch) * 255).round().to(torch.uint8).cpu() for batch in batches])
    return images.reshape(*latents.shape[:3], *images.shape[1:])


@torch.no_grad()
def decode_images(vae: ImageVAE, latents: torch.Tensor) -> torch.Tensor:
    """As ``decode_latents``, as float32 in [0, 1] and not rounded, so that small changes of the latents show."""
    batches = torch.split(latents.flatten(0, 2), _latents_at_once(vae, latents))
    images = torch.cat([_decode(vae, batch).cpu() for batch in batches])
    return images.reshape(*latents.shape[:3], *images.shape[1:])


def at_once(num: int, of_size: int, size: int) -> int:
    """How many pictures of ``size`` px a call takes: the pixels of ``num`` of ``of_size`` px, and no more than ``num``.

    Memory follows pixels: 64 images of 768 px are 19 GB in every layer of Stable Diffusion's VAE.
    """
    return max(1, min(num, num * of_size**2 // size**2))


def _latents_at_once(vae: ImageVAE, latents: torch.Tensor) -> int:
    return at_once(_IMAGES_AT_ONCE, _OF_SIZE, latents.shape[-1] * vae.pixels_per_latent)


def _decode(vae: ImageVAE, latents: torch.Tensor) -> torch.Tensor:
    return vae.decode(latents.to(_device(vae)).float())


def _device(vae: ImageVAE) -> torch.device:
    return next(vae.parameters()).device
