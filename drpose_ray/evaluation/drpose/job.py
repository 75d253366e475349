"""Judge base, DrPose and DrPose without KL on held-out poses: a table, ``summary.json`` and ``report.html``.

drpose evaluate --config configs/small.yaml
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from drpose_ray.core.device import choose_device
from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import CONFIG_FILE, METRICS_FILE, RunSettings, open_run, read_metrics
from drpose_ray.core.seeding import derive_seed
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.core.tracking.tracker import sqlite_uri, start_tracking
from drpose_ray.evaluation.config import EvaluateConfig
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig

if TYPE_CHECKING:
    import torch

    from drpose_ray.diffusion.i2mv import ImageToMultiView
    from drpose_ray.evaluation.drpose.report import Example
    from drpose_ray.evaluation.drpose.summary import JudgementSummary
    from drpose_ray.evaluation.evaluate_model import PoseSet, PoseTable
    from drpose_ray.evaluation.evaluators import Evaluators
    from drpose_ray.evaluation.page import Picture

REPORT_FILE, PER_POSE_FILE, BEFORE_AFTER_FILE = "report.html", "per_pose.csv", "before_after.png"
CURVES = {
    "reward": "PoseScore of the training batch",
    "kl": "KL term: MSE to the base's output",
    "active_steps": "trained steps of the drawn plan",
}


class EvaluateJobConfig(Config):
    """Settings of jobs/evaluate.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "finetune": ("model.base", "reward.predictor"),
        "evaluate": tuple(name for name in EvaluateConfig.model_fields if name not in {"split", "num_standing"}),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="The base and the skeleton predictor.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description="Models, judges and poses.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "evaluate"

    def pose_folders(self) -> dict[str, Path]:
        """Pose set -> shards, challenging first."""
        shards = self.run.folder / "shards"
        return {
            "challenging": self.evaluate.challenging or shards / "challenging",
            "standing": self.evaluate.standing or shards / "standing",
        }

    def model_folders(self) -> dict[str, Path]:
        """Model -> folder, the base first. Raises InputError for one that this run has yet to train."""
        from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, NO_KL

        arms = self.run.folder / "finetune"
        for name, named in ((DRPOSE, self.evaluate.drpose), (NO_KL, self.evaluate.drpose_no_kl)):
            if named is None and not (arms / name / "model").exists():
                raise InputError(
                    f"the model {name} has not been trained in this run", file=arms / name / "model",
                    remedy="run jobs/pipeline.py with the same preset and run.folder, or name another model's folder "
                    f"with --evaluate.{name}",
                )  # fmt: skip
        return {
            BASE: self.finetune.model.base,
            DRPOSE: self.evaluate.drpose or arms / DRPOSE / "model",
            NO_KL: self.evaluate.drpose_no_kl or arms / NO_KL / "model",
        }

    def twins(self) -> tuple[str, ...]:
        """Every stand-in that the numbers depend on."""
        distance = self.distance
        lpips_is_real = distance.backbone_weights is not None or distance.perceptual_weight == 0
        return self.evaluate.twins + (() if lpips_is_real else ("a random-feature distance, for LPIPS",))


CONFIG, SUMMARY = EvaluateJobConfig, "drpose_ray.evaluation.drpose.summary:JudgementSummary"


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.diffusion.published.layout import load_i2mv
    from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, compare
    from drpose_ray.evaluation.drpose.report import pick_examples, write_before_after, write_report
    from drpose_ray.evaluation.drpose.summary import summarise, write_per_pose
    from drpose_ray.evaluation.drpose.text_table import format_table
    from drpose_ray.evaluation.evaluate_model import NOVEL_VIEWS
    from drpose_ray.evaluation.evaluators import Evaluators
    from drpose_ray.evaluation.pose_sets import read_pose_set
    from drpose_ray.metrics.silhouettes import fixed_mask_iou

    device = choose_device(config.run.device)
    evaluators = Evaluators(config.finetune.reward.predictor, config.distance, config.evaluate.estimator, device)
    with Progress("loading models"):
        models = {name: load_i2mv(folder).to(device) for name, folder in config.model_folders().items()}
    sets = [read_pose_set(path, name, evaluators.map_size) for name, path in config.pose_folders().items()]
    with open_run(config, config.folder, "evaluate") as run:
        latents = {poses.name: _generate(config, models, poses) for poses in sets}
        tables = {poses.name: _judge(evaluators, models[BASE], latents[poses.name], poses) for poses in sets}
        floors = {poses.name: fixed_mask_iou(poses.masks[:, list(NOVEL_VIEWS)]).numpy() for poses in sets}
        verdicts = compare(tables["challenging"], tables["standing"], floors["standing"], config.run.seed)
        means = {name: float(values.mean()) for name, values in floors.items()}
        summary = summarise(tables, verdicts, config.twins(), config.run.seed, means)
        challenging = sets[0]
        shown = pick_examples(tables[challenging.name][BASE], tables[challenging.name][DRPOSE])
        examples = [_show(evaluators, models[BASE], latents[challenging.name], challenging, i) for i in shown]
        write_before_after(config.folder / BEFORE_AFTER_FILE, examples[::2])
        write_per_pose(config.folder / PER_POSE_FILE, tables)
        write_report(
            config.folder / REPORT_FILE,
            summary,
            tables,
            title=f"DrPose judged: {config.run.folder.name}",
            examples=examples,
            curves=_read_curves(config),
            curve_keys=CURVES,
            pictures=_read_pictures(config.run.folder),
            settings_yaml=(config.folder / CONFIG_FILE).read_text(),
        )
        _track(config, summary)
        run.finish(summary)
    print(format_table(summary))
    print(f"\nreport: {config.folder / REPORT_FILE}")


def _judge(
    evaluators: Evaluators, model: ImageToMultiView, latents: Mapping[str, list[torch.Tensor]], poses: PoseSet
) -> dict[str, PoseTable]:
    """Model name -> table. All share the VAE of ``model``: post-training moves the U-Net alone."""
    from drpose_ray.evaluation.drpose.claims import MODEL_TITLES

    tables = {}
    with Progress(f"models judged on {len(poses)} {poses.name} poses", len(latents)) as progress:
        for name, batches in latents.items():
            tables[name] = evaluators.evaluate(name, model, batches, poses)
            progress.step(note=MODEL_TITLES[name])
    return tables


def _show(
    evaluators: Evaluators,
    model: ImageToMultiView,
    latents: Mapping[str, list[torch.Tensor]],
    poses: PoseSet,
    index: int,
) -> Example:
    """What all models made of pose ``index``."""
    import torch

    from drpose_ray.evaluation.drpose.claims import CEILING
    from drpose_ray.evaluation.drpose.report import Example

    own = {name: torch.cat(batches, 1)[:, index : index + 1] for name, batches in latents.items() if name != CEILING}
    return Example(
        sample_id=poses.people.sample_ids[index],
        input_image=poses.input_images[index],
        truth=poses.people.images[index],
        outputs={name: evaluators.decode(model, x0)[:, 0] for name, x0 in own.items()},
        target_maps=poses.target_maps[index],
        predicted_maps={name: evaluators.read_skeletons(x0)[0] for name, x0 in own.items()},
    )


def _generate(
    config: EvaluateJobConfig, models: Mapping[str, ImageToMultiView], poses: PoseSet
) -> dict[str, list[torch.Tensor]]:
    """Model -> latents of all poses, in batches; the truth's own latents first."""
    from drpose_ray.evaluation.drpose.claims import BASE, CEILING, MODEL_TITLES
    from drpose_ray.evaluation.generate import encode_truth, generate_latents

    settings = config.evaluate
    with Progress(f"encoding {len(poses)} {poses.name} poses"):
        latents = {CEILING: list(encode_truth(models[BASE], poses, batch_size=settings.batch_size))}
    for name, model in models.items():
        latents[name] = []
        batches = generate_latents(
            model,
            poses,
            num_sampling_steps=settings.num_sampling_steps,
            batch_size=settings.batch_size,
            seed=derive_seed(config.run.seed, "judgement"),
            guidance_scale=settings.guidance_scale,
        )
        with Progress(f"{poses.name} poses sampled by {MODEL_TITLES[name]}", len(poses)) as progress:
            for batch in batches:
                latents[name].append(batch)
                progress.step(batch.shape[1])
    return latents


def _read_curves(config: EvaluateJobConfig) -> dict[str, list[dict[str, Any]]]:
    """Metrics of the finetune runs that the models came from; a KL term that was never computed is left out."""
    from drpose_ray.evaluation.drpose.claims import BASE

    curves = {}
    for name, model in config.model_folders().items():
        if name != BASE and (model.parent / METRICS_FILE).exists():
            lines = read_metrics(model.parent)
            has_kl = any(line.get("kl") for line in lines)
            curves[name] = lines if has_kl else [{k: v for k, v in line.items() if k != "kl"} for line in lines]
    return curves


def _read_pictures(run_folder: Path) -> list[Picture]:
    from drpose_ray.evaluation.page import Picture

    path = run_folder / "select_poses" / "diversity.png"
    caption = "Pose diversity (Fig. 4): poses the model is post-trained and judged on, against standing poses."
    return [Picture(path.name, path.read_bytes(), caption)] if path.exists() else []


def _track(config: EvaluateJobConfig, summary: JudgementSummary) -> None:
    uri = config.run.tracking_uri or sqlite_uri(config.run.folder)
    with start_tracking(uri, "evaluate", config.run.folder.name) as tracker:
        tracker.log_params(config)
        tracker.log_metrics(0, {f"{r.pose_set}.{r.model}.{r.metric}": r.mean.value for r in summary.rows})
        tracker.log_artifact(config.folder / REPORT_FILE)
