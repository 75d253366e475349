"""Encoding the conditions of a dataset on a Ray cluster: one row is one shard, encoded and written in an actor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.data

from drpose_ray.errors import InputError
from drpose_ray.finetune.conditions.store import (
    MARKER,
    ConditionsRecord,
    complete_conditions,
    condition_file,
    encoders_sha256,
)
from drpose_ray.on_ray import local_or_cluster_ray
from drpose_ray.publish import write_json
from drpose_ray.shards.manifest import manifest_sha256, read_manifest


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
    plan = task.output / "plan.json"
    _start_or_resume(plan, record)
    todo = [row.name for row in manifest.shards if not condition_file(task.output, row.name).exists()]
    if todo:
        workers = min(task.workers, len(todo))
        with local_or_cluster_ray(num_cpus=workers):
            ray.data.DataContext.get_current().enable_progress_bars = False
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            rows = ray.data.from_items([{"shard": name} for name in todo], override_num_blocks=len(todo)).map_batches(
                _Encoder,
                fn_constructor_args=(task,),
                batch_size=1,
                num_cpus=1,
                num_gpus=task.gpus_per_worker or None,
                compute=ray.data.ActorPoolStrategy(size=workers),
            )
            for row in rows.iter_rows():
                yield row["shard"]
    complete_conditions(task.output, record)


def _start_or_resume(plan: Path, record: ConditionsRecord) -> None:
    if plan.exists() and ConditionsRecord.model_validate_json(plan.read_text()) != record:
        raise InputError(
            "the folder holds conditions of another model or dataset", file=plan,
            remedy="choose another output folder, or delete this one",
        )  # fmt: skip
    if (plan.parent / MARKER).exists() and not plan.exists():
        raise InputError("not a folder of this job", file=plan.parent, remedy="choose another output folder")
    write_json(plan, record.model_dump(mode="json"))


class _Encoder:
    """Lives in one actor and keeps its model from shard to shard."""

    def __init__(self, task: EncodeTask) -> None:
        import torch

        from drpose_ray.finetune.conditions.encode import ShardEncoder

        device = torch.device("cuda" if task.gpus_per_worker else "cpu")
        self._encoder = ShardEncoder(
            task.model, task.text_embeddings, task.dataset, task.output, task.samples_per_call, device
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        (name,) = batch["shard"]
        self._encoder.encode(str(name))
        return {"shard": [str(name)]}
