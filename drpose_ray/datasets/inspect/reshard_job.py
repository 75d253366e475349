"""Several finished datasets into one, or one into shards of another size; records are copied byte for byte.

drpose data reshard --reshard.inputs '["outputs/a/shards/train","s3://bucket/b"]' --reshard.output outputs/both
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
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.datasets.rows import ShardRow


class ReshardSettings(Config):
    """The ``reshard:`` section."""

    COMMON = ("inputs", "output")

    inputs: tuple[Path, ...] = Field(default=(), description="Finished datasets, folders or s3://..., in order.")
    output: Path | None = Field(default=None, description="Folder or s3://... of the new dataset.")
    sequences_per_shard: int = Field(default=100, ge=1, le=10_000, description="Number of windows per shard.")


class ReshardConfig(Config):
    """Settings of jobs/reshard.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    reshard: ReshardSettings = Field(default=ReshardSettings(), description="What to copy, and where to.")


class ReshardSummary(Summary):
    """What jobs/reshard.py reports."""

    dataset: str
    shards: int
    sequences: int
    frames_ok: int


CONFIG, SUMMARY = ReshardConfig, ReshardSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.datasets.inspect.reshard import reshard

    settings = config.reshard
    if not settings.inputs or settings.output is None:
        raise InputError(
            "nothing to copy, or no place to copy it to",
            field="reshard.inputs, reshard.output",
            value=f"{settings.inputs}, {settings.output}",
            remedy="give both: see drpose data reshard --help",
        )
    with Progress("sequences copied") as progress:

        def tell(row: ShardRow) -> None:
            progress.step(row.sequences, row.name)

        manifest = reshard(settings.inputs, settings.output, settings.sequences_per_shard, tell)
    with open_run(config, config.run.folder / "reshard", "reshard") as run:
        run.finish(
            ReshardSummary(
                dataset=str(settings.output),
                shards=len(manifest.shards),
                sequences=manifest.identity.sequences,
                frames_ok=manifest.frames_ok,
            )
        )
    print(f"{manifest.identity.sequences} sequences in {len(manifest.shards)} shards: {settings.output}")
