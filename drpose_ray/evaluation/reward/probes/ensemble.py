"""Does caution help? The same adversarial latents against an ensemble of the predictors, judged by who is not in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.independent import ImageJudge
from drpose_ray.evaluation.reward.probes.ascent import Score
from drpose_ray.evaluation.reward.probes.hacking import Hacked, measure_hacking
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.reward.rewards import Ensemble, Reward


class HackedEnsemble(BaseModel):
    """Ascent on the mean of several predictors' PoseScores less their spread, as ``finetune.reward.terms`` pays."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    members: tuple[str, ...] = Field(description="predictors whose PoseScores are averaged")
    deviations: float = Field(description="standard deviations over the members that are subtracted from their mean")
    hacking: tuple[Hacked, ...] = Field(description="followed: by the predictors left out and by image judges")


@torch.no_grad()
def measure_ensembles(
    predictors: Sequence[ScoredPredictor],
    people: PosedPeople,
    decode: Callable[[torch.Tensor], torch.Tensor],
    judges: Mapping[str, ImageJudge],
    steps: int,
    deviations: float,
) -> list[HackedEnsemble]:
    """The ensemble of all ``predictors``, and where two remain, of all but each one, which then judges. None of one."""
    teams = [list(predictors)] if len(predictors) > 1 else []
    if len(predictors) > 2:
        teams += [[predictor for predictor in predictors if predictor is not left_out] for left_out in predictors]
    found = []
    for team in teams:
        names = tuple(predictor.name for predictor in team)
        others = [predictor for predictor in predictors if predictor.name not in names]
        score = cautious_score(team, people, deviations)
        rows = measure_hacking(score, people, decode, others, judges, steps)
        found.append(HackedEnsemble(members=names, deviations=deviations, hacking=tuple(rows)))
    return found


def cautious_score(team: Sequence[ScoredPredictor], people: PosedPeople, deviations: float) -> Score:
    """Mean less ``deviations`` standard deviations of the team's PoseScores at the poses of ``people``."""
    ensemble = Ensemble([_as_reward(predictor.score_at(people)) for predictor in team], deviations)
    return lambda latents: ensemble(latents.transpose(0, 1), people)


def _as_reward(score: Score) -> Reward:
    def reward(latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:  # noqa: ARG001 - the maps are drawn once
        return score(latents_x0.transpose(0, 1))

    return reward
