"""Training the predictor on a Ray cluster: workers of Ray Train share each update, and are restarted from a checkpoint.

Latents, models and the run folder are read and written by the workers themselves, so every node must see them under the
same paths. Workers are alike, so one checkpoint, written by the first into the run folder, serves them all, also in
another number.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any

import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from drpose_ray.core.files.publish import write_json
from drpose_ray.core.runs.origin import say_resuming
from drpose_ray.core.runs.run import Run, following_metrics
from drpose_ray.core.training.on_ray import Worker, run_trainer
from drpose_ray.reward.fit.fit_run import FitOutcome, FitTask, run_fit


def fit_on_ray(
    task: FitTask, on_metrics: Callable[[int, Mapping[str, Any]], None], use_gpu: bool = False
) -> FitOutcome:
    """``run_fit`` by ``task.reward.fit.workers`` workers, with ``use_gpu`` a GPU each.

    ``on_metrics(update, metrics)`` is called here, once per update. Raises InputError as ``run_fit`` does.
    """
    settings = task.reward.fit
    begun = task.checkpoint().updates_done()
    say_resuming("update", begun, settings.updates)
    # The workers begin where the checkpoint is; what an earlier run left here must not be taken for their metrics.
    Run(task.run_folder, "fit_reward", start_step=begun)
    trainer = TorchTrainer(
        functools.partial(_work, task, use_gpu),
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=settings.workers, use_gpu=use_gpu),
        run_config=RunConfig(
            name="ray_train",
            storage_path=str(task.run_folder),
            failure_config=FailureConfig(max_failures=settings.max_worker_failures),
            # One thread per worker on CPUs: sums then have one order, and workers do not fight for cores.
            worker_runtime_env={"env_vars": {} if use_gpu else {"OMP_NUM_THREADS": "1"}},
        ),
    )
    with following_metrics(task.run_folder, on_metrics):
        run_trainer(trainer)
    return FitOutcome.model_validate_json(task.outcome_file.read_text())


def _work(task: FitTask, use_gpu: bool) -> None:
    rank = ray.train.get_context().get_world_rank()
    write_json(
        task.run_folder / "workers" / f"rank_{rank:05d}.json",
        {"rank": rank, "pid": os.getpid(), "host": platform.node()},
    )
    # Not get_device() alone: to a worker without a GPU of its own, Ray gives the first of its machine.
    run_fit(task, share=Worker(), device=get_device() if use_gpu else torch.device("cpu"))
