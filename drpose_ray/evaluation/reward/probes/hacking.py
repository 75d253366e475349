"""Adversarial latents: how much reward can be gained without the picture, or anyone else's opinion, following?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.core.seeding import torch_stream
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.independent import ImageJudge, measure_independently
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.probes.ascent import Norm, Score, ascend, move_at_random
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.metrics.images import as_one_picture, psnr_db
from drpose_ray.metrics.intervals import Interval

BUDGETS: Final[tuple[tuple[Norm, float], ...]] = (
    ("rms", 0.05), ("rms", 0.1), ("rms", 0.2), ("rms", 0.4), ("max", 0.1), ("max", 0.3),
)  # fmt: skip
"""In standard deviations of the latents."""


class Hacked(BaseModel):
    """Ascent from another person's latents towards a pose that they do not show, within one budget.

    The gap is from what those latents score at the pose to what the true latents of the pose score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    norm: str = Field(description="rms: over a person's latents; max: of any single number")
    budget: float = Field(description="in standard deviations of the latents")
    gained: Interval = Field(description="share of the gap that the ascent gained: 1 is as good as the truth")
    gained_at_random: Interval = Field(description="the same of a random move of equal size")
    image_psnr_db: Interval = Field(
        description="decoded images after against before; the higher, the less they changed"
    )
    followed: dict[str, Interval] = Field(
        description="judge -> change of its opinion, upwards positive, as a share of its own gap: was it a real gain?"
    )
    share_right: float = Field(description="share of people of whom the reward prefers the true latents to the start")
    judges_right: dict[str, float] = Field(
        description="judge -> the same of its opinion; of one that is seldom right, followed says nothing"
    )


def measure_hacking(
    score: Score,
    people: PosedPeople,
    decode: Callable[[torch.Tensor], torch.Tensor],
    others: Sequence[ScoredPredictor],
    judges: Mapping[str, ImageJudge],
    steps: int,
) -> list[Hacked]:
    """All of ``BUDGETS`` for a reward at the poses of ``people``.

    ``decode`` makes images in [0, 1] of latents (N, M, V, C, h, w).
    """
    start, rows = people.latents.roll(-1, 0), []
    generator = torch_stream(0, "reward report", "random move")

    def look(latents: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        images = decode(latents)
        return images, {"": score(latents)} | measure_independently(latents, images, people, others, judges)

    (images_before, before), (_, best) = look(start), look(people.latents)
    right = {name: float((best[name] > before[name]).double().mean()) for name in before}
    own_right = right.pop("")
    gaps = {name: _gap(best[name], before[name]) for name in before}
    for norm, budget in BUDGETS:
        size = budget * float(start.std())
        images, after = look(ascend(score, start, norm, size, steps))
        moved = score(move_at_random(start, norm, size, generator))
        shares = {name: mean_of((after[name] - before[name]) / gap) for name, gap in gaps.items()}
        rows.append(
            Hacked(
                norm=norm,
                budget=budget,
                gained=shares.pop(""),
                gained_at_random=mean_of((moved - before[""]) / gaps[""]),
                image_psnr_db=mean_of(psnr_db(as_one_picture(images), as_one_picture(images_before))),
                followed=shares,
                share_right=own_right,
                judges_right=right,
            )
        )
    return rows


def _gap(best: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The mean gap: a single person's may be near zero, where a neighbour happens to stand alike.

    Its size alone, so that a rising opinion counts as such; ``share_right`` tells of a judge with a gap turned round.
    """
    return (best - before).mean().abs().clamp_min(1e-9)
