"""Building a dataset on a Ray cluster: one row is one shard id, built whole inside an actor.

Only shard ids go out and rows of the manifest come back; images never enter the object store. Every node must see the
dataset under the same path, or it lies in a bucket.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drpose_ray.core.on_ray import ActorPool, map_in_pools
from drpose_ray.datasets.builder.local import Progress, build_shard, complete, num_sequences, unfinished_shards
from drpose_ray.datasets.builder.maker import RecordMaker
from drpose_ray.datasets.builder.plan import BuildPlan
from drpose_ray.datasets.manifest import open_dataset
from drpose_ray.datasets.rows import Manifest, ShardRow


@dataclass(frozen=True)
class MakerPool:
    """Actors that work with one of the plan's makers."""

    load: Callable[[], RecordMaker[Any]]
    """Called once in each actor; must be picklable. Its maker must be the planned one."""
    workers: int
    gpus_per_worker: float = 0


def build_on_ray(plan: BuildPlan[Any], pools: Sequence[MakerPool], progress: Progress) -> Manifest:
    """Like ``datasets.builder.local.build``, with actors of one CPU; the dataset ends with the same bytes.

    Args:
        pools: one per maker of the plan, in its order; they work at the same time.

    A shard whose actor or machine dies is built again elsewhere, from the last whole sequence that can still be seen.
    Raises InputError as ``build`` does.
    """
    open_dataset(plan.location, plan.identity)
    todo = unfinished_shards(plan)
    own: list[list[str]] = [[] for _ in pools]
    for shard_id in todo:
        own[plan.identity.generator_of(shard_id)].append(str(shard_id))
    left = num_sequences(plan, todo)
    actors = [
        ActorPool(functools.partial(_load_builder, plan, pool.load), names, pool.workers, pool.gpus_per_worker)
        for pool, names in zip(pools, own, strict=True)
    ]
    for finished in map_in_pools(actors):
        row = ShardRow.model_validate_json(finished)
        left -= row.sequences
        progress(row, left)
    return complete(plan)


def _load_builder(plan: BuildPlan[Any], load: Callable[[], RecordMaker[Any]]) -> Callable[[str], str]:
    """Runs in an actor, which keeps its maker from shard to shard; the builder returns a row of the manifest."""
    maker = load()
    return lambda shard_id: build_shard(plan, int(shard_id), maker).model_dump_json()
