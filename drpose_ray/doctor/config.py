"""Settings of the doctor: those sections of a preset in which licensed parts are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.runs.run import RunSettings
from drpose_ray.core.settings.config import Config
from drpose_ray.evaluation.config import EvaluateConfig
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.poses.config import PosesConfig
from drpose_ray.reward.config import DistanceConfig, RewardConfig
from drpose_ray.scans.config import ScansConfig
from drpose_ray.synthesis.config import SynthesisConfig


class DoctorConfig(Config):
    """What is examined: the settings' paths, and the machine as far as they ask for it."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "device"),
        "poses": ("motions", "skeletons"),
        "synthesis": ("clothed_body", "mimo"),
        "scans": ("sources", "body", "checks"),
        "reward": ("multiview_shards", "latents", "i2mv"),
        "finetune": (
            "model.base", "model.text_embeddings", "reward.predictor", "reward.terms", "data.dataset",
            "data.conditions", "held_out.dataset", "rollout.compile",
        ),
        "evaluate": ("estimator",),
    }  # fmt: skip

    run: RunSettings = Field(default=RunSettings(), description="The disk that is looked at, and the device asked for.")
    poses: PosesConfig = Field(default=PosesConfig(), description="Where motions are.")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="Where bodies and MIMO are.")
    scans: ScansConfig = Field(default=ScansConfig(), description="Where scans are.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="Where the backbone of LPIPS is.")
    reward: RewardConfig = Field(default=RewardConfig(), description="Where the reward's data are.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="Where the base model is.")
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description="Where the estimator is.")
