"""Renders of scans as a dataset: Blender dies, builders die, and the bytes are those of an undisturbed build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import BuildPlan, plan_build
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.datasets.shards.scan_tar import whole_records
from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import BlenderConfig, RendersConfig
from drpose_ray.scans.render.scan_item import ScanItem
from drpose_ray.scans.render.scan_renders import ScanRenders
from drpose_ray.scans.scan import Scan
from tests.scans.render.people import free_body, item, person

ROOT = Path(__file__).parents[3]
PEOPLE = (1, 2, 3, 4)


def load(scan_id: str) -> Scan:
    return person(int(scan_id.removeprefix("person-")))


class Renders(ScanRenders):
    """Small ones; the Blender process is killed while it draws ``killed_at``, the first ``kills`` times."""

    def __init__(self, killed_at: str = "", kills: int = 0, dawdle_s: float = 0.0) -> None:
        config = RendersConfig(image_size=24, blender=BlenderConfig(samples=2), depth=False)
        super().__init__(config, 0, load, free_body().sha256)
        self.killed_at, self.kills, self.dawdle_s = killed_at, kills, dawdle_s

    def make(self, item: ScanItem) -> SequenceRecord:
        time.sleep(self.dawdle_s)
        if item.sequence_id == self.killed_at and self.kills:
            self.kills -= 1
            mesh = person(1).mesh  # so that there is a process
            self.renderer.render(mesh, Frame.around(mesh.vertices), [View(0.0)], 16)
            assert isinstance(self.renderer, BlenderRenderer)
            assert self.renderer.pid
            os.kill(self.renderer.pid, signal.SIGSEGV)
        return super().make(item)


def plan(folder: Path, generator: ScanRenders, attempts: int = 2) -> BuildPlan[ScanItem]:
    return plan_build([item(person(seed)) for seed in PEOPLE], generator, folder, 2, attempts=attempts)


def silent(row: ShardRow, left: int) -> None:
    pass


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    build(plan(folder, Renders()), Renders(), silent)
    people = [sample.images["color0"] for sample in ShardReader(folder)]
    assert len(people) == 4 and not np.array_equal(people[0], people[1]) and people[0].min() < 100
    return folder_bytes(folder)


def test_a_scan_whose_blender_was_killed_is_rendered_again_with_the_same_bytes(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    generator = Renders("person-2", kills=1)
    build(plan(tmp_path, generator), generator, silent)
    assert generator.kills == 0
    assert folder_bytes(tmp_path) == undisturbed


def test_a_scan_that_kills_blender_every_time_is_a_failed_record_and_the_others_are_whole(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    generator = Renders("person-2", kills=2)
    manifest = build(plan(tmp_path, generator), generator, silent)
    assert (manifest.frames_ok, manifest.frames_failed) == (3, 1)
    assert list(manifest.shards[0].reasons) == ["RenderFailedError: blender ended with signal 11 (SIGSEGV)"]
    after = "shard-000001.tar"
    assert (tmp_path / after).read_bytes() == undisturbed[after]


CHILD = """
import sys
from pathlib import Path
from drpose_ray.datasets.builder.local import build
from tests.scans.render.test_build_renders import Renders, plan, silent
generator = Renders(dawdle_s=0.3)
build(plan(Path(sys.argv[1]), generator), generator, silent)
"""


@pytest.mark.slow
def test_a_build_killed_in_the_second_shard_and_rerun_has_the_bytes_of_an_undisturbed_one(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        deadline = time.monotonic() + 300
        while not any(list(whole_records(part)) for part in tmp_path.glob("shard-000001.tar.*.part.*")):
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert "shard-000001.tar" not in folder_bytes(tmp_path)
    build(plan(tmp_path, Renders()), Renders(), silent)
    assert folder_bytes(tmp_path) == undisturbed
