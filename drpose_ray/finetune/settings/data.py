"""Settings of the pairs that a model is trained on, and of those that are only watched (``data``, ``held_out``)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config
from drpose_ray.datasets.record import CorruptedPolicy


class ShardCacheConfig(Config):
    """Where shards that are fetched from S3 lie while they are read."""

    folder: Path | None = Field(
        None, description="Folder of fetched shards, shared by a node's workers; by default a temporary one."
    )
    gib: float = Field(20.0, gt=0, description="Size that the folder may have, in GiB.")


class DataConfig(Config):
    """Pairs of an image and a pose."""

    dataset: Path | None = Field(
        None, description="Shards of (image, pose) pairs to train on; by default the run's train shards."
    )
    corrupted: CorruptedPolicy = Field(
        "raise",
        description="What becomes of shards that are missing, altered or cannot be decoded. raise: the run ends; skip: "
        "it says so, and other shards take their place.",
    )
    conditions: Path | None = Field(
        None,
        description="The dataset's conditions as jobs/encode_conditions.py stored them; training then loads no VAE or "
        "image encoder.",
    )
    cache: ShardCacheConfig = Field(ShardCacheConfig(), description="Shards fetched from S3.")


class HeldOutConfig(Config):
    """Pairs that are not trained on: their reward and their pictures are watched, and the best model on them kept."""

    dataset: Path = Field(description="Shards of the held-out pairs.")
    num: int = Field(8, ge=2, description="Number of held-out pairs of all workers together, two or more of each.")
    every: int = Field(500, ge=1, description="Number of iterations between looks at the held-out pairs.")
