from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.reshard import reshard
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

CLIPS = {2: "half-drawn", 5: "refused"}


def build_windows(folder: Path, windows: slice, per_shard: int, seed: int = 0) -> Path:
    generator = Stripes(seed)
    build(plan_build(make_windows(11, clips=CLIPS)[windows], generator, folder, per_shard), generator, silent)
    return folder


def shards(folder: Path) -> list[bytes]:
    return [(folder / row.name).read_bytes() for row in read_manifest(folder).shards]


def test_other_shards_of_the_same_records_are_those_of_a_build_with_that_size(tmp_path: Path) -> None:
    source = build_windows(tmp_path / "2", slice(None), 2)
    manifest = reshard([source], tmp_path / "3", 3)
    assert shards(tmp_path / "3") == shards(build_windows(tmp_path / "built", slice(None), 3))
    assert (manifest.frames_ok, manifest.frames_failed) == (29, 4)
    assert list(inspect(tmp_path / "3")) == []


def test_merged_datasets_hold_all_records_in_order_and_both_generators(tmp_path: Path) -> None:
    one = build_windows(tmp_path / "one", slice(0, 4), 2)
    two = build_windows(tmp_path / "two", slice(4, 11), 3, seed=1)
    manifest = reshard([one, two], tmp_path / "both", 4)
    assert [row.sequences for row in manifest.shards] == [4, 4, 3]
    assert [g.share for g in manifest.identity.generators] == pytest.approx([4 / 11, 7 / 11])
    assert manifest.frames_ok == sum(read_manifest(each).frames_ok for each in (one, two))


def test_a_record_that_is_in_both_is_refused(tmp_path: Path) -> None:
    one = build_windows(tmp_path / "one", slice(0, 4), 2)
    two = build_windows(tmp_path / "two", slice(3, 8), 2)
    with pytest.raises(InputError, match=r"same key.*one.*walk_003"):
        reshard([one, two], tmp_path / "both", 2)
    with pytest.raises(InputError, match="not a finished dataset"):
        read_manifest(tmp_path / "both")


def test_duplicates_stay_left_out(tmp_path: Path) -> None:
    class Alike(Stripes):
        def make(self, window: PoseWindow) -> SequenceRecord:
            return dataclasses.replace(super().make(window), image_hash="0" * 16)

    build(plan_build(make_windows(3), Alike(), tmp_path / "one", 1, duplicate_bits=0), Alike(), silent)
    manifest = reshard([tmp_path / "one"], tmp_path / "two", 3)
    assert manifest.duplicates == read_manifest(tmp_path / "one").duplicates != {}
    assert (manifest.frames_ok, manifest.frames_filtered) == (3, 6)


def test_finished_shards_are_not_written_again(tmp_path: Path) -> None:
    one = build_windows(tmp_path / "one", slice(0, 4), 2)
    written: list[ShardRow] = []
    three = build_windows(tmp_path / "three", slice(4, 8), 2)
    reshard([one, three], tmp_path / "again", 2)
    (tmp_path / "again" / "shard-000003.json").unlink()
    reshard([one, three], tmp_path / "again", 2, written.append)
    assert [row.name for row in written] == ["shard-000003.tar"]
