"""Which sets of people are rendered, and how."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from drpose_ray.core.settings.config import Config


class PeopleSetConfig(Config):
    """One set of rendered people."""

    num: int = Field(gt=0, le=10**7, description="Number of people, each in one pose.")
    seed: int = Field(ge=0, description="Seed of poses, people and outfits.")
    mixture: dict[str, float] = Field(description="Share of each pose source: standing, moderate, dance, box, mocap.")
    candidates: int | None = Field(
        default=None,
        le=10**8,
        description="Number of poses drawn, of which farthest-point sampling keeps num; null draws num.",
    )

    @model_validator(mode="after")
    def _check_candidates(self) -> PeopleSetConfig:
        if self.candidates is not None and self.candidates < self.num:
            raise ValueError(f"candidates {self.candidates} are fewer than num {self.num}: draw more, or leave it out")
        return self


class PeopleConfig(Config):
    """The ``people:`` section."""

    COMMON = ("workers",)

    image_size: int = Field(default=96, ge=16, le=4096, description="Pixels per side of each view.")
    garments: Path | None = Field(
        default=None, description="Folder of MakeHuman's garments that dress people; null paints them."
    )
    sets: dict[str, PeopleSetConfig] = Field(default_factory=dict, description="Sets of people, by name.")
    workers: int = Field(default=2, ge=1, le=100_000, description="Number of renderers that run at once, one CPU each.")
    per_shard: int = Field(default=100, ge=1, le=1000, description="Number of people per shard.")
