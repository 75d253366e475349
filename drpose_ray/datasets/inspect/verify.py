"""Is a finished dataset still what its manifest says? And if not: clearing away what a rebuild then makes anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from drpose_ray.core.errors import InputError, printable
from drpose_ray.datasets.manifest import COMPLETE, MANIFEST, PLAN, read_manifest, read_plan, shard_name, sidecar_name
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.cache import CorruptedShardError
from drpose_ray.datasets.shards.open_shard import OpenShard
from drpose_ray.datasets.store.open import open_store
from drpose_ray.datasets.store.store import Store, fetched, is_part

Kind = Literal["missing", "torn", "altered", "invalid", "unmarked", "extra"]

EXPLANATIONS: Final[dict[Kind, str]] = {
    "missing": "a shard of the manifest is not there",
    "torn": "the shard has not the length in the manifest",
    "altered": "the shard's sha256 is not the manifest's",
    "invalid": "the shard's bytes are the manifest's, and are not the records that it should hold",
    "unmarked": "the shard's sidecar is missing or another's",
    "extra": "the file is not of this dataset",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the manifest says."""

    kind: Kind
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return printable(
            f"{self.kind}: {self.name} ({EXPLANATIONS[self.kind]}{': ' if self.detail else ''}{self.detail})"
        )


def inspect(
    location: Path | str, checked: Callable[[ShardRow], None] = lambda _: None, *, deep: bool = False
) -> Iterator[Finding]:
    """Hash every shard again, compare every name, and decode every record's header and arrays; pictures if ``deep``.

    ``checked`` is told of each shard that was looked at. Raises InputError if the dataset is not finished.
    """
    manifest, store = read_manifest(location), open_store(location)
    sizes, duplicates = store.sizes(), frozenset(manifest.duplicates)
    for row in manifest.shards:
        if row.name not in sizes:
            yield Finding("missing", row.name)
        elif sizes[row.name] != row.bytes:
            yield Finding("torn", row.name)
        else:
            found = _inspect_shard(store, row, duplicates, deep)
            if found:
                yield found
        checked(row)
    known = {PLAN, MANIFEST, COMPLETE}
    known |= {name for row in manifest.shards for name in (row.name, sidecar_name(row.name))}
    # A dataset that is growing has shards that its manifest does not know yet.
    known |= {n for i in range(_planned(location)) for n in (shard_name(i), sidecar_name(shard_name(i)))}
    for name in sorted(sizes.keys() - known):
        if not is_part(name):  # a build may be under way, or go on with them
            yield Finding("extra", name)


def _inspect_shard(store: Store, row: ShardRow, duplicates: frozenset[str], deep: bool) -> Finding | None:
    """What is wrong with a shard that is there, in its length."""
    with fetched(store, row.name) as path, path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
            return Finding("altered", row.name)
        try:
            with OpenShard(file, f"{store.location}/{row.name}", duplicates) as shard:
                shard.check_count(row)
                shard.check(pictures=deep)
        except CorruptedShardError as error:
            return Finding("invalid", row.name, error.problem)
    sidecar = store.read(sidecar_name(row.name))
    if sidecar is None or row.sha256.encode() not in sidecar:
        return Finding("unmarked", row.name)
    return None


def repair(location: Path | str, findings: list[Finding]) -> None:
    """Remove damaged shards with their sidecars, and parts that nobody writes any more; the next build makes them anew.

    Raises InputError, touching nothing, if there are files of somebody else.
    """
    foreign = [finding.name for finding in findings if finding.kind == "extra"]
    if foreign:
        raise InputError(
            "the dataset's folder holds other files", file=f"{location}/{foreign[0]}", remedy="move them elsewhere"
        )
    store = open_store(location)
    if findings:
        store.delete(COMPLETE)  # first: nobody should take the rest for the whole
    for finding in findings:
        if finding.kind != "unmarked":
            store.delete(finding.name)
        store.delete(sidecar_name(finding.name))
    store.sweep()


def _planned(location: Path | str) -> int:
    plan = read_plan(location)
    return plan.shards if plan else 0
