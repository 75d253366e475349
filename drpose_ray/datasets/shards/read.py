"""Reading a dataset frame by frame: in order or shuffled by seed, split over ranks, resumable within an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.datasets.manifest import check_sizes, manifest_sha256, read_manifest, wrong_sizes
from drpose_ray.datasets.record import CorruptedPolicy
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.cache import CorruptedShardError, ShardFiles, shard_files
from drpose_ray.datasets.shards.open_shard import FrameSample, OpenShard
from drpose_ray.datasets.store.open import open_store


class ShardReader:
    """The ok frames of a finished dataset; iterating gives what is left of the current epoch, then starts the next.

    With a ``seed`` the shards are permuted by (seed, epoch), and the frames within each shard by (seed, epoch,
    shard); without one, frames come in stored order. The epoch's stream is cut into ``world_size`` equally long runs,
    one per rank, so a rank opens few shards; what remains, fewer than ``world_size`` frames, is dropped in that epoch.

    ``corrupted`` says what becomes of a shard that is missing, altered, or holds what is no record
    (``datasets.shards.decode``):

    * "raise": InputError; for a missing shard or a wrong length at once, otherwise when the shard is opened.
    * "skip": nothing of the shard is given, and its place in the epoch is filled with frames of the next sound shard,
      again from its start if it has fewer. A rank therefore gives as many samples as it would of a sound dataset, and
      needs to know nothing of the others; what is given depends on the shards' bytes alone. For that, every frame
      of a shard is decoded when this reader first opens it. InputError if no shard is sound.

    Raises InputError at once if the dataset is unfinished, or there are fewer frames than ranks.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        corrupted: CorruptedPolicy = "raise",
        files: ShardFiles | None = None,
    ) -> None:
        """``files`` opens the shards; by default as ``shard_files`` does for the place they lie in."""
        manifest = read_manifest(folder)
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
        self._folder, self._rows, self._corrupted = folder, manifest.shards, corrupted
        self._duplicates = frozenset(manifest.duplicates)
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._length = manifest.frames_ok // world_size
        self._dataset_sha256 = manifest_sha256(folder)
        self._epoch = self._position = 0
        self._sound: set[str] = set()  # shards of which every frame has been decoded
        self.skipped: dict[str, str] = {}
        """Why, by name, of the shards that were found corrupted so far and are left out."""
        if corrupted == "raise":
            check_sizes(folder, manifest.shards)
        else:
            self.skipped.update(wrong_sizes(folder, manifest.shards))
        self._files = files or shard_files(open_store(folder))

    def __len__(self) -> int:
        """Frames this rank sees in a whole epoch; the same on every rank."""
        return self._length

    def __iter__(self) -> Iterator[FrameSample]:
        runs = self._runs()
        for number, (place, low, high) in enumerate(runs):
            with self._open_for(place) as (shard, row):
                following = runs[number + 1][0] if number + 1 < len(runs) else self._shard_order(self._epoch + 1)[0]
                if following.name not in self.skipped:
                    self._files.prefetch(following)
                frames = self._frame_order(shard, place, row)
                for index in range(low, high):
                    sample = shard.read_frame(*frames[index % len(frames)])
                    self._position += 1  # before the yield: state() then counts the sample as delivered
                    yield sample
        self._epoch, self._position = self._epoch + 1, 0

    def state(self) -> dict[str, Any]:
        """JSON-able place in the stream, valid for the same rank or for all ranks that consumed equally much."""
        return {
            "dataset_sha256": self._dataset_sha256,
            "seed": self._seed,
            "world_size": self._world_size,
            "epoch": self._epoch,
            "position": self._position,
            "skipped": dict(self.skipped),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue at ``state()``: the next iteration gives exactly the samples that were left.

        A reader that skips goes on leaving out what was left out, even if it has been repaired since; one that
        raises does not.

        Raises InputError if the state is of another dataset, seed or number of ranks.
        """
        for field in ("dataset_sha256", "seed", "world_size"):
            value = self.state()[field]
            if state.get(field) != value:
                raise InputError(
                    "the reader's state is of another stream of samples",
                    file=self._folder,
                    field=field,
                    value=state.get(field),
                    remedy=f"resume with {field} = {value!r}'s own checkpoint, or start afresh",
                )
        self._epoch, self._position = int(state["epoch"]), int(state["position"])
        if self._corrupted == "skip":
            self.skipped.update(state.get("skipped", {}))

    def _runs(self) -> list[tuple[ShardRow, int, int]]:
        """What is left of this rank's epoch: shards, each with the frames [low, high) of its order."""
        run_start = self._rank * self._length
        begin, end = run_start + self._position, run_start + self._length
        shard_start, runs = 0, []
        for row in self._shard_order(self._epoch):
            low, high = max(begin - shard_start, 0), min(end - shard_start, row.frames_ok)
            if low < high:
                runs.append((row, low, high))
            shard_start += row.frames_ok
        return runs

    def _shard_order(self, epoch: int) -> list[ShardRow]:
        if self._seed is None:
            return list(self._rows)
        order = stream(self._seed, "shard order", epoch).permutation(len(self._rows))
        return [self._rows[i] for i in order]

    def _frame_order(self, shard: OpenShard, place: ShardRow, row: ShardRow) -> list[tuple[str, int]]:
        """The frames of ``row`` in the place of ``place``, which is itself unless that is corrupted."""
        frames = shard.ok_frames()
        if self._seed is None:
            return frames
        names = (place.name,) if place is row else (place.name, row.name)
        order = stream(self._seed, "frame order", self._epoch, *names).permutation(len(frames))
        return [frames[i] for i in order]

    @contextmanager
    def _open_for(self, place: ShardRow) -> Iterator[tuple[OpenShard, ShardRow]]:
        """The shard at its place in the epoch, or the next sound one with frames; it and its row."""
        order = self._shard_order(self._epoch)
        at = order.index(place)
        for row in (place, *order[at + 1 :], *order[:at]):
            if row.name in self.skipped or row.frames_ok == 0:
                continue
            try:
                shard = self._open(row)
            except CorruptedShardError as error:
                if self._corrupted == "raise":
                    raise
                self.skipped[row.name] = error.problem
                continue
            with shard:
                yield shard, row
            return
        raise InputError(
            "not one shard is sound", file=self._folder, field="first reason", value=next(iter(self.skipped.values())),
            remedy="build the dataset again",
        )  # fmt: skip

    def _open(self, row: ShardRow) -> OpenShard:
        shard = OpenShard(self._files.open(row), self._files.where(row), self._duplicates)
        try:
            shard.check_count(row)
            if self._corrupted == "skip" and row.name not in self._sound:
                shard.check(pictures=True)
                self._sound.add(row.name)
        except BaseException:
            shard.close()
            raise
        return shard
