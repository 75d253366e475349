"""Writing one shard: a tar whose name and bytes depend on its records alone, then its sidecar as marker."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from drpose_ray.publish import file_sha256, replace_when_complete, write_json
from drpose_ray.shards.manifest import ShardRow, shard_name, sidecar_of
from drpose_ray.shards.record import SequenceRecord, encode_members


def write_shard(folder: Path, shard_id: int, records: Iterable[SequenceRecord]) -> ShardRow:
    """Write ``records`` (consumed one at a time) as ``shard-<id>.tar`` and publish its sidecar last.

    If ``records`` raises, nothing is published. Raises InputError if the folder cannot be written and ValueError if
    two records have the same key.
    """
    shard = folder / shard_name(shard_id)
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    keys: set[str] = set()
    with replace_when_complete(shard) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as tar:
            for record in records:
                if record.key in keys:
                    raise ValueError(f"two records have the key {record.key}")
                keys.add(record.key)
                for name, data in encode_members(record):
                    tar.addfile(_plain_member(name, len(data)), io.BytesIO(data))
                states.update(status.state for status in record.status)
                reasons.update(status.reason for status in record.status if status.reason)
        row = ShardRow(
            name=shard.name,
            sha256=file_sha256(temporary),
            bytes=temporary.stat().st_size,
            sequences=len(keys),
            frames_ok=states["ok"],
            frames_failed=states["failed"],
            frames_filtered=states["filtered"],
            reasons=dict(reasons),
        )
    write_json(sidecar_of(shard), row.model_dump())
    return row


def _plain_member(name: str, size: int) -> tarfile.TarInfo:
    # TarInfo's defaults are a fixed mode, uid, gid and mtime 0; only name and size vary.
    member = tarfile.TarInfo(name)
    member.size = size
    return member
