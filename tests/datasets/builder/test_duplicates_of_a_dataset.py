from __future__ import annotations

import dataclasses
from pathlib import Path

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent


class Repeating(Stripes):
    """Draws windows 1, 3 and 8 alike."""

    def make(self, window: PoseWindow) -> SequenceRecord:
        alike = 1 if window.rank in (3, 8) else window.rank
        return dataclasses.replace(super().make(window), image_hash=f"{alike:016x}")


def grow(folder: Path, num: int) -> None:
    generator = Repeating()
    windows = make_windows(10, clips={3: "half-drawn"})[:num]
    build(plan_build(windows, generator, folder, 2, duplicate_bits=0), generator, silent)


def test_sequences_drawn_twice_are_stored_counted_as_filtered_and_not_read(tmp_path: Path) -> None:
    grow(tmp_path, 6)
    manifest = read_manifest(tmp_path)
    assert list(inspect(tmp_path)) == []
    assert manifest.duplicates == {"walk_003": "walk_001"}
    assert (manifest.frames_ok, manifest.frames_failed, manifest.frames_filtered) == (15, 1, 2)
    assert manifest.shards[1].reasons == {"the body left the picture": 1, "duplicate": 2}
    assert manifest.sequences_ok == 5
    read = {sample.key for sample in ShardReader(tmp_path)}
    assert read == {f"walk_{i:03d}" for i in (0, 1, 2, 4, 5)}


def test_of_new_and_old_sequences_the_old_one_stays(tmp_path: Path) -> None:
    grow(tmp_path, 6)
    grow(tmp_path, 10)
    assert read_manifest(tmp_path).duplicates == {"walk_003": "walk_001", "walk_008": "walk_001"}
    assert len({sample.key for sample in ShardReader(tmp_path)}) == 8


def test_parts_of_another_dataset_are_not_taken_over(tmp_path: Path) -> None:
    class PowerCut(Stripes):
        def make(self, window: PoseWindow) -> SequenceRecord:
            if window.rank == 3:
                raise OSError("power cut")
            return super().make(window)

    windows = make_windows(4)
    try:
        build(plan_build(windows, PowerCut(seed=1), tmp_path / "a", 4), PowerCut(seed=1), silent)
    except OSError:
        (tmp_path / "a" / "plan.json").unlink()
    assert len(list((tmp_path / "a").glob("*.part.*"))) == 1
    other = Stripes(seed=2)
    build(plan_build(windows, other, tmp_path / "a", 4), other, silent)
    assert other.generated == [window.sequence_id for window in windows]
