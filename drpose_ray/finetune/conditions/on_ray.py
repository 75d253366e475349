"""Encoding the conditions of a dataset on a Ray cluster: one row is one shard, encoded and written in an actor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.core.on_ray import map_in_actors
from drpose_ray.datasets.derived import complete, start_or_resume
from drpose_ray.datasets.manifest import manifest_sha256, read_manifest
from drpose_ray.finetune.conditions.store import MARKER, ConditionsRecord, condition_file, encoders_sha256


@dataclass(frozen=True)
class EncodeTask:
    """Which shards, with which model, to where. Absolute paths."""

    dataset: Path
    model: Path
    output: Path
    text_embeddings: Path | None = None
    samples_per_call: int = 4
    workers: int = 1
    gpus_per_worker: float = 0


def encode_on_ray(task: EncodeTask) -> Iterator[str]:
    """Encode what is missing and complete the folder; yields the name of each shard as it is done.

    Raises InputError if the folder holds the conditions of another model or dataset, or the dataset is unfinished.
    """
    manifest = read_manifest(task.dataset)
    record = ConditionsRecord(
        encoders_sha256=encoders_sha256(task.model),
        dataset_sha256=manifest_sha256(task.dataset),
        samples=manifest.frames_ok,
        files=tuple(condition_file(task.output, row.name).name for row in manifest.shards),
    )
    missing = set(start_or_resume(task.output, record, MARKER, "conditions"))
    todo = [row.name for row in manifest.shards if condition_file(task.output, row.name).name in missing]
    yield from map_in_actors(functools.partial(_load_encoder, task), todo, task.workers, task.gpus_per_worker)
    complete(task.output, record, MARKER)


def _load_encoder(task: EncodeTask) -> Callable[[str], None]:
    """Runs in an actor, which keeps the encoders from shard to shard."""
    from drpose_ray.finetune.conditions.encode import ShardEncoder  # with diffusers, which only workers need

    device = torch.device("cuda" if task.gpus_per_worker else "cpu")
    encoder = ShardEncoder(task.model, task.text_embeddings, task.dataset, task.output, task.samples_per_call, device)
    return encoder.encode
