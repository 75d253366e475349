"""Settings of the optimiser: how many steps, of which batches and of which size (``engine``, ``step``, ``guard``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drpose_ray.core.settings.config import Config


class OptimizerConfig(Config):
    """AdamW and the batches that it steps on."""

    num_iterations: int = Field(
        18_000, ge=1, description="Number of optimiser steps (paper; that it counts these is assumed)."
    )
    batch_size: int = Field(2, ge=1, description="Number of objects per micro-step, of all workers together (paper).")
    gradient_accumulation: int = Field(2, ge=1, description="Number of micro-steps per optimiser step (paper).")
    learning_rate: float = Field(1e-5, gt=0, description="Learning rate of AdamW after warm-up (assumed).")
    schedule: Literal["constant", "cosine"] = Field(
        "constant",
        description="Course of the learning rate after warm-up; cosine falls to 0 at the last iteration (assumed).",
    )
    warmup_iterations: int = Field(
        0, ge=0, description="Number of iterations in which the learning rate rises linearly (assumed)."
    )
    betas: tuple[float, float] = Field((0.9, 0.999), description="Decay rates of AdamW's two moments (assumed).")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW (assumed).")
    max_grad_norm: float = Field(1.0, gt=0, description="Norm to which the whole gradient is clipped (assumed).")
    spike_factor: float = Field(
        10.0,
        gt=0,
        description="A micro-batch is skipped whose reward is so many robust deviations below the recent ones "
        "(assumed).",
    )
