"""What the orchestration of a dataset build costs: CPU time against a plain loop, and the driver's memory against size.

    OMP_NUM_THREADS=1 python benchmarks/build_datasets.py speed
    OMP_NUM_THREADS=1 python benchmarks/build_datasets.py memory --sizes 10000 100000 1500000

``speed``: a generator that hands out one ready record, 1,000 sequences a shard. The plain loop writes the same tars
with ``tarfile`` and nothing else: no sidecars, no hashes, no parts, no Ray. Compared are sequences per CPU-second in
the workers between their first and last sequence, and per wall second with two workers. Status 1 if a tar differs.

``memory``: that many one-frame windows in a selection file go through ``plan_build`` and ``build_on_ray`` with the
largest resident set of the driver read from the kernel; each size is a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drpose_ray.core.files.publish import file_sha256
from drpose_ray.datasets.builder.maker import licence_of, provenance_of
from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.manifest import shard_name
from drpose_ray.datasets.record import FrameStatus, SequenceCamera, SequenceRecord, encode_members
from drpose_ray.datasets.rows import Manifest
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.poses.windows_file import read_selection, write_selection

PER_SHARD = 1000
WORKERS = 2


class NoOp:
    """A ``RecordMaker`` by handing out the same picture, or, with ``every`` > 1, hardly ever one."""

    name, body_sha256, body_licence, image_licence = "no-op", "0" * 64, "none", "CC0-1.0"

    def __init__(self, clock_folder: Path | None = None, every: int = 1) -> None:
        self.clock_folder, self.every, self.begin = clock_folder, every, 0.0
        self.picture = np.zeros((1, 32, 32, 4), np.uint8)
        self.count = 0

    def settings(self) -> Mapping[str, Any]:
        return {"every": self.every}

    def person_seed(self, window: PoseWindow) -> int:
        return window.rank

    def make(self, window: PoseWindow) -> SequenceRecord:
        if self.clock_folder is not None:
            self._note_time()
        drawn = window.rank % self.every == 0
        return SequenceRecord(
            key=window.sequence_id,
            images={"input": self.picture} if drawn else {},
            motion=window.motion,
            joints_world=np.zeros((1, 23, 3), np.float32),
            camera=SequenceCamera(center_world=((0.0, 1.0, 0.0),), width_m=(2.0,), azimuth_deg=0.0),
            provenance=provenance_of(self, window),
            licence=licence_of(self, window),
            status=(FrameStatus() if drawn else FrameStatus(state="failed", reason="not drawn"),),
        )

    def _note_time(self) -> None:
        """CPU and wall seconds at the first sequence and at the last of each shard so far."""
        now = (time.process_time(), time.time())
        if self.count == 0:
            self.first = now
        self.count += 1
        if self.count % PER_SHARD == 0:
            (Path(str(self.clock_folder)) / f"{os.getpid()}.json").write_text(
                json.dumps({"count": self.count, "first": self.first, "last": now})
            )


def tiny_windows(num: int) -> Iterator[PoseWindow]:
    """Windows of one frame."""
    motion = np.zeros((1, 322), np.float32)
    first = PoseWindow("w", "clip", np.array([0]), motion, 0, 0, 30.0, "benchmark", "CC0-1.0")
    for i in range(num):
        yield dataclasses.replace(first, sequence_id=f"window-{i:07d}", pick=i, rank=i, frames=np.array([i]))


def compare_speed(num_shards: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_selection(folder / "selection.parquet", {"train": tiny_windows(num_shards * PER_SHARD)})
        windows = read_selection(folder / "selection.parquet", "train")
        (folder / "clocks").mkdir()
        (folder / "plain").mkdir()
        plain = _plain_loop(windows, folder / "plain", num_shards)
        manifest = _build(windows, folder / "built", functools.partial(NoOp, folder / "clocks"))
        clocks = [json.loads(path.read_text()) for path in (folder / "clocks").iterdir()]
        ours = sum(c["count"] - 1 for c in clocks) / sum(c["last"][0] - c["first"][0] for c in clocks)
        wall = sum(c["count"] - 1 for c in clocks) / (
            max(c["last"][1] for c in clocks) - min(c["first"][1] for c in clocks)
        )
        same = all(file_sha256(folder / "plain" / row.name) == row.sha256 for row in manifest.shards)
    print(f"{num_shards} shards of {PER_SHARD}, {WORKERS} workers; tars identical: {same}")
    print(f"plain loop:   {plain[0]:8.0f} sequences per CPU-second, {plain[1]:8.0f} per wall second")
    print(f"build_on_ray: {ours:8.0f} sequences per CPU-second, {wall:8.0f} per wall second, start-up left out")
    print(f"ratio per CPU-second: {ours / plain[0]:.2f}; per wall second: {wall / plain[1]:.2f} (goal: at least 0.9)")
    return 0 if same else 1


def _plain_loop(windows: Any, folder: Path, num_shards: int) -> tuple[float, float]:
    generator = NoOp()
    cpu, wall = time.process_time(), time.perf_counter()
    for shard in range(num_shards):
        with tarfile.open(folder / shard_name(shard), "w", format=tarfile.GNU_FORMAT) as tar:
            for window in windows[shard * PER_SHARD : (shard + 1) * PER_SHARD]:
                for name, data in encode_members(generator.make(window)):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    num = num_shards * PER_SHARD
    return num / (time.process_time() - cpu), num / (time.perf_counter() - wall)


def _build(windows: Any, output: Path, make: Any) -> Manifest:
    plan = plan_build(windows, make(), output, PER_SHARD)
    return build_on_ray(plan, [MakerPool(make, WORKERS)], lambda *_: None)


def measure_memory(sizes: list[int]) -> int:
    peaks = []
    for size in sizes:
        command = [sys.executable, __file__, "one-memory", "--sizes", str(size)]
        peaks.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]))
        found = (
            "driver {before_mb:.0f} MB before, {peak_mb:.0f} MB at most, {seconds:.0f} s, {cpu_seconds:.0f} of them CPU"
        )
        print(f"{size:9d} windows: {found.format(**peaks[-1])}", flush=True)
    print(f"ratio of the peaks, {sizes[-1]} to {sizes[0]} windows: {peaks[-1]['peak_mb'] / peaks[0]['peak_mb']:.2f}")
    return 0


def _one_memory(size: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A process of its own writes the selection: what it needs for that is not the build's.
        source = f"from benchmarks.build_datasets import *; write_selection(Path({str(folder / 's.parquet')!r}),"
        source += f" {{'train': tiny_windows({size})}})"
        root = Path(__file__).parents[1]
        subprocess.run([sys.executable, "-c", source], check=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
        begin, before = time.perf_counter(), _peak_mb()
        windows = read_selection(folder / "s.parquet", "train")
        manifest = _build(windows, folder / "built", functools.partial(NoOp, None, 1000))
        assert manifest.identity.sequences == size
        print(
            json.dumps(
                {
                    "before_mb": before,
                    "peak_mb": _peak_mb(),
                    "seconds": time.perf_counter() - begin,
                    "cpu_seconds": time.process_time(),
                }
            )
        )
    return 0


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "one-memory"])
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_500_000])
    arguments = parser.parse_args()
    if arguments.what == "one-memory":
        return _one_memory(arguments.sizes[0])
    import ray

    print(f"{platform.platform()}, Python {platform.python_version()}, ray {ray.__version__}, {os.cpu_count()} cores")
    return compare_speed(arguments.shards) if arguments.what == "speed" else measure_memory(arguments.sizes)


if __name__ == "__main__":
    sys.exit(main())
