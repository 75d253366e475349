"""Train the skeleton predictor of PoseScore (Sec. 3.1): six-view renders -> ``predictor.safetensors``.

python -m jobs.fit_reward --config configs/small.yaml --reward.multiview_shards '[path/to/shards]'
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from drpose_ray.config import Config, load_config
from drpose_ray.diffusion.layout import load_i2mv
from drpose_ray.reward.config import RewardConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit_predictor import LatentPoses, fit_predictor
from drpose_ray.reward.renders import encode_renders, read_renders
from drpose_ray.runs import RunSettings, Summary, open_run
from jobs import run_job

PREDICTOR_FILE = "predictor.safetensors"


class FitRewardConfig(Config):
    """Settings of jobs/fit_reward.py."""

    run: RunSettings = Field(default=RunSettings(), description="where the run is kept, and its seed")
    reward: RewardConfig = Field(default=RewardConfig(), description="the predictor, its distance and its training")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "fit_reward"


class FitRewardSummary(Summary):
    """What jobs/fit_reward.py reports."""

    predictor: str
    samples: int
    perceptual_distance: str | None = Field(description="lpips, or random-feature distance without backbone weights")
    validation: dict[str, float] = Field(description="on held-out people, all views, clean latents")


CONFIG, SUMMARY = FitRewardConfig, FitRewardSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)
    settings = config.reward
    distance = SkeletonDistance(settings.distance)
    vae = load_i2mv(settings.i2mv).vae
    renders = read_renders(settings.multiview_shards, config.run.seed)
    latents = encode_renders(vae, renders.images)
    data = LatentPoses(latents, renders.joints_world, renders.center_world, renders.width_m)
    validation: dict[str, float] = {}
    with open_run(config, config.folder, "fit_reward") as run:

        def report(step: int, metrics: Mapping[str, float]) -> None:
            run.log_metrics(step, metrics)
            measured = {name: value for name, value in metrics.items() if name.startswith("validation_")}
            if measured:
                validation.update(measured)
                shown = ", ".join(f"{name.removeprefix('validation_')} {value:.4g}" for name, value in measured.items())
                print(f"update {step + 1}/{settings.fit.updates}: {shown}", flush=True)

        predictor = fit_predictor(data, settings.predictor, distance, settings.fit, config.run.seed, report)
        predictor.save(config.folder / PREDICTOR_FILE)
        run.finish(
            FitRewardSummary(
                predictor=str(config.folder / PREDICTOR_FILE),
                samples=len(data),
                perceptual_distance=distance.perceptual.name if distance.perceptual else None,
                validation=validation,
            )
        )
    print(f"predictor: {config.folder / PREDICTOR_FILE}")


if __name__ == "__main__":
    sys.exit(main())
