"""Settings of the ``synthesis`` section: which poses become images, how they are drawn, into which shards."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from drpose_ray.core.settings.config import Config
from drpose_ray.diffusion.config import Precision
from drpose_ray.synthesis.quality.config import QualityConfig


class ClothedBodyConfig(Config):
    """The free generator: a painted or dressed body, rendered."""

    body: Path | None = Field(
        default=None, description="Body model, an SMPLX_*.npz; by default the free body, exported once."
    )
    garments: Path | None = Field(
        default=None, description="Folder of MakeHuman's garments that dress people; null paints them."
    )
    image_size: int = Field(default=96, ge=16, le=2048, description="Side of the square images in pixels.")
    multiview: bool = Field(
        default=False,
        description="Whether the six views are rendered too, in color and normals (for rewards and judgement).",
    )
    azimuth_deg: float | None = Field(
        default=0.0,
        ge=0,
        lt=360,
        description="Azimuth of the input view from the picked frame's heading; null takes the motion's own axes.",
    )
    heading_spread_deg: float = Field(default=40.0, ge=0, le=180, description="Uniform variation of that azimuth.")


class MimoConfig(Config):
    """The paper's generator: MIMO animates photos. Defaults are how it is published (docs/facts/mimo.md, 2.1)."""

    weights: Path = Field(description="Folder of MIMO's weights (pretrained_weights).")
    photos: Path = Field(description="Folder of RGBA photos, each a whole person cut out.")
    photo_licence: str = Field(min_length=1, description="Terms of the photos, which go into every record.")
    color_table: Path = Field(
        description="Colours of the body's vertices in pose images (.npy or .npz), the ones that the weights know."
    )
    body: Path | None = Field(
        default=None, description="Body model, an SMPLX_*.npz; by default the free body, exported once."
    )
    image_size: int = Field(
        default=784, ge=64, le=4096, multiple_of=8, description="Side of the square images in pixels."
    )
    num_sampling_steps: int = Field(default=25, ge=1, le=1000, description="Number of DDIM steps.")
    guidance_scale: float = Field(
        default=3.5, ge=0, le=1000, description="Scale of the classifier-free guidance; up to 1 turns it off."
    )
    azimuth_deg: float | None = Field(
        default=0.0,
        ge=0,
        lt=360,
        description="Azimuth of the camera from the picked frame's heading; null takes the motion's own axes.",
    )
    heading_spread_deg: float = Field(default=40.0, ge=0, le=180, description="Uniform variation of that azimuth.")
    precision: Precision = Field(default="float16", description="Precision of weights and network calls.")
    gpus_per_worker: float | None = Field(
        default=None,
        ge=0,
        le=64,
        description="GPUs of a generator, e.g. 0.5; 0 for the CPU; by default as run.device says.",
    )


class SynthesisConfig(Config):
    """The ``synthesis:`` section."""

    COMMON = ("split", "num_poses", "output", "workers")

    selection: Path | None = Field(
        default=None, description="Selected windows; by default what select_poses left in the run folder."
    )
    split: str = Field(default="train", description="Split of the selection to draw.")
    output: Path | None = Field(
        default=None, description="Dataset folder; by default shards/<split> in the run folder."
    )
    clothed_body: ClothedBodyConfig = ClothedBodyConfig()
    mimo: MimoConfig | None = Field(
        default=None, description="The paper's generator, MIMO, in place of the clothed body."
    )
    num_poses: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="Number of frames to draw; null draws all, and more than are there let the dataset grow.",
    )
    dry_run: bool = Field(
        default=False, description="Whether to say only what it would take, for this size and larger ones."
    )
    replace_rejected: bool = Field(
        default=False, description="Whether the next picks are drawn in place of sequences without one good frame."
    )
    attempts: int = Field(
        default=2, ge=1, le=10, description="Number of times that a sequence is drawn until it counts as failed."
    )
    clothed_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the shards that the clothed body draws on CPUs beside MIMO.",
    )
    quality: QualityConfig | None = Field(
        default=QualityConfig(), description="Filters of drawn frames; null filters none."
    )
    sequences_per_shard: int = Field(
        default=16, ge=1, le=1000, description="Number of windows per shard, the unit of work and of resuming."
    )
    workers: int = Field(
        default=2, ge=1, le=100_000, description="Number of generators of each kind that run at once, one CPU each."
    )

    @model_validator(mode="after")
    def _check_mimo(self) -> SynthesisConfig:
        if self.clothed_share and not self.mimo:
            raise ValueError("clothed_share is beside MIMO: give mimo, or leave it out")
        if self.mimo and self.clothed_body.multiview:
            raise ValueError("MIMO draws no six views: leave out mimo, or set clothed_body.multiview to false")
        return self
