"""Settings of the reward's report."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config


class RewardReportConfig(Config):
    """The ``reward_report:`` section."""

    COMMON = ("splits", "predictors")

    predictors: dict[str, Path] = Field(
        default={"shipped": Path("weights/small/predictor.safetensors")},
        description="Skeleton predictors by name; several are compared side by side and judge each other.",
    )
    splits: dict[str, Path] = Field(
        default_factory=dict, description="Six-view shards, by name, of people that no predictor was trained on."
    )
    estimator: Path | None = Field(
        default=None, description="Independent pose estimator (jobs/fit_estimator.py) that judges gradients and hacks."
    )
    text_embeddings: Path | None = Field(
        default=None,
        description="Folder of normal_embeds.pt and clr_embeds.pt, where reward.i2mv has none.",
    )
    twins: bool = Field(default=True, description="Whether the people are stand-ins for scans; the report says so.")
    people_per_split: int = Field(default=32, ge=4, description="Number of people read of each split.")
    few: int = Field(
        default=12, ge=4, description="Number of people, shared out over the splits, for what needs gradients."
    )
    angles_deg: tuple[float, ...] = Field(
        default=(3, 6, 10, 15, 25, 40, 60, 90),
        min_length=1,
        description="Angles by which limbs are turned, once each, to calibrate the score.",
    )
    ascent_steps: int = Field(default=15, ge=2, description="Number of steps of the adversarial ascent.")
    deviations: float = Field(
        default=1.0,
        ge=0,
        description="Number of standard deviations that an ensemble of several predictors gives less than its mean.",
    )
    generated_steps: int = Field(
        default=6,
        ge=0,
        description="Number of DDIM steps of latents that reward.i2mv generates, to step from; 0 makes none.",
    )
