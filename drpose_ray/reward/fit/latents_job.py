"""Encode the six views of datasets by a model's VAE once, so that the skeleton predictor trains without images or VAE.

drpose encode latents --config configs/small.yaml --reward.multiview_shards '[path/to/shards]'
drpose reward fit --config configs/small.yaml --reward.latents '[outputs/small/latents/shards-0123456789ab]'

``jobs/fit_reward.py`` with the same ``reward.multiview_shards`` and run folder finds the latents by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config, with_absolute_paths
from drpose_ray.diffusion.encoded.config import EncodeSettings
from drpose_ray.reward.config import RewardConfig


class EncodeLatentsConfig(Config):
    """Settings of jobs/encode_latents.py; of the reward section it reads multiview_shards and i2mv."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "device"),
        "reward": ("multiview_shards", "i2mv"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    reward: RewardConfig = Field(default=RewardConfig(), description="The datasets, and the model whose VAE encodes.")
    encode: EncodeSettings = Field(default=EncodeSettings(), description="How the work is spread.")

    @property
    def output(self) -> Path:
        """Holds one folder of latents per dataset and VAE."""
        return self.encode.output or self.run.folder / "latents"


class EncodeLatentsSummary(Summary):
    """What jobs/encode_latents.py reports."""

    latents: tuple[str, ...] = Field(description="one folder per dataset, for reward.latents")
    samples: int
    encoded_now: int = Field(description="shards; the others were there from an earlier attempt")


CONFIG, SUMMARY = EncodeLatentsConfig, EncodeLatentsSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.diffusion.encoded.latents import EncodeTask, latents_folder
    from drpose_ray.diffusion.encoded.latents_on_ray import encode_on_ray
    from drpose_ray.diffusion.encoded.latents_store import read_latents_record

    if not config.reward.multiview_shards:
        raise InputError(
            "no renders to encode",
            field="reward.multiview_shards",
            remedy="name one or more folders of six-view shards",
        )
    gpus = choose_gpus(config.run.device, config.encode.workers, config.encode.gpus_per_worker, may_share=True)
    folders, samples, encoded = [], 0, 0
    with open_run(config, config.run.folder / "encode_latents", "encode_latents") as run:
        for dataset in config.reward.multiview_shards:
            task = EncodeTask(
                dataset, config.reward.i2mv, latents_folder(absolute(config.output), dataset, config.reward.i2mv),
                images_per_call=config.encode.samples_per_call, workers=config.encode.workers,
                gpus_per_worker=gpus,
            )  # fmt: skip
            with Progress(f"shards of {dataset.name} encoded") as progress:
                for name in encode_on_ray(task):
                    encoded += 1
                    progress.step(note=name)
            folders.append(str(task.output))
            samples += read_latents_record(task.output).samples
        run.finish(EncodeLatentsSummary(latents=tuple(folders), samples=samples, encoded_now=encoded))
    print(f"latents of {samples} samples: {', '.join(folders)}")
