"""Train the skeleton predictor of PoseScore (Sec. 3.1): six-view renders -> ``predictor.safetensors``.

drpose reward fit --config configs/small.yaml --reward.multiview_shards '[path/to/shards]'

With ``--reward.fit.workers 2`` two workers of Ray Train share each update; the weights are the same up to the order of
sums. Killed and started again, it resumes. Renders are encoded first, once; jobs/encode_latents.py does that on several
workers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from drpose_ray.core.device import choose_device
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config, with_absolute_paths
from drpose_ray.core.tracking.tracker import Tracker, sqlite_uri, start_tracking
from drpose_ray.reward.config import DistanceConfig, RewardConfig

if TYPE_CHECKING:
    import torch

    from drpose_ray.reward.fit.fit_run import FitOutcome, FitTask

_TRACKED_EVERY = 10  # updates: a small one takes hardly longer than telling MLflow of it; metrics.jsonl has them all


class FitRewardConfig(Config):
    """Settings of jobs/fit_reward.py."""

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    reward: RewardConfig = Field(default=RewardConfig(), description="The predictor and its training.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "fit_reward"


class FitRewardSummary(Summary):
    """What jobs/fit_reward.py reports."""

    predictor: str
    samples: int = Field(description="frames in six views, held-out ones included")
    held_out_samples: int = Field(description="frames of the people held out")
    updates: int = Field(description="after which training stopped")
    stopped_early: bool = Field(description="whether the held-out score had ceased to rise (reward.fit.patience)")
    best_update: int | None = Field(description="whose weights these are, with patience; without it the last's")
    perceptual_distance: str | None = Field(description="lpips, or random-feature distance without backbone weights")
    validation: dict[str, float] = Field(description="of these weights on held-out people, all views, clean latents")


CONFIG, SUMMARY = FitRewardConfig, FitRewardSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    import torch

    from drpose_ray.reward.fit.fit_run import FitTask, run_fit

    alone = config.reward.fit.workers == 1
    computes_here = alone or bool(config.reward.multiview_shards)
    device = choose_device(config.run.device) if computes_here else torch.device("cpu")
    task = FitTask(config.reward, config.distance, _latents(config, device), config.run.seed, absolute(config.folder))
    settings = config.reward.fit
    uri = config.run.tracking_uri or sqlite_uri(config.run.folder)
    # The training prunes the metrics file to where it resumes.
    with open_run(config, config.folder, "fit_reward", start_step=settings.updates) as run:
        with start_tracking(uri, "fit_reward", "predictor") as tracker:
            tracker.log_params(config)
            with Progress("updates of the skeleton predictor", settings.updates) as progress:
                show = functools.partial(_show, task, tracker, progress)
                outcome = run_fit(task, show, device=device) if alone else _fit_on_ray(config, task, show)
        run.finish(FitRewardSummary(predictor=str(task.predictor_file), **outcome.model_dump()))
    if outcome.stopped_early:
        print(f"stopped after update {outcome.updates}: update {outcome.best_update} was best on held-out people")
    print(f"predictor: {task.predictor_file}")


def _latents(config: FitRewardConfig, device: torch.device) -> tuple[Path, ...]:
    """The given folders of latents, and those of the given renders, which are made if need be."""
    from drpose_ray.diffusion.encoded.latents import EncodeTask, encode_here, latents_folder

    encoded = []
    for dataset in config.reward.multiview_shards:
        folder = latents_folder(absolute(config.run.folder) / "latents", dataset, config.reward.i2mv)
        with Progress(f"shards of {dataset.name} encoded") as progress:
            for name in encode_here(EncodeTask(dataset, config.reward.i2mv, folder), device):
                progress.step(note=name)
        encoded.append(folder)
    return (*config.reward.latents, *encoded)


def _fit_on_ray(config: FitRewardConfig, task: FitTask, show: Any) -> FitOutcome:
    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.core.on_ray import local_or_cluster_ray
    from drpose_ray.reward.fit.on_ray import fit_on_ray  # Ray Train costs seconds that a single process need not pay

    with local_or_cluster_ray(task.reward.fit.workers):
        return fit_on_ray(task, show, choose_gpus(config.run.device, task.reward.fit.workers) > 0)


def _show(task: FitTask, tracker: Tracker, progress: Progress, step: int, metrics: Mapping[str, Any]) -> None:
    measured = {name: value for name, value in metrics.items() if name.startswith("validation_") and value is not None}
    if measured or step % _TRACKED_EVERY == 0:
        tracker.log_metrics(step, {name: value for name, value in metrics.items() if value is not None})
    if measured:
        shown = ", ".join(f"{name.removeprefix('validation_')} {value:.4g}" for name, value in measured.items())
        progress.say(f"update {step + 1}/{task.reward.fit.updates}: {shown}")
        tracker.log_artifact(task.overlay_file(step + 1))
    progress.step(left=task.reward.fit.updates - step - 1)
