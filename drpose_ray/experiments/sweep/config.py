"""Settings of the ``sweep`` section: which trade-offs to try, and on what to compare them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, NonNegativeFloat

from drpose_ray.core.settings.config import Config


class SweepConfig(Config):
    """The ``sweep:`` section. Every pair of the two lists is one trial; all else is the finetune section's."""

    COMMON = ("kl_weights", "max_early_stops")

    kl_weights: tuple[NonNegativeFloat, ...] = Field(
        default=(0.003, 0.01, 0.03), min_length=1, description="Values of the KL weight, w_KL, to try."
    )
    max_early_stops: tuple[int, ...] = Field(
        default=(4, 8), min_length=1, description="Values of the largest early stop, m, to try."
    )
    validation: Path | None = Field(
        default=None, description="Six-view shards of validation poses; by default shards/val in the run folder."
    )
    concurrent_trials: int = Field(
        default=1, ge=1, description="Number of trials that train at once, each with its own workers."
    )
    quality_margin: float = Field(
        default=0.02, ge=0, lt=1, description="Largest relative fall of a trial's image quality below the base's."
    )
