"""One shard, opened: its records' headers, arrays and frames by random access."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from drpose_ray.geometry.cameras import Frame
from drpose_ray.shards.cache import REPAIR_OR_SKIP, CorruptedShardError, shard_files
from drpose_ray.shards.png import BROKEN_PNG, decode_png
from drpose_ray.shards.record import RecordHeader, decode_npy, image_member
from drpose_ray.shards.rows import ShardRow
from drpose_ray.shards.store import open_store


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
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                self._members = {member.name: (member.offset_data, member.size) for member in tar}
            keys = [name.removesuffix(".json") for name in self._members if name.endswith(".json")]
            self._headers = {key: self._header(key) for key in keys}
        except tarfile.TarError as error:
            file.close()
            raise self.error(f"not a whole tar ({error})") from error
        except BaseException:
            file.close()
            raise
        self._arrays: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def error(self, problem: str) -> CorruptedShardError:
        return CorruptedShardError(problem, file=self._origin, remedy=REPAIR_OR_SKIP)

    def headers(self) -> list[RecordHeader]:
        """Of every record, in stored order."""
        return list(self._headers.values())

    def ok_frames(self) -> list[tuple[str, int]]:
        """(key, frame) of every ok frame, in stored order."""
        return [
            (key, frame)
            for key, header in self._headers.items()
            if key not in self._duplicates
            for frame, status in enumerate(header.status)
            if status.state == "ok"
        ]

    def check_count(self, row: ShardRow) -> None:
        if len(self.ok_frames()) != row.frames_ok:
            raise self.error("the shard does not hold as many ok frames as its manifest says")

    def motion(self, key: str) -> NDArray[np.float32]:
        """(F, 322)."""
        return self._array(f"{key}.motion.npy")

    def read_frame(self, key: str, frame: int) -> FrameSample:
        header = self._headers[key]
        if header.camera is None:
            raise self.error(f"record {key} has ok frames and no camera")
        if key not in self._arrays:
            self._arrays[key] = (self._array(f"{key}.motion.npy"), self._array(f"{key}.joints.npy"))
        motion, joints = self._arrays[key]
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

    def _bytes(self, name: str) -> bytes:
        if name not in self._members:
            raise self.error(f"the member {name} is missing")
        offset, size = self._members[name]
        return os.pread(self._file.fileno(), size, offset)

    def _header(self, key: str) -> RecordHeader:
        try:
            return RecordHeader.model_validate_json(self._bytes(f"{key}.json"))
        except ValidationError as error:
            raise self.error(f"{key}.json is not a RecordHeader ({error.errors()[0]['msg']})") from error

    def _image(self, name: str) -> NDArray[Any]:
        try:
            return decode_png(self._bytes(name))
        except BROKEN_PNG as error:
            raise self.error(f"{name} is not a PNG ({error})") from error

    def _array(self, name: str) -> NDArray[np.float32]:
        try:
            return decode_npy(self._bytes(name))
        except (ValueError, EOFError) as error:
            raise self.error(f"{name} is not a plain array ({error})") from error


def read_shard(folder: Path | str, row: ShardRow) -> Iterator[FrameSample]:
    """The ok frames of one shard in stored order, duplicates of other sequences included.

    Raises InputError if its bytes are not those of the manifest.
    """
    files = shard_files(open_store(folder))
    with OpenShard(files.open(row), files.where(row)) as shard:
        for key, frame in shard.ok_frames():
            yield shard.read_frame(key, frame)


def read_headers(folder: Path | str, row: ShardRow) -> Iterator[RecordHeader]:
    """The headers of one shard's records in stored order; no picture is read, and in a folder nothing hashed."""
    for header, _ in read_motions(folder, row):
        yield header


def read_motions(folder: Path | str, row: ShardRow) -> Iterator[tuple[RecordHeader, NDArray[np.float32]]]:
    """As ``read_headers``, each header with its record's Motion-X rows (F, 322)."""
    files = shard_files(open_store(folder))
    with OpenShard(files.peek(row), files.where(row)) as shard:
        for header in shard.headers():
            yield header, shard.motion(header.key)
