"""A model of two convolutions, a reward that is a distance, and a dataset of flat images: a run takes seconds."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.datasets.identity import DatasetIdentity, GeneratorIdentity, Segment
from drpose_ray.datasets.manifest import complete_dataset, open_dataset
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.datasets.record import INPUT_IMAGE, FrameStatus, Licence, Provenance, SequenceCamera, SequenceRecord
from drpose_ray.datasets.shards.write import write_shard
from drpose_ray.diffusion.ddim import DdimSampler
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.finetune.batch_reward import BatchReward
from drpose_ray.finetune.distributed.loaders import Loaders
from drpose_ray.finetune.models import TrainingModels
from drpose_ray.finetune.rollout import Roller
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.rewards import WeightedSum
from tests.finetune.settings import finetune_config

DOMAINS, VIEWS, SIDE = 2, 3, 4


def tiny_config(changes: Mapping[str, object] | None = None) -> FinetuneConfig:
    settings: dict[str, object] = {
        "algorithm.num_sampling_steps": 4,
        "algorithm.num_train_steps": 2,
        "algorithm.max_early_stop": 2,
        "algorithm.kl_weight": 0.1,
        "optimizer.learning_rate": 1e-2,
        "optimizer.batch_size": 4,
        "optimizer.gradient_accumulation": 2,
        "optimizer.num_iterations": 6,
        "checkpoint.every": 2,
        "parallel.num_workers": 2,
    }
    return finetune_config({**settings, **(changes or {})})


def tiny_models(config: FinetuneConfig, device: torch.device, nap_seconds: float = 0.0) -> TrainingModels:
    """Models with the same weights wherever they are built; a nap makes iterations long enough to be killed in."""

    def encode_condition(batch: PosedPeople) -> torch.Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(batch.input_images, SIDE).mean(1)
        return pooled[:, None, None].to(device)

    def pose_score(x0: torch.Tensor, batch: PosedPeople) -> torch.Tensor:
        time.sleep(nap_seconds)
        target = batch.joints.mean((1, 2)).to(device)
        return -(x0 - target[None, :, None, None, None, None]).square().mean((0, 2, 3, 4, 5))

    def export(weights: dict[str, torch.Tensor], folder: Path, iterations: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(f"after {iterations} iterations")
        save_file(weights, folder / "weights.safetensors")

    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser, frozen = TinyDenoiser(), TinyDenoiser()
    frozen.load_state_dict(denoiser.state_dict())
    schedule = NoiseSchedule.from_config({"prediction_type": "v_prediction", "clip_sample": False})
    return TrainingModels(
        denoiser=denoiser.to(device),
        frozen_denoiser=frozen.requires_grad_(False).to(device),
        encode_condition=encode_condition,
        encode_images=encode_condition,
        pose_score=pose_score,
        sampler=DdimSampler(schedule, config.algorithm.num_sampling_steps, config.algorithm.eta),
        latent_shape=(DOMAINS, VIEWS, 4, SIDE, SIDE),
        device=device,
        decode=lambda latents: latents[..., :3, :, :].sigmoid(),
        export=export,
    )


@dataclass(frozen=True)
class TinyLoaders(Loaders):
    """Of ``tiny_models``, in every process of a run."""

    distance: DistanceConfig = field(default_factory=DistanceConfig)
    seed: int = 0
    nap_seconds: float = 0.0
    full_disk: Path | None = None  # while this file is there, no file grows beyond 1 KiB after three iterations

    def origin(self, config: FinetuneConfig, hashes: FileHashes) -> dict[str, Any]:  # noqa: ARG002 - nothing is loaded
        return {"distance.bce_weight": self.distance.bce_weight}

    def models(self, config: FinetuneConfig, device: torch.device) -> TrainingModels:
        models = tiny_models(config, device, self.nap_seconds)
        if self.full_disk is None:
            return models
        full_disk, calls = self.full_disk, itertools.count()

        def pose_score(x0: torch.Tensor, batch: PosedPeople) -> torch.Tensor:
            if next(calls) >= 3 * config.optimizer.gradient_accumulation and full_disk.exists():
                resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
            return models.pose_score(x0, batch)

        return replace(models, pose_score=pose_score)

    def roller(self, config: FinetuneConfig, device: torch.device) -> Roller:
        models = tiny_models(config, device)
        return Roller(models.denoiser.requires_grad_(False), models.sampler, models.latent_shape, device)

    def reward(self, config: FinetuneConfig, device: torch.device) -> BatchReward:
        return tiny_models(config, device).pose_score


@dataclass(frozen=True)
class TermedLoaders(TinyLoaders):
    """The same run with its reward as the sum of two terms."""

    def models(self, config: FinetuneConfig, device: torch.device) -> TrainingModels:
        return replace(super().models(config, device), pose_score=self.reward(config, device))

    def reward(self, config: FinetuneConfig, device: torch.device) -> BatchReward:
        reward = super().reward(config, device)
        return WeightedSum(
            {"three": lambda x0, batch: 3 * reward(x0, batch), "one": reward}, {"three": 0.5, "one": -0.5}
        )


class TinyDenoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 4, 3, padding=1))

    def forward(self, latents: torch.Tensor, timestep: int, condition: torch.Tensor) -> torch.Tensor:
        stacked = torch.cat([latents, condition.expand_as(latents)], 3).flatten(0, 2)
        return (1 + timestep / 1000) * self.layers(stacked).unflatten(0, latents.shape[:3])


def write_tiny_dataset(folder: Path, shards: int = 3, frames: int = 5, azimuth_deg: float = 0.0) -> Path:
    """``shards`` shards of one sequence; each image is flat and each pose random."""
    identity = DatasetIdentity(
        generators=(GeneratorIdentity(name="flat", settings_sha256="0", body_sha256="0", share=1),),
        sequences_per_shard=1,
        segments=(Segment(sequences=shards, frames=shards * frames, selection_sha256="0"),),
    )
    folder.mkdir(parents=True, exist_ok=True)
    open_dataset(folder, identity)
    for shard in range(shards):
        rng = np.random.default_rng(shard)
        record = SequenceRecord(
            key=f"person{shard}",
            images={INPUT_IMAGE: np.broadcast_to(rng.integers(0, 255, (frames, 1, 1, 4), np.uint8), (frames, 8, 8, 4))},
            motion=np.zeros((frames, 322), np.float32),
            joints_world=rng.normal(size=(frames, 23, 3)).astype(np.float32),
            camera=SequenceCamera(
                center_world=((0.1, 0.9, -0.2),) * frames, width_m=(2.0,) * frames, azimuth_deg=azimuth_deg
            ),
            provenance=Provenance(
                source="test",
                clip="test",
                frames=tuple(range(frames)),
                rank=shard,
                fps=30,
                generator="flat",
                generator_settings_sha256="0",
                body_sha256="0",
                person_seed=shard,
            ),
            licence=Licence(motion="CC0-1.0", body="CC0-1.0", image="CC0-1.0"),
            status=(FrameStatus(),) * frames,
        )
        write_shard(folder, shard, [record])
    complete_dataset(folder, identity)
    return folder
