"""Settings of the model that is trained, of its checkpoints and of the folder that a run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from drpose_ray.core.settings.config import Config
from drpose_ray.diffusion.config import Precision


class ModelConfig(Config):
    """What is trained."""

    base: Path = Field(
        Path("weights/small/i2mv"),
        description="Folder of the model to train: PSHuman's, Era3D's or the small one.",
    )
    text_embeddings: Path | None = Field(
        None, description="Folder of normal_embeds.pt and clr_embeds.pt, where the model folder has none."
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        description="Rank of low-rank additions to attention (LoRA), which are then trained in place of the U-Net's "
        "weights; null trains all weights, as the paper does.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Precision of weights and activations; optimiser and sampler stay in float32."
    )


class CheckpointConfig(Config):
    """What a run that is stopped goes on from."""

    every: int = Field(500, ge=1, description="Number of iterations between checkpoints, from all workers.")
    max_worker_failures: int = Field(
        3, ge=0, description="Number of restarts from the last checkpoint before the run gives up."
    )


class FinetuneExportConfig(Config):
    """The model folder that a run leaves."""

    precision: Precision = Field(
        "float16", description="Precision of the exported U-Net; float16 is what PSHuman and Era3D store."
    )
    ema_decay: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Decay of a moving average of the trained weights, which is then exported in their place (assumed: "
        "none).",
    )
