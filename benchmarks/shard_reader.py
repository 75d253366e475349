"""Frames per CPU-second: ``ShardReader`` against ``webdataset`` in a ``DataLoader``, of the same shards.

    python benchmarks/shard_reader.py                    # renders the people once (minutes), then reads
    python benchmarks/shard_reader.py --folder /tmp/people --repeats 5

Every run is a process of its own, which counts from after its imports to the last frame, user and system time, its
children with it. Both give decoded images, motion rows and joints of every frame; before timing, the two are compared
value by value. The baseline is the better of DataLoader's 0 and 2 workers and of webdataset's two ways to decode.
``ShardReader`` is timed as training uses it, shuffled, in its first epoch, in which it also hashes every shard.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from typing import Any

import numpy as np
import PIL
import torch
import webdataset

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.poses.procedural.standing import draw_moderate
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.clothed_body import ClothedBody
from drpose_ray.synthesis.config import ClothedBodyConfig

SHARDS, FRAMES, SIZE = 4, 10, 256
GOAL = 1.4
READERS = ("ShardReader", "webdataset rgba8, 0 workers", "webdataset pilrgba, 0 workers",
           "webdataset rgba8, 2 workers", "webdataset pilrgba, 2 workers")  # fmt: skip


def windows(count: int) -> list[PoseWindow]:
    return [
        PoseWindow(
            sequence_id=f"p{i:05d}", clip="c", frames=np.arange(FRAMES),
            motion=draw_moderate(np.random.default_rng(i), FRAMES), pick=5, rank=i, fps=30.0, source="benchmark",
            licence="CC0-1.0",
        )
        for i in range(count)
    ]  # fmt: skip


def make_people(folder: Path, records: int) -> None:
    """Rendered clothed people, unless they are there."""
    generator = ClothedBody(ClothedBodyConfig(image_size=SIZE), seed=5)
    plan = plan_build(windows(records), generator, folder, records // SHARDS)
    build(plan, generator, lambda row, _: print(f"{row.name}: {row.bytes} bytes", flush=True))


def split(sample: dict[str, Any]) -> list[tuple[str, Any, Any, Any]]:
    """The frames of one webdataset sample."""
    frames = [name for name in sample if name.endswith(".input.png")]
    return [
        (f"{sample['__key__']}.{name[:2]}", np.asarray(sample[name]), sample["motion.npy"][int(name[:2])],
         sample["joints.npy"][int(name[:2])])
        for name in frames
    ]  # fmt: skip


def frames_of(reader: str, folder: Path) -> Iterator[tuple[str, Any, Any, Any]]:
    if reader == "ShardReader":
        for sample in ShardReader(folder, seed=1):
            yield f"{sample.key}.{sample.frame:02d}", sample.images["input"], sample.motion, sample.joints_world
        return
    way, workers = reader.removeprefix("webdataset ").removesuffix(" workers").split(", ")
    urls = [str(folder / row.name) for row in read_manifest(folder).shards]
    samples = webdataset.WebDataset(urls, shardshuffle=False).decode(way).map(split)
    for frames in torch.utils.data.DataLoader(samples, batch_size=None, num_workers=int(workers)):
        yield from frames


def cpu_seconds() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)))


def time_one(reader: str, folder: Path) -> None:
    """In a process of its own: print frames per CPU-second."""
    start = cpu_seconds()
    count = sum(1 for _ in frames_of(reader, folder))
    print(count / (cpu_seconds() - start))


def check_equal(folder: Path) -> int:
    ours = {name: values for name, *values in frames_of("ShardReader", folder)}
    theirs = {name: values for name, *values in frames_of(READERS[1], folder)}
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        for a, b in zip(values, theirs[name], strict=True):
            np.testing.assert_array_equal(a, b)
    return len(ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/benchmark_people"), help="where the shards are")
    parser.add_argument("--records", type=int, default=64, help="records of 10 frames, a multiple of 4")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each reader, in turn")
    parser.add_argument("--time", choices=READERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.time:
        time_one(args.time, args.folder)
        return
    make_people(args.folder, args.records)
    count = check_equal(args.folder)
    bytes_per_frame = sum(row.bytes for row in read_manifest(args.folder).shards) / count
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}; Python "
          f"{platform.python_version()}, torch {torch.__version__}, webdataset {webdataset.__version__}, "
          f"Pillow {PIL.__version__}, numpy {np.__version__}")  # fmt: skip
    print(
        f"{count} frames of {SIZE} x {SIZE} RGBA in {SHARDS} shards, {bytes_per_frame / 1024:.1f} KiB each; both equal"
    )
    command = [sys.executable, __file__, "--folder", str(args.folder), "--time"]
    rates: dict[str, list[float]] = {reader: [] for reader in READERS}
    for _ in range(args.repeats):
        for reader in READERS:
            rates[reader].append(float(subprocess.run([*command, reader], check=True, capture_output=True).stdout))
    print("\n| reader | frames per CPU-second, median | lowest | highest |\n|---|---|---|---|")
    for reader, values in rates.items():
        print(f"| {reader} | {median(values):.0f} | {min(values):.0f} | {max(values):.0f} |")
    best = max(READERS[1:], key=lambda reader: median(rates[reader]))
    ratio = median(rates["ShardReader"]) / median(rates[best])
    print(f"\nShardReader gives {ratio:.2f} times the frames of {best} per CPU-second (goal: at least {GOAL})")


if __name__ == "__main__":
    main()
