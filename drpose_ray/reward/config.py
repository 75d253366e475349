"""Settings of the skeleton predictor, of its distance and of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config
from drpose_ray.core.training.settings import FitSettings

PREDICTOR_FILE: Final = "predictor.safetensors"
"""In the run folder of a fit."""


class PredictorConfig(Config):
    """Shape of the skeleton predictor g_skel (Sec. 3.1); saved with its weights."""

    latent_channels: int = Field(
        default=4, gt=0, description="Number of channels of one domain's latent; both are read."
    )
    latent_size: int = Field(default=16, gt=0, description="Side of a latent in cells.")
    map_size: int = Field(default=32, gt=0, description="Side of the maps in pixels: latent_size times 1, 2, 4 or 8.")
    channels: tuple[int, ...] = Field(
        default=(48, 72, 96),
        max_length=12,
        description="Width per level from latent resolution down, in multiples of 8.",
    )


class DistanceConfig(Config):
    """The distance of Eq. 1: binary cross entropy and LPIPS (Sec. 4.1). Weights are not given; 1 : 1 is assumed."""

    bce_weight: float = Field(default=1.0, ge=0, description="Weight of the binary cross entropy.")
    perceptual_weight: float = Field(default=1.0, ge=0, description="Weight of the perceptual term.")
    backbone: Literal["squeeze", "alex", "vgg"] = Field(default="squeeze", description="Network of LPIPS.")
    backbone_weights: Path | None = Field(
        default=None,
        description="State dict of the backbone as torchvision stores it; without it the term is a random-feature "
        "distance.",
    )
    perceptual_size: int = Field(
        default=64, ge=32, description="Side in pixels to which smaller maps are enlarged first."
    )


class PredictorFitSettings(FitSettings):
    """Training of the predictor, with the augmentations that make it a usable reward on generated latents."""

    samples_per_update: int = Field(default=8, gt=0, description="People per update, of all workers together.")
    views_per_sample: int = Field(default=3, gt=0, description="Views drawn per update, the same for its people.")
    latent_noise: float = Field(
        default=0.3,
        ge=0,
        description="Largest standard deviation of noise added to a person's latents; it is drawn from 0.",
    )
    blur_probability: float = Field(default=0.2, ge=0, le=1, description="Share of the updates on blurred latents.")
    blur_radius: int = Field(
        default=1, ge=1, description="Largest radius of the blur's box in cells of the latent; it is drawn from 1 up."
    )
    domain_dropout: float = Field(
        default=0.15, ge=0, le=0.5, description="Probability of zeroing a person's normals, and as much for colors."
    )
    perceptual_every: int = Field(
        default=2, gt=0, description="The costly perceptual term joins every n-th update, n times as heavy."
    )
    validation_samples: int = Field(
        default=64, ge=0, description="People held out, with all their views and frames, from the end of the data."
    )
    validate_every: int = Field(default=200, gt=0, description="Number of updates between validations.")
    patience: int = Field(
        default=0,
        ge=0,
        description="Stop after so many validations without a better pose_score, and keep the weights of the best; "
        "0 means to go through all updates and keep the last.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Of the predictor's pass in training; its weights and the distance stay float32."
    )
    workers: int = Field(
        default=1, gt=0, description="Processes that share each update; 1 is the job itself, more run under Ray Train."
    )
    max_worker_failures: int = Field(default=3, ge=0, description="Restarts from the checkpoint before the run fails.")

    @model_validator(mode="after")
    def _check_shares(self) -> PredictorFitSettings:
        if self.samples_per_update % self.workers:
            raise ValueError(f"{self.samples_per_update} samples_per_update cannot be shared by {self.workers} workers")
        if self.patience and not self.validation_samples:
            raise ValueError("patience needs validation_samples: there is nothing to stop by")
        return self


class RewardTermConfig(Config):
    """One term of the reward that a model is trained on: PoseScore, or a reward of your own (docs/reward.md)."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Name of the term; its mean is logged as reward_<name>."
    )
    weight: float = Field(default=1.0, description="Factor of the term in the sum.")
    function: str | None = Field(
        default=None, description="Import path of a reward of your own, package.module:function; null means PoseScore."
    )
    predictors: tuple[Path, ...] = Field(
        default=(),
        description="Predictors of PoseScore, by default finetune.reward.predictor; several make an ensemble against "
        "hacking.",
    )
    caution: Literal["mean_minus_deviations", "least"] = Field(
        default="mean_minus_deviations", description="What an ensemble gives: its mean less its spread, or its minimum."
    )
    deviations: float = Field(
        default=1.0, ge=0, description="Number of standard deviations that are subtracted from the mean."
    )

    @model_validator(mode="after")
    def _check(self) -> RewardTermConfig:
        if self.function is not None and self.predictors:
            raise InputError(
                "a reward of your own has no predictors here", field="predictors",
                value=[str(path) for path in self.predictors], remedy="leave out function, or predictors",
            )  # fmt: skip
        return self


class RewardConfig(Config):
    """The ``reward:`` section."""

    COMMON = ("multiview_shards", "fit.updates", "fit.workers")

    multiview_shards: tuple[Path, ...] = Field(
        default=(), description="Folders of six-view shards; without broad poses the reward is noise where it matters."
    )
    latents: tuple[Path, ...] = Field(
        default=(),
        description="Folders of such shards' latents (jobs/encode_latents.py), used beside multiview_shards.",
    )
    i2mv: Path = Field(default=Path("weights/small/i2mv"), description="Model folder whose VAE encodes the renders.")
    predictor: PredictorConfig = PredictorConfig()
    fit: PredictorFitSettings = PredictorFitSettings()
