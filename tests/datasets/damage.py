"""Copies of datasets with something wrong in them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from drpose_ray.core.files.publish import file_sha256, write_json
from drpose_ray.datasets.manifest import read_manifest


def copy_dataset(dataset: Path, target: Path) -> Path:
    target.mkdir()
    for file in dataset.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def rewrite_member(folder: Path, shard_id: int, member: str, content: bytes | None) -> None:
    """Replace or drop a member, and make the manifest agree with the shard that results."""
    manifest = read_manifest(folder)
    shard = folder / manifest.shards[shard_id].name
    with tarfile.open(shard) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers()}  # type: ignore[union-attr]
    assert member in members
    with tarfile.open(shard, "w") as tar:
        for name, data in members.items():
            new = content if name == member else data
            if new is not None:
                entry = tarfile.TarInfo(name)
                entry.size = len(new)
                tar.addfile(entry, io.BytesIO(new))
    agree(folder, shard_id)


def agree(folder: Path, shard_id: int) -> None:
    """Make the manifest and the sidecar agree with the bytes of a shard."""
    altered = json.loads((folder / "manifest.json").read_text())
    row = altered["shards"][shard_id]
    shard = folder / row["name"]
    row |= {"sha256": file_sha256(shard), "bytes": shard.stat().st_size}
    write_json(folder / "manifest.json", altered)
    write_json(shard.with_suffix(".json"), row)
    (folder / "_COMPLETE").write_text(file_sha256(folder / "manifest.json"))
