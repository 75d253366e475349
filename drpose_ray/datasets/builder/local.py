"""Building a dataset in one process, shard by shard; what is finished is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from drpose_ray.datasets.builder.duplicates import find_duplicates
from drpose_ray.datasets.builder.maker import I, RecordMaker, failed_record, make_record
from drpose_ray.datasets.builder.plan import BuildPlan
from drpose_ray.datasets.manifest import complete_dataset, finished_shard, finished_shards, open_dataset
from drpose_ray.datasets.rows import Manifest, ShardRow
from drpose_ray.datasets.shards.write import ShardWriter
from drpose_ray.datasets.store.open import open_store

Progress = Callable[[ShardRow, int], None]
"""Called once per shard as it is finished, with its row and the number of sequences that are left to do."""


def build(plan: BuildPlan[I], maker: RecordMaker[I], progress: Progress) -> Manifest:
    """Build what is missing of the dataset, one shard after the other, and complete it.

    Raises InputError if the place cannot be written or belongs to another dataset.
    """
    open_dataset(plan.location, plan.identity)
    todo = unfinished_shards(plan)
    left = num_sequences(plan, todo)
    for shard_id in todo:
        row = build_shard(plan, shard_id, maker)
        left -= row.sequences
        progress(row, left)
    return complete(plan)


def build_shard(plan: BuildPlan[I], shard_id: int, maker: RecordMaker[I]) -> ShardRow:
    """Make and publish one shard, going on where an earlier attempt stopped.

    Building it twice, even at the same time, gives the same bytes if the maker does, and one whole shard anyhow.
    """
    finished = finished_shard(plan.location, shard_id)
    if finished is not None:  # by another builder, since this one looked
        return finished
    items = plan.shard_items(shard_id)
    keys = [item.sequence_id for item in items]
    with ShardWriter(open_store(plan.location), shard_id, keys, plan.identity.origin(shard_id)) as writer:
        for item in items[writer.num_written :]:
            if writer.num_deaths >= plan.most_deaths:
                writer.add(failed_record(maker, item, f"{plan.most_deaths} workers ended while they drew it"))
                continue
            writer.begin()
            writer.add(make_record(maker, item, plan.attempts))
        return writer.publish()


def complete(plan: BuildPlan[Any]) -> Manifest:
    """Leave out duplicates, then write the manifest and the marker. Raises InputError if a shard is missing."""
    bits = plan.duplicate_bits
    look = None if bits is None else functools.partial(find_duplicates, max_hamming=bits)
    return complete_dataset(plan.location, plan.identity, look)


def unfinished_shards(plan: BuildPlan[Any]) -> list[int]:
    """Ids of the shards that still have to be built, in order."""
    finished = finished_shards(plan.location, plan.identity)
    return [i for i in range(plan.identity.shards) if i not in finished]


def num_sequences(plan: BuildPlan[Any], shard_ids: Iterable[int]) -> int:
    """Sequences of these shards together."""
    spans = map(plan.identity.span, shard_ids)
    return sum(stop - start for start, stop in spans)
