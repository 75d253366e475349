"""A window that ends whoever draws it costs a few workers and itself, and nothing else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from drpose_ray.datasets.builder.local import build, build_shard
from drpose_ray.datasets.builder.plan import BuildPlan, plan_build
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.shards.open_shard import read_headers
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

MOST_DEATHS = 5


class Deadly(Stripes):
    """Dies of the windows of one clip, as of a mesh that fills the memory."""

    def make(self, window: PoseWindow) -> SequenceRecord:
        if window.clip == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().make(window)


def workers_needed(plan: BuildPlan) -> int:
    """Builds shard 0 as Ray does, a new process for each that dies; returns how many there were."""
    for worker in range(1, 50):
        child = os.fork()
        if not child:
            try:
                build_shard(plan, 0, Deadly())
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            return worker
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError("it never ends")


@pytest.mark.parametrize("deadly", [{0}, {2}, {1, 2, 4}])
def test_a_deadly_window_is_given_up_and_the_others_are_drawn(tmp_path: Path, deadly: set[int]) -> None:
    plan = plan_build(make_windows(5, clips=dict.fromkeys(deadly, "deadly")), Deadly(), tmp_path, 5)
    assert workers_needed(plan) == MOST_DEATHS * len(deadly) + 1
    row = build_shard(plan, 0, Deadly())
    states = [{(status.state, status.reason) for status in header.status} for header in read_headers(tmp_path, row)]
    given_up = {("failed", "5 workers ended while they drew it")}
    assert states == [given_up if place in deadly else {("ok", "")} for place in range(5)]


class Unlucky(Stripes):
    """Ends with an error that is told."""

    def make(self, window: PoseWindow) -> SequenceRecord:
        if window.rank == 1:
            raise KeyboardInterrupt
        return super().make(window)


def test_a_build_that_is_interrupted_or_killed_elsewhere_gives_nothing_up(tmp_path: Path) -> None:
    plan = plan_build(make_windows(3), Stripes(), tmp_path / "dataset", 3)
    for _ in range(MOST_DEATHS + 1):
        with pytest.raises(KeyboardInterrupt):
            build_shard(plan, 0, Unlucky())
    (part,) = (tmp_path / "dataset").glob("*.part.*")
    for other in range(MOST_DEATHS + 1):  # of another host: they may be drawing still
        data = part.read_bytes() + b"a record is being drawn\n"
        part.with_name(part.name.replace(os.uname().nodename, f"host{other}")).write_bytes(data)
    assert build(plan, Stripes(), silent).frames_ok == 9
