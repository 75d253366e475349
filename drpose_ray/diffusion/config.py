"""Settings of the I2MV model's own training (the paper starts from published weights instead)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from drpose_ray.core.training.schedule import Schedule
from drpose_ray.core.training.settings import FitSettings

Precision = Literal["float32", "float16", "bfloat16"]
"""Of a model's weights, as torch names it."""


class VaeFitConfig(FitSettings):
    """Training of the small VAE."""

    updates: int = Field(5000, gt=0, description="Number of optimiser updates.")
    warmup_updates: int = Field(49, ge=0, description="Number of updates of linear warm-up.")
    cosine_tail: float = Field(0.7, gt=0, le=1, description="Share of the updates in which the rate falls, to 2 %.")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="Decay of the weight average; 0 is the last weights.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    batch_size: int = Field(6, gt=0, description="Images per update; small batches learn faster per second on a CPU.")
    crop_share: float = Field(0.6, ge=0, le=1, description="Share of the updates that see only the central columns.")
    kl_weight: float = Field(1e-3, ge=0, description="Weight of the KL divergence per element of the latent.")

    def schedule(self) -> Schedule:
        """Falls one update later than others do."""
        schedule = super().schedule()
        return replace(schedule, fall_from=schedule.fall_from + 1)


class BaseFitConfig(FitSettings):
    """Training of the small U-Net and image encoder as docs/facts/i2mv.md, 4 and docs/facts/small_scale.md, 7 say."""

    updates: int = Field(9000, gt=0, description="Number of optimiser updates.")
    learning_rate: float = Field(1e-3, gt=0, description="Learning rate after warm-up.")
    warmup_updates: int = Field(99, ge=0, description="Number of updates of linear warm-up.")
    cosine_tail: float = Field(0.5, gt=0, le=1, description="Share of the updates in which the rate falls, to 5 %.")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="Decay of the exported average; 0 is the last weights.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    checkpoint_every: int = Field(500, gt=0, description="Number of updates between checkpoints.")
    batch_size: int = Field(4, gt=0, description="People per update, with twelve images each.")
    condition_dropout: float = Field(0.05, ge=0, le=1 / 3, description="Rate of each of the three dropouts.")

    def schedule(self) -> Schedule:
        """Falls one update later than others do, and to 5 %."""
        schedule = super().schedule()
        return replace(schedule, fall_from=schedule.fall_from + 1, last_share=0.05)


def small_architecture() -> dict[str, Any]:
    """The CPU configuration of the real classes: 96 px, latents 4 x 16 x 16."""
    return {
        "pixel_patch": 6,
        "vae": {
            "in_channels": 108, "out_channels": 108, "latent_channels": 4, "block_out_channels": [96],
            "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
            "layers_per_block": 1, "norm_num_groups": 8, "sample_size": 16, "mid_block_add_attention": False,
            "scaling_factor": 1.0,
        },
        "image_encoder": {
            "image_size": 48, "patch_size": 8, "hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 3,
            "num_attention_heads": 4, "projection_dim": 64,
        },
        "unet": {
            "_class_name": "UNetMV2DConditionModel", "num_views": 6, "sample_size": 16, "in_channels": 8,
            "out_channels": 4,
            "block_out_channels": [32, 64, 128], "layers_per_block": 1, "attention_head_dim": [2, 4, 8],
            "down_block_types": ["CrossAttnDownBlockMV2D", "CrossAttnDownBlockMV2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlockMV2D", "CrossAttnUpBlockMV2D"],
            "norm_num_groups": 16, "cross_attention_dim": 64, "use_linear_projection": True,
            "class_embed_type": "projection", "projection_class_embeddings_input_dim": 128,
        },
        "image_noising": {
            "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "epsilon",
            "timestep_spacing": "leading", "clip_sample": False,
        },
        "text": {"num_tokens": 4, "seed": 0},
        "scheduler": {
            "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction",
            "timestep_spacing": "trailing", "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 0,
        },
    }  # fmt: skip
