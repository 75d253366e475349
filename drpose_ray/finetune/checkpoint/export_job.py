"""A checkpoint of a finetune run to a model folder, in the layout that the base model came in.

drpose finetune export --config configs/paper.yaml --export.output drpose_pshuman
drpose finetune export --export.finetuned outputs/paper/finetune/drpose --export.iterations 9000 --export.output halfway
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.files.reading import is_there, reason
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import CONFIG_FILE, RunSettings, Summary
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.core.settings.preset import read_preset
from drpose_ray.core.settings.renamed import refuse_renamed
from drpose_ray.diffusion.config import Precision
from drpose_ray.finetune.settings.finetune import FinetuneConfig


class ExportConfig(Config):
    """What to export, and as what."""

    COMMON = ("finetuned", "output")

    finetuned: Path | None = Field(
        None,
        description="Folder of a finetune run, by default the run's finetune/drpose; only of your own, since "
        "DeepSpeed unpickles checkpoints.",
    )
    output: Path | None = Field(None, description="Folder of the model; by default the run's export.")
    iterations: int | None = Field(
        None, ge=1, description="Number of iterations after which the checkpoint was made; by default the last."
    )
    precision: Precision = Field(
        "float16", description="Precision of the exported U-Net; float16 is what the originals store."
    )
    average: bool = Field(
        False, description="Whether the moving average of the weights is exported, where the run kept one."
    )


class ExportJobConfig(Config):
    """Settings of jobs/export.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    export: ExportConfig = Field(default=ExportConfig(), description="What to export, and as what.")

    @property
    def finetuned(self) -> Path:
        """The finetune run."""
        return self.export.finetuned or self.run.folder / "finetune" / "drpose"

    @property
    def output(self) -> Path:
        """The folder of the model."""
        return self.export.output or self.run.folder / "export"


class ExportSummary(Summary):
    """What jobs/export.py wrote, beside the model as ``export.json``."""

    finetuned: str
    iterations: int
    precision: str
    average: bool
    tensors: int


CONFIG, SUMMARY = ExportJobConfig, ExportSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)
    settings, folder, output = config.export, config.finetuned, config.output
    finetune, dataset = _read_run(folder)

    from drpose_ray.diffusion.published.export import export_finetuned
    from drpose_ray.finetune.checkpoint.model_card import write_card
    from drpose_ray.finetune.checkpoint.zero_checkpoint import find_checkpoint, read_zero_checkpoint

    checkpoint = find_checkpoint(folder / "checkpoints", settings.iterations)
    with Progress("reading the checkpoint and writing the model"):
        weights = read_zero_checkpoint(checkpoint, average=settings.average)
        card = write_card(finetune, dataset, checkpoint.iterations, folder)
        export_finetuned(finetune.model.base, weights, output, settings.precision, card)
    summary = ExportSummary(
        finetuned=str(folder), iterations=checkpoint.iterations, precision=settings.precision,
        average=settings.average, tensors=len(weights),
    )  # fmt: skip
    write_json(output / "export.json", summary.model_dump(mode="json"))
    print(f"{len(weights)} tensors after {checkpoint.iterations} iterations, {settings.precision}: {output}")


def _read_run(folder: Path) -> tuple[FinetuneConfig, Path | None]:
    """Settings and dataset of the run. Raises InputError if the folder is not a finetune run's."""
    path = folder / CONFIG_FILE
    if not is_there(path):
        raise InputError(
            "no finetune run here", file=path, field="export.finetuned",
            remedy="run jobs/finetune.py first, or name a folder such as outputs/paper/finetune/drpose",
        )  # fmt: skip
    values = None
    try:
        values = read_preset(path)
        config = FinetuneConfig.model_validate(values["finetune"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(values, Mapping):
            refuse_renamed(values, path)  # an earlier version wrote it
        why = error.problem if isinstance(error, InputError) else reason(error)
        raise InputError(
            f"not the folder of a finetune run ({why})", file=path, field="export.finetuned",
            remedy="name a folder such as outputs/paper/finetune/drpose",
        ) from error  # fmt: skip
    return config, config.data.dataset
