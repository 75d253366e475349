"""The frames of a finished dataset that no training will see, and why."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.datasets.inspect.plain_text import spreadsheet
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import FrameStatus, RecordHeader
from drpose_ray.datasets.rows import Manifest
from drpose_ray.datasets.shards.open_shard import read_headers


@dataclass(frozen=True)
class RejectedFrame:
    """One frame that failed or was filtered; ``frame`` counts in the window, ``clip_frame`` in the clip."""

    key: str
    rank: int
    clip: str
    frame: int
    clip_frame: int
    state: str
    reason: str
    duplicate_of: str = ""
    """Key of the sequence that is read instead."""


def status_in(manifest: Manifest, header: RecordHeader) -> tuple[FrameStatus, ...]:
    """What became of each frame of a record in the dataset as it is read: ok frames of duplicates are filtered."""
    if header.key not in manifest.duplicates:
        return header.status
    duplicate = FrameStatus(state="filtered", reason="duplicate")
    return tuple(duplicate if status.state == "ok" else status for status in header.status)


def rejected_frames(folder: Path) -> Iterator[RejectedFrame]:
    """All frames that are not ok, in stored order. Pictures are not read, so a large dataset is quickly listed.

    Raises InputError if the dataset is unfinished or a shard is missing or broken.
    """
    manifest = read_manifest(folder)
    for row in manifest.shards:
        if not row.reasons:
            continue
        for header in read_headers(folder, row):
            source = header.provenance
            for frame, status in enumerate(status_in(manifest, header)):
                if status.state != "ok":
                    yield RejectedFrame(
                        key=header.key,
                        rank=source.rank,
                        clip=source.clip,
                        frame=frame,
                        clip_frame=source.frames[frame],
                        state=status.state,
                        reason=status.reason,
                        duplicate_of=manifest.duplicates.get(header.key, "") if status.reason == "duplicate" else "",
                    )


def write_rejected(folder: Path, path: Path) -> int:
    """Publish ``rejected_frames`` as CSV with a line of column names; gives the number of frames."""
    number = 0
    with replace_when_complete(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(RejectedFrame)])
        writer.writeheader()
        for number, frame in enumerate(rejected_frames(folder), 1):  # noqa: B007 - counted
            row = asdict(frame)
            writer.writerow({name: spreadsheet(each) if isinstance(each, str) else each for name, each in row.items()})
    return number
