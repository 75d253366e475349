"""What the processes of a run load: trainers their models, rollout actors the denoiser, reward actors the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig

if TYPE_CHECKING:  # a job that only starts workers need not pay for diffusers
    from drpose_ray.finetune.batch_reward import BatchReward
    from drpose_ray.finetune.models import TrainingModels
    from drpose_ray.finetune.rollout import Roller


@dataclass(frozen=True)
class Loaders:
    """The published model folders and PoseScore. Picklable; each method runs in the process that needs the result."""

    distance: DistanceConfig
    seed: int  # LoRA's first weights are drawn from it

    def origin(self, config: FinetuneConfig, hashes: FileHashes) -> dict[str, Any]:
        """In the driver: the content of all that the others load."""
        from drpose_ray.finetune.distributed.origin import loaded_origin

        return loaded_origin(config, self.distance, hashes)

    def models(self, config: FinetuneConfig, device: torch.device) -> TrainingModels:
        """Once in every trainer."""
        from drpose_ray.finetune.models import load_models

        return load_models(config, self.distance, device, self.seed)

    def roller(self, config: FinetuneConfig, device: torch.device) -> Roller:
        """Once in every rollout actor."""
        from drpose_ray.finetune.models import load_roller

        return load_roller(self.seed, config, device)

    def reward(self, config: FinetuneConfig, device: torch.device) -> BatchReward:
        """Once in every reward actor."""
        from drpose_ray.finetune.batch_reward import load_batch_reward

        return load_batch_reward(config, self.distance, device)
