"""CPU time of exact farthest-point sampling with the PCA bound, against brute force with cached norms, in one run.

    OMP_NUM_THREADS=1 python benchmarks/farthest_point_sampling.py --num-points 300000 --num-picks 1500

Points are poses of the shipped mocap and of procedural dance, their mirror images, and jittered copies of both up to
``--num-points``. Ends with status 1 if the picks differ or the filter needs more than 0.4 of brute force's CPU time.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.seeding import stream
from drpose_ray.geometry.skeleton import MIRROR
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.sampling.farthest import farthest_points, farthest_points_brute
from drpose_ray.poses.sampling.features import pose_features
from drpose_ray.poses.validity import check_frames

MOCAP = Path(__file__).parents[1] / "data/cmu_subset/cmu_subset.npz"
GOAL = 0.4
JITTER_M = 0.01


def gather_points(num: int) -> NDArray[np.float32]:
    """(num, 66) pose features in metres, in random order."""
    clips = read_motions(MOCAP) + generate_dances(0, 40, 1000)
    poses = np.concatenate([pose_features(clip.motion[check_frames(clip).mask]) for clip in clips])
    mirrored = (poses.reshape(-1, 22, 3)[:, list(MIRROR[:22])] * (-1, 1, 1)).reshape(-1, 66)
    points = np.concatenate([poses, mirrored.astype(np.float32)])
    rng = stream(0, "benchmark")
    print(f"poses: {len(poses)} of mocap and dance, with mirror images {len(points)}, filled up to {num}")
    if num > len(points):
        copies = points[rng.integers(len(points), size=num - len(points))]
        points = np.concatenate([points, copies + JITTER_M * rng.standard_normal(copies.shape, np.float32)])
    return points[rng.permutation(len(points))[:num]]


def main() -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-points", type=int, default=300_000)
    parser.add_argument("--num-picks", type=int, default=1_500)
    arguments = parser.parse_args()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(f"{platform.platform()}, Python {platform.python_version()}, numpy {np.__version__}, {blas['name']}")
    print(f"processor: {_processor()}")
    points = gather_points(arguments.num_points)
    seconds, results = {}, {}
    for name, sample in (("filter", farthest_points), ("brute", farthest_points_brute)):
        start = time.process_time()
        results[name] = sample(points, arguments.num_picks)
        seconds[name] = time.process_time() - start
        print(f"{name:>6}: {seconds[name]:7.2f} CPU-s")
    identical = np.array_equal(results["filter"].indices, results["brute"].indices)
    ratio = seconds["filter"] / seconds["brute"]
    radius = results["filter"].distances[-1]
    print(f"picks: {len(results['filter'].indices)}, identical: {identical}, last pick at {radius:.3f} m (66-d)")
    print(f"ratio: {ratio:.2f} (goal: at most {GOAL})")
    return 0 if identical and ratio <= GOAL else 1


def _processor() -> str:
    names = [line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


if __name__ == "__main__":
    sys.exit(main())
