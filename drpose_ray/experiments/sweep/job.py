"""Choose KL weight and early stop (w_KL, m) on validation poses: one finetune run per pair, judged as the final one.

drpose sweep --config configs/small.yaml --sweep.kl_weights 0.1,0.3,1 --finetune.optimizer.num_iterations 100
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.seeding import derive_seed
from drpose_ray.core.settings.config import Config, absolute, load_config, with_absolute_paths
from drpose_ray.core.settings.dotted import all_but, replaced
from drpose_ray.core.tracking.tracker import sqlite_uri, start_tracking
from drpose_ray.evaluation.config import EvaluateConfig
from drpose_ray.experiments.sweep.config import SweepConfig
from drpose_ray.experiments.sweep.space import OBJECTIVE, QUALITY, TrialResult, choose_trial, list_trials, rate_trial
from drpose_ray.finetune.job import choose_training_gpus
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig


class SweepJobConfig(Config):
    """Settings of jobs/sweep.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "finetune": all_but(FinetuneConfig, "name", "algorithm.kl_weight", "algorithm.max_early_stop"),
        "evaluate": ("estimator", "num_sampling_steps", "batch_size"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="What all trials share.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description="How trials are judged.")
    sweep: SweepConfig = Field(default=SweepConfig(), description="What is varied.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "sweep"


class SweepSummary(Summary):
    """What jobs/sweep.py reports; measurements are means over the validation poses."""

    base: dict[str, float]
    trials: tuple[TrialResult, ...]
    chosen: str | None


CONFIG, SUMMARY = SweepJobConfig, SweepSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.on_ray import local_or_cluster_ray
    from drpose_ray.experiments.sweep.on_ray import SweepTask, judge_on_ray, sweep_on_ray
    from drpose_ray.experiments.sweep.validate import ValidationEvaluator
    from drpose_ray.finetune.distributed.loaders import Loaders

    config.finetune.check_files()
    shards = config.run.folder / "shards"
    dataset = absolute(config.finetune.data.dataset or shards / "train")
    trials = list_trials(config.sweep, replaced(config.finetune, {"data.dataset": dataset}))
    judge = ValidationEvaluator(
        poses=config.sweep.validation or shards / "val",
        predictor=config.finetune.reward.predictor,
        distance=config.distance,
        settings=config.evaluate,
        device="cpu",
        seed=derive_seed(config.run.seed, "validation"),
    )
    uri = config.run.tracking_uri or sqlite_uri(config.run.folder)
    num_cpus = config.finetune.num_processes * config.sweep.concurrent_trials + 1
    with (
        open_run(config, config.folder, "sweep") as run,
        local_or_cluster_ray(num_cpus),
        start_tracking(uri, "sweep", "sweep") as parent,
    ):
        parent.log_params(config)
        use_gpu = choose_training_gpus(config.run.device, config.finetune)
        judge = replace(judge, device="cuda" if use_gpu else "cpu")
        with Progress("judging the base"):
            base = judge_on_ray(judge, config.finetune.model.base, use_gpu)
        task = SweepTask(
            folder=config.folder,
            seed=config.run.seed,
            dataset=dataset,
            loaders=Loaders(config.distance, config.run.seed),
            judge=judge,
            judged_by=judge.origin(),
            tracking_uri=uri,
            parent_run_id=parent.run_id,
            use_gpu=use_gpu,
        )
        with Progress(f"training and judging {len(trials)} trials"):
            measured = sweep_on_ray(task, trials, config.sweep.concurrent_trials)
        rows = [rate_trial(trial, measured[trial.name], base, config.sweep.quality_margin) for trial in trials]
        chosen = choose_trial(rows)
        run.finish(SweepSummary(base=base, trials=tuple(rows), chosen=chosen.name if chosen else None))
    print(format_table(base, rows))
    print(f"chosen: {chosen.name}" if chosen else "no trial keeps the base's image quality")


def format_table(base: dict[str, float], rows: Sequence[TrialResult]) -> str:
    """One line for the base and one per trial."""
    keys = ("pose_score", OBJECTIVE, *QUALITY)
    lines = ["  ".join(["trial".ljust(24), *(key.rjust(14) for key in keys), "keeps quality"])]
    for name, measured, kept in [("base", base, "")] + [(r.name, r.measured, str(r.keeps_quality)) for r in rows]:
        lines.append("  ".join([name.ljust(24), *(f"{measured[key]:14.4f}" for key in keys), kept]))
    return "\n".join(lines)
