"""Building a dataset in one process: windows are dealt to shards in order, and what is finished is kept."""

from __future__ import annotations

import functools
import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from drpose_ray.errors import InputError
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.shards.identity import DatasetIdentity, GeneratorIdentity, Segment
from drpose_ray.shards.manifest import complete_dataset, finished_shard, finished_shards, open_dataset, read_plan
from drpose_ray.shards.record import KEY_PATTERN
from drpose_ray.shards.rows import Manifest, ShardRow
from drpose_ray.shards.store import absolute_location, open_store
from drpose_ray.shards.write import ShardWriter
from drpose_ray.synthesis.duplicates import find_duplicates
from drpose_ray.synthesis.pose_to_image import PoseToImage, failed_record, generate_record, settings_sha256

Progress = Callable[[ShardRow, int], None]
"""Called once per shard as it is finished, with its row and the number of sequences that are left to do."""

_WINDOWS_AT_ONCE: Final = 1024


@dataclass(frozen=True)
class BuildPlan:
    """Which windows go into which shard of which place."""

    location: str
    windows: Sequence[PoseWindow]
    """Slices are all that is asked of it: a file that is read as it is needed will do (``poses.windows_file``)."""
    identity: DatasetIdentity
    attempts: int = 2
    """How often a window is drawn until it counts as failed."""
    most_deaths: int = 5
    """How many workers of one machine may end while they draw a window until it counts as failed: Ray restarts actors
    for ever."""
    duplicate_bits: int | None = None
    """Sequences whose image hashes differ in so few bits count as one drawn twice; None: nobody looks."""

    def shard_windows(self, shard_id: int) -> Sequence[PoseWindow]:
        start, stop = self.identity.span(shard_id)
        return self.windows[start:stop]


def plan_build(
    windows: Sequence[PoseWindow],
    generator: PoseToImage,
    location: Path | str,
    sequences_per_shard: int,
    *,
    beside: Sequence[tuple[PoseToImage, float]] = (),
    attempts: int = 2,
    duplicate_bits: int | None = None,
) -> BuildPlan:
    """Plan the dataset of ``windows``; nothing is written. What was planned there before is continued.

    Args:
        generator: draws every shard, but for those of the generators ``beside`` it, each with its share of the shards.

    Raises InputError if there are no windows, or one cannot name a record or has the name of another.
    """
    if not len(windows):
        raise InputError("the selection holds no windows", field="synthesis.selection", remedy="select poses first")
    rest = 1 - sum(share for _, share in beside)
    before = read_plan(location)
    identity = DatasetIdentity(
        generators=tuple(identify(*each) for each in (*beside, (generator, rest))),
        sequences_per_shard=sequences_per_shard,
        segments=_segments(windows, before.segments if before else ()),
    )
    return BuildPlan(absolute_location(location), windows, identity, attempts, duplicate_bits=duplicate_bits)


def identify(generator: PoseToImage, share: float = 1.0) -> GeneratorIdentity:
    return GeneratorIdentity(
        name=generator.name,
        settings_sha256=settings_sha256(generator),
        body_sha256=generator.body_sha256,
        share=share,
    )


def unfinished_shards(plan: BuildPlan) -> list[int]:
    """Ids of the shards that still have to be built, in order."""
    finished = finished_shards(plan.location, plan.identity)
    return [i for i in range(plan.identity.shards) if i not in finished]


def num_sequences(plan: BuildPlan, shard_ids: Iterable[int]) -> int:
    """Sequences of these shards together."""
    spans = map(plan.identity.span, shard_ids)
    return sum(stop - start for start, stop in spans)


def build_shard(plan: BuildPlan, shard_id: int, generator: PoseToImage) -> ShardRow:
    """Generate and publish one shard, going on where an earlier attempt stopped.

    Building it twice, even at the same time, gives the same bytes if the generator does, and one whole shard anyhow.
    """
    finished = finished_shard(plan.location, shard_id)
    if finished is not None:  # by another builder, since this one looked
        return finished
    windows = plan.shard_windows(shard_id)
    keys = [window.sequence_id for window in windows]
    with ShardWriter(open_store(plan.location), shard_id, keys, plan.identity.origin(shard_id)) as writer:
        for window in windows[writer.num_written :]:
            if writer.num_deaths >= plan.most_deaths:
                writer.add(failed_record(generator, window, f"{plan.most_deaths} workers ended while they drew it"))
                continue
            writer.begin()
            writer.add(generate_record(generator, window, plan.attempts))
        return writer.publish()


def build(plan: BuildPlan, generator: PoseToImage, progress: Progress) -> Manifest:
    """Build what is missing of the dataset, one shard after the other, and complete it.

    Raises InputError if the place cannot be written or belongs to another dataset.
    """
    open_dataset(plan.location, plan.identity)
    todo = unfinished_shards(plan)
    left = num_sequences(plan, todo)
    for shard_id in todo:
        row = build_shard(plan, shard_id, generator)
        left -= row.sequences
        progress(row, left)
    return complete(plan)


def complete(plan: BuildPlan) -> Manifest:
    """Leave out duplicates, then write the manifest and the marker. Raises InputError if a shard is missing."""
    bits = plan.duplicate_bits
    look = None if bits is None else functools.partial(find_duplicates, max_hamming=bits)
    return complete_dataset(plan.location, plan.identity, look)


def _segments(windows: Sequence[PoseWindow], before: Sequence[Segment]) -> tuple[Segment, ...]:
    """The segments of ``windows``: those that were planned before, as far as they reach, and one of what is new."""
    sizes = [segment.sequences for segment in before]
    if sum(sizes) > len(windows):
        sizes = [len(windows)]  # fewer than before is another dataset, and refused as such
    elif sum(sizes) < len(windows):
        sizes.append(len(windows) - sum(sizes))
    digest, names, segments, stream = hashlib.sha256(), array("Q"), list[Segment](), _stream(windows)
    for size in sizes:
        frames = 0
        for _ in range(size):
            window = next(stream)
            _check_name(window.sequence_id)
            names.append(_short_hash(window.sequence_id))
            _hash_window(digest, window)
            frames += len(window.frames)
        segments.append(Segment(sequences=size, frames=frames, selection_sha256=digest.hexdigest()))
    short = np.frombuffer(names, np.uint64)
    short.sort()  # in place: a million and a half names are as many times 8 bytes, once
    if (short[1:] == short[:-1]).any():
        _refuse_equal_names(windows)
    return tuple(segments)


def _stream(windows: Sequence[PoseWindow]) -> Iterator[PoseWindow]:
    for start in range(0, len(windows), _WINDOWS_AT_ONCE):
        yield from windows[start : start + _WINDOWS_AT_ONCE]


def _hash_window(digest: hashlib._Hash, window: PoseWindow) -> None:
    """Everything that a generator can see of a window; the file it came from does not matter."""
    digest.update(
        repr((window.sequence_id, window.source, window.clip, window.rank, window.fps, window.licence)).encode()
    )
    digest.update(np.asarray(window.frames, "<i8").tobytes())
    digest.update(np.asarray(window.motion, "<f4").tobytes())


def _short_hash(name: str) -> int:
    """Eight bytes stand for a name while names are compared."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _check_name(name: str) -> None:
    if not re.fullmatch(KEY_PATTERN, name):
        raise _bad_name(name)


def _refuse_equal_names(windows: Sequence[PoseWindow]) -> None:
    names: set[str] = set()
    for window in _stream(windows):
        if window.sequence_id in names:
            raise _bad_name(window.sequence_id)
        names.add(window.sequence_id)


def _bad_name(name: str) -> InputError:
    return InputError(
        f"a window's name must be unique and match {KEY_PATTERN}",
        field="sequence_id",
        value=name,
        remedy="select the poses again, or rename their clips",
    )
