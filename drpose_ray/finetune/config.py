"""Settings of DrPose post-training, under the names and with the values of the paper where it gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.config import Config
from drpose_ray.diffusion.config import Precision
from drpose_ray.errors import InputError, missing_weights
from drpose_ray.finetune.plan import PlanVariant, check_plan
from drpose_ray.reward.config import RewardTermConfig
from drpose_ray.shards.record import CorruptedPolicy

Trained = Literal["full", "lora"]
Reference = Literal["resident", "offloaded", "sharded", "adapter_off"]


class FinetuneConfig(Config):
    """Algorithm 1, its optimiser, and how it is spread over workers. Defaults: Sec. 4.1, else docs/assumptions.md."""

    name: str = Field(
        "drpose", pattern=r"[A-Za-z0-9_-]+", description="of the arm, e.g. drpose_no_kl; names its folder"
    )
    base: Path = Field(
        Path("weights/small/i2mv"), description="model folder to post-train: PSHuman's, Era3D's or the small one"
    )
    text_embeddings: Path | None = Field(
        None, description="folder of normal_embeds.pt and clr_embeds.pt, where the model folder has none"
    )
    predictor: Path = Field(Path("weights/small/predictor.safetensors"), description="skeleton predictor of the reward")
    rewards: tuple[RewardTermConfig, ...] = Field(
        (),
        description="terms whose weighted sum is the reward (ours). By default none, which is the paper's: PoseScore "
        "with finetune.predictor, weight 1",
    )
    dataset: Path | None = Field(None, description="shards of (image, pose) pairs; by default the run's train shards")
    corrupted_shards: CorruptedPolicy = Field(
        "raise",
        description="what becomes of training shards that are missing, altered or cannot be decoded. raise: the run "
        "ends; skip: it says so, and other shards take their place",
    )
    shard_cache: Path | None = Field(
        None, description="folder for shards fetched from S3, shared by a node's workers; by default a temporary one"
    )
    shard_cache_gib: float = Field(20.0, gt=0, description="how much that folder may hold")

    conditions: Path | None = Field(
        None, description="the dataset's conditions (jobs/encode_conditions.py); training then loads no VAE or encoder"
    )

    num_sampling_steps: int = Field(20, ge=1, description="T, DDIM steps of a rollout (notes)")
    num_train_steps: int = Field(2, description="K, steps drawn for training (notes)")
    max_early_stop: int = Field(8, description="m, largest step at which a rollout may stop (notes)")
    plan_variant: PlanVariant = Field(
        "literal",
        description="literal: Algorithm 1's draws, some of which train fewer than K steps; in_prefix: always K",
    )
    stops_per_rollout: int = Field(
        1,
        ge=1,
        description="stops drawn per iteration: more reward gradients for the same denoiser calls (ours; paper: 1)",
    )
    eta: float = Field(0.0, ge=0, le=1, description="noise of the DDIM rollout, 0 deterministic (assumed)")
    kl_weight: float = Field(0.01, ge=0, description="w_KL of Eq. 2; 0 drops the initial model (notes)")

    learning_rate: float = Field(1e-5, gt=0, description="AdamW (assumed)")
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW (assumed)")
    weight_decay: float = Field(0.01, ge=0, description="AdamW (assumed)")
    max_grad_norm: float = Field(1.0, gt=0, description="clipping of the whole gradient's norm (assumed)")
    spike_factor: float = Field(
        10.0,
        gt=0,
        description="skip a micro-batch whose reward is so many robust deviations below the recent (assumed)",
    )
    warmup_iterations: int = Field(0, ge=0, description="linear rise of the learning rate (assumed)")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        "constant", description="cosine: falls to 0 at num_iterations (assumed)"
    )

    batch_size: int = Field(2, ge=1, description="objects per micro-step over all workers (paper)")
    gradient_accumulation: int = Field(2, ge=1, description="micro-steps per optimiser step (paper)")
    num_iterations: int = Field(18_000, ge=1, description="optimiser steps (paper; that it counts these is assumed)")
    held_out: Path | None = Field(
        None, description="shards of pairs that are not trained on; their reward and images are watched (assumed: none)"
    )
    held_out_every: int = Field(500, ge=1, description="iterations between looks at the held-out pairs")
    num_held_out: int = Field(8, ge=2, description="held-out pairs over all workers, at least two each")
    checkpoint_every: int = Field(500, ge=1, description="iterations between checkpoints, from all workers")
    num_workers: int = Field(1, ge=1, description="data-parallel processes (paper: one GPU)")
    zero_stage: int = Field(2, ge=1, le=3, description="DeepSpeed ZeRO stage")

    trained: Trained = Field(
        "full", description="full: all weights of the U-Net; lora: low-rank additions to attention"
    )
    lora_rank: int = Field(16, ge=1, description="rank of the additions (assumed)")
    reference: Reference = Field(
        "resident",
        description="where the initial model of the KL term is kept. resident: beside the trained one; offloaded: in "
        "host memory, streamed block by block; sharded: over the workers' memory (ZeRO-3); adapter_off: nowhere, it is "
        "the trained model without its LoRA",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of weights and activations; optimiser and sampler stay in float32"
    )
    block_checkpointing: bool = Field(
        False, description="recompute each block in the backward pass: a fifth of the activations, a third more time"
    )
    objects_per_replay: int | None = Field(
        None,
        ge=1,
        description="objects in one replayed call, by default all of a worker's; exact, as objects do not mix",
    )
    offload_optimizer: bool = Field(False, description="optimiser state in host memory (ZeRO 1 to 3)")
    offload_parameters: bool = Field(False, description="weights in host memory between uses (ZeRO 3)")
    rollout_actors: int = Field(
        0,
        ge=0,
        description="processes of their own for the rollouts, a multiple of num_workers; 0 rolls out in the worker",
    )
    gpus_per_rollout_actor: float = Field(0, ge=0, description="GPUs of such a process")
    rollout_staleness: int = Field(
        0,
        ge=0,
        le=1,
        description="1 rolls the next iteration out while this one trains, with weights one step old (not exact)",
    )
    remote_reward: bool = Field(
        False, description="the reward in a process of its own for each worker: only x0 and its gradient travel"
    )
    gpus_per_reward_actor: float = Field(0, ge=0, description="GPUs of such a process")
    compile_rollout: bool = Field(False, description="torch.compile the denoiser for the rollout; needs a compiler")
    export_precision: Precision = Field(
        "float16", description="of the exported U-Net; float16 is what PSHuman and Era3D store"
    )
    ema_decay: float | None = Field(
        None, ge=0, lt=1, description="keep a moving average of the trained weights and export it (assumed: none)"
    )
    max_worker_failures: int = Field(3, ge=0, description="restarts from the last checkpoint before giving up")

    @model_validator(mode="after")
    def _check(self) -> FinetuneConfig:
        check_plan(self.num_sampling_steps, self.num_train_steps, self.max_early_stop, self.plan_variant)
        if self.stops_per_rollout > self.max_early_stop:
            raise InputError(
                "more stops than there are steps to stop at", field="stops_per_rollout", value=self.stops_per_rollout,
                remedy=f"choose 1 to max_early_stop = {self.max_early_stop}",
            )  # fmt: skip
        names = [term.name for term in self.rewards]
        if len(set(names)) < len(names):
            raise InputError(
                "two terms of the reward have one name", field="rewards", value=names,
                remedy="name them apart: each is logged under its name",
            )  # fmt: skip
        if self.batch_size % self.num_workers:
            raise InputError(
                f"the batch does not divide over {self.num_workers} workers",
                field="batch_size",
                value=self.batch_size,
                remedy=f"choose a multiple of num_workers = {self.num_workers}",
            )
        if self.rollout_actors % self.num_workers:
            raise InputError(
                f"the rollout actors do not divide over {self.num_workers} workers", field="rollout_actors",
                value=self.rollout_actors, remedy="choose a multiple of num_workers, or 0",
            )  # fmt: skip
        if self.rollout_staleness and not self.rollout_actors:
            raise InputError(
                "a worker cannot roll out and train at once", field="rollout_staleness", value=self.rollout_staleness,
                remedy="give it rollout_actors",
            )  # fmt: skip
        if self.held_out and (self.num_held_out % self.num_workers or self.num_held_out < 2 * self.num_workers):
            raise InputError(
                f"the held-out pairs do not divide over {self.num_workers} workers, two or more each",
                field="num_held_out", value=self.num_held_out, remedy="choose a multiple of num_workers from 2 each on",
            )  # fmt: skip
        if self.reference == "adapter_off" and self.trained != "lora":
            raise InputError(
                "without an adapter there is nothing to switch off", field="reference", value=self.reference,
                remedy="use trained: lora, or another reference",
            )  # fmt: skip
        if self.offload_parameters and self.zero_stage != 3:
            raise InputError(
                "only ZeRO 3 can keep weights elsewhere between uses", field="offload_parameters", value=True,
                remedy=f"use zero_stage: 3 instead of {self.zero_stage}",
            )  # fmt: skip
        return self

    def check_files(self) -> None:
        """Raises InputError if the model or a part of the reward is missing; workers would take minutes to find out."""
        files = [("base", self.base / "model_index.json")]
        if not self.rewards or any(term.function is None and not term.predictors for term in self.rewards):
            files.append(("predictor", self.predictor))
        files += [(f"rewards ({term.name})", path) for term in self.rewards for path in term.predictors]
        for field, path in files:
            if not path.is_file():
                raise InputError("no such file", file=path, field=f"finetune.{field}", remedy=missing_weights(path))
        from drpose_ray.reward.user_reward import import_reward  # loads torch

        for term in self.rewards:
            if term.function is not None:
                import_reward(term.function)

    @property
    def num_processes(self) -> int:
        """Workers, rollout actors and reward actors: each takes a CPU."""
        return self.num_workers * (2 if self.remote_reward else 1) + self.rollout_actors

    @property
    def batch_size_per_worker(self) -> int:
        """Objects per worker and micro-step."""
        return self.batch_size // self.num_workers
