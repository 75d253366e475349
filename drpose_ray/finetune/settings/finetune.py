"""Settings of DrPose post-training, each group beside its owner, with the values of the paper where it gives them."""

from __future__ import annotations

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError, missing_weights
from drpose_ray.core.settings.config import Config
from drpose_ray.finetune.settings.algorithm import AlgorithmConfig
from drpose_ray.finetune.settings.data import DataConfig, HeldOutConfig
from drpose_ray.finetune.settings.model import CheckpointConfig, FinetuneExportConfig, ModelConfig
from drpose_ray.finetune.settings.optimizer import OptimizerConfig
from drpose_ray.finetune.settings.parallel import ParallelConfig
from drpose_ray.finetune.settings.reward import FinetuneRewardConfig
from drpose_ray.finetune.settings.rollout import RolloutConfig


class FinetuneConfig(Config):
    """The ``finetune:`` section. Defaults: Sec. 4.1, else docs/assumptions.md."""

    COMMON = (
        "model.base",
        "reward.predictor",
        "data.dataset",
        "optimizer.num_iterations",
        "algorithm.kl_weight",
        "optimizer.learning_rate",
        "parallel.num_workers",
    )

    name: str = Field(
        "drpose", pattern=r"[A-Za-z0-9_-]+", description="Name of the arm, e.g. drpose_no_kl, and of its folder."
    )
    model: ModelConfig = Field(ModelConfig(), description="What is trained.")
    reward: FinetuneRewardConfig = Field(FinetuneRewardConfig(), description="What it is trained on.")
    data: DataConfig = Field(DataConfig(), description="Pairs of an image and a pose.")
    algorithm: AlgorithmConfig = Field(AlgorithmConfig(), description="Algorithm 1.")
    optimizer: OptimizerConfig = Field(OptimizerConfig(), description="AdamW and its batches.")
    rollout: RolloutConfig = Field(RolloutConfig(), description="Where rollouts are made.")
    parallel: ParallelConfig = Field(ParallelConfig(), description="How the training is spread.")
    held_out: HeldOutConfig | None = Field(
        None, description="Pairs that are not trained on, whose reward and pictures are watched; null: none (assumed)."
    )
    checkpoint: CheckpointConfig = Field(CheckpointConfig(), description="What a stopped run goes on from.")
    export: FinetuneExportConfig = Field(FinetuneExportConfig(), description="The model folder that the run leaves.")

    @model_validator(mode="after")
    def _check(self) -> FinetuneConfig:
        workers = self.parallel.num_workers
        if self.optimizer.batch_size % workers:
            raise InputError(
                f"the batch does not divide over {workers} workers", field="optimizer.batch_size",
                value=self.optimizer.batch_size, remedy=f"choose a multiple of parallel.num_workers = {workers}",
            )  # fmt: skip
        if self.rollout.actors and self.rollout.actors.num % workers:
            raise InputError(
                f"the rollout actors do not divide over {workers} workers", field="rollout.actors.num",
                value=self.rollout.actors.num, remedy="choose a multiple of parallel.num_workers",
            )  # fmt: skip
        if self.held_out and (self.held_out.num % workers or self.held_out.num < 2 * workers):
            raise InputError(
                f"the held-out pairs do not divide over {workers} workers, two or more each", field="held_out.num",
                value=self.held_out.num, remedy="choose a multiple of parallel.num_workers from 2 each on",
            )  # fmt: skip
        if self.parallel.reference == "adapter_off" and self.model.lora_rank is None:
            raise InputError(
                "without an adapter there is nothing to switch off", field="parallel.reference", value="adapter_off",
                remedy="give model.lora_rank, or another reference",
            )  # fmt: skip
        return self

    def check_files(self) -> None:
        """Raises InputError if the model or a part of the reward is missing; workers would take minutes to find out."""
        terms = self.reward.terms
        files = [("model.base", self.model.base / "model_index.json")]
        if not terms or any(term.function is None and not term.predictors for term in terms):
            files.append(("reward.predictor", self.reward.predictor))
        files += [(f"reward.terms ({term.name})", path) for term in terms for path in term.predictors]
        for field, path in files:
            if not path.is_file():
                raise InputError("no such file", file=path, field=f"finetune.{field}", remedy=missing_weights(path))
        from drpose_ray.reward.user_reward import import_reward  # loads torch

        for term in terms:
            if term.function is not None:
                import_reward(term.function)

    @property
    def num_processes(self) -> int:
        """Workers, rollout actors and reward actors: each takes a CPU."""
        rewards = 0 if self.reward.actor_gpus is None else self.parallel.num_workers
        return self.parallel.num_workers + rewards + (self.rollout.actors.num if self.rollout.actors else 0)

    @property
    def gpus_of_actors(self) -> float:
        """GPUs that rollout and reward actors take beside the workers'."""
        actors = self.rollout.actors
        rollouts = actors.num * actors.gpus if actors else 0
        return rollouts + self.parallel.num_workers * (self.reward.actor_gpus or 0)

    @property
    def batch_size_per_worker(self) -> int:
        """Objects per worker and micro-step."""
        return self.optimizer.batch_size // self.parallel.num_workers
