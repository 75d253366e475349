"""Exact farthest-point sampling over Ray actors against one process: equality of the picks and the ratio of wall times.

    OMP_NUM_THREADS=1 python benchmarks/farthest_on_ray.py --num-points 100000 --num-picks 300 --actors 1 2 4

Points are those of ``farthest_point_sampling.py``. Times are wall times without Ray's start and without the transfer of
the points to the actors, which is printed apart. ``--core-set`` adds the two-round sampling and its radius. Ends with
status 1 if a pick differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice

import numpy as np
from farthest_point_sampling import gather_points

from drpose_ray.core.on_ray import local_or_cluster_ray
from drpose_ray.poses.sampling.core_set import core_set_points, cover_radius
from drpose_ray.poses.sampling.farthest import farthest_points, iterate_sampler
from drpose_ray.poses.sampling.on_ray import SamplerOnRay


def main() -> int:
    """Run all and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-points", type=int, default=100_000)
    parser.add_argument("--num-picks", type=int, default=300)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--core-set", type=int, metavar="PARTS", help="parts of the two-round sampling")
    arguments = parser.parse_args()
    points = gather_points(arguments.num_points)
    start = time.perf_counter()
    alone = farthest_points(points, arguments.num_picks)
    seconds = time.perf_counter() - start
    print(f"one process: {seconds:.2f} s for {len(alone.indices)} picks, last at {alone.distances[-1]:.3f} m (66-d)")
    identical = True
    with local_or_cluster_ray(num_cpus=max(arguments.actors)):
        for num_actors in arguments.actors:
            start = time.perf_counter()
            sampler = SamplerOnRay(points, num_actors)
            ready = time.perf_counter()
            picks = list(islice(iterate_sampler(sampler), arguments.num_picks))
            shared = time.perf_counter() - ready
            same = [index for index, _ in picks] == alone.indices.tolist()
            same &= np.array_equal([distance for _, distance in picks], alone.distances)
            identical &= same
            print(
                f"{num_actors} actors: {shared:.2f} s after {ready - start:.2f} s of handing out, "
                f"picks identical: {same}, ratio to one process: {shared / seconds:.2f}"
            )
            del sampler  # its actors hold their CPUs
    if arguments.core_set:
        start = time.perf_counter()
        picks_of_two = core_set_points(points, arguments.num_picks, arguments.core_set).indices
        spent = time.perf_counter() - start
        ratio = cover_radius(points, picks_of_two) / cover_radius(points, alone.indices)
        print(
            f"two rounds, {arguments.core_set} parts in one process: {spent:.2f} s, "
            f"radius {ratio:.2f} times the exact one (guaranteed: 4)"
        )
    return 0 if identical else 1


if __name__ == "__main__":
    sys.exit(main())
