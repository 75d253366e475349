"""Train the independent pose estimator that judges DrPose: six-view renders -> ``estimator.safetensors``.

drpose estimator fit --config configs/small.yaml --estimator.multiview_shards '[path/to/other/shards]'

Killed and started again, it resumes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from drpose_ray.core.device import choose_device
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run, read_metrics
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.core.settings.dotted import flatten
from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.evaluation.estimator.estimator_config import EstimatorTrainingConfig

if TYPE_CHECKING:
    import torch

    from drpose_ray.core.training.checkpoint import Checkpoint

CHECKPOINT_FILE, ESTIMATOR_FILE = "checkpoint.safetensors", "estimator.safetensors"
_PEOPLE_AT_ONCE = 32


class FitEstimatorConfig(Config):
    """Settings of jobs/fit_estimator.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    estimator: EstimatorTrainingConfig = Field(
        default=EstimatorTrainingConfig(), description="The estimator and its training."
    )

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder / "fit_estimator"


class FitEstimatorSummary(Summary):
    """What jobs/fit_estimator.py reports."""

    estimator: str
    samples: int
    validation: dict[str, float] = Field(description="pelvis-aligned joint error on held-out people, centimetres")


CONFIG, SUMMARY = FitEstimatorConfig, FitEstimatorSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    import torch

    from drpose_ray.diffusion.published.layout import load_i2mv
    from drpose_ray.evaluation.estimator.fit_estimator import fit_estimator
    from drpose_ray.reward.fit.renders import decode_latents, encode_renders, read_renders

    settings = config.estimator
    device = choose_device(config.run.device)
    vae = load_i2mv(settings.i2mv).vae.to(device)
    people = read_renders(settings.multiview_shards, config.run.seed)
    size = settings.network.input_size
    chunks = torch.split(people.images, _PEOPLE_AT_ONCE)
    images = torch.cat([_shrink(chunk, size) for chunk in chunks])
    side = people.images.shape[-1]
    softened = torch.cat([_shrink(decode_latents(vae, encode_renders(vae, chunk, side)), size) for chunk in chunks])
    people = dataclasses.replace(people, images=images).to(device)
    checkpoint = _checkpoint(config)
    with (
        open_run(config, config.folder, "fit_estimator", start_step=checkpoint.updates_done()) as run,
        Progress("updates of the estimator", settings.fit.updates) as progress,
    ):

        def report(step: int, metrics: Mapping[str, float]) -> None:
            run.log_metrics(step, metrics)
            measured = {name: value for name, value in metrics.items() if name.startswith("validation_")}
            if measured:
                shown = ", ".join(f"{name.removeprefix('validation_')} {value:.2f}" for name, value in measured.items())
                progress.say(f"update {step + 1}/{settings.fit.updates}: {shown}")
            progress.step(left=settings.fit.updates - step - 1)

        estimator = fit_estimator(
            people, settings.network, settings.fit, config.run.seed, report, checkpoint, softened.to(device)
        )
        estimator.save(config.folder / ESTIMATOR_FILE)
        last = read_metrics(config.folder)[-1].items()
        validation = {name: value for name, value in last if name.startswith("validation_")}
        run.finish(
            FitEstimatorSummary(
                estimator=str(config.folder / ESTIMATOR_FILE), samples=len(people), validation=validation
            )
        )
        checkpoint.remove()
    print(f"estimator: {config.folder / ESTIMATOR_FILE}")


def _checkpoint(config: FitEstimatorConfig) -> Checkpoint:
    """An earlier attempt's is gone on from only if this run would have made it."""
    from drpose_ray.core.training.checkpoint import Checkpoint
    from drpose_ray.diffusion.encoded.latents_store import vae_sha256

    settings = config.estimator.model_dump(mode="json", include={"network", "fit"})
    del settings["fit"]["checkpoint_every"]  # nothing depends on it
    origin = {
        **flatten(settings), "seed": config.run.seed, "vae": vae_sha256(config.estimator.i2mv),
        "multiview_shards": [manifest_sha256(path) for path in config.estimator.multiview_shards],
    }  # fmt: skip
    return Checkpoint(config.folder / CHECKPOINT_FILE, origin)


def _shrink(images: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 images at the estimator's own size: thousands of people then fit into memory twice."""
    import torch

    from drpose_ray.evaluation.estimator.estimator import shrink_images

    return (shrink_images(images, size) * 255).round().to(torch.uint8)
