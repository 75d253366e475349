"""Is the reward any good? Skeleton predictors judged side by side on test splits: report.md, report.html, summary.json.

drpose reward report --config configs/report_reward.yaml
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from drpose_ray.core.device import choose_device
from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.evaluation.page import Picture, Section, write_page
from drpose_ray.evaluation.reward.config import RewardReportConfig
from drpose_ray.reward.config import DistanceConfig, RewardConfig

if TYPE_CHECKING:
    import torch

    from drpose_ray.datasets.posed import PosedPeople
    from drpose_ray.diffusion.i2mv import ImageToMultiView
    from drpose_ray.evaluation.reward.independent import ImageJudge
    from drpose_ray.evaluation.reward.measure import Findings
    from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
    from drpose_ray.evaluation.reward.summary import RewardReportSummary

_COLOR, _SHOWN = 1, 2
_SHOWN_BUDGET = 0.2
_GENERATED_AT_ONCE, _OF_SIZE = 16, 96


class ReportRewardConfig(Config):
    """Settings of jobs/report_reward.py; of the reward section the model folder is used."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
        "reward": ("i2mv",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    distance: DistanceConfig = Field(default=DistanceConfig(), description="The distance of Eq. 1.")
    reward: RewardConfig = Field(default=RewardConfig(), description="The model whose VAE encodes.")
    reward_report: RewardReportConfig = Field(default=RewardReportConfig(), description="What is judged, and on whom.")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "report_reward"


CONFIG, SUMMARY = ReportRewardConfig, "drpose_ray.evaluation.reward.summary:RewardReportSummary"


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.evaluation.reward import sections
    from drpose_ray.evaluation.reward.measure import Instruments, measure
    from drpose_ray.evaluation.reward.people import read_people, some_of_each
    from drpose_ray.evaluation.reward.probes.ensemble import measure_ensembles
    from drpose_ray.evaluation.reward.scored_predictor import load_scored_predictor
    from drpose_ray.evaluation.reward.summary import RewardReportSummary
    from drpose_ray.reward.fit.renders import decode_images, encode_renders

    settings = config.reward_report
    for field in ("splits", "predictors"):
        if not getattr(settings, field):
            raise InputError(
                "nothing to report on", field=f"reward_report.{field}", remedy=f"name one or more {field}: name -> path"
            )
    device = choose_device(config.run.device)
    model = _load_model(config.reward.i2mv, settings.text_embeddings, device)
    splits = {
        name: read_people(name, path, model.vae, model.image_size, settings.people_per_split)
        for name, path in settings.splits.items()
    }
    few = some_of_each(list(splits.values()), settings.few)
    predictors = [
        load_scored_predictor(name, path, config.distance, few, device) for name, path in settings.predictors.items()
    ]
    decode = functools.partial(decode_images, model.vae)
    instruments = Instruments(
        encode=lambda images: encode_renders(model.vae, images, model.image_size),
        decode=decode,
        judges={"estimator": _estimator_judge(settings.estimator, device)} if settings.estimator else {},
        generated=_generate(model, few, settings.generated_steps, config.run.seed),
        angles_deg=settings.angles_deg,
        ascent_steps=settings.ascent_steps,
        seed=config.run.seed,
    )
    with (
        open_run(config, config.folder, "report_reward") as run,
        Progress("judging predictors", len(predictors)) as progress,
    ):
        findings: dict[str, Findings] = {}
        for predictor in predictors:
            others = [other for other in predictors if other is not predictor]
            findings[predictor.name] = measure(
                predictor, settings.predictors[predictor.name], splits, few, others, instruments
            )
            pooled = findings[predictor.name].report.pooled
            progress.step(note=f"{predictor.name}: rank correlation {pooled.pooled.show(3)}")
        ensembles = measure_ensembles(
            predictors, few, decode, instruments.judges, settings.ascent_steps, settings.deviations
        )
        perceptual = predictors[0].distance.perceptual
        summary = RewardReportSummary(
            twins=settings.twins,
            perceptual_distance=perceptual.name if perceptual else None,
            predictors=tuple(found.report for found in findings.values()),
            ensembles=tuple(ensembles),
        )
        examples = [_examples(predictors, splits), _hacked_examples(predictors[0], few, decode, settings.ascent_steps)]
        write_page(
            config.folder, "Is the reward any good?", sections.lead(summary), _compose(summary, findings, *examples)
        )
        run.finish(summary)
    print(f"report: {config.folder / 'report.html'}")


def _compose(
    summary: RewardReportSummary, findings: Mapping[str, Findings], read: Picture, hacked: Picture
) -> list[Section]:
    from drpose_ray.evaluation.reward import plots, sections

    joints = Picture("joints.png", plots.plot_joint_errors(findings), "In-plane joint error by joint and view, cm.")
    ranks = Picture(
        "calibration.png",
        plots.plot_calibration(findings),
        "Minus PoseScore over the distance of the pose; a dot per person and pose, lines are medians.",
    )
    wrong = Picture(
        "sensitivity.png",
        plots.plot_sensitivity(summary),
        "PoseScore of the right minus that of the wrong over six views; in which share of people the right wins. Below "
        "zero (shaded) it is the wrong that scores higher.",
    )
    soft = Picture(
        "disturbed.png", plots.plot_disturbed(summary), "PoseScore on disturbed latents, mean of the splits."
    )
    fooled = Picture(
        "hacking.png",
        plots.plot_hacking(summary),
        "What ascent gains and what others see of it; numbers are the PSNR of decoded images after against before.",
    )
    return [
        Section("What it reads", [read]),
        sections.table_3(summary),
        sections.joint_errors(summary, joints),
        sections.calibration(summary, ranks),
        sections.sensitivity(summary, wrong),
        sections.disturbed(summary, soft),
        sections.hacking(summary, [fooled, hacked]),
        sections.gradient(summary),
    ]


def _examples(predictors: Sequence[ScoredPredictor], splits: Mapping[str, PosedPeople]) -> Picture:
    """One person per split: images, target, and what each predictor reads (Fig. 10)."""
    import torch

    from drpose_ray.evaluation.reward import plots

    with torch.no_grad():
        rows = []
        for people in splits.values():
            one = people.rows(slice(1))
            images = one.images[0, _COLOR].float() / 255
            rows += [images, plots.skeletons_on_grey(images, predictors[0].draw(one)[0])]
            rows += [
                plots.skeletons_on_grey(images, predictor.read(one.latents).sigmoid()[0]) for predictor in predictors
            ]
        names = ", ".join(predictor.name for predictor in predictors)
        return Picture(
            "read.png", plots.draw_rows(rows), f"For each split: a person, the target, and as read by {names}."
        )


def _hacked_examples(
    predictor: ScoredPredictor, few: PosedPeople, decode: Callable[[torch.Tensor], torch.Tensor], steps: int
) -> Picture:
    """Decoded images before and after the ascent."""
    import torch

    from drpose_ray.evaluation.reward import plots
    from drpose_ray.evaluation.reward.probes.ascent import ascend

    with torch.no_grad():
        start, score = few.latents.roll(-1, 0)[:_SHOWN], predictor.score_at(few.rows(slice(_SHOWN)))
        after = ascend(score, start, "rms", _SHOWN_BUDGET * float(few.latents.std()), steps)
        images = torch.stack([decode(start), decode(after)], 1)[:, :, _COLOR]  # (N, 2, V, 3, s, s)
        target = few.images[:_SHOWN, _COLOR].float() / 255
        rows = [row for shown, true in zip(images, target, strict=True) for row in (*shown, true)]
        return Picture(
            "hacked.png",
            plots.draw_rows(rows),
            f"For each of {_SHOWN} people: decoded before, after an ascent of {predictor.name} by rms "
            f"{_SHOWN_BUDGET:g}, and the person whose pose it was to show.",
        )


def _load_model(folder: Path, text_embeddings: Path | None, device: torch.device) -> ImageToMultiView:
    from drpose_ray.diffusion.published.layout import load_i2mv

    return load_i2mv(folder, text_embeddings=text_embeddings).to(device)


def _estimator_judge(path: Path, device: torch.device) -> ImageJudge:
    from drpose_ray.evaluation.estimator.estimator import PoseEstimator

    estimator = PoseEstimator.load(path).to(device)
    return lambda images, people: estimator.errors_cm(images, people.width_m, people.joints)


def _generate(model: ImageToMultiView, people: PosedPeople, steps: int, seed: int) -> dict[str, torch.Tensor]:
    """Latents (N, M, V=6, C, h, w) that the model itself draws from the people's front views, some people at a time."""
    import torch

    from drpose_ray.diffusion.ddim import DdimSampler, draw_noise, sample
    from drpose_ray.evaluation.generate import fit_images
    from drpose_ray.geometry.view_sets import view_set
    from drpose_ray.reward.fit.renders import at_once

    with torch.no_grad():
        if steps == 0:
            return {}
        sampler, device = DdimSampler(model.schedule, steps), model.text.device
        front = people.images[:, _COLOR, 0].float() / 255
        latents = []
        for rows in torch.arange(len(people)).split(at_once(_GENERATED_AT_ONCE, _OF_SIZE, model.image_size)):
            names = [f"report-{n}" for n in rows.tolist()]
            noise = draw_noise(seed, names, model.latent_shape, steps + 1).to(device)
            condition = model.encode_condition(fit_images(front[rows], model.image_size).to(device))
            latents.append(sample(model.unet, noise, condition, sampler).cpu())
        true_views = view_set(model.latent_shape[1]).to_true_views(torch.cat(latents, 1), view_axis=2)
        return {"generated by the model": true_views.transpose(0, 1).contiguous()}
