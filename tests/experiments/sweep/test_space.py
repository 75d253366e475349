"""Which trials a sweep has, and which one it chooses."""

from __future__ import annotations

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.experiments.sweep.config import SweepConfig
from drpose_ray.experiments.sweep.space import TrialResult, choose_trial, list_trials, rate_trial
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.finetune.settings.optimizer import OptimizerConfig

BASE = {"mpjpe_cm": 20.0, "iou_normal": 0.4, "iou_colour": 0.4, "psnr_normal_db": 20.0}


def _rate(name: str, **measured: float) -> TrialResult:
    trial = list_trials(SweepConfig(kl_weights=(0.1,), max_early_stops=(2,)), FinetuneConfig())[0]
    result = rate_trial(trial, {**BASE, **measured}, BASE, margin=0.02)
    return result.model_copy(update={"name": name})


def test_every_pair_is_one_trial_and_all_else_is_shared() -> None:
    finetune = FinetuneConfig(optimizer=OptimizerConfig(learning_rate=3e-4))
    trials = list_trials(SweepConfig(kl_weights=(0.0, 0.1), max_early_stops=(2, 4)), finetune)
    drawn = [trial.config.algorithm for trial in trials]
    assert [(each.kl_weight, each.max_early_stop) for each in drawn] == [(0.0, 2), (0.0, 4), (0.1, 2), (0.1, 4)]
    assert len({trial.name for trial in trials}) == 4
    assert {trial.config.optimizer.learning_rate for trial in trials} == {3e-4}


def test_early_stop_beyond_the_sampler_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        list_trials(SweepConfig(max_early_stops=(2, 21)), FinetuneConfig())
    assert refused.value.field == "max_early_stop" and refused.value.value == 21


def test_a_hacked_trial_is_not_chosen_however_low_its_pose_error() -> None:
    hacked = _rate("hacked", mpjpe_cm=10.0, iou_normal=0.2)
    good, better = _rate("good", mpjpe_cm=18.0), _rate("better", mpjpe_cm=17.0, iou_colour=0.395)
    assert not hacked.keeps_quality and better.keeps_quality
    chosen = choose_trial([hacked, good, better])
    assert chosen is not None and chosen.name == "better"
    assert choose_trial([hacked]) is None
