"""Step time against the number of rollout actors, with the ideal line, on the small model.

    python benchmarks/rollout_pool.py --actors 0 1 2 --iterations 6

A step without a pool is rollout plus the rest. The ideal line divides the rollout by the actors and leaves the rest;
what is missing to it is moving weights, conditions and latents between processes, and batches that do not divide. With
fewer free cores than processes the line cannot be reached: both are printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from drpose_ray.core.on_ray import local_or_cluster_ray
from drpose_ray.core.runs.run import read_metrics
from drpose_ray.finetune.distributed.loaders import Loaders
from drpose_ray.finetune.distributed.train_on_ray import FinetuneTask, finetune_on_ray
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig


def median_seconds(folder: Path) -> dict[str, float]:
    """Of each phase, without the first iteration, which waits for processes to start."""
    lines = read_metrics(folder)[1:]
    names = [name for name in lines[-1] if name.startswith("seconds_")]
    return {name.removeprefix("seconds_"): median(line[name] for line in lines) for name in names}


def run(dataset: Path, actors: int, args: argparse.Namespace, staleness: int) -> dict[str, float]:
    """Seconds per phase of one worker with that many actors."""
    config = FinetuneConfig.model_validate({
        "model": {"base": Path("weights/small/i2mv").absolute()},
        "reward": {"predictor": Path("weights/small/predictor.safetensors").absolute()},
        "algorithm": {
            "num_sampling_steps": 6, "num_train_steps": 2, "max_early_stop": 1, "plan": "in_prefix", "kl_weight": 1
        },
        "optimizer": {"num_iterations": args.iterations, "batch_size": args.batch, "gradient_accumulation": 1},
        "rollout": {"actors": {"num": actors, "staleness": staleness} if actors else None},
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, local_or_cluster_ray(num_cpus=1 + actors):
        task = FinetuneTask(config, 0, dataset, Loaders(DistanceConfig(), 0), Path(folder))

        def ignore(_iteration: int, _metrics: Mapping[str, Any]) -> None:
            pass

        finetune_on_ray(task, ignore)
        return median_seconds(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=Path("outputs/small/shards/train"), help="shards of pairs")
    parser.add_argument("--actors", type=int, nargs="*", default=[0, 1, 2], help="pool sizes; 0 is no pool")
    parser.add_argument("--batch", type=int, default=2, help="objects per step")
    parser.add_argument("--iterations", type=int, default=8, help="steps per pool size")
    args = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}, Python {platform.python_version()}"
    )
    print(f"small model, one worker, {args.batch} objects, T = 6, K = 2\n")
    print("| actors | staleness | rollout s | rest s | step s | ideal s | of no pool |")
    print("|---|---|---|---|---|---|---|")
    alone: dict[str, float] = {}
    for actors in args.actors:
        for staleness in (0, 1) if actors else (0,):
            seconds = run(args.dataset.absolute(), actors, args, staleness)
            step, rollout = sum(seconds.values()), seconds["rollout"]
            alone = alone or seconds
            before, rest = sum(alone.values()), sum(alone.values()) - alone["rollout"]
            spread = alone["rollout"] / max(actors, 1)
            ideal = max(rest, spread) if staleness else rest + spread
            print(
                f"| {actors} | {staleness} | {rollout:.2f} | {step - rollout:.2f} | {step:.2f} | {ideal:.2f} | "
                f"{step / before:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
