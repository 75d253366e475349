"""What is known of a finished shard, and of a finished dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from drpose_ray.datasets.identity import MAX_COUNT, Count, DatasetIdentity, Stored
from drpose_ray.datasets.record import ImageHash


class SequenceHash(Stored):
    """What tells a sequence from its duplicates."""

    image_hash: ImageHash
    rank: Count
    frames_ok: Count


class ShardRow(Stored):
    """One finished shard: the content of its sidecar and its line in the manifest."""

    name: str = Field(pattern=r"^shard-[0-9]{6}\.tar$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: Count
    sequences: Count
    sequences_ok: Count
    """With at least one ok frame."""
    frames_ok: Count
    frames_failed: Count
    frames_filtered: Count
    reasons: dict[str, Count]
    """Frames per reason for not being ok."""
    hashes: dict[str, SequenceHash] = Field(default_factory=dict)
    """By key, if duplicates are looked for; in the sidecar only."""

    @property
    def counts(self) -> str:
        """E.g. ``shard-000012.tar: 150 ok, 10 failed, 0 filtered``."""
        return f"{self.name}: {self.frames_ok} ok, {self.frames_failed} failed, {self.frames_filtered} filtered"

    def without(self, duplicates: Iterable[str]) -> ShardRow:
        """The row of the manifest: ok frames of these keys count as filtered, and hashes are left out."""
        left_out = [self.hashes[key].frames_ok for key in duplicates if key in self.hashes]
        reasons = self.reasons | ({"duplicate": sum(left_out)} if left_out else {})
        return self.model_copy(
            update={
                "sequences_ok": self.sequences_ok - len(left_out),
                "frames_ok": self.frames_ok - sum(left_out),
                "frames_filtered": self.frames_filtered + sum(left_out),
                "reasons": reasons,
                "hashes": {},
            }
        )


class Manifest(Stored):
    """A finished dataset; ``frames_ok + frames_failed + frames_filtered == identity.frames``."""

    identity: DatasetIdentity
    shards: tuple[ShardRow, ...]
    frames_ok: int = Field(ge=1, le=MAX_COUNT)
    frames_failed: Count
    frames_filtered: Count
    duplicates: dict[str, str] = Field(default_factory=dict)
    """Sequences that are stored but not read, by key, with the key of the one that is."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if [row.name for row in self.shards] != [f"shard-{number:06d}.tar" for number in range(self.identity.shards)]:
            raise ValueError("the shards are not those of its identity")
        for state in ("ok", "failed", "filtered"):
            if sum(getattr(row, f"frames_{state}") for row in self.shards) != getattr(self, f"frames_{state}"):
                raise ValueError(f"the shards' {state} frames are not its own")
        if self.frames_ok + self.frames_failed + self.frames_filtered != self.identity.frames:
            raise ValueError("the frames are not those of its identity")
        if sum(row.sequences for row in self.shards) != self.identity.sequences:
            raise ValueError("the sequences are not those of its identity")
        return self

    @property
    def sequences_ok(self) -> int:
        return sum(row.sequences_ok for row in self.shards)
