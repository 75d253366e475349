"""All stages in order: motions -> selected poses -> shards -> (reward) -> DrPose with and without KL -> judgement.

drpose pipeline --config configs/small.yaml

Stages that are done under the same settings are skipped, so a pipeline that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from drpose_ray.core.errors import AnotherRunError, InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.files.reading import list_files, list_folders
from drpose_ray.core.job import run_job
from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.core.runs.run import SUMMARY_FILE, RunSettings, Summary, open_run
from drpose_ray.core.secrets import redact_values, withheld
from drpose_ray.core.seeding import derive_seed
from drpose_ray.core.settings.config import Config, absolute, dump_config, load_config
from drpose_ray.core.settings.dotted import all_but, replaced
from drpose_ray.core.settings.preset import read_preset
from drpose_ray.core.settings.renamed import refuse_renamed
from drpose_ray.datasets.manifest import MANIFEST, manifest_sha256
from drpose_ray.evaluation.config import EvaluateConfig
from drpose_ray.evaluation.drpose import job as evaluate
from drpose_ray.finetune import job as finetune
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.poses import job as select_poses
from drpose_ray.poses.config import PosesConfig
from drpose_ray.reward.config import PREDICTOR_FILE, DistanceConfig, RewardConfig
from drpose_ray.reward.fit import job as fit_reward
from drpose_ray.synthesis import job as synthesize
from drpose_ray.synthesis.config import SynthesisConfig


class PipelineConfig(Config):
    """Settings of jobs/pipeline.py: the sections of the stages."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "finetune": all_but(FinetuneConfig, "name"),
        "synthesis": all_but(SynthesisConfig, "selection", "split", "output", "dry_run"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    poses: PosesConfig = Field(default=PosesConfig(), description="Motions and how many windows to select.")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="How poses become images.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    reward: RewardConfig = Field(default=RewardConfig(), description="The predictor, where it is fitted.")
    finetune: FinetuneConfig = Field(
        default=FinetuneConfig(), description="Algorithm 1; a predictor file that does not exist is fitted first."
    )
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description="The judgement.")


class StageSummary(Summary):
    """One stage of the pipeline."""

    name: str
    folder: str
    seconds: float = Field(description="of the run that did the work")
    done_before: bool


class PipelineSummary(Summary):
    """What jobs/pipeline.py reports."""

    stages: tuple[StageSummary, ...] = Field(description="in the order they were run")
    claims: dict[str, bool] = Field(description="verdicts of the judgement")
    report: str


CONFIG, SUMMARY = PipelineConfig, PipelineSummary

_WITHOUT_EFFECT = {"workers", "gpus_per_worker", "checkpoint_every", "max_worker_failures"}
"""Of settings, wherever they stand: how the same work is spread, and how often it is kept."""


@dataclass(frozen=True)
class Stage:
    """One job with its settings; ``folder`` is where it leaves its summary."""

    name: str
    main: Callable[[Sequence[str] | None], int]
    config: Config
    folder: Path


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    config = load_config(CONFIG, argv)

    from drpose_ray.core.on_ray import local_or_cluster_ray
    from drpose_ray.evaluation.drpose.summary import JudgementSummary
    from drpose_ray.evaluation.drpose.text_table import format_table

    root = config.run.folder
    num_cpus = max(config.synthesis.workers, config.finetune.parallel.num_workers, config.reward.fit.workers)
    with open_run(config, root / "pipeline", "pipeline") as run, local_or_cluster_ray(num_cpus):
        stages: list[StageSummary] = []
        upstream = ""
        for stage in plan_stages(config):
            if stage.name == "challenging":
                write_judged_poses(config, root / "judged_poses.parquet")
            status, upstream, summary = run_stage(stage, run.folder, upstream)
            if status:
                return status
            stages.append(summary)
        judgement = JudgementSummary.model_validate_json((root / "evaluate" / SUMMARY_FILE).read_text())
        report = str(root / "evaluate" / evaluate.REPORT_FILE)
        claims = {verdict.key: verdict.holds for verdict in judgement.verdicts}
        run.finish(PipelineSummary(stages=tuple(stages), claims=claims, report=report))
    if stages[-1].done_before:
        print(f"{format_table(judgement)}\n\nreport: {report}")
    return 0


def plan_stages(config: PipelineConfig) -> list[Stage]:
    """The stages with the settings each would be given by hand."""
    from drpose_ray.evaluation.drpose.claims import DRPOSE, NO_KL

    run, root = config.run, config.run.folder
    # People of the judgement come from a stream of their own: none of them is trained on.
    judged_run = run.model_copy(update={"seed": derive_seed(run.seed, "judged people")})
    tuned, fits_reward = config.finetune, not config.finetune.reward.predictor.exists()
    if fits_reward:
        tuned = replaced(tuned, {"reward.predictor": root / "fit_reward" / PREDICTOR_FILE})
    arms = {
        DRPOSE: replaced(tuned, {"name": DRPOSE}),
        NO_KL: replaced(tuned, {"name": NO_KL, "algorithm.kl_weight": 0.0}),
    }

    def synthesis(name: str, settings: RunSettings, synthesis: SynthesisConfig) -> Stage:
        job = synthesize.SynthesizeConfig(run=settings, synthesis=replaced(synthesis, {"split": name, "output": None}))
        return Stage(name, synthesize.main, job, root / "synthesize" / name)

    six_views = replaced(
        config.synthesis,
        {
            "selection": root / "judged_poses.parquet",
            "mimo": None,  # judgement needs ground truth from all sides, which only a rendered body has
            "clothed_body.multiview": True,
        },
    )
    # Standing people keep the heading of the scans that the base knows.
    standing = replaced(six_views, {"clothed_body.azimuth_deg": None})
    stages = [
        Stage(
            "select_poses",
            select_poses.main,
            select_poses.SelectPosesConfig(run=run, poses=config.poses),
            root / "select_poses",
        ),
        synthesis("train", run, replaced(config.synthesis, {"selection": None})),
        synthesis("challenging", judged_run, six_views),
        synthesis("standing", judged_run, standing),
    ]
    if fits_reward:
        job = fit_reward.FitRewardConfig(run=run, distance=config.distance, reward=config.reward)
        stages.append(Stage("fit_reward", fit_reward.main, job, root / "fit_reward"))
    for name, settings in arms.items():
        arm = finetune.FinetuneJobConfig(run=run, finetune=settings, distance=config.distance)
        stages.append(Stage(name, finetune.main, arm, arm.folder))
    judgement = evaluate.EvaluateJobConfig(
        run=run, finetune=arms[DRPOSE], distance=config.distance, evaluate=config.evaluate
    )
    return [*stages, Stage("evaluate", evaluate.main, judgement, judgement.folder)]


def write_judged_poses(config: PipelineConfig, path: Path) -> None:
    """Publish the poses to judge on: the picked frames of held-out windows, and standing poses."""
    from drpose_ray.evaluation.pose_sets import picked_frames, standing_windows
    from drpose_ray.poses.windows_file import read_selection, write_selection

    held_out = read_selection(config.run.folder / "select_poses" / "selection.parquet", config.evaluate.split)
    standing = standing_windows(config.run.seed, config.evaluate.num_standing)
    write_selection(path, {"challenging": picked_frames(held_out), "standing": standing})


def run_stage(stage: Stage, folder: Path, upstream: str) -> tuple[int, str, StageSummary]:
    """Run ``stage`` unless it is done; ``upstream`` is the fingerprint of the stages before it.

    A stage is done if its summary exists and its marker in ``folder`` names the same settings and the same content of
    what they name (``by_content``), here and upstream.
    Returns the job's exit status, this stage's fingerprint and its summary. Raises AnotherRunError if an earlier
    version ran it: it would be done anew in the same folder, and a later stage be refused.
    """
    values = stage.config.model_dump(mode="json")
    hashes = FileHashes(folder / "hashes.json")
    settings = json.dumps(redact_values(by_content(stage.config, folder.parent, hashes)), sort_keys=True, default=str)
    fingerprint = hashlib.sha256(f"{upstream} {stage.name} {settings}".encode()).hexdigest()
    marker, preset = folder / f"{stage.name}.json", folder / f"{stage.name}.yaml"
    if preset.exists():
        try:
            refuse_renamed(read_preset(preset), preset)
        except InputError as error:
            raise AnotherRunError(
                "an earlier version of drpose_ray began this run", file=preset, field=error.field,
                remedy="choose a new run.folder, or go on with that version; datasets and predictors of the old folder "
                "can be named as input",
            ) from error  # fmt: skip
    if marker.exists() and (stage.folder / SUMMARY_FILE).exists():
        done = json.loads(marker.read_text())
        if done["fingerprint"] == fingerprint:
            print(f"== {stage.name}: done before ({done['seconds']:.0f} s)", flush=True)
            return 0, fingerprint, _summarise(stage, done["seconds"], done_before=True)
    print(f"== {stage.name}", flush=True)
    marker.unlink(missing_ok=True)
    dump_config(stage.config, preset)
    begin = time.monotonic()
    # The preset has no credentials.
    flags = [
        f"--{field}={each}"
        for field, value in withheld(values).items()
        for each in (value if isinstance(value, list) else [value])
    ]
    status = stage.main(["--config", str(preset), *flags])
    seconds = time.monotonic() - begin
    if status == 0:
        write_json(marker, {"fingerprint": fingerprint, "seconds": seconds})
        print(f"== {stage.name}: {seconds:.0f} s", flush=True)
    return status, fingerprint, _summarise(stage, seconds, done_before=False)


def by_content(value: Any, root: Path, hashes: FileHashes) -> Any:
    """Settings with the content of what they name in place of its path: a stage is done anew if a file that it reads
    has changed, and not because the run folder or the checkout lie elsewhere now.

    What lies in the run folder ``root`` is made by earlier stages, whose fingerprints are upstream. Of other folders
    than models and datasets, which may be large, the names and sizes of their files count.
    """
    from drpose_ray.diffusion.published.model_index import MARKER as MODEL_MARKER

    if isinstance(value, RunSettings):
        return {"seed": value.seed}
    if isinstance(value, Config):
        return {name: by_content(part, root, hashes) for name, part in value if name not in _WITHOUT_EFFECT}
    if isinstance(value, tuple | list):
        return [by_content(part, root, hashes) for part in value]
    if isinstance(value, dict):
        return {name: by_content(part, root, hashes) for name, part in value.items()}
    if not isinstance(value, Path):
        return value
    place = absolute(value)
    if place.is_relative_to(absolute(root)):
        return str(place.relative_to(absolute(root)))
    if place.is_file():
        return hashes.of_file(place, "file")
    if not place.is_dir():
        return str(value)
    if (place / MODEL_MARKER).is_file():
        components = list_folders(place, lambda folder: folder.parent == place)
        return hashes.of_folders(place, [folder.name for folder in components], "folder")
    if (place / MANIFEST).is_file():
        return manifest_sha256(place)
    return [(str(file.relative_to(place)), file.stat().st_size) for file in list_files(place)]


def _summarise(stage: Stage, seconds: float, *, done_before: bool) -> StageSummary:
    return StageSummary(name=stage.name, folder=str(stage.folder), seconds=seconds, done_before=done_before)
