"""A machine of the cluster is lost with its actor while a dataset is built, as spot instances are.

Runs beside the tests that use ``ray_session``, not at the same time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.rows import ShardRow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

ROOT = Path(__file__).resolve().parents[3]
SEQUENCES, PER_SHARD = 48, 4


class Noted(Stripes):
    """Stripes, slowly, with the node on which they are drawn on record."""

    def __init__(self, folder: Path) -> None:
        import ray

        super().__init__(dawdle_s=0.1)
        (folder / ray.get_runtime_context().get_node_id()).touch()


class Maker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Noted:
        return Noted(self.folder)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Unix sockets lie below it, and their paths may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_build_outlives_a_node_with_one_of_its_two_actors(tmp_path: Path, short_folder: Path) -> None:
    # In a process of its own: this one may be connected to the session's instance.
    subprocess.run(
        [sys.executable, __file__, str(tmp_path)], check=True, cwd=ROOT, timeout=500,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(short_folder)},
    )  # fmt: skip
    assert len(list((tmp_path / "nodes").iterdir())) == 2, "both nodes drew something"
    assert (tmp_path / "lost").exists()
    plain = plan_build(make_windows(SEQUENCES), Stripes(), tmp_path / "plain", PER_SHARD)
    build(plain, Stripes(), silent)
    expected = {path.name: path.read_bytes() for path in Path(plain.location).iterdir()}
    left = {path.name: path.read_bytes() for path in (tmp_path / "spot").iterdir() if ".part." not in path.name}
    assert left == expected
    assert list(inspect(tmp_path / "spot")) == []


def build_and_lose_a_node(folder: Path) -> None:
    """Build on two nodes of one CPU each, and lose the second when four shards are finished."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    spot = cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False)
    (folder / "nodes").mkdir()
    finished: list[ShardRow] = []

    def lose(row: ShardRow, _left: int) -> None:
        finished.append(row)
        if len(finished) == 4:
            cluster.remove_node(spot, allow_graceful=False)
            (folder / "lost").touch()

    plan = plan_build(make_windows(SEQUENCES), Stripes(), folder / "spot", PER_SHARD)
    build_on_ray(plan, [MakerPool(Maker(folder / "nodes"), 2)], lose)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    build_and_lose_a_node(Path(sys.argv[1]))
