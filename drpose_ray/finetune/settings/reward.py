"""Settings of the reward that a model is trained on (``batch_reward``, ``remote_reward``)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config
from drpose_ray.reward.config import RewardTermConfig


class FinetuneRewardConfig(Config):
    """PoseScore (Eq. 1), or a sum of terms."""

    predictor: Path = Field(
        Path("weights/small/predictor.safetensors"), description="Weights of PoseScore's skeleton predictor."
    )
    terms: tuple[RewardTermConfig, ...] = Field(
        (),
        description="Terms whose weighted sum is the reward (ours); none means the paper's, PoseScore with weight 1.",
    )
    actor_gpus: float | None = Field(
        None,
        ge=0,
        description="GPUs of a process of its own for the reward beside each worker, to which only x0 and its gradient "
        "travel; null computes the reward in the worker.",
    )

    @model_validator(mode="after")
    def _check(self) -> FinetuneRewardConfig:
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise InputError(
                "two terms of the reward have one name", field="terms", value=names,
                remedy="name them apart: each is logged under its name",
            )  # fmt: skip
        return self
