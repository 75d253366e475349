"""Building a dataset on a Ray cluster: one Ray Data row is one shard id, built whole inside an actor.

Only shard ids go out and rows of the manifest come back; images never enter the object store. Every node must see the
dataset under the same path, or it lies in a bucket.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import ray.data

from drpose_ray.errors import InputError
from drpose_ray.on_ray import local_or_cluster_ray
from drpose_ray.shards.manifest import open_dataset
from drpose_ray.shards.rows import Manifest, ShardRow
from drpose_ray.synthesis.build import BuildPlan, Progress, build_shard, complete, num_sequences, unfinished_shards
from drpose_ray.synthesis.pose_to_image import PoseToImage


@dataclass(frozen=True)
class GeneratorPool:
    """Actors that draw with one of the plan's generators."""

    make: Callable[[], PoseToImage]
    """Called once in each actor; must be picklable. Its generator must be the planned one."""
    workers: int
    gpus_per_worker: float = 0


def build_on_ray(plan: BuildPlan, pools: Sequence[GeneratorPool], progress: Progress) -> Manifest:
    """Like ``synthesis.build.build``, with actors of one CPU; the dataset ends with the same bytes.

    Args:
        pools: one per generator of the plan, in its order; they work at the same time.

    A shard whose actor or machine dies is built again elsewhere, from the last whole sequence that can still be seen.
    Raises InputError as ``build`` does.
    """
    open_dataset(plan.location, plan.identity)
    todo = unfinished_shards(plan)
    if todo:  # starting Ray Data costs tens of seconds even with nothing to do
        with local_or_cluster_ray(num_cpus=sum(pool.workers for pool in pools)):
            left = num_sequences(plan, todo)
            for row in _finished_rows(plan, pools, todo):
                left -= row.sequences
                progress(row, left)
    return complete(plan)


def _finished_rows(plan: BuildPlan, pools: Sequence[GeneratorPool], todo: Sequence[int]) -> Iterator[ShardRow]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # While actors start slowly on a busy machine, Ray Data warns that the job may hang for ever; errors are raised.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A shard of slow sequences takes hours; what dies is noticed otherwise.
    context.execution_no_progress_timeout_s = -1
    parts = []
    for index, pool in enumerate(pools):
        own = [shard_id for shard_id in todo if plan.identity.generator_of(shard_id) == index]
        if own:
            parts.append(_build_in(pool, own, plan))
    rows = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    for row in rows.iter_rows():
        if row["refused"]:
            raise InputError(**json.loads(row["refused"]))
        yield ShardRow.model_validate_json(row["finished"])


def _build_in(pool: GeneratorPool, shard_ids: Sequence[int], plan: BuildPlan) -> ray.data.Dataset:
    # One block per shard: blocks are what Ray Data retries and what it hands back as progress. One task in flight per
    # actor, so that at the end no actor holds a second shard while others have none.
    return ray.data.from_items([{"shard": i} for i in shard_ids], override_num_blocks=len(shard_ids)).map_batches(
        _ShardBuilder,
        fn_constructor_args=(plan, pool.make),
        batch_size=1,
        num_cpus=1,
        num_gpus=pool.gpus_per_worker or None,
        compute=ray.data.ActorPoolStrategy(size=min(pool.workers, len(shard_ids)), max_tasks_in_flight_per_actor=1),
    )


class _ShardBuilder:
    """Lives in one actor and keeps its generator from shard to shard."""

    def __init__(self, plan: BuildPlan, make_generator: Callable[[], PoseToImage]) -> None:
        self._plan, self._generator = plan, make_generator()

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
