"""Train the shipped small weights again: render people and scans, fit base, reward and estimator, gather them.

drpose dev weights --config configs/weights.yaml

A stage that is done under the same settings is skipped; one that was stopped goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from drpose_ray.core.files.publish import file_sha256, write_json
from drpose_ray.core.files.reading import list_files, read_json
from drpose_ray.core.job import run_job
from drpose_ray.core.runs.run import SUMMARY_FILE, RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.diffusion.small import job as fit_base
from drpose_ray.evaluation.estimator import job as fit_estimator
from drpose_ray.evaluation.estimator.estimator_config import EstimatorTrainingConfig
from drpose_ray.experiments.pipeline import Stage, run_stage
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.people_config import PeopleConfig
from drpose_ray.reward.config import PREDICTOR_FILE, DistanceConfig, RewardConfig
from drpose_ray.reward.fit import job as fit_reward
from drpose_ray.scans import make_job as make_scans
from drpose_ray.scans.config import TwinConfig
from drpose_ray.scans.render import job as render_scans
from drpose_ray.scans.render.config import RendersConfig
from drpose_ray.synthesis import people_job as render_people


class WeightsConfig(Config):
    """Settings of jobs/weights.py: the sections of its stages."""

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    poses: PosesConfig = Field(default=PosesConfig(), description="Mocap whose training split feeds the sets.")
    people: PeopleConfig = Field(default=PeopleConfig(), description="The ray-cast sets.")
    twin: TwinConfig = Field(default=TwinConfig(), description="Scans for the skeleton predictor.")
    renders: RendersConfig = Field(default=RendersConfig(), description="How those scans are rendered.")
    base: fit_base.BaseConfig = Field(default=fit_base.BaseConfig(), description="VAE, U-Net and image encoder.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    reward: RewardConfig = Field(default=RewardConfig(), description="Skeleton predictor.")
    estimator: EstimatorTrainingConfig = Field(default=EstimatorTrainingConfig(), description="Independent estimator.")


class WeightsSummary(Summary):
    """What jobs/weights.py reports: sha256 of every file below ``folder``."""

    folder: str
    files: dict[str, str]


CONFIG, SUMMARY = WeightsConfig, WeightsSummary


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    config = load_config(CONFIG, argv)

    from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
    from drpose_ray.body.smplx_body import Body
    from drpose_ray.body.tailor import find_tailor
    from drpose_ray.core.on_ray import local_or_cluster_ray

    # Scans are made hours after the people: garments that cannot be used are refused now.
    for garments in {config.people.garments, config.twin.garments}:
        find_tailor(Body(ensure_body(BODY_CACHE)), garments)
    root, num_cpus = config.run.folder, max(config.people.workers, config.renders.workers, config.reward.fit.workers)
    with open_run(config, root / "weights", "weights") as run, local_or_cluster_ray(num_cpus):
        upstream = ""
        for stage in plan_stages(config):
            status, upstream, _ = run_stage(stage, run.folder, upstream)
            if status:
                return status
        gathered = gather(root)
        files = {str(path.relative_to(gathered)): file_sha256(path) for path in list_files(gathered)}
        run.finish(WeightsSummary(folder=str(gathered), files=files))
    print(f"weights: {gathered}; copy them over weights/small to ship them")
    return 0


def plan_stages(config: WeightsConfig) -> list[Stage]:
    """The jobs with their parts of the settings."""
    run, root = config.run, config.run.folder
    people = render_people.RenderPeopleConfig(run=run, poses=config.poses, people=config.people)
    scans = make_scans.MakeScansConfig(run=run, poses=config.poses, twin=config.twin)
    renders = render_scans.RenderScansConfig(run=run, renders=config.renders)
    base = fit_base.FitBaseConfig(run=run, base=config.base)
    reward = fit_reward.FitRewardConfig(run=run, distance=config.distance, reward=config.reward)
    estimator = fit_estimator.FitEstimatorConfig(run=run, estimator=config.estimator)
    return [
        Stage("render_people", render_people.main, people, root / "render_people"),
        Stage("make_scans", make_scans.main, scans, root / "make_scans"),
        Stage("render_scans", render_scans.main, renders, root / "render_scans"),
        Stage("fit_base", fit_base.main, base, root / "fit_base"),
        Stage("fit_reward", fit_reward.main, reward, root / "fit_reward"),
        Stage("fit_estimator", fit_estimator.main, estimator, root / "fit_estimator"),
    ]


def gather(root: Path) -> Path:
    """Copy the weights of a finished run into one folder, ``root/small``, in the layout of ``weights/small``."""
    folder = root / "small"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "fit_base" / "i2mv", folder / "i2mv")
    shutil.copy(root / "fit_reward" / PREDICTOR_FILE, folder)
    shutil.copy(root / "fit_estimator" / fit_estimator.ESTIMATOR_FILE, folder)
    stages = ("fit_base", "fit_reward", "fit_estimator")
    summaries = {stage: read_json(root / stage / SUMMARY_FILE) for stage in stages}
    write_json(folder / "metrics.json", summaries)
    return folder
