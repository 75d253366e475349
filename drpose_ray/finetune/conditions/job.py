"""Encode the input images of a dataset once, so that training holds neither VAE nor image encoder.

drpose encode conditions --config configs/small.yaml
drpose finetune --config configs/small.yaml --finetune.data.conditions outputs/small/conditions/train
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.files.reading import list_files
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config, with_absolute_paths
from drpose_ray.diffusion.encoded.config import EncodeSettings
from drpose_ray.finetune.settings.finetune import FinetuneConfig


class EncodeConditionsConfig(Config):
    """Settings of jobs/encode_conditions.py; of the finetune section it reads the model and the dataset."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "device"),
        "finetune": ("model.base", "model.text_embeddings", "data.dataset"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="The model and the dataset.")
    encode: EncodeSettings = Field(default=EncodeSettings(), description="How the work is spread.")

    @property
    def dataset(self) -> Path:
        """The shards of pairs."""
        return self.finetune.data.dataset or self.run.folder / "shards" / "train"

    @property
    def output(self) -> Path:
        """The folder of conditions."""
        return self.encode.output or self.run.folder / "conditions" / "train"


class EncodeConditionsSummary(Summary):
    """What jobs/encode_conditions.py reports."""

    conditions: str
    shards: int
    encoded_now: int = Field(description="the others were there from an earlier attempt")


CONFIG, SUMMARY = EncodeConditionsConfig, EncodeConditionsSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.finetune.conditions.on_ray import EncodeTask, encode_on_ray

    task = EncodeTask(
        dataset=absolute(config.dataset), model=config.finetune.model.base, output=absolute(config.output),
        text_embeddings=config.finetune.model.text_embeddings, samples_per_call=config.encode.samples_per_call,
        workers=config.encode.workers, gpus_per_worker=choose_gpus(
            config.run.device, config.encode.workers, config.encode.gpus_per_worker, may_share=True
        ),
    )  # fmt: skip
    encoded = 0
    with Progress("shards encoded") as progress:
        for name in encode_on_ray(task):
            encoded += 1
            progress.step(note=name)
    shards = len(list_files(task.output, (".safetensors",), recursive=False))
    with open_run(config, config.run.folder / "encode_conditions", "encode_conditions") as run:
        run.finish(EncodeConditionsSummary(conditions=str(task.output), shards=shards, encoded_now=encoded))
    print(f"conditions of {shards} shards, of which {shards - encoded} were there: {task.output}")
