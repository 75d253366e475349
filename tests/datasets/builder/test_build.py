from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build, build_shard, unfinished_shards
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.manifest import finished_shard
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.datasets.shards.scan_tar import whole_records
from drpose_ray.datasets.store.store import FolderStore
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

ROOT = Path(__file__).parents[3]


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_window_keeps_its_person_whatever_shard_it_lands_in(tmp_path: Path) -> None:
    windows = make_windows(6)
    for size in (2, 3):
        build(plan_build(windows, Stripes(), tmp_path / str(size), size), Stripes(), silent)
    for a, b in zip(ShardReader(tmp_path / "2"), ShardReader(tmp_path / "3"), strict=True):
        np.testing.assert_array_equal(a.images["input"], b.images["input"])


def test_finished_shards_are_not_generated_again(tmp_path: Path) -> None:
    plan = plan_build(make_windows(6), Stripes(), tmp_path / "dataset", 2)
    build(plan, Stripes(), silent)
    before = folder_bytes(Path(plan.location))
    (Path(plan.location) / "shard-000001.json").unlink()
    assert unfinished_shards(plan) == [1]
    generator, rows = Stripes(), list[ShardRow]()
    build(plan, generator, lambda row, _: rows.append(row))
    assert generator.generated == ["walk_002", "walk_003"]
    assert [row.name for row in rows] == ["shard-000001.tar"]
    assert folder_bytes(Path(plan.location)) == before


class Ailing(Stripes):
    def make(self, window: PoseWindow) -> SequenceRecord:
        if window.rank == 1:
            raise OSError("no space left on device")
        return super().make(window)


def test_a_failing_machine_ends_the_build_instead_of_marking_poses_as_failed(tmp_path: Path) -> None:
    plan = plan_build(make_windows(2), Ailing(), tmp_path / "dataset", 2)
    with pytest.raises(OSError, match="no space left"):
        build(plan, Ailing(), silent)
    assert finished_shard(Path(plan.location), 0) is None


class Misnaming(Stripes):
    def make(self, window: PoseWindow) -> SequenceRecord:  # noqa: ARG002
        return super().make(make_windows(1)[0])


def test_a_record_that_is_not_of_its_window_counts_as_failed(tmp_path: Path) -> None:
    plan = plan_build(make_windows(2), Misnaming(), tmp_path, 2)
    row = build_shard(plan, 0, Misnaming())
    assert (row.frames_ok, row.frames_failed) == (3, 3)
    assert "another record, 'walk_000'" in next(iter(row.reasons))


def test_an_empty_selection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no windows"):
        plan_build([], Stripes(), tmp_path, 2)


def test_names_that_cannot_be_record_keys_are_refused(tmp_path: Path) -> None:
    twice = [*make_windows(2), make_windows(2)[1]]
    dotted = [dataclasses.replace(make_windows(1)[0], sequence_id="walk.001")]
    for windows, name in [(twice, "walk_001"), (dotted, r"walk\.001")]:
        with pytest.raises(InputError, match=f"unique and match.*{name}"):
            plan_build(windows, Stripes(), tmp_path, 2)


def test_unwritable_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    plan = plan_build(make_windows(2), Stripes(), tmp_path / "file" / "dataset", 2)
    with pytest.raises(InputError, match="choose a writable"):
        build(plan, Stripes(), silent)


def test_a_full_disk_stops_the_build_with_the_remedy_and_the_next_one_goes_on(tmp_path: Path) -> None:
    plan = plan_build(make_windows(4), Stripes(), tmp_path, 2)
    build_shard(plan, 0, Stripes())
    part = FolderStore(tmp_path).part(f"shard-000001.tar.{plan.identity.origin(1)}")
    part.symlink_to("/dev/full")  # every write to it fails for want of space
    with pytest.raises(InputError, match=r"no space left.*free space.*goes on"):
        build_shard(plan, 1, Stripes())
    assert finished_shard(plan.location, 1) is None
    part.unlink()
    assert build_shard(plan, 1, Stripes()).sequences == 2


CHILD = """
import sys
from pathlib import Path
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from tests.datasets.builder.stripes import Stripes, make_windows, silent
generator = Stripes(dawdle_s=0.2)
build(plan_build(make_windows(9), generator, Path(sys.argv[1]), 3), generator, silent)
"""


@pytest.mark.slow
def test_a_build_killed_mid_shard_and_rerun_has_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    folder, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        deadline = time.monotonic() + 120
        while not any(list(whole_records(part)) for part in folder.glob("shard-000001.tar.*.part.*")):
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    left = folder_bytes(folder)
    assert "shard-000000.json" in left and "shard-000001.tar" not in left
    assert any(".part." in name for name in left)

    generator = Stripes()
    build(plan_build(make_windows(9), generator, folder, 3), generator, silent)
    first = int(generator.generated[0].removeprefix("walk_"))
    assert first in (4, 5), "the whole sequences of the killed shard are kept too"
    assert generator.generated == [f"walk_{i:03d}" for i in range(first, 9)]
    build(plan_build(make_windows(9), Stripes(), undisturbed, 3), Stripes(), silent)
    assert folder_bytes(folder) == folder_bytes(undisturbed)
