"""What a tar of records holds, whole or cut short: where each record ends, and what its header says."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from drpose_ray.publish import file_sha256
from drpose_ray.shards.png import BROKEN_PNG, decode_png
from drpose_ray.shards.record import RecordHeader, SequenceRecord, decode_npy
from drpose_ray.shards.rows import SequenceHash, ShardRow

LAST_MEMBER: Final = ".motion.npy"
"""Ends a record: members are written in sorted order (``shards.record``)."""


@dataclass(frozen=True)
class RecordExtent:
    """One whole record of a tar."""

    header: RecordHeader
    start: int
    end: int
    """Its bytes in the tar are ``[start, end)``."""


def whole_records(path: Path) -> Iterator[RecordExtent]:
    """The records of a tar in order, up to the first that is torn or has a member that cannot be decoded."""
    with path.open("rb") as file:
        yield from records_in(file, decode=True)


def records_in(file: BinaryIO, *, decode: bool) -> Iterator[RecordExtent]:
    """The same of an open tar; without ``decode``, images and arrays are not looked at."""
    size, start = os.fstat(file.fileno()).st_size, 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            header: RecordHeader | None = None
            for member in tar:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                content = tar.extractfile(member)
                if end > size or content is None:
                    return
                if member.name.endswith(".json"):
                    header = RecordHeader.model_validate_json(content.read())
                elif decode:
                    (decode_png if member.name.endswith(".png") else decode_npy)(content.read())
                if member.name.endswith(LAST_MEMBER):
                    if header is None or member.name != header.key + LAST_MEMBER:
                        return
                    yield RecordExtent(header, start, end)
                    header, start = None, end
    except (tarfile.TarError, ValidationError, EOFError, *BROKEN_PNG):
        return  # what comes after the last whole record is of no use


class Tally:
    """Counts of a shard, record by record; ``row`` of the same records is the same however they came to be there."""

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}  # an ordered set
        self._num_ok = 0
        self._states: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._hashes: dict[str, SequenceHash] = {}

    def add(self, record: RecordHeader | SequenceRecord) -> None:
        ok = sum(status.state == "ok" for status in record.status)
        self.keys[record.key] = None
        self._num_ok += ok > 0
        self._states.update(status.state for status in record.status)
        self._reasons.update(status.reason for status in record.status if status.reason)
        if record.image_hash is not None:
            rank = record.provenance.rank
            self._hashes[record.key] = SequenceHash(image_hash=record.image_hash, rank=rank, frames_ok=ok)

    def row(self, path: Path, name: str) -> ShardRow:
        """The row of the finished tar at ``path``."""
        return ShardRow(
            name=name,
            sha256=file_sha256(path),
            bytes=path.stat().st_size,
            sequences=len(self.keys),
            sequences_ok=self._num_ok,
            frames_ok=self._states["ok"],
            frames_failed=self._states["failed"],
            frames_filtered=self._states["filtered"],
            reasons=dict(sorted(self._reasons.items())),
            hashes=self._hashes,
        )


def describe_shard(path: Path, name: str) -> ShardRow:
    """The row of a tar that is there already, from its bytes alone."""
    tally = Tally()
    for record in whole_records(path):
        tally.add(record.header)
    return tally.row(path, name)
