"""``summary.json`` of the report."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.core.runs.run import Summary
from drpose_ray.evaluation.reward.map_quality import MapQuality
from drpose_ray.evaluation.reward.probes.calibration import Calibration
from drpose_ray.evaluation.reward.probes.disturbed import Disturbed
from drpose_ray.evaluation.reward.probes.ensemble import HackedEnsemble
from drpose_ray.evaluation.reward.probes.gradient import Stepped
from drpose_ray.evaluation.reward.probes.hacking import Hacked
from drpose_ray.evaluation.reward.probes.sensitivity import Sensitivity

CORRELATION_GOAL = 0.9


class SplitReport(BaseModel):
    """One predictor on one test split."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    split: str
    num_people: int
    map_quality: MapQuality
    calibration: Calibration
    sensitivity: tuple[Sensitivity, ...]
    disturbed: tuple[Disturbed, ...]


class PredictorReport(BaseModel):
    """Everything about one predictor; ``pooled`` is its calibration over all splits together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    file: str
    map_size: int
    splits: tuple[SplitReport, ...]
    pooled: Calibration
    hacking: tuple[Hacked, ...] = Field(description="on some people of each split")
    gradient: tuple[Stepped, ...] = Field(description="on the same people")


class RewardReportSummary(Summary):
    """What jobs/report_reward.py reports."""

    twins: bool = Field(description="whether the people are rendered stand-ins for scans")
    perceptual_distance: str | None = Field(description="lpips, or random-feature distance without backbone weights")
    predictors: tuple[PredictorReport, ...]
    ensembles: tuple[HackedEnsemble, ...] = Field(description="of all predictors, and of all but each; of one, none")

    @property
    def attacked(self) -> list[tuple[str, tuple[Hacked, ...]]]:
        """Every reward that was ascended, by name: each predictor, then the ensembles."""
        rewards = [(predictor.name, predictor.hacking) for predictor in self.predictors]
        return rewards + [(f"ensemble of {' and '.join(team.members)}", team.hacking) for team in self.ensembles]

    @property
    def judges(self) -> list[str]:
        """Whoever judged any ascent: predictors in their order, then image judges."""
        asked = dict.fromkeys(judge for _, hacked in self.attacked for judge in hacked[0].followed)
        predictors = [f"PoseScore of {predictor.name}" for predictor in self.predictors]
        return [name for name in predictors if name in asked] + [name for name in asked if name not in predictors]

    @property
    def perceptual_title(self) -> str:
        """Column title; random features never go by LPIPS's name."""
        return {"lpips": "LPIPS"}.get(self.perceptual_distance or "", self.perceptual_distance or "perceptual distance")
