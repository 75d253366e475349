"""Settings of the skeleton predictor, of its distance and of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.config import Config
from drpose_ray.errors import InputError
from drpose_ray.reward.averaged_adamw import OptimiserSettings


class PredictorConfig(Config):
    """Shape of the skeleton predictor g_skel (Sec. 3.1); saved with its weights."""

    latent_channels: int = Field(default=4, gt=0, description="channels of one domain's latent; both are read")
    latent_size: int = Field(default=16, gt=0, description="side of a latent")
    map_size: int = Field(default=32, gt=0, description="side of the maps: latent_size times 1, 2, 4 or 8")
    channels: tuple[int, ...] = Field(
        default=(48, 72, 96), description="width per level from latent resolution down; multiples of 8"
    )


class DistanceConfig(Config):
    """The distance of Eq. 1: binary cross entropy and LPIPS (Sec. 4.1). Weights are not given; 1 : 1 is assumed."""

    bce_weight: float = Field(default=1.0, ge=0, description="weight of the binary cross entropy")
    perceptual_weight: float = Field(default=1.0, ge=0, description="weight of the perceptual term")
    backbone: Literal["squeeze", "alex", "vgg"] = Field(default="squeeze", description="LPIPS network")
    backbone_weights: Path | None = Field(
        default=None,
        description="torchvision state dict of the backbone; without it the term is a random-feature distance",
    )
    perceptual_size: int = Field(default=64, ge=32, description="smaller maps are enlarged to this side first")


class PredictorFitSettings(OptimiserSettings):
    """Training of the predictor, with the augmentations that make it a usable reward on generated latents."""

    samples_per_update: int = Field(default=8, gt=0, description="people per update")
    views_per_sample: int = Field(default=3, gt=0, description="views drawn per update, the same for its people")
    latent_noise: float = Field(
        default=0.3, ge=0, description="largest standard deviation of noise added to a person's latents, drawn from 0"
    )
    blur_probability: float = Field(default=0.2, ge=0, le=1, description="share of updates on blurred latents")
    domain_dropout: float = Field(
        default=0.15, ge=0, le=0.5, description="probability of zeroing a person's normals, and as much for colours"
    )
    perceptual_every: int = Field(
        default=2, gt=0, description="the costly perceptual term joins every n-th update, n times as heavy"
    )
    validation_samples: int = Field(default=64, ge=0, description="people held out, from the end of the data")
    validate_every: int = Field(default=200, gt=0, description="updates between validations")


class RewardTermConfig(Config):
    """One term of the reward that a model is trained on: PoseScore, or a reward of your own (docs/reward.md)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="of the term; its mean is logged as reward_<name>")
    weight: float = Field(default=1.0, description="factor of the term in the sum")
    function: str | None = Field(
        default=None, description="package.module:function of a reward of your own; null: PoseScore"
    )
    predictors: tuple[Path, ...] = Field(
        default=(), description="of PoseScore, by default finetune.predictor; several make an ensemble against hacking"
    )
    caution: Literal["mean_minus_deviations", "least"] = Field(
        default="mean_minus_deviations", description="what an ensemble gives: its mean less its spread, or its minimum"
    )
    deviations: float = Field(default=1.0, ge=0, description="standard deviations that are subtracted from the mean")

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

    multiview_shards: tuple[Path, ...] = Field(
        default=(), description="folders of six-view shards; without broad poses the reward is noise where it matters"
    )
    i2mv: Path = Field(default=Path("weights/small/i2mv"), description="model folder whose VAE encodes the renders")
    predictor: PredictorConfig = PredictorConfig()
    distance: DistanceConfig = DistanceConfig()
    fit: PredictorFitSettings = PredictorFitSettings()
