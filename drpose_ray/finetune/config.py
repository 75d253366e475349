"""Settings of DrPose post-training, under the names and with the values of the paper where it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.config import Config
from drpose_ray.errors import InputError
from drpose_ray.finetune.plan import PlanVariant, check_plan


class FinetuneConfig(Config):
    """Algorithm 1, its optimiser, and how it is spread over workers. Defaults: Sec. 4.1, else docs/assumptions.md."""

    name: str = Field(
        "drpose", pattern=r"[A-Za-z0-9_-]+", description="of the arm, e.g. drpose_no_kl; names its folder"
    )
    base: Path = Field(Path("weights/small/i2mv"), description="folder of the model to post-train")
    predictor: Path = Field(Path("weights/small/predictor.safetensors"), description="skeleton predictor of the reward")
    dataset: Path | None = Field(None, description="shards of (image, pose) pairs; by default the run's train shards")

    num_sampling_steps: int = Field(20, ge=1, description="T, DDIM steps of a rollout (notes)")
    num_train_steps: int = Field(2, description="K, steps drawn for training (notes)")
    max_early_stop: int = Field(8, description="m, largest step at which a rollout may stop (notes)")
    plan_variant: PlanVariant = Field(
        "literal",
        description="literal: Algorithm 1's draws, some of which train fewer than K steps; in_prefix: always K",
    )
    eta: float = Field(0.0, ge=0, le=1, description="noise of the DDIM rollout, 0 deterministic (assumed)")
    kl_weight: float = Field(0.01, ge=0, description="w_KL of Eq. 2; 0 drops the initial model (notes)")

    learning_rate: float = Field(1e-5, gt=0, description="AdamW (assumed)")
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW (assumed)")
    weight_decay: float = Field(0.01, ge=0, description="AdamW (assumed)")
    max_grad_norm: float = Field(1.0, gt=0, description="clipping of the whole gradient's norm (assumed)")
    warmup_iterations: int = Field(0, ge=0, description="linear rise of the learning rate (assumed)")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        "constant", description="cosine: falls to 0 at num_iterations (assumed)"
    )

    batch_size: int = Field(2, ge=1, description="objects per micro-step over all workers (paper)")
    gradient_accumulation: int = Field(2, ge=1, description="micro-steps per optimiser step (paper)")
    num_iterations: int = Field(18_000, ge=1, description="optimiser steps (paper; that it counts these is assumed)")
    checkpoint_every: int = Field(500, ge=1, description="iterations between checkpoints, from all workers")
    num_workers: int = Field(1, ge=1, description="data-parallel processes (paper: one GPU)")
    zero_stage: Literal[1, 2, 3] = Field(2, description="DeepSpeed ZeRO stage")
    max_worker_failures: int = Field(3, ge=0, description="restarts from the last checkpoint before giving up")

    @model_validator(mode="after")
    def _check(self) -> FinetuneConfig:
        check_plan(self.num_sampling_steps, self.num_train_steps, self.max_early_stop, self.plan_variant)
        if self.batch_size % self.num_workers:
            raise InputError(
                f"the batch does not divide over {self.num_workers} workers",
                field="batch_size",
                value=self.batch_size,
                remedy=f"choose a multiple of num_workers = {self.num_workers}",
            )
        return self

    def check_files(self) -> None:
        """Raises InputError if the model or the predictor is missing; workers would take minutes to find out."""
        for field, path in (("base", self.base / "i2mv.json"), ("predictor", self.predictor)):
            if not path.is_file():
                raise InputError(
                    "no such file", file=path, field=f"finetune.{field}", remedy="make weights, or name existing ones"
                )

    @property
    def batch_size_per_worker(self) -> int:
        """Objects per worker and micro-step."""
        return self.batch_size // self.num_workers
