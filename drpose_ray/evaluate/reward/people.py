"""The people that a reward is judged on: six true views of each, their latents, and where their joints are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.errors import InputError
from drpose_ray.reward.renders import encode_renders
from drpose_ray.shards.multiview import read_multiview

_LEAST = 4  # fewer give no interval and no rank


@dataclass(frozen=True)
class People:
    """N people of one test split, joints in the axes of the input camera."""

    name: str
    images: torch.Tensor  # (N, M=2, V=6, 3, s, s) uint8 on white, normals first
    latents: torch.Tensor  # (N, M, V, C, h, w) float32, of the images
    joints: torch.Tensor  # (N, 23, 3) metres
    center: torch.Tensor  # (N, 3) metres, shown at the image centre
    width_m: torch.Tensor  # (N,) metres shown across the image

    def __len__(self) -> int:
        return len(self.joints)

    def first(self, num: int) -> People:
        """The first ``num`` of them."""
        rows = slice(num)
        return People(
            self.name, self.images[rows], self.latents[rows], self.joints[rows], self.center[rows], self.width_m[rows]
        )


def read_people(name: str, folder: Path, vae: ImageVAE, image_size: int, limit: int) -> People:
    """The first ``limit`` people of a six-view dataset, one frame of each record, encoded at ``image_size`` px.

    Raises InputError as ``read_multiview``, or if they are few or shown smaller.
    """
    shown = read_multiview(folder, limit, one_per_record=True)
    if len(shown) < _LEAST:
        raise InputError(
            "too few people to judge a reward by", file=folder, field=f"reward_report.splits.{name}", value=len(shown),
            remedy=f"give a dataset of at least {_LEAST}, better 60",
        )  # fmt: skip
    images = torch.from_numpy(shown.images).movedim(-1, -3).contiguous()
    if images.shape[-1] < image_size:
        raise InputError(
            "images smaller than the model's", file=folder, field=f"reward_report.splits.{name}",
            value=images.shape[-1], remedy=f"render at {image_size} px, as the predictors' training data",
        )  # fmt: skip
    return People(
        name,
        images,
        encode_renders(vae, images, image_size).float(),
        torch.from_numpy(shown.joints),
        torch.from_numpy(shown.center),
        torch.from_numpy(shown.width_m),
    )


def some_of_each(splits: Sequence[People], num: int) -> People:
    """About ``num`` people, equally many of each split, splits taking turns: neighbours are of different splits."""
    each = [split.first(-(-num // len(splits))) for split in splits]
    shortest = min(len(split) for split in each)
    order = torch.arange(shortest * len(each)).reshape(len(each), shortest).T.flatten()

    def take(name: str) -> torch.Tensor:
        return torch.cat([getattr(split, name)[:shortest] for split in each])[order]

    return People("all splits", *(take(name) for name in ("images", "latents", "joints", "center", "width_m")))
