"""The people that a reward is judged on: six true views of each, their latents, and where their joints are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.datasets.posed import PosedPeople, cat
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.reward.fit.renders import encode_renders

_LEAST = 4  # fewer give no interval and no rank


def read_people(name: str, folder: Path, vae: ImageVAE, image_size: int, limit: int) -> PosedPeople:
    """The first ``limit`` people of a six-view dataset, one frame of each record, encoded at ``image_size`` px.

    Raises InputError as ``read_multiview``, or if they are few or shown smaller; ``name`` is that of the split.
    """
    shown = read_multiview(folder, limit, one_per_record=True)
    if len(shown) < _LEAST:
        raise InputError(
            "too few people to judge a reward by", file=folder, field=f"reward_report.splits.{name}", value=len(shown),
            remedy=f"give a dataset of at least {_LEAST}, better 60",
        )  # fmt: skip
    images = shown.images.contiguous()
    if images.shape[-1] < image_size:
        raise InputError(
            "images smaller than the model's", file=folder, field=f"reward_report.splits.{name}",
            value=images.shape[-1], remedy=f"render at {image_size} px, as the predictors' training data",
        )  # fmt: skip
    return dataclasses.replace(shown, images=images, latents=encode_renders(vae, images, image_size).float())


def some_of_each(splits: Sequence[PosedPeople], num: int) -> PosedPeople:
    """About ``num`` people, equally many of each split, splits taking turns: neighbours are of different splits."""
    each = -(-num // len(splits))
    shortest = min(each, *map(len, splits))
    order = torch.arange(shortest * len(splits)).reshape(len(splits), shortest).T.flatten()
    return cat([split.rows(slice(shortest)) for split in splits]).rows(order)
