"""What is known of a finished shard, and of a finished dataset."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from drpose_ray.shards.identity import DatasetIdentity, Stored


class SequenceHash(Stored):
    """What tells a sequence from its duplicates."""

    image_hash: str
    rank: int
    frames_ok: int


class ShardRow(Stored):
    """One finished shard: the content of its sidecar and its line in the manifest."""

    name: str
    sha256: str
    bytes: int
    sequences: int
    sequences_ok: int
    """With at least one ok frame."""
    frames_ok: int
    frames_failed: int
    frames_filtered: int
    reasons: dict[str, int]
    """Frames per reason for not being ok."""
    hashes: dict[str, SequenceHash] = Field(default_factory=dict)
    """By key, if duplicates are looked for; in the sidecar only."""

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
    frames_ok: int
    frames_failed: int
    frames_filtered: int
    duplicates: dict[str, str] = Field(default_factory=dict)
    """Sequences that are stored but not read, by key, with the key of the one that is."""

    @property
    def sequences_ok(self) -> int:
        return sum(row.sequences_ok for row in self.shards)
