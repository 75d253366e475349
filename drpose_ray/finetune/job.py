"""DrPose post-training (Algorithm 1): a multi-view model and a dataset of (image, pose) pairs -> a post-trained model.

drpose finetune --config configs/small.yaml
drpose finetune --config configs/small.yaml --finetune.algorithm.kl_weight 0 --finetune.name drpose_no_kl

Settings say in brackets where their value is from: the paper, reading notes of it, or assumed (docs/assumptions.md).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from drpose_ray.core.device import Device
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run, read_metrics
from drpose_ray.core.settings.config import Config, absolute, load_config, with_absolute_paths
from drpose_ray.core.settings.dotted import replaced
from drpose_ray.core.tracking.tracker import Tracker, sqlite_uri, start_tracking
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig


class FinetuneJobConfig(Config):
    """Settings of jobs/finetune.py."""

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="Algorithm 1 and its workers.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "finetune" / self.finetune.name

    @property
    def dataset(self) -> Path:
        """The shards to train on."""
        return self.finetune.data.dataset or self.run.folder / "shards" / "train"


class FinetuneSummary(Summary):
    """What jobs/finetune.py reports; means over the first and the last tenth of the iterations."""

    model: str
    iterations: int
    reward_begin: float
    reward_end: float
    kl_end: float
    active_steps_mean: float
    seconds_per_iteration: float


CONFIG, SUMMARY = FinetuneJobConfig, FinetuneSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.on_ray import local_or_cluster_ray
    from drpose_ray.finetune.distributed.loaders import Loaders
    from drpose_ray.finetune.distributed.train_on_ray import SAMPLES, FinetuneTask, finetune_on_ray

    dataset = absolute(config.dataset)
    settings = replaced(config.finetune, {"data.dataset": dataset})
    settings.check_files()
    task = FinetuneTask(
        config=settings,
        seed=config.run.seed,
        dataset=dataset,
        loaders=Loaders(config.distance, config.run.seed),
        run_folder=config.folder,
    )
    uri = config.run.tracking_uri or sqlite_uri(config.run.folder)
    # The workers prune the metrics file to where they resume.
    with open_run(config, config.folder, "finetune", start_step=settings.optimizer.num_iterations) as run:
        with (
            local_or_cluster_ray(settings.num_processes),
            start_tracking(uri, "finetune", settings.name) as tracker,
        ):
            tracker.log_params(config)
            task = replace(task, use_gpu=choose_training_gpus(config.run.device, settings))
            with Progress(f"iterations of {settings.name}", settings.optimizer.num_iterations) as progress:
                finetune_on_ray(task, functools.partial(_show, tracker, progress, settings.optimizer.num_iterations))
            if (config.folder / SAMPLES).is_dir():
                tracker.log_artifact(config.folder / SAMPLES)
        run.finish(_summarise(config.folder, task.model_folder))
    print(f"model: {task.model_folder}")


def choose_training_gpus(device: Device, settings: FinetuneConfig) -> bool:
    """Whether each worker gets a GPU; a rank of NCCL cannot share one. Actors have what the settings give them."""
    from drpose_ray.core.device.on_ray import choose_gpus

    return choose_gpus(device, settings.parallel.num_workers, others=settings.gpus_of_actors) > 0


def _show(
    tracker: Tracker, progress: Progress, num_iterations: int, iteration: int, metrics: Mapping[str, Any]
) -> None:
    tracker.log_metrics(iteration, {name: value for name, value in metrics.items() if value is not None})
    note = f"{_read(metrics, 'reward')}, {_read(metrics, 'kl')}, {metrics['active_steps']:g} trained steps"
    progress.step(note=note, left=num_iterations - iteration - 1)


def _read(metrics: Mapping[str, Any], name: str) -> str:
    """A metric in words; of a micro-step that was skipped it may be no number."""
    return f"{name} skipped" if metrics[name] is None else f"{name} {metrics[name]:.4f}"


def _summarise(folder: Path, model: Path) -> FinetuneSummary:
    lines = read_metrics(folder)
    tenth = max(len(lines) // 10, 1)

    def mean(name: str, of: Sequence[Mapping[str, Any]]) -> float:
        values = [line[name] for line in of if line[name] is not None]
        return float(sum(values)) / max(len(values), 1)

    seconds = [name for name in lines[-1] if name.startswith("seconds_")]
    return FinetuneSummary(
        model=str(model),
        iterations=len(lines),
        reward_begin=mean("reward", lines[:tenth]),
        reward_end=mean("reward", lines[-tenth:]),
        kl_end=mean("kl", lines[-tenth:]),
        active_steps_mean=mean("active_steps", lines),
        seconds_per_iteration=sum(mean(name, lines) for name in seconds),
    )
