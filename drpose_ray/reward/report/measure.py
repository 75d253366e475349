"""All measurements of one predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.reward.report.calibration import ScoredPoses, measure_calibration, score_wrong_poses
from drpose_ray.reward.report.disturbed import measure_disturbed
from drpose_ray.reward.report.gradient import blurred_and_noisy, measure_gradient
from drpose_ray.reward.report.hacking import measure_hacking
from drpose_ray.reward.report.independent import ImageJudge
from drpose_ray.reward.report.reader import Reader
from drpose_ray.reward.report.reading import measure_reading
from drpose_ray.reward.report.sensitivity import measure_sensitivity
from drpose_ray.reward.report.summary import PredictorReport, SplitReport


@dataclass(frozen=True)
class Means:
    """What the measurements need besides a predictor."""

    encode: Callable[[torch.Tensor], torch.Tensor]  # uint8 images (N, M, V, 3, s, s) -> latents (N, M, V, C, h, w)
    decode: Callable[[torch.Tensor], torch.Tensor]  # latents -> images in [0, 1]
    judges: Mapping[str, ImageJudge]
    generated: Mapping[str, torch.Tensor]  # name -> latents that some model made for the people of ``few``
    angles_deg: Sequence[float]  # of the poses that calibrate
    ascent_steps: int
    seed: int


@dataclass(frozen=True)
class Findings:
    """The report of one predictor and the single values behind its pictures."""

    report: PredictorReport
    scored: Mapping[str, ScoredPoses]  # by split
    soft_errors_cm: Mapping[str, torch.Tensor]  # by split, (N, V, 23)


@torch.no_grad()
def measure(
    reader: Reader,
    file: Path,
    splits: Mapping[str, PosedPeople],
    few: PosedPeople,
    others: Sequence[Reader],
    means: Means,
) -> Findings:
    """Judge ``reader`` on ``splits``; on ``few`` people what needs gradients. ``others`` judge along with it."""
    reports, scored, errors = [], {}, {}
    for name, people in splits.items():
        logits = reader.read(people.latents)
        reading, errors[name] = measure_reading(reader, people, logits)
        scored[name] = score_wrong_poses(reader, name, people, logits, means.angles_deg, means.seed)
        reports.append(
            SplitReport(
                split=name,
                num_people=len(people),
                reading=reading,
                calibration=measure_calibration(scored[name]),
                sensitivity=tuple(measure_sensitivity(reader, people, logits, means.encode)),
                disturbed=tuple(measure_disturbed(reader, people)),
            )
        )
    together = ScoredPoses(
        torch.cat([each.distance_cm for each in scored.values()]), torch.cat([each.score for each in scored.values()])
    )
    starts = {
        **means.generated,
        "true latents, blurred and noisy": blurred_and_noisy(few),
        "another person's latents": few.latents.roll(-1, 0),
    }
    reward = reader.score_at(few)
    hacked = measure_hacking(reward, few, means.decode, others, means.judges, means.ascent_steps)
    report = PredictorReport(
        name=reader.name,
        file=str(file),
        map_size=reader.map_size,
        splits=tuple(reports),
        pooled=measure_calibration(together),
        hacking=tuple(hacked),
        gradient=tuple(measure_gradient(reader, few, starts, means.decode, others, means.judges)),
    )
    return Findings(report, scored, errors)
