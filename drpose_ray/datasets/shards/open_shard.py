"""One shard, opened: its records' headers, arrays and frames by random access."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import UNREADABLE, reason
from drpose_ray.datasets.record import RecordHeader, image_member, member_names, ok_frames
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.cache import REPAIR_OR_SKIP, CorruptedShardError, shard_files
from drpose_ray.datasets.shards.decode import decode_header, decode_numbers, decode_picture
from drpose_ray.datasets.shards.members import Member, members_in
from drpose_ray.datasets.shards.scan_tar import TarRecord
from drpose_ray.datasets.store.open import open_store
from drpose_ray.geometry.cameras import Frame


@dataclass(frozen=True)
class FrameSample:
    """One ok frame of a record."""

    key: str
    frame: int
    images: Mapping[str, NDArray[Any]]
    """name -> (H, W, 3 or 4) uint8, or (H, W, 1) uint16."""
    motion: NDArray[np.float32]
    """(322,) Motion-X row."""
    joints_world: NDArray[np.float32]
    """(23, 3) metres."""
    view: Frame
    azimuth_deg: float
    person_seed: int
    """Of the record's provenance: records of one dataset with the same one show the same person."""


class OpenShard:
    """Random access to the frames of one tar; each record's arrays are decoded once."""

    def __init__(self, file: BufferedReader, origin: Path | str, duplicates: frozenset[str] = frozenset()) -> None:
        """Takes over ``file``; ``origin`` is what messages call it. No frame of ``duplicates`` (keys) counts as ok."""
        self._file, self._origin, self._duplicates = file, origin, duplicates
        self._members: dict[str, Member] = {}
        self._headers: dict[str, RecordHeader] = {}
        self._arrays: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        try:
            self._read_members()
            self._read_headers()
        except BaseException:
            file.close()
            raise

    def _read_members(self) -> None:
        with self._refusing("not a whole tar of records"):
            for member in members_in(self._file):
                if member.name in self._members:
                    raise ValueError(f"two members have the name {member.name}")
                self._members[member.name] = member

    def _read_headers(self) -> None:
        expected = []
        for name in self._members:
            if name.endswith(".json"):
                key = name.removesuffix(".json")
                with self._refusing(f"{name} is not a RecordHeader"):
                    self._headers[key] = decode_header(self._bytes(name), key)
                expected += member_names(self._headers[key])
        if expected != list(self._members):
            missing = [name for name in expected if name not in self._members]
            if missing:
                raise self.error(f"the member {missing[0]} is missing")
            known = set(expected)
            left = next((name for name in self._members if name not in known), None)
            raise self.error(f"the member {left} is of no record" if left else "members are not in their order")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def error(self, problem: str) -> CorruptedShardError:
        return CorruptedShardError(problem, file=self._origin, remedy=REPAIR_OR_SKIP)

    @contextmanager
    def _refusing(self, problem: str) -> Iterator[None]:
        """What decoding raises for bytes that are not what they should be becomes one CorruptedShardError."""
        try:
            yield
        except InputError:
            raise
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, not the bytes
            raise self.error(f"{problem} ({reason(error)})") from error

    def headers(self) -> list[RecordHeader]:
        """Of every record, in stored order."""
        return list(self._headers.values())

    def ok_frames(self) -> list[tuple[str, int]]:
        """(key, frame) of every ok frame, in stored order."""
        return [
            (key, frame)
            for key, header in self._headers.items()
            if key not in self._duplicates
            for frame in ok_frames(header.status)
        ]

    def check_count(self, row: ShardRow) -> None:
        self.check_sequences(row)
        if len(self.ok_frames()) != row.frames_ok:
            raise self.error("the shard does not hold as many ok frames as its manifest says")

    def check_sequences(self, row: ShardRow) -> None:
        if len(self._headers) != row.sequences:
            raise self.error("the shard does not hold as many sequences as its manifest says")
        frames = row.frames_ok + row.frames_failed + row.frames_filtered
        if sum(len(header.status) for header in self._headers.values()) != frames:
            raise self.error("the shard does not hold as many frames as its manifest says")

    def tar_records(self) -> Iterator[TarRecord]:
        """Where each record lies, in stored order."""
        for header in self._headers.values():
            names = member_names(header)
            yield TarRecord(header, self._members[names[0]].start, self._members[names[-1]].end)

    def check(self, *, pictures: bool) -> None:
        """Decode the arrays of every record and, if so wanted, its pictures. Raises CorruptedShardError."""
        for key, header in self._headers.items():
            self._numbers(key)
            for frame in ok_frames(header.status) if pictures else ():
                for name in header.image_names:
                    self._image(image_member(key, frame, name))

    def motion(self, key: str) -> NDArray[np.float32]:
        """(F, 322)."""
        return self._numbers(key)[0]

    def read_frame(self, key: str, frame: int) -> FrameSample:
        header = self._headers[key]
        if header.camera is None:
            raise self.error(f"record {key} has ok frames and no camera")
        motion, joints = self._numbers(key)
        return FrameSample(
            key=key,
            frame=frame,
            images={name: self._image(image_member(key, frame, name)) for name in header.image_names},
            motion=motion[frame],
            joints_world=joints[frame],
            view=Frame(np.array(header.camera.center_world[frame]), header.camera.width_m[frame]),
            azimuth_deg=header.camera.azimuth_deg,
            person_seed=header.provenance.person_seed,
        )

    def _numbers(self, key: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Motion (F, 322) and joints (F, 23, 3)."""
        if key not in self._arrays:
            with self._refusing(f"the arrays of {key} cannot be used"):
                self._arrays[key] = decode_numbers(
                    self._headers[key], self._bytes(f"{key}.motion.npy"), self._bytes(f"{key}.joints.npy")
                )
        return self._arrays[key]

    def _image(self, name: str) -> NDArray[Any]:
        with self._refusing(f"{name} is not a PNG of a record"):
            return decode_picture(self._bytes(name))

    def _bytes(self, name: str) -> bytes:
        member = self._members[name]
        return os.pread(self._file.fileno(), member.size, member.offset)


def read_shard(folder: Path | str, row: ShardRow) -> Iterator[FrameSample]:
    """The ok frames of one shard in stored order, duplicates of other sequences included.

    Raises InputError if its bytes are not those of the manifest.
    """
    files = shard_files(open_store(folder))
    with OpenShard(files.open(row), files.where(row)) as shard:
        shard.check_sequences(row)
        for key, frame in shard.ok_frames():
            yield shard.read_frame(key, frame)


def read_headers(folder: Path | str, row: ShardRow) -> Iterator[RecordHeader]:
    """The headers of one shard's records in stored order; no picture is read, and in a folder nothing hashed."""
    with _peek(folder, row) as shard:
        yield from shard.headers()


def read_motions(folder: Path | str, row: ShardRow) -> Iterator[tuple[RecordHeader, NDArray[np.float32]]]:
    """As ``read_headers``, each header with its record's Motion-X rows (F, 322)."""
    with _peek(folder, row) as shard:
        for header in shard.headers():
            yield header, shard.motion(header.key)


@contextmanager
def _peek(folder: Path | str, row: ShardRow) -> Iterator[OpenShard]:
    files = shard_files(open_store(folder))
    with OpenShard(files.peek(row), files.where(row)) as shard:
        shard.check_sequences(row)
        yield shard
