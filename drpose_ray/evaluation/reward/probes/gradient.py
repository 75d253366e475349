"""Gradient sanity: does a step along the reward's gradient move the pose the right way, by others' judgement too?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F

from drpose_ray.core.seeding import torch_stream
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.independent import ImageJudge, measure_independently
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.probes.ascent import ascend, move_at_random, reward_gradient
from drpose_ray.evaluation.reward.probes.disturbed import add_noise, blur
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.joints import soft_errors_cm

STEPS: Final = (0.05, 0.1, 0.2)
"""Lengths, root mean square in standard deviations of the latents."""


class Stepped(BaseModel):
    """A single step of one length from one kind of latents; all changes are paired."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start: str = Field(description="the latents that are stepped from")
    step: float = Field(description="root mean square length in standard deviations of the latents")
    score_change: Interval = Field(description="of the reward itself")
    share_improved: float = Field(description="share of people whose reward rose")
    joints_change_cm: Interval = Field(description="of the in-plane distance of the maps' joints from the target's")
    judges_change: dict[str, Interval] = Field(description="judge -> change of its opinion, higher is better")
    judges_improved: dict[str, float] = Field(description="judge -> share of people of whom its opinion rose")
    judges_change_at_random: dict[str, Interval] = Field(description="the same of random steps of equal length")
    cosine_to_truth: Interval = Field(description="between the gradient and the way to the true latents")


def blurred_and_noisy(people: PosedPeople) -> torch.Tensor:
    """A stand-in for generated latents where no generator is at hand: soft and noisy, in the right pose."""
    return add_noise(blur(people.latents, 1), 0.3)


def measure_gradient(
    predictor: ScoredPredictor,
    people: PosedPeople,
    starts: Mapping[str, torch.Tensor],
    decode: Callable[[torch.Tensor], torch.Tensor],
    others: Sequence[ScoredPredictor],
    judges: Mapping[str, ImageJudge],
) -> list[Stepped]:
    """One row for each of ``starts`` (name -> latents (N, M, V, C, h, w)) and each of ``STEPS``."""
    maps, reward, rows = predictor.draw(people), predictor.score_at(people), []
    generator = torch_stream(0, "reward report", "random step")

    def look(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        logits = predictor.read(latents)
        errors = soft_errors_cm(logits.sigmoid(), people.joints, people.center, people.width_m).mean((1, 2))
        return (
            predictor.score(logits, maps),
            errors,
            measure_independently(latents, decode(latents), people, others, judges),
        )

    for name, start in starts.items():
        score, error, opinions = look(start)
        gradient = reward_gradient(reward, start)
        cosine = F.cosine_similarity(gradient.flatten(1), (people.latents - start).flatten(1))
        for step in STEPS:
            length = step * float(start.std())
            new_score, new_error, new_opinions = look(ascend(reward, start, "rms", length, steps=1))
            *_, random_opinions = look(move_at_random(start, "rms", length, generator))
            changes = {judge: new_opinions[judge] - opinion for judge, opinion in opinions.items()}
            rows.append(
                Stepped(
                    start=name,
                    step=step,
                    score_change=mean_of(new_score - score),
                    share_improved=float((new_score > score).double().mean()),
                    joints_change_cm=mean_of(new_error - error),
                    judges_change={judge: mean_of(change) for judge, change in changes.items()},
                    judges_improved={judge: float((change > 0).double().mean()) for judge, change in changes.items()},
                    judges_change_at_random={
                        judge: mean_of(random_opinions[judge] - opinion) for judge, opinion in opinions.items()
                    },
                    cosine_to_truth=mean_of(cosine),
                )
            )
    return rows
