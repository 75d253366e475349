"""Settings of the ``synthesis`` section: which poses become images, how they are drawn, into which shards."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.config import Config


class ClothedBodyConfig(Config):
    """The free generator: a painted and offset body, rendered."""

    body: Path | None = Field(default=None, description="an SMPLX_*.npz; by default the free body, exported once")
    image_size: int = Field(default=96, ge=16, le=2048, description="side of the square images in pixels")
    multiview: bool = Field(
        default=False, description="also render the six views, in colour and normals (for rewards and judgement)"
    )
    azimuth_deg: float | None = Field(
        default=0.0,
        ge=0,
        lt=360,
        description="azimuth of the input view from the picked frame's heading; null: the motion's own axes",
    )
    heading_spread_deg: float = Field(default=40.0, ge=0, le=180, description="uniform variation of that azimuth")


class SynthesisConfig(Config):
    """The ``synthesis:`` section."""

    selection: Path | None = Field(
        default=None, description="selected windows; by default what select_poses left in the run folder"
    )
    split: str = Field(default="train", description="split of the selection to draw")
    output: Path | None = Field(default=None, description="dataset folder; by default shards/<split> in the run folder")
    clothed_body: ClothedBodyConfig = ClothedBodyConfig()
    sequences_per_shard: int = Field(
        default=16, ge=1, le=1000, description="windows per shard: the unit of work and of resuming"
    )
    workers: int = Field(default=2, ge=1, description="generators that run at once, one CPU each")
