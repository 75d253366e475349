"""The trials of a sweep, what is measured on each, and which one is chosen."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drpose_ray.core.runs.run import Summary
from drpose_ray.core.settings.dotted import replaced
from drpose_ray.experiments.sweep.config import SweepConfig
from drpose_ray.finetune.plan import check_plan
from drpose_ray.finetune.settings.finetune import FinetuneConfig

OBJECTIVE: Final = "mpjpe_cm"
"""The independent pose error, to be lowered. PoseScore is what the trials optimise, and so no judge between them."""
QUALITY: Final = ("iou_normal", "iou_colour", "psnr_normal_db")
"""Novel-view measures that reward hacking destroys first; higher is better."""


@dataclass(frozen=True)
class Trial:
    """One run of the finetune job."""

    name: str
    config: FinetuneConfig


class TrialResult(Summary):
    """One row of the sweep's table: the settings varied, and means over the validation poses."""

    name: str
    kl_weight: float
    max_early_stop: int
    measured: dict[str, float]
    keeps_quality: bool


def list_trials(sweep: SweepConfig, finetune: FinetuneConfig) -> list[Trial]:
    """One trial per pair of KL weight and m. Raises InputError if an m does not fit T and K."""
    algorithm = finetune.algorithm
    for max_early_stop in sweep.max_early_stops:
        check_plan(algorithm.num_sampling_steps, algorithm.num_train_steps, max_early_stop, algorithm.plan)
    trials = []
    for kl_weight, max_early_stop in itertools.product(sweep.kl_weights, sweep.max_early_stops):
        name = f"kl_{kl_weight:g}_stop_{max_early_stop}"
        changes = {"name": name, "algorithm.kl_weight": kl_weight, "algorithm.max_early_stop": max_early_stop}
        trials.append(Trial(name, replaced(finetune, changes)))
    return trials


def rate_trial(trial: Trial, measured: Mapping[str, float], base: Mapping[str, float], margin: float) -> TrialResult:
    """The trial's row; it keeps quality if no measure of ``QUALITY`` falls by more than ``margin`` of the base's."""
    return TrialResult(
        name=trial.name,
        kl_weight=trial.config.algorithm.kl_weight,
        max_early_stop=trial.config.algorithm.max_early_stop,
        measured=dict(measured),
        keeps_quality=all(measured[key] >= (1 - margin) * base[key] for key in QUALITY),
    )


def choose_trial(results: Sequence[TrialResult]) -> TrialResult | None:
    """The lowest pose error among the trials that keep quality; None if none does."""
    kept = [result for result in results if result.keeps_quality]
    return min(kept, key=lambda result: result.measured[OBJECTIVE], default=None)
