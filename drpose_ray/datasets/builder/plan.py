"""Which items become which shards of a dataset: they are dealt in order, and what was planned before stays."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.maker import I, Item, RecordMaker, settings_sha256, stored_fps
from drpose_ray.datasets.identity import DatasetIdentity, GeneratorIdentity, Segment
from drpose_ray.datasets.manifest import read_plan
from drpose_ray.datasets.record import KEY_PATTERN
from drpose_ray.datasets.store.store import absolute_location

_ITEMS_AT_ONCE: Final = 1024


@dataclass(frozen=True)
class BuildPlan(Generic[I]):
    """Which items go into which shard of which place."""

    location: str
    items: Sequence[I]
    """Slices are all that is asked of it: a file that is read as it is needed will do (``poses.windows_file``)."""
    identity: DatasetIdentity
    attempts: int = 2
    """How often an item is tried until it counts as failed."""
    most_deaths: int = 5
    """How many workers of one machine may end while they make one record until it counts as failed: Ray restarts actors
    for ever."""
    duplicate_bits: int | None = None
    """Sequences whose image hashes differ in so few bits count as one drawn twice; None: nobody looks."""

    def shard_items(self, shard_id: int) -> Sequence[I]:
        start, stop = self.identity.span(shard_id)
        return self.items[start:stop]


def plan_build(
    items: Sequence[I],
    maker: RecordMaker[I],
    location: Path | str,
    sequences_per_shard: int,
    *,
    beside: Sequence[tuple[RecordMaker[I], float]] = (),
    attempts: int = 2,
    duplicate_bits: int | None = None,
) -> BuildPlan[I]:
    """Plan the dataset of ``items``; nothing is written. What was planned there before is continued.

    Args:
        maker: makes every shard, but for those of the makers ``beside`` it, each with its share of the shards.

    Raises InputError if there are no items, or one cannot name a record or has the name of another.
    """
    if not len(items):
        raise InputError("the selection holds no windows", field="synthesis.selection", remedy="select poses first")
    rest = 1 - sum(share for _, share in beside)
    before = read_plan(location)
    identity = DatasetIdentity(
        generators=tuple(identify(*each) for each in (*beside, (maker, rest))),
        sequences_per_shard=sequences_per_shard,
        segments=_segments(items, before.segments if before else ()),
    )
    return BuildPlan(absolute_location(location), items, identity, attempts, duplicate_bits=duplicate_bits)


def identify(maker: RecordMaker[Any], share: float = 1.0) -> GeneratorIdentity:
    return GeneratorIdentity(
        name=maker.name,
        settings_sha256=settings_sha256(maker),
        body_sha256=maker.body_sha256,
        share=share,
    )


def _segments(items: Sequence[I], before: Sequence[Segment]) -> tuple[Segment, ...]:
    """The segments of ``items``: those that were planned before, as far as they reach, and one of what is new."""
    sizes = [segment.sequences for segment in before]
    if sum(sizes) > len(items):
        sizes = [len(items)]  # fewer than before is another dataset, and refused as such
    elif sum(sizes) < len(items):
        sizes.append(len(items) - sum(sizes))
    digest, names, segments, stream = hashlib.sha256(), array("Q"), list[Segment](), _stream(items)
    for size in sizes:
        frames = 0
        for _ in range(size):
            item = next(stream)
            _check_name(item.sequence_id)
            names.append(_short_hash(item.sequence_id))
            _hash_item(digest, item)
            frames += len(item.frames)
        segments.append(Segment(sequences=size, frames=frames, selection_sha256=digest.hexdigest()))
    short = np.frombuffer(names, np.uint64)
    short.sort()  # in place: a million and a half names are as many times 8 bytes, once
    if (short[1:] == short[:-1]).any():
        _refuse_equal_names(items)
    return tuple(segments)


def _stream(items: Sequence[I]) -> Iterator[I]:
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        yield from items[start : start + _ITEMS_AT_ONCE]


def _hash_item(digest: hashlib._Hash, item: Item) -> None:
    """Everything that a maker can see of an item; the file it came from does not matter."""
    digest.update(repr((item.sequence_id, item.source, item.clip, item.rank, stored_fps(item), item.licence)).encode())
    digest.update(np.asarray(item.frames, "<i8").tobytes())
    digest.update(np.asarray(item.motion, "<f4").tobytes())


def _short_hash(name: str) -> int:
    """Eight bytes stand for a name while names are compared."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _check_name(name: str) -> None:
    if not re.fullmatch(KEY_PATTERN, name):
        raise _bad_name(name)


def _refuse_equal_names(items: Sequence[I]) -> None:
    names: set[str] = set()
    for item in _stream(items):
        if item.sequence_id in names:
            raise _bad_name(item.sequence_id)
        names.add(item.sequence_id)


def _bad_name(name: str) -> InputError:
    return InputError(
        f"a window's name must be unique and match {KEY_PATTERN}",
        field="sequence_id",
        value=name,
        remedy="select the poses again, or rename their clips",
    )
