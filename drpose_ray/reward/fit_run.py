"""A training of the predictor with a run folder: metrics, overlays, a checkpoint to resume from, and the result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict

from drpose_ray.diffusion.layout import load_vae
from drpose_ray.dotted import flatten
from drpose_ray.latents.store import read_latents_record
from drpose_ray.origin import FileHashes, say_resuming
from drpose_ray.publish import write_json
from drpose_ray.reward.config import PREDICTOR_FILE, DistanceConfig, RewardConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit_checkpoint import restore_checkpoint, save_checkpoint
from drpose_ray.reward.fit_predictor import OnStep, PredictorFit
from drpose_ray.reward.latent_poses import read_latents
from drpose_ray.reward.origin import distance_origin
from drpose_ray.reward.overlays import Overlays
from drpose_ray.reward.share import ALONE, Share
from drpose_ray.runs import Run

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
    task: FitTask, on_step: OnStep | None = None, share: Share = ALONE, device: torch.device | None = None
) -> FitOutcome:
    """Train to the end and publish predictor and outcome in the run folder; goes on from a checkpoint found there.

    Every process of ``share`` calls this; the first writes, and calls ``on_step`` as ``fit_predictor`` does.

    Raises InputError if the latents do not fit, or a checkpoint was made under other settings or from other data.
    """
    settings = task.reward.fit
    device = device or torch.device("cpu")
    data = read_latents(task.latents, task.reward.i2mv, task.seed)
    distance = SkeletonDistance(task.distance)
    fit = PredictorFit(data, task.reward.predictor, distance, settings, task.seed, share, device)
    origin = task.origin()
    restore_checkpoint(task.checkpoint_file, fit, origin)
    leads = share.rank == 0
    if share.size == 1:  # of workers, the driver tells
        say_resuming("update", fit.updates_done, settings.updates)
    run = Run(task.run_folder, "fit_reward", start_step=fit.updates_done) if leads else None
    overlays = None
    if leads and len(fit.held_out):
        overlays = Overlays(fit.held_out, load_vae(task.reward.i2mv).eval().requires_grad_(False).to(device))
    while not fit.finished:
        step, began = fit.updates_done, time.monotonic()
        metrics = fit.step()
        if run is None:
            continue
        metrics["seconds"] = time.monotonic() - began
        if overlays and "validation_pose_score" in metrics:
            overlays.draw(fit.average, task.overlay_file(fit.updates_done))
        run.log_metrics(step, metrics)
        if on_step is not None:
            on_step(step, metrics)
        if fit.updates_done % settings.checkpoint_every == 0 and not fit.finished:
            save_checkpoint(task.checkpoint_file, fit, origin)
    outcome = FitOutcome(
        updates=fit.updates_done,
        stopped_early=fit.stopped_early,
        best_update=fit.best_update,
        samples=len(data),
        held_out_samples=len(fit.held_out),
        perceptual_distance=distance.perceptual.name if distance.perceptual else None,
        validation=fit.validation,
    )
    if leads:
        fit.result().save(task.predictor_file)
        write_json(task.outcome_file, outcome.model_dump(mode="json"))
        task.checkpoint_file.unlink(missing_ok=True)
    return outcome
