from __future__ import annotations

from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

WINDOWS = make_windows(12)


def grow(folder: Path, num: int, per_shard: int = 2) -> Stripes:
    generator = Stripes()
    build(plan_build(WINDOWS[:num], generator, folder, per_shard), generator, silent)
    return generator


def keys(folder: Path) -> list[str]:
    return [sample.key for sample in ShardReader(folder) if sample.frame == 0]


def test_growing_draws_only_what_is_new_and_leaves_what_is_there(tmp_path: Path) -> None:
    grow(tmp_path, 5)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("shard-*")}
    assert len(before) == 6  # three shards, the last of one sequence
    assert grow(tmp_path, 12).generated == [f"walk_{i:03d}" for i in range(5, 12)]
    after = {path.name: path.read_bytes() for path in tmp_path.glob("shard-*")}
    assert {name: after[name] for name in before} == before and len(after) == 14
    assert keys(tmp_path) == [window.sequence_id for window in WINDOWS]
    assert [segment.sequences for segment in read_manifest(tmp_path).identity.segments] == [5, 7]
    assert list(inspect(tmp_path)) == []


def test_a_dataset_that_is_growing_can_be_read_as_it_was(tmp_path: Path) -> None:
    grow(tmp_path, 4)
    old = keys(tmp_path)

    class PowerCut(Stripes):
        def make(self, window: PoseWindow) -> SequenceRecord:
            if window.rank == 7:
                assert keys(tmp_path) == old
                raise OSError("power cut")
            return super().make(window)

    with pytest.raises(OSError, match="power cut"):
        build(plan_build(WINDOWS[:8], PowerCut(), tmp_path, 2), PowerCut(), silent)
    assert keys(tmp_path) == old
    assert len(list(tmp_path.glob("*.part.*"))) == 1  # window 6 is in it
    assert list(inspect(tmp_path)) == []
    assert grow(tmp_path, 8).generated == ["walk_007"]
    assert len(keys(tmp_path)) == 8


def test_only_a_selection_that_begins_with_what_is_there_makes_it_grow(tmp_path: Path) -> None:
    grow(tmp_path, 5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for windows in (WINDOWS[1:9], WINDOWS[:4]):
        with pytest.raises(InputError, match=r"other settings.*segments"):
            build(plan_build(windows, Stripes(), tmp_path, 2), Stripes(), silent)
    with pytest.raises(InputError, match=r"other settings.*generators"):
        build(plan_build(WINDOWS, Stripes(seed=1), tmp_path, 2), Stripes(seed=1), silent)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
