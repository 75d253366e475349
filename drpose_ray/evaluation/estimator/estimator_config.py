"""Settings of the independent pose estimator and of its training."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config
from drpose_ray.core.training.settings import FitSettings


class EstimatorConfig(Config):
    """Shape of the pose estimator; saved with its weights."""

    input_size: int = Field(default=48, gt=0, description="Side in pixels to which images are averaged down first.")
    channels: tuple[int, ...] = Field(
        default=(32, 48, 64, 96),
        max_length=12,
        description="Width per level of the trunk, in multiples of 8; each halves the side.",
    )
    view_features: int = Field(default=160, gt=0, description="Number of features that each view passes on.")
    hidden: int = Field(default=384, gt=0, description="Width of the fusion network.")


class EstimatorFitSettings(FitSettings):
    """Training of the estimator, with light softening: decoded images are softer than renders."""

    updates: int = Field(default=1500, gt=0, description="Number of optimiser updates.")
    samples_per_update: int = Field(default=12, gt=0, description="People per update, each in all six views.")
    pixel_noise: float = Field(default=0.05, ge=0, description="Largest standard deviation of pixel noise.")
    blur_probability: float = Field(default=0.3, ge=0, le=1, description="Share of the updates on blurred images.")
    softened_probability: float = Field(
        default=0.5, ge=0, le=1, description="Share of the people that are shown as the VAE reconstructs them."
    )
    validation_samples: int = Field(default=64, ge=0, description="People held out, from the end of the data.")
    validate_every: int = Field(default=300, gt=0, description="Number of updates between validations.")


class EstimatorTrainingConfig(Config):
    """The ``estimator:`` section: what ``jobs/fit_estimator.py`` trains, and on what."""

    COMMON = ("multiview_shards",)

    multiview_shards: tuple[Path, ...] = Field(
        default=(), description="Folders of six-view shards that the skeleton predictor was not trained on."
    )
    i2mv: Path = Field(
        default=Path("weights/small/i2mv"), description="Model folder whose VAE softens renders as it does answers."
    )
    network: EstimatorConfig = EstimatorConfig()
    fit: EstimatorFitSettings = EstimatorFitSettings()
