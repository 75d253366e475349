"""A dataset folder: ``plan.json`` first, shards with their sidecars, then ``manifest.json`` and ``_COMPLETE`` last.

Nothing in these files depends on when, where or in how many attempts the dataset was built.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from drpose_ray.errors import InputError
from drpose_ray.publish import file_sha256, replace_when_complete, write_json

PLAN, MANIFEST, COMPLETE = "plan.json", "manifest.json", "_COMPLETE"
_OWN_FILE: Final = re.compile(r"(plan\.json|manifest\.json|_COMPLETE|shard-\d{6}\.(tar|json))(\.tmp\..*)?")


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetIdentity(_Stored):
    """What decides the bytes of a dataset. Two builds with equal identities write equal folders."""

    version: Literal[1] = 1
    selection_sha256: str
    generator: str
    generator_settings_sha256: str
    body_sha256: str
    sequences: int
    frames: int
    sequences_per_shard: int

    @property
    def shards(self) -> int:
        return -(-self.sequences // self.sequences_per_shard)


class ShardRow(_Stored):
    """One finished shard: the content of its sidecar and its line in the manifest."""

    name: str
    sha256: str
    bytes: int
    sequences: int
    frames_ok: int
    frames_failed: int
    frames_filtered: int
    reasons: dict[str, int]
    """Frames per reason for not being ok."""


class Manifest(_Stored):
    """A finished dataset; ``frames_ok + frames_failed + frames_filtered == identity.frames``."""

    identity: DatasetIdentity
    shards: tuple[ShardRow, ...]
    frames_ok: int
    frames_failed: int
    frames_filtered: int


def shard_name(shard_id: int) -> str:
    return f"shard-{shard_id:06d}.tar"


def sidecar_of(shard: Path) -> Path:
    """The marker beside a shard: it exists only once the shard is in place."""
    return shard.with_suffix(".json")


def open_dataset(folder: Path, identity: DatasetIdentity) -> None:
    """Start or resume building ``identity`` in ``folder``, and sweep what a killed writer left.

    Raises InputError, touching nothing, if the folder holds anything else or a dataset of another identity.
    """
    try:
        present = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise InputError(
            f"cannot use the output folder ({error.strerror})", file=folder, remedy="choose a writable folder"
        ) from error
    foreign = [name for name in present if not _OWN_FILE.fullmatch(name)]
    if foreign or (PLAN not in present and any(".tmp." not in name for name in present)):
        raise InputError(
            "the output folder holds something other than this dataset",
            file=folder / (foreign or present)[0],
            remedy="choose a new or empty output folder",
        )
    if PLAN in present:
        _refuse_other_identity(folder, identity)
    for name in present:
        if ".tmp." in name:
            (folder / name).unlink(missing_ok=True)
    write_json(folder / PLAN, identity.model_dump())


def finished_shard(folder: Path, shard_id: int) -> ShardRow | None:
    """The row of a shard that is already in place, or None if it still has to be built."""
    shard = folder / shard_name(shard_id)
    if not (shard.exists() and sidecar_of(shard).exists()):
        return None
    row = _read(sidecar_of(shard), ShardRow)
    return row if row.bytes == shard.stat().st_size else None


def complete_dataset(folder: Path, identity: DatasetIdentity) -> Manifest:
    """Write the manifest and, last, the completion marker.

    Raises InputError if a shard is missing, the counts do not add up, or not one frame is ok.
    """
    rows = []
    for shard_id in range(identity.shards):
        row = finished_shard(folder, shard_id)
        if row is None:
            raise InputError(
                "the dataset is not finished", file=folder / shard_name(shard_id), remedy="run the build again"
            )
        rows.append(row)
    ok, failed, filtered = (sum(getattr(row, f"frames_{state}") for row in rows) for state in _STATES)
    if ok + failed + filtered != identity.frames or sum(row.sequences for row in rows) != identity.sequences:
        raise InputError(
            "the shards do not hold the planned frames",
            file=folder,
            field="ok + failed + filtered",
            value=f"{ok} + {failed} + {filtered}, planned {identity.frames}",
            remedy="build into an empty folder",
        )
    if ok == 0:
        reason = next((reason for row in rows for reason in row.reasons), "no reason recorded")
        raise InputError(
            "not one frame could be generated",
            file=folder,
            field="first reason",
            value=reason,
            remedy="cure the reason and build into an empty folder",
        )
    manifest = Manifest(
        identity=identity, shards=tuple(rows), frames_ok=ok, frames_failed=failed, frames_filtered=filtered
    )
    write_json(folder / MANIFEST, manifest.model_dump())
    with replace_when_complete(folder / COMPLETE) as temporary:
        temporary.write_text(file_sha256(folder / MANIFEST) + "\n")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished dataset. Raises InputError naming the file that is missing or altered."""
    for name in (COMPLETE, MANIFEST):
        if not (folder / name).is_file():
            raise InputError(
                "not a finished dataset", file=folder / name, remedy="run jobs/synthesize.py on this folder (again)"
            )
    if (folder / COMPLETE).read_text().strip() != file_sha256(folder / MANIFEST):
        raise InputError(
            "the manifest was altered after completion", file=folder / MANIFEST, remedy="build the dataset again"
        )
    return _read(folder / MANIFEST, Manifest)


def verify(folder: Path) -> Manifest:
    """Hash every shard of a finished dataset again. Raises InputError naming the first that differs."""
    manifest = read_manifest(folder)
    for row in manifest.shards:
        check_shard(folder, row)
    return manifest


def check_shard(folder: Path, row: ShardRow) -> Path:
    """The path of a shard whose bytes are those of the manifest; InputError otherwise."""
    shard = check_size(folder, row)
    if file_sha256(shard) != row.sha256:
        raise InputError("the shard's sha256 is not the manifest's", file=shard, remedy=_REBUILD)
    return shard


def check_size(folder: Path, row: ShardRow) -> Path:
    """Like :func:`check_shard`, but only existence and length: cheap enough for every shard before work starts."""
    shard = folder / row.name
    if not shard.is_file():
        raise InputError("a shard of the manifest is missing", file=shard, remedy=_REBUILD)
    if shard.stat().st_size != row.bytes:
        raise InputError(
            f"the shard is truncated or altered (the manifest says {row.bytes} bytes)",
            file=shard,
            field="bytes",
            value=shard.stat().st_size,
            remedy=_REBUILD,
        )
    return shard


_STATES: Final = ("ok", "failed", "filtered")
_REBUILD: Final = "delete the shard and its sidecar, and run the build again"
_Model = TypeVar("_Model", bound=_Stored)


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"not a {model.__name__} ({first['msg']})",
            file=path,
            field=".".join(map(str, first["loc"])) or None,
            remedy="delete the file and run the build again",
        ) from error


def _refuse_other_identity(folder: Path, identity: DatasetIdentity) -> None:
    stored, asked = _read(folder / PLAN, DatasetIdentity).model_dump(), identity.model_dump()
    differing = [name for name in asked if stored[name] != asked[name]]
    if differing:
        raise InputError(
            "the output folder belongs to a dataset built from other settings",
            file=folder / PLAN,
            field=", ".join(differing),
            value=stored[differing[0]],
            remedy="choose another output folder, or go back to the settings that started this one",
        )
