"""Measuring one model on the validation poses, by the same judges as the final judgement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.diffusion.published.layout import load_i2mv
from drpose_ray.evaluation.config import EvaluateConfig
from drpose_ray.evaluation.evaluate_model import METRICS
from drpose_ray.evaluation.evaluators import Evaluators
from drpose_ray.evaluation.generate import generate_latents
from drpose_ray.evaluation.pose_sets import read_pose_set
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.origin import distance_origin


@dataclass(frozen=True)
class ValidationEvaluator:
    """What to judge with. Picklable: the networks are read where it is called."""

    poses: Path  # six-view shards
    predictor: Path
    distance: DistanceConfig
    settings: EvaluateConfig
    seed: int
    device: str  # "cpu" or "cuda"

    def origin(self) -> dict[str, Any]:
        """What its measurements depend on, by content. Raises InputError if a file is missing."""
        hashes = FileHashes()
        return {
            "poses": manifest_sha256(self.poses),
            "predictor": hashes.of_file(self.predictor, "finetune.reward.predictor"),
            "estimator": hashes.of_file(self.settings.estimator, "evaluate.estimator"),
            **{f"distance.{name}": value for name, value in distance_origin(self.distance, hashes).items()},
            "num_sampling_steps": self.settings.num_sampling_steps,
            "seed": self.seed,
        }

    def __call__(self, model_folder: Path) -> dict[str, float]:
        """Means over the validation poses, by metric key. Raises InputError if a file is missing or does not fit."""
        device = torch.device(self.device)
        evaluators = Evaluators(self.predictor, self.distance, self.settings.estimator, device)
        poses = read_pose_set(self.poses, "validation", evaluators.map_size)
        model = load_i2mv(model_folder).to(device)
        latents = generate_latents(
            model,
            poses,
            num_sampling_steps=self.settings.num_sampling_steps,
            batch_size=self.settings.batch_size,
            seed=self.seed,
        )
        table = evaluators.evaluate(model_folder.name, model, latents, poses)
        return {metric.key: table.mean(metric.key) for metric in METRICS}
