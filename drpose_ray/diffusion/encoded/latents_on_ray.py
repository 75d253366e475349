"""Encoding a dataset on a Ray cluster: one row is one shard, encoded and written in an actor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import torch

from drpose_ray.core.on_ray import map_in_actors
from drpose_ray.datasets.derived import complete
from drpose_ray.diffusion.encoded.latents import EncodeTask, ShardEncoder, missing_shards, plan_latents
from drpose_ray.diffusion.encoded.latents_store import MARKER, LatentsRecord


def encode_on_ray(task: EncodeTask) -> Iterator[str]:
    """As ``encode_here``, by ``task.workers`` actors."""
    record = plan_latents(task.dataset, task.model)
    todo = missing_shards(task, record)
    yield from map_in_actors(functools.partial(_load_encoder, task, record), todo, task.workers, task.gpus_per_worker)
    complete(task.output, record, MARKER)


def _load_encoder(task: EncodeTask, record: LatentsRecord) -> Callable[[str], None]:
    """Runs in an actor, which keeps the VAE from shard to shard."""
    return ShardEncoder(task, record, torch.device("cuda" if task.gpus_per_worker else "cpu")).encode
