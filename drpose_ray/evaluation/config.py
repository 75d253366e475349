"""Settings of the ``evaluate`` section: which models are judged, by whom, on which poses."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config


class EvaluateConfig(Config):
    """The ``evaluate:`` section. The base and the skeleton predictor are those of the ``finetune`` section."""

    COMMON = ("estimator", "num_standing")

    split: str = Field(
        default="test",
        description="Split of the poses that jobs/pipeline.py judges on; 'val' while settings are still being chosen.",
    )
    num_standing: int = Field(default=32, ge=1, description="Number of standing poses that jobs/pipeline.py judges on.")
    challenging: Path | None = Field(
        default=None,
        description="Six-view shards of challenging poses; by default shards/challenging in the run folder.",
    )
    standing: Path | None = Field(
        default=None, description="Six-view shards of standing poses; by default shards/standing in the run folder."
    )
    drpose: Path | None = Field(
        default=None, description="Folder of DrPose's model; by default finetune/drpose/model of the run."
    )
    drpose_no_kl: Path | None = Field(
        default=None,
        description="Folder of the model trained without KL; by default finetune/drpose_no_kl/model of the run.",
    )
    estimator: Path = Field(
        default=Path("weights/small/estimator.safetensors"), description="Weights of the independent pose estimator."
    )
    num_sampling_steps: int = Field(default=10, ge=1, description="Number of DDIM steps when judging.")
    guidance_scale: float = Field(
        default=1.0, ge=1, description="Scale of the classifier-free guidance when judging; 1 turns it off."
    )
    batch_size: int = Field(default=8, ge=1, description="Number of people sampled at once.")
    twins: tuple[str, ...] = Field(
        default=(
            "a small model of PSHuman's architecture trained on rendered people, for PSHuman",
            "rendered clothed bodies, for MIMO's images and for scans",
            "the Anny body in SMPL-X layout, for SMPL-X",
        ),
        description="Free stand-ins that the results come from, named in every table and report.",
    )
