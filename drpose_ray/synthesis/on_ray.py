"""Building a dataset on a Ray cluster: one Ray Data row is one shard id, built whole inside an actor.

Only shard ids go out and manifest rows come back; images never enter the object store. Every node must see the
dataset folder under the same path.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import ray
import ray.data

from drpose_ray.errors import InputError
from drpose_ray.on_ray import local_or_cluster_ray
from drpose_ray.shards.manifest import Manifest, ShardRow, complete_dataset, open_dataset
from drpose_ray.synthesis.build import BuildPlan, Progress, build_shard, unfinished_shards
from drpose_ray.synthesis.pose_to_image import PoseToImage


def build_on_ray(
    plan: BuildPlan,
    make_generator: Callable[[], PoseToImage],
    workers: int,
    progress: Progress,
    gpus_per_worker: float = 0,
) -> Manifest:
    """Like ``synthesis.build.build``, with ``workers`` actors of one CPU; the folder ends with the same bytes.

    Args:
        make_generator: called once in each actor; must be picklable. Its generator must be the planned one.
        gpus_per_worker: GPUs of an actor.

    A shard whose actor dies is built again elsewhere. Raises InputError as ``build`` does.
    """
    open_dataset(plan.folder, plan.identity)
    todo = unfinished_shards(plan)
    if todo:  # starting Ray Data costs tens of seconds even with nothing to do
        with local_or_cluster_ray(num_cpus=workers):
            for row in _finished_rows(plan, todo, make_generator, min(workers, len(todo)), gpus_per_worker):
                progress(row)
    return complete_dataset(plan.folder, plan.identity)


def _finished_rows(
    plan: BuildPlan,
    todo: list[int],
    make_generator: Callable[[], PoseToImage],
    workers: int,
    gpus_per_worker: float,
) -> Iterator[ShardRow]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    # While actors start slowly on a busy machine, Ray Data warns that the job may hang for ever; errors are raised.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # One block per shard: blocks are what Ray Data retries and what it hands back as progress.
    rows = ray.data.from_items([{"shard": i} for i in todo], override_num_blocks=len(todo)).map_batches(
        _ShardBuilder,
        fn_constructor_args=(ray.put(plan), make_generator),
        batch_size=1,
        num_cpus=1,
        num_gpus=gpus_per_worker or None,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    for row in rows.iter_rows():
        if row["refused"]:
            raise InputError(**json.loads(row["refused"]))
        yield ShardRow.model_validate_json(row["finished"])


class _ShardBuilder:
    """Lives in one actor and keeps its generator from shard to shard."""

    def __init__(self, plan: ray.ObjectRef[BuildPlan], make_generator: Callable[[], PoseToImage]) -> None:
        self._plan = ray.get(plan)
        self._generator = make_generator()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        (shard_id,) = batch["shard"]
        try:
            row = build_shard(self._plan, int(shard_id), self._generator)
        except InputError as error:  # as a value: Ray Data would hand on the traceback's text only
            return {"finished": [""], "refused": [_to_json(error)]}
        return {"finished": [row.model_dump_json()], "refused": [""]}


def _to_json(error: InputError) -> str:
    text = {name: None if (part := getattr(error, name)) is None else str(part) for name in _PARTS}
    return json.dumps(text)


_PARTS = ("problem", "file", "field", "value", "remedy")
