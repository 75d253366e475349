"""PoseScore on latents that are not what a renderer gives: blurred, shifted, noisy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F

from drpose_ray.core.seeding import torch_stream
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.probes.wrong_poses import another_persons
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.joints import soft_errors_cm


class Disturbed(BaseModel):
    """Scores of latents disturbed in one way by one amount."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: str = Field(
        description="blurred: times a 3 x 3 mean; shifted: pixels to the side; noisy: standard deviations"
    )
    amount: float = Field(description="how often, by how many latent pixels, or of which standard deviation")
    right: Interval = Field(description="PoseScore at the true pose")
    wrong: Interval = Field(description="PoseScore at another person's pose")
    share_right: float = Field(description="share of people of whom the true pose scores higher")
    soft_error_cm: Interval = Field(description="in-plane joint error; of shifted latents after shifting the maps back")
    followed: Interval | None = Field(description="of shifted latents, PoseScore of the maps shifted back")


def blur(latents: torch.Tensor, times: float) -> torch.Tensor:
    """3 x 3 means of latents (N, M, V, C, h, w), edges repeated outwards."""
    flat = latents.flatten(0, 2)
    for _ in range(int(times)):
        flat = F.avg_pool2d(F.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return flat.reshape(latents.shape)


def shift(latents: torch.Tensor, pixels: float) -> torch.Tensor:
    """Latents moved to the right in every view; the left edge is repeated, which on white is white."""
    moved = latents.roll(int(pixels), -1)
    moved[..., : int(pixels)] = latents[..., :1]
    return moved


def add_noise(latents: torch.Tensor, sigmas: float) -> torch.Tensor:
    """White noise of ``sigmas`` standard deviations of the latents."""
    drawn = torch.randn(latents.shape, generator=torch_stream(0, "reward report", "noise"))
    return latents + sigmas * latents.std() * drawn


DISTURBANCES: Final[dict[str, tuple[Callable[[torch.Tensor, float], torch.Tensor], Sequence[float]]]] = {
    "none": (lambda latents, _: latents, (0,)),
    "blurred": (blur, (1, 2, 4)),
    "shifted": (shift, (1, 2, 3)),
    "noisy": (add_noise, (0.1, 0.3, 1.0)),
}
"""Kind -> what it does, and the amounts to report."""


def measure_disturbed(predictor: ScoredPredictor, people: PosedPeople) -> list[Disturbed]:
    """All of ``DISTURBANCES``."""
    right, wrong, rows = predictor.draw(people), predictor.draw(people, another_persons(people.joints)), []
    for kind, (disturb, amounts) in DISTURBANCES.items():
        for amount in amounts:
            latents = disturb(people.latents, amount)
            logits = predictor.read(latents)
            at_right, at_wrong = predictor.score(logits, right), predictor.score(logits, wrong)
            followed = None
            if kind == "shifted":
                logits = logits.roll(-int(amount) * logits.shape[-1] // latents.shape[-1], -1)
                followed = mean_of(predictor.score(logits, right))
            errors = soft_errors_cm(logits.sigmoid(), people.joints, people.center, people.width_m).mean((1, 2))
            rows.append(
                Disturbed(
                    kind=kind,
                    amount=amount,
                    right=mean_of(at_right),
                    wrong=mean_of(at_wrong),
                    share_right=float((at_right > at_wrong).double().mean()),
                    soft_error_cm=mean_of(errors),
                    followed=followed,
                )
            )
    return rows
