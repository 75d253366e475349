"""What a tar of records holds, whole or cut short: where each record ends, and what its header says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.files.reading import UNREADABLE
from drpose_ray.datasets.record import RecordHeader, SequenceRecord, member_names
from drpose_ray.datasets.rows import SequenceHash, ShardRow
from drpose_ray.datasets.shards.decode import decode_header, decode_numbers, decode_picture
from drpose_ray.datasets.shards.members import Member, members_in

LAST_MEMBER: Final = ".motion.npy"
"""Ends a record: members are written in sorted order (``datasets.record``)."""


@dataclass(frozen=True)
class TarRecord:
    """One whole record of a tar."""

    header: RecordHeader
    start: int
    end: int
    """Its bytes in the tar are ``[start, end)``."""


def whole_records(path: Path) -> Iterator[TarRecord]:
    """The records of a tar in order, up to the first that is torn or is not what a record has to be."""
    with path.open("rb") as file:
        run: list[Member] = []
        try:
            for member in members_in(file):
                run.append(member)
                if member.name.endswith(LAST_MEMBER):
                    yield _whole_record(file, run)
                    run = []
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, not the bytes
            return  # what comes after the last whole record is of no use


def _whole_record(file: BinaryIO, run: Sequence[Member]) -> TarRecord:
    content = {member.name: os.pread(file.fileno(), member.size, member.offset) for member in run}
    key = run[-1].name.removesuffix(LAST_MEMBER)
    header = decode_header(content[f"{key}.json"], key)
    if [member.name for member in run] != member_names(header):
        raise ValueError(f"record {key} is not whole")
    decode_numbers(header, content[f"{key}{LAST_MEMBER}"], content[f"{key}.joints.npy"])
    for name, data in content.items():
        if name.endswith(".png"):
            decode_picture(data)
    return TarRecord(header, run[0].start, run[-1].end)


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
