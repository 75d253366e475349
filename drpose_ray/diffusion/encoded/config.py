"""Settings of encoding a dataset once."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config


class EncodeSettings(Config):
    """How the work is spread."""

    COMMON = ("output", "workers")

    output: Path | None = Field(None, description="Folder of the encodings; by default one below the run's folder.")
    samples_per_call: int = Field(4, ge=1, description="Number of images encoded together.")
    workers: int = Field(2, ge=1, description="Number of Ray actors, each with the encoders it needs.")
    gpus_per_worker: float | None = Field(
        None, ge=0, description="GPUs of an actor, e.g. 0.25; by default as run.device says."
    )
