"""Settings of the ``planning`` section: for which sizes, on what and at which price a dataset is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from drpose_ray.core.settings.config import Config


class GpuRate(Config):
    """What a GPU does in the precision of the run, and what it costs."""

    name: str = Field(description="Name of the GPU in the table.")
    tflops: float = Field(gt=0, description="Peak of dense matrix products, TFLOP/s, in synthesis.mimo.precision.")
    utilisation: float = Field(gt=0, le=1, description="Share of the peak that is sustained.")
    price_per_hour: float | None = Field(
        default=None, ge=0, description="Price of one GPU for an hour; null gives no cost."
    )


class PlanningConfig(Config):
    """The ``planning:`` section."""

    COMMON = ("sizes", "num_photos")

    sizes: tuple[Annotated[int, Field(ge=1, le=10**12)], ...] = Field(
        default=(15_000, 150_000, 1_500_000), min_length=1, description="Numbers of poses to plan for."
    )
    gpus: tuple[GpuRate, ...] = Field(
        default=(GpuRate(name="H100-like", tflops=989, utilisation=0.2),),
        min_length=1,
        description="GPUs to plan for (MIMO only); 0.2 of the peak is cautious and unmeasured (docs/facts/mimo.md, 3).",
    )
    cpu_price_per_hour: float | None = Field(
        default=None, ge=0, description="Price of one core for an hour; null gives no cost."
    )
    failure_rate: float = Field(default=0.01, ge=0, lt=1, description="Share of windows expected to fail.")
    failures_like: Path | None = Field(
        default=None, description="Finished dataset whose shares of failed and filtered frames are expected instead."
    )
    num_photos: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="Number of photos that MIMO animates; null counts those in the folder synthesis.mimo.photos.",
    )
    bytes_per_pixel: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        description="Bytes per pixel of MIMO's images as they are stored; null takes what rendered people take here.",
    )
    measured_windows: int = Field(
        default=2, ge=1, le=1000, description="Number of windows drawn here to measure seconds and bytes."
    )
