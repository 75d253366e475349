"""Is the reward any good? Skeleton predictors judged side by side on test splits: report.md, report.html, summary.json.

python -m jobs.report_reward --config configs/report_reward.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from pydantic import Field

from drpose_ray.config import Config, load_config
from drpose_ray.diffusion.ddim import DdimSampler, draw_noise, sample
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.layout import load_i2mv
from drpose_ray.errors import InputError
from drpose_ray.evaluate.estimator import PoseEstimator, joint_errors_cm
from drpose_ray.evaluate.generate import fit_images
from drpose_ray.geometry.view_sets import view_set
from drpose_ray.reward.config import RewardConfig
from drpose_ray.reward.renders import encode_renders
from drpose_ray.reward.report import figures, sections
from drpose_ray.reward.report.ascent import ascend
from drpose_ray.reward.report.config import RewardReportConfig
from drpose_ray.reward.report.independent import ImageJudge
from drpose_ray.reward.report.measure import Findings, Means, measure
from drpose_ray.reward.report.page import Picture, Section, write_page
from drpose_ray.reward.report.people import People, read_people, some_of_each
from drpose_ray.reward.report.reader import Reader, load_reader
from drpose_ray.reward.report.summary import RewardReportSummary
from drpose_ray.runs import RunSettings, open_run
from jobs import run_job

_COLOUR, _SHOWN = 1, 2
_SHOWN_BUDGET = 0.2


class ReportRewardConfig(Config):
    """Settings of jobs/report_reward.py; of the reward section, the model folder and the distance are used."""

    run: RunSettings = Field(default=RunSettings(), description="where the run is kept, and its seed")
    reward: RewardConfig = Field(default=RewardConfig(), description="the model whose VAE encodes, and the distance")
    reward_report: RewardReportConfig = Field(default=RewardReportConfig(), description="what is judged, and on whom")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "report_reward"


CONFIG, SUMMARY = ReportRewardConfig, RewardReportSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)
    settings = config.reward_report
    for field in ("splits", "predictors"):
        if not getattr(settings, field):
            raise InputError(
                "nothing to report on", field=f"reward_report.{field}", remedy=f"name one or more {field}: name -> path"
            )
    model = load_i2mv(config.reward.i2mv)
    splits = [
        read_people(name, path, model.vae, model.image_size, settings.people_per_split)
        for name, path in settings.splits.items()
    ]
    readers = [load_reader(name, path, config.reward.distance, splits[0]) for name, path in settings.predictors.items()]
    few = some_of_each(splits, settings.few)
    decode = _decoder(model)
    means = Means(
        encode=lambda images: encode_renders(model.vae, images, model.image_size),
        decode=decode,
        judges={"estimator": _estimator_judge(settings.estimator)} if settings.estimator else {},
        generated=_generate(model, few, settings.generated_steps, config.run.seed),
        angles_deg=settings.angles_deg,
        ascent_steps=settings.ascent_steps,
        seed=config.run.seed,
    )
    with open_run(config, config.folder, "report_reward") as run:
        findings: dict[str, Findings] = {}
        for reader in readers:
            others = [other for other in readers if other is not reader]
            findings[reader.name] = measure(reader, settings.predictors[reader.name], splits, few, others, means)
            pooled = findings[reader.name].report.pooled
            print(f"{reader.name}: rank correlation {pooled.pooled.show(3)}", flush=True)
        perceptual = readers[0].distance.perceptual
        summary = RewardReportSummary(
            twins=settings.twins,
            perceptual_distance=perceptual.name if perceptual else None,
            predictors=tuple(found.report for found in findings.values()),
        )
        examples = [_examples(readers, splits), _hacked_examples(readers[0], few, decode, settings.ascent_steps)]
        write_page(config.folder, "Is the reward any good?", _compose(summary, findings, *examples))
        run.finish(summary)
    print(f"report: {config.folder / 'report.html'}")


def _compose(
    summary: RewardReportSummary, findings: Mapping[str, Findings], read: Picture, hacked: Picture
) -> list[Section]:
    joints = Picture("joints.png", figures.plot_joint_errors(findings), "In-plane joint error by joint and view, cm.")
    ranks = Picture(
        "calibration.png",
        figures.plot_calibration(findings),
        "Minus PoseScore over the distance of the pose; a dot per person and pose, lines are medians.",
    )
    wrong = Picture(
        "sensitivity.png",
        figures.plot_sensitivity(summary),
        "PoseScore of the right minus that of the wrong over six views; in which share of people the right wins.",
    )
    soft = Picture(
        "disturbed.png", figures.plot_disturbed(summary), "PoseScore on disturbed latents, mean of the splits."
    )
    fooled = Picture(
        "hacking.png",
        figures.plot_hacking(summary),
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


@torch.no_grad()
def _examples(readers: Sequence[Reader], splits: Sequence[People]) -> Picture:
    """One person per split: images, target, and what each predictor reads (Fig. 10)."""
    rows = []
    for people in splits:
        one = people.first(1)
        images = one.images[0, _COLOUR].float() / 255
        rows += [images, figures.skeletons_on_grey(images, readers[0].draw(one)[0])]
        rows += [figures.skeletons_on_grey(images, reader.read(one.latents).sigmoid()[0]) for reader in readers]
    names = ", ".join(reader.name for reader in readers)
    return Picture(
        "read.png", figures.draw_rows(rows), f"For each split: a person, the target, and as read by {names}."
    )


@torch.no_grad()
def _hacked_examples(
    reader: Reader, few: People, decode: Callable[[torch.Tensor], torch.Tensor], steps: int
) -> Picture:
    """Decoded images before and after the ascent."""
    start, maps = few.latents.roll(-1, 0)[:_SHOWN], reader.draw(few)[:_SHOWN]
    after = ascend(reader, start, maps, "rms", _SHOWN_BUDGET * float(few.latents.std()), steps)
    images = torch.stack([decode(start), decode(after)], 1)[:, :, _COLOUR]  # (N, 2, V, 3, s, s)
    target = few.images[:_SHOWN, _COLOUR].float() / 255
    rows = [row for shown, true in zip(images, target, strict=True) for row in (*shown, true)]
    return Picture(
        "hacked.png",
        figures.draw_rows(rows),
        f"For each of {_SHOWN} people: decoded before, after an ascent of {reader.name} by rms {_SHOWN_BUDGET:g}, and "
        "the person whose pose it was to show.",
    )


def _decoder(model: ImageToMultiView) -> Callable[[torch.Tensor], torch.Tensor]:
    def decode(latents: torch.Tensor) -> torch.Tensor:
        images = torch.cat([model.vae.decode(some) for some in latents.flatten(0, 2).split(48)])
        return images.reshape(*latents.shape[:3], *images.shape[1:])

    return decode


def _estimator_judge(path: Path) -> ImageJudge:
    estimator = PoseEstimator.load(path)
    return lambda images, people: joint_errors_cm(estimator.estimate(images, people.width_m), people.joints)


@torch.no_grad()
def _generate(model: ImageToMultiView, people: People, steps: int, seed: int) -> dict[str, torch.Tensor]:
    """Latents (N, M, V=6, C, h, w) that the model itself draws from the people's front views."""
    if steps == 0:
        return {}
    sampler = DdimSampler(model.schedule, steps)
    noise = draw_noise(seed, [f"report-{n}" for n in range(len(people))], model.latent_shape, steps + 1)
    front = people.images[:, _COLOUR, 0].float() / 255
    latents = sample(model.unet, noise, model.encode_condition(fit_images(front, model.image_size)), sampler)
    true_views = view_set(model.latent_shape[1]).to_true_views(latents, view_axis=2)
    return {"generated by the model": true_views.transpose(0, 1).contiguous()}


if __name__ == "__main__":
    sys.exit(main())
