from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.rejected import RejectedFrame, rejected_frames, write_rejected
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

LEFT = "the body left the picture"
REFUSED = "RuntimeError: this clip cannot be drawn"
EXPECTED = [
    RejectedFrame("walk_002", 2, "half-drawn", 1, 3, "failed", LEFT),
    *(RejectedFrame("walk_005", 5, "refused", frame, 5 + frame, "failed", REFUSED) for frame in range(3)),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """11 windows of 3 frames in 3 shards; the last shard is whole."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    clips = {2: "half-drawn", 5: "refused"}
    build(plan_build(make_windows(11, clips=clips), Stripes(), folder, 4), Stripes(), silent)
    return folder


def test_every_frame_that_is_not_ok_is_listed_once_with_its_reason(dataset: Path) -> None:
    assert list(rejected_frames(dataset)) == EXPECTED


def test_the_table_holds_the_same_rows(dataset: Path, tmp_path: Path) -> None:
    assert write_rejected(dataset, tmp_path / "rejected.csv") == len(EXPECTED)
    with (tmp_path / "rejected.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], int(row["clip_frame"]), row["reason"]) for row in rows] == [
        (each.key, each.clip_frame, each.reason) for each in EXPECTED
    ]


def test_ok_frames_of_duplicates_are_listed_with_the_sequence_that_is_read_instead(tmp_path: Path) -> None:
    class Alike(Stripes):
        def make(self, window: PoseWindow) -> SequenceRecord:
            return replace(super().make(window), image_hash="0" * 16)

    plan = plan_build(make_windows(2, clips={1: "half-drawn"}), Alike(), tmp_path, 4, duplicate_bits=0)
    build(plan, Alike(), silent)
    assert [
        (each.key, each.frame, each.state, each.reason, each.duplicate_of) for each in rejected_frames(tmp_path)
    ] == [
        ("walk_001", 0, "filtered", "duplicate", "walk_000"),
        ("walk_001", 1, "failed", LEFT, ""),
        ("walk_001", 2, "filtered", "duplicate", "walk_000"),
    ]


def test_neither_pictures_nor_whole_shards_are_read(dataset: Path, tmp_path: Path) -> None:
    for file in dataset.iterdir():
        # What is not a PNG any more also changes the shard's hash; a shard without rejected frames is not opened.
        data = file.read_bytes().replace(b"\x89PNG", b"\x89png")
        (tmp_path / file.name).write_bytes(b"x" * len(data) if file.name == "shard-000002.tar" else data)
    assert list(rejected_frames(tmp_path)) == EXPECTED


def test_an_unfinished_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a finished dataset"):
        next(rejected_frames(tmp_path))
