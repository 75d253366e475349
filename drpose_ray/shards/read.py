"""Reading a dataset frame by frame: in order or shuffled by seed, split over ranks, resumable within an epoch."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import Frame
from drpose_ray.seeding import stream
from drpose_ray.shards.manifest import ShardRow, check_sizes, fetch_checked, manifest_sha256, read_manifest
from drpose_ray.shards.record import RecordHeader, decode_npy, decode_png, image_member
from drpose_ray.shards.store import open_store


@dataclass(frozen=True)
class FrameSample:
    """One ok frame of a record."""

    key: str
    frame: int
    images: Mapping[str, NDArray[np.uint8]]
    """name -> (H, W, 3 or 4)."""
    motion: NDArray[np.float32]
    """(322,) Motion-X row."""
    joints_world: NDArray[np.float32]
    """(23, 3) metres."""
    view: Frame
    azimuth_deg: float


class ShardReader:
    """The ok frames of a finished dataset; iterating gives what is left of the current epoch, then starts the next.

    With a ``seed`` the shards are permuted by (seed, epoch), and the frames within each shard by (seed, epoch,
    shard); without one, frames come in stored order. The epoch's stream is cut into ``world_size`` equally long runs,
    one per rank, so a rank opens few shards; what remains, fewer than ``world_size`` frames, is dropped in that epoch.

    Raises InputError at once if the dataset is unfinished, a shard is missing or has the wrong length, or there are
    fewer frames than ranks; and when a shard is first opened, if its bytes are not those of the manifest.
    """

    def __init__(self, folder: Path | str, *, seed: int | None = None, rank: int = 0, world_size: int = 1) -> None:
        manifest = read_manifest(folder)
        check_sizes(folder, manifest.shards)
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} of {world_size}")
        if manifest.frames_ok < world_size:
            raise InputError(
                "the dataset has fewer frames than there are ranks",
                file=folder,
                field="frames_ok",
                value=manifest.frames_ok,
                remedy="use fewer workers or synthesize more poses",
            )
        self._folder, self._rows = folder, manifest.shards
        self._duplicates = frozenset(manifest.duplicates)
        self._store = open_store(folder)
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._length = manifest.frames_ok // world_size
        self._dataset_sha256 = manifest_sha256(folder)
        self._epoch = self._position = 0
        self._checked: set[str] = set()

    def __len__(self) -> int:
        """Frames this rank sees in a whole epoch; the same on every rank."""
        return self._length

    def __iter__(self) -> Iterator[FrameSample]:
        run_start = self._rank * self._length
        begin, end = run_start + self._position, run_start + self._length
        shard_start = 0
        for row in self._shard_order():
            low, high = max(begin - shard_start, 0), min(end - shard_start, row.frames_ok)
            if low < high:
                with self._open(row) as shard:
                    for key, frame in self._frame_order(shard, row)[low:high]:
                        sample = shard.read_frame(key, frame)
                        self._position += 1  # before the yield: state() then counts the sample as delivered
                        yield sample
            shard_start += row.frames_ok
        self._epoch, self._position = self._epoch + 1, 0

    def state(self) -> dict[str, Any]:
        """JSON-able place in the stream, valid for the same rank or for all ranks that consumed equally much."""
        return {
            "dataset_sha256": self._dataset_sha256,
            "seed": self._seed,
            "world_size": self._world_size,
            "epoch": self._epoch,
            "position": self._position,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue at ``state()``: the next iteration gives exactly the samples that were left.

        Raises InputError if the state is of another dataset, seed or number of ranks.
        """
        for field, value in self.state().items():
            if field not in ("epoch", "position") and state.get(field) != value:
                raise InputError(
                    "the reader's state is of another stream of samples",
                    file=self._folder,
                    field=field,
                    value=state.get(field),
                    remedy=f"resume with {field} = {value!r}'s own checkpoint, or start afresh",
                )
        self._epoch, self._position = int(state["epoch"]), int(state["position"])

    def _shard_order(self) -> list[ShardRow]:
        if self._seed is None:
            return list(self._rows)
        order = stream(self._seed, "shard order", self._epoch).permutation(len(self._rows))
        return [self._rows[i] for i in order]

    def _frame_order(self, shard: _OpenShard, row: ShardRow) -> list[tuple[str, int]]:
        frames = [(key, frame) for key, frame in shard.ok_frames() if key not in self._duplicates]
        if len(frames) != row.frames_ok:
            raise shard.error("the shard does not hold as many ok frames as its manifest says")
        if self._seed is None:
            return frames
        order = stream(self._seed, "frame order", self._epoch, row.name).permutation(len(frames))
        return [frames[i] for i in order]

    def _open(self, row: ShardRow) -> _OpenShard:
        if row.name not in self._checked:
            fetch_checked(self._store, row)
            self._checked.add(row.name)
        return _OpenShard(self._store.fetch(row.name))


def read_shard(folder: Path | str, row: ShardRow) -> Iterator[FrameSample]:
    """The ok frames of one shard in stored order. Raises InputError if its bytes are not those of the manifest."""
    with _OpenShard(fetch_checked(open_store(folder), row)) as shard:
        for key, frame in shard.ok_frames():
            yield shard.read_frame(key, frame)


def read_headers(folder: Path | str, row: ShardRow) -> Iterator[RecordHeader]:
    """The headers of one shard's records in stored order; no picture is read and nothing hashed."""
    with _open_unhashed(folder, row) as shard:
        yield from shard.headers()


def read_motions(folder: Path | str, row: ShardRow) -> Iterator[tuple[RecordHeader, NDArray[np.float32]]]:
    """As ``read_headers``, each header with its record's Motion-X rows (F, 322)."""
    with _open_unhashed(folder, row) as shard:
        for header in shard.headers():
            yield header, shard.motion(header.key)


def _open_unhashed(folder: Path | str, row: ShardRow) -> _OpenShard:
    store = open_store(folder)
    if store.size(row.name) != row.bytes:
        check_sizes(folder, [row])  # lists the whole dataset, to say what is wrong
    return _OpenShard(store.fetch(row.name))


class _OpenShard:
    """Random access to the frames of one tar; each record's arrays are decoded once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed in __exit__
        except (OSError, tarfile.TarError) as error:
            raise self.error(f"not a readable tar ({error})") from error
        try:
            self._members = {member.name: member for member in self._tar.getmembers()}
            keys = [name.removesuffix(".json") for name in self._members if name.endswith(".json")]
            self._headers = {key: self._header(key) for key in keys}
        except tarfile.TarError as error:
            self._tar.close()
            raise self.error(f"the tar is truncated ({error})") from error
        except BaseException:
            self._tar.close()
            raise
        self._arrays: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._tar.close()

    def error(self, problem: str) -> InputError:
        return InputError(problem, file=self._path, remedy="delete the shard and its sidecar, and run the build again")

    def headers(self) -> list[RecordHeader]:
        """Of every record, in stored order."""
        return list(self._headers.values())

    def ok_frames(self) -> list[tuple[str, int]]:
        """(key, frame) of every ok frame, in stored order."""
        return [
            (key, frame)
            for key, header in self._headers.items()
            for frame, status in enumerate(header.status)
            if status.state == "ok"
        ]

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
        )

    def _bytes(self, name: str) -> bytes:
        member = self._members.get(name)
        content = self._tar.extractfile(member) if member else None
        if content is None:
            raise self.error(f"the member {name} is missing")
        return content.read()

    def _header(self, key: str) -> RecordHeader:
        try:
            return RecordHeader.model_validate_json(self._bytes(f"{key}.json"))
        except ValidationError as error:
            raise self.error(f"{key}.json is not a RecordHeader ({error.errors()[0]['msg']})") from error

    def _image(self, name: str) -> NDArray[np.uint8]:
        try:
            return decode_png(self._bytes(name))
        except OSError as error:
            raise self.error(f"{name} is not a PNG ({error})") from error

    def _array(self, name: str) -> NDArray[np.float32]:
        try:
            return decode_npy(self._bytes(name))
        except (ValueError, EOFError) as error:
            raise self.error(f"{name} is not a plain array ({error})") from error
