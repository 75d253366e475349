"""Several datasets into one, or one into shards of another size: records are copied byte for byte, in order."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.identity import DatasetIdentity, GeneratorIdentity, Segment
from drpose_ray.datasets.manifest import (
    check_sizes,
    complete_dataset,
    finished_shards,
    manifest_sha256,
    open_dataset,
    read_manifest,
)
from drpose_ray.datasets.rows import Manifest, ShardRow
from drpose_ray.datasets.shards.cache import shard_files
from drpose_ray.datasets.shards.open_shard import OpenShard
from drpose_ray.datasets.shards.scan_tar import TarRecord
from drpose_ray.datasets.shards.write import ShardWriter
from drpose_ray.datasets.store.open import open_store


def reshard(
    inputs: Sequence[Path | str],
    output: Path | str,
    sequences_per_shard: int,
    progress: Callable[[ShardRow], None] = lambda _: None,
) -> Manifest:
    """Write the records of finished datasets, in their order, as one dataset. What an earlier attempt wrote is kept.

    The result cannot grow by synthesis: it is of no one selection. Raises InputError if an input is unfinished or
    damaged, if two records have the same key, or if ``output`` holds anything else; nothing is written then, unless it
    is a shard's sha256 that is wrong, which is seen when the shard is copied.
    """
    manifests = [read_manifest(location) for location in inputs]
    identity = _identity_of(inputs, manifests, sequences_per_shard)
    for location, manifest in zip(inputs, manifests, strict=True):
        check_sizes(location, manifest.shards)
    for _ in _all_records(inputs, manifests, hashed=False):
        pass  # everything but the hashes is known to be right before the first byte is written
    open_dataset(output, identity)
    finished = finished_shards(output, identity)
    records = _all_records(inputs, manifests, hashed=True)
    for shard_id in range(identity.shards):
        start, stop = identity.span(shard_id)
        if shard_id in finished:
            for _ in range(start, stop):
                next(records)
            continue
        with ShardWriter(open_store(output), shard_id) as writer:
            for _ in range(start, stop):
                writer.copy(*next(records))
            progress(writer.publish())
    known = {key: stays for manifest in manifests for key, stays in manifest.duplicates.items()}
    return complete_dataset(output, identity, lambda _: known)


def _identity_of(
    inputs: Sequence[Path | str], manifests: Sequence[Manifest], sequences_per_shard: int
) -> DatasetIdentity:
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    for manifest in manifests:
        for each in manifest.identity.generators:
            shares[each.name, each.settings_sha256, each.body_sha256] += each.share * manifest.identity.sequences
    sequences = sum(manifest.identity.sequences for manifest in manifests)
    origin = hashlib.sha256(" ".join(map(manifest_sha256, inputs)).encode()).hexdigest()
    return DatasetIdentity(
        generators=tuple(
            GeneratorIdentity(name=name, settings_sha256=settings, body_sha256=body, share=min(share / sequences, 1))
            for (name, settings, body), share in shares.items()
        ),
        sequences_per_shard=sequences_per_shard,
        segments=(
            Segment(
                sequences=sequences,
                frames=sum(manifest.identity.frames for manifest in manifests),
                selection_sha256=origin,
            ),
        ),
    )


def _all_records(
    inputs: Sequence[Path | str], manifests: Sequence[Manifest], *, hashed: bool
) -> Iterator[tuple[BinaryIO, TarRecord]]:
    """Open shard and place of every record, all arrays of its shard decoded; if so wanted, it is hashed before."""
    known: dict[bytes, str] = {}  # short hashes: keys of a million records take a tenth of their names
    for location, manifest in zip(inputs, manifests, strict=True):
        files = shard_files(open_store(location))
        for row in manifest.shards:
            file = files.open(row) if hashed else files.peek(row)
            with OpenShard(file, files.where(row), frozenset(manifest.duplicates)) as shard:
                shard.check_count(row)
                shard.check(pictures=False)
                for record in shard.tar_records():
                    short = hashlib.blake2b(record.header.key.encode(), digest_size=8).digest()
                    if short in known:
                        raise InputError(
                            f"two records have the same key; the other is in {known[short]}",
                            file=files.where(row),
                            field="key",
                            value=record.header.key,
                            remedy="leave out one of the datasets: a sample must not be there twice",
                        )
                    known[short] = str(location)
                    yield file, record
