"""A training of the predictor with a run folder: metrics, overlays, a checkpoint to resume from, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict

from drpose_ray.core.files.publish import write_json
from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.core.runs.run import Run
from drpose_ray.core.settings.dotted import flatten
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.data_parallel import ALONE, DataParallel
from drpose_ray.core.training.fit import OnUpdate
from drpose_ray.diffusion.encoded.latents_store import read_latents_record
from drpose_ray.diffusion.published.layout import load_vae
from drpose_ray.reward.config import PREDICTOR_FILE, DistanceConfig, RewardConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit.fit_predictor import predictor_fit
from drpose_ray.reward.fit.latent_poses import read_latents
from drpose_ray.reward.fit.overlays import Overlays
from drpose_ray.reward.origin import distance_origin

_WITHOUT_EFFECT: Final = {"workers", "checkpoint_every", "max_worker_failures"}


@dataclass(frozen=True)
class FitTask:
    """One training. Picklable, with absolute paths: workers change their current directory."""

    reward: RewardConfig
    distance: DistanceConfig
    latents: tuple[Path, ...]  # finished folders of latents, by reward.i2mv's VAE
    seed: int
    run_folder: Path

    @property
    def predictor_file(self) -> Path:
        """Where the predictor is published."""
        return self.run_folder / PREDICTOR_FILE

    @property
    def checkpoint_file(self) -> Path:
        """Where an unfinished training goes on from."""
        return self.run_folder / "checkpoint.safetensors"

    @property
    def outcome_file(self) -> Path:
        """Where the ``FitOutcome`` is published, last."""
        return self.run_folder / "fit.json"

    def overlay_file(self, updates: int) -> Path:
        """The sheet drawn at the validation after so many updates."""
        return self.run_folder / "overlays" / f"update_{updates:06d}.png"

    def checkpoint(self) -> Checkpoint:
        """That file, for a training of these settings on these data alone."""
        return Checkpoint(self.checkpoint_file, self.origin())

    def origin(self) -> dict[str, Any]:
        """Everything that the weights depend on, by dotted name. The number of workers is not of it."""
        settings = self.reward.model_dump(mode="json", include={"predictor", "fit"})
        settings["distance"] = distance_origin(self.distance, FileHashes(self.run_folder / "hashes.json"))
        settings["fit"] = {name: value for name, value in settings["fit"].items() if name not in _WITHOUT_EFFECT}
        records = [read_latents_record(folder) for folder in self.latents]
        data = [f"{record.dataset_sha256} {record.vae_sha256} {record.image_size}" for record in records]
        return {**flatten(settings), "seed": self.seed, "latents": data}


class FitOutcome(BaseModel):
    """What became of a training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    updates: int
    stopped_early: bool
    best_update: int | None
    samples: int
    held_out_samples: int
    perceptual_distance: str | None
    validation: dict[str, float]


def run_fit(
    task: FitTask, on_update: OnUpdate | None = None, share: DataParallel = ALONE, device: torch.device | None = None
) -> FitOutcome:
    """Train to the end and publish predictor and outcome in the run folder; goes on from a checkpoint found there.

    Every process of ``share`` calls this; the first writes, and calls ``on_update``.

    Raises InputError if the latents do not fit, or a checkpoint was made under other settings or from other data.
    """
    settings, checkpoint = task.reward.fit, task.checkpoint()
    device = device or torch.device("cpu")
    data = read_latents(task.latents, task.reward.i2mv, task.seed)
    distance = SkeletonDistance(task.distance)
    fit = predictor_fit(
        data, task.reward.predictor, distance, settings, task.seed, share=share, device=device, checkpoint=checkpoint
    )
    _, held_out = data.hold_out(settings.validation_samples)
    if share.rank == 0:
        run = Run(task.run_folder, "fit_reward", start_step=fit.updates_done)
        if fit.validation:
            overlays = Overlays(held_out, load_vae(task.reward.i2mv).eval().requires_grad_(False).to(device))

    def report(update: int, metrics: Mapping[str, float]) -> None:
        if "validation_pose_score" in metrics:
            overlays.draw(fit.average, task.overlay_file(update + 1))
        run.log_metrics(update, metrics)
        if on_update is not None:
            on_update(update, metrics)

    predictor = fit.run(report)
    outcome = FitOutcome(
        updates=fit.updates_done,
        stopped_early=fit.stopped_early,
        best_update=fit.validation.best_update if fit.validation else None,
        samples=len(data),
        held_out_samples=len(held_out),
        perceptual_distance=distance.perceptual.name if distance.perceptual else None,
        validation=fit.validation.measured if fit.validation else {},
    )
    if share.rank == 0:
        predictor.save(task.predictor_file)
        write_json(task.outcome_file, outcome.model_dump(mode="json"))
        checkpoint.remove()
    return outcome
