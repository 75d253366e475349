"""A dataset: ``plan.json`` first, shards with their sidecars, then ``manifest.json`` and ``_COMPLETE`` last.

Nothing in these files depends on when, where or in how many attempts the dataset was built. While a finished dataset
grows, its old manifest goes on describing its old shards, which stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.identity import DatasetIdentity, Stored
from drpose_ray.datasets.rows import Manifest, ShardRow
from drpose_ray.datasets.store.open import open_store
from drpose_ray.datasets.store.store import Store, is_part

PLAN, MANIFEST, COMPLETE = "plan.json", "manifest.json", "_COMPLETE"
_OWN_FILE: Final = re.compile(
    r"(plan\.json|manifest\.json|_COMPLETE|shard-\d{6}\.(tar|json))(\.[0-9a-f]{12})?(\.(tmp|part)\..*)?"
)
_READS_AT_ONCE: Final = 16
_STATES: Final = ("ok", "failed", "filtered")
REPAIR: Final = "repair it with jobs/verify_dataset.py, then run the build again"


def shard_name(shard_id: int) -> str:
    return f"shard-{shard_id:06d}.tar"


def sidecar_name(shard: str) -> str:
    """The marker beside a shard: it exists only once the shard is in place."""
    return shard.removesuffix(".tar") + ".json"


def open_dataset(location: Path | str, identity: DatasetIdentity) -> None:
    """Start, resume or grow ``identity`` at ``location``.

    Raises InputError, touching nothing, if the place holds anything else or a dataset of another identity.
    """
    store = open_store(location)
    present = sorted(store.sizes())
    foreign = [name for name in present if not _OWN_FILE.fullmatch(name)]
    if foreign or (PLAN not in present and any(not is_part(name) for name in present)):
        raise InputError(
            "the output folder holds something other than this dataset",
            file=f"{location}/{(foreign or present)[0]}",
            remedy="choose a new or empty output folder",
        )
    stored = read_plan(location)
    if stored is not None:
        _refuse_other_identity(location, stored, identity)
    if stored != identity:
        store.write(PLAN, _json(identity))


def read_plan(location: Path | str) -> DatasetIdentity | None:
    """What is being built, or was, at ``location``; None if nothing is."""
    data = open_store(location).read(PLAN)
    return None if data is None else _parse(data, f"{location}/{PLAN}", DatasetIdentity)


def finished_shards(location: Path | str, identity: DatasetIdentity) -> dict[int, ShardRow]:
    """Rows of the shards that are already in place, by id. One listing, then the sidecars, several at once."""
    store = open_store(location)
    sizes = store.sizes()

    def row_of(shard_id: int) -> ShardRow | None:
        name = shard_name(shard_id)
        if name not in sizes or sidecar_name(name) not in sizes:
            return None
        row = _read(store, sidecar_name(name), ShardRow)
        return row if row.bytes == sizes[name] else None

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        rows = pool.map(row_of, range(identity.shards))
        return {shard_id: row for shard_id, row in enumerate(rows) if row is not None}


def finished_shard(location: Path | str, shard_id: int) -> ShardRow | None:
    """The row of one shard, or None if it still has to be built."""
    store, name = open_store(location), shard_name(shard_id)
    data = store.read(sidecar_name(name))
    if data is None:
        return None
    row = _parse(data, f"{store.location}/{sidecar_name(name)}", ShardRow)
    return row if row.bytes == store.size(name) else None


def create_sidecar(store: Store, row: ShardRow) -> ShardRow:
    """Mark the shard in place as finished. Returns the row that counts: that of the first to finish it."""
    name = sidecar_name(row.name)
    part = store.part(name)
    part.write_bytes(_json(row))
    if store.create(name, part):
        return row
    store.sweep(name)
    try:
        first = _read(store, name, ShardRow)
    except InputError:
        first = None
    if first is not None and (first.sha256, first.bytes) == (row.sha256, row.bytes):
        return first
    store.write(name, _json(row))  # left behind by a shard that is no longer there
    return row


FindDuplicates = Callable[[Sequence[tuple[str, str, int]]], Mapping[str, str]]
"""(key, image hash, rank) of sequences -> key -> key of the one that stays (``datasets.builder.duplicates``)."""


def complete_dataset(
    location: Path | str, identity: DatasetIdentity, find_duplicates: FindDuplicates | None = None
) -> Manifest:
    """Write the manifest and, last, the completion marker.

    Raises InputError if a shard is missing, the counts do not add up, or not one frame is ok.
    """
    finished = finished_shards(location, identity)
    for shard_id in range(identity.shards):
        if shard_id not in finished:
            raise InputError(
                "the dataset is not finished", file=f"{location}/{shard_name(shard_id)}", remedy="run the build again"
            )
        start, stop = identity.span(shard_id)
        if finished[shard_id].sequences != stop - start:
            raise InputError(
                "the shard does not hold the planned sequences",
                file=f"{location}/{shard_name(shard_id)}",
                field="sequences",
                value=f"{finished[shard_id].sequences}, planned {stop - start}",
                remedy=REPAIR,
            )
    hashes = [(key, each.image_hash, each.rank) for row in finished.values() for key, each in row.hashes.items()]
    duplicates = dict(find_duplicates(hashes)) if find_duplicates and hashes else {}
    rows = [row.without(duplicates.keys() & row.hashes.keys()) for row in finished.values()]
    manifest = _manifest_of(location, identity, rows, duplicates)
    store = open_store(location)
    data = _json(manifest)
    if store.read(MANIFEST) != data:
        store.write(MANIFEST, data)
    marker = (hashlib.sha256(data).hexdigest() + "\n").encode()
    if store.read(COMPLETE) != marker:
        store.write(COMPLETE, marker)
    store.sweep()
    return manifest


def read_manifest(location: Path | str) -> Manifest:
    """The manifest of a finished dataset. Raises InputError naming the file that is missing or altered."""
    store = open_store(location)
    content: Mapping[str, bytes | None] = {name: store.read(name) for name in (COMPLETE, MANIFEST)}
    for name, data in content.items():
        if data is None:
            raise InputError(
                "not a finished dataset",
                file=f"{location}/{name}",
                remedy="build it (again): jobs/synthesize.py, jobs/render_people.py or jobs/render_scans.py",
            )
    marker, manifest = content[COMPLETE] or b"", content[MANIFEST] or b""
    if marker.decode(errors="replace").strip() != hashlib.sha256(manifest).hexdigest():
        raise InputError(
            "the manifest was altered after completion",
            file=f"{location}/{MANIFEST}",
            remedy="run the build again: it writes the manifest anew from the shards",
        )
    return _parse(manifest, f"{location}/{MANIFEST}", Manifest)


def manifest_sha256(location: Path | str) -> str:
    """Identifies the content of a finished dataset."""
    return hashlib.sha256(open_store(location).read(MANIFEST) or b"").hexdigest()


def wrong_sizes(location: Path | str, rows: Iterable[ShardRow]) -> dict[str, str]:
    """What one listing tells of shards that are not the manifest's: name -> problem."""
    sizes = open_store(location).sizes()
    problems = {}
    for row in rows:
        if row.name not in sizes:
            problems[row.name] = "a shard of the manifest is missing"
        elif sizes[row.name] != row.bytes:
            problems[row.name] = f"the shard is truncated or altered (the manifest says {row.bytes} bytes)"
    return problems


def check_sizes(location: Path | str, rows: Iterable[ShardRow]) -> None:
    """Existence and length of shards: cheap enough for all of them before work starts. Raises InputError."""
    for name, problem in wrong_sizes(location, rows).items():
        raise InputError(problem, file=f"{location}/{name}", remedy=REPAIR)


def _manifest_of(
    location: Path | str, identity: DatasetIdentity, rows: Sequence[ShardRow], duplicates: dict[str, str]
) -> Manifest:
    ok, failed, filtered = (sum(getattr(row, f"frames_{state}") for row in rows) for state in _STATES)
    if ok + failed + filtered != identity.frames:
        raise InputError(
            "the shards do not hold the planned frames",
            file=location,
            field="ok + failed + filtered",
            value=f"{ok} + {failed} + {filtered}, planned {identity.frames}",
            remedy=REPAIR,
        )
    if ok == 0:
        reason = next((reason for row in rows for reason in row.reasons), "no reason recorded")
        raise InputError(
            "not one frame could be generated",
            file=location,
            field="first reason",
            value=reason,
            remedy="cure the reason and build into an empty folder",
        )
    return Manifest(
        identity=identity,
        shards=tuple(rows),
        frames_ok=ok,
        frames_failed=failed,
        frames_filtered=filtered,
        duplicates=duplicates,
    )


_Model = TypeVar("_Model", bound=Stored)


def _json(model: Stored) -> bytes:
    """Sorted keys: equal values have equal bytes."""
    return (json.dumps(model.model_dump(), indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _read(store: Store, name: str, model: type[_Model]) -> _Model:
    return _parse(store.read(name) or b"", f"{store.location}/{name}", model)


def _parse(data: bytes, file: str, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"not a {model.__name__} ({first['msg']})",
            file=file,
            field=".".join(map(str, first["loc"])) or None,
            remedy="delete the file and run the build again",
        ) from error


def _refuse_other_identity(location: Path | str, stored: DatasetIdentity, asked: DatasetIdentity) -> None:
    before, now = stored.model_dump(), asked.model_dump()
    differing = [name for name in ("generators", "sequences_per_shard") if before[name] != now[name]]
    if asked.segments[: len(stored.segments)] != stored.segments:
        differing.append("segments")
    if differing:
        raise InputError(
            "the output folder belongs to a dataset built from other settings",
            file=f"{location}/{PLAN}",
            field=", ".join(differing),
            value=before[differing[0]],
            remedy="choose another output folder, or go back to the settings that started this one; growing needs a"
            " selection that begins with the sequences that are there",
        )
