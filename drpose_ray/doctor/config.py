"""Settings of the doctor: those sections of a preset in which licensed parts are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from drpose_ray.config import Config
from drpose_ray.evaluate.config import EvaluateConfig
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.poses.config import PosesConfig
from drpose_ray.reward.config import RewardConfig
from drpose_ray.runs import RunSettings
from drpose_ray.scans.config import ScansConfig
from drpose_ray.synthesis.config import SynthesisConfig


class DoctorConfig(Config):
    """What is examined: the settings' paths, and the machine as far as they ask for it."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "device"),
        "poses": ("motions", "skeletons"),
        "synthesis": ("clothed_body", "mimo"),
        "scans": ("sources", "body", "checks"),
        "reward": ("multiview_shards", "latents", "i2mv", "distance"),
        "finetune": (
            "base", "text_embeddings", "predictor", "rewards", "dataset", "held_out", "conditions", "compile_rollout",
        ),
        "evaluate": ("estimator",),
    }  # fmt: skip

    run: RunSettings = Field(default=RunSettings(), description="the disk that is looked at, and the device asked for")
    poses: PosesConfig = Field(default=PosesConfig(), description="where motions are")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="where bodies and MIMO are")
    scans: ScansConfig = Field(default=ScansConfig(), description="where scans are")
    reward: RewardConfig = Field(default=RewardConfig(), description="where the reward's data and backbone are")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="where the base model is")
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description="where the estimator is")
