"""All measurements of one predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward.independent import ImageJudge
from drpose_ray.evaluation.reward.map_quality import measure_map_quality
from drpose_ray.evaluation.reward.probes.calibration import ScoredPoses, measure_calibration, score_wrong_poses
from drpose_ray.evaluation.reward.probes.disturbed import measure_disturbed
from drpose_ray.evaluation.reward.probes.gradient import blurred_and_noisy, measure_gradient
from drpose_ray.evaluation.reward.probes.hacking import measure_hacking
from drpose_ray.evaluation.reward.probes.sensitivity import measure_sensitivity
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.evaluation.reward.summary import PredictorReport, SplitReport


@dataclass(frozen=True)
class Instruments:
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
    predictor: ScoredPredictor,
    file: Path,
    splits: Mapping[str, PosedPeople],
    few: PosedPeople,
    others: Sequence[ScoredPredictor],
    instruments: Instruments,
) -> Findings:
    """Judge ``predictor`` on ``splits``; on ``few`` people what needs gradients. ``others`` judge along with it."""
    reports, scored, errors = [], {}, {}
    for name, people in splits.items():
        logits = predictor.read(people.latents)
        quality, errors[name] = measure_map_quality(predictor, people, logits)
        scored[name] = score_wrong_poses(predictor, name, people, logits, instruments.angles_deg, instruments.seed)
        reports.append(
            SplitReport(
                split=name,
                num_people=len(people),
                map_quality=quality,
                calibration=measure_calibration(scored[name]),
                sensitivity=tuple(measure_sensitivity(predictor, people, logits, instruments.encode)),
                disturbed=tuple(measure_disturbed(predictor, people)),
            )
        )
    together = ScoredPoses(
        torch.cat([each.distance_cm for each in scored.values()]), torch.cat([each.score for each in scored.values()])
    )
    starts = {
        **instruments.generated,
        "true latents, blurred and noisy": blurred_and_noisy(few),
        "another person's latents": few.latents.roll(-1, 0),
    }
    reward = predictor.score_at(few)
    hacked = measure_hacking(reward, few, instruments.decode, others, instruments.judges, instruments.ascent_steps)
    report = PredictorReport(
        name=predictor.name,
        file=str(file),
        map_size=predictor.map_size,
        splits=tuple(reports),
        pooled=measure_calibration(together),
        hacking=tuple(hacked),
        gradient=tuple(measure_gradient(predictor, few, starts, instruments.decode, others, instruments.judges)),
    )
    return Findings(report, scored, errors)
